package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/explain"
	kinds "github.com/hulotte-dev/hulotte/model"
)

// fakeAlerts remembers what it was asked to do.
type fakeAlerts struct {
	all  []alert.Alert
	did  []string
	fail error
}

func (f *fakeAlerts) note(format string, args ...any) error {
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return f.fail
}

func (f *fakeAlerts) Alerts(keep func(*alert.Alert) bool) (out []alert.Alert) {
	for _, a := range f.all {
		if keep(&a) {
			out = append(out, a)
		}
	}
	return out
}

func (f *fakeAlerts) Alert(fp string) (alert.Alert, bool) {
	i := slices.IndexFunc(f.all, func(a alert.Alert) bool { return a.Fingerprint == fp })
	if i < 0 {
		return alert.Alert{}, false
	}
	return f.all[i], true
}

func (f *fakeAlerts) Rules() func(*alert.Alert) *AlertRule {
	return func(a *alert.Alert) *AlertRule {
		if a.Source != alert.FromRule {
			return nil
		}
		return &AlertRule{Group: "g", Name: a.Name(), File: "f.yml", Query: "up == 0", For: 300e9}
	}
}

func (f *fakeAlerts) Explain(set map[string]string) explain.Explanation {
	return explain.Explanation{Labels: set, Verdict: "Nobody is told."}
}

func (f *fakeAlerts) Timeline(context.Context, *alert.Alert) ([]explain.Event, error) {
	return nil, f.fail
}
func (f *fakeAlerts) Runbook(*alert.Alert) *RunbookOf { return &RunbookOf{ID: "disk", Title: "A disk"} }
func (f *fakeAlerts) Tells() bool                     { return true }
func (f *fakeAlerts) Routing() explain.Routing        { return explain.Routing{Told: true} }
func (f *fakeAlerts) Receivers() []explain.Receiver   { return nil }
func (f *fakeAlerts) Deliveries(x explain.Filter) []alert.Delivery {
	_ = f.note("deliveries %+v", x)
	return []alert.Delivery{{ID: "1"}}
}

func (f *fakeAlerts) Test(_ context.Context, receiver string, labels map[string]string) ([]alert.Delivery, error) {
	return []alert.Delivery{{ID: "t", Test: true}}, f.note("test %s %v", receiver, labels)
}

func (f *fakeAlerts) Acknowledge(_ context.Context, fps []string, a alert.Ack) error {
	return f.note("ack %v by %s %q until %d", fps, a.By, a.Comment, max(a.Until.Unix(), 0))
}

func (f *fakeAlerts) Unacknowledge(_ context.Context, fps []string, by, comment string) error {
	return f.note("unack %v by %s %q", fps, by, comment)
}

func (f *fakeAlerts) Noise(_ context.Context, from, to time.Time) ([]explain.Noise, error) {
	return nil, f.note("noise %s", to.Sub(from))
}

