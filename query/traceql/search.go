package traceql

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// SearchRequest says which traces are looked for.
type SearchRequest struct {
	// Start and End bound the start of a span that the query's filters look for, in nanoseconds since the epoch: Start <= start < End.
	// 0, 0 is all there is. A trace is evaluated with all of its spans that are within six hours of the range.
	Start, End int64
	// Limit is how many traces are returned (0: 20), SpansPerSet how many spans of each of their spansets (0: 3; less than 0: all).
	Limit, SpansPerSet int
	// MostRecent asks for the newest traces, not for some. It changes nothing: these are always the newest.
	MostRecent bool
}

// SearchResult is traces, the newest first.
type SearchResult struct {
	Traces []FoundTrace
	Stats  store.SpanStats
	// Complete is false when a limit of the engine ended the search, or cut a trace: there may be more and newer traces.
	Complete bool
}

// FoundTrace tells of a trace.
type FoundTrace struct {
	ID                    model.TraceID
	RootService, RootName string // empty: there is no root among the spans
	Start, Duration       int64  // nanoseconds: the first start, and from there to the last end
	Spans, Errors         int
	Services              []ServiceCount // sorted by name
	Sets                  []SpanSet
}

// ServiceCount counts the spans of a service in a trace, and those of them whose status is error.
type ServiceCount struct {
	Name          string
	Spans, Errors int
}

// SpanSet is spans of a trace that the query selects together.
type SpanSet struct {
	Matched    int               // all of them
	Attributes []model.Attribute // what by() and aggregates say: "by(name)", "count()"
	Spans      []FoundSpan       // the first by start
}

// FoundSpan tells of a span. Attributes are those that the query names.
type FoundSpan struct {
	ID, Parent      model.SpanID
	Name, Service   string
	Kind            model.SpanKind
	Status          model.SpanStatus
	Start, Duration int64
	Attributes      []model.Attribute
}

// errStop ends a reading when there is enough.
var errStop = errors.New("enough")

// Search returns the newest traces that the query selects something of.
func (e *Engine) Search(ctx context.Context, r store.SpanReader, q *Query, req SearchRequest) (*SearchResult, error) {
	if q.Metrics != nil {
		return nil, invalid("%s() makes series, not traces: ask for it as a metrics query, or leave it out", q.Metrics.Func)
	}
	req.Limit, req.SpansPerSet = cmp.Or(req.Limit, 20), cmp.Or(req.SpansPerSet, 3)
	if req.Limit < 0 {
		return nil, invalid("limit is %d: it is a number of traces from 1 on", req.Limit)
	}
	if req.Start == 0 && req.End == 0 {
		req.Start, req.End = math.MinInt64, math.MaxInt64
	}
	s := &search{e: e, r: r, q: q, req: req, fields: q.shownFields(), looked: map[model.TraceID]bool{}, result: &SearchResult{Complete: true}}
	err := s.run(ctx)
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	return s.result, nil
}

// search is one search.
type search struct {
	e      *Engine
	r      store.SpanReader
	q      *Query
	req    SearchRequest
	fields []*Field
	needs  []*store.SpanFilter    // of the pipeline
	filter *store.SpanFilter      // the one by which candidates are found
	looked map[model.TraceID]bool // that are completed

	narrowed bool
	among    map[model.TraceID]bool // others cannot be found; nil: all can
	result   *SearchResult          // its traces are sorted, and at most Limit
}

// candidate is a trace that may be found.
type candidate struct {
	id    model.TraceID
	start int64 // it starts then or earlier
}

func (s *search) run(ctx context.Context) error {
	needs, impossible := s.q.Pipeline.needs()
	if impossible {
		return nil
	}
	s.needs, s.filter = needs, mostTelling(needs)
	if id, ok := traceIDOf(s.filter); ok {
		return s.byID(ctx, id, s.filter)
	}
	q := store.SpanQuery{Start: s.req.Start, End: s.req.End, Filter: s.filter, Order: store.Backward, Workers: s.e.Workers, Enough: func(next int64) bool {
		return s.isFull() && s.oldest() > next
	}}
	stats, err := s.r.SelectSpans(ctx, q, func(_ int, b store.SpanBatch) error { return s.look(ctx, b) })
	s.result.Stats.Add(stats)
	return err
}

// byID looks at the one trace that the query names, if a span of it that passes the filter is in the range.
func (s *search) byID(ctx context.Context, id model.TraceID, filter *store.SpanFilter) error {
	inRange := func(t *model.Trace) bool {
		for i := range t.Groups {
			g := &t.Groups[i]
			for k := range g.Spans {
				if span := &g.Spans[k]; span.Start >= s.req.Start && span.Start < s.req.End && filter.Passes(g, span) {
					return true
				}
			}
		}
		return false
	}
	return s.complete(ctx, []candidate{{id: id}}, inRange)
}

func (s *search) isFull() bool  { return len(s.result.Traces) >= s.req.Limit }
func (s *search) oldest() int64 { return s.result.Traces[len(s.result.Traces)-1].Start }

// look completes and evaluates the traces of a batch, the newest first, as long as they can be among those that are returned.
func (s *search) look(ctx context.Context, b store.SpanBatch) error {
	var list []candidate
	starts := b.Starts()
	for _, run := range b.Traces() {
		if !s.looked[run.Trace] && (s.among == nil || s.among[run.Trace]) {
			list = append(list, candidate{run.Trace, starts[run.First]})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.start, a.start), a.id.Compare(b.id))
	})
	list = slices.CompactFunc(list, func(a, b candidate) bool { return a.id == b.id })
	for size := min(s.req.Limit, tracesAtOnce); len(list) > 0; size = tracesAtOnce {
		if s.isFull() && list[0].start < s.oldest() {
			return nil
		}
		if len(s.looked) >= s.e.narrowAfter() && !s.narrowed {
			if err := s.narrow(ctx); err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(c candidate) bool { return s.among != nil && !s.among[c.id] })
		}
		chunk := list[:min(size, len(list))]
		list = list[len(chunk):]
		if left := s.e.maxTraces() - len(s.looked); len(chunk) > left {
			s.result.Complete = false
			if chunk = chunk[:left]; left == 0 {
				return errStop
			}
		}
		if err := s.complete(ctx, chunk, nil); err != nil {
			return err
		}
	}
	return nil
}

