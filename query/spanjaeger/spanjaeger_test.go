package spanjaeger

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// Whatever a trace holds is JSON that has all of its spans, each with a process that is there.
func TestJSONOfAnything(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		trace := model.Trace{ID: model.TraceID{15: 1}, Groups: spanstest.Random(r, 1767225600e9, r.IntN(80))}
		out := From(trace, seed%2 == 0)
		var back struct {
			Spans []struct {
				ProcessID string
				Duration  int64
				Tags      []struct{ Type string }
			}
			Processes map[string]struct{ ServiceName string }
		}
		text := out.AppendJSON(nil)
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if len(back.Spans) != trace.Len() {
			t.Fatalf("%d spans, want %d", len(back.Spans), trace.Len())
		}
		for _, s := range back.Spans {
			if back.Processes[s.ProcessID].ServiceName == "" || s.Duration < 0 {
				t.Fatalf("%+v", s)
			}
			for _, tag := range s.Tags {
				if !slices.Contains([]string{"string", "bool", "int64", "float64", "binary"}, tag.Type) {
					t.Fatalf("a tag of type %q", tag.Type)
				}
			}
		}
	}
}

func TestText(t *testing.T) {
	f := func(v model.Value, want string) {
		t.Helper()
		if got := Text(v); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	list := model.Value{Kind: model.ArrayValue, Nested: []model.Attribute{{Value: model.TextValue("a\"")}, {Value: model.Boolean(true)}, {}, {Value: model.Float64(1.5)}}}
	f(model.TextValue(`"quoted"`), `"quoted"`)
	f(model.Int64(-5), "-5")
	f(model.Float64(math.Inf(1)), "+Inf")
	f(model.Value{}, "")
	f(model.Value{Kind: model.BytesValue, Text: "\x00\xff"}, "AP8=")
	f(list, `["a\"",true,null,1.5]`)
	f(model.Value{Kind: model.MapValue, Nested: []model.Attribute{{Key: "k", Value: list}}}, `{"k":["a\"",true,null,1.5]}`)
	f(model.Value{Kind: model.MapValue}, `{}`)
}

// A server span that shares its id with a client gets one of its own, and so do the parents of its children.
func TestSharedIDs(t *testing.T) {
	id := func(n byte) model.SpanID { return model.SpanID{7: n} }
	trace := func() model.Trace {
		return model.Trace{Groups: []model.SpanGroup{{Resource: &model.Resource{}, Scope: &model.Scope{}, Spans: []model.Span{
			{ID: id(1), Kind: model.SpanClient}, {ID: id(1), Kind: model.SpanServer}, {ID: id(2), Parent: id(1), Kind: model.SpanInternal}, {ID: id(3), Kind: model.SpanServer},
		}}}}
	}
	got := From(trace(), false).Spans
	if got[0].ID != id(1) || got[1].ID != id(4) || got[1].References[0].SpanID != id(1) || got[2].References[0].SpanID != id(4) || got[3].ID != id(3) || len(got[3].References) > 0 {
		t.Errorf("%+v", got)
	}
	if got := From(trace(), true).Spans; got[1].ID != id(1) || got[2].References[0].SpanID != id(1) {
		t.Errorf("%+v", got)
	}
}

func TestTraceIDText(t *testing.T) {
	if got := TraceIDText(model.TraceID{8: 0xab, 15: 1}); got != "ab00000000000001" {
		t.Error(got)
	}
	if got := TraceIDText(model.TraceID{7: 1, 15: 1}); got != "00000000000000010000000000000001" {
		t.Error(got)
	}
}
