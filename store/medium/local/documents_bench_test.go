package local

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// BenchmarkDocuments measures compare-and-set, each writer on a document of its own with a value of 200 bytes, beside what
// the disk gives to one who only writes as many bytes and syncs them, in the same run. syncs/op says how many writers shared a sync.
//
//	go test ./store/medium/local -run '^$' -bench Documents -benchtime 2s
func BenchmarkDocuments(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) { benchmarkDocuments(b, writers) })
	}
}

func benchmarkDocuments(b *testing.B, writers int) {
	dir := b.TempDir()
	raw := rawSyncs(b, filepath.Join(dir, "raw"), 500)
	disk := vfs.NewFaults(vfs.OS{})
	d := mustDocuments(b, disk, dir, documentOptions{})
	value := fmt.Appendf(nil, `"%0198d"`, 0)
	before := disk.Calls(vfs.OpSync)
	b.ResetTimer()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			var v medium.Version
			for range b.N/writers + 1 {
				var err error
				if v, err = d.Put(b.Context(), "bench", fmt.Sprint(w), value, v); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	n := float64((b.N/writers + 1) * writers)
	rate := n / b.Elapsed().Seconds()
	raw = (raw + rawSyncs(b, filepath.Join(dir, "raw2"), 500)) / 2
	b.ReportMetric(rate, "cas/s")
	b.ReportMetric(raw, "raw-syncs/s")
	b.ReportMetric(rate/raw, "cas/raw-sync")
	b.ReportMetric(float64(disk.Calls(vfs.OpSync)-before)/n, "syncs/op")
	closeDocuments(b, d)
}

// rawSyncs returns how often a second 256 bytes can be written behind the others and synced.
func rawSyncs(b *testing.B, path string, n int) float64 {
	b.Helper()
	f, err := vfs.Create(vfs.OS{}, path, fileMode)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 256)
	if err := f.Preallocate(int64(n * len(block))); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	for i := range n {
		if _, err := f.WriteAt(block, int64(i*len(block))); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(begun).Seconds()
}
