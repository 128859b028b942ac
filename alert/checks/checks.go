// Package checks raises an alert for each problem that a check found, so that one tree of routes decides who is told of anything. What
// people decided about a check (acknowledgements, downtimes) is shown to the alerts as silences.
package checks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	amconfig "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
	"go.yaml.in/yaml/v2"
)

// The names of the alerts.
const (
	HostDown     = "HostDown"
	CheckProblem = "CheckProblem"
)

// Alerts are where problems are raised; *manager.Manager is what it is for.
type Alerts interface {
	Put(ctx context.Context, source alert.Source, alerts ...alert.Alert) error
	SetSilence(ctx context.Context, s manager.Silence) (string, error)
	ExpireSilence(ctx context.Context, id string) error
	SilencesWith(annotation string) map[string]manager.Silence
}

// Engine knows the checks.
type Engine interface {
	Views(filter func(*check.View) bool) []check.View
	View(id string) (check.View, bool)
	Hosts() []check.Host
	Downtimes() []check.Downtime
}

// Options are what a Bridge is made of.
type Options struct {
	Engine      Engine
	Alerts      Alerts
	ExternalURL *url.URL // of our pages
	// Runbook names the procedure for an alert in its annotations, should they name none; nil knows none.
	Runbook func(labels, annotations map[string]string)
	// Every is how often alerts are raised again, so that they do not end by themselves; 0 is a minute.
	Every time.Duration
}

// Bridge raises alerts. Poke may be called by many goroutines.
type Bridge struct {
	opts   Options
	log    *slog.Logger
	poke   chan struct{}
	raised map[string]raised // by the check's ID
	count  prometheus.Gauge
	failed prometheus.Counter

	refreshed time.Time // when all alerts were last raised
	overflow  bool      // more silences are wanted than are made; said once
}

// raised is the alert of a check as it was last put.
type raised struct{ alert.Alert }

const (
	defaultEvery = time.Minute
	// lasts is for how many turns an alert is good without being raised again.
	lasts = 5
	// look is how often checks are looked at, should nobody poke, as when their states are read back after a restart.
	look = 5 * time.Second
	// settle is how long changes of one moment are gathered.
	settle = 100 * time.Millisecond
	// maxDescription bounds what a plugin says at length.
	maxDescription = 4 << 10
)

// New allocates a Bridge.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) *Bridge {
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	with := promauto.With(reg)
	return &Bridge{
		opts: o, log: log, poke: make(chan struct{}, 1), raised: map[string]raised{},
		count:  with.NewGauge(prometheus.GaugeOpts{Name: "hulotte_alert_checks_raised", Help: "Checks whose problem is raised as an alert."}),
		failed: with.NewCounter(prometheus.CounterOpts{Name: "hulotte_alert_checks_failures_total", Help: "Turns in which not all problems of checks could be raised."}),
	}
}

// Poke says that a check has changed. It does not block.
func (b *Bridge) Poke() {
	select {
	case b.poke <- struct{}{}:
	default: // somebody has
	}
}

// Run raises alerts until ctx ends.
func (b *Bridge) Run(ctx context.Context) error {
	tick := time.NewTicker(min(look, b.opts.Every))
	defer tick.Stop()
	for {
		if err := b.turn(ctx, time.Now()); err != nil && ctx.Err() == nil {
			b.failed.Inc()
			b.log.Warn("not all problems of checks could be raised as alerts", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-b.poke:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(settle):
			}
		}
	}
}

// turn makes alerts and silences what the checks are now. Silences come before the alerts that they keep quiet.
func (b *Bridge) turn(ctx context.Context, now time.Time) error {
	views := b.opts.Engine.Views(func(v *check.View) bool { return v.Problem() || v.Flapping })
	hosts := map[string]check.Host{}
	for _, h := range b.opts.Engine.Hosts() {
		hosts[h.Name] = h
	}
	next := map[string]raised{}
	var problems []check.View
	for _, v := range views {
		_, before := b.raised[v.ID]
		if !wanted(&v, before) {
			continue
		}
		if !v.Problem() { // it flaps, and is well at this moment: nothing is over yet
			next[v.ID] = b.raised[v.ID]
			continue
		}
		next[v.ID] = raised{b.alertOf(&v, hosts[v.Spec.Host])}
		problems = append(problems, v)
	}
	gone, err := b.silence(ctx, problems, next, now)
	if err != nil {
		return err
	}
	if err := b.expire(ctx, gone, isAck); err != nil {
		return err
	}
	if err := b.put(ctx, next, now); err != nil {
		return err
	}
	b.raised = next
	b.count.Set(float64(len(next)))
	return b.expire(ctx, gone, func(s *manager.Silence) bool { return !isAck(s) })
}

