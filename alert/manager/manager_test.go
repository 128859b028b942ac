package manager

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	amcommon "github.com/prometheus/alertmanager/config/common"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// shelf is documents in memory: as much of medium.Documents as a manager uses.
type shelf struct {
	medium.Documents

	mu      sync.Mutex
	docs    map[string]medium.Document
	next    medium.Version
	away    bool
	changed chan struct{}
}

func newShelf() *shelf {
	return &shelf{docs: map[string]medium.Document{}, changed: make(chan struct{})}
}

var errAway = errors.New("it is away")

func (s *shelf) get() (medium.Documents, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	return s, nil
}

func (s *shelf) Get(_ context.Context, kind, key string) (medium.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.docs[kind+"/"+key]
	if !ok {
		return d, medium.ErrNotFound
	}
	return d, nil
}

func (s *shelf) Put(_ context.Context, kind, key string, value []byte, expected medium.Version) (medium.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs[kind+"/"+key].Version != expected {
		return 0, medium.ErrConflict
	}
	s.next++
	s.docs[kind+"/"+key] = medium.Document{Kind: kind, Key: key, Version: s.next, Value: value}
	close(s.changed)
	s.changed = make(chan struct{})
	return s.next, nil
}

func (s *shelf) Delete(_ context.Context, kind, key string, _ medium.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.docs, kind+"/"+key)
	return nil
}

func (s *shelf) all(kind string) (out []medium.Document, changed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(s.docs)) {
		if s.docs[k].Kind == kind {
			out = append(out, s.docs[k])
		}
	}
	return out, s.changed
}

func (s *shelf) List(_ context.Context, kind, _ string) iter.Seq2[medium.Document, error] {
	return func(yield func(medium.Document, error) bool) {
		docs, _ := s.all(kind)
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func (s *shelf) Watch(ctx context.Context, kind string) iter.Seq2[medium.Change, error] {
	return func(yield func(medium.Change, error) bool) {
		for {
			docs, changed := s.all(kind)
			for _, d := range docs {
				if !yield(medium.Change{Type: medium.Put, Document: d}, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(medium.Change{}, ctx.Err())
				return
			}
		}
	}
}

// phone notes what was told.
type phone struct {
	mu    sync.Mutex
	start time.Time
	calls []string
	fail  error
}

func (p *phone) Notify(_ context.Context, alerts ...*amalert.Alert) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return true, p.fail
	}
	var names []string
	for _, a := range alerts {
		names = append(names, string(a.Labels["host"])+" "+string(a.Status()))
	}
	slices.Sort(names)
	p.calls = append(p.calls, fmt.Sprintf("%s: %s", time.Since(p.start).Round(time.Second), strings.Join(names, ", ")))
	return false, nil
}

func (p *phone) told() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func (p *phone) want(t *testing.T, want ...string) {
	t.Helper()
	if calls := p.told(); !slices.Equal(calls, want) {
		t.Errorf("%s: told\n%s\nwant\n%s", time.Since(p.start), strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
}

const usual = `
route: {receiver: people, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers:
- name: people
  webhook_configs: [{url_file: x}]
`

// begin starts a manager; what it returns ends it, as a crash when it is told so.
func begin(t *testing.T, p *phone, docs *shelf, position int, config string) (*Manager, func()) {
	t.Helper()
	o := Options{
		Documents: docs.get, Position: func() int { return position },
		Wrap: func(receiver string, i amnotify.Integration) amnotify.Integration {
			return amnotify.NewIntegration(p, &i, i.Name(), i.Index(), receiver)
		},
	}
	m, err := New(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig([]byte(config), "/x")
	if err == nil {
		err = errors.Join(m.Load(t.Context()), m.Apply(c))
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	return m, func() { cancel(); <-done }
}

func firing(host string) alert.Alert {
	return alert.Alert{Labels: map[string]string{"alertname": "Down", "host": host}, EndsAt: time.Now().Add(time.Hour)}
}

func put(t *testing.T, m *Manager, alerts ...alert.Alert) {
	t.Helper()
	if err := m.Put(t.Context(), alert.FromRule, alerts...); err != nil {
		t.Error(err)
	}
}

func TestToldOnceTogetherAndWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &phone{start: time.Now()}
		m, end := begin(t, p, newShelf(), 0, usual)
		put(t, m, firing("a"))
		time.Sleep(10 * time.Second)
		put(t, m, firing("b"), firing("a"))
		time.Sleep(time.Minute)
		p.want(t, "30s: a firing, b firing")
		if all := m.Alerts(nil); len(all) != 2 || all[0].Labels["host"] != "a" || all[0].State != alert.Active || all[0].Source != alert.FromRule || !slices.Equal(all[0].Receivers, []string{"people"}) {
			t.Errorf("the alerts are %+v", all)
		}
		over := firing("a")
		over.EndsAt = time.Now().Add(-time.Second)
		put(t, m, over)
		time.Sleep(5 * time.Minute)
		p.want(t, "30s: a firing, b firing", "5m30s: a resolved, b firing")
		end()
	})
}

// What was told, and what is silent, is known after a crash.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, docs := &phone{start: time.Now()}, newShelf()
		m, end := begin(t, p, docs, 0, usual)
		put(t, m, firing("a"))
		id, err := m.SetSilence(t.Context(), Silence{Matchers: []Matcher{{Name: "host", Value: "b|c", Regexp: true}}, Start: time.Now(), End: time.Now().Add(time.Hour), CreatedBy: "Anna", Comment: "moving"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		p.want(t, "30s: a firing")
		crashed := newShelf()
		crashed.docs = maps.Clone(docs.docs) // what the medium has at this moment
		crashed.next = docs.next
		end()

		m, end = begin(t, p, crashed, 0, usual)
		put(t, m, firing("a"), firing("b"))
		time.Sleep(50 * time.Minute)
		p.want(t, "30s: a firing") // b is silent, and of a they know
		if s, ok := m.Silence(id); !ok || s.CreatedBy != "Anna" || len(s.Matchers) != 1 || !s.Matchers[0].Regexp {
			t.Errorf("the silence is %+v", s)
		}
		end()
	})
}

// An alert that resolves while the process is away is said to be over; one that goes on is not told again.
func TestResolvedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, docs := &phone{start: time.Now()}, newShelf()
		m, end := begin(t, p, docs, 0, usual)
		put(t, m, firing("a"), firing("b"))
		time.Sleep(10 * time.Minute)
		p.want(t, "30s: a firing, b firing")
		end()
		time.Sleep(time.Hour)
		m, end = begin(t, p, docs, 0, usual)
		defer end()
		if all := m.Alerts(nil); len(all) != 2 || all[0].Source != alert.FromRule {
			t.Errorf("after the restart: %+v", all)
		}
		time.Sleep(time.Minute)
		put(t, m, firing("b"))
		time.Sleep(30 * time.Minute)
		p.want(t, "30s: a firing, b firing", "1h25m0s: a resolved, b firing")
		if all := m.Alerts(nil); len(all) != 1 {
			t.Errorf("half an hour later: %+v", all)
		}
	})
}

