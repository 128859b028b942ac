package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// restart goes on with another engine on the same documents: after a clean stop, or after a crash at this moment.
func (w *world) restart(crash bool, hosts []check.Host, specs []check.Spec) *world {
	w.t.Helper()
	docs := w.docs
	if crash {
		docs = w.docs.copied()
		w.docs.set(func() { w.docs.frozen = true })
	}
	w.stop()
	next := build(w.t, &world{docs: docs, events: w.events, series: w.series, things: w.things}, Options{})
	if err := next.e.Set("config", hosts, specs); err != nil {
		w.t.Fatal(err)
	}
	*w = *next
	return w.run()
}

// A restart changes nothing: the same changes, states and slots as without it.
func TestRestartChangesNothing(t *testing.T) {
	hosts := []check.Host{host("web")}
	specs := many(40, "thing")
	script := func(restartAt int, crash bool) (string, map[string]check.State) {
		var history strings.Builder
		states := map[string]check.State{}
		synctest.Test(t, func(t *testing.T) {
			w := build(t, nil, Options{})
			if err := w.e.Set("config", hosts, specs); err != nil {
				t.Fatal(err)
			}
			w.run()
			pass(2 * time.Minute)
			for step := range 40 {
				for i := range specs { // some fail for a while, some flap, some are acknowledged
					h := w.thing(specs[i].ID())
					h.set(func() {
						h.status = model.OK
						if i%5 == 1 && step > 5 && step < 20 || i%5 == 2 && step%2 == 0 || i%5 == 3 && step > 12 {
							h.status = model.Critical
						}
					})
				}
				if step == 18 {
					var bad []string
					for _, v := range w.e.Views(func(v *check.View) bool { return v.Problem() && v.Hard }) {
						bad = append(bad, v.ID)
					}
					if len(bad) == 0 {
						t.Fatal("nothing to acknowledge")
					}
					if err := w.e.Acknowledge(t.Context(), bad, check.Ack{By: "ann", Sticky: true}); err != nil {
						t.Fatal(err)
					}
				}
				if step == restartAt {
					w.restart(crash, hosts, specs)
				}
				pass(time.Minute)
			}
			for _, s := range specs {
				history.WriteString(s.ID() + "\n" + w.events.lines(s.ID()))
				v, _ := w.e.View(s.ID())
				v.Perf, v.Recent = nil, nil
				states[s.ID()] = v.State
			}
			w.stop()
		})
		return history.String(), states
	}
	wantHistory, wantStates := script(-1, false)
	if !strings.Contains(wantHistory, "flapping_start") || !strings.Contains(wantHistory, "ack ") {
		t.Fatalf("the script does too little:\n%s", wantHistory)
	}
	for _, at := range []int{3, 13, 21} {
		for _, crash := range []bool{false, true} {
			history, states := script(at, crash)
			if !crash && history != wantHistory { // after a crash, results of the last minutes that changed nothing are forgotten: flapping may differ
				t.Errorf("restart at %d: another history:\n%s", at, difference(wantHistory, history))
			}
			for id, want := range wantStates {
				got := states[id]
				if d := got.HardSince.Sub(want.HardSince).Abs(); d > time.Second && !crash { // then they are asked at once
					t.Errorf("restart at %d, crash %v: %s is so since %s, want %s", at, crash, id, got.HardSince, want.HardSince)
				}
				if got := comparable(got, crash); got != comparable(want, crash) {
					t.Errorf("restart at %d, crash %v: %s is\n%s, want\n%s", at, crash, id, got, comparable(want, crash))
				}
			}
		}
	}
}

// comparable is a state without what differs from run to run.
func comparable(s check.State, crash bool) string {
	s.Since, s.HardSince, s.LastCheck, s.LastOK = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	s.Duration = 0
	if s.Ack != nil {
		ack := *s.Ack
		ack.At = time.Time{}
		s.Ack = &ack
	}
	if crash {
		s.Flapping, s.FlapPercent, s.Told = false, 0, model.OK
	}
	text, err := json.Marshal(&s)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d: want %s, got %s", i, a[i], append(b, "")[min(i, len(b))])
		}
	}
	return "longer"
}

// After a crash everything that had changed a second before is there, and all decisions of people.
func TestCrash(t *testing.T) {
	hosts, specs := []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing"), spec("web", "ssh", "thing")}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(40 * time.Second)
		w.is("web/http", "CRITICAL hard 3")
		before, _ := w.e.View("web/http")
		if err := w.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann", Comment: "on it"}); err != nil {
			t.Fatal(err)
		}
		d, err := w.e.AddDowntime(t.Context(), check.Downtime{By: "ann", Checks: []string{"web/ssh"}, Start: time.Now(), End: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		w.restart(true, hosts, specs)
		synctest.Wait()
		w.is("web/http", "CRITICAL hard 3 acknowledged")
		after, _ := w.e.View("web/http")
		if !after.Since.Equal(before.Since) || !after.HardSince.Equal(before.HardSince) || after.Output != before.Output || after.Ack.Comment != "on it" {
			t.Errorf("it was\n%+v and is\n%+v", before.State, after.State)
		}
		pass(100 * time.Millisecond)
		if got := w.e.Downtimes(); len(got) != 1 || got[0].ID != d.ID {
			t.Errorf("downtimes: %+v", got)
		}
		if v, _ := w.e.View("web/ssh"); len(v.Downtimes) != 1 {
			t.Errorf("no downtime is on for ssh")
		}
		if err := w.e.EndDowntime(t.Context(), d.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		w.restart(true, hosts, specs)
		pass(2 * time.Minute)
		if got := w.e.Downtimes(); len(got) != 0 {
			t.Errorf("downtimes: %+v", got)
		}
		if lines := w.events.lines("web/http"); strings.Count(lines, "state ") != 2 {
			t.Errorf("a change was told twice:\n%s", lines)
		}
	})
}

