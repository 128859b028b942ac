package rule

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/util/teststorage"
)

const recordDouble = `
groups:
  - name: doubles
    rules:
      - record: load:double
        expr: 2 * load
        labels: {kind: derived}
`

func TestRecordingRuleWritesSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(recordDouble)
		r.hold(2*time.Minute, 21, "__name__", "load", "host", "a")

		r.wantValue(`load:double{host="a", kind="derived"}`, 42)
		rule := r.rule("load:double")
		if rule.Health != "ok" || rule.LastError != "" || rule.LastEvaluation.IsZero() || rule.Alerting {
			t.Errorf("rule = %+v", rule)
		}
		g := r.Groups()[0]
		if g.Name != "doubles" || g.Interval != time.Minute || g.LastEvaluation.IsZero() {
			t.Errorf("group = %+v", g)
		}
	})
}

const alertHot = `
groups:
  - name: heat
    rules:
      - alert: Hot
        expr: temp > 50
        for: 5m
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.room }} at {{ $value }} in {{ $externalLabels.site }}, see {{ $externalURL }}"
`

var hotSeries = []string{"__name__", "temp", "room", "cellar"}

func TestAlertBecomesPendingFiringResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(alertHot)
		if state := r.rule("Hot").State; state != "unknown" {
			t.Errorf("state before the first evaluation = %q", state)
		}
		r.hold(3*time.Minute, 20, hotSeries...)
		if state := r.rule("Hot").State; state != "inactive" {
			t.Errorf("state while it is cool = %q", state)
		}

		r.hold(4*time.Minute, 60, hotSeries...)
		pending := r.rule("Hot")
		if pending.State != "pending" || len(pending.Alerts) != 1 || len(r.states()) != 0 {
			t.Fatalf("after 4 m of heat: %+v", pending)
		}
		r.wantValue(`ALERTS{alertname="Hot", alertstate="pending", room="cellar", severity="page"}`, 1)

		r.hold(4*time.Minute, 61, hotSeries...)
		firing := r.rule("Hot")
		if firing.State != "firing" || len(firing.Alerts) != 1 {
			t.Fatalf("after 8 m of heat: %+v", firing)
		}
		a := firing.Alerts[0]
		if !a.ActiveAt.Equal(pending.Alerts[0].ActiveAt) || a.Value != 61 || a.FiredAt.Sub(a.ActiveAt) != 5*time.Minute {
			t.Errorf("alert = %+v", a)
		}
		want := "cellar at 61 in paris, see https://owl.example/w"
		if got := a.Annotations.Get("summary"); got != want {
			t.Errorf("summary = %q, want %q", got, want)
		}
		r.wantValue(`ALERTS_FOR_STATE{alertname="Hot"}`, float64(a.ActiveAt.Unix()))
		if told := r.states(); told["firing"] == 0 || told["inactive"] != 0 {
			t.Errorf("notified %v", told)
		}

		r.hold(2*time.Minute, 20, hotSeries...)
		if cool := r.rule("Hot"); cool.State != "inactive" || len(cool.Alerts) != 0 {
			t.Errorf("after it cooled: %+v", cool)
		}
		if told := r.states(); told["inactive"] == 0 {
			t.Errorf("the end was not notified: %v", told)
		}
		if _, there := r.value("ALERTS"); there {
			t.Error("ALERTS is still there after the end")
		}
	})
}

func TestForStateIsRestoredAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := teststorage.New(t)
		before := newRigOn(t, Options{}, store)
		before.load(alertHot)
		before.hold(8*time.Minute, 60, hotSeries...)
		// ALERTS_FOR_STATE holds whole seconds.
		since := before.rule("Hot").Alerts[0].ActiveAt.Truncate(time.Second)
		before.stop()

		time.Sleep(2 * time.Minute)
		after := newRigOn(t, Options{}, store)
		// Same files as before: the file's name is part of a group's identity, not of an alert's.
		after.load(alertHot)
		after.hold(4*time.Minute, 60, hotSeries...)
		got := after.rule("Hot")
		if got.State != "firing" || !got.Alerts[0].ActiveAt.Equal(since) {
			t.Errorf("after the restart %s since %v, want firing since %v", got.State, got.Alerts, since)
		}
	})
}

func TestStateIsForgottenAfterLongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := teststorage.New(t)
		before := newRigOn(t, Options{}, store)
		before.load(alertHot)
		before.hold(8*time.Minute, 60, hotSeries...)
		before.stop()

		time.Sleep(2 * time.Hour)
		after := newRigOn(t, Options{}, store)
		after.load(alertHot)
		after.hold(4*time.Minute, 60, hotSeries...)
		if got := after.rule("Hot"); got.State != "pending" {
			t.Errorf("after two hours the alert is %s, want pending anew", got.State)
		}
	})
}

func TestReloadKeepsStateOfAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(alertHot)
		r.hold(8*time.Minute, 60, hotSeries...)
		since := r.rule("Hot").Alerts[0].ActiveAt

		r.load(strings.Replace(alertHot, "see {{ $externalURL }}", "reworded", 1))
		got := r.rule("Hot")
		if len(got.Alerts) != 1 || !got.Alerts[0].ActiveAt.Equal(since) {
			t.Fatalf("right after the reload: %+v", got)
		}
		r.hold(2*time.Minute, 60, hotSeries...)
		got = r.rule("Hot")
		if got.State != "firing" || !strings.HasSuffix(got.Alerts[0].Annotations.Get("summary"), "reworded") {
			t.Errorf("after the next evaluation: %+v", got)
		}
	})
}

func TestRefusedReloadChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(recordDouble)
		err := r.tryLoad("groups:\n  - name: x\n    rules:\n      - record: y\n        expr: sum(\n")
		if err == nil || !strings.Contains(err.Error(), "rules.yml") {
			t.Fatalf("error = %v", err)
		}
		r.hold(2*time.Minute, 21, "__name__", "load", "host", "a")
		r.wantValue(`load:double`, 42)
		if n := testutil.ToFloat64(r.metrics.applyFailed); n != 1 {
			t.Errorf("hulotte_rule_reload_failures_total = %v", n)
		}
	})
}

func TestRemovedRuleEndsItsSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(recordDouble)
		r.hold(2*time.Minute, 21, "__name__", "load", "host", "a")
		r.load("groups: []\n")
		r.hold(3*time.Minute, 21, "__name__", "load", "host", "a")
		if v, there := r.value("load:double"); there {
			t.Errorf("load:double is still %v three minutes after its rule went", v)
		}
	})
}

func TestKeepFiringFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(strings.Replace(alertHot, "for: 5m", "keep_firing_for: 10m", 1))
		r.hold(2*time.Minute, 60, hotSeries...)
		r.hold(5*time.Minute, 20, hotSeries...)
		got := r.rule("Hot")
		if got.State != "firing" || got.Alerts[0].KeepFiringSince.IsZero() || got.KeepFiringFor != 10*time.Minute {
			t.Errorf("5 m after the end: %+v", got)
		}
		r.hold(7*time.Minute, 20, hotSeries...)
		if got := r.rule("Hot"); got.State != "inactive" {
			t.Errorf("12 m after the end: %+v", got)
		}
	})
}

func TestLimitRefusesTooManyAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(strings.Replace(alertHot, "- name: heat", "- name: heat\n    limit: 1", 1))
		for range 4 {
			r.sample(60, "__name__", "temp", "room", "attic")
			r.hold(30*time.Second, 60, hotSeries...)
		}
		got := r.rule("Hot")
		if got.Health != "err" || !strings.Contains(got.LastError, "limit of 1") || len(got.Alerts) != 0 {
			t.Errorf("rule = %+v", got)
		}
	})
}

func TestFailingRuleSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load("groups:\n  - name: g\n    rules:\n      - {record: r, expr: temp * on(room) group_left temp2}\n")
		for range 4 {
			r.sample(1, "__name__", "temp2", "room", "cellar", "x", "1")
			r.sample(1, "__name__", "temp2", "room", "cellar", "x", "2")
			r.hold(30*time.Second, 60, hotSeries...)
		}
		if got := r.rule("r"); got.Health != "err" || !strings.Contains(got.LastError, "many-to-many") {
			t.Errorf("rule = %+v", got)
		}
	})
}

func TestQueryOffsetLooksBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(strings.Replace(recordDouble, "- name: doubles", "- name: doubles\n    query_offset: 3m", 1))
		r.hold(6*time.Minute, 1, "__name__", "load", "host", "a")
		r.hold(2*time.Minute, 100, "__name__", "load", "host", "a")
		r.wantValue("load:double", 2) // the last value is that of three minutes ago
		if g := r.Groups()[0]; g.QueryOffset != 3*time.Minute {
			t.Errorf("query offset = %v", g.QueryOffset)
		}
	})
}

func TestIndependentRulesRunConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{MaxConcurrent: 4})
		r.load(`
groups:
  - name: many
    rules:
      - {record: a, expr: 1 * load}
      - {record: b, expr: 2 * load}
      - {record: c, expr: a + b}
`)
		r.hold(3*time.Minute, 10, "__name__", "load")
		r.wantValue("c", 30)
	})
}

func TestUpstreamMetricsKeepTheirNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(recordDouble)
		r.hold(2*time.Minute, 1, "__name__", "load")
		for _, name := range []string{
			"prometheus_rule_evaluations_total", "prometheus_rule_evaluation_failures_total",
			"prometheus_rule_group_iterations_total", "prometheus_rule_group_iterations_missed_total",
			"prometheus_rule_group_last_duration_seconds", "prometheus_rule_group_rules",
			"hulotte_rule_files",
		} {
			if n, err := testutil.GatherAndCount(r.reg, name); err != nil || n == 0 {
				t.Errorf("%s: %d series, error %v", name, n, err)
			}
		}
	})
}
