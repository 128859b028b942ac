package gather

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// null is an Appendable that knows its series by reference and keeps nothing.
type null struct{ next storage.SeriesRef }

func (n *null) AppenderV2(context.Context) storage.AppenderV2 { return n }

func (n *null) Append(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	if ref != 0 {
		return ref, nil
	}
	n.next++
	return n.next, nil
}

func (n *null) Commit() error   { return nil }
func (n *null) Rollback() error { return nil }

// BenchmarkAppend appends 2,000 samples of a host a round, known series all of them.
func BenchmarkAppend(b *testing.B) {
	var text strings.Builder
	for cpu := range 200 {
		for _, mode := range []string{"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user", "guest", "guest_nice"} {
			fmt.Fprintf(&text, "node_cpu_seconds_total{cpu=\"%d\",mode=\"%s\"} %d\n", cpu, mode, cpu)
		}
	}
	families, err := parse("# TYPE node_cpu_seconds_total counter\n" + text.String())
	if err != nil {
		b.Fatal(err)
	}
	src, err := Source{Job: "node", Instance: "host", Gatherer: newText("")}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	w := newWorker(src, Options{}.withDefaults(), &null{}, nil, quiet(), newMetrics())
	round := func(families []*dto.MetricFamily) {
		if r := w.store(context.Background(), time.Now(), 0, families, nil); r.err != nil || r.added != 2000 {
			b.Fatalf("added %d: %v", r.added, r.err)
		}
	}
	round(families)
	b.ReportAllocs()
	for b.Loop() {
		round(families)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/sample")
}
