package local

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// cpuSeconds is what the process has used.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// effort is what bytes cost.
type effort struct{ bytes, seconds, cpu float64 }

func (e *effort) measure(b *testing.B, bytes int64, f func()) {
	b.Helper()
	cpu, start := cpuSeconds(b), time.Now()
	f()
	e.seconds += time.Since(start).Seconds()
	e.cpu += cpuSeconds(b) - cpu
	e.bytes += float64(bytes)
}

func (e *effort) mbPerSecond() float64  { return e.bytes / 1e6 / e.seconds }
func (e *effort) cpuMSPerMB() float64   { return e.cpu * 1000 / (e.bytes / 1e6) }
func ratio(ours, limit float64) float64 { return ours / limit }

// report prints ours, the limit's, and ours in parts of the limit: with speeds more is better, with CPU less.
func report(b *testing.B, ours, limit *effort) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.mbPerSecond(), "MB/s")
	b.ReportMetric(limit.mbPerSecond(), "plain-MB/s")
	b.ReportMetric(ratio(ours.mbPerSecond(), limit.mbPerSecond()), "of-plain")
	b.ReportMetric(ours.cpuMSPerMB(), "cpu-ms/MB")
	b.ReportMetric(limit.cpuMSPerMB(), "plain-cpu-ms/MB")
}

// BenchmarkBlobPut puts blobs beside the plain write and fsync of the same bytes, turn by turn, and beside the same with
// an fsync of the folder too, without which the file has no name after a power cut.
func BenchmarkBlobPut(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, 32 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			dir := b.TempDir()
			blobs := mustOpenBlobs(b, vfs.OS{}, filepath.Join(dir, "blob"))
			content := noise(1, size)
			var ours, plain, named effort
			for i := 0; b.Loop(); i++ {
				ours.measure(b, int64(size), func() {
					if _, err := blobs.Put(b.Context(), fmt.Sprintf("t/%d", i), bytes.NewReader(content), medium.PutOptions{}); err != nil {
						b.Fatal(err)
					}
				})
				plain.measure(b, int64(size), func() { plainWrite(b, filepath.Join(dir, fmt.Sprintf("plain-%d", i)), content) })
				named.measure(b, int64(size), func() {
					plainWrite(b, filepath.Join(dir, fmt.Sprintf("named-%d", i)), content)
					if err := (vfs.OS{}).SyncDir(dir); err != nil {
						b.Fatal(err)
					}
				})
				b.StopTimer()
				if err := blobs.Delete(b.Context(), fmt.Sprintf("t/%d", i)); err != nil {
					b.Fatal(err)
				}
				for _, name := range []string{"plain", "named"} {
					if err := os.Remove(filepath.Join(dir, fmt.Sprintf("%s-%d", name, i))); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
			}
			report(b, &ours, &plain)
			b.ReportMetric(ratio(ours.mbPerSecond(), named.mbPerSecond()), "of-plain-named")
		})
	}
}

func plainWrite(b *testing.B, path string, content []byte) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	for at := 0; at < len(content); at += 1 << 20 {
		if _, err := f.Write(content[at:min(at+1<<20, len(content))]); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

const rangeBlobSize = 64 << 20

// BenchmarkBlobRange reads ranges at random places of a blob, and sums them up, as a reader would; beside it the same with
// pread into one buffer. "cold" is the first touch of everything after Open, with the pages dropped from the cache.
func BenchmarkBlobRange(b *testing.B) {
	dir := b.TempDir()
	blobs := mustOpenBlobs(b, vfs.OS{}, filepath.Join(dir, "blob"))
	content := noise(1, rangeBlobSize)
	mustPut(b, blobs, "x", content)
	plainWrite(b, filepath.Join(dir, "plain"), content)
	for _, cold := range []bool{true, false} {
		for _, n := range []int64{4 << 10, 64 << 10, 1 << 20} {
			name := map[bool]string{true: "cold", false: "warm"}[cold]
			b.Run(fmt.Sprintf("%s/%dKiB", name, n>>10), func(b *testing.B) {
				benchmarkRanges(b, blobs, filepath.Join(dir, "plain"), n, cold)
			})
		}
	}
}

func benchmarkRanges(b *testing.B, blobs *blobs, plain string, n int64, cold bool) {
	var ours, limit effort
	const rounds = rangeBlobSize / 8
	for b.Loop() {
		if cold {
			blobs.maps.forget("x") // so that it is mapped anew, and nothing is known of its checksums
			dropCache(b, blobs.path("x"))
			dropCache(b, plain)
		}
		places := rand.New(rand.NewPCG(1, uint64(n))).Perm(int(rangeBlobSize / n))[:rounds/n]
		ours.measure(b, rounds, func() { readRanges(b, blobs, places, n) })
		limit.measure(b, rounds, func() { readPlain(b, plain, places, n) })
	}
	report(b, &ours, &limit)
}

func readRanges(b *testing.B, blobs *blobs, places []int, n int64) {
	b.Helper()
	blob, err := blobs.Open(b.Context(), "x")
	if err != nil {
		b.Fatal(err)
	}
	defer blob.Close()
	for _, p := range places {
		data, err := blob.Range(b.Context(), int64(p)*n, n)
		if err != nil {
			b.Fatal(err)
		}
		crc32c(data)
	}
}

func readPlain(b *testing.B, path string, places []int, n int64) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, n)
	for _, p := range places {
		if _, err := f.ReadAt(data, int64(p)*n); err != nil {
			b.Fatal(err)
		}
		crc32c(data)
	}
}

// dropCache takes a file's pages out of the kernel's cache.
func dropCache(b *testing.B, path string) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		b.Fatal(err)
	}
}
