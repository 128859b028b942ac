package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// fakeChecks remembers what it was asked to do.
type fakeChecks struct {
	views []check.View
	done  []string
}

func (f *fakeChecks) Views(keep func(*check.View) bool) (out []check.View) {
	for _, v := range f.views {
		if keep == nil || keep(&v) {
			out = append(out, v)
		}
	}
	return out
}

func (f *fakeChecks) View(id string) (check.View, bool) {
	i := slices.IndexFunc(f.views, func(v check.View) bool { return v.ID == id })
	if i < 0 {
		return check.View{}, false
	}
	return f.views[i], true
}

func (f *fakeChecks) Hosts() []check.Host { return []check.Host{{Name: "web1"}, {Name: "web2"}} }
func (f *fakeChecks) did(format string, args ...any) error {
	f.done = append(f.done, fmt.Sprintf(format, args...))
	return nil
}

func (f *fakeChecks) Submit(_ context.Context, host, name string, r model.CheckResult) error {
	return f.did("submit %s/%s %s %q", host, name, r.Status, r.Output)
}
func (f *fakeChecks) Recheck(ids []string, by string) error {
	return f.did("recheck %v by %s", ids, by)
}
func (f *fakeChecks) Acknowledge(_ context.Context, ids []string, a check.Ack) error {
	return f.did("ack %v by %s %q until %d sticky %t", ids, a.By, a.Comment, a.Until.Unix(), a.Sticky)
}
func (f *fakeChecks) Unacknowledge(_ context.Context, ids []string, by, comment string) error {
	return f.did("unack %v by %s %q", ids, by, comment)
}
func (f *fakeChecks) Comment(_ context.Context, id, by, text string) error {
	return f.did("comment %s by %s %q", id, by, text)
}
func (f *fakeChecks) AddDowntime(_ context.Context, d check.Downtime) (check.Downtime, error) {
	d.ID = "1"
	return d, f.did("downtime %v by %s", d.Checks, d.By)
}
func (f *fakeChecks) EndDowntime(_ context.Context, id, by string) error {
	return f.did("end %s by %s", id, by)
}
func (f *fakeChecks) Downtimes() []check.Downtime { return nil }

