package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// nodes runs the same checks on two nodes that share a medium.
func nodes(t *testing.T, f func(a, b *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		docs := newMemory()
		var worlds []*world
		for n := range 2 {
			w := build(t, &world{docs: docs}, Options{Node: fmt.Sprint("node", n)})
			if err := w.e.Set("config", []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing"), spec("web", "ssh", "thing")}); err != nil {
				t.Fatal(err)
			}
			worlds = append(worlds, w.run())
		}
		defer func() {
			for _, w := range worlds {
				w.stop()
			}
		}()
		f(worlds[0], worlds[1])
	})
}

func (w *world) becomes(id string, s model.Status) {
	h := w.thing(id)
	h.set(func() { h.status = s })
}

// What is acknowledged on one node is acknowledged on the other within seconds, and so is what is taken back. Neither node's own
// writing undoes it, and no line of the history is written twice.
func TestAcknowledgedOnAnotherNode(t *testing.T) {
	nodes(t, func(a, b *world) {
		both := func(want string) {
			t.Helper()
			a.is("web/http", want)
			b.is("web/http", want)
		}
		for _, w := range []*world{a, b} {
			w.becomes("web/http", model.Critical)
		}
		pass(time.Minute)
		both("CRITICAL hard 3")
		if err := a.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann", Comment: "on it", Sticky: true}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		both("CRITICAL hard 3 acknowledged")
		if v, _ := b.e.View("web/http"); v.Ack == nil || v.Ack.By != "ann" || v.Ack.Comment != "on it" {
			t.Errorf("got %+v", v.Ack)
		}
		if contains(b.events.lines("web/http"), "ack ") {
			t.Errorf("the history is written twice:\n%s", b.events.lines("web/http"))
		}
		for range 15 { // both write their states again and again
			pass(time.Minute)
			both("CRITICAL hard 3 acknowledged")
		}
		if err := b.e.Unacknowledge(t.Context(), []string{"web/http"}, "bob", ""); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		both("CRITICAL hard 3")
		pass(15 * time.Minute)
		both("CRITICAL hard 3")
		if err := b.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "bob", Until: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		both("CRITICAL hard 3 acknowledged")
		pass(2 * time.Minute)
		both("CRITICAL hard 3")
	})
}

// One node sees a problem earlier: its acknowledgement waits for the other to see it too, and not for long.
func TestAcknowledgedBeforeItIsSeenHere(t *testing.T) {
	nodes(t, func(a, b *world) {
		pass(time.Minute)
		a.becomes("web/http", model.Critical)
		a.becomes("web/ssh", model.Critical)
		pass(2 * time.Minute)
		if err := a.e.Acknowledge(t.Context(), []string{"web/http", "web/ssh"}, check.Ack{By: "ann"}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		if v, _ := b.e.View("web/http"); v.Status != model.OK || v.Ack != nil {
			t.Errorf("got %+v", v.State)
		}
		b.becomes("web/http", model.Critical)
		pass(2 * time.Minute)
		b.is("web/http", "CRITICAL hard 3 acknowledged")
		pass(10 * time.Minute)
		b.becomes("web/ssh", model.Critical)
		pass(2 * time.Minute)
		b.is("web/ssh", "CRITICAL hard 3")
	})
}

// Downtimes that are planned, changed and ended on one node are so on the other.
func TestDowntimeOfAnotherNode(t *testing.T) {
	nodes(t, func(a, b *world) {
		pass(time.Minute)
		for _, w := range []*world{a, b} {
			w.becomes("web/http", model.Critical)
		}
		pass(2 * time.Minute)
		d, err := a.e.AddDowntime(t.Context(), check.Downtime{By: "ann", Checks: []string{"web/http"}, Start: time.Now(), End: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		b.is("web/http", "CRITICAL hard 3 downtime")
		d.Checks, d.Comment = []string{"web/ssh"}, "the other one" // changed there
		if _, err := b.e.AddDowntime(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		a.is("web/http", "CRITICAL hard 3")
		if got := a.e.Downtimes(); len(got) != 1 || got[0].Comment != "the other one" {
			t.Errorf("got %+v", got)
		}
		if v, _ := a.e.View("web/ssh"); len(v.Downtimes) != 1 {
			t.Errorf("ssh: %+v", v.Downtimes)
		}
		a.docs.set(func() { a.docs.away = errAway }) // what ends while nobody hears is heard of later
		pass(2 * time.Second)
		a.docs.set(func() { a.docs.away = nil })
		if err := b.e.EndDowntime(t.Context(), d.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		for _, w := range []*world{a, b} {
			if got := w.e.Downtimes(); len(got) != 0 {
				t.Errorf("got %+v", got)
			}
			if v, _ := w.e.View("web/ssh"); len(v.Downtimes) != 0 {
				t.Errorf("ssh: %+v", v.Downtimes)
			}
		}
	})
}
