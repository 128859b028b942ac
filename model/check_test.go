package model

import (
	"encoding/json"
	"math"
	"testing"
)

func TestPerfJSON(t *testing.T) {
	f := func(p Perf, want string) {
		t.Helper()
		b, err := json.Marshal(p)
		if err != nil || string(b) != want {
			t.Errorf("%s, %v; want %s", b, err, want)
		}
		var back Perf
		if err := json.Unmarshal(b, &back); err != nil || back.Label != p.Label || back.Unit != p.Unit || back.Value != p.Value && !(math.IsNaN(back.Value) && math.IsNaN(p.Value)) {
			t.Errorf("%s comes back as %+v, %v", b, back, err)
		}
	}
	f(Perf{Label: "a", Value: 1.5, Unit: "s"}, `{"label":"a","unit":"s","value":1.5}`)
	f(Perf{Label: "a", Value: math.NaN(), Warn: "5"}, `{"label":"a","warn":"5","value":null}`)
}
