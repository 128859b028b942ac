package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"
	promtest "github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// line is an integration whose answer a test chooses.
type line struct {
	retry bool
	err   error
	f     func(ctx context.Context)
}

func (l *line) SendResolved() bool { return false }
func (l *line) Notify(ctx context.Context, _ ...*amalert.Alert) (bool, error) {
	if l.f != nil {
		l.f(ctx)
	}
	return l.retry, l.err
}

func (l *line) wrapped(n *Notifier) *amnotify.Integration {
	i := n.Wrap("team", amnotify.NewIntegration(l, l, "webhook", 2, "team"))
	return &i
}

func TestEveryTryIsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changed := 0
		reg := prometheus.NewRegistry()
		n, err := New(Options{Changed: func() { changed++ }}, slog.New(slog.DiscardHandler), reg)
		if err != nil {
			t.Fatal(err)
		}
		cause := amnotify.NewErrorWithReason(amnotify.RateLimitedReason, errors.New("too many"))
		l := &line{retry: true, err: cause, f: func(context.Context) { time.Sleep(2 * time.Second) }}
		i := l.wrapped(n)
		if i.SendResolved() || i.Name() != "webhook" || i.Index() != 2 {
			t.Errorf("wrapped it is %v", i)
		}
		begin := time.Now().UTC()
		ctx := group(t.Context(), `{}:{alertname="Down"}`)
		a, b := raised("web1", "critical", "x"), over(raised("web2", "critical", "x"))
		for range 2 {
			if retry, err := i.Notify(ctx, a, b); !retry || !errors.Is(err, cause) {
				t.Errorf("retry %t, %v", retry, err)
			}
		}
		want(t, "failing", len(n.Failing()), 1)
		if f := n.Failing()[0]; f.Receiver != "team" || f.Integration != "webhook" || f.Index != 2 || !f.Since.Equal(begin) || f.Error != "too many" {
			t.Errorf("failing: %+v", f)
		}
		l.err, l.retry = nil, false
		if _, err := i.Notify(ctx, a, b); err != nil {
			t.Error(err)
		}
		if retry, err := i.Notify(ctx, a, b); retry || err != nil {
			t.Error(retry, err)
		}
		all := n.Deliveries(Filter{})
		if len(all) != 4 || changed != 4 || len(n.Failing()) != 0 {
			t.Fatalf("%d deliveries, %d changes, failing %v", len(all), changed, n.Failing())
		}
		d := all[2] // the second try
		told := []alert.Told{{Fingerprint: a.Fingerprint().String(), Name: "Down", Status: "firing"}, {Fingerprint: b.Fingerprint().String(), Name: "Down", Status: "resolved"}}
		wanted := alert.Delivery{
			ID: d.ID, At: begin.Add(2 * time.Second), Receiver: "team", Integration: "webhook", Index: 2, GroupKey: `{}:{alertname="Down"}`,
			GroupLabels: map[string]string{"alertname": "Down"}, Alerts: told, Attempt: 2, Seconds: 2, Retry: true, Error: "too many",
		}
		want(t, "the second try", fmt.Sprintf("%+v", d), fmt.Sprintf("%+v", wanted))
		if all[1].Attempt != 3 || !all[1].OK || all[1].Retry || all[0].Attempt != 1 {
			t.Errorf("the third try is %+v, the next notification %+v", all[1], all[0])
		}
		const counted = `
# HELP hulotte_notify_deliveries_total Tries to tell somebody, by result: ok, retry (failed, and tried again), failed, canceled.
# TYPE hulotte_notify_deliveries_total counter
hulotte_notify_deliveries_total{integration="webhook",receiver="team",result="ok"} 2
hulotte_notify_deliveries_total{integration="webhook",receiver="team",result="retry"} 2
`
		if err := promtest.GatherAndCompare(reg, strings.NewReader(counted), "hulotte_notify_deliveries_total"); err != nil {
			t.Error(err)
		}
		if problems, err := promtest.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := newNotifier(t, Options{})
		l := &line{}
		i := l.wrapped(n)
		for k := range 120 {
			l.err = nil
			if k%10 == 0 {
				l.err = errors.New("no")
			}
			_, _ = i.Notify(group(t.Context(), "g"), raised(fmt.Sprint("web", k), "critical", ""))
			time.Sleep(time.Second)
		}
		f := func(f Filter, count int) {
			t.Helper()
			all := n.Deliveries(f)
			if len(all) != count {
				t.Errorf("%+v finds %d, want %d", f, len(all), count)
			}
			for i := range all[:max(len(all)-1, 0)] {
				if all[i].At.Before(all[i+1].At) {
					t.Errorf("%+v: not the newest first", f)
				}
			}
		}
		f(Filter{}, 100)
		f(Filter{Limit: 7}, 7)
		f(Filter{Limit: 1000}, 120)
		f(Filter{Failed: true}, 12)
		f(Filter{Receiver: "team", Limit: 1}, 1)
		f(Filter{Receiver: "others"}, 0)
		f(Filter{Fingerprint: raised("web5", "critical", "").Fingerprint().String()}, 1)
		f(Filter{Since: time.Now().Add(-10 * time.Second)}, 10)
		n.InForce(map[string][]amnotify.Integration{"team": {*i}})
		want(t, "counters", promtest.CollectAndCount(n.metrics.deliveries), 2)
		want(t, "failing", len(n.Failing()), 0)
		n.InForce(nil)
		want(t, "failing", n.Failing(), []Failing{})
	})
}

