package oncall

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// shelf is documents in memory: as much of medium.Documents as is used here.
type shelf struct {
	medium.Documents
	docs map[string]medium.Document
	next medium.Version
}

func (s *shelf) Get(_ context.Context, kind, key string) (medium.Document, error) {
	d, ok := s.docs[kind+"/"+key]
	if !ok {
		return d, medium.ErrNotFound
	}
	return d, nil
}

func (s *shelf) Put(_ context.Context, kind, key string, value []byte, expected medium.Version) (medium.Version, error) {
	if s.docs[kind+"/"+key].Version != expected {
		return 0, medium.ErrConflict
	}
	s.next++
	s.docs[kind+"/"+key] = medium.Document{Kind: kind, Key: key, Version: s.next, Value: value}
	return s.next, nil
}

func (s *shelf) Delete(_ context.Context, kind, key string, expected medium.Version) error {
	if d, ok := s.docs[kind+"/"+key]; !ok || d.Version != expected {
		return medium.ErrConflict
	}
	delete(s.docs, kind+"/"+key)
	return nil
}

func (s *shelf) List(_ context.Context, kind, _ string) iter.Seq2[medium.Document, error] {
	return func(yield func(medium.Document, error) bool) {
		for _, d := range s.docs {
			if d.Kind == kind && !yield(d, nil) {
				return
			}
		}
	}
}

// rig is an engine whose alerts a test sets, and which notes whom it tells.
type rig struct {
	*Engine
	docs  *shelf
	held  []alert.Alert
	again []string
}