func TestLongAlertIsRefused(t *testing.T) {
	m, err := New(Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig([]byte(usual), "")
	if err == nil {
		err = m.Apply(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	long := firing("long")
	long.Annotations = map[string]string{"summary": strings.Repeat("x", maxAlertBytes)}
	put(t, m, long, firing("a"))
	if all := m.Alerts(nil); len(all) != 1 || all[0].Labels["host"] != "a" {
		t.Errorf("held: %+v", all)
	}
}

// Nobody is told of what no route names; who names it is.
func TestUnheard(t *testing.T) {
	c, err := ReadConfig([]byte(usual), "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{Unheard: []string{"Watchdog", "Other"}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c.Alertmanager.Route.Routes = append(c.Alertmanager.Route.Routes, &amconfig.Route{Receiver: "people", MatchRE: amcommon.MatchRegexps{"alertname": amcommon.Regexp{Regexp: regexp.MustCompile("^(?:Oth.*)$")}}})
	r, err := m.prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Watchdog": UnheardReceiver, "Other": "people", "Down": "people"} {
		if got := r.route.Match(model.LabelSet{"alertname": model.LabelValue(name)})[0].RouteOpts.Receiver; got != want {
			t.Errorf("%s goes to %q, want %q", name, got, want)
		}
	}
}

func TestAcknowledgementEndsOnRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &phone{start: time.Now()}
		m, end := begin(t, p, newShelf(), 0, usual)
		a := firing("a")
		put(t, m, a)
		fp := Fingerprint(a.Labels)
		ack := alert.Ack{By: "Anna", Comment: "I look at it"}
		if err := m.Acknowledge(t.Context(), []string{fp, "0123456789abcdef"}, ack); err == nil || !strings.Contains(err.Error(), "there is no alert 0123456789abcdef") {
			t.Errorf("an alert that is not there: %v", err)
		}
		for _, bad := range []alert.Ack{{By: "Anna"}, {Comment: "x", Until: time.Now().Add(-time.Second)}} {
			if m.Acknowledge(t.Context(), []string{fp}, bad) == nil {
				t.Errorf("%+v is taken", bad)
			}
		}
		time.Sleep(time.Minute)
		p.want(t)
		if all := m.Alerts(nil); len(all) != 1 || all[0].State != alert.Suppressed || all[0].Ack == nil || all[0].Ack.By != "Anna" || !all[0].Ack.Until.IsZero() {
			t.Errorf("the alerts are %+v", all)
		}
		a.EndsAt = time.Now()
		put(t, m, a)
		time.Sleep(time.Minute)
		if acks := m.acks(); len(acks) != 0 {
			t.Errorf("the alert is over, and the acknowledgements are %+v", acks)
		}
		put(t, m, firing("a")) // it comes again: somebody must hear
		time.Sleep(10 * time.Minute)
		if calls := p.told(); len(calls) != 1 || !strings.HasSuffix(calls[0], ": a firing") {
			t.Errorf("told %v", calls)
		}
		if err := m.Acknowledge(t.Context(), []string{fp}, ack); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // of two changes in one nanosecond Alertmanager keeps the first
		if err := m.Unacknowledge(t.Context(), []string{fp}); err != nil {
			t.Error(err)
		}
		if err := m.Unacknowledge(t.Context(), []string{fp}); err == nil {
			t.Error("it is taken back twice")
		}
		end()
	})
}

