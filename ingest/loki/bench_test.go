package loki

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/ingest/logs"
	"github.com/hulotte-dev/hulotte/model"
)

type nowhere struct{}

func (nowhere) Push(context.Context, []model.Stream) (model.Refusals, error) { return nil, nil }

// BenchmarkPush tells the CPU seconds that a gigabyte of lines costs, in pushes of 5,000 lines that are encoded before:
// for the decoding alone, and with ingest/logs behind it.
func BenchmarkPush(b *testing.B) {
	pushes, raw := benchPushes()
	b.Run("decode", func(b *testing.B) { bench(b, nowhere{}, pushes, raw) })
	b.Run("decode+logs", func(b *testing.B) {
		sink := logs.New(logs.Options{}, nowhere{}.Push, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		bench(b, sink.From("loki"), pushes, raw)
	})
}

func bench(b *testing.B, to Sink, pushes [][]byte, raw int) {
	h := newTestHandler(to, intake.Limits{})
	before := cpuSeconds()
	for b.Loop() {
		for _, p := range pushes {
			r := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", bytes.NewReader(p))
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusNoContent {
				b.Fatal(w.Code, w.Body)
			}
		}
	}
	b.ReportMetric((cpuSeconds()-before)/float64(b.N)/float64(raw)*1e9, "cpu-s/GB")
	b.SetBytes(int64(raw))
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// benchPushes makes 10 pushes of 5,000 lines in 100 streams, shaped like those of test/bench/logs, and tells how many
// bytes the lines have.
func benchPushes() (pushes [][]byte, raw int) {
	for p := range 10 {
		var streams [][]byte
		for s := range 100 {
			var entries [][]byte
			for i := range 50 {
				line := benchLine(s, p*5000+s*50+i)
				raw += len(line)
				entries = append(entries, entryOf(int64(1_700_000_000_000_000_000+p*1_000_000+i), line))
			}
			streams = append(streams, streamOf(fmt.Sprintf(`{host="h%d", job="app", service="svc-%d"}`, s, s), entries...))
		}
		pushes = append(pushes, snappy.Encode(nil, pushOf(streams...)))
	}
	return pushes, raw
}

func benchLine(stream, i int) string {
	switch {
	case stream < 45:
		return fmt.Sprintf(`{"ts":"2024-05-01T10:00:%02d.%06dZ","level":"info","logger":"http","msg":"request completed","trace_id":"%016x%016x","span_id":"%016x","method":"GET","path":"/api/v1/orders/%d","status":200,"latency_ms":%d.5,"user_id":"u%d","region":"eu-west-1"}`,
			i%60, i, uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xc2b2ae3d27d4eb4f, uint64(i)*0x165667b19e3779f9, i, i%500, i%10000)
	case stream < 85:
		return fmt.Sprintf(`10.0.%d.%d - - [01/May/2024:10:00:%02d +0000] "GET /static/js/app.%d.js HTTP/1.1" 200 %d "https://example.org/cart" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)" rt=0.%03d uct=0.001`, i%256, i%200, i%60, i%100, i, i%1000)
	}
	return fmt.Sprintf(`haproxy[%d]: Server backend=10.9.1.%d:8080 connection reset by peer after %d ms, retrying on the next one`, i%1000, i%20, i%700)
}
