package state

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// TestRandom lets anything happen to machines in any order and checks what must hold after each step.
func TestRandom(t *testing.T) {
	for seed := range uint64(150) {
		r := &random{t: t, seed: seed, Rand: rand.New(rand.NewPCG(seed, 1)), now: noon, flat: -1}
		r.set = Settings{Host: r.IntN(4) == 0, MaxAttempts: 1 + r.IntN(5), Volatile: r.IntN(4) == 0, Flap: r.IntN(3) > 0}
		r.m = New(r.set)
		for range 300 {
			r.step()
			if t.Failed() {
				return
			}
		}
	}
}

type random struct {
	*rand.Rand
	t       *testing.T
	seed    uint64
	n       int
	set     Settings
	m       *Machine
	a       Around
	now     time.Time
	flat    int // results of the same status in a row
	last    model.Status
	heard   model.Status // what people heard last
	unheard bool         // it must be told again whatever it is
}

func (r *random) fail(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("seed %d, step %d: %s\n%+v", r.seed, r.n, fmt.Sprintf(format, args...), r.m.State())
}

func (r *random) step() {
	r.n++
	r.now = r.now.Add(time.Duration(r.IntN(120)) * time.Second)
	if r.IntN(5) == 0 {
		r.a = Around{HostDown: !r.set.Host && r.IntN(4) == 0, Unreachable: r.IntN(5) == 0, Dependency: r.IntN(6) == 0,
			Downtime: r.IntN(4) == 0, NotifyPeriod: r.IntN(5) > 0}
	}
	before := r.m.State()
	var changes []check.Change
	switch r.IntN(10) {
	case 0:
		changes, _ = r.m.Acknowledge(r.now, check.Ack{By: "ann", Sticky: r.IntN(2) == 0, Until: r.now.Add(time.Duration(r.IntN(600)) * time.Second)})
	case 1:
		changes, _ = r.m.Unacknowledge(r.now, "ann", "")
	case 2:
		r.restart()
	case 3:
		changes = r.m.Tick(r.now, r.a, time.Duration(r.IntN(10))*time.Minute)
		r.flat = -1
	default:
		status := model.Status(r.IntN(4))
		if r.IntN(2) == 0 {
			status = r.last
		}
		changes = r.m.Result(r.now, model.CheckResult{Status: status}, r.a)
		r.result(before, status)
	}
	r.holds(before, changes)
}

// restart compares the machine that goes on from its stored state with the one that never stopped.
func (r *random) restart() {
	b, err := json.Marshal(r.m.State())
	if err != nil {
		r.fail("%v", err)
	}
	var st check.State
	if err := json.Unmarshal(b, &st); err != nil {
		r.fail("%v", err)
	}
	again := Restore(r.set, st)
	twin := *r.m
	for i := range 3 {
		at := r.now.Add(time.Duration(i) * time.Minute)
		res := model.CheckResult{Status: model.Status(r.IntN(4))}
		if a, b := twin.Result(at, res, r.a), again.Result(at, res, r.a); !reflect.DeepEqual(a, b) {
			r.fail("after a restart:\n%+v\nelse:\n%+v", b, a)
		}
	}
	r.m = Restore(r.set, st)
}

func (r *random) result(before check.State, status model.Status) {
	if r.flat >= 0 && status == r.last {
		r.flat++
	} else {
		r.flat = 0
	}
	r.last = status
	st := r.m.State()
	if st.Status != status || st.Stale || !st.LastCheck.Equal(r.now) {
		r.fail("the result %s was not taken", status)
	}
	if r.flat >= r.m.Settings().MaxAttempts && !st.Hard {
		r.fail("soft after %d results of the same status", r.flat)
	}
	if r.flat >= history && st.FlapPercent != 0 {
		r.fail("changes %f %% after %d results of the same status", st.FlapPercent, r.flat)
	}
	if bad(before.Status) && before.Ack != nil && status == model.OK && st.Ack != nil {
		r.fail("acknowledged although it is OK")
	}
}

