package check

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

func TestRange(t *testing.T) {
	f := func(text, want string, bad, good []float64) {
		t.Helper()
		r, err := ParseRange(text)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != want {
			t.Errorf("%q is written %q, want %q", text, r, want)
		}
		for _, v := range bad {
			if !r.Bad(v) {
				t.Errorf("%q: %v is not bad", text, v)
			}
		}
		for _, v := range good {
			if r.Bad(v) {
				t.Errorf("%q: %v is bad", text, v)
			}
		}
	}
	// The guidelines' own examples.
	f("10", "10", []float64{-1, 10.1}, []float64{0, 10})
	f("10:", "10:", []float64{9.9, math.Inf(-1)}, []float64{10, 1e9})
	f("~:10", "~:10", []float64{11}, []float64{-1e9, 10})
	f("10:20", "10:20", []float64{9, 21}, []float64{10, 20})
	f("@10:20", "@10:20", []float64{10, 15, 20}, []float64{9, 21})
	// And what else is met.
	f("", "", nil, []float64{-1, 0, 1})
	f(":10", "10", []float64{-1, 11}, []float64{0, 10})
	f("~:", "~:", nil, []float64{-1, 1})
	f("0:", "0:", []float64{-0.1}, []float64{0})
	f("-10:-5", "-10:-5", []float64{0, -11}, []float64{-7})
	f("500ms", "0.5", []float64{0.6}, []float64{0.5})
	f("1m:2m", "60:120", []float64{59}, []float64{90})
	f("80%", "80", []float64{81}, []float64{80})
	f("@0", "@0", []float64{0}, []float64{1, -1})
	f("5", "5", nil, []float64{math.NaN()})
}

func TestRangeRefuses(t *testing.T) {
	f := func(text string) {
		t.Helper()
		if r, err := ParseRange(text); err == nil {
			t.Errorf("%q was taken for %q", text, r)
		}
	}
	f("@")
	f("x")
	f("1:x")
	f("20:10")
	f("~")
	f("NaN")
	f("1:2:3")
}

func TestRangeInOptions(t *testing.T) {
	var o struct{ Warn, Crit Range }
	if err := json.Unmarshal([]byte(`{"warn":1.5,"crit":"@3:4"}`), &o); err != nil {
		t.Fatal(err)
	}
	if o.Warn.String() != "1.5" || o.Crit.String() != "@3:4" {
		t.Errorf("read %q and %q", o.Warn, o.Crit)
	}
	if err := json.Unmarshal([]byte(`{"warn":true}`), &struct{ Warn Range }{}); err == nil {
		t.Error("true was taken for a range")
	}
	if got := Rate(2, o.Warn, o.Crit); got != model.Warning {
		t.Errorf("2 is %v", got)
	}
	if got := Rate(3, o.Warn, o.Crit); got != model.Critical {
		t.Errorf("3 is %v", got)
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"10", "@~:5", "1m:", "-1:1e3", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		if err != nil {
			return
		}
		again, err := ParseRange(r.String())
		if err != nil || again != r {
			t.Fatalf("%q became %q became %q: %v", text, r, again, err)
		}
	})
}
