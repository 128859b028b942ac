package engine

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/value"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func TestRecordsComeBack(t *testing.T) {
	f := func(ch check.Change, line string) {
		t.Helper()
		ch.At, ch.Host, ch.Name = time.Unix(1_800_000_000, 123).UTC(), "web", "http"
		r := encodeChange(&ch, "node1")
		if r.Line != line {
			t.Errorf("the line is %q, want %q", r.Line, line)
		}
		if !slices.IsSortedFunc(r.Fields, func(a, b model.Field) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("fields are not sorted: %v", r.Fields)
		}
		got, err := DecodeChange(recordLabels("web", "http"), r)
		if err != nil || got != ch {
			t.Errorf("got %+v, %v, want %+v", got, err, ch)
		}
	}
	f(check.Change{Type: check.StateChange, From: model.OK, To: model.Critical, Hard: true, Attempt: 3, Output: "refused", Long: "a\nb", Tell: true}, "refused")
	f(check.Change{Type: check.AckSet, From: model.Warning, To: model.Warning, By: "ann", Comment: "on it"}, "on it")
	f(check.Change{Type: check.FlapStop, From: model.Unknown, To: model.Pending}, "flapping_stop")
}

func TestDecodeChangeRefuses(t *testing.T) {
	f := func(labels []model.Field, fields []model.Field, want string) {
		t.Helper()
		_, err := DecodeChange(labels, model.Record{Fields: fields})
		if err == nil || !contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(recordLabels("web", "http"), nil, "no type, host or check")
	f(nil, []model.Field{{Name: "type", Value: "state"}}, "no type, host or check")
	f(recordLabels("web", "http"), []model.Field{{Name: "to", Value: "GOOD"}}, `the field to of a change: "GOOD" is no status`)
	f(recordLabels("web", "http"), []model.Field{{Name: "attempt", Value: "x"}}, "the field attempt")
}

// The log store is away for a while: nothing is lost, and nothing comes twice.
func TestHistoryWaitsForTheStore(t *testing.T) {
	var heard []check.Change
	published := 0
	o := Options{
		Notify:  func(ch check.Change) { heard = append(heard, ch) },
		Publish: func(topic string, _ time.Time) { published++ },
	}
	simulate(t, o, []check.Host{host("web")}, []check.Spec{spec("web", "http", "thing")}, func(w *world) {
		w.events.mu.Lock()
		w.events.away = model.NewError(model.Unavailable, "away")
		w.events.mu.Unlock()
		h := w.thing("web/http")
		h.set(func() { h.status = model.Critical })
		pass(5 * time.Minute)
		h.set(func() { h.status = model.OK })
		pass(5 * time.Minute)
		if got := w.events.lines("web/http"); got != "" {
			t.Errorf("got\n%s", got)
		}
		if len(heard) != 3 || published == 0 || published > 3 {
			t.Errorf("%d changes were told and pages %d times, want 3 and at most 3: they do not wait for the store", len(heard), published)
		}
		w.events.mu.Lock()
		w.events.away = nil
		w.events.mu.Unlock()
		pass(20 * time.Second)
		want := "state PENDING>CRITICAL soft 1\nstate CRITICAL>CRITICAL hard 3 TELL\nstate CRITICAL>OK hard 3 TELL\n"
		if got := w.events.lines("web/http"); strings.ReplaceAll(got, "OK hard 1", "OK hard 3") != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	w := build(t, nil, Options{})
	for i := range historyWaiting + 10 {
		w.e.history.add(check.Change{Host: "web", Name: "http", Type: check.CommentAdded, At: time.Unix(int64(i), 0)})
	}
	if n := len(w.e.history.waiting); n > historyWaiting {
		t.Errorf("%d changes wait", n)
	}
	if n := w.metric("history_dropped_total"); n != historyBatch {
		t.Errorf("%v were dropped, want %d", n, historyBatch)
	}
	if last := w.e.history.waiting[len(w.e.history.waiting)-1].At.Unix(); last != historyWaiting+9 {
		t.Errorf("the newest is missing: %d", last)
	}
}

func TestSeries(t *testing.T) {
	hosts := []check.Host{{Name: "web", Address: "192.0.2.1", Labels: map[string]string{"team": "a", "job": "mine", "not-a-name": "x"}}}
	simulate(t, Options{}, hosts, []check.Spec{spec("web", "http", "passive")}, func(w *world) {
		limit, nan := 100.0, math.NaN()
		err := w.e.Submit(t.Context(), "web", "http", model.CheckResult{
			Status: model.Critical, Output: "slow", Duration: 1500 * time.Millisecond,
			Perf: []model.Perf{
				{Label: "time", Value: 1.5, Unit: "s", Warn: "1", Crit: "10:20", Max: &limit},
				{Label: "gone", Value: nan},
			},
			Metrics: []model.CheckMetric{{Name: "probe_success", Value: 0}, {Name: "bad-name", Value: 1}, {Name: "probe_phase", Labels: []model.Field{{Name: "phase", Value: "tls"}}, Value: 3}},
		})
		if err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		const of = `check="http", host="web", instance="192.0.2.1", job="check"`
		want := map[string]float64{
			`{__name__="check_status", ` + of + `, team="a"}`:                                   2,
			`{__name__="check_state_hard", ` + of + `, team="a"}`:                               0,
			`{__name__="check_duration_seconds", ` + of + `, team="a"}`:                         1.5,
			`{__name__="check_perfdata", ` + of + `, label="time", team="a", unit="s"}`:         1.5,
			`{__name__="check_perfdata_warning", ` + of + `, label="time", team="a", unit="s"}`: 1,
			`{__name__="check_perfdata_max", ` + of + `, label="time", team="a", unit="s"}`:     100,
			`{__name__="probe_success", ` + of + `, team="a"}`:                                  0,
			`{__name__="probe_phase", ` + of + `, phase="tls", team="a"}`:                       3,
		}
		values, times := w.series.copied()
		if len(values) != len(want) {
			t.Errorf("got %d series, want %d: %v", len(values), len(want), values)
		}
		for name, v := range want {
			if got, ok := values[name]; !ok || got != v {
				t.Errorf("%s is %v, want %v", name, got, v)
			}
		}
		// A check that is seldom asked has a value at any time.
		status := `{__name__="check_status", ` + of + `, team="a"}`
		first := times[status]
		pass(10 * time.Minute)
		_, times = w.series.copied()
		if d := time.Duration(times[status]-first) * time.Millisecond; d < 8*time.Minute {
			t.Errorf("the newest sample is only %s newer after 10 minutes", d)
		}
		if err := w.e.Set("config", nil, nil); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		values, _ = w.series.copied()
		if !value.IsStaleNaN(values[status]) {
			t.Errorf("it is %v after the check is gone, want the mark of staleness", values[status])
		}
	})
}

func TestSeriesStoreAway(t *testing.T) {
	simulate(t, Options{}, []check.Host{host("web")}, many(50, "thing"), func(w *world) {
		w.series.mu.Lock()
		w.series.away = errors.New("away")
		w.series.mu.Unlock()
		pass(10 * time.Second)
		if n := w.metric("results_unsampled_total"); n < 50 || n > 100 {
			t.Errorf("%v results are lost, want those of 10 s", n)
		}
		w.series.mu.Lock()
		w.series.away = nil
		w.series.mu.Unlock()
		pass(time.Minute)
		if n := w.metric("samples_total"); n < 150 {
			t.Errorf("%v samples", n)
		}
	})
}

func TestMetricsPassTheLinter(t *testing.T) {
	w := build(t, nil, Options{})
	w.e.metrics.changes.WithLabelValues("state").Inc()
	w.e.metrics.handlerRuns.WithLabelValues("ok").Inc()
	problems, err := testutil.GatherAndLint(w.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
