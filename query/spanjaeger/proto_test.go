package spanjaeger

import (
	"bytes"
	"math/rand/v2"
	"testing"

	idl "github.com/jaegertracing/jaeger-idl/model/v1"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// Jaeger's own types read what was written, field by field.
func TestJaegerReadsTheSame(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 9))
		trace := From(model.Trace{Groups: spanstest.Random(r, 1767225600e9, r.IntN(60))}, true)
		for i := range trace.Spans {
			want := &trace.Spans[i]
			f := wire.Fields{Rest: trace.AppendProto(nil, 1, want)}
			if !f.Next() || len(f.Rest) > 0 {
				t.Fatal("not one field")
			}
			var got idl.Span
			if err := got.Unmarshal(f.Bytes); err != nil {
				t.Fatal(err)
			}
			compareSpans(t, &trace, want, &got)
		}
	}
}

func compareSpans(t *testing.T, trace *Trace, want *Span, got *idl.Span) {
	t.Helper()
	if got.TraceID.String() != TraceIDText(want.TraceID) || got.SpanID.String() != want.ID.String() || got.OperationName != want.Operation || uint32(got.Flags) != want.Flags ||
		got.StartTime.UnixNano() != want.Start || got.Duration.Nanoseconds() != want.Duration || got.Process.ServiceName != trace.Processes[want.Process].Service ||
		len(got.References) != len(want.References) || len(got.Logs) != len(want.Logs) || len(got.Warnings) != len(want.Warnings) {
		t.Fatalf("\n got %+v\nwant %+v", got, want)
	}
	compareTags(t, want.Tags, got.Tags)
	compareTags(t, trace.Processes[want.Process].Tags, got.Process.Tags)
	for i, l := range want.Logs {
		if got.Logs[i].Timestamp.UnixNano() != l.Time {
			t.Fatalf("log %d", i)
		}
		compareTags(t, l.Fields, got.Logs[i].Fields)
	}
	for i, ref := range want.References {
		if x := got.References[i]; x.SpanID.String() != ref.SpanID.String() || x.TraceID.String() != TraceIDText(ref.TraceID) || (x.RefType == idl.FollowsFrom) != ref.Follows {
			t.Fatalf("reference %d: %+v", i, x)
		}
	}
}

func compareTags(t *testing.T, want []model.Attribute, got []idl.KeyValue) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d tags, want %d", len(got), len(want))
	}
	for i, a := range want {
		var same bool
		g := got[i]
		switch a.Value.Kind {
		case model.BoolValue:
			same = g.VType == idl.BoolType && g.VBool == (a.Value.Bits == 1)
		case model.IntValue:
			same = g.VType == idl.Int64Type && g.VInt64 == a.Value.Bits
		case model.FloatValue:
			same = g.VType == idl.Float64Type && model.Float64(g.VFloat64).Equal(a.Value)
		case model.BytesValue:
			same = g.VType == idl.BinaryType && bytes.Equal(g.VBinary, []byte(a.Value.Text))
		default:
			same = g.VType == idl.StringType && g.VStr == Text(a.Value)
		}
		if !same || g.Key != a.Key {
			t.Fatalf("tag %+v, want %+v", g, a)
		}
	}
}
