package spanstest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Owned is a span with what it belongs to.
type Owned struct {
	Resource *model.Resource
	Scope    *model.Scope
	Span     model.Span
}

// Flat returns all spans in an order that does not depend on that in which they come.
func Flat(groups []model.SpanGroup) []Owned {
	var out []Owned
	for i := range groups {
		for _, s := range groups[i].Spans {
			out = append(out, Owned{groups[i].Resource, groups[i].Scope, s})
		}
	}
	slices.SortStableFunc(out, func(a, b Owned) int {
		return cmp.Or(a.Span.TraceID.Compare(b.Span.TraceID), cmp.Compare(a.Span.Start, b.Span.Start), bytes.Compare(a.Span.ID[:], b.Span.ID[:]), cmp.Compare(a.Span.Duration, b.Span.Duration))
	})
	return out
}

// Same fails the test unless both have the same spans of the same resources and scopes.
func Same(t *testing.T, got, want []model.SpanGroup) {
	t.Helper()
	a, b := Flat(got), Flat(want)
	if len(a) != len(b) {
		t.Fatalf("got %d spans, want %d", len(a), len(b))
	}
	for i := range a {
		x, y := model.SpanGroup{Resource: a[i].Resource, Scope: a[i].Scope}, model.SpanGroup{Resource: b[i].Resource, Scope: b[i].Scope}
		if !sameOwner(x, y) || !EqualSpans(a[i].Span, b[i].Span) {
			t.Fatalf("span %d:\ngot  %+v\nwant %+v", i, a[i].Span, b[i].Span)
		}
	}
}

// Describe writes what a batch says of its spans, one line for each, in an order that does not depend on that of the batches. The fields are asked for one by one.
func Describe(b store.SpanBatch, fields []store.SpanField) ([]string, error) {
	columns := make([]store.ValueColumn, len(fields))
	for i, f := range fields {
		columns[i] = b.Column(f)
	}
	rows := make([]int, b.Len())
	for i := range rows {
		rows[i] = i
	}
	groups, err := b.Groups(rows)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range groups {
		n += len(groups[i].Spans)
	}
	if n != b.Len() {
		return nil, fmt.Errorf("Groups has %d spans, the batch %d", n, b.Len())
	}
	ids, parents, starts, durations := b.IDs(), b.Parents(), b.Starts(), b.Durations()
	var out []string
	for _, run := range b.Traces() {
		for i := run.First; i < run.End; i++ {
			passed := b.Passed() == nil || b.Passed()[i/64]>>(i%64)&1 == 1
			line := fmt.Sprint(run.Trace, ids[i], parents[i], starts[i], durations[i], passed)
			for k := range columns {
				line += fmt.Sprintf(" %v", columns[k].Value(i))
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out, nil
}
