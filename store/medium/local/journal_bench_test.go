package local

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// BenchmarkJournalAppend measures appends by many writers at once, beside what the disk gives in the same run:
//   - x-raw is the appends per second against one writer of plain write and fdatasync on a file whose room was set aside;
//   - x-seq is the bytes per second against writing a file from one end to the other and syncing it once.
//
// cpu-s/GB is user and system time of the process.
func BenchmarkJournalAppend(b *testing.B) {
	for _, size := range []int{256, 4096} {
		for _, sync := range []SyncPolicy{SyncAlways, SyncInterval} {
			for _, writers := range []int{1, 16, 256} {
				b.Run(fmt.Sprintf("%s/%dB/%dwriters", sync, size, writers), func(b *testing.B) {
					benchmarkAppend(b, sync, size, writers)
				})
			}
		}
	}
}

func benchmarkAppend(b *testing.B, sync SyncPolicy, size, writers int) {
	raw, seq := rawLimits(b, size)
	m := openTest(b, Options{Dir: b.TempDir(), Sync: sync})
	defer m.Close()
	j := openJournal(b, m, "bench")
	ctx, entry := context.Background(), testEntry(1, size)[:size]
	var left atomic.Int64
	left.Store(int64(b.N))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	err := together(writers, func(int) error {
		for left.Add(-1) >= 0 {
			if _, err := j.Append(ctx, entry); err != nil {
				return err
			}
		}
		return nil
	})
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	cpu, seconds, bytes := cpuTime()-before, b.Elapsed().Seconds(), float64(size)*float64(b.N)
	raw2, seq2 := rawLimits(b, size) // before and after: others use the disk too
	raw, seq = (raw+raw2)/2, (seq+seq2)/2
	b.ReportMetric(float64(b.N)/seconds, "appends/s")
	b.ReportMetric(cpu.Seconds()/(bytes/1e9), "cpu-s/GB")
	b.ReportMetric(float64(b.N)/seconds/raw, "x-raw")
	b.ReportMetric(bytes/seconds/seq, "x-seq")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rawLimits returns synced writes of this size per second by one writer, and bytes per second in one go.
func rawLimits(b *testing.B, size int) (appends, bandwidth float64) {
	b.Helper()
	dir, writes := b.TempDir(), 1000
	buf := testEntry(1, size)[:size]
	f := rawFile(b, filepath.Join(dir, "raw"))
	begun := time.Now()
	for i := range writes {
		if _, err := f.WriteAt(buf, int64(i*size)); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
	}
	appends = float64(writes) / time.Since(begun).Seconds()
	f.Close()

	f = rawFile(b, filepath.Join(dir, "seq"))
	defer f.Close()
	chunk := testEntry(2, 1<<20)[:1<<20]
	begun = time.Now()
	for i := range 64 {
		if _, err := f.WriteAt(chunk, int64(i)<<20); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.SyncData(); err != nil {
		b.Fatal(err)
	}
	return appends, float64(64<<20) / time.Since(begun).Seconds()
}

func rawFile(b *testing.B, path string) vfs.File {
	b.Helper()
	f, err := vfs.Create(vfs.OS{}, path, 0o640)
	if err == nil {
		err = f.Preallocate(64 << 20)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		b.Fatal(err)
	}
	return f
}
