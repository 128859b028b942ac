package api

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store"
)

const (
	defaultNeighbours = 20
	maxNeighbours     = 1000
	// maxSameTime bounds the records of one nanosecond of one stream that are looked through.
	maxSameTime = 10_000
	// comparedBytes is how much of a line tells it apart from others of the same nanosecond: it travels in an URL.
	comparedBytes = 1000
)

type contextJSON struct {
	Before     []entryJSON `json:"before"` // oldest first, as After
	At         *entryJSON  `json:"at"`     // null when there is no such record
	After      []entryJSON `json:"after"`
	MoreBefore bool        `json:"moreBefore"`
	MoreAfter  bool        `json:"moreAfter"`
	Stats      statsJSON   `json:"stats"`
}

type entryJSON struct {
	Time     string            `json:"time"`
	Line     string            `json:"line"`
	Metadata map[string]string `json:"metadata"`
	N        int               `json:"n"` // which one of the records with this time and line it is
}

// logContext answers /logs/context: the records of one stream before and after one of them.
func (a *api) logContext(r *http.Request) (*result, error) {
	n, err := a.neighbourhood(r)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := n.find(r.Context()); err != nil {
		return nil, err
	}
	out := n.answer()
	out.Stats = logStatsJSON(logql.Stats{EventStats: n.stats, Exec: time.Since(begin)})
	return &result{data: out}, nil
}

// neighbourhood is the surroundings of a record.
type neighbourhood struct {
	events        store.EventReader
	matchers      []*labels.Matcher
	labels        labels.Labels
	time          int64
	line          string
	n             int
	before, after int // how many are wanted

	older, same, newer []model.Record // ascending in time
	stats              store.EventStats
}

func (a *api) neighbourhood(r *http.Request) (n *neighbourhood, err error) {
	n = &neighbourhood{line: r.Form.Get("line")}
	if n.before, err = wholeParam(r, "before", defaultNeighbours, 0, maxNeighbours); err != nil {
		return nil, err
	}
	if n.after, err = wholeParam(r, "after", defaultNeighbours, 0, maxNeighbours); err != nil {
		return nil, err
	}
	if n.n, err = wholeParam(r, "n", 0, 0, maxSameTime); err != nil {
		return nil, err
	}
	at, err := a.lokiTimeParam(r, "time", time.Time{})
	switch {
	case err != nil:
		return nil, err
	case at.IsZero():
		return nil, badParam("time", errors.New("it is missing: the time of the record in nanoseconds"))
	}
	n.time = at.UnixNano()
	if n.matchers, err = a.lokiMatchers(r, "stream"); err != nil {
		return nil, err
	}
	b := labels.NewScratchBuilder(len(n.matchers))
	for _, m := range n.matchers {
		if m.Type != labels.MatchEqual {
			return nil, badParam("stream", errors.New("the whole label set of one stream is needed, with = only"))
		}
		b.Add(m.Name, m.Value)
	}
	b.Sort()
	n.labels = b.Labels()
	n.events, err = a.events(r)
	return n, err
}

// find reads the records of the same nanosecond, and as many before and after them as are wanted and one more.
func (n *neighbourhood) find(ctx context.Context) error {
	var err error
	if n.same, err = n.nearest(ctx, n.time, n.time+1, store.Forward, maxSameTime); err != nil {
		return err
	}
	if n.older, err = n.nearest(ctx, math.MinInt64, n.time, store.Backward, n.before+1); err != nil {
		return err
	}
	n.newer, err = n.nearest(ctx, n.time+1, math.MaxInt64, store.Forward, n.after+1)
	return err
}

// nearest returns the first records of the stream in the order, but ascending in time.
func (n *neighbourhood) nearest(ctx context.Context, start, end int64, order store.EventOrder, most int) ([]model.Record, error) {
	var found []model.Record
	q := store.EventQuery{Start: start, End: end, Matchers: n.matchers, Order: order}
	q.Enough = func(next int64) bool {
		if len(found) < most {
			return false
		}
		if order == store.Backward {
			return found[0].Time > next
		}
		return found[len(found)-1].Time < next
	}
	stats, err := n.events.Select(ctx, q, func(_ int, b store.EventBatch) error {
		if !labels.Equal(b.Stream(), n.labels) { // one that has more labels
			return nil
		}
		found = append(found, recordsOf(b)...)
		slices.SortStableFunc(found, func(a, b model.Record) int { return cmp.Compare(a.Time, b.Time) })
		if order == store.Backward {
			found = slices.Delete(found, 0, max(len(found)-most, 0))
		} else {
			found = found[:min(len(found), most)]
		}
		return nil
	})
	n.stats.Add(stats)
	return found, err
}

// recordsOf copies the records of a batch.
func recordsOf(b store.EventBatch) []model.Record {
	times, lines := b.Times(), b.Lines()
	out := make([]model.Record, b.Len())
	for i := range out {
		out[i] = model.Record{Time: times[i], Line: strings.Clone(lines[i])}
	}
	for _, name := range b.FieldNames() {
		c := b.Column(name)
		for i := range out {
			if c.Has(i) {
				out[i].Fields = append(out[i].Fields, model.Field{Name: strings.Clone(name), Value: strings.Clone(c.Value(i))})
			}
		}
	}
	return out
}

// answer puts the record between its neighbours: others of its nanosecond are neighbours too.
func (n *neighbourhood) answer() contextJSON {
	all := slices.Concat(n.older, n.same, n.newer)
	at := n.position()
	out := contextJSON{}
	older, newer := all[:len(n.older)+len(n.same)], all[len(n.older)+len(n.same):]
	if at >= 0 {
		at += len(n.older)
		older, newer = all[:at], all[at+1:]
	}
	// Numbers first: they count all records of the nanosecond, shown or not.
	numbers := numbered(all)
	if at >= 0 {
		e := entryOf(all[at], numbers[at])
		out.At = &e
	}
	from := max(len(older)-n.before, 0)
	out.MoreBefore, out.MoreAfter = from > 0, len(newer) > n.after
	out.Before = entriesOf(older[from:], numbers[from:])
	out.After = entriesOf(newer[:min(len(newer), n.after)], numbers[len(all)-len(newer):])
	return out
}

// position is the place of the record among those of its nanosecond, -1 when it is not there.
func (n *neighbourhood) position() int {
	left := n.n
	for i, r := range n.same {
		if n.line != "" && cut(r.Line) != cut(n.line) {
			continue
		}
		if left == 0 {
			return i
		}
		left--
	}
	return -1
}

func cut(line string) string { return line[:min(len(line), comparedBytes)] }

// numbered returns for each record how many before it have the same time and line.
func numbered(all []model.Record) []int {
	out := make([]int, len(all))
	seen := map[string]int{}
	for i, r := range all {
		if i > 0 && r.Time != all[i-1].Time {
			clear(seen)
		}
		out[i] = seen[cut(r.Line)]
		seen[cut(r.Line)]++
	}
	return out
}

func entriesOf(records []model.Record, numbers []int) []entryJSON {
	out := make([]entryJSON, len(records))
	for i, r := range records {
		out[i] = entryOf(r, numbers[i])
	}
	return out
}

func entryOf(r model.Record, n int) entryJSON {
	e := entryJSON{Time: strconv.FormatInt(r.Time, 10), Line: r.Line, N: n, Metadata: map[string]string{}}
	for _, f := range r.Fields {
		e.Metadata[f.Name] = f.Value
	}
	return e
}
