package engine

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// answer is a prober that always says the same.
type answer model.CheckResult

func (a answer) Probe(context.Context) model.CheckResult { return model.CheckResult(a) }

// saying is a kind whose checks are OK.
func saying(name string) check.Kind {
	return check.Kind{Name: name, New: func(p check.Params) (check.Prober, error) {
		var o struct{ Bad bool }
		if err := check.Decode(p.Options, &o); err != nil {
			return nil, err
		}
		return answer{Output: "fine"}, nil
	}}
}

func newEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.Kinds == nil {
		o.Kinds = []check.Kind{saying("ok"), {Name: "passive", Passive: true}}
	}
	e, err := New(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSetRefuses(t *testing.T) {
	web := []check.Host{{Name: "web"}}
	f := func(hosts []check.Host, spec check.Spec, want string) {
		t.Helper()
		e := newEngine(t, Options{})
		err := e.Set("config", hosts, []check.Spec{spec, {Host: "web", Name: "good", Kind: "ok"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if _, ok := e.View("web/good"); !ok {
			t.Errorf("%s: the good check was not taken", want)
		}
	}
	f(web, check.Spec{Host: "web", Name: "a/b", Kind: "ok"}, `check "web/a/b": name holds a slash`)
	f(web, check.Spec{Host: "web", Name: "", Kind: "ok"}, "name is empty")
	f(web, check.Spec{Host: "web", Name: "x", Kind: "nix"}, `kind "nix" is not known: use one of ok, passive`)
	f(web, check.Spec{Host: "elsewhere", Name: "x", Kind: "ok"}, `there is no host "elsewhere"`)
	f(web, check.Spec{Host: "web", Name: "good", Kind: "ok"}, `check "web/good": it is declared twice`)
	f(web, check.Spec{Host: "web", Name: "x", Kind: "ok", Interval: check.Duration(time.Millisecond)}, "interval is 1ms: it must be at least 1s")
	f(web, check.Spec{Host: "web", Name: "x", Kind: "ok", Options: json.RawMessage(`{"ba":1}`)}, `check "web/x": there is no option "ba"`)
	f(append(web, check.Host{Name: "web"}), check.Spec{Host: "web", Name: "x", Kind: "ok"}, `host "web": it is declared twice`)
	f(append(web, check.Host{Name: ""}), check.Spec{Host: "web", Name: "x", Kind: "ok"}, `host "": name is empty`)
}

func TestSetSources(t *testing.T) {
	e := newEngine(t, Options{})
	hosts := []check.Host{{Name: "web", Labels: map[string]string{"env": "prod", "team": "a"}}}
	spec := check.Spec{Host: "web", Name: "x", Kind: "ok", Labels: map[string]string{"team": "b"}}
	if err := e.Set("discovery", hosts, []check.Spec{spec, {Host: "web", Name: "y", Kind: "ok"}}); err != nil {
		t.Fatal(err)
	}
	spec.Interval = check.Duration(5 * time.Minute)
	if err := e.Set("config", nil, []check.Spec{spec}); err != nil {
		t.Fatal(err)
	}
	v, _ := e.View("web/x")
	if v.Spec.Source != "config" || v.Labels["team"] != "b" || v.Labels["env"] != "prod" || v.Labels["check"] != "x" {
		t.Errorf("got %+v", v)
	}
	if got := len(e.Views(nil)); got != 2 {
		t.Errorf("%d checks, want 2", got)
	}
	if err := e.Set("config", nil, nil); err != nil {
		t.Fatal(err)
	}
	if v, _ = e.View("web/x"); v.Spec.Source != "discovery" || v.Spec.Interval != check.Duration(time.Minute) {
		t.Errorf("got %+v: what was discovered holds again when the configuration no longer says anything", v.Spec)
	}
}

func TestRunOnce(t *testing.T) {
	f := func(p check.Prober, want model.Status, output string) {
		t.Helper()
		e := newEngine(t, Options{Kinds: []check.Kind{{Name: "k", New: func(check.Params) (check.Prober, error) { return p, nil }}}})
		r, err := e.RunOnce(t.Context(), check.Host{Name: "web"}, check.Spec{Kind: "k", Timeout: check.Duration(10 * time.Millisecond)})
		if err != nil || r.Status != want || !strings.Contains(r.Output, output) {
			t.Errorf("got %v %q, %v, want %v %q", r.Status, r.Output, err, want, output)
		}
	}
	f(answer{Output: "fine"}, model.OK, "fine")
	f(answer{Status: 9}, model.Unknown, "a status that does not exist")
	f(proberFunc(func(context.Context) model.CheckResult { panic("oh") }), model.Unknown, "the check itself failed: oh")
}

type proberFunc func(context.Context) model.CheckResult

func (f proberFunc) Probe(ctx context.Context) model.CheckResult { return f(ctx) }

// A check is declared anew while it is being asked: the answer was to another question, and it is asked again.
func TestSetWhileAsked(t *testing.T) {
	s := spec("web", "http", "thing")
	simulate(t, Options{}, []check.Host{host("web")}, []check.Spec{s}, func(w *world) {
		h := w.thing("web/http")
		h.set(func() { h.status, h.slow = model.Critical, 5*time.Second })
		pass(3 * time.Second)
		h.set(func() { h.status, h.slow = model.OK, 0 })
		s.Interval = check.Duration(5 * time.Minute)
		if err := w.e.Set("config", []check.Host{host("web")}, []check.Spec{s}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		w.is("web/http", "OK hard 1")
		if lines := w.events.lines("web/http"); lines != "state PENDING>OK hard 1\n" {
			t.Errorf("got\n%s", lines)
		}
	})
}

// A prober may be of a type that cannot be compared.
func TestProberThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, Options{})
		if err := e.Set("config", []check.Host{host("web")}, []check.Spec{spec("web", "http", "ok")}); err != nil {
			t.Fatal(err)
		}
		w := (&world{t: t, e: e}).run()
		pass(2 * time.Second)
		w.is("web/http", "OK hard 1")
		w.stop()
	})
}
