package cassandra

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// The benchmarks stand in pairs: what this package does, and the driver alone, with plain prepared statements for as many bytes at
// the same consistency with the same concurrency, on the same cluster in the same run.
//
//	go test -run '^$' -bench . -benchtime 3s ./store/medium/cassandra

// measure runs do b.N times on so many goroutines, and reports bytes and processor time of this process; each do handles size bytes.
func measure(b *testing.B, workers, size int, do func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var work sync.WaitGroup
	b.SetBytes(int64(size))
	before := processorTime()
	b.ResetTimer()
	for range workers {
		work.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	b.StopTimer()
	mb := float64(b.N) * float64(size) / 1e6
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric((processorTime()-before).Seconds()*1000/mb, "cpu-ms/MB")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

func BenchmarkJournal(b *testing.B) {
	m := open(b, inSoundKeyspace)
	check(b, m.session.db.Query("CREATE TABLE IF NOT EXISTS bench_rows (id uuid, segment bigint, seq bigint, data blob, PRIMARY KEY ((id, segment), seq))").Exec())
	for _, c := range []struct{ writers, size int }{{1, 1 << 10}, {16, 1 << 10}, {256, 1 << 10}, {16, 64 << 10}} {
		name := fmt.Sprintf("%d_writers_of_%d_bytes/", c.writers, c.size)
		data := noise(c.size)
		b.Run(name+"journal", func(b *testing.B) {
			j, err := m.Journals().Open(b.Context(), "bench", medium.JournalOptions{})
			check(b, err)
			measure(b, c.writers, c.size, func(int) error {
				_, err := j.Append(context.Background(), data)
				return err
			})
			check(b, j.Truncate(b.Context(), 1<<62))
			check(b, j.Close())
		})
		b.Run(name+"driver", func(b *testing.B) { benchInserts(b, m, c.writers, data) })
	}
	b.Run("16_writers_of_a_full_row/driver", func(b *testing.B) { benchInserts(b, m, 16, noise(maxRowPayload)) })
}

func benchInserts(b *testing.B, m *Medium, writers int, data []byte) {
	id := gocql.MustRandomUUID()
	measure(b, writers, len(data), func(i int) error {
		return m.session.db.Query("INSERT INTO bench_rows (id, segment, seq, data) VALUES (?, ?, ?, ?)", id, int64(i>>7), int64(i), data).
			Consistency(gocql.LocalQuorum).Exec()
	})
	check(b, m.session.db.Query("TRUNCATE bench_rows").Exec())
}

const benchBlob = 32 << 20

func BenchmarkBlobPut(b *testing.B) {
	m := open(b, inSoundKeyspace)
	data := noise(benchBlob)
	put := 0
	b.Run("blobs", func(b *testing.B) {
		measure(b, 1, benchBlob, func(int) error {
			put++
			_, err := m.Blobs().Put(b.Context(), fmt.Sprintf("bench/%d", put), bytes.NewReader(data), medium.PutOptions{})
			return err
		})
	})
	b.Run("driver", func(b *testing.B) {
		measure(b, 1, benchBlob, func(int) error {
			id := gocql.MustRandomUUID()
			return inParallel(benchBlob/blobPartSize, defaultBlobLimits.writes, func(i int) error {
				return m.session.db.Query("INSERT INTO blob_parts (put, chunk, part, data, name) VALUES (?, ?, ?, ?, 'bench/driver')",
					id, i/chunkParts, i, data[i*blobPartSize:(i+1)*blobPartSize]).Consistency(gocql.LocalQuorum).Exec()
			})
		})
	})
	for i := range put {
		check(b, m.Blobs().Delete(b.Context(), fmt.Sprintf("bench/%d", i+1)))
	}
}

// inParallel calls do for 0 to n-1 on so many goroutines.
func inParallel(n, workers int, do func(int) error) error {
	var next atomic.Int64
	var work sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		work.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	work.Wait()
	close(errs)
	return <-errs
}

func BenchmarkBlobRange(b *testing.B) {
	m := open(b, inSoundKeyspace)
	_, err := m.Blobs().Put(b.Context(), "bench/read", bytes.NewReader(noise(benchBlob)), medium.PutOptions{})
	check(b, err)
	defer func() { check(b, m.Blobs().Delete(b.Context(), "bench/read")) }()
	opened, err := m.Blobs().Open(b.Context(), "bench/read")
	check(b, err)
	put := opened.(*blob).info.put
	cache := m.blobs.cache
	for _, r := range []struct {
		name          string
		readers, size int
	}{{"whole", 1, benchBlob}, {"64_KiB", 16, 64 << 10}} {
		read := func(b *testing.B) {
			measure(b, r.readers, r.size, func(int) error {
				off := rand.Int64N(benchBlob - int64(r.size) + 1)
				_, err := opened.Range(b.Context(), off, int64(r.size))
				return err
			})
		}
		b.Run(r.name+"/cache_off", func(b *testing.B) {
			m.blobs.cache = nil
			read(b)
		})
		b.Run(r.name+"/cache_on", func(b *testing.B) {
			m.blobs.cache = cache
			read(b)
		})
		b.Run(r.name+"/driver", func(b *testing.B) {
			parts := max(1, r.size/blobPartSize)
			measure(b, r.readers, r.size, func(int) error {
				first := rand.IntN(benchBlob/blobPartSize - parts + 1)
				return inParallel(parts, defaultBlobLimits.reads, func(i int) error {
					var data raw
					return m.session.db.Query(selectPart[false], put, (first+i)/chunkParts, first+i).Consistency(gocql.LocalOne).Scan(&data)
				})
			})
		})
	}
}
