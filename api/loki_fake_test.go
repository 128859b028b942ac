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

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// plainLogQL knows log queries with line filters |= "text", vector(1)+vector(1), and the counts of our histogram.
type plainLogQL struct{ events store.EventTenants }

func (p plainLogQL) Query(ctx context.Context, q logql.Request) (logql.Result, error) {
	e, err := logql.Parse(q.Query)
	if err != nil {
		return logql.Result{}, err
	}
	if _, ok := e.(*logql.LogExpr); !ok {
		return p.metric(ctx, q)
	}
	res := logql.Result{Streams: []logql.Stream{}}
	res.Stats, err = p.Scan(ctx, q, func(l labels.Labels, e logql.Entry) error {
		at := slices.IndexFunc(res.Streams, func(s logql.Stream) bool { return labels.Equal(s.Labels, l) })
		if at < 0 {
			at = len(res.Streams)
			res.Streams = append(res.Streams, logql.Stream{Labels: l})
		}
		res.Streams[at].Entries = append(res.Streams[at].Entries, e)
		return nil
	})
	if !q.Categorize {
		res.Streams = append([]logql.Stream{}, mergedStreams(res.Streams)...)
	}
	slices.SortFunc(res.Streams, func(a, b logql.Stream) int { return labels.Compare(a.Labels, b.Labels) })
	return res, err
}

var plainCount = regexp.MustCompile(`^sum by \((\w+)\) \(count_over_time\((.*)\n\[(\w+)\]\)\)$`)

func (p plainLogQL) metric(ctx context.Context, q logql.Request) (logql.Result, error) {
	m := plainCount.FindStringSubmatch(q.Query)
	switch {
	case m == nil && q.Step == 0:
		return logql.Result{Vector: promql.Vector{{T: q.End.UnixMilli(), F: 2}}}, nil
	case m == nil:
		return logql.Result{Matrix: promql.Matrix{{Floats: []promql.FPoint{{T: q.Start.UnixMilli(), F: 2}}}}}, nil
	}
	series := map[string]*promql.Series{}
	step, err := time.ParseDuration(m[3])
	if err != nil {
		return logql.Result{}, err
	}
	for t := q.Start; !t.After(q.End); t = t.Add(q.Step) {
		_, err := p.Scan(ctx, logql.Request{Query: m[2], Start: t.Add(1 - step), End: t.Add(1)}, func(l labels.Labels, e logql.Entry) error {
			count(series, l, e, m[1], t)
			return nil
		})
		if err != nil {
			return logql.Result{}, err
		}
	}
	out := promql.Matrix{}
	for _, s := range series {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return logql.Result{Matrix: out}, nil
}

func count(series map[string]*promql.Series, l labels.Labels, e logql.Entry, by string, t time.Time) {
	value := allLabels(l, &e).Get(by)
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

func plainEntry(r model.Record) logql.Entry {
	b := labels.NewScratchBuilder(len(r.Fields))
	for _, f := range r.Fields {
		b.Add(f.Name, f.Value)
	}
	return logql.Entry{Time: r.Time, Line: r.Line, Structured: b.Labels()}
}

func (p plainLogQL) Scan(ctx context.Context, q logql.Request, f func(labels.Labels, logql.Entry) error) (logql.Stats, error) {
	e, err := logql.ParseLog(q.Query)
	if err != nil {
		return logql.Stats{}, err
	}
	events, err := p.events.EventReader(model.Tenant(ctx))
	if err != nil {
		return logql.Stats{}, err
	}
	type row struct {
		labels labels.Labels
		logql.Entry
	}
	var rows []row
	query := store.EventQuery{Start: q.Start.UnixNano(), End: q.End.UnixNano(), Matchers: e.Matchers, Order: store.Forward}
	for _, s := range e.Stages {
		if f, ok := s.(*logql.LineFilter); ok {
			query.Filters = append(query.Filters, store.RecordFilter{Needles: [][]string{{f.Alternatives[0].Text}}})
		}
	}
	stats, err := events.Select(ctx, query, func(_ int, b store.EventBatch) error {
		for _, r := range b.(*eventstest.Batch).Records {
			rows = append(rows, row{b.Stream(), plainEntry(r)})
		}
		return nil
	})
	if err != nil {
		return logql.Stats{}, err
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if q.Direction == logql.Backward {
			a, b = b, a
		}
		return cmp.Compare(a.Time, b.Time)
	})
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	for _, r := range rows {
		if err := f(r.labels, r.Entry); err != nil {
			return logql.Stats{}, err
		}
	}
	return logql.Stats{EventStats: stats, Entries: len(rows), Exec: time.Millisecond}, nil
}

func (p plainLogQL) Follow(ctx context.Context, query string, f func([]logql.Stream, int) error) error {
	e, err := logql.ParseLog(query)
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
		s := logql.Stream{Labels: l}
		for _, r := range records {
			s.Entries = append(s.Entries, plainEntry(r))
		}
		return f([]logql.Stream{s}, dropped)
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

func (f failing) Query(context.Context, logql.Request) (logql.Result, error) {
	return logql.Result{}, f.err
}

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