// Two nodes get the same alerts: people hear once.
func TestTwoNodesTellOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, docs := &phone{start: time.Now()}, newShelf()
		first, endFirst := begin(t, p, docs, 0, usual)
		second, endSecond := begin(t, p, docs, 1, usual)
		put(t, first, firing("a"))
		put(t, second, firing("a"))
		time.Sleep(2 * time.Minute)
		p.want(t, "30s: a firing")
		if _, err := second.SetSilence(t.Context(), Silence{Matchers: []Matcher{{Name: "host", Value: "a"}}, Start: time.Now(), End: time.Now().Add(time.Hour), CreatedBy: "x", Comment: "y"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if all := first.Alerts(nil); len(all) != 1 || all[0].State != alert.Suppressed {
			t.Errorf("a silence of the other node is not heard of: %+v", all)
		}
		endFirst()
		put(t, second, firing("b")) // the first one is gone
		time.Sleep(10 * time.Minute)
		if calls := p.told(); len(calls) != 2 || !strings.HasSuffix(calls[1], "b firing") {
			t.Errorf("told %v", calls)
		}
		endSecond()
	})
}

// While the medium is away everything goes on, and is kept later.
func TestMediumAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, docs := &phone{start: time.Now()}, newShelf()
		m, end := begin(t, p, docs, 0, usual)
		docs.mu.Lock()
		docs.away = true
		docs.mu.Unlock()
		if _, err := m.SetSilence(t.Context(), Silence{Matchers: []Matcher{{Name: "host", Value: "b"}}, Start: time.Now(), End: time.Now().Add(time.Hour), CreatedBy: "x", Comment: "y"}); err != nil {
			t.Fatal(err)
		}
		put(t, m, firing("a"), firing("b"))
		time.Sleep(time.Minute)
		p.want(t, "30s: a firing")
		if len(docs.docs) != 0 {
			t.Errorf("kept: %v", docs.docs)
		}
		docs.mu.Lock()
		docs.away = false
		docs.mu.Unlock()
		time.Sleep(time.Minute)
		if s, _ := docs.all(silenceKind); len(s) != 1 {
			t.Errorf("the silence is not kept: %v", docs.docs)
		}
		if l, _ := docs.all(logKind); len(l) != 1 {
			t.Errorf("what was told is not kept: %v", docs.docs)
		}
		end()
	})
}

func TestTooManyAlerts(t *testing.T) {
	m, err := New(Options{MaxAlerts: 2}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig([]byte(DefaultConfig), "/")
	if err == nil {
		err = m.Apply(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, firing("a"), firing("b"))
	if err := m.Put(t.Context(), alert.FromRule, firing("a"), firing("c")); err == nil || !strings.Contains(err.Error(), "no new ones are taken") {
		t.Errorf("a third alert: %v", err)
	}
	if all := m.Alerts(nil); len(all) != 2 {
		t.Errorf("%d alerts", len(all))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestBadConfigChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &phone{start: time.Now()}
		m, end := begin(t, p, newShelf(), 0, usual)
		put(t, m, firing("a"))
		bad, err := ReadConfig([]byte("route: {receiver: r}\nreceivers: [{name: r, ntfy_configs: [{topic: x}]}]"), "/x")
		if err == nil {
			err = m.Apply(bad)
		}
		if err == nil || !strings.Contains(err.Error(), `receiver "r": ntfy_configs is not known`) {
			t.Errorf("a receiver that nobody makes: %v", err)
		}
		time.Sleep(time.Minute)
		p.want(t, "30s: a firing")
		good, err := ReadConfig([]byte(strings.ReplaceAll(usual, "people", "others")), "/x")
		if err == nil {
			err = m.Apply(good)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if all := m.Alerts(nil); len(all) != 1 || !slices.Equal(all[0].Receivers, []string{"others"}) {
			t.Errorf("with another configuration: %+v", all)
		}
		end()
	})
}

// What a damaged document holds is said, and harms nobody.
func FuzzTake(f *testing.F) {
	docs := newShelf()
	reader := func(parse func([]byte) (string, time.Time, error)) *kept {
		return &kept{kind: silenceKind, docs: docs.get, parse: parse, merge: func([]byte) error { return nil }, log: slog.New(slog.DiscardHandler), known: map[string][32]byte{}}
	}
	k, l := reader(parseSilence), reader(parseLogEntry)
	f.Add([]byte(`{"data":"CgI=","expires":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"data":"////","expires":"x"}`))
	f.Fuzz(func(_ *testing.T, value []byte) {
		k.take(medium.Document{Key: "k", Value: value})
		l.take(medium.Document{Key: "k", Value: value})
	})
}
