package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand"
	"strings"
	"testing"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/jsonutil"
)

// upstreamJSON returns what Prometheus' JSON stream writes.
func upstreamJSON(write func(*jsoniter.Stream)) string {
	s := jsoniter.ConfigCompatibleWithStandardLibrary.BorrowStream(nil)
	defer jsoniter.ConfigCompatibleWithStandardLibrary.ReturnStream(s)
	write(s)
	return string(s.Buffer())
}

func written(t *testing.T, data any) string {
	t.Helper()
	var b bytes.Buffer
	w := newJSONWriter(&b)
	if err := appendData(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFloatsAsUpstream(t *testing.T) {
	f := func(v float64) {
		t.Helper()
		want := upstreamJSON(func(s *jsoniter.Stream) { jsonutil.MarshalFloat(v, s) })
		if got := string(appendFloat(nil, v)); got != want {
			t.Errorf("%v: got %s want %s", v, got, want)
		}
	}
	for _, v := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 9.99e-7, 1e20, 1e21, 1.5e21, math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.NaN(), math.Inf(1), math.Inf(-1), 1 << 53, 1<<53 - 1, 1<<53 + 2, -(1 << 53), math.MaxInt64, 123456789.25,
	} {
		f(v)
	}
	rnd := rand.New(rand.NewSource(1))
	for range 200_000 {
		f(math.Float64frombits(rnd.Uint64()))
		f(float64(rnd.Int63n(1 << uint(1+rnd.Intn(62)))))
		f(rnd.NormFloat64() * 1000)
		f(math.Round(rnd.NormFloat64()*1e6) / float64([]int{1, 10, 100, 1000, 10000}[rnd.Intn(5)]))
		f(math.Round(rnd.Float64()*1e16) / 1000)
	}
}

func TestTimestampsAsUpstream(t *testing.T) {
	rnd := rand.New(rand.NewSource(2))
	for i := range int64(200_000) {
		ms := i - 100_000
		if i%2 == 0 {
			ms = rnd.Int63() - rnd.Int63()
		}
		want := upstreamJSON(func(s *jsoniter.Stream) { jsonutil.MarshalTimestamp(ms, s) })
		if got := string(appendTimestamp(nil, ms)); got != want {
			t.Fatalf("%d: got %s want %s", ms, got, want)
		}
	}
}

func randomHistogram(rnd *rand.Rand) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{
		Count: rnd.Float64() * 100, Sum: rnd.NormFloat64(), Schema: int32(rnd.Intn(13) - 4),
		ZeroThreshold: 0.001, ZeroCount: float64(rnd.Intn(3)),
		PositiveSpans: []histogram.Span{{Offset: int32(rnd.Intn(9) - 4), Length: 2}, {Offset: 3, Length: 1}},
		NegativeSpans: []histogram.Span{{Offset: 1, Length: 2}},
	}
	for range 3 {
		h.PositiveBuckets = append(h.PositiveBuckets, float64(rnd.Intn(4)))
	}
	h.NegativeBuckets = []float64{float64(rnd.Intn(2)), rnd.Float64()}
	if rnd.Intn(3) == 0 { // custom buckets
		h.Schema, h.ZeroCount, h.ZeroThreshold = histogram.CustomBucketsSchema, 0, 0
		h.NegativeSpans, h.NegativeBuckets = nil, nil
		h.PositiveSpans = []histogram.Span{{Offset: 0, Length: 3}}
		h.CustomValues = []float64{1, 2.5}
	}
	return h
}

func TestHistogramsAsUpstream(t *testing.T) {
	rnd := rand.New(rand.NewSource(3))
	for range 20_000 {
		h := randomHistogram(rnd)
		want := upstreamJSON(func(s *jsoniter.Stream) { jsonutil.MarshalHistogram(h, s) })
		if got := string(appendHistogram(nil, h)); got != want {
			t.Fatalf("%v:\n got %s\nwant %s", h, got, want)
		}
	}
}

