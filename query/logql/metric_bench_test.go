package logql

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// columnReader yields the same columns again and again, as a store does whose columns cost nothing: what is measured is what is
// above it.
type columnReader struct {
	store.EventReader
	batches int
	columns map[string]store.Column
}

const benchRows = 8192

func (c *columnReader) Select(_ context.Context, q store.EventQuery, f func(int, store.EventBatch) error) (store.EventStats, error) {
	var wait sync.WaitGroup
	errs := make([]error, q.Workers)
	for worker := range q.Workers {
		wait.Go(func() {
			b := &columnBatch{times: make([]int64, benchRows), columns: c.columns}
			for k := worker; k < c.batches && errs[worker] == nil; k += q.Workers {
				for i := range b.times {
					b.times[i] = int64(k*benchRows+i) * int64(time.Millisecond)
				}
				errs[worker] = f(worker, b)
			}
		})
	}
	wait.Wait()
	return store.EventStats{}, errs[0]
}

type columnBatch struct {
	store.EventBatch
	times   []int64
	columns map[string]store.Column
}

func (b *columnBatch) Stream() labels.Labels { return labels.FromStrings("app", "a") }
func (b *columnBatch) StreamID() uint64      { return 1 }
func (b *columnBatch) Len() int              { return len(b.times) }
func (b *columnBatch) Times() []int64        { return b.times }
func (b *columnBatch) TimeRange() (oldest, newest int64) {
	return b.times[0], b.times[len(b.times)-1]
}
func (b *columnBatch) Column(name string) store.Column { return b.columns[name] }

func (b *columnBatch) FieldNames() []string { return []string{"level", "took", "path"} }

func (b *columnBatch) Parsed(store.Source) (store.ParsedLines, bool) { return b, true }

func (b *columnBatch) Names() []string { return b.FieldNames() }

func benchColumns() map[string]store.Column {
	level := store.Column{Dict: []string{"debug", "info", "warn", "error"}, Codes: make([]uint32, benchRows)}
	took := store.Column{Numbers: make([]float64, benchRows)}
	path := store.Column{Texts: make([]string, benchRows)}
	for i := range benchRows {
		level.Codes[i] = uint32(i*7%13) % 4
		took.Numbers[i] = float64(i * 7919 % 1000003)
		path.Texts[i] = fmt.Sprint("/path/", i%500)
	}
	took.Text = func(i int) string { return fmt.Sprint(took.Numbers[i]) }
	return map[string]store.Column{"level": level, "took": took, "path": path}
}

func BenchmarkMetric(b *testing.B) {
	const batches = 500 // some four million records
	reader := &columnReader{batches: batches, columns: benchColumns()}
	for _, query := range []string{
		`sum(count_over_time({app="a"}[1m]))`,
		`sum by (level) (count_over_time({app="a"}[1m]))`,
		`sum by (level) (count_over_time({app="a"}[30m]))`,
		`sum by (level, path) (count_over_time({app="a"}[1m]))`,
		`sum by (level) (count_over_time({app="a"} | json [1m]))`,
		`quantile_over_time(0.95, {app="a"} | json | unwrap took [1m]) by (app)`,
		`quantile_over_time(0.95, {app="a"} | json | unwrap took [1m]) by (level)`,
		`quantile_over_time(0.95, {app="a"} | json | unwrap took [2h]) by (app)`,
		`avg_over_time({app="a"} | json | unwrap took [1m]) by (level)`,
	} {
		expr, err := Parse(query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(query, " ", ""), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				end := time.Unix(0, batches*benchRows*int64(time.Millisecond))
				req := &Request{Start: time.Unix(0, 0), End: end, Step: time.Minute}
				m := &metricEval{reader: reader, compile: compileRange, stats: func(store.EventStats) {}}
				if _, err := m.evaluate(context.Background(), expr.(MetricExpr), req, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(batches*benchRows), "ns/record")
		})
	}
}