// A crash comes after a change was kept and before the history has it: the next process writes it, once.
func TestCrashBeforeTheHistoryIsWritten(t *testing.T) {
	hosts, specs := []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing")}
	f := func(away bool) {
		t.Helper()
		simulate(t, Options{}, hosts, specs, func(w *world) {
			h := w.thing("web/http")
			h.set(func() { h.status = model.Critical })
			pass(40 * time.Second)
			set := func(err error) {
				w.events.mu.Lock()
				defer w.events.mu.Unlock()
				w.events.away = err
			}
			if away {
				set(errAway)
			}
			if err := w.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann"}); err != nil {
				t.Fatal(err)
			}
			w.restart(true, hosts, specs) // at once
			set(nil)
			pass(2 * time.Minute)
			want := "state PENDING>CRITICAL soft 1\nstate CRITICAL>CRITICAL hard 3 TELL\nack CRITICAL>CRITICAL hard 3 by ann\n"
			if got := w.events.lines("web/http"); got != want {
				t.Errorf("store away %v: got\n%swant\n%s", away, got, want)
			}
			pass(11 * time.Minute)
			for _, doc := range w.docs.copied().docs {
				if strings.Contains(string(doc.Value), "untold") {
					t.Errorf("it is still kept as untold: %s", doc.Value)
				}
			}
		})
	}
	f(true)
	f(false)
}

// The state of a check survives that it is not declared for a while.
func TestStateOfUndeclaredCheckIsKept(t *testing.T) {
	hosts, specs := []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing")}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(time.Minute)
		since, _ := w.e.View("web/http")
		if err := w.e.Set("config", nil, nil); err != nil {
			t.Fatal(err)
		}
		if s := w.e.Summary(); s.Checks[model.Critical] != 0 {
			t.Errorf("it is still counted: %+v", s)
		}
		w.restart(false, nil, nil)
		pass(time.Second)
		if err := w.e.Set("config", hosts, specs); err != nil {
			t.Fatal(err)
		}
		w.is("web/http", "CRITICAL hard 3")
		if v, _ := w.e.View("web/http"); !v.Since.Equal(since.Since) {
			t.Errorf("it is so since %s, want %s", v.Since, since.Since)
		}
	})
}

// Results that change nothing do not make documents.
func TestUnchangedResultsAreNotWritten(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, many(1000, "thing"), func(w *world) {
		pass(2 * time.Minute)
		var before int
		w.docs.set(func() { before = w.docs.puts })
		pass(9 * time.Minute)
		w.docs.set(func() {
			// 1,000 checks lie in some 900 documents, each of which is written once in ten minutes.
			if n := w.docs.puts - before; n > 950 {
				t.Errorf("%d documents were written for 9,000 results that changed nothing", n)
			}
		})
	})
}

// The documents are away at the start: checks are asked after a while, and what was kept is joined with it later.
func TestDocumentsComeLate(t *testing.T) {
	hosts, specs := []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing"), spec("web", "ssh", "thing")}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(time.Minute)
		before, _ := w.e.View("web/http")
		if err := w.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann"}); err != nil {
			t.Fatal(err)
		}
		w.docs.set(func() { w.docs.away = errAway })
		w.restart(false, hosts, specs)
		pass(20 * time.Second)
		w.is("web/http", "PENDING hard 0")
		if err := w.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann"}); model.KindOf(err) != model.Unavailable {
			t.Errorf("got %v", err)
		}
		pass(12 * time.Second)
		w.is("web/http", "CRITICAL soft 1")
		w.docs.set(func() { w.docs.away = nil })
		pass(31 * time.Second)
		w.is("web/http", "CRITICAL hard 3 acknowledged")
		if v, _ := w.e.View("web/http"); !v.Since.Equal(before.Since) {
			t.Errorf("since %s, want %s", v.Since, before.Since)
		}
	})
}

