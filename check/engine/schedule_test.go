package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// many returns n checks of one host.
func many(n int, kind string) []check.Spec {
	var specs []check.Spec
	for i := range n {
		specs = append(specs, spec("web", fmt.Sprintf("c%04d", i), kind))
	}
	return specs
}

func TestScheduleIsSpreadAndDoesNotDrift(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, many(1200, "thing"), func(w *world) {
		begin := time.Now()
		pass(12 * time.Minute)
		seconds := map[int]int{}
		for id, h := range w.things {
			times := h.times()
			if n := len(times); n < 12 || n > 14 {
				t.Fatalf("%s was asked %d times in 12 minutes", id, n)
			}
			if first := times[0].Sub(begin); first > 1300*time.Millisecond {
				t.Errorf("%s was first asked after %s", id, first)
			}
			for i := 2; i < len(times); i++ {
				if off := times[i].Sub(times[1]) - time.Duration(i-1)*time.Minute; off.Abs() > maxJitter+10*time.Millisecond {
					t.Fatalf("%s: asking %d is off its slot by %s", id, i, off)
				}
			}
			seconds[times[5].Second()]++
		}
		for s := range 60 { // 20 a second on average
			if n := seconds[s]; n < 4 || n > 45 {
				t.Errorf("%d checks in second %d", n, s)
			}
		}
		if n := w.metric("skipped_total"); n != 0 {
			t.Errorf("%v turns were skipped", n)
		}
	})
}

func TestScheduleSkipsWhatItMissed(t *testing.T) {
	s := spec("web", "slow", "thing")
	s.Interval, s.Timeout = check.Duration(10*time.Second), check.Duration(time.Minute)
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{s}, func(w *world) {
		h := w.thing("web/slow")
		h.set(func() { h.slow = 35 * time.Second })
		pass(5 * time.Minute)
		times := h.times()
		if n := len(times); n < 7 || n > 8 {
			t.Fatalf("it was asked %d times, want one at each fourth slot", n)
		}
		for i := 2; i < len(times); i++ {
			if d := times[i].Sub(times[i-1]).Round(time.Second); d != 40*time.Second {
				t.Errorf("asked again after %s, want 40s", d)
			}
		}
		if n := w.metric("skipped_total"); n < 18 || n > 24 {
			t.Errorf("%v turns were skipped, want three each time", n)
		}
	})
}

func TestConcurrencyAndQueueAreBounded(t *testing.T) {
	simulate(t, Options{Concurrency: 5, Queue: 10}, []check.Host{host("web")}, many(100, "thing"), func(w *world) {
		for _, h := range w.things {
			h.set(func() { h.slow = 8 * time.Second })
		}
		pass(5 * time.Second)
		if r, q := w.metric("running"), w.metric("queued"); r != 5 || q != 10 {
			t.Errorf("%v running and %v queued, want 5 and 10", r, q)
		}
		// Whoever is rechecked goes first, although the queue is full.
		var last string
		for id := range w.things {
			if len(w.thing(id).times()) == 0 {
				last = id
			}
		}
		if err := w.e.Recheck([]string{last}, "me"); err != nil {
			t.Fatal(err)
		}
		pass(8 * time.Second)
		if n := len(w.thing(last).times()); n != 1 {
			t.Errorf("what was rechecked was asked %d times, want once, before those that waited", n)
		}
		pass(10 * time.Minute)
		if w.metric("skipped_total") == 0 {
			t.Error("no turn was skipped")
		}
		total := 0
		for _, h := range w.things {
			total += len(h.times())
		}
		if total < 350 || total > 400 { // 5 every 8 s in 613 s
			t.Errorf("%d askings", total)
		}
	})
}

func TestKindHasItsOwnRoom(t *testing.T) {
	specs := append(many(20, "few"), spec("web", "quick", "thing"))
	simulate(t, Options{}, []check.Host{host("web")}, specs, func(w *world) {
		for id, h := range w.things {
			if id != "web/quick" {
				h.set(func() { h.slow = 9 * time.Second })
			}
		}
		pass(2 * time.Second)
		if n := w.metric("running"); n != 1 {
			t.Errorf("%v are running, want 1 of the slow kind", n)
		}
		w.is("web/quick", "OK hard 1")
	})
}

func TestRetryInterval(t *testing.T) {
	s := spec("web", "http", "thing")
	s.Interval, s.RetryInterval, s.MaxAttempts = check.Duration(5*time.Minute), check.Duration(20*time.Second), 3
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{s}, func(w *world) {
		h := w.thing("web/http")
		pass(2 * time.Second)
		w.is("web/http", "OK hard 1")
		h.set(func() { h.status = model.Critical })
		pass(5*time.Minute + 5*time.Second)
		times := h.times()
		if len(times) != 4 {
			pass(40 * time.Second)
			times = h.times()
		}
		if len(times) != 4 {
			t.Fatalf("asked %d times", len(times))
		}
		for i := 2; i < 4; i++ {
			if d := times[i].Sub(times[i-1]).Round(time.Second); d != 20*time.Second {
				t.Errorf("retried after %s, want 20s", d)
			}
		}
		w.is("web/http", "CRITICAL hard 3")
		pass(10 * time.Minute)
		if n := len(h.times()); n != 6 {
			t.Errorf("asked %d times, want two more in ten minutes: it is hard now", n)
		}
	})
}

