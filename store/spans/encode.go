package spans

import (
	"bytes"
	"cmp"
	"log/slog"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// encoders is the goroutines that encode. What waits is bounded by the budget of the head.
type encoders struct {
	log   *slog.Logger
	group sync.WaitGroup

	mu     sync.Mutex
	wake   *sync.Cond
	queue  []*job
	closed bool
}

func startEncoders(n int, s *Store) *encoders {
	e := &encoders{log: s.log}
	e.wake = sync.NewCond(&e.mu)
	for range n {
		e.group.Go(func() { e.run(s) })
	}
	return e
}

// stop leaves what waits undone: the journal has it.
func (e *encoders) stop() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wake.Broadcast()
	e.group.Wait()
}

// submit takes a job, or nil.
func (e *encoders) submit(j *job) {
	if j == nil {
		return
	}
	e.mu.Lock()
	e.queue = append(e.queue, j)
	e.mu.Unlock()
	e.wake.Signal()
}

func (e *encoders) next() *job {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) == 0 && !e.closed {
		e.wake.Wait()
	}
	if e.closed {
		return nil
	}
	j := e.queue[0]
	e.queue[0] = nil
	e.queue = e.queue[1:]
	return j
}

func (e *encoders) run(s *Store) {
	for j := e.next(); j != nil; j = e.next() {
		groups, err := j.encode()
		if err != nil {
			// The spans were checked when they were appended. They stay seen as they are, and in the journal.
			s.metrics.encodeFailures.Inc()
			e.log.Error("BUG: spans cannot be encoded: they stay in memory and in the journal", "tenant", j.p.key.tenant, "err", err)
		} else {
			j.p.finish(j, groups)
			s.budget.Release(j.bytes)
		}
		j.p.head.jobs.Done()
		s.wakeCutter()
	}
}

func (j *job) encode() ([]*memGroup, error) {
	groups, err := decodeChunks(j.chunks)
	if err != nil {
		return nil, err
	}
	return encodeGroups(groups)
}

// encodeGroups makes groups of spans: traces by the time at which they began, whole as far as they fit.
func encodeGroups(groups []model.SpanGroup) ([]*memGroup, error) {
	var out []*memGroup
	for _, part := range split(groups) {
		data, summary, err := spangroup.Encode(nil, part)
		if err != nil {
			return nil, err
		}
		g := &memGroup{data: slices.Clip(data), summary: summary}
		if g.group, err = spangroup.Open(bytes.NewReader(g.data), int64(len(g.data)), summary.Directory); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// maxEncode bounds the bytes of spans, as they came, that are encoded at once.
const maxEncode = 16 << 20

// placed is a span with what it belongs to.
type placed struct {
	group int // of the groups that are split
	span  *model.Span
	first int64 // start of the trace's first span
}

// split returns spans in parts of at most spangroup.MaxSpans: traces one after the other by their first start, and not cut but where one is
// larger than a part.
func split(groups []model.SpanGroup) [][]model.SpanGroup {
	all := order(groups)
	var out [][]model.SpanGroup
	for from := 0; from < len(all); {
		to := partEnd(all, from)
		out = append(out, regroup(groups, all[from:to]))
		from = to
	}
	return out
}

// order returns all spans, traces together.
func order(groups []model.SpanGroup) []placed {
	n := 0
	for i := range groups {
		n += len(groups[i].Spans)
	}
	all := make([]placed, 0, n)
	first := make(map[model.TraceID]int64, n/8)
	for i := range groups {
		for k := range groups[i].Spans {
			s := &groups[i].Spans[k]
			all = append(all, placed{group: i, span: s})
			if at, ok := first[s.TraceID]; !ok || s.Start < at {
				first[s.TraceID] = s.Start
			}
		}
	}
	for i := range all {
		all[i].first = first[all[i].span.TraceID]
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return a.span.TraceID.Compare(b.span.TraceID)
	})
	return all
}

// partEnd is where the part that begins at from ends.
func partEnd(all []placed, from int) int {
	whole, bytes := from, 0
	for i := from; i < len(all); i++ {
		if i > from && all[i].span.TraceID != all[i-1].span.TraceID {
			whole = i
		}
		bytes += sizeOf(all[i].span)
		if i > from && (i-from == spangroup.MaxSpans || bytes > maxEncode) {
			if whole > from {
				return whole
			}
			return i
		}
	}
	return len(all)
}

// regroup puts spans of one resource and scope together again.
func regroup(groups []model.SpanGroup, spans []placed) []model.SpanGroup {
	at := make(map[int]int, 64)
	counts := make([]int, 0, 64)
	var out []model.SpanGroup
	for _, x := range spans {
		i, ok := at[x.group]
		if !ok {
			i = len(out)
			at[x.group] = i
			out = append(out, model.SpanGroup{Resource: groups[x.group].Resource, Scope: groups[x.group].Scope})
			counts = append(counts, 0)
		}
		counts[i]++
	}
	for i := range out {
		out[i].Spans = make([]model.Span, 0, counts[i])
	}
	for _, x := range spans {
		i := at[x.group]
		out[i].Spans = append(out[i].Spans, *x.span)
	}
	return out
}

// sizeOf is about what a span takes in memory and in an entry.
func sizeOf(s *model.Span) int {
	n := 80 + len(s.Name) + len(s.Message) + len(s.State) + attributesSize(s.Attributes)
	for i := range s.Events {
		n += 16 + len(s.Events[i].Name) + attributesSize(s.Events[i].Attributes)
	}
	for i := range s.Links {
		n += 48 + len(s.Links[i].State) + attributesSize(s.Links[i].Attributes)
	}
	return n
}

func attributesSize(list []model.Attribute) (n int) {
	for i := range list {
		n += 16 + len(list[i].Key) + len(list[i].Value.Text) + attributesSize(list[i].Value.Nested)
	}
	return n
}