// What could not be kept did not happen.
func TestDecisionThatCannotBeKept(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing")}, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(time.Minute)
		w.docs.set(func() { w.docs.away = errAway })
		err := w.e.Acknowledge(t.Context(), []string{"web/http"}, check.Ack{By: "ann"})
		if model.KindOf(err) != model.Unavailable {
			t.Errorf("got %v", err)
		}
		w.is("web/http", "CRITICAL hard 3")
		if _, err := w.e.AddDowntime(t.Context(), check.Downtime{Checks: []string{"*"}, Start: time.Now(), End: time.Now().Add(time.Hour)}); model.KindOf(err) != model.Unavailable {
			t.Errorf("got %v", err)
		}
		pass(time.Second)
		if got := w.events.lines("web/http"); contains(got, "ack") {
			t.Errorf("the history has it:\n%s", got)
		}
		h.set(func() { h.status = model.OK })
		pass(time.Minute)
		w.docs.set(func() { w.docs.away = nil })
		pass(time.Minute)
		docs := w.docs.copied() // what changed meanwhile was written when it could be
		if raw := keptState(t, docs, "web/http"); raw.Status != model.OK || raw.Ack != nil {
			t.Errorf("kept: %+v", raw)
		}
	})
}

func keptState(t *testing.T, docs *memory, id string) check.State {
	t.Helper()
	for _, doc := range docs.docs {
		states, err := decodeShard(doc.Value)
		if err != nil {
			t.Fatal(err)
		}
		if raw, ok := states[id]; ok {
			k, err := decodeKept(id, raw)
			if err != nil {
				t.Fatal(err)
			}
			return k.State
		}
	}
	t.Fatalf("nothing is kept of %s", id)
	return check.State{}
}

// Two processes keep different checks in the same documents: neither loses the other's.
func TestTwoEnginesOnOneMedium(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		docs := newMemory()
		var worlds []*world
		for n := range 2 {
			w := build(t, &world{docs: docs}, Options{Node: fmt.Sprint("node", n)})
			var specs []check.Spec
			for i := range 300 {
				specs = append(specs, spec(fmt.Sprint("host", n), fmt.Sprint("c", i), "thing"))
			}
			if err := w.e.Set("config", []check.Host{host(fmt.Sprint("host", n))}, specs); err != nil {
				t.Fatal(err)
			}
			worlds = append(worlds, w.run())
		}
		for step := range 6 {
			for _, w := range worlds {
				for _, h := range w.things {
					h.set(func() { h.status = model.Status(step % 2 * 2) })
				}
			}
			pass(time.Minute)
		}
		conflicts := 0.0
		for _, w := range worlds {
			conflicts += w.metric("state_conflicts_total")
			w.stop()
		}
		for n := range 2 {
			for i := range 300 {
				keptState(t, docs, fmt.Sprintf("host%d/c%d", n, i))
			}
		}
		if conflicts == 0 {
			t.Error("there were no conflicts: the test shows nothing")
		}
	})
}

func TestShardDocument(t *testing.T) {
	long := check.State{Status: model.Critical, HardStatus: model.Warning, Output: "bad <&> \u2028", Long: strings.Repeat("x", 100<<10), Since: time.Unix(1, 5).UTC()}
	var states []namedState
	for i := range 20 {
		states = append(states, namedState{fmt.Sprintf("h/c%d", i), kept{State: long}})
	}
	value, err := encodeShard("n\"1", states, map[string]json.RawMessage{"other/x": json.RawMessage(`{"state":{"status":"OK"}}`)})
	if err != nil || !json.Valid(value) || len(value) > maxStored {
		t.Fatalf("%d bytes, %v", len(value), err)
	}
	got, err := decodeShard(value)
	if err != nil || len(got) != 21 {
		t.Fatalf("%d states, %v", len(got), err)
	}
	k, err := decodeKept("h/c7", got["h/c7"])
	if st := k.State; err != nil || st.Output != long.Output || st.Long != "" || !st.Since.Equal(long.Since) || st.HardStatus != model.Warning {
		t.Errorf("got %+v, %v", k, err)
	}
	if _, err := decodeShard([]byte(`{"v":2,"checks":{}}`)); err == nil || !contains(err.Error(), "newer version") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeShard(f *testing.F) {
	good, _ := encodeShard("n", []namedState{{"a/b", kept{State: check.State{Status: model.Critical, Ack: &check.Ack{By: "x"}}, Untold: []check.Change{{Host: "a", Name: "b", At: time.Unix(1, 0)}}}}}, nil)
	f.Add(good)
	f.Add([]byte(`{"v":1,"checks":{"a/b":{"state":{"status":"PENDING","attempt":-3,"recent":"AAAA","perf":[{"label":"a","value":null}]}}}}`))
	f.Add([]byte(`{"v":1,"checks":{"a/b":null,"c":1}}`))
	f.Add([]byte(`{"id":"x","start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z","checks":["*"],"every":{"zone":"UTC","weekdays":[1]}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		states, err := decodeShard(value)
		if err == nil {
			for id, raw := range states {
				k, err := decodeKept(id, raw)
				if err != nil {
					continue
				}
				var n counts
				n.count(&check.View{State: k.State}, 1)
				tooOld(raw, time.Now())
			}
		}
		if d, err := decodeDowntime(value); err == nil {
			over(d, time.Unix(1_800_000_000, 0))
		}
	})
}