// What ends a try from our side says nothing about the receiver; what panics is a failure.
func TestInterruptedAndPanics(t *testing.T) {
	n, _ := newNotifier(t, Options{})
	l := &line{}
	i := l.wrapped(n)
	ctx, cancel := context.WithCancel(group(t.Context(), "g"))
	l.f, l.err = func(context.Context) { cancel() }, context.Canceled
	_, _ = i.Notify(ctx, raised("a", "critical", ""))
	if d := n.Deliveries(Filter{})[0]; d.Error != "interrupted: context canceled" || d.Retry || len(n.Failing()) != 0 {
		t.Errorf("%+v, failing %v", d, n.Failing())
	}
	l.f = func(context.Context) { panic("oh") }
	if retry, err := i.Notify(group(t.Context(), "g"), raised("a", "critical", "")); retry || err == nil || !strings.Contains(err.Error(), "BUG: the receiver panics: oh") {
		t.Error(retry, err)
	}
	want(t, "failing", len(n.Failing()), 1)
}

// Alertmanager's own receivers may say where they call, with a token in it.
func TestErrorsOfOthersAreRedacted(t *testing.T) {
	n, log := newNotifier(t, Options{})
	inner := &url.Error{Op: "Post", URL: "https://api.telegram.org/bot123:TOKEN/sendMessage", Err: errors.New("connection refused")}
	l := &line{retry: true, err: fmt.Errorf("telebot: %w; see also https://me:TOKEN@host.example and https://docs.example", inner)}
	_, err := l.wrapped(n).Notify(group(t.Context(), "g"), raised("a", "critical", ""))
	const clean = `telebot: Post "<redacted>": connection refused; see also https://host.example/<redacted> and https://docs.example`
	if err == nil || err.Error() != clean || !errors.Is(err, inner) {
		t.Errorf("the error is %v", err)
	}
	text, _ := json.Marshal(n.Deliveries(Filter{}))
	if strings.Contains(string(text)+log.String(), "TOKEN") {
		t.Errorf("%s\n%s", text, log)
	}
}

// begin runs a Notifier; what it returns ends it.
func begin(t *testing.T, s *shelf) (*Notifier, func()) {
	t.Helper()
	n, _ := newNotifier(t, Options{Documents: s.get})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }()
	synctest.Wait()
	return n, func() { cancel(); <-done }
}

func TestLogSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		n, end := begin(t, s)
		other, endOther := begin(t, s)
		l := &line{err: errors.New("no"), retry: true}
		i := l.wrapped(n)
		for range 300 {
			_, _ = i.Notify(group(t.Context(), "g"), raised("a", "critical", ""))
		}
		time.Sleep(2 * time.Second)
		want(t, "what the other node knows", len(other.Deliveries(Filter{Limit: 1000})), 300)
		want(t, "what fails, for the other node", len(other.Failing()), 1)
		want(t, "what waits", promtest.ToFloat64(n.metrics.keepWaiting), 0)
		docs, _ := s.all(deliveryKind)
		if len(docs) < 2 || len(docs) > 4 {
			t.Errorf("%d documents", len(docs))
		}
		for _, d := range docs {
			if len(d.Value) > 2*batchBytes {
				t.Errorf("a document of %d bytes", len(d.Value))
			}
		}
		time.Sleep(5 * 24 * time.Hour)
		_, _ = i.Notify(group(t.Context(), "g"), raised("b", "critical", ""))
		end() // at once: the last is kept
		endOther()

		n, end = begin(t, s)
		want(t, "after a restart", len(n.Deliveries(Filter{Limit: 1000})), 301)
		want(t, "failing after a restart", len(n.Failing()), 1)
		time.Sleep(3 * 24 * time.Hour)
		_, _ = l.wrapped(n).Notify(group(t.Context(), "g"), raised("c", "critical", ""))
		want(t, "after a week", len(n.Deliveries(Filter{Limit: 1000})), 2)
		time.Sleep(2 * time.Hour)
		docs, _ = s.all(deliveryKind)
		want(t, "documents after a week", len(docs), 2)
		end()
	})
}