func checksAPI(t *testing.T) (*fakeChecks, func(method, path, body string) (int, string)) {
	t.Helper()
	now := time.Unix(1_000_000, 0)
	view := func(host, name string, status model.Status, handled string) check.View {
		return check.View{ID: host + "/" + name, Spec: check.Spec{Host: host, Name: name, Service: name}, Handled: handled,
			State: check.State{Status: status, Output: name + " says " + status.String(), Since: now.Add(-time.Hour), Long: "long"}}
	}
	f := &fakeChecks{views: []check.View{
		view("web1", "http", model.Critical, ""), view("web2", "ssh", model.Warning, "acknowledged"), view("web1", check.HostCheck, model.OK, "")}}
	h := New(Options{Now: func() time.Time { return now }, Checks: Checks{
		Engine: f,
		History: func(_ context.Context, id string, from, to time.Time, limit int) ([]check.Change, error) {
			return []check.Change{
				{At: now.Add(-time.Hour), Type: check.StateChange, From: model.OK, To: model.Critical, Hard: true},
				{At: now.Add(-10 * time.Hour), Type: check.StateChange, From: model.Critical, To: model.OK, Hard: true},
			}, nil
		},
		Run: func(_ context.Context, h check.Host, s check.Spec) (model.CheckResult, error) {
			return model.CheckResult{Status: model.Warning, Output: "tried " + s.Kind + " on " + h.Name}, nil
		},
	}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	return f, func(method, path, body string) (int, string) {
		t.Helper()
		r := httptest.NewRequest(method, "/api/hulotte/v1/"+path, strings.NewReader(body))
		r.Header.Set("X-Hulotte-User", "anna")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(text)
	}
}

func TestListOfChecks(t *testing.T) {
	_, ask := checksAPI(t)
	f := func(query string, want ...string) {
		t.Helper()
		status, text := ask("GET", "checks?"+query, "")
		var answer struct {
			Data struct {
				Total  int
				Checks []check.View
			}
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, status, text)
		}
		var got []string
		for _, v := range answer.Data.Checks {
			got = append(got, v.ID)
			if v.Long != "" {
				t.Errorf("%s: a list has no long output", query)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	f("", "web1/http", "web2/ssh", "web1/host")
	f("problem=1", "web1/http", "web2/ssh")
	f("unhandled=true", "web1/http")
	f("status=warning", "web2/ssh")
	f("status=warning&status=OK", "web2/ssh", "web1/host")
	f("host=web1", "web1/http", "web1/host")
	f("service=ssh", "web2/ssh")
	f("q=SAYS+crit", "web1/http")
	f("limit=1", "web1/http")
	for _, bad := range []string{"status=fine", "limit=-1", "problem=maybe"} {
		if status, text := ask("GET", "checks?"+bad, ""); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
}

func TestCheckActions(t *testing.T) {
	fake, ask := checksAPI(t)
	f := func(path, body, want string) {
		t.Helper()
		fake.done = nil
		if status, text := ask("POST", path, body); status != http.StatusOK || strings.Join(fake.done, "\n") != want {
			t.Errorf("%s %s: %d %s, did %q, want %q", path, body, status, text, fake.done, want)
		}
	}
	f("checks/ack", `{"checks":["web1/http"],"comment":"on it","until":"1970-01-12T14:46:40Z"}`, `ack [web1/http] by anna "on it" until 1003600 sticky true`)
	f("checks/ack", `{"checks":["a/b","c/d"],"sticky":false}`, `ack [a/b c/d] by anna "" until -62135596800 sticky false`)
	f("checks/unack", `{"checks":["web1/http"],"comment":"wrong"}`, `unack [web1/http] by anna "wrong"`)
	f("checks/recheck", `{"checks":["web1/http"]}`, "recheck [web1/http] by anna")
	f("checks/comment", `{"checks":["web1/http","a/b"],"comment":"x"}`, "comment web1/http by anna \"x\"\ncomment a/b by anna \"x\"")
	f("checks/result", `{"host":"web1","check":"backup","status":"WARNING","output":"late"}`, `submit web1/backup WARNING "late"`)
	f("checks/result", `{"host":"web1","status":"ok"}`, `submit web1/host OK ""`)
	f("downtimes", `{"checks":["web1/*"],"start":"1970-01-12T14:00:00Z","end":"1970-01-12T15:00:00Z","by":"somebody else"}`, "downtime [web1/*] by anna")
	f("downtimes/end", `{"id":"1"}`, "end 1 by anna")

	bad := func(path, body string, want int, text string) {
		t.Helper()
		fake.done = nil
		if status, got := ask("POST", path, body); status != want || !strings.Contains(got, text) || fake.done != nil {
			t.Errorf("%s %.200s: %d %s, did %q", path, body, status, got, fake.done)
		}
	}
	bad("checks/ack", `{"checks":[]}`, http.StatusBadRequest, "is empty")
	bad("checks/ack", `{"check":["a/b"]}`, http.StatusBadRequest, "unknown field")
	bad("checks/ack", `{"checks":["a/b"],"until":"1970-01-01T00:00:00Z"}`, http.StatusBadRequest, "is over")
	bad("checks/ack", `nonsense`, http.StatusBadRequest, "not what is meant")
	bad("checks/ack", `{"checks":["a/b"],"comment":"`+strings.Repeat("x", 5000)+`"}`, http.StatusBadRequest, "longer than 4096")
	bad("checks/ack", `{"checks":["`+strings.Repeat("x", 2<<20)+`"]}`, http.StatusRequestEntityTooLarge, "larger than")
	bad("checks/result", `{"host":"web1"}`, http.StatusBadRequest, "status")
	bad("checks/comment", `{"checks":["a/b"]}`, http.StatusBadRequest, "is empty")
	bad("checks/run", `{"host":{"name":"x"},"spec":{"host":"x","name":"y","kind":"plugin"}}`, http.StatusForbidden, "admin_api")
	if status, text := ask("POST", "checks/run", `{"host":{"name":"x"},"spec":{"host":"x","name":"y","kind":"tcp"}}`); status != http.StatusOK || !strings.Contains(text, "tried tcp on x") {
		t.Errorf("a check was not tried out: %d %s", status, text)
	}
}

func TestTimeline(t *testing.T) {
	at := func(hours int) time.Time { return time.Unix(int64(hours)*3600, 0).UTC() }
	state := func(h int, from, to model.Status, hard bool) check.Change {
		return check.Change{At: at(h), Type: check.StateChange, From: from, To: to, Hard: hard}
	}
	f := func(now check.State, changes []check.Change, want string) {
		t.Helper()
		var got []string
		spans := Timeline(now, changes, at(10), at(20))
		for _, s := range spans {
			text := fmt.Sprintf("%d-%d %s", s.From.Unix()/3600, s.To.Unix()/3600, s.Status)
			if !s.Hard {
				text += " soft"
			}
			if s.Handled {
				text += " handled"
			}
			got = append(got, text)
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("got %s, want %s", g, want)
		}
	}
	f(check.State{Status: model.OK, Hard: true, Since: at(1)}, nil, "10-20 OK")
	f(check.State{Status: model.Pending, Hard: true, Since: at(15)}, nil, "10-20 PENDING")
	f(check.State{Status: model.OK}, []check.Change{state(16, model.Critical, model.OK, true), state(13, model.Critical, model.Critical, true), state(12, model.OK, model.Critical, false)},
		"10-12 OK, 12-13 CRITICAL soft, 13-16 CRITICAL, 16-20 OK")
	f(check.State{Status: model.Warning}, []check.Change{{At: at(14), Type: check.AckSet}, state(12, model.OK, model.Warning, true)}, "10-12 OK, 12-14 WARNING, 14-20 WARNING handled")
	// What was before the time that is asked for says how it begins.
	f(check.State{Status: model.OK}, []check.Change{state(15, model.Critical, model.OK, true), state(8, model.OK, model.Critical, true)}, "10-15 CRITICAL, 15-20 OK")
	a := availability([]StateSpan{{From: at(0), To: at(1), Status: model.Pending}, {From: at(1), To: at(4), Status: model.OK}, {From: at(4), To: at(5), Status: model.Critical}})
	if a["OK"] != 0.75 || a["CRITICAL"] != 0.25 || len(a) != 2 {
		t.Errorf("availability %v", a)
	}
}

func TestCheckPages(t *testing.T) {
	_, ask := checksAPI(t)
	f := func(path string, status int, want ...string) {
		t.Helper()
		got, text := ask("GET", path, "")
		for _, w := range want {
			if got != status || !strings.Contains(text, w) {
				t.Errorf("%s: %d %s, want %d with %q", path, got, text, status, w)
			}
		}
	}
	f("check?id=web1/http", 200, `"id":"web1/http"`, `"status":"CRITICAL"`, `"host":{"name":"web1"}`, `"long_output":"long"`)
	f("check?id=web9/http", 404, "ids are host/name")
	f("check/history?id=web1/http", 200, `"from":"OK","to":"CRITICAL"`)
	f("check/timeline?id=web1/http", 200, `"availability":{"CRITICAL":`)
	f("hosts-checked", 200, `"host":{"name":"web1"}`, `"worst":"CRITICAL","checks":2,"problems":1`, `"worst":"WARNING","checks":1,"problems":0`)
	f("downtimes", 200, `"downtimes":[]`)
	f("services", 200, `"services":[]`)
}
