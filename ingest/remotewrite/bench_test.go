package remotewrite_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"

	"github.com/hulotte-dev/hulotte/ingest/remotewrite"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/series"
)

// BenchmarkReceive compares the CPU that a million samples cost in our handler and in Prometheus' own, both on our
// store, in one run and turn by turn. Run it with -benchtime 3x or so: one iteration is a whole load.
func BenchmarkReceive(b *testing.B) {
	for _, load := range []struct{ series, steps int }{{10_000, 50}, {100_000, 10}} {
		b.Run(fmt.Sprintf("series=%d", load.series), func(b *testing.B) {
			requests := encodeLoad(load.series, load.steps)
			millions := float64(load.series*load.steps) / 1e6
			var ours, theirs float64
			for range b.N {
				ours += cpuOf(b, ourHandler(b), requests) / millions
				theirs += cpuOf(b, theirHandler(b), requests) / millions
			}
			b.ReportMetric(ours/float64(b.N), "ours-cpu-s/M")
			b.ReportMetric(theirs/float64(b.N), "prometheus-cpu-s/M")
			b.ReportMetric(theirs/ours, "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func benchStore(b *testing.B) store.Series {
	db, err := series.Open(series.Options{Dir: b.TempDir()}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	w, err := db.Writer("default")
	if err != nil {
		b.Fatal(err)
	}
	return w
}

func ourHandler(b *testing.B) http.Handler {
	w := benchStore(b)
	sink := func(string) (storage.AppendableV2, error) { return w, nil }
	return remotewrite.New(remotewrite.Options{}, sink, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func theirHandler(b *testing.B) http.Handler {
	return remote.NewWriteHandler(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), benchStore(b),
		remoteapi.MessageTypes{remoteapi.WriteV1MessageType}, false, false)
}

// cpuOf returns the CPU seconds, user and system, that sending all requests costs the process.
func cpuOf(b *testing.B, h http.Handler, requests [][]byte) float64 {
	runtime.GC()
	before := cpuSeconds()
	for _, body := range requests {
		req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("Content-Encoding", "snappy")
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		if res.Code != http.StatusNoContent {
			b.Fatalf("status %d: %s", res.Code, res.Body)
		}
	}
	return cpuSeconds() - before
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// encodeLoad makes the requests of a load: 2,000 samples each, series shaped like those of node_exporter, every
// series once a step, steps 15 seconds apart and ending now.
func encodeLoad(series, steps int) [][]byte {
	const batch = 2000
	start := time.Now().Add(-time.Duration(steps) * 15 * time.Second).UnixMilli()
	var requests [][]byte
	for step := range steps {
		for from := 0; from < series; from += batch {
			req := &prompb.WriteRequest{}
			for i := from; i < min(from+batch, series); i++ {
				req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
					Labels:  benchLabels(i),
					Samples: []prompb.Sample{{Timestamp: start + int64(step)*15_000, Value: float64(i * step % 1000)}},
				})
			}
			raw, err := req.Marshal()
			if err != nil {
				panic(err)
			}
			requests = append(requests, snappy.Encode(nil, raw))
		}
	}
	return requests
}

func benchLabels(i int) []prompb.Label {
	return []prompb.Label{
		{Name: "__name__", Value: fmt.Sprintf("node_subsystem_metric_%03d_total", i%500)},
		{Name: "cluster", Value: "production-eu-west"},
		{Name: "device", Value: fmt.Sprintf("device%d", i%7)},
		{Name: "instance", Value: fmt.Sprintf("host-%05d.example.com:9100", i/500)},
		{Name: "job", Value: "node"},
		{Name: "mode", Value: "idle"},
	}
}