func alertsAPI(t *testing.T, x Alerting) func(method, path, body string) (int, string) {
	t.Helper()
	h := New(Options{Now: func() time.Time { return time.Unix(1_000_000, 0) }, Alerting: x}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	return func(method, path, body string) (int, string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/api/hulotte/v1/"+path, strings.NewReader(body))
		r.Header.Set("X-Hulotte-User", "anna")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
}

func someAlerts() *fakeAlerts {
	one := func(fp string, state alert.State, age int, labels ...string) alert.Alert {
		set := map[string]string{"alertname": "A" + fp}
		for _, l := range labels {
			name, value, _ := strings.Cut(l, "=")
			set[name] = value
		}
		return alert.Alert{Fingerprint: fp, State: state, Labels: set, StartsAt: time.Unix(1_000_000-int64(age), 0)}
	}
	f := &fakeAlerts{all: []alert.Alert{
		one("old", alert.Active, 500, "severity=warning", "host=Web1"), one("silent", alert.Suppressed, 1, "severity=critical"), one("new", alert.Active, 5, "severity=warning"),
		one("waits", alert.Pending, 1, "severity=critical"), one("worst", alert.Active, 900, "severity=critical"), one("known", alert.Suppressed, 3, "severity=page"),
	}}
	f.all[5].Ack = &alert.Ack{By: "ann"}
	f.all[0].Source = alert.FromRule
	f.all[1].Annotations = map[string]string{"summary": "The disk of db1 is full"}
	return f
}

func TestListOfAlerts(t *testing.T) {
	ask := alertsAPI(t, someAlerts())
	f := func(query string, want ...string) {
		t.Helper()
		status, text := ask("GET", "alerts?"+query, "")
		var answer struct {
			Data struct {
				Counts map[string]int
				Total  int
				Alerts []struct{ Fingerprint string }
			}
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, status, text)
		}
		var got []string
		for _, a := range answer.Data.Alerts {
			got = append(got, a.Fingerprint)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
		if c := answer.Data.Counts; c["active"] != 3 || c["suppressed"] != 1 || c["acknowledged"] != 1 || c["pending"] != 1 || len(c) != 4 {
			t.Errorf("%s: the counts are %v", query, c)
		}
		if strings.Contains(text, "null") || !strings.Contains(text, `"told":true`) {
			t.Errorf("%s: %s", query, text)
		}
	}
	f("", "worst", "new", "old", "waits", "silent", "known")
	f("limit=2", "worst", "new")
	f("state=active&state=pending", "worst", "new", "old", "waits")
	f("state=acknowledged,suppressed", "silent", "known")
	f("matcher=severity%3Dwarning&matcher=host%21%3DWeb1", "new")
	f("matcher=severity%3D~%22crit.*%22", "worst", "waits", "silent")
	f("q=web1", "old")
	f("q=disk+of", "silent")
	f("q=severity%3Dpage", "known")
	f("q=nothing")
}

func TestWrongQuestionsAboutAlerts(t *testing.T) {
	x := someAlerts()
	ask := alertsAPI(t, x)
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		if got, text := ask(method, path, body); got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s %s: %d %s, want %d %q", method, path, body, got, text, status, want)
		}
	}
	f("GET", "alerts?state=loud", "", 400, `\"loud\" is none of active, suppressed`)
	f("GET", "alerts?matcher=a%3D~(", "", 400, "matcher")
	f("GET", "alerts?matcher=nonsense", "", 400, "is no matcher")
	f("GET", "alerts?limit=x", "", 400, "limit")
	f("GET", "alert", "", 400, "16 hexadecimal digits")
	f("GET", "alert?fingerprint=zz", "", 404, `there is no alert \"zz\"`)
	f("GET", "alert/explain", "", 400, `\"label\" is missing`)
	f("GET", "alert/explain?label=a", "", 400, `\"a\" is no name=value`)
	f("GET", "alert/explain?label=%3Db", "", 400, "is no name=value")
	f("GET", "alert/explain?label=a%3Db&label=a%3Dc", "", 400, "a is there twice")
	f("GET", "alert/explain?label=a%3D%ff", "", 400, "UTF-8")
	f("GET", "alerts/noise?days=0", "", 400, "between 1 and 90")
	f("GET", "deliveries?limit=-1", "", 400, "limit")
	f("POST", "alerts/ack", `{"fingerprints":["old"],"comment":" "}`, 400, `\"comment\" is empty`)
	f("POST", "alerts/ack", `{"fingerprints":[],"comment":"x"}`, 400, `\"fingerprints\" is empty`)
	f("POST", "alerts/ack", `{"fingerprints":["old"],"comment":"x","until":"1970-01-02T00:00:00Z"}`, 400, `\"until\" is over`)
	f("POST", "alerts/ack", `{"alerts":["old"]}`, 400, "unknown field")
	f("POST", "silences/preview", `{"matchers":[]}`, 400, "at least one")
	f("POST", "silences/preview", `{"matchers":[{"name":"a","value":"(","isRegex":true}]}`, 400, "the matcher of a")
	f("POST", "silences/preview", `{"matchers":[{"name":"a","value":".*","isRegex":true}]}`, 400, "must not match")
	f("POST", "receivers/test", `{}`, 400, `\"receiver\" is missing`)
	x.fail = kinds.NewError(kinds.NotFound, "there is no receiver")
	f("POST", "receivers/test", `{"receiver":"x"}`, 404, "there is no receiver")
	x.fail = nil
	if len(x.did) != 1 {
		t.Errorf("done: %v", x.did)
	}
	none := alertsAPI(t, nil)
	if status, text := none("GET", "alerts", ""); status != http.StatusNotFound || !strings.Contains(text, "alerting is not served") {
		t.Errorf("without alerting: %d %s", status, text)
	}
}

func TestWhatPeopleDoWithAlerts(t *testing.T) {
	x := someAlerts()
	ask := alertsAPI(t, x)
	f := func(method, path, body string, want ...string) {
		t.Helper()
		x.did = nil
		if status, text := ask(method, path, body); status != http.StatusOK || strings.Contains(text, "null") {
			t.Errorf("%s: %d %s", path, status, text)
		}
		if !slices.Equal(x.did, want) {
			t.Errorf("%s: done %q, want %q", path, x.did, want)
		}
	}
	f("POST", "alerts/ack", `{"fingerprints":["old","new"],"comment":"on it","until":"1970-01-12T14:46:40Z"}`, `ack [old new] by anna "on it" until 1003600`)
	f("POST", "alerts/ack", `{"fingerprints":["old"],"comment":"on it"}`, `ack [old] by anna "on it" until 0`)
	f("POST", "alerts/unack", `{"fingerprints":["old"],"comment":"no"}`, `unack [old] by anna "no"`)
	f("POST", "receivers/test", `{"receiver":"db","labels":{"a":"b"}}`, "test db map[a:b]")
	f("GET", "alerts/noise?days=2", "", "noise 48h0m0s")
	f("GET", "deliveries?receiver=db&failed=1&limit=5", "", "deliveries {Receiver:db Fingerprint: Failed:true Since:0001-01-01 00:00:00 +0000 UTC Limit:5}")
	f("GET", "receivers", "")
	if status, text := ask("POST", "silences/preview", `{"matchers":[{"name":"severity","value":"critical","isEqual":false},{"name":"host","value":"Web.*","isRegex":true,"isEqual":true}]}`); status != 200 || !strings.Contains(text, `"fingerprint":"old"`) || !strings.Contains(text, `"total":1`) {
		t.Errorf("preview: %d %s", status, text)
	}
	status, text := ask("GET", "alert?fingerprint=old", "")
	for _, want := range []string{`"rule":{"group":"g","name":"Aold","file":"f.yml","query":"up == 0","for":"5m"`, `"timeline":[]`, `"deliveries":[{"id":"1"`, `"verdict":"Nobody is told."`, `"runbook":{"id":"disk"`} {
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("the detail lacks %s: %d %s", want, status, text)
		}
	}
}
