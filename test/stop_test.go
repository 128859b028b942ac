package test

import (
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// An orderly stop under load ends well and loses nothing that was acknowledged.
func TestAcknowledgedSamplesSurviveStop(t *testing.T) {
	data := t.TempDir()
	acked := newAckedSamples()
	const stops = 5
	for round := range stops {
		p := harness.Start(t, harness.Options{DataDir: data})
		var senders sync.WaitGroup
		for id := range crashSenders {
			s := &crashSender{url: p.URL, round: round, id: id, acked: acked}
			senders.Go(func() { s.run() })
		}
		time.Sleep(100 * time.Millisecond) // the other process works meanwhile: there is no clock to inject
		if err := p.Stop(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		senders.Wait()
		if acked.of(round) == 0 {
			t.Errorf("round %d: nothing was acknowledged before the stop: the round shows nothing", round)
		}
	}
	p := harness.Start(t, harness.Options{DataDir: data})
	for round := range stops {
		acked.check(t, p, round)
	}
	t.Logf("%d samples were acknowledged before %d stops, and all are there", acked.total(), stops)
}