// holds checks what is said in the package's comment, and that changes tell all that changed.
func (r *random) holds(before check.State, changes []check.Change) {
	st, last := r.m.State(), r.m.Settings().MaxAttempts
	has := func(typ check.ChangeType) bool {
		return slices.ContainsFunc(changes, func(c check.Change) bool { return c.Type == typ })
	}
	switch {
	case st.Hard && bad(st.Status) && st.HardStatus != st.Status:
		r.fail("hard, but not the last hard status")
	case !st.Hard && !bad(st.Status):
		r.fail("soft and OK")
	case st.Status != model.Pending && (st.Attempt < 1 || st.Attempt > last):
		r.fail("attempt %d of %d", st.Attempt, last)
	case !st.Hard && st.Attempt == last:
		r.fail("soft at the last attempt")
	case st.Ack != nil && !bad(st.Status):
		r.fail("an acknowledgement of nothing")
	case st.Unreachable && !bad(st.Status):
		r.fail("unreachable and OK")
	case r.m.Retry() != (bad(st.Status) && !st.Hard):
		r.fail("Retry %v", r.m.Retry())
	case len(st.Recent) > history || st.FlapPercent < 0 || st.FlapPercent > 100.001:
		r.fail("%d remembered, %f %%", len(st.Recent), st.FlapPercent)
	case st.Flapping && !r.set.Flap:
		r.fail("flapping, without detection")
	case (st.Status != before.Status || st.Hard && !before.Hard && bad(st.Status)) && !has(check.StateChange):
		r.fail("a change of state that was not told: %+v", changes)
	case st.Flapping != before.Flapping && !has(check.FlapStart) && !has(check.FlapStop),
		(st.Ack == nil) != (before.Ack == nil) && !has(check.AckSet) && !has(check.AckRemoved),
		st.InDowntime != before.InDowntime && !has(check.DowntimeStart) && !has(check.DowntimeEnd):
		r.fail("a change that is missing in %+v", changes)
	}
	r.hears(changes)
}

// hears follows what people hear.
func (r *random) hears(changes []check.Change) {
	st := r.m.State()
	for _, c := range changes {
		switch {
		case c.Type == check.AckRemoved && c.Comment == "expired":
			r.unheard = true
		case !c.Tell:
			continue
		case c.At != r.now || c.To != st.Status:
			r.fail("people hear of %s at %s", c.To, c.At)
		case r.a.Downtime || !r.a.NotifyPeriod:
			r.fail("people hear although they should not: %+v", c)
		case bad(c.To) && (st.Ack != nil || st.Unreachable):
			r.fail("people hear of what is handled: %+v", c)
		case c.Type == check.FlapStart || c.Type == check.FlapStop:
		case st.Flapping || !st.Hard:
			r.fail("people hear of what may not last: %+v", c)
		case c.To == r.heard && !r.unheard && !r.set.Volatile:
			r.fail("people hear of %s twice", c.To)
		default:
			r.heard, r.unheard = c.To, false
		}
	}
}

// TestAnythingUnhandledIsTold gives random states a quiet end: a hard problem with nothing around it was told.
func TestAnythingUnhandledIsTold(t *testing.T) {
	for seed := range uint64(400) {
		r := &random{t: t, seed: seed, Rand: rand.New(rand.NewPCG(seed, 2)), now: noon, flat: -1}
		r.set = Settings{MaxAttempts: 1 + r.IntN(5), Flap: true}
		r.m = New(r.set)
		for range 60 {
			r.step()
		}
		r.a = Around{NotifyPeriod: true}
		want := model.Status(r.IntN(4))
		if r.m.State().Ack != nil {
			_, _ = r.m.Unacknowledge(r.now, "ann", "")
		}
		for range 60 {
			r.now = r.now.Add(time.Minute)
			r.hears(r.m.Result(r.now, model.CheckResult{Status: want}, r.a))
		}
		if r.heard != want && (want != model.OK || r.unheard) {
			r.fail("it is %s, people heard of %s", want, r.heard)
		}
	}
}