func FuzzStringsAsUpstream(f *testing.F) {
	for _, s := range []string{"", "up", "a\"b\\c", "\n\r\t\x00\x1f\x7f", "<&>", "é\u2028\u2029😀", "\xff", "a\xc3", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := string(appendString(nil, s))
		var back string
		if err := json.Unmarshal([]byte(got), &back); err != nil {
			t.Fatalf("%q became %s, which is not JSON: %v", s, got, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); utf8.ValidString(s) && back != want {
			t.Fatalf("%q became %q", s, back)
		}
		want := upstreamJSON(func(st *jsoniter.Stream) { st.WriteString(s) })
		if utf8.ValidString(s) && got != want {
			t.Fatalf("%q: got %s want %s", s, got, want)
		}
	})
}

func TestResultShapes(t *testing.T) {
	f := func(data any, want string) {
		t.Helper()
		if got := written(t, data); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	m := labels.FromStrings("__name__", "x", "path", `a"<b>`)
	h := &histogram.FloatHistogram{Count: 3, Sum: 1.5, Schema: 0, PositiveSpans: []histogram.Span{{Offset: 0, Length: 2}}, PositiveBuckets: []float64{1, 2}}
	f(queryData{value: promql.Matrix{}}, `{"resultType":"matrix","result":[]}`)
	f(queryData{value: promql.Vector(nil)}, `{"resultType":"vector","result":[]}`)
	f(queryData{value: promql.Scalar{T: 1500, V: math.Inf(1)}}, `{"resultType":"scalar","result":[1.5,"+Inf"]}`)
	f(queryData{value: promql.Matrix{{Metric: m, Floats: []promql.FPoint{{T: 1, F: 2}, {T: 1001, F: math.NaN()}}}}},
		`{"resultType":"matrix","result":[{"metric":{"__name__":"x","path":"a\"<b>"},"values":[[0.001,"2"],[1.001,"NaN"]]}]}`)
	f(queryData{value: promql.Matrix{{Histograms: []promql.HPoint{{T: 1000, H: h}}}, {Floats: []promql.FPoint{{T: 0}}, Histograms: []promql.HPoint{{T: 2000, H: h}}}}},
		`{"resultType":"matrix","result":[{"metric":{},"histograms":[[1,{"count":"3","sum":"1.5","buckets":[[0,"0.5","1","1"],[0,"1","2","2"]]}]]},`+
			`{"metric":{},"values":[[0,"0"]],"histograms":[[2,{"count":"3","sum":"1.5","buckets":[[0,"0.5","1","1"],[0,"1","2","2"]]}]]}]}`)
	f(queryData{value: promql.Vector{{Metric: m, T: 1, F: 2}, {T: 1000, H: h}}},
		`{"resultType":"vector","result":[{"metric":{"__name__":"x","path":"a\"<b>"},"value":[0.001,"2"]},{"metric":{},"histogram":[1,{"count":"3","sum":"1.5","buckets":[[0,"0.5","1","1"],[0,"1","2","2"]]}]}]}`)
	f(labelSets{}, `[]`)
	f(stringList{"a", "b<"}, `["a","b\u003c"]`)
	f(exemplars{{SeriesLabels: m, Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", "1"), Value: 0.5, Ts: 1500, HasTs: true}}}},
		`[{"seriesLabels":{"__name__":"x","path":"a\"<b>"},"exemplars":[{"labels":{"trace_id":"1"},"value":"0.5","timestamp":1.500}]}]`)
}

// A large answer goes out in pieces, and a client that is gone ends the work.
func TestLargeAnswersAreStreamed(t *testing.T) {
	big := bigMatrix(100, 1000)
	w := &countingWriter{}
	out := newJSONWriter(w)
	if err := appendData(out, queryData{value: big}); err != nil {
		t.Fatal(err)
	}
	if err := out.flush(); err != nil {
		t.Fatal(err)
	}
	if w.largest > 2*flushSize {
		t.Errorf("one piece has %d bytes", w.largest)
	}
	broken := &countingWriter{failAfter: 3}
	out = newJSONWriter(broken)
	_ = appendData(out, queryData{value: big})
	if err := out.flush(); err == nil || broken.calls > 4 {
		t.Errorf("after the client went away: error %v, %d writes", err, broken.calls)
	}
}

type countingWriter struct{ calls, largest, failAfter int }

func (c *countingWriter) Write(p []byte) (int, error) {
	c.calls++
	c.largest = max(c.largest, len(p))
	if c.failAfter > 0 && c.calls > c.failAfter {
		return 0, errors.New("gone")
	}
	return len(p), nil
}

// bigMatrix returns the answer of a dashboard: half gauges with decimals, half counters.
func bigMatrix(series, points int) promql.Matrix {
	rnd := rand.New(rand.NewSource(4))
	m := make(promql.Matrix, series)
	for i := range m {
		m[i].Metric = labels.FromStrings("__name__", "node_cpu_seconds_total", "cpu", string(rune('0'+i%10)), "instance", "web-01.example.org:9100", "job", "node", "mode", "idle")
		v := 0.0
		for p := range points {
			v += rnd.Float64() * 15
			if i%2 == 0 {
				v = math.Trunc(v)
			}
			m[i].Floats = append(m[i].Floats, promql.FPoint{T: 1767225600000 + int64(p)*15000, F: v})
		}
	}
	return m
}

func BenchmarkMatrixJSON(b *testing.B) {
	m := bigMatrix(160, 241) // a graph of 160 series over an hour at 15 s
	var size int64
	b.Run("hulotte", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := &byteCounter{}
			out := newJSONWriter(w)
			if err := appendData(out, queryData{value: m}); err != nil {
				b.Fatal(err)
			}
			_ = out.flush()
			size = w.n
		}
		b.SetBytes(size)
	})
	b.Run("upstream", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			size = int64(len(upstreamMatrix(m)))
		}
		b.SetBytes(size)
	})
	if got, want := written2(m), upstreamMatrix(m); got != want {
		b.Error("the two do not write the same bytes")
	}
}

