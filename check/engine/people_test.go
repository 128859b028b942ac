package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func result(status model.Status, output string) model.CheckResult {
	return model.CheckResult{Status: status, Output: output}
}

func TestPassiveResultsAndFreshness(t *testing.T) {
	s := spec("web", "backup", "passive")
	s.Freshness, s.StaleStatus, s.MaxAttempts = check.Duration(time.Hour), model.Critical, 1
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{s}, func(w *world) {
		submit := func(r model.CheckResult, want string) {
			t.Helper()
			err := w.e.Submit(t.Context(), "web", "backup", r)
			if want == "" && err != nil || want != "" && (err == nil || !contains(err.Error(), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
		pass(time.Minute)
		w.is("web/backup", "PENDING hard 0")
		submit(result(model.OK, "done\nsecond line"), "")
		w.is("web/backup", "OK hard 1")
		if v, _ := w.e.View("web/backup"); v.Output != "done" {
			t.Errorf("the output is %q", v.Output)
		}
		pass(59 * time.Minute)
		w.is("web/backup", "OK hard 1")
		pass(2 * time.Minute)
		w.is("web/backup", "CRITICAL hard 1")
		submit(result(model.OK, "done"), "")
		w.is("web/backup", "OK hard 1")
		submit(result(7, ""), "is no answer")
		if err := w.e.Submit(t.Context(), "web", "nix", result(model.OK, "")); model.KindOf(err) != model.NotFound {
			t.Errorf("got %v", err)
		}
		if err := w.e.Recheck([]string{"web/backup"}, "me"); err == nil || !contains(err.Error(), "passive") {
			t.Errorf("got %v", err)
		}
		pass(time.Second)
		want := "state PENDING>OK hard 1\nstale OK>OK hard 1\nstate OK>CRITICAL hard 1 TELL\nstate CRITICAL>OK hard 1 TELL\n"
		if got := w.events.lines("web/backup"); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

func TestAcknowledge(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing"), spec("web", "ssh", "thing")}, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(time.Minute)
		w.is("web/http", "CRITICAL hard 3")
		ack := check.Ack{By: "ann", Comment: "on it", Until: time.Now().Add(10 * time.Minute)}
		err := w.e.Acknowledge(t.Context(), []string{"web/http", "web/ssh", "web/nix"}, ack)
		if err == nil || !contains(err.Error(), "web/ssh: there is nothing to acknowledge") || !contains(err.Error(), `no check "web/nix"`) {
			t.Errorf("got %v", err)
		}
		w.is("web/http", "CRITICAL hard 3 acknowledged")
		pass(9 * time.Minute)
		w.is("web/http", "CRITICAL hard 3 acknowledged")
		pass(2 * time.Minute)
		w.is("web/http", "CRITICAL hard 3")
		if err := w.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann"}); err != nil {
			t.Fatal(err)
		}
		if err := w.e.Unacknowledge(t.Context(), []string{"web/http"}, "bob", "no"); err != nil {
			t.Fatal(err)
		}
		w.is("web/http", "CRITICAL hard 3")
		if err := w.e.Comment(t.Context(), "web/http", "bob", "hello"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		want := "ack CRITICAL>CRITICAL hard 3 by ann\nack_removed CRITICAL>CRITICAL hard 3\n"
		if got := w.events.lines("web/http"); !contains(got, want) || !contains(got, "by bob\ncomment CRITICAL>CRITICAL hard 3 by bob\n") {
			t.Errorf("got\n%s", got)
		}
	})
}

func TestDowntimes(t *testing.T) {
	hosts := []check.Host{{Name: "web", Labels: map[string]string{"team": "a"}}, {Name: "db"}}
	specs := []check.Spec{spec("web", "http", "thing"), spec("db", "sql", "thing"), spec("db", "disk", "thing")}
	for i := range specs {
		specs[i].Interval = check.Duration(time.Hour)
	}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		for _, h := range w.things {
			h.set(func() { h.status = model.Critical })
		}
		add := func(d check.Downtime) check.Downtime {
			t.Helper()
			d, err := w.e.AddDowntime(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		pass(2 * time.Minute)
		now := time.Now()
		fixed := add(check.Downtime{By: "ann", Comment: "upgrade", Matchers: []string{`team="a"`}, Start: now.Add(time.Minute), End: now.Add(11 * time.Minute)})
		early := add(check.Downtime{By: "ann", Checks: []string{"db/*"}, Start: now, End: now.Add(time.Hour)})
		pass(30 * time.Second)
		w.is("web/http", "CRITICAL hard 3")
		w.is("db/sql", "CRITICAL hard 3 downtime")
		pass(time.Minute)
		w.is("web/http", "CRITICAL hard 3 downtime")
		if v, _ := w.e.View("web/http"); len(v.Downtimes) != 1 || v.Downtimes[0] != fixed.ID {
			t.Errorf("downtimes %v", v.Downtimes)
		}
		if err := w.e.EndDowntime(t.Context(), early.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		w.is("db/sql", "CRITICAL hard 3")
		pass(10 * time.Minute)
		w.is("web/http", "CRITICAL hard 3")
		want := "downtime_start CRITICAL>CRITICAL hard 3 by ann\ndowntime_end CRITICAL>CRITICAL hard 3"
		if got := w.events.lines("web/http"); !contains(got, want+"\n") {
			t.Errorf("got\n%s", got)
		}
		if got := w.events.lines("db/sql"); !contains(got, want+" by bob\n") {
			t.Errorf("got\n%s", got)
		}
		pass(3 * 24 * time.Hour)
		if n := len(w.e.Downtimes()); n != 0 {
			t.Errorf("%d downtimes are still kept", n)
		}
	})
}

func TestFlexibleDowntime(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing"), spec("web", "ssh", "thing")}, func(w *world) {
		pass(2 * time.Minute)
		now := time.Now()
		d := check.Downtime{By: "ann", Checks: []string{"*"}, Start: now, End: now.Add(time.Hour), Flexible: true, Length: check.Duration(20 * time.Minute)}
		d, err := w.e.AddDowntime(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(5 * time.Minute)
		w.is("web/http", "CRITICAL hard 3 downtime")
		if got := w.e.Downtimes()[0]; len(got.Began) != 1 {
			t.Errorf("began %v", got.Began)
		}
		pass(20 * time.Minute)
		w.is("web/http", "CRITICAL hard 3")
		if got := w.events.lines("web/http"); contains(got, "OK>CRITICAL hard 3 TELL") || !contains(got, "notice CRITICAL>CRITICAL hard 3 TELL") {
			t.Errorf("got\n%s", got)
		}
		if err := w.e.EndDowntime(t.Context(), "nix", "bob"); model.KindOf(err) != model.NotFound {
			t.Errorf("got %v", err)
		}
		_ = d
	})
}

func TestBadDowntimes(t *testing.T) {
	simulate(t, Options{}, nil, nil, func(w *world) {
		now := time.Now()
		f := func(d check.Downtime, want string) {
			t.Helper()
			_, err := w.e.AddDowntime(t.Context(), d)
			if model.KindOf(err) != model.Invalid || !contains(err.Error(), want) {
				t.Errorf("got %v (%s), want %q", err, model.KindOf(err), want)
			}
		}
		pass(time.Second)
		f(check.Downtime{Start: now, End: now.Add(1)}, "checks or matchers")
		f(check.Downtime{Checks: []string{"*"}, Start: now, End: now}, "end: it must be after start")
		f(check.Downtime{Checks: []string{"*"}, Start: now, End: now.Add(1), ID: "a b"}, "id: use")
		f(check.Downtime{Checks: []string{"*"}, Start: now, End: now.Add(1), Comment: strings.Repeat("x", 9000)}, "comment: it has 9000 bytes")
	})
}