func TestTimeLimits(t *testing.T) {
	s := spec("web", "http", "thing")
	s.Timeout, s.MaxAttempts = check.Duration(5*time.Second), 1
	simulate(t, Options{Concurrency: 1}, []check.Host{host("web")}, []check.Spec{s, spec("web", "other", "thing")}, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.slow = time.Hour }) // it heeds its context
		pass(10 * time.Second)
		w.is("web/http", "CRITICAL hard 1")
		if n := w.metric("timeouts_total"); n != 1 {
			t.Errorf("%v timeouts, want 1", n)
		}
		stuck := make(chan struct{})
		h.set(func() { h.slow, h.stuck = 0, stuck })
		pass(90 * time.Second)
		asked := len(h.times())
		w.is("web/http", "UNKNOWN hard 1")
		v, _ := w.e.View("web/http")
		if v.Output != "the check itself hangs: it did not end 1s after its time limit of 5s" || !v.Running {
			t.Errorf("got %q, running %v", v.Output, v.Running)
		}
		pass(10 * time.Minute)
		if n := len(h.times()); n != asked {
			t.Errorf("it was asked %d times more while it hung", n-asked)
		}
		if n := len(w.thing("web/other").times()); n < 10 {
			t.Errorf("the other was asked %d times only: the one that hangs holds its place", n)
		}
		if a, s := w.metric("abandoned_total"), w.metric("stuck"); a != 1 || s != 1 {
			t.Errorf("%v abandoned, %v stuck, want 1 and 1", a, s)
		}
		h.set(func() { h.stuck = nil })
		close(stuck)
		pass(time.Minute)
		w.is("web/http", "OK hard 1")
		if s := w.metric("stuck"); s != 0 {
			t.Errorf("%v stuck, want none", s)
		}
	})
}

func TestPanicIsUnknown(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing")}, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.panics = true })
		pass(2 * time.Second)
		w.is("web/http", "UNKNOWN soft 1")
		v, _ := w.e.View("web/http")
		if v.Output != "the check itself failed: broken check" || v.Long == "" {
			t.Errorf("got %q, %q", v.Output, v.Long)
		}
	})
}

func TestStopLeavesStuckProbersBehind(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing")}, func(w *world) {
		h := w.thing("web/http")
		stuck := make(chan struct{})
		h.set(func() { h.stuck = stuck })
		pass(2 * time.Second)
		before := time.Now()
		w.stop()
		if d := time.Since(before); d > 3*time.Second {
			t.Errorf("stopping took %s", d)
		}
		close(stuck)
	})
}

// between is a period from one hour to another.
type between struct{ from, to int }

func (b between) Contains(at time.Time) bool { h := at.UTC().Hour(); return h >= b.from && h < b.to }

func TestPeriods(t *testing.T) {
	s := spec("web", "http", "thing")
	s.Period = "day"
	simulate(t, Options{Periods: map[string]Period{"day": between{8, 18}}}, []check.Host{host("web")}, []check.Spec{s}, func(w *world) {
		h := w.thing("web/http")
		pass(7 * time.Hour) // the bubble begins at midnight UTC
		if n := len(h.times()); n != 0 {
			t.Errorf("asked %d times at night", n)
		}
		pass(24 * time.Hour)
		if n := len(h.times()); n < 599 || n > 602 {
			t.Errorf("asked %d times in a day of 10 hours", n)
		}
	})
}

func TestDependencyForbidsAsking(t *testing.T) {
	s := spec("web", "shop", "thing")
	s.DependsOn = []check.Dependency{{Name: "db", NoCheck: true}}
	db := spec("web", "db", "thing")
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{s, db}, func(w *world) {
		pass(2 * time.Minute)
		h := w.thing("web/db")
		h.set(func() { h.status = model.Critical })
		pass(3 * time.Minute)
		w.is("web/db", "CRITICAL hard 3")
		asked := len(w.thing("web/shop").times())
		pass(10 * time.Minute)
		if n := len(w.thing("web/shop").times()); n != asked {
			t.Errorf("asked %d times more", n-asked)
		}
		h.set(func() { h.status = model.OK })
		pass(3 * time.Minute)
		if n := len(w.thing("web/shop").times()); n == asked {
			t.Error("it is not asked again although the dependency is good")
		}
	})
}
