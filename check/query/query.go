// Package query checks what PromQL and LogQL expressions answer: the kinds promql and logql compare each number with ranges.
package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Sample is one number of an answer. A scalar has no labels.
type Sample struct {
	Labels []model.Field // sorted by name; __name__ may be among them
	Value  float64
}

// Func answers an expression at a moment, for the tenant of the context. It returns soon after the context ends.
type Func func(ctx context.Context, query string, at time.Time) ([]Sample, error)

// Options are what the kinds ask. A kind whose function is nil is left out.
type Options struct {
	PromQL, LogQL Func
	// ParsePromQL and ParseLogQL judge an expression when the check is declared; nil: when it is asked.
	ParsePromQL, ParseLogQL func(query string) error
}

// PromQLOptions are those of a check of the kind promql.
type PromQLOptions struct {
	Query    string      `json:"query" doc:"The expression. Each number that it answers is compared with the ranges."`
	Warning  check.Range `json:"warning" doc:"Range of good numbers beyond which the check is WARNING."`
	Critical check.Range `json:"critical" doc:"Range beyond which it is CRITICAL."`
	Empty    string      `json:"empty" doc:"Status when the answer is empty: UNKNOWN by default; OK for expressions that answer only what is bad."`
	Tenant   string      `json:"tenant" doc:"Whose data is asked."`
	Unit     string      `json:"unit" doc:"Unit of the numbers, for graphs: s, B, %."`
	Label    string      `json:"label" doc:"Label whose value names each number; all labels by default."`
}

// LogQLOptions are those of a check of the kind logql.
type LogQLOptions struct {
	Query     string         `json:"query" doc:"The expression: a metric query, or one of lines with count_over."`
	CountOver check.Duration `json:"count_over" doc:"The query is of lines, and how many came in this time is compared: 5m. None is 0."`
	Warning   check.Range    `json:"warning" doc:"Range of good numbers beyond which the check is WARNING."`
	Critical  check.Range    `json:"critical" doc:"Range beyond which it is CRITICAL."`
	Empty     string         `json:"empty" doc:"Status when the answer is empty: UNKNOWN by default; OK for expressions that answer only what is bad."`
	Tenant    string         `json:"tenant" doc:"Whose data is asked."`
	Unit      string         `json:"unit" doc:"Unit of the numbers, for graphs: s, B, %."`
	Label     string         `json:"label" doc:"Label whose value names each number; all labels by default."`
}

// Bounds of an answer: how many numbers are looked at, become performance data, and are named in the long output.
const (
	maxSamples = 10_000
	maxPerf    = 100
	maxLines   = 50
)

// Kinds are the kinds of this package.
func Kinds(o Options) []check.Kind {
	var kinds []check.Kind
	if o.PromQL != nil {
		kinds = append(kinds, check.Kind{
			Name: "promql", Doc: "Compares what a PromQL expression answers with ranges.", Options: &PromQLOptions{},
			New: func(p check.Params) (check.Prober, error) {
				var c PromQLOptions
				if err := check.Decode(p.Options, &c); err != nil {
					return nil, err
				}
				return newProber("PROMQL", c, 0, o.PromQL, o.ParsePromQL)
			},
		})
	}
	if o.LogQL != nil {
		kinds = append(kinds, check.Kind{
			Name: "logql", Doc: "Compares what a LogQL expression answers, or how many lines it finds, with ranges.", Options: &LogQLOptions{},
			New: func(p check.Params) (check.Prober, error) {
				var c LogQLOptions
				if err := check.Decode(p.Options, &c); err != nil {
					return nil, err
				}
				return newProber("LOGQL", PromQLOptions{c.Query, c.Warning, c.Critical, c.Empty, c.Tenant, c.Unit, c.Label}, c.CountOver, o.LogQL, o.ParseLogQL)
			},
		})
	}
	return kinds
}

type prober struct {
	name  string
	o     PromQLOptions
	query string // as it is asked
	count bool   // of lines: no answer is 0
	empty model.Status
	ask   Func
}

