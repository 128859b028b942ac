package manager

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
	kinds "github.com/hulotte-dev/hulotte/model"
)

// Put raises alerts, raises them again, or, with EndsAt in the past, resolves them. One without EndsAt is taken for resolved when it was not
// raised again within the configuration's resolve_timeout. What is wrong with an alert is said; the others are taken.
func (m *Manager) Put(ctx context.Context, source alert.Source, alerts ...alert.Alert) error {
	c := m.Config()
	if c == nil {
		return errNoConfig
	}
	now := time.Now()
	resolve := time.Duration(c.Alertmanager.Global.ResolveTimeout)
	var bad []string
	all := make([]*amalert.Alert, 0, len(alerts))
	for i := range alerts {
		a := toAlertmanager(&alerts[i], now, resolve)
		if err := a.Validate(); err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", alerts[i].Name(), err))
			continue
		}
		all = append(all, a)
	}
	m.mu.Lock()
	for _, a := range all {
		if !a.Resolved() || m.sources[a.Fingerprint()] != "" {
			m.sources[a.Fingerprint()] = source
		}
	}
	m.mu.Unlock()
	m.metrics.put.WithLabelValues(string(source)).Add(float64(len(all)))
	refused := m.held.Load() >= int64(m.opts.MaxAlerts)
	if err := m.alerts.Put(ctx, all...); err != nil {
		return err
	}
	if refused {
		return refuse(kinds.Limit, "there are %d alerts: no new ones are taken", m.opts.MaxAlerts)
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d alerts were refused: %s", len(bad), len(alerts), strings.Join(bad[:min(len(bad), maxNamed)], "; "))
	}
	return nil
}

const maxNamed = 10 // refused alerts that an error names

func toAlertmanager(a *alert.Alert, now time.Time, resolve time.Duration) *amalert.Alert {
	out := &amalert.Alert{
		Alert: model.Alert{
			Labels: labelSet(a.Labels), Annotations: labelSet(a.Annotations), StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL,
		},
		UpdatedAt: now,
	}
	if out.StartsAt.IsZero() {
		out.StartsAt = now
		if !out.EndsAt.IsZero() && out.EndsAt.Before(now) {
			out.StartsAt = out.EndsAt
		}
	}
	if out.EndsAt.IsZero() {
		out.Timeout, out.EndsAt = true, now.Add(resolve)
	}
	return out
}

// labelSet leaves empty values out, as Prometheus does.
func labelSet(labels map[string]string) model.LabelSet {
	out := make(model.LabelSet, len(labels))
	for name, value := range labels {
		if value != "" {
			out[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	return out
}

func plain(set model.LabelSet) map[string]string {
	out := make(map[string]string, len(set))
	for name, value := range set {
		out[string(name)] = string(value)
	}
	return out
}

// Fingerprint is the one of an alert with these labels.
func Fingerprint(labels map[string]string) string { return labelSet(labels).Fingerprint().String() }

// Alerts returns what is raised and not resolved and what filter keeps (nil: all), the oldest first.
func (m *Manager) Alerts(filter func(*alert.Alert) bool) []alert.Alert {
	r := m.running.Load()
	if r == nil {
		return nil
	}
	muted := m.mutedBy(r)
	marks := marker.NewAlertMarker()
	ctx := marker.WithContext(context.Background(), marks)
	acks := m.acks()
	var out []alert.Alert
	it := m.alerts.GetPending()
	defer it.Close()
	now := time.Now()
	for p := range it.Next() {
		if p.Data.ResolvedAt(now) {
			continue
		}
		a := m.describe(ctx, r, p.Data, marks)
		if names := muted[p.Data.Fingerprint()]; len(names) > 0 {
			a.MutedBy, a.State = names, alert.Suppressed
		}
		if ack, ok := acks[a.Fingerprint]; ok {
			a.Ack = &ack.Ack
		}
		if filter == nil || filter(&a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b alert.Alert) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// describe is an alert with what silences, inhibition and the routes make of it.
func (m *Manager) describe(ctx context.Context, r *running, a *amalert.Alert, marks marker.AlertMarker) alert.Alert {
	r.inhibitor.Mutes(ctx, a.Labels)
	m.silencer.Mutes(ctx, a.Labels)
	fp := a.Fingerprint()
	status := marks.Status(fp)
	out := alert.Alert{
		Fingerprint: fp.String(), Labels: plain(a.Labels), Annotations: plain(a.Annotations), StartsAt: a.StartsAt, EndsAt: a.EndsAt, UpdatedAt: a.UpdatedAt,
		GeneratorURL: a.GeneratorURL, State: alert.Active, SilencedBy: status.SilencedBy, InhibitedBy: status.InhibitedBy,
	}
	if len(status.SilencedBy)+len(status.InhibitedBy) > 0 {
		out.State = alert.Suppressed
	}
	m.mu.Lock()
	out.Source = cmp.Or(m.sources[fp], alert.FromAPI)
	m.mu.Unlock()
	for _, route := range r.route.Match(a.Labels) {
		if name := route.RouteOpts.Receiver; !slices.Contains(out.Receivers, name) {
			out.Receivers = append(out.Receivers, name)
		}
	}
	return out
}

// mutedBy are the time intervals that keep alerts quiet in all of their groups.
func (m *Manager) mutedBy(r *running) map[model.Fingerprint][]string {
	timed := false
	r.route.Walk(func(x *dispatch.Route) {
		timed = timed || len(x.RouteOpts.MuteTimeIntervals)+len(x.RouteOpts.ActiveTimeIntervals) > 0
	})
	if !timed {
		return nil // most configurations: the groups need not be looked at
	}
	groups, _, err := r.dispatcher.Groups(context.Background(), func(*dispatch.Route) bool { return true }, func(*amalert.Alert, time.Time) bool { return true })
	if err != nil {
		return nil
	}
	muted, heard := map[model.Fingerprint][]string{}, map[model.Fingerprint]bool{}
	for _, g := range groups {
		names, is := m.groups.Muted(g.RouteID, g.GroupKey)
		for _, a := range g.Alerts {
			if fp := a.Fingerprint(); is {
				muted[fp] = append(muted[fp], names...)
			} else {
				heard[fp] = true
			}
		}
	}
	for fp := range heard {
		delete(muted, fp)
	}
	return muted
}
