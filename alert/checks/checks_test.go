package checks

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/notify"
)

// board is an engine whose checks a test sets.
type board struct {
	mu        sync.Mutex
	views     map[string]check.View
	downtimes []check.Downtime
}

func (b *board) Views(filter func(*check.View) bool) (out []check.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range b.views {
		if filter(&v) {
			out = append(out, v)
		}
	}
	return out
}

func (b *board) View(id string) (check.View, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.views[id]
	return v, ok
}

func (b *board) Hosts() []check.Host {
	return []check.Host{{Name: "web1", Runbook: "https://wiki/web1"}}
}
func (b *board) Downtimes() []check.Downtime { return b.downtimes }

// phone notes what was told.
type phone struct {
	mu    sync.Mutex
	start time.Time
	calls []string
}

func (p *phone) Notify(_ context.Context, alerts ...*amalert.Alert) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var told []string
	for _, a := range alerts {
		told = append(told, fmt.Sprintf("%s %s/%s %s", a.Status(), a.Labels["host"], a.Labels["check"], a.Labels["severity"]))
	}
	slices.Sort(told)
	p.calls = append(p.calls, fmt.Sprintf("%s: %s", time.Since(p.start), strings.Join(told, ", ")))
	return false, nil
}

type everything struct{}

func (everything) SendResolved() bool { return true }

// rig is a bridge between a board and a manager, on a clock of its own.
type rig struct {
	*board
	bridge  *Bridge
	manager *manager.Manager
	phone   *phone
}

const routes = `
route: {receiver: phone, group_by: [host], group_wait: 10s, group_interval: 1m, repeat_interval: 1h}
receivers:
- name: phone
  ntfy_configs: [{topic: x}]
`

func start(t *testing.T) *rig {
	t.Helper()
	p := &phone{start: time.Now()}
	m, err := manager.New(manager.Options{
		Inhibit: Inhibitions(),
		Build: func(string, []notify.Extra, *template.Template) ([]amnotify.Integration, error) {
			return []amnotify.Integration{amnotify.NewIntegration(p, everything{}, "phone", 0, "phone")}, nil
		},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, err := manager.ReadConfig([]byte(routes), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(c); err != nil {
		t.Fatal(err)
	}
	b := &board{views: map[string]check.View{}}
	external, err := url.Parse("http://hulotte.example:9070/sub/")
	if err != nil {
		t.Fatal(err)
	}
	bridge := New(Options{Engine: b, Alerts: m, ExternalURL: external}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	wg.Go(func() { _ = bridge.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	synctest.Wait() // the first turn is over
	return &rig{b, bridge, m, p}
}

// set says how a check is; edit may say more.
func (r *rig) set(name string, status model.Status, edit ...func(*check.View)) {
	v := check.View{
		ID: "web1/" + name, Spec: check.Spec{Host: "web1", Name: name},
		State:  check.State{Status: status, Hard: true, HardStatus: status, HardSince: time.Now(), Told: status, Output: "as it is"},
		Labels: map[string]string{"host": "web1", "check": name, "team": "web"},
	}
	for _, e := range edit {
		e(&v)
	}
	r.mu.Lock()
	r.views[v.ID] = v
	r.mu.Unlock()
	r.bridge.Poke()
}

func (r *rig) want(t *testing.T, want ...string) {
	t.Helper()
	r.phone.mu.Lock()
	defer r.phone.mu.Unlock()
	if !slices.Equal(r.phone.calls, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(r.phone.calls, "\n"), strings.Join(want, "\n"))
	}
	r.phone.calls = nil
}

func TestProblemIsToldAndOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.set("http", model.Critical, func(v *check.View) { v.Spec.Service = "nginx"; v.Long = "line 2" })
		r.set("soft", model.Critical, func(v *check.View) { v.Hard = false })
		r.set("night", model.Critical, func(v *check.View) { v.Told = model.OK })
		r.set("behind", model.Critical, func(v *check.View) { v.Handled = "unreachable" })
		time.Sleep(30 * time.Minute)
		got := r.manager.Alerts(nil)
		if len(got) != 1 {
			t.Fatalf("%d alerts: %+v", len(got), got)
		}
		a := got[0]
		if want := (map[string]string{"alertname": "CheckProblem", "host": "web1", "check": "http", "severity": "critical", "service": "nginx", "team": "web"}); fmt.Sprint(a.Labels) != fmt.Sprint(want) {
			t.Errorf("labels %v, want %v", a.Labels, want)
		}
		if want := (map[string]string{"summary": "http on web1 is CRITICAL: as it is", "description": "line 2", "runbook_url": "https://wiki/web1"}); fmt.Sprint(a.Annotations) != fmt.Sprint(want) {
			t.Errorf("annotations %v, want %v", a.Annotations, want)
		}
		if a.GeneratorURL != "http://hulotte.example:9070/sub/checks/web1/http" || a.Source != alert.FromCheck || !a.StartsAt.Equal(r.phone.start) {
			t.Errorf("%+v", a)
		}
		r.set("http", model.OK)
		time.Sleep(10 * time.Minute)
		r.want(t, "10.1s: firing web1/http critical", "30m10.1s: resolved web1/http critical")
	})
}

// A problem that gets worse, and better, is told each time, and never as over before it is.
func TestSeverityChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		for _, status := range []model.Status{model.Warning, model.Critical, model.Unknown, model.Warning, model.OK} {
			r.set("disk", status)
			time.Sleep(10 * time.Minute)
		}
		r.want(t, "10.1s: firing web1/disk warning", "10m10.1s: firing web1/disk critical", "20m10.1s: firing web1/disk unknown",
			"30m10.1s: firing web1/disk warning", "40m10.1s: resolved web1/disk warning")
	})
}