// complete reads whole traces and evaluates those for which ok says so (nil: all).
func (s *search) complete(ctx context.Context, list []candidate, ok func(*model.Trace) bool) error {
	ids := make([]model.TraceID, len(list))
	for i, c := range list {
		ids[i] = c.id
		s.looked[c.id] = true
	}
	start, end := widened(s.req.Start, s.req.End)
	stats, err := s.r.Traces(ctx, ids, start, end, s.e.maxSpans(), func(t model.Trace) error {
		if t.Truncated > 0 {
			s.result.Complete = false
		}
		if ok == nil || ok(&t) {
			s.evaluate(&t)
		}
		return nil
	})
	s.result.Stats.Add(stats)
	return err
}

func (s *search) evaluate(t *model.Trace) {
	v := newView(t)
	if len(v.rows) == 0 || s.isFull() && v.start() < s.oldest() {
		return
	}
	sets := s.q.Pipeline.evaluate(v)
	if len(sets) == 0 {
		return
	}
	found := describe(v)
	for _, set := range sets {
		found.Sets = append(found.Sets, s.spanSet(v, set))
	}
	newer := func(a, b FoundTrace) int { return cmp.Or(cmp.Compare(b.Start, a.Start), a.ID.Compare(b.ID)) }
	at, _ := slices.BinarySearchFunc(s.result.Traces, found, newer)
	s.result.Traces = slices.Insert(s.result.Traces, at, found)
	if len(s.result.Traces) > s.req.Limit {
		s.result.Traces = s.result.Traces[:s.req.Limit]
	}
}

// describe tells of a trace, without its spansets.
func describe(v *view) FoundTrace {
	out := FoundTrace{ID: v.trace.ID, Start: v.start(), Duration: v.duration, Spans: len(v.rows) + v.trace.Truncated}
	if v.root >= 0 {
		r := &v.rows[v.root]
		out.RootService, out.RootName = r.group.Resource.ServiceName(), r.span.Name
	}
	for i := range v.trace.Groups {
		g := &v.trace.Groups[i]
		count := ServiceCount{Name: g.Resource.ServiceName(), Spans: len(g.Spans)}
		for k := range g.Spans {
			if g.Spans[k].Status == model.StatusError {
				count.Errors++
			}
		}
		out.Errors += count.Errors
		if n := slices.IndexFunc(out.Services, func(c ServiceCount) bool { return c.Name == count.Name }); n >= 0 {
			out.Services[n].Spans += count.Spans
			out.Services[n].Errors += count.Errors
			continue
		}
		out.Services = append(out.Services, count)
	}
	slices.SortFunc(out.Services, func(a, b ServiceCount) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (s *search) spanSet(v *view, set found) SpanSet {
	out := SpanSet{Matched: len(set.rows), Attributes: set.attributes}
	for n, i := range set.rows {
		if s.req.SpansPerSet >= 0 && n >= s.req.SpansPerSet {
			break
		}
		r := &v.rows[i]
		span := FoundSpan{
			ID: r.span.ID, Parent: r.span.Parent, Name: r.span.Name, Service: r.group.Resource.ServiceName(), Kind: r.span.Kind, Status: r.span.Status,
			Start: r.span.Start, Duration: r.span.Duration,
		}
		for _, f := range s.fields {
			if value := (spanAt{v, i}).value(f); value.Kind != model.NoValue {
				span.Attributes = append(span.Attributes, model.Attribute{Key: f.label(), Value: shown(f, value)})
			}
		}
		out.Spans = append(out.Spans, span)
	}
	return out
}

// label is the name under which results show a field: an attribute's own, without its scope.
func (f *Field) label() string {
	if f.Scope == store.IntrinsicScope || f.Parent {
		return f.Text
	}
	return f.Name
}

// shownFields returns the fields that the query names, those of select() first, without those that every found span has anyway.
func (q *Query) shownFields() (out []*Field) {
	names := map[string]bool{}
	add := func(f *Field) {
		own := f.Scope == store.IntrinsicScope && !f.Parent &&
			slices.Contains([]string{store.IntrinsicName, store.IntrinsicDuration, store.IntrinsicSpanID, store.IntrinsicTraceID}, f.Name)
		if !own && !names[f.label()] {
			names[f.label()] = true
			out = append(out, f)
		}
	}
	var walk func(p *Pipeline, selected bool)
	var spanset func(x SpansetExpr, selected bool)
	spanset = func(x SpansetExpr, selected bool) {
		switch x := x.(type) {
		case *SpansetFilter:
			if !selected {
				eachField(x.Condition, add)
			}
		case *SpansetOperation:
			spanset(x.Left, selected)
			spanset(x.Right, selected)
		case *Group:
			walk(x.Pipeline, selected)
		}
	}
	walk = func(p *Pipeline, selected bool) {
		for _, s := range p.Stages {
			switch s := s.(type) {
			case *Select:
				for _, f := range s.Fields {
					if selected {
						add(f)
					}
				}
			case *By:
				for _, x := range s.Fields {
					eachField(x, add)
				}
			case SpansetExpr:
				spanset(s, selected)
			}
		}
	}
	walk(q.Pipeline, true)
	walk(q.Pipeline, false)
	return out
}
