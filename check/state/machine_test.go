package state

import (
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestThreeAttemptsMakeAProblemHard(t *testing.T) {
	m := New(Settings{MaxAttempts: 3})
	f := func(minute int, status model.Status, wantHard bool, wantAttempt int, wantTell bool) {
		t.Helper()
		changes := m.Result(noon.Add(time.Duration(minute)*time.Minute), model.CheckResult{Status: status}, Around{NotifyPeriod: true})
		told := false
		for _, c := range changes {
			told = told || c.Tell
		}
		if st := m.State(); st.Status != status || st.Hard != wantHard || st.Attempt != wantAttempt || told != wantTell {
			t.Errorf("minute %d: %s hard=%v attempt=%d told=%v", minute, st.Status, st.Hard, st.Attempt, told)
		}
	}
	f(0, model.OK, true, 1, false)
	f(1, model.Critical, false, 1, false)
	f(2, model.Warning, false, 2, false)
	f(3, model.Critical, true, 3, true)
	f(4, model.Critical, true, 3, false)
	f(5, model.Warning, true, 3, true)
	f(6, model.OK, true, 1, true)
	f(7, model.Unknown, false, 1, false)
	f(8, model.OK, true, 1, false)
}

func TestGraphRings(t *testing.T) {
	g, err := NewGraph([]check.Host{{Name: "a", Parents: []string{"b"}}, {Name: "b", Parents: []string{"a"}}}, nil)
	if err == nil || err.Error() != "parents of hosts form a ring: a -> b -> a" || model.KindOf(err) != model.Invalid {
		t.Errorf("error %v", err)
	}
	if g == nil {
		t.Error("no graph")
	}
}