// What runs on a host that went down is told of no more, and is not said to be over.
func TestHostDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.set("http", model.Critical)
		time.Sleep(5 * time.Minute)
		r.set(check.HostCheck, model.Critical)
		r.set("http", model.Critical, func(v *check.View) { v.Handled = "host" })
		r.set("ssh", model.Critical, func(v *check.View) { v.Handled = "host"; v.Told = model.OK })
		time.Sleep(2 * time.Hour)
		r.set(check.HostCheck, model.OK)
		r.set("ssh", model.OK)
		r.set("http", model.OK)
		time.Sleep(5 * time.Minute)
		r.want(t, "10.1s: firing web1/http critical", "5m10.1s: firing web1/host critical", "1h6m10.1s: firing web1/host critical",
			"2h5m10.1s: resolved web1/host critical, resolved web1/http critical")
	})
}

func TestFlappingIsOneProblem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.set("http", model.Critical)
		time.Sleep(5 * time.Minute)
		for i := range 20 {
			status := []model.Status{model.OK, model.Critical}[i%2]
			r.set("http", status, func(v *check.View) { v.Flapping = true; v.Handled = "flapping" })
			time.Sleep(time.Minute)
		}
		r.set("http", model.OK)
		time.Sleep(5 * time.Minute)
		r.want(t, "10.1s: firing web1/http critical", "25m10.1s: resolved web1/http critical")
	})
}

func TestAcknowledgedIsQuietUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.set("http", model.Critical)
		time.Sleep(5 * time.Minute)
		ack := func(v *check.View) {
			v.Ack, v.Handled = &check.Ack{By: "ann", Comment: "on it", At: time.Now()}, "acknowledged"
		}
		r.set("http", model.Critical, ack)
		time.Sleep(90 * time.Minute)
		a := r.manager.Alerts(nil)
		if len(a) != 1 || a[0].State != alert.Suppressed || a[0].Ack == nil || a[0].Ack.By != "ann" || a[0].Ack.Comment != "on it" {
			t.Errorf("%+v", a)
		}
		if got := r.manager.SilencesWith(annotation); len(got) != 1 {
			t.Errorf("%d silences: %v", len(got), got)
		}
		r.set("http", model.OK)
		time.Sleep(5 * time.Minute)
		if got := r.manager.SilencesWith(annotation); len(got) != 0 {
			t.Errorf("silences are left: %v", got)
		}
		r.want(t, "10.1s: firing web1/http critical", "1h35m10.1s: resolved web1/http critical")
	})
}

// A problem that begins in a downtime is shown and not told; when the downtime ends before it, it is told.
func TestDowntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.downtimes = []check.Downtime{{ID: "d1", By: "bob", Comment: "new disks", Created: time.Now(), Start: time.Now(), End: time.Now().Add(time.Hour)}}
		in := func(v *check.View) {
			v.InDowntime, v.Downtimes, v.Handled, v.Told = true, []string{"d1"}, "downtime", model.OK
		}
		r.set("http", model.Critical, in)
		r.set("short", model.Critical, in)
		time.Sleep(30 * time.Minute)
		for _, s := range r.manager.SilencesWith(annotation) {
			if s.CreatedBy != "bob" || s.Comment != "new disks" || !s.End.Equal(r.downtimes[0].End) {
				t.Errorf("%+v", s)
			}
		}
		r.set("short", model.OK)
		time.Sleep(30 * time.Minute)
		r.set("http", model.Critical)
		time.Sleep(5 * time.Minute)
		r.want(t, "1h0m10.1s: firing web1/http critical")
	})
}
