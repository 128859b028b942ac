package zipkin

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanzipkin"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// written is what the query API answers.
func written(groups []model.SpanGroup) []byte {
	var w spanzipkin.Writer
	w.Begin(&model.Trace{Groups: groups})
	out := []byte("[")
	for i := range groups {
		for k := range groups[i].Spans {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = w.AppendSpan(out, &groups[i], &groups[i].Spans[k])
		}
	}
	return append(out, ']')
}

// What was once Zipkin's stays the same when it is answered and sent again, ids, names, kinds, times and status whatever it was before.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(100) {
		groups := spanstest.Random(rand.New(rand.NewPCG(seed, 1)), 1767225600e9, 40)
		first := again(t, written(groups))
		before, after := spanstest.Flat(groups), spanstest.Flat(first)
		if len(before) != len(after) {
			t.Fatalf("%d spans became %d", len(before), len(after))
		}
		type key struct {
			trace model.TraceID
			span  model.SpanID
			start int64
		}
		known := map[key]model.Span{}
		for _, o := range before {
			known[key{o.Span.TraceID, o.Span.ID, o.Span.Start / 1000}] = o.Span
		}
		for _, o := range after {
			x, y := known[key{o.Span.TraceID, o.Span.ID, o.Span.Start / 1000}], o.Span
			if x.Name != y.Name || x.Status.String() != y.Status.String() || len(x.Links) != len(y.Links) || len(x.Events) != len(y.Events) {
				t.Fatalf("got  %+v\nwant %+v", y, x)
			}
		}
		text := written(first)
		if second := again(t, text); !bytes.Equal(written(second), text) {
			t.Fatalf("first  %s\nsecond %s", text, written(second))
		}
	}
}

func again(t *testing.T, text []byte) []model.SpanGroup {
	t.Helper()
	d := newDecoder(func(int64) error { return nil })
	if err := d.decode(jsonV2, text); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if r := d.spans.Refused(); len(r) > 0 {
		t.Fatalf("refused: %v", r)
	}
	return d.spans.Groups()
}
