package events

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium/local"
	"github.com/hulotte-dev/hulotte/test/bench/logs/corpus"
)

// benchPushes returns pushes of 1,000 lines each, as shippers send them, and the bytes of all lines.
func benchPushes(streams, lines int) (pushes [][]model.Stream, total int64) {
	c := corpus.New(1, streams, lines)
	for range lines / 1000 {
		at := map[int]int{}
		var push []model.Stream
		for range 1000 {
			e := c.Next()
			i, ok := at[e.Stream]
			if !ok {
				i = len(push)
				at[e.Stream] = i
				push = append(push, model.Stream{Labels: e.Labels})
			}
			push[i].Records = append(push[i].Records, model.Record{Time: e.Time, Line: string(bytes.Clone(e.Line))})
			total += int64(len(e.Line))
		}
		pushes = append(pushes, push)
	}
	return pushes, total
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// BenchmarkAppend tells what it costs to append records on a real disk, alone and with encoding and cutting them.
func BenchmarkAppend(b *testing.B) {
	pushes, total := benchPushes(100, 400_000)
	b.Run("journal", func(b *testing.B) { benchAppend(b, pushes, total, false) })
	b.Run("blocks", func(b *testing.B) { benchAppend(b, pushes, total, true) })
}

func benchAppend(b *testing.B, pushes [][]model.Stream, total int64, encode bool) {
	b.SetBytes(total)
	used := 0.0
	for b.Loop() {
		b.StopTimer()
		m, err := local.Open(local.Options{FS: vfs.OS{}, Dir: b.TempDir()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			b.Fatal(err)
		}
		o := Options{Limits: Limits{RejectNewer: -1}}
		if !encode {
			o.HeadBytes = 1 << 40
		}
		s, err := Open(context.Background(), o, m, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		if !encode {
			s.encoders.stop()
		}
		e, err := s.EventWriter("a")
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		before := cpuSeconds()
		b.StartTimer()
		var group sync.WaitGroup
		const writers = 8
		for w := range writers {
			group.Go(func() {
				for i := w; i < len(pushes); i += writers {
					if _, err := e.AppendRecords(context.Background(), pushes[i]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		if encode {
			if err := s.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		used += cpuSeconds() - before
		if encode {
			stored := int64(0)
			for _, p := range s.blocks.Partitions("") {
				for _, x := range s.blocks.Entries(p) {
					stored += x.Bytes
				}
			}
			b.ReportMetric(float64(total)/float64(stored), "times-smaller")
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(used/float64(b.N)/(float64(total)/1e9), "CPU-s/GB")
	b.ReportMetric(float64(len(pushes)*1000*b.N)/b.Elapsed().Seconds(), "lines/s")
}
