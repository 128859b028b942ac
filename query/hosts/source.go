package hosts

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Source evaluates PromQL over the series of the context's tenant. What it returns belongs to the caller.
type Source struct {
	// Instant evaluates at one time; a selector with a range gives a promql.Matrix of raw samples.
	Instant func(ctx context.Context, expr string, at time.Time) (parser.Value, error)
	// Range evaluates at from, from+step, ... up to to.
	Range func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error)
}

// FromEngine returns a Source that runs engine over what tenants hold.
func FromEngine(engine promql.QueryEngine, tenants store.Tenants) Source {
	return Source{
		Instant: func(ctx context.Context, expr string, at time.Time) (parser.Value, error) {
			series, err := tenants.Reader(model.Tenant(ctx))
			if err != nil {
				return nil, fmt.Errorf("cannot open the series of tenant %q: %w", model.Tenant(ctx), err)
			}
			q, err := engine.NewInstantQuery(ctx, series, nil, expr, at)
			if err != nil {
				return nil, fmt.Errorf("cannot prepare %s: %w", expr, err)
			}
			return execute(ctx, q, expr)
		},
		Range: func(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, error) {
			series, err := tenants.Reader(model.Tenant(ctx))
			if err != nil {
				return nil, fmt.Errorf("cannot open the series of tenant %q: %w", model.Tenant(ctx), err)
			}
			q, err := engine.NewRangeQuery(ctx, series, nil, expr, from, to, step)
			if err != nil {
				return nil, fmt.Errorf("cannot prepare %s: %w", expr, err)
			}
			v, err := execute(ctx, q, expr)
			if err != nil {
				return nil, err
			}
			m, ok := v.(promql.Matrix)
			if !ok {
				return nil, fmt.Errorf("cannot use %s over a range: it gives a %s", expr, v.Type())
			}
			return m, nil
		},
	}
}

// execute runs q, takes its value out of the engine's pools and closes it.
func execute(ctx context.Context, q promql.Query, expr string) (parser.Value, error) {
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, fmt.Errorf("cannot evaluate %s: %w", expr, res.Err)
	}
	m, ok := res.Value.(promql.Matrix)
	if !ok {
		return res.Value, nil
	}
	own := make(promql.Matrix, len(m))
	for i, s := range m {
		own[i] = promql.Series{Metric: s.Metric, Floats: slices.Clone(s.Floats)}
	}
	return own, nil
}

// vector evaluates expr at a time and wants a vector.
func (s Source) vector(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	v, err := s.Instant(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	vec, ok := v.(promql.Vector)
	if !ok {
		return nil, fmt.Errorf("cannot use %s: it gives a %s, not a vector", expr, v.Type())
	}
	return vec, nil
}

// samples evaluates a selector with a range at a time: the raw samples.
func (s Source) samples(ctx context.Context, expr string, at time.Time) (promql.Matrix, error) {
	v, err := s.Instant(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	m, ok := v.(promql.Matrix)
	if !ok {
		return nil, fmt.Errorf("cannot use %s: it gives a %s, not samples", expr, v.Type())
	}
	return m, nil
}

// scope says which hosts a query is about: matchers that every selector gets, "" for all hosts.
type scope string

// oneHost is the scope of a single instance.
func oneHost(instance string) scope { return scope("instance=" + quote(instance)) }

// someHosts is the scope of several instances.
func someHosts(instances []string) scope {
	return scope("instance=~" + quote(union(instances)))
}

// of returns a selector of one metric with more matchers.
func (s scope) of(metric string, matchers ...string) string {
	return metric + s.braces(matchers)
}

// any returns a selector of several metrics with more matchers.
func (s scope) any(metrics []string, matchers ...string) string {
	return s.braces(append([]string{"__name__=~" + quote(strings.Join(metrics, "|"))}, matchers...))
}

func (s scope) braces(matchers []string) string {
	if s != "" {
		matchers = append(slices.Clone(matchers), string(s))
	}
	if len(matchers) == 0 {
		return ""
	}
	return "{" + strings.Join(matchers, ",") + "}"
}

// quote writes a label value as PromQL reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD")) + `"`
}

// union is a regular expression that matches exactly the given values.
func union(values []string) string {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = regexp.QuoteMeta(v)
	}
	return strings.Join(escaped, "|")
}