// expire ends silences. Of a problem that was acknowledged people had heard, and are to hear that it is over: what resolves while it is
// silenced is not told. What began in a downtime was never told, and must not be at its end.
func (b *Bridge) expire(ctx context.Context, gone []manager.Silence, which func(*manager.Silence) bool) error {
	for i := range gone {
		if !which(&gone[i]) {
			continue
		}
		if err := b.opts.Alerts.ExpireSilence(ctx, gone[i].ID); err != nil {
			return fmt.Errorf("cannot end a silence: %w", err)
		}
	}
	return nil
}

// put raises what is there, the new first, and resolves what is there no more: an alert that takes the place of another keeps people from
// being told that the other is over.
func (b *Bridge) put(ctx context.Context, next map[string]raised, now time.Time) error {
	var fire, resolve []alert.Alert
	all := now.Sub(b.refreshed) >= b.opts.Every
	for _, id := range slices.Sorted(maps.Keys(next)) {
		a := next[id].Alert
		if old, ok := b.raised[id]; !all && ok && maps.Equal(old.Labels, a.Labels) && maps.Equal(old.Annotations, a.Annotations) {
			continue
		}
		a.EndsAt = now.Add(lasts * b.opts.Every)
		fire = append(fire, a)
	}
	for _, id := range slices.Sorted(maps.Keys(b.raised)) {
		old := b.raised[id].Alert
		if n, ok := next[id]; ok && maps.Equal(n.Labels, old.Labels) {
			continue
		}
		old.EndsAt = now
		resolve = append(resolve, old)
	}
	if err := b.opts.Alerts.Put(ctx, alert.FromCheck, fire...); err != nil {
		return err
	}
	if err := b.opts.Alerts.Put(ctx, alert.FromCheck, resolve...); err != nil {
		return err
	}
	if all {
		b.refreshed = now
	}
	return nil
}

// wanted says whether a check's problem is an alert. One that was raised stays until the check is well, whatever else happens to it.
func wanted(v *check.View, before bool) bool {
	if before {
		return v.Problem() || v.Flapping
	}
	if !v.Problem() || !v.Hard {
		return false
	}
	switch v.Handled {
	case "unreachable", "host", "flapping":
		return false
	case "acknowledged", "downtime":
		return true // it is shown; a silence keeps it quiet
	}
	return v.Told != model.OK // else it is held back by the time of day
}

func (b *Bridge) alertOf(v *check.View, host check.Host) alert.Alert {
	labels := map[string]string{"severity": strings.ToLower(v.Status.String()), "service": v.Spec.Service}
	maps.Copy(labels, v.Labels)
	labels["alertname"] = CheckProblem
	if v.Spec.Name == check.HostCheck {
		labels["alertname"] = HostDown
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	annotations := map[string]string{"summary": summary(v), "description": cut(v.Long, maxDescription)}
	switch {
	case v.Spec.Runbook != "":
		annotations["runbook_url"] = v.Spec.Runbook
	case host.Runbook != "":
		annotations["runbook_url"] = host.Runbook
	}
	maps.DeleteFunc(annotations, func(_, value string) bool { return value == "" })
	if b.opts.Runbook != nil {
		b.opts.Runbook(labels, annotations)
	}
	return alert.Alert{Labels: labels, Annotations: annotations, StartsAt: v.HardSince, GeneratorURL: b.page(v)}
}

func summary(v *check.View) string {
	what := v.Spec.Name + " on " + v.Spec.Host
	if v.Spec.Name == check.HostCheck {
		what = "host " + v.Spec.Host
	}
	text := what + " is " + v.Status.String()
	if v.Output != "" {
		text += ": " + v.Output
	}
	return text
}

func (b *Bridge) page(v *check.View) string {
	if b.opts.ExternalURL == nil {
		return ""
	}
	return b.opts.ExternalURL.JoinPath("checks", url.PathEscape(v.Spec.Host), url.PathEscape(v.Spec.Name)).String()
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// inhibitions keep people from hearing twice of one thing: a problem that gets worse or better without ending is one alert that takes the
// place of another, and what runs on a host that is down needs no alert of its own.
const inhibitions = `
- source_matchers: ['alertname=~"HostDown|CheckProblem"', severity="critical"]
  target_matchers: ['alertname=~"HostDown|CheckProblem"', severity=~"warning|unknown"]
  equal: [host, check]
- source_matchers: ['alertname=~"HostDown|CheckProblem"', severity="warning"]
  target_matchers: ['alertname=~"HostDown|CheckProblem"', severity=~"critical|unknown"]
  equal: [host, check]
- source_matchers: ['alertname=~"HostDown|CheckProblem"', severity="unknown"]
  target_matchers: ['alertname=~"HostDown|CheckProblem"', severity=~"critical|warning"]
  equal: [host, check]
- source_matchers: ['alertname="HostDown"', severity=~"critical|unknown"]
  target_matchers: ['alertname="CheckProblem"']
  equal: [host]
`

// Inhibitions are the rules that hold for alerts of checks besides those of the configuration.
func Inhibitions() []amconfig.InhibitRule {
	var out []amconfig.InhibitRule
	if err := yaml.UnmarshalStrict([]byte(inhibitions), &out); err != nil {
		panic(err) // a constant
	}
	return out
}