func newProber(name string, o PromQLOptions, over check.Duration, ask Func, parse func(string) error) (check.Prober, error) {
	p := &prober{name: name, o: o, query: strings.TrimSpace(o.Query), empty: model.Unknown, ask: ask}
	if p.query == "" {
		return nil, errors.New("query: missing; write an expression, such as up{job=\"node\"}")
	}
	if o.Tenant != "" {
		if err := model.ValidTenant(o.Tenant); err != nil {
			return nil, fmt.Errorf("tenant: %w", err)
		}
	}
	if o.Empty != "" {
		if err := p.empty.UnmarshalText([]byte(o.Empty)); err != nil || p.empty == model.Pending {
			return nil, fmt.Errorf("empty: %q is no status for a check; use OK, WARNING, CRITICAL or UNKNOWN", o.Empty)
		}
	}
	if over < 0 || over > 0 && time.Duration(over) < time.Second {
		return nil, errors.New("count_over: write a time of at least a second, such as 5m")
	}
	if over > 0 {
		p.count = true
		p.query = fmt.Sprintf("sum(count_over_time(%s [%ds]))", p.query, int64(time.Duration(over)/time.Second))
	}
	if parse != nil {
		if err := parse(p.query); err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
	}
	return p, nil
}

// Probe asks once.
func (p *prober) Probe(ctx context.Context) model.CheckResult {
	start := time.Now()
	if p.o.Tenant != "" {
		ctx = model.WithTenant(ctx, p.o.Tenant)
	}
	samples, err := p.ask(ctx, p.query, start)
	r := p.judge(samples, err)
	r.Start, r.Duration = start, time.Since(start)
	return r
}

func (p *prober) judge(samples []Sample, err error) model.CheckResult {
	switch {
	case err != nil:
		return model.CheckResult{Status: model.Unknown, Output: p.name + " UNKNOWN - " + err.Error()}
	case len(samples) > maxSamples:
		return model.CheckResult{Status: model.Unknown, Output: fmt.Sprintf("%s UNKNOWN - the answer has %d numbers, the most is %d: write topk() or an aggregation", p.name, len(samples), maxSamples)}
	case len(samples) == 0 && p.count:
		samples = []Sample{{}}
	case len(samples) == 0:
		return model.CheckResult{Status: p.empty, Output: fmt.Sprintf("%s %s - the answer is empty", p.name, p.empty)}
	}
	// What is bad stands first, the rest as it came.
	type one struct {
		Sample
		status model.Status
	}
	all := make([]one, len(samples))
	counts := map[model.Status]int{}
	for i, s := range samples {
		all[i] = one{s, p.rate(s.Value)}
		counts[all[i].status]++
	}
	slices.SortStableFunc(all, func(a, b one) int { return b.status.Severity() - a.status.Severity() })
	r := model.CheckResult{Status: all[0].status}
	var lines []string
	for i, s := range all {
		name := p.label(s.Labels)
		if i < maxPerf {
			r.Perf = append(r.Perf, model.Perf{Label: name, Value: s.Value, Unit: p.o.Unit, Warn: p.o.Warning.String(), Crit: p.o.Critical.String()})
		}
		if i < maxLines && len(all) > 1 {
			lines = append(lines, fmt.Sprintf("%s: %s = %s%s", s.status, name, number(s.Value), p.o.Unit))
		}
	}
	r.Long = strings.Join(lines, "\n")
	r.Output = fmt.Sprintf("%s %s - %s = %s%s", p.name, r.Status, p.label(all[0].Labels), number(all[0].Value), p.o.Unit)
	if len(all) > 1 {
		r.Output += fmt.Sprintf(" (%d numbers: %d CRITICAL, %d UNKNOWN, %d WARNING, %d OK)", len(all), counts[model.Critical], counts[model.Unknown], counts[model.Warning], counts[model.OK])
	}
	return r
}

// rate judges one number. Without a threshold any number is good; what is no number is good only then.
func (p *prober) rate(v float64) model.Status {
	if math.IsNaN(v) && (p.o.Warning.Set() || p.o.Critical.Set()) {
		return model.Unknown
	}
	return check.Rate(v, p.o.Warning, p.o.Critical)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// maxName is how long the name of a number may be.
const maxName = 200

// label names a number by its labels.
func (p *prober) label(labels []model.Field) string {
	if p.count {
		return "lines"
	}
	var parts []string
	metric := ""
	for _, l := range labels {
		switch {
		case p.o.Label != "" && l.Name == p.o.Label:
			return cut(l.Value)
		case l.Name == "__name__":
			metric = l.Value
		default:
			parts = append(parts, l.Name+"="+strconv.Quote(l.Value))
		}
	}
	switch {
	case len(parts) > 0:
		metric += "{" + strings.Join(parts, ",") + "}"
	case metric == "":
		metric = "value"
	}
	return cut(metric)
}

func cut(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxName)], "")
}