// While the medium is away sending goes on, memory does not grow for ever, and what fits is kept later.
func TestLogMediumAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.away = true
		n, end := begin(t, s)
		i := (&line{}).wrapped(n)
		for range maxPending + 100 {
			_, _ = i.Notify(group(t.Context(), "g"), raised("a", "critical", ""))
		}
		time.Sleep(time.Minute)
		want(t, "dropped", promtest.ToFloat64(n.metrics.logDropped), 100)
		s.mu.Lock()
		s.away = false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		want(t, "waiting", promtest.ToFloat64(n.metrics.keepWaiting), 0)
		end()
		n, end = begin(t, s)
		want(t, "kept", n.told.size(), maxPending)
		end()
	})
}

func TestLogIsBounded(t *testing.T) {
	l := newDeliveryLog()
	now := time.Now()
	for i := range maxLogEntries + 500 {
		l.add(&alert.Delivery{ID: fmt.Sprint(i), At: now, GroupKey: strings.Repeat("x", i%1000)}, false)
	}
	if l.size() > maxLogEntries || l.bytes > maxLogBytes || len(l.ids) != l.size() {
		t.Errorf("%d entries, %d bytes, %d IDs", l.size(), l.bytes, len(l.ids))
	}
	for i := range 100 {
		l.add(&alert.Delivery{ID: fmt.Sprint("big", i), At: now.Add(time.Second), Answer: strings.Repeat("x", 1<<20)}, false)
	}
	if l.bytes > maxLogBytes {
		t.Errorf("%d bytes", l.bytes)
	}
}

// The clock of a machine is put back by a day: what happens afterwards counts, and what was sent "tomorrow" does not use up the hour.
func TestClockPutBack(t *testing.T) {
	l := newDeliveryLog()
	tg := target{"team", "sms", 0}
	now := time.Now()
	l.add(&alert.Delivery{ID: "1", At: now.Add(24 * time.Hour), Receiver: "team", Integration: "sms", Error: "no"}, true)
	l.add(deliveredAt(tg, now.Add(23*time.Hour)), false)
	want(t, "failing", len(l.failing()), 1)
	l.add(deliveredAt(tg, now), true)
	want(t, "failing", len(l.failing()), 0)
	sent, _ := l.sent(tg, now)
	want(t, "sent within an hour", sent, 1)
}

func TestTestSending(t *testing.T) {
	n, _ := newNotifier(t, Options{})
	fails := &line{retry: true, err: errors.New("no")}
	works := &line{}
	loose := amnotify.NewIntegration(works, works, "email", 0, "team")
	all := n.Test(t.Context(), "team", []amnotify.Integration{*fails.wrapped(n), *works.wrapped(n), loose}, map[string]string{"host": "web1"})
	if len(all) != 3 || all[0].OK || all[0].Error != "no" || all[0].Retry || !all[1].OK || !all[2].OK || all[2].Integration != "email" {
		t.Errorf("%+v", all)
	}
	for _, d := range n.Deliveries(Filter{}) {
		if !d.Test || d.Alerts[0].Name != "TestNotification" || d.Alerts[0].Status != "firing" {
			t.Errorf("in the log: %+v", d)
		}
	}
	want(t, "in the log", len(n.Deliveries(Filter{})), 3)
}

// FuzzReadBatch: whatever a document holds is read or refused.
func FuzzReadBatch(f *testing.F) {
	f.Add([]byte(`{"deliveries":[{"id":"a","at":"2026-01-01T00:00:00Z","receiver":"r","alerts":[{"name":"x"}],"ok":true}]}`))
	f.Add([]byte(`{"deliveries":[null]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		all, err := readBatch(value)
		if err != nil {
			return
		}
		l := newDeliveryLog()
		for _, d := range all {
			l.add(d, true)
		}
		l.find(Filter{Fingerprint: "x"})
		l.failing()
	})
}

var _ medium.Documents = (*shelf)(nil)

// hanging is a medium that takes nothing and says nothing.
type hanging struct{ *shelf }

func (hanging) Put(ctx context.Context, _, _ string, _ []byte, _ medium.Version) (medium.Version, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// A medium that hangs delays nobody.
func TestSendingNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hanging{newShelf()}
		n, _ := newNotifier(t, Options{Documents: func() (medium.Documents, error) { return s, nil }})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = n.Run(ctx) }()
		i := (&line{}).wrapped(n)
		start := time.Now()
		for range 100 {
			_, _ = i.Notify(group(t.Context(), "g"), raised("a", "critical", ""))
		}
		time.Sleep(3 * time.Second) // now it is being written
		middle := time.Now()
		for range 100 {
			_, _ = i.Notify(group(t.Context(), "g"), raised("a", "critical", ""))
		}
		if d := time.Since(start) - middle.Sub(start); d != 0 || n.told.size() != 200 {
			t.Errorf("sending took %s, the log has %d", d, n.told.size())
		}
		cancel()
		<-done
	})
}

func BenchmarkWrap(b *testing.B) {
	n, err := New(Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	i := (&line{}).wrapped(n)
	ctx, a := group(b.Context(), "g"), raised("a", "critical", "")
	for b.Loop() {
		_, _ = i.Notify(ctx, a)
	}
}
