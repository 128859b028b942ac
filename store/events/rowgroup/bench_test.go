package rowgroup

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/test/bench/logs/corpus"
)

// benchGroups makes full groups of the corpus that the benchmark of logs pushes: one of each kind of line.
func benchGroups() []Rows {
	const lines = 400_000
	c := corpus.New(1, 20, lines)
	byStream := map[int]*Rows{}
	for range lines {
		e := c.Next()
		r := byStream[e.Stream]
		if r == nil {
			r = &Rows{}
			byStream[e.Stream] = r
		}
		if r.Len() < MaxRows {
			r.Streams = append(r.Streams, 0)
			r.Times = append(r.Times, e.Time)
			r.Lines = append(r.Lines, string(e.Line))
		}
	}
	var out []Rows
	for _, i := range []int{0, 10, 18} {
		out = append(out, *byStream[i])
	}
	return out
}

var benchKinds = []string{"json", "nginx", "syslog"}

func rowsBytes(rows Rows) (n int64) {
	for i, l := range rows.Lines {
		n += int64(RowBytes(l, rows.fields(i)))
	}
	return n
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkEncode tells the CPU seconds for a gigabyte of lines, and the bytes that a byte of them takes.
func BenchmarkEncode(b *testing.B) {
	for i, rows := range benchGroups() {
		b.Run(benchKinds[i], func(b *testing.B) {
			e, err := NewEncoder(Options{})
			if err != nil {
				b.Fatal(err)
			}
			raw := rowsBytes(rows)
			size := 0
			before := cpuSeconds()
			for b.Loop() {
				out, err := e.Encode(rows)
				if err != nil {
					b.Fatal(err)
				}
				size = len(out.Data) + len(out.Filters) + len(out.Meta)
			}
			b.ReportMetric((cpuSeconds()-before)/float64(b.N)/float64(raw)*1e9, "cpu-s/GB")
			b.ReportMetric(float64(size)/float64(raw), "bytes/byte")
			b.SetBytes(raw)
		})
	}
}

// BenchmarkSelect tells the CPU seconds for a gigabyte of lines by what is asked.
func BenchmarkSelect(b *testing.B) {
	lines := func(batch store.EventBatch) error { batch.Lines(); return nil }
	count := func(batch store.EventBatch) error { batch.Times(); return nil }
	column := func(name string) func(store.EventBatch) error {
		return func(batch store.EventBatch) error {
			if p, ok := batch.Parsed(store.JSON); ok {
				c := p.Column(name)
				_ = c.Absent()
			}
			return nil
		}
	}
	needle := func(text string) []store.RecordFilter { return []store.RecordFilter{{Needles: [][]string{{text}}}} }
	questions := []struct {
		name    string
		filters []store.RecordFilter
		f       func(store.EventBatch) error
	}{
		{"id that is not there", needle("8f14e45fceea167a5a36dedd4bea2543"), lines},
		{"word", needle("connection"), count},
		{"phrase", needle("connection reset"), count},
		{"substring", needle("onnectio"), count},
		{"all lines", nil, lines},
		{"lengths of all lines", nil, func(batch store.EventBatch) error { batch.LineLengths(); return nil }},
		{"times", nil, count},
		{"a column of JSON", nil, column("latency_ms")},
		{"a word column of JSON", nil, column("level")},
	}
	groups := benchGroups()
	for _, x := range questions {
		b.Run(strings.ReplaceAll(x.name, " ", "_"), func(b *testing.B) {
			s := NewScratch()
			q := Prepare(store.EventQuery{Start: -1 << 62, End: 1 << 62, Filters: x.filters})
			streams := []Stream{{Labels: labels.FromStrings("a", "b"), Wanted: true}}
			var open []*Group
			raw := int64(0)
			for _, rows := range groups {
				open = append(open, encode(b, rows))
				raw += rowsBytes(rows)
			}
			before := cpuSeconds()
			for b.Loop() {
				for _, g := range open {
					if _, err := g.Select(context.Background(), q, streams, s, x.f); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric((cpuSeconds()-before)/float64(b.N)/float64(raw)*1e9, "cpu-s/GB")
			b.SetBytes(raw)
		})
	}
}
