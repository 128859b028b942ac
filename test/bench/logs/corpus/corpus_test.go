package corpus

import (
	"encoding/json"
	"hash/crc32"
	"testing"
)

// The lines are the same for ever: numbers in commit messages and documents are about them.
func TestCorpusIsTheSame(t *testing.T) {
	c := New(Seed, Streams, Lines)
	h := crc32.NewIEEE()
	bytes, kinds := 0, map[string]int{}
	last := int64(0)
	for range 100_000 {
		e := c.Next()
		if e.Time < last {
			t.Fatal("time goes back")
		}
		last = e.Time
		for _, l := range e.Labels {
			if l.Name == "job" {
				kinds[l.Value]++
			}
			if l.Value == "app" && !json.Valid(e.Line) {
				t.Fatalf("not JSON: %s", e.Line)
			}
		}
		_, _ = h.Write(e.Line)
		bytes += len(e.Line)
	}
	t.Logf("%d bytes a line, %v", bytes/100_000, kinds)
	if got := h.Sum32(); got != 0x89f93e69 {
		t.Errorf("the first 100,000 lines have the checksum %#x", got)
	}
}

func BenchmarkNext(b *testing.B) {
	c := New(Seed, Streams, Lines)
	n := 0
	for b.Loop() {
		n += len(c.Next().Line)
	}
	b.SetBytes(int64(n / b.N))
}
