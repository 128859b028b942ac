package api

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// plainLogQL knows selectors with line filters |= "text", | logfmt as a mark, and vector(1)+vector(1): what the tests of
// this package need to be about HTTP alone.
type plainLogQL struct {
	events store.EventTenants
	parser parser.Parser
}

var (
	plainQuery  = regexp.MustCompile(`^(\{[^}]*\})((?:\s*\|= "[^"]*")*)\s*$`)
	plainFilter = regexp.MustCompile(`\|= "([^"]*)"`)
	plainVector = regexp.MustCompile(`^(vector\(1\)\+vector\(1\)|sum by \((\w+)\) \(count_over_time\((.*)\n\[(\w+)\]\)\))$`)
)

var errPlainParse = model.NewError(model.Invalid, "parse error at line 1, col 2: syntax error: unexpected end of input")

func (p plainLogQL) Parse(query string) (LogExpr, error) {
	if m := plainVector.FindStringSubmatch(query); m != nil {
		return LogExpr{Metric: true, Pretty: strings.ReplaceAll(query, "+", "\n+\n")}, nil
	}
	m := plainQuery.FindStringSubmatch(query)
	if m == nil {
		return LogExpr{}, errPlainParse
	}
	e := LogExpr{Selector: m[2] == "", Pretty: query}
	if m[1] == "{}" {
		return e, nil
	}
	var err error
	e.Matchers, err = p.parser.ParseMetricSelector(m[1])
	return e, err
}

func (p plainLogQL) Query(ctx context.Context, q LogQuery) (LogResult, error) {
	if m := plainVector.FindStringSubmatch(q.Text); m != nil {
		return p.metric(ctx, q, m)
	}
	var res LogResult
	var err error
	res.Stats, err = p.Scan(ctx, q, func(l labels.Labels, e LogEntry) error {
		at := slices.IndexFunc(res.Streams, func(s LogStream) bool { return labels.Equal(s.Labels, l) })
		if at < 0 {
			at = len(res.Streams)
			res.Streams = append(res.Streams, LogStream{Labels: l})
		}
		res.Streams[at].Entries = append(res.Streams[at].Entries, e)
		return nil
	})
	return res, err
}

func (p plainLogQL) metric(ctx context.Context, q LogQuery, m []string) (LogResult, error) {
	if m[2] == "" && q.Step == 0 {
		return LogResult{Value: promql.Vector{{T: q.End.UnixMilli(), F: 2}}}, nil
	}
	if m[2] == "" {
		return LogResult{Value: promql.Matrix{{Floats: []promql.FPoint{{T: q.Start.UnixMilli(), F: 2}}}}}, nil
	}
	series := map[string]*promql.Series{}
	var out promql.Matrix
	step, err := time.ParseDuration(m[4])
	if err != nil {
		return LogResult{}, err
	}
	for t := q.Start; !t.After(q.End); t = t.Add(q.Step) {
		_, err := p.Scan(ctx, LogQuery{Text: m[3], Start: t.Add(1 - step), End: t.Add(1)}, func(l labels.Labels, e LogEntry) error {
			count(series, l, e, m[2], t)
			return nil
		})
		if err != nil {
			return LogResult{}, err
		}
	}
	for _, s := range series {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return LogResult{Value: out}, nil
}

func count(series map[string]*promql.Series, l labels.Labels, e LogEntry, by string, t time.Time) {
	value := l.Get(by)
	for _, f := range e.Metadata {
		if f.Name == by {
			value = f.Value
		}
	}
	s := series[value]
	if s == nil {
		s = &promql.Series{Metric: labels.FromStrings()}
		if value != "" {
			s.Metric = labels.FromStrings(by, value)
		}
		series[value] = s
	}
	if n := len(s.Floats); n == 0 || s.Floats[n-1].T != t.UnixMilli() {
		s.Floats = append(s.Floats, promql.FPoint{T: t.UnixMilli()})
	}
	s.Floats[len(s.Floats)-1].F++
}

func (p plainLogQL) Scan(ctx context.Context, q LogQuery, f func(labels.Labels, LogEntry) error) (LogStats, error) {
	e, err := p.Parse(q.Text)
	if err != nil {
		return LogStats{}, err
	}
	events, err := p.events.EventReader(model.Tenant(ctx))
	if err != nil {
		return LogStats{}, err
	}
	type row struct {
		labels labels.Labels
		LogEntry
	}
	var rows []row
	query := store.EventQuery{Start: q.Start.UnixNano(), End: q.End.UnixNano(), Matchers: e.Matchers, Order: store.Forward}
	for _, m := range plainFilter.FindAllStringSubmatch(q.Text, -1) {
		query.Filters = append(query.Filters, store.RecordFilter{Needles: [][]string{{m[1]}}})
	}
	stats, err := events.Select(ctx, query, func(_ int, b store.EventBatch) error {
		for _, r := range b.(*eventstest.Batch).Records {
			rows = append(rows, row{b.Stream(), LogEntry{Time: r.Time, Line: r.Line, Metadata: r.Fields}})
		}
		return nil
	})
	if err != nil {
		return LogStats{}, err
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if q.Backward {
			a, b = b, a
		}
		return cmp.Compare(a.Time, b.Time)
	})
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	for _, r := range rows {
		if err := f(r.labels, r.LogEntry); err != nil {
			return LogStats{}, err
		}
	}
	return LogStats{EventStats: stats, Entries: int64(len(rows)), Took: time.Millisecond}, nil
}

func (p plainLogQL) Follow(ctx context.Context, query string, f func([]LogStream, int) error) error {
	e, err := p.Parse(query)
	if err != nil {
		return err
	}
	events, err := p.events.EventReader(model.Tenant(ctx))
	if err != nil {
		return err
	}
	return events.Follow(ctx, e.Matchers, func(l labels.Labels, records []model.Record, dropped int) error {
		if len(records) == 0 {
			return f(nil, dropped)
		}
		s := LogStream{Labels: l}
		for _, r := range records {
			s.Entries = append(s.Entries, LogEntry{Time: r.Time, Line: r.Line, Metadata: r.Fields})
		}
		return f([]LogStream{s}, dropped)
	})
}

// line is a record of the tests: labels as "a=b,c=d", seconds before clock, text, fields as "a=b".
type line struct {
	labels string
	ago    time.Duration
	text   string
	fields string
}

func fieldsOf(text string) []model.Field {
	var out []model.Field
	for pair := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out = append(out, model.Field{Name: name, Value: value})
		}
	}
	return model.SortFields(out)
}

func fill(t testing.TB, m *eventstest.Memory, lines ...line) {
	t.Helper()
	for _, l := range lines {
		refused, err := m.AppendRecords(t.Context(), []model.Stream{{
			Labels:  fieldsOf(l.labels),
			Records: []model.Record{{Time: clock.Add(-l.ago).UnixNano(), Line: l.text, Fields: fieldsOf(l.fields)}},
		}})
		if err != nil || len(refused) > 0 {
			t.Fatal(err, refused)
		}
	}
}

// failing answers every query with one error.
type failing struct {
	plainLogQL
	err error
}

func (f failing) Query(context.Context, LogQuery) (LogResult, error) { return LogResult{}, f.err }

type busyError struct{ error }

func (busyError) Busy() bool { return true }

var errTest = errors.New("too many queries wait")

func labelsOf(pairs string) labels.Labels {
	b := labels.NewScratchBuilder(4)
	for _, f := range fieldsOf(pairs) {
		b.Add(f.Name, f.Value)
	}
	return b.Labels()
}
