package engine

import (
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// A switch dies: the hosts behind it are unreachable from the first answer on, and their services are the host's matter,
// whatever the order in which they are asked.
func TestParentsAreAskedFirst(t *testing.T) {
	hosts := []check.Host{host("router"), host("switch", "router"), host("web", "switch"), host("db", "switch")}
	specs := []check.Spec{
		spec("router", "host", "thing"), spec("switch", "host", "thing"), spec("web", "host", "thing"), spec("db", "host", "thing"),
		spec("web", "http", "thing"), spec("db", "sql", "thing"),
	}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		pass(2 * time.Minute)
		for _, id := range []string{"switch/host", "web/host", "db/host", "web/http", "db/sql"} {
			h := w.thing(id)
			h.set(func() { h.status = model.Critical })
		}
		for range 240 { // never, not for a moment, a host behind the switch is down by itself
			pass(time.Second)
			for _, id := range []string{"web/host", "db/host"} {
				if v, _ := w.e.View(id); v.Problem() && !v.Unreachable {
					t.Fatalf("%s is down, not unreachable", id)
				}
			}
			for _, id := range []string{"web/http", "db/sql"} {
				if v, _ := w.e.View(id); v.Problem() && v.Handled == "" {
					t.Fatalf("%s is a problem of its own", id)
				}
			}
		}
		w.is("router/host", "OK hard 1")
		w.is("switch/host", "CRITICAL hard 3")
		w.is("web/host", "CRITICAL hard 3 unreachable")
		w.is("web/http", "CRITICAL hard 1 unreachable")
		s := w.e.Summary()
		if s.Hosts != (check.HostCounts{Up: 1, Down: 1, Unreachable: 2}) || s.Unhandled[model.Critical] != 1 || s.Handled[model.Critical] != 4 {
			t.Errorf("got %+v", s)
		}
		// The switch comes back, one of the hosts does not: that is its own problem now.
		for _, id := range []string{"switch/host", "db/host", "web/http", "db/sql"} {
			h := w.thing(id)
			h.set(func() { h.status = model.OK })
		}
		pass(2 * time.Minute)
		w.is("switch/host", "OK hard 1")
		w.is("db/host", "OK hard 1")
		w.is("web/host", "CRITICAL hard 3")
		want := "unreachable CRITICAL>CRITICAL soft 1\n"
		if got := w.events.lines("web/host"); len(got) == 0 || !contains(got, "unreachable") || !contains(got, "reachable") {
			t.Errorf("got\n%swant among it %s", got, want)
		}
	})
}

// A service fails because its host died a moment before the host check's turn.
func TestHostIsAskedBeforeItsServiceCounts(t *testing.T) {
	s := spec("web", "http", "thing")
	s.Interval = check.Duration(20 * time.Second)
	h := spec("web", "host", "thing")
	h.Interval = check.Duration(time.Hour)
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{s, h}, func(w *world) {
		pass(2 * time.Minute)
		for _, id := range []string{"web/http", "web/host"} {
			h := w.thing(id)
			h.set(func() { h.status = model.Critical })
		}
		pass(21 * time.Second)
		w.is("web/http", "CRITICAL hard 1 host")
		x, err := w.e.Explain("web/host")
		if err != nil || x.Results[len(x.Results)-1].By != check.BySchedule || !hasReason(x, check.ByReach) {
			t.Errorf("the host was not asked because of its service: %+v", x.Results)
		}
	})
}

func hasReason(x Explanation, why string) bool {
	for _, r := range x.Results {
		if r.By == why {
			return true
		}
	}
	return false
}

// A parent whose check hangs does not keep the answer of its children back for ever.
func TestParentThatHangs(t *testing.T) {
	hosts := []check.Host{host("switch"), host("web", "switch")}
	specs := []check.Spec{spec("switch", "host", "thing"), spec("web", "host", "thing")}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		pass(2 * time.Minute)
		stuck := make(chan struct{})
		defer close(stuck)
		sw, web := w.thing("switch/host"), w.thing("web/host")
		sw.set(func() { sw.stuck = stuck })
		web.set(func() { web.status = model.Critical })
		pass(2 * time.Minute)
		if v, _ := w.e.View("web/host"); !v.Problem() {
			t.Errorf("web is %s", v.Status)
		}
	})
}
