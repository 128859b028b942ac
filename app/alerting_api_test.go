package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/check"
	kinds "github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/rule"
)

type deaf struct{}

func (deaf) Notify(context.Context, ...*amalert.Alert) (bool, error) { return false, nil }

// alertingUnderTest is the adapter over a manager, a rule with a firing and a pending alert, and their history.
func alertingUnderTest(t *testing.T) (*alertingAPI, func(method, path, body string) (int, string)) {
	t.Helper()
	m, err := manager.New(manager.Options{Wrap: func(receiver string, i amnotify.Integration) amnotify.Integration {
		return amnotify.NewIntegration(deaf{}, &i, i.Name(), i.Index(), receiver)
	}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, err := manager.ReadConfig([]byte("route: {receiver: people, group_wait: 0s}\nreceivers:\n- {name: people, webhook_configs: [{url_file: x}]}\n- name: nobody\n"), "/")
	if err == nil {
		err = m.Apply(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	db := teststorage.New(t)
	now := time.Now().Truncate(time.Second)
	series := func(state, host string, minutes map[int]float64) {
		a := db.Appender(t.Context())
		l := labels.FromStrings("__name__", "ALERTS", "alertname", "Down", "alertstate", state, "host", host)
		for i := 120; i >= 0; i-- {
			if v, ok := minutes[i]; ok {
				if _, err := a.Append(0, l, now.Add(-time.Duration(i)*time.Minute).UnixMilli(), v); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	stale := math.Float64frombits(value.StaleNaN)
	series("pending", "a", map[int]float64{100: 1, 99: 1, 98: stale})
	series("firing", "a", map[int]float64{98: 1, 97: 1, 96: 1, 95: stale, 2: 1, 1: 1, 0: 1})
	series("firing", "b", map[int]float64{98: 1})

	alerts := []rule.Alert{
		{Labels: labels.FromStrings("alertname", "Down", "host", "a"), State: "firing", ActiveAt: now},
		{Labels: labels.FromStrings("alertname", "Down", "host", "p"), State: "pending", ActiveAt: now},
	}
	x := &alertingAPI{manager: m, history: db, rules: func() []rule.GroupSet {
		return []rule.GroupSet{{Groups: []rule.Group{{Name: "g", File: "f.yml", Rules: []rule.Rule{
			{Name: "Down", Alerting: true, Labels: labels.FromStrings("severity", "other")}, {Name: "Down", Alerting: true, Query: "up == 0", Alerts: alerts}, {Name: "Never", Alerting: true}, {Name: "recorded"},
		}}}}}
	}, raised: func(a rule.Alert) (map[string]string, bool) {
		return labels.NewBuilder(a.Labels).Set("site", "x").Labels().Map(), true
	}}
	if err := m.Put(t.Context(), alert.FromRule, alert.Alert{Labels: map[string]string{"alertname": "Down", "host": "a", "site": "x"}, StartsAt: now, EndsAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	h := api.New(api.Options{Alerting: x}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	return x, func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/api/hulotte/v1/"+path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
}

func TestAlertingAPI(t *testing.T) {
	x, ask := alertingUnderTest(t)
	f := func(method, path, body string, status int, want ...string) {
		t.Helper()
		got, text := ask(method, path, body)
		for _, w := range want {
			if got != status || !strings.Contains(text, w) {
				t.Errorf("%s %s: %d %s\nwant %d %s", method, path, got, text, status, w)
			}
		}
		if strings.Contains(text, "null") {
			t.Errorf("%s: null in %s", path, text)
		}
	}
	fp := manager.Fingerprint(map[string]string{"alertname": "Down", "host": "a", "site": "x"})
	f("GET", "alerts", "", 200, `"counts":{"acknowledged":0,"active":1,"pending":1,"suppressed":0}`, `"site":"x"`, `"rule":{"group":"g","name":"Down","file":"f.yml"}`, `"receivers":["people"]`)
	f("GET", "alert?fingerprint="+fp, "", 200, `"query":"up == 0"`, `It began to fire.`, `Its condition became true.`)
	f("GET", "alert?fingerprint="+manager.Fingerprint(map[string]string{"alertname": "Down", "host": "p", "site": "x"}), "", 200, `"state":"pending"`)
	f("GET", "alert/explain?label=alertname%3DDown&label=host%3Dp&label=site%3Dx", "", 200, `"verdict":"It waits: its condition is true since `, `It would be told to people`)
	f("GET", "alert/explain?label=alertname%3DX", "", 200, `"verdict":"It would be told to people by webhook 0s after it fires`)
	f("GET", "routing", "", 200, `"receiver":"people"`, `"group_wait":"0s"`, `"routes":[]`, `"inhibit_rules":[]`)
	f("GET", "receivers", "", 200, `{"name":"nobody","integrations":[],"people":[],"used":false}`)
	f("GET", "deliveries", "", 200, `"deliveries":[]`)
	f("POST", "alerts/ack", `{"fingerprints":["`+fp+`"],"comment":"mine"}`, 200, `"alerts":1`)
	f("GET", "alerts?state=acknowledged", "", 200, `"comment":"mine"`)
	f("POST", "alerts/unack", `{"fingerprints":["0123456789abcdef"]}`, 404, "is not acknowledged")
	f("POST", "receivers/test", `{"receiver":"none"}`, 404, "there is no receiver")
	f("POST", "receivers/test", `{"receiver":"nobody"}`, 400, "has no integrations")
	f("POST", "receivers/test", `{"receiver":"people"}`, 503, "cannot be tried out")
	f("POST", "silences/preview", `{"matchers":[{"name":"host","value":"p"}]}`, 200, `"total":1`)

	_, text := ask("GET", "alerts/noise?days=1", "")
	var answer struct {
		Data struct {
			Rules []struct {
				Name            string
				Fired, Resolved int
				Minutes         float64
				Acted           int
				Kind            string
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Data.Rules) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	if down := answer.Data.Rules[0]; down.Name != "Down" || down.Fired != 3 || down.Resolved != 2 || down.Acted != 1 || down.Minutes < 4.9 || down.Minutes > 5.5 {
		t.Errorf("%+v", down)
	}
	if never := answer.Data.Rules[1]; never.Name != "Never" || never.Kind != "never" {
		t.Errorf("%+v", never)
	}

	x.history = nil
	f("GET", "alerts/noise", "", 422, "not kept here")
}

// What a rule waits to raise again after a restart is there once: as it fires.
func TestPendingIsNotThereTwice(t *testing.T) {
	x, _ := alertingUnderTest(t)
	set := map[string]string{"alertname": "Down", "host": "p", "site": "x"}
	if err := x.manager.Put(t.Context(), alert.FromRule, alert.Alert{Labels: set, EndsAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	var states []alert.State
	for _, a := range x.Alerts(func(a *alert.Alert) bool { return a.Labels["host"] == "p" }) {
		states = append(states, a.State)
	}
	if !slices.Equal(states, []alert.State{alert.Active}) {
		t.Errorf("it is there as %v", states)
	}
}

func TestTimelineOfACheck(t *testing.T) {
	x, _ := alertingUnderTest(t)
	now := time.Now()
	x.checked = func(_ context.Context, id string, _, _ time.Time, _ int) ([]check.Change, error) {
		if id != "web1/http" {
			t.Errorf("asked for %s", id)
		}
		return []check.Change{
			{At: now.Add(-time.Minute), Type: check.AckSet, By: "ann"},
			{At: now.Add(-2 * time.Minute), Type: check.StateChange, From: kinds.OK, To: kinds.Critical, Attempt: 1, Output: "refused"},
		}, nil
	}
	events, err := x.Timeline(t.Context(), &alert.Alert{Labels: map[string]string{"host": "web1", "check": "http"}, Source: alert.FromCheck, StartsAt: now.Add(-time.Hour)})
	if err != nil || len(events) != 2 || events[0].Text != "CRITICAL after OK (soft, try 1): refused" {
		t.Errorf("%v %+v", err, events)
	}
}

// A resolved alert is still there for those who follow a link to it.
func TestResolvedAlertIsFound(t *testing.T) {
	x, ask := alertingUnderTest(t)
	set := map[string]string{"alertname": "Down", "host": "a", "site": "x"}
	if err := x.manager.Put(t.Context(), alert.FromRule, alert.Alert{Labels: set, StartsAt: time.Now().Add(-time.Minute), EndsAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	x.history = nil
	status, text := ask("GET", "alert?fingerprint="+manager.Fingerprint(set), "")
	if status != 200 || !strings.Contains(text, `"state":"resolved"`) || !strings.Contains(text, "It resolved.") {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := ask("GET", "alerts?state=active", ""); status != 200 || slices.ContainsFunc(x.Alerts(nil), func(a alert.Alert) bool { return a.State == alert.Active }) {
		t.Error("it counts as active")
	}
}

var _ storage.Queryable = (*teststorage.TestStorage)(nil)
