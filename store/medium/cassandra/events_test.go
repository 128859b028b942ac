package cassandra

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/store/events"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// TestEvents runs those cases of the suite of stores of records over this medium in which the medium matters.
func TestEvents(t *testing.T) {
	m := open(t, nil)
	nodes := 0
	eventstest.Test(t, func(t *testing.T) eventstest.Opened {
		nodes++ // each store has a journal and a tenant of its own
		name := string(rune('a'+nodes/26)) + string(rune('a'+nodes%26))
		s, err := events.Open(context.Background(), events.Options{Node: name, Limits: events.Limits{RejectNewer: -1}}, m, testLog(t), prometheus.NewRegistry())
		check(t, err)
		t.Cleanup(func() { check(t, s.Close()) })
		e, err := s.EventWriter(name)
		check(t, err)
		return eventstest.Opened{Events: e, Settle: func(t *testing.T) { check(t, s.Flush(context.Background())) }}
	}, "fields", "order", "late records", "deletion", "many writers")
}