func newRig(t *testing.T, docs *shelf) *rig {
	t.Helper()
	r := &rig{docs: docs}
	get := func() (medium.Documents, error) { return docs, nil }
	l := NewLibrary(get, nil, func() {}, slog.New(slog.DiscardHandler))
	for _, d := range docs.docs {
		if d.Kind == documentKind {
			l.take(d)
		}
	}
	r.Engine = NewEngine(Options{
		Library: l, Documents: get, Changed: func() {},
		Alerts: func(keep func(*alert.Alert) bool) []alert.Alert {
			return slices.DeleteFunc(slices.Clone(r.held), func(a alert.Alert) bool { return keep != nil && !keep(&a) })
		},
		Again: func(ctx context.Context, id string, g notify.Group) error {
			who, err := r.Recipients(ctx, notify.Ask{Escalation: "web", Receiver: g.Receiver, GroupKey: g.Key, Again: id, Firing: []string{"1"}})
			r.again = append(r.again, namesOf(who))
			return err
		},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	r.load(t.Context())
	return r
}

func namesOf(all []notify.Recipient) string {
	var out []string
	for _, x := range all {
		out = append(out, x.Contact)
	}
	return strings.Join(out, "+")
}

func (r *rig) put(t *testing.T, s Sort, name, value string) {
	t.Helper()
	if _, err := r.opts.Library.Put(t.Context(), s, name, json.RawMessage(value), "ann", 0); err != nil {
		t.Fatal(err)
	}
}

func people(t *testing.T, r *rig) {
	t.Helper()
	for _, name := range []string{"ann", "bob", "cy"} {
		r.put(t, Contacts, name, `{"methods": [{"kind": "email", "to": "`+name+`@example.org"}]}`)
	}
	r.put(t, Teams, "all", `{"members": ["ann", "bob", "cy"]}`)
	r.put(t, Escalations, "web", `{"steps": [{"after": "10m", "tell": [{"contact": "ann"}]}, {"after": "5m", "tell": [{"contact": "bob"}]}, {"after": "15m", "tell": [{"team": "all"}]}], "repeat": 1}`)
}

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func ask(firing ...string) notify.Ask {
	return notify.Ask{Escalation: "web", Receiver: "r", GroupKey: "g", At: start, Firing: firing}
}

func (r *rig) tells(t *testing.T, a notify.Ask, want string) {
	t.Helper()
	got, err := r.Recipients(t.Context(), a)
	if err != nil || namesOf(got) != want {
		t.Errorf("%+v tells %q, %v, want %q", a, namesOf(got), err, want)
	}
}

func (r *rig) lookUntil(t *testing.T, from, to time.Duration) string {
	t.Helper()
	r.again = nil
	for at := from; at <= to; at += time.Minute {
		n := len(r.again)
		r.look(t.Context(), start.Add(at))
		for i := n; i < len(r.again); i++ {
			r.again[i] = fmt.Sprintf("%s %s", at, r.again[i])
		}
	}
	return strings.Join(r.again, ", ")
}

func TestEscalation(t *testing.T) {
	r := newRig(t, &shelf{docs: map[string]medium.Document{}})
	people(t, r)
	r.held = []alert.Alert{{Fingerprint: "1", State: alert.Active}}
	r.tells(t, ask("1"), "ann")
	r.tells(t, ask("1"), "ann") // a repeat, or a try again: nobody else
	if got, want := r.lookUntil(t, 0, 2*time.Hour), "5m0s bob, 20m0s ann+bob+cy, 30m0s ann, 35m0s bob, 50m0s ann+bob+cy"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	r.tells(t, notify.Ask{Escalation: "web", Receiver: "r", GroupKey: "g", At: start, Resolved: []string{"1"}}, "ann+bob+cy")
	r.held = nil
	r.lookUntil(t, 2*time.Hour, 4*time.Hour)
	if left := r.Active(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// What is due while the process is away is done when it is back, once, and by one of two nodes.
func TestEscalationOverRestart(t *testing.T) {
	docs := &shelf{docs: map[string]medium.Document{}}
	r := newRig(t, docs)
	people(t, r)
	r.tells(t, ask("1"), "ann")
	r, other := newRig(t, docs), newRig(t, docs)
	r.held = []alert.Alert{{Fingerprint: "1", State: alert.Active}}
	other.held = r.held
	if got := r.lookUntil(t, 7*time.Minute, 8*time.Minute) + ", " + other.lookUntil(t, 7*time.Minute, 8*time.Minute); got != "7m0s bob, " {
		t.Errorf("told %q", got)
	}
}

func TestAcknowledgedStopsIt(t *testing.T) {
	r := newRig(t, &shelf{docs: map[string]medium.Document{}})
	people(t, r)
	r.held = []alert.Alert{{Fingerprint: "1", State: alert.Suppressed, Ack: &alert.Ack{By: "bob"}}}
	r.tells(t, ask("1"), "ann")
	if got := r.lookUntil(t, 0, time.Hour); got != "" {
		t.Errorf("told %q", got)
	}
	if a := r.Active(); len(a) != 1 || a[0].AckedBy != "bob" {
		t.Errorf("%+v", a)
	}
	r.held = append(r.held, alert.Alert{Fingerprint: "2", State: alert.Active}) // another one of the group begins
	r.tells(t, ask("1", "2"), "ann")
	if got := r.lookUntil(t, 0, 6*time.Minute); got != "5m0s bob" {
		t.Errorf("told %q", got)
	}
}

func TestSilencedIsNotEscalated(t *testing.T) {
	r := newRig(t, &shelf{docs: map[string]medium.Document{}})
	people(t, r)
	r.held = []alert.Alert{{Fingerprint: "1", State: alert.Suppressed}}
	r.tells(t, ask("1"), "ann")
	if got := r.lookUntil(t, 0, time.Hour); got != "" {
		t.Errorf("told %q", got)
	}
}

func TestRefused(t *testing.T) {
	r := newRig(t, &shelf{docs: map[string]medium.Document{}})
	people(t, r)
	f := func(s Sort, name, value, want string) {
		t.Helper()
		_, err := r.opts.Library.Put(t.Context(), s, name, json.RawMessage(value), "", 0)
		if err == nil || !strings.Contains(err.Error(), want) || model.KindOf(err) != model.Invalid {
			t.Errorf("%s %s: %v, want %s", s, value, err, want)
		}
	}
	f(Contacts, "a b", `{}`, "name")
	f(Contacts, "x", `{"methods": [{"kind": "pigeon", "to": "x"}]}`, "pigeon")
	f(Contacts, "x", `{"mail": "x"}`, "mail")
	f(Contacts, "x", `{"zone": "Europe/Nowhere"}`, "zone")
	f(Teams, "x", `{"members": ["zoe"]}`, `there is no contact "zoe"`)
	f(Teams, "x", `{"schedule": "none"}`, "schedule")
	f(Schedules, "x", `{"zone": "UTC"}`, "layers")
	f(Schedules, "x", `{"zone": "UTC", "layers": [{"participants": ["ann"], "start": "today", "handover": "09:00", "days": 7}]}`, "start")
	f(Schedules, "x", `{"zone": "UTC", "layers": [{"participants": ["ann"], "start": "2026-01-05", "handover": "9", "days": 7}]}`, "handover")
	f(Schedules, "x", `{"zone": "UTC", "layers": [{"participants": ["ann"], "start": "2026-01-05", "handover": "09:00"}]}`, "days")
	f(Schedules, "x", `{"zone": "UTC", "layers": [{"participants": ["ann"], "start": "2026-01-05", "handover": "09:00", "days": 1, "only": [{"weekdays": ["monday"], "from": "09:00", "to": "10:00"}]}]}`, "weekdays")
	f(Escalations, "x", `{"steps": []}`, "steps")
	f(Escalations, "x", `{"steps": [{"tell": [{"contact": "ann", "team": "all"}]}]}`, "one of contact")
	f(Escalations, "x", `{"steps": [{"after": "1y", "tell": [{"contact": "ann"}]}]}`, "at most 168h")
	if err := r.opts.Library.Delete(t.Context(), Contacts, "ann", 0); err == nil || !strings.Contains(err.Error(), "is used by") {
		t.Errorf("a contact that is used can be deleted: %v", err)
	}
	if _, err := r.opts.Library.Put(t.Context(), Contacts, "ann", json.RawMessage(`{}`), "", 1000); model.KindOf(err) != model.Conflict {
		t.Errorf("a lost update: %v", err)
	}
}

// An address that lets who knows it send is not shown; what was shown can be put back.
func TestHiddenAddress(t *testing.T) {
	r := newRig(t, &shelf{docs: map[string]medium.Document{}})
	r.put(t, Contacts, "ann", `{"methods": [{"kind": "email", "to": "a@x"}, {"kind": "http", "to": "https://one"}, {"kind": "http", "to": "https://two"}]}`)
	c, _ := find[Contact](r.opts.Library, Contacts, "ann")
	shown, err := json.Marshal(c.Public())
	if err != nil || strings.Contains(string(shown), "https") || !strings.Contains(string(shown), "a@x") {
		t.Fatalf("shown: %s, %v", shown, err)
	}
	if _, err := r.opts.Library.Put(t.Context(), Contacts, "ann", shown, "", 1); err != nil {
		t.Fatal(err)
	}
	if got, _ := find[Contact](r.opts.Library, Contacts, "ann"); !slices.Equal(got.Methods, c.Methods) {
		t.Errorf("%+v, want %+v", got.Methods, c.Methods)
	}
	r.put(t, Contacts, "bob", `{"methods": []}`)
	if _, err := r.opts.Library.Put(t.Context(), Contacts, "zoe", json.RawMessage(`{"methods": [{"kind": "http", "to": "(secret)"}]}`), "", 0); err == nil {
		t.Error("an address that nobody knows is kept")
	}
}

func TestLinkAcknowledges(t *testing.T) {
	docs := &shelf{docs: map[string]medium.Document{}}
	r := newRig(t, docs)
	people(t, r)
	links := NewLinks(r.opts.Documents, "http://hulotte.example/sub/")
	r.opts.AckURL = links.URL
	r.held = []alert.Alert{{Fingerprint: "1", State: alert.Active, Labels: map[string]string{"alertname": "<b>Down"}, StartsAt: start}}
	who, err := r.Recipients(t.Context(), ask("1"))
	if err != nil || !strings.HasPrefix(who[0].AckURL, "http://hulotte.example/sub/ack/") {
		t.Fatalf("%+v, %v", who, err)
	}
	var acked []string
	page := &Page{Links: NewLinks(r.opts.Documents, "/"), Engine: r.Engine, Alerts: r.opts.Alerts, Log: slog.New(slog.DiscardHandler),
		Acknowledge: func(_ context.Context, fps []string, ack alert.Ack) error {
			acked = append(acked, fmt.Sprintf("%v %s %s %v", fps, ack.By, ack.Comment, ack.Until.IsZero()))
			return nil
		}}
	path := strings.TrimPrefix(who[0].AckURL, "http://hulotte.example/sub")
	f := func(method, path string, form url.Values, status int, want ...string) {
		t.Helper()
		req := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		page.ServeHTTP(w, req)
		if w.Code != status {
			t.Errorf("%s %s: %d, want %d", method, path, w.Code, status)
		}
		for _, x := range want {
			if !strings.Contains(w.Body.String(), x) {
				t.Errorf("%s %s lacks %q:\n%s", method, path, x, w.Body)
			}
		}
	}
	f("GET", path, nil, 200, "&lt;b&gt;Down", "Acknowledge as ann")
	if len(acked) != 0 {
		t.Errorf("to look acknowledges: %q", acked)
	}
	f("POST", path, url.Values{"comment": {"on it"}, "for": {"1h"}}, 200, "Thank you, ann")
	f("POST", path, url.Values{"for": {"soon"}}, 400, "write a time")
	f("POST", path, nil, 200, "Thank you")
	if want := []string{"[1] ann on it false", "[1] ann acknowledged from a notification true"}; !slices.Equal(acked, want) {
		t.Errorf("acknowledged %q, want %q", acked, want)
	}
	f("PUT", path, nil, http.StatusMethodNotAllowed)
	f("GET", path[:len(path)-3], nil, 404, "not one of this server")
	f("GET", "/ack/x", nil, 404)
	forged := []byte(path)
	forged[len("/ack/")+3] ^= 1
	f("GET", string(forged), nil, 404)
	if _, _, err := links.Read(path[len("/ack/"):], time.Now().Add(8*24*time.Hour)); err == nil || !strings.Contains(err.Error(), "older than a week") {
		t.Errorf("an old link: %v", err)
	}
	r.held = nil
	f("GET", path, nil, 200, "It is over")
}
