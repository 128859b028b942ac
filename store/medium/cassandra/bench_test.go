package cassandra

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// BenchmarkDocuments compares changes of documents with what the driver and the cluster can do at best: a loop of bare lightweight
// transactions, each on a row that it knows. Both take turns, so that a busy machine slows both; the ratio is what counts.
func BenchmarkDocuments(b *testing.B) {
	m := open(b, nil)
	createTable(b, m.session, `CREATE TABLE IF NOT EXISTS bare (p text, c text, version bigint, value blob, PRIMARY KEY (p, c))`)
	value := []byte(`{"holder":"node-1","until":"2026-11-22T21:00:00Z"}`)
	run := func(name string, writers int, kindOf, keyOf func(w int) string) {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			prefix := fmt.Sprintf("bench-%d-", time.Now().UnixNano())
			versions, bare := make([]medium.Version, writers), make([]int64, writers)
			documents := func(w int) error {
				var err error
				versions[w], err = m.documents.Put(ctx, prefix+kindOf(w), keyOf(w), value, versions[w])
				return err
			}
			driver := func(w int) error { return bareCAS(ctx, m.session, prefix+kindOf(w), keyOf(w), value, &bare[w]) }
			var ours, theirs time.Duration
			n := 0
			for b.Loop() {
				const each = 5
				theirs += together(b, writers, each, driver)
				ours += together(b, writers, each, documents)
				n += writers * each
			}
			b.ReportMetric(float64(n)/ours.Seconds(), "CAS/s")
			b.ReportMetric(float64(n)/theirs.Seconds(), "bare-CAS/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
		})
	}
	one := func(int) string { return "k" }
	run("1 writer", 1, one, one)
	run("16 writers one kind", 16, one, strconv.Itoa)
	run("16 writers 16 kinds", 16, strconv.Itoa, one)
}

// bareCAS is one lightweight transaction of the driver alone. A transaction that loses against others on its partition is done again.
func bareCAS(ctx context.Context, s *session, p, c string, value []byte, version *int64) error {
	var expected any
	if *version > 0 {
		expected = *version
	}
	for {
		row := map[string]any{}
		applied, err := s.db.Query(`UPDATE bare SET version = ?, value = ? WHERE p = ? AND c = ? IF version = ?`, *version+1, value, p, c, expected).MapScanCASContext(ctx, row)
		switch {
		case err != nil && judge(err, true).again:
		case err != nil:
			return err
		default:
			if !applied && row["version"] != *version+1 {
				return fmt.Errorf("refused: %v", row)
			}
			*version++
			return nil
		}
	}
}

// together has every writer do n changes and returns how long all took.
func together(b *testing.B, writers, n int, change func(w int) error) time.Duration {
	begun := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range n {
				if err := change(w); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}

// BenchmarkReads compares reading a document at quorum, as Get does, with a serial read.
func BenchmarkReads(b *testing.B) {
	m := open(b, nil)
	kind := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	_, err := m.documents.Put(b.Context(), kind, "a", []byte("{}"), medium.Absent)
	check(b, err)
	k := m.documents.kind(kind)
	var quorum, serial time.Duration
	n := 0
	for b.Loop() {
		begun := time.Now()
		_, err := m.documents.readHead(b.Context(), k, false)
		check(b, err)
		quorum += time.Since(begun)
		begun = time.Now()
		_, err = m.documents.readHead(b.Context(), k, true)
		check(b, err)
		serial += time.Since(begun)
		n++
	}
	b.ReportMetric(float64(quorum.Microseconds())/float64(n), "us/quorum-read")
	b.ReportMetric(float64(serial.Microseconds())/float64(n), "us/serial-read")
}
