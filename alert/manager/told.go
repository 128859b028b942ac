package manager

import (
	"context"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	amcommoncfg "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
)

// LastTold is what an integration was last told of a group of alerts.
type LastTold struct {
	At time.Time
	// Firing and Resolved say whether the alert that was asked for was among what was told, and as what.
	Firing, Resolved bool
}

// LastTold returns what the notification log, which nodes share, has of a group and an integration. groupKey is that of notifications.
func (m *Manager) LastTold(groupKey, receiver, integration string, index int, labels map[string]string) (LastTold, bool) {
	entries, err := m.told.Query(nflog.QGroupKey(groupKey), nflog.QReceiver(&nflogpb.Receiver{
		GroupName: receiver, Integration: integration, Idx: uint32(index), //nolint:gosec // an index in a list of the configuration
	}))
	if err != nil || len(entries) == 0 {
		return LastTold{}, false
	}
	e, h := entries[0], logHash(labelSet(labels))
	return LastTold{At: e.GetTimestamp().AsTime(), Firing: slices.Contains(e.GetFiringAlerts(), h), Resolved: slices.Contains(e.GetResolvedAlerts(), h)}, true
}

// logHash is how Alertmanager's notification log names an alert: not by its fingerprint.
func logHash(labels model.LabelSet) uint64 {
	const sep = '\xff'
	names := make(model.LabelNames, 0, len(labels))
	for name := range labels {
		names = append(names, name)
	}
	slices.Sort(names)
	var b []byte
	for _, name := range names {
		b = append(append(b, name...), sep)
		b = append(append(b, labels[name]...), sep)
	}
	return xxhash.Sum64(b)
}

// Alert returns the one with a fingerprint, for some time also after it has resolved.
func (m *Manager) Alert(fingerprint string) (alert.Alert, bool) {
	r := m.running.Load()
	fp, err := model.FingerprintFromString(fingerprint)
	if r == nil || err != nil {
		return alert.Alert{}, false
	}
	a, err := m.alerts.Get(fp)
	if err != nil {
		return alert.Alert{}, false
	}
	marks := marker.NewAlertMarker()
	out := m.describe(marker.WithContext(context.Background(), marks), r, a, marks)
	if a.ResolvedAt(time.Now()) {
		out.State, out.SilencedBy, out.InhibitedBy = alert.Resolved, nil, nil
		return out, true
	}
	if names := m.mutedBy(r)[fp]; len(names) > 0 {
		out.MutedBy, out.State = names, alert.Suppressed
	}
	if ack, ok := m.acks()[fingerprint]; ok {
		out.Ack = &ack.Ack
	}
	return out, true
}

// Raised says whether there is an alert that has not resolved.
func (m *Manager) Raised(fingerprint string) bool {
	fp, err := model.FingerprintFromString(fingerprint)
	if err != nil {
		return false
	}
	a, err := m.alerts.Get(fp)
	return err == nil && !a.ResolvedAt(time.Now())
}

// Inhibitions are the rules in force by which alerts keep others quiet.
func (m *Manager) Inhibitions() []amcommoncfg.InhibitRule {
	if c := m.Config(); c != nil {
		return slices.Concat(m.opts.Inhibit, c.Alertmanager.InhibitRules)
	}
	return nil
}

// EverySilence returns those to come, active and ended (for as long as they are kept) that match labels; nil labels are matched by all.
// Acknowledgements are among them.
func (m *Manager) EverySilence(labels map[string]string) []Silence {
	var of []silence.QueryParam
	if labels != nil {
		of = append(of, silence.QMatches(labelSet(labels)))
	}
	all, _, err := m.silences.Query(context.Background(), of...)
	if err != nil {
		m.log.Error("cannot read silences", "err", err)
	}
	out := make([]Silence, len(all))
	for i, p := range all {
		out[i] = plainSilence(p)
	}
	return out
}

// AckOf is the fingerprint of the alert that a silence acknowledges; "" when it is a silence of its own.
func (s *Silence) AckOf() string { return s.Annotations[ackAnnotation] }

// Endless says whether a silence, as an acknowledgement without an end, lasts until its alert resolves.
func (s *Silence) Endless() bool { return s.End.Sub(s.Start) > forEver/2 }
