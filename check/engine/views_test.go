package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func TestViewsAreInOrder(t *testing.T) {
	var specs []check.Spec
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		s := spec("web", name, "passive")
		s.MaxAttempts = 1
		specs = append(specs, s)
	}
	simulate(t, Options{}, []check.Host{host("web"), host("db")}, specs, func(w *world) {
		for _, r := range []struct {
			name   string
			status model.Status
		}{{"c", model.Warning}, {"d", model.Critical}, {"b", model.Critical}, {"e", model.OK}, {"f", model.Critical}} {
			if err := w.e.Submit(t.Context(), "web", r.name, result(r.status, "")); err != nil {
				t.Fatal(err)
			}
			pass(time.Minute)
		}
		if err := w.e.Acknowledge(t.Context(), []string{"web/f"}, check.Ack{By: "ann"}); err != nil {
			t.Fatal(err)
		}
		f := func(filter func(*check.View) bool, want ...string) {
			t.Helper()
			var got []string
			for _, v := range w.e.Views(filter) {
				got = append(got, v.Spec.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		f(nil, "b", "d", "c", "f", "a", "e")
		f(func(v *check.View) bool { return v.Problem() && v.Handled == "" }, "b", "d", "c")
		f(func(v *check.View) bool { return false })
		s := w.e.Summary()
		want := fmt.Sprint(map[model.Status]int{model.OK: 1, model.Warning: 1, model.Critical: 3, model.Unknown: 0, model.Pending: 1})
		if fmt.Sprint(s.Checks) != want || s.Handled[model.Critical] != 1 || s.Unhandled[model.Critical] != 2 || s.Unhandled[model.Warning] != 1 || s.Hosts.Pending != 2 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestExplain(t *testing.T) {
	hosts := []check.Host{host("switch"), host("web", "switch")}
	shop := spec("web", "shop", "thing")
	shop.DependsOn = []check.Dependency{{Name: "db"}}
	specs := []check.Spec{spec("switch", "host", "thing"), spec("web", "host", "thing"), spec("web", "db", "thing"), shop}
	simulate(t, Options{}, hosts, specs, func(w *world) {
		f := func(id string, want ...string) Explanation {
			t.Helper()
			x, err := w.e.Explain(id)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range want {
				if !slices.ContainsFunc(x.Why, func(s string) bool { return contains(s, part) }) {
					t.Errorf("%s: %q is not among %q", id, part, x.Why)
				}
			}
			return x
		}
		f("web/shop", "It has not been asked yet.")
		pass(2 * time.Minute)
		x := f("web/shop", "It has been OK for", "It is asked next in", "(schedule)")
		if len(x.Parents) != 1 || x.Parents[0].ID != "web/host" || len(x.Dependencies) != 1 || x.Dependencies[0].ID != "web/db" || len(x.Results) < 2 || x.NextCheck.IsZero() {
			t.Errorf("got %+v", x)
		}
		for _, id := range []string{"web/shop", "web/db"} {
			h := w.thing(id)
			h.set(func() { h.status = model.Critical })
		}
		pass(70 * time.Second)
		f("web/shop", "What it depends on failed")
		if err := w.e.Acknowledge(t.Context(), []string{"web/db"}, check.Ack{By: "ann", Comment: "disk full"}); err != nil {
			t.Fatal(err)
		}
		f("web/db", "The state is", "ann acknowledged it: disk full")
		if got := w.e.Dependents("switch/host"); !slices.Equal(got, []string{"web/db", "web/host", "web/shop"}) {
			t.Errorf("dependents %v", got)
		}
		if _, err := w.e.Explain("nix/da"); model.KindOf(err) != model.NotFound {
			t.Errorf("got %v", err)
		}
	})
}

// Views are read while checks are asked and declared anew.
func TestReadersAndWriters(t *testing.T) {
	w := build(t, nil, Options{})
	specs := many(300, "thing")
	for i := range specs {
		specs[i].Interval = check.Duration(time.Second)
	}
	if err := w.e.Set("config", []check.Host{host("web")}, specs); err != nil {
		t.Fatal(err)
	}
	w.run()
	defer w.stop()
	for i := range 60 {
		w.e.Views(nil)
		w.e.Summary()
		if err := w.e.Set("config", []check.Host{host("web")}, specs[:len(specs)-i%7]); err != nil {
			t.Fatal(err)
		}
		if err := w.e.Submit(t.Context(), "web", "c0001", result(model.Status(i%3), "x")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.e.Explain("web/c0002"); err != nil {
			t.Fatal(err)
		}
		_ = w.e.Recheck([]string{"web/c0003"}, "me")
	}
	waitFor(t, func() bool { return w.metric("results_total") > 500 })
	n := 0
	for _, v := range w.e.Views(nil) {
		if v.Status == model.OK {
			n++
		}
	}
	if s := w.e.Summary(); s.Checks[model.OK] < n-50 || s.Checks[model.OK] > len(specs) {
		t.Errorf("%d are OK, the summary says %d", n, s.Checks[model.OK])
	}
}
