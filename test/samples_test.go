package test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
)

const sampleStep = 15 * time.Second

// samplesEnd is when the data of dataset ends: the last whole minute that is sure to be over.
func samplesEnd() time.Time { return time.Now().Add(-2 * time.Minute).Truncate(time.Minute) }

// dataset is half an hour of everything that a series can hold, ending at end. All names start with dt.
func dataset(end time.Time) []prompb.TimeSeries {
	rnd := rand.New(rand.NewSource(1))
	times := []int64{}
	for t := end.Add(-30 * time.Minute); !t.After(end); t = t.Add(sampleStep) {
		times = append(times, t.UnixMilli())
	}
	var all []prompb.TimeSeries
	add := func(f func(i int) float64, pairs ...string) *prompb.TimeSeries {
		ts := prompb.TimeSeries{Labels: pairsToLabels(pairs)}
		for i, t := range times {
			ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: t, Value: f(i)})
		}
		all = append(all, ts)
		return &all[len(all)-1]
	}
	walk := func(v, step float64) func(int) float64 {
		return func(int) float64 { v += rnd.NormFloat64() * step; return v }
	}
	for _, site := range []string{"paris", "rome"} {
		for _, room := range []string{"a", "b", "c"} {
			add(walk(20, 0.25), "__name__", "dt_temperature_celsius", "site", site, "room", room)
		}
	}
	for _, code := range []string{"200", "404", "500"} {
		for _, instance := range []string{"web-1:80", "web-2:80"} {
			n := 0.0
			ts := add(func(i int) float64 {
				if i == 60 && instance == "web-2:80" {
					n = 0 // a restart
				}
				n += float64(rnd.Intn(50))
				return n
			}, "__name__", "dt_http_requests_total", "job", "web", "instance", instance, "code", code)
			if code == "500" {
				ts.Exemplars = []prompb.Exemplar{
					{Labels: pairsToLabels([]string{"trace_id", "0af7651916cd43dd8448eb211c80319c"}), Value: 0.25, Timestamp: times[100]},
					{Labels: pairsToLabels([]string{"trace_id", "b7ad6b7169203331", "span_id", "00f067aa0ba902b7"}), Value: 1.5, Timestamp: times[110]},
				}
			}
		}
	}
	for i, le := range []string{"0.1", "0.5", "1", "+Inf"} {
		n := 0.0
		add(func(int) float64 { n += float64((i + 1) * 10); return n }, "__name__", "dt_latency_seconds_bucket", "job", "web", "le", le)
	}
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e-7, 1e21, 0.1, 123456789.125, math.MaxFloat64}
	add(func(i int) float64 { return special[i%len(special)] }, "__name__", "dt_special", "dt_kind", `<b>"quoted"\ é`+"\n")
	gone := add(walk(1, 0.1), "__name__", "dt_gone", "job", "web")
	gone.Samples = gone.Samples[:len(gone.Samples)-20]
	gone.Samples = append(gone.Samples, prompb.Sample{Timestamp: times[len(times)-20], Value: math.Float64frombits(value.StaleNaN)})
	add(walk(5, 1), "__name__", "dt.utf8 métrique", "service.name", "éléphant", "host", "h1")
	for _, instance := range []string{"a", "b"} {
		ts := prompb.TimeSeries{Labels: pairsToLabels([]string{"__name__", "dt_rpc_seconds", "instance", instance})}
		for i, t := range times {
			ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(t, growingHistogram(i+1)))
		}
		all = append(all, ts)
	}
	return all
}

// growingHistogram is a native histogram after n rounds of observations.
func growingHistogram(n int) *histogram.Histogram {
	d := int64(n)
	return &histogram.Histogram{
		Schema: 1, ZeroThreshold: 0.001, ZeroCount: uint64(n), Count: uint64(n * 8), Sum: float64(n) * 3.5,
		PositiveSpans:   []histogram.Span{{Offset: -1, Length: 2}, {Offset: 1, Length: 1}},
		PositiveBuckets: []int64{d, d, 0},
		NegativeSpans:   []histogram.Span{{Offset: 0, Length: 1}}, NegativeBuckets: []int64{2 * d},
	}
}

func pairsToLabels(pairs []string) []prompb.Label {
	var ls []prompb.Label
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	slices.SortFunc(ls, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
	return ls
}

// remoteWrite sends the series to a server, one request each, so that both servers see them in the same order.
func remoteWrite(t *testing.T, url string, series []prompb.TimeSeries, header ...string) {
	t.Helper()
	for _, ts := range series {
		body, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodPost, url+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("Content-Encoding", "snappy")
		req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode/100 != 2 {
			t.Fatalf("remote write of %v to %s: %s: %s", ts.Labels, url, res.Status, answer)
		}
	}
}

func unix(t time.Time) string { return fmt.Sprint(t.Unix()) }