type byteCounter struct{ n int64 }

func (c *byteCounter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func written2(m promql.Matrix) string {
	var buf bytes.Buffer
	w := newJSONWriter(&buf)
	_ = appendValue(w, m)
	_ = w.flush()
	return buf.String()
}

// upstreamMatrix writes a matrix of floats with Prometheus' stream and its functions, as its API does.
func upstreamMatrix(m promql.Matrix) string {
	return upstreamJSON(func(s *jsoniter.Stream) {
		s.WriteArrayStart()
		for i, series := range m {
			if i > 0 {
				s.WriteMore()
			}
			s.WriteObjectStart()
			s.WriteObjectField("metric")
			s.WriteObjectStart()
			first := true
			series.Metric.Range(func(l labels.Label) {
				if !first {
					s.WriteMore()
				}
				first = false
				s.WriteString(l.Name)
				s.WriteRaw(`:`)
				s.WriteString(l.Value)
			})
			s.WriteObjectEnd()
			for j, p := range series.Floats {
				s.WriteMore()
				if j == 0 {
					s.WriteObjectField("values")
					s.WriteArrayStart()
				}
				s.WriteArrayStart()
				jsonutil.MarshalTimestamp(p.T, s)
				s.WriteMore()
				jsonutil.MarshalFloat(p.F, s)
				s.WriteArrayEnd()
			}
			if len(series.Floats) > 0 {
				s.WriteArrayEnd()
			}
			s.WriteObjectEnd()
		}
		s.WriteArrayEnd()
	})
}

func TestMatrixAsUpstream(t *testing.T) {
	m := bigMatrix(20, 200)
	if got, want := written2(m), upstreamMatrix(m); got != want {
		t.Error("the bytes are not those of upstream")
	}
}
