package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// die closes the held connections of a thing, as the death of a program does.
func (h *thing) die(status model.Status) {
	h.set(func() {
		h.status = status
		close(h.breaks)
		h.breaks = make(chan struct{})
	})
}

func TestDeathIsHardWithinTwoSeconds(t *testing.T) {
	f := func(attempts int) {
		t.Helper()
		s := spec("db", "postgresql", "held")
		s.MaxAttempts, s.Interval = attempts, check.Duration(5*time.Minute)
		simulate(t, Options{}, []check.Host{host("db")}, []check.Spec{s}, func(w *world) {
			pass(30 * time.Second)
			h := w.thing("db/postgresql")
			if v, _ := w.e.View("db/postgresql"); !v.Held {
				t.Fatal("no connection is held")
			}
			h.die(model.Critical)
			pass(100 * time.Millisecond)
			if v, _ := w.e.View("db/postgresql"); v.Status != model.Critical || v.Held {
				t.Errorf("%d attempts: it is %s at once, held %v", attempts, v.Status, v.Held)
			}
			pass(1900 * time.Millisecond)
			v, _ := w.e.View("db/postgresql")
			if v.Status != model.Critical || !v.Hard || v.Attempt != attempts {
				t.Errorf("%d attempts: it is %s, hard %v, attempt %d after 2 s", attempts, v.Status, v.Hard, v.Attempt)
			}
			if r, _ := w.e.Explain("db/postgresql"); r.Results[0].By != check.ByBroken {
				t.Errorf("the newest result came by %q", r.Results[0].By)
			}
			asked := len(h.times())
			h.set(func() { h.status = model.OK })
			pass(5*time.Minute + time.Second)
			w.is("db/postgresql", "OK hard 1")
			if n := len(h.times()); n != asked+1 {
				t.Errorf("asked %d times in 5 minutes once it was hard", n-asked)
			}
			if n := w.metric("connections_held"); n != 1 {
				t.Errorf("%v connections are held after it came back, want 1", n)
			}
		})
	}
	f(1)
	f(2)
	f(3)
	f(10)
}

// A program that dies slowly still answers at the first asking after the break.
func TestSlowDeath(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("db")}, []check.Spec{spec("db", "postgresql", "held")}, func(w *world) {
		pass(2 * time.Second)
		h := w.thing("db/postgresql")
		h.die(model.OK)
		pass(500 * time.Millisecond)
		h.set(func() { h.status = model.Critical })
		pass(2500 * time.Millisecond)
		w.is("db/postgresql", "CRITICAL hard 3")
	})
}

// A peer that closes idle connections costs a few askings, and is left alone ever longer.
func TestPeerThatDoesNotKeepConnections(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "held")}, func(w *world) {
		h := w.thing("web/http")
		for range 600 {
			pass(6 * time.Second)
			h.die(model.OK)
		}
		if n := len(h.times()); n > 61+2*7 {
			t.Errorf("asked %d times in an hour, want 60 and two for each break", n)
		}
		h.set(func() {
			if h.held < 4 || h.held > 7 {
				t.Errorf("connected %d times in an hour", h.held)
			}
		})
		w.is("web/http", "OK hard 1")
	})
}

func TestPeerThatCannotBeHeld(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "held")}, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.nohold = errNoHold })
		pass(time.Hour)
		h.set(func() {
			if h.held < 4 || h.held > 7 || len(h.asked) > 62 {
				t.Errorf("connected %d and asked %d times in an hour", h.held, len(h.asked))
			}
		})
	})
}

func TestHoldsAreBounded(t *testing.T) {
	simulate(t, Options{Holds: 3}, []check.Host{host("web")}, many(10, "held"), func(w *world) {
		pass(3 * time.Minute)
		if n := w.metric("connections_held"); n != 3 {
			t.Errorf("%v connections are held, want 3", n)
		}
		// What is no longer declared is let go of.
		if err := w.e.Set("config", nil, nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if n := w.metric("connections_held"); n != 0 {
			t.Errorf("%v connections are held, want none", n)
		}
	})
}

// deaf holds without heeding its context.
type deaf struct{ end chan struct{} }

func (deaf) Probe(context.Context) model.CheckResult { return model.CheckResult{Output: "fine"} }
func (d deaf) Hold(context.Context) error            { <-d.end; return nil }

func TestStopLeavesDeafHoldsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{make(chan struct{})}
		e := newEngine(t, Options{Kinds: []check.Kind{{Name: "deaf", New: func(check.Params) (check.Prober, error) { return d, nil }}}})
		if err := e.Set("config", []check.Host{host("web")}, []check.Spec{spec("web", "http", "deaf")}); err != nil {
			t.Fatal(err)
		}
		if err := e.Recheck([]string{"web/http"}, "me"); err != nil { // before it runs: it is asked when anything is
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		pass(5 * time.Second)
		if v, _ := e.View("web/http"); !v.Held {
			t.Error("no connection is held")
		}
		cancel()
		pass(stopPatience + time.Second)
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the engine does not stop")
		}
		close(d.end)
	})
}
