package logql

import (
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// BenchmarkPipeline runs pipelines over lines that the store does not serve as columns: bytes of lines a second.
func BenchmarkPipeline(b *testing.B) {
	batch := &eventstest.Batch{Labels: labels.FromStrings("app", "web", "env", "prod")}
	size := 0
	for i := range 8192 {
		line := fmt.Sprintf(`{"ts":"2026-01-01T00:00:00Z","level":%q,"msg":"request %d done","status":%d,"latency_ms":%d.5,"user":{"id":"u%d","name":"somebody"},"path":"/api/v1/things/%d","ok":true}`,
			[]string{"info", "warn", "error"}[i%3], i, 200+i%5*100, i%900, i%70, i)
		size += len(line)
		batch.Records = append(batch.Records, model.Record{Time: int64(i), Line: line, Fields: []model.Field{{Name: "trace_id", Value: fmt.Sprintf("%032x", i)}}})
	}
	for name, c := range map[string]struct {
		query string
		need  need
	}{
		"json one label":  {`{} | json | level="error"`, need{Labels: []string{"level"}}},
		"json number":     {`{} | json | latency_ms > 800`, need{}},
		"json all labels": {`{} | json`, need{All: true}},
		"line_format":     {`{} | json | line_format "{{.level}} {{.msg | upper}}"`, need{Line: true}},
		"regexp":          {"{} | regexp `\"status\":(?P<status>\\d+)` | status >= 500", need{}},
		"pattern":         {"{} | pattern `<_>\"msg\":\"<msg>\"<_>` | msg=\"x\"", need{}},
	} {
		b.Run(name, func(b *testing.B) {
			log, err := ParseLog(c.query)
			if err != nil {
				b.Fatal(err)
			}
			p, err := compile(log, c.need)
			if err != nil {
				b.Fatal(err)
			}
			_ = p.query(math.MinInt64, math.MaxInt64)
			r := p.runner()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := r.batch(store.EventBatch(batch)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
