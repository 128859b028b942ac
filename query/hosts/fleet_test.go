package hosts

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// BenchmarkOverview500Hosts reads the overview of 500 hosts with 4 CPUs and 6 disks each, first with nothing
// kept, then as it goes on every 10 s.
func BenchmarkOverview500Hosts(b *testing.B) {
	w := newWorld(b)
	fleet(w, 500)
	ctx := context.Background()
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.hosts().Overview(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	hs := w.hosts()
	hs.opts.ChangesEvery = 20 * time.Second
	if _, err := hs.Overview(ctx); err != nil {
		b.Fatal(err)
	}
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			o, err := hs.Overview(ctx)
			if err != nil {
				b.Fatal(err)
			}
			w.now = w.now.Add(10 * time.Millisecond)
			reply, err := json.Marshal(o)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(reply)), "reply-bytes")
		}
	})
}

// BenchmarkOverviewOneHost is what the first screen of a laptop costs.
func BenchmarkOverviewOneHost(b *testing.B) {
	w := newWorld(b)
	fleet(w, 1)
	hs := w.hosts()
	for b.Loop() {
		if _, err := hs.Overview(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func fleet(w *world, n int) {
	for i := range n {
		m := w.machine(fmt.Sprintf("node-%03d", i), func(m *machine) {
			m.cpus = 4
			m.from = w.now.Add(-time.Hour)
		})
		for d := range 4 {
			m.disk(fmt.Sprintf("/srv/%d", d), fmt.Sprintf("/dev/sd%c", 'd'+d), 0.2*float64(d)+0.1)
		}
	}
}
