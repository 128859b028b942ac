package logs

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
)

// BenchmarkPush tells the CPU seconds that a gigabyte of lines costs on its way through, in pushes of 5,000 lines of the
// three shapes of test/bench/logs.
func BenchmarkPush(b *testing.B) {
	sink := New(Options{}, func(context.Context, []model.Stream) (model.Refusals, error) { return nil, nil },
		slog.New(slog.DiscardHandler), prometheus.NewRegistry()).From("bench")
	source := benchStreams()
	streams := make([]model.Stream, len(source))
	records := make([][]model.Record, len(source))
	bytes := 0
	for i, s := range source {
		records[i] = make([]model.Record, len(s.Records))
		for _, r := range s.Records {
			bytes += len(r.Line)
		}
	}
	before := cpuSeconds()
	for b.Loop() {
		copy(streams, source) // what a decoder would have made
		for i := range streams {
			copy(records[i], source[i].Records)
			streams[i].Records = records[i]
		}
		if refused, err := sink.Push(context.Background(), streams); err != nil || len(refused) > 0 {
			b.Fatal(refused, err)
		}
	}
	b.ReportMetric((cpuSeconds()-before)/float64(b.N)/float64(bytes)*1e9, "cpu-s/GB")
	b.SetBytes(int64(bytes))
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func benchStreams() []model.Stream {
	shapes := []func(i int) string{
		func(i int) string {
			return fmt.Sprintf(`{"ts":"2024-05-01T10:00:%02d.%06dZ","level":"info","logger":"http","msg":"request completed","trace_id":"%032x","span_id":"%016x","method":"GET","path":"/api/v1/orders/%d","status":200,"latency_ms":%d.5,"user_id":"u%d","region":"eu-west-1"}`, i%60, i, i*7919, i*104729, i, i%500, i%10000)
		},
		func(i int) string {
			return fmt.Sprintf(`10.0.%d.%d - - [01/May/2024:10:00:%02d +0000] "GET /static/js/app.%d.js HTTP/1.1" 200 %d "https://example.org/cart" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)" rt=0.%03d uct=0.001`, i%256, i%200, i%60, i%100, i, i%1000)
		},
		func(i int) string {
			return fmt.Sprintf(`haproxy[%d]: Server backend=10.9.1.%d:8080 connection reset by peer after %d ms, retrying on the next one`, i%1000, i%20, i%700)
		},
	}
	var out []model.Stream
	for s := range 100 {
		shape := shapes[min(s*100/45/45, 2)]
		st := model.Stream{Labels: fieldsOf("host", fmt.Sprint("h", s), "job", "app", "service", fmt.Sprint("svc-", s))}
		for i := range 50 {
			st.Records = append(st.Records, model.Record{Time: int64(i + 1), Line: shape(s*50 + i)})
		}
		out = append(out, st)
	}
	return out
}
