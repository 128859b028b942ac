package checks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/check"
)

const (
	// annotation marks the silences that stand for what was decided about a check. Its value is what and whose: "ack web1/http".
	annotation = "hulotte_check"
	// ackAnnotation shows an acknowledgement of a check as one of its alert. Its value is the alert's fingerprint.
	ackAnnotation = "hulotte_ack"
	// maxSilences leaves room for those that people make.
	maxSilences = 2000
	// openEnd is how far away the end of what has none is.
	openEnd = 5 * 365 * 24 * time.Hour
)

// silence makes the silences that the problems call for, and returns those that nothing calls for any more.
func (b *Bridge) silence(ctx context.Context, problems []check.View, alerts map[string]raised, now time.Time) (gone []manager.Silence, err error) {
	want := b.wantedSilences(problems, alerts, now)
	have := b.opts.Alerts.SilencesWith(annotation)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if old, ok := have[key]; ok && same(old, want[key]) {
			continue
		}
		if _, err := b.opts.Alerts.SetSilence(ctx, want[key]); err != nil {
			return nil, fmt.Errorf("cannot make a silence of what was decided about a check: %w", err)
		}
	}
	for key, old := range have {
		if w, ok := want[key]; ok && same(old, w) || !ok && b.unknown(old) {
			continue
		}
		gone = append(gone, old)
	}
	return gone, nil
}

// unknown says whether the check of a silence is not there yet, such as that of a service which was not discovered since a restart.
func (b *Bridge) unknown(s manager.Silence) bool {
	var host, name string
	for _, m := range s.Matchers {
		switch m.Name {
		case "host":
			host = m.Value
		case "check":
			name = m.Value
		}
	}
	_, known := b.opts.Engine.View(host + "/" + name)
	return !known
}

func (b *Bridge) wantedSilences(problems []check.View, alerts map[string]raised, now time.Time) map[string]manager.Silence {
	downtimes := map[string]check.Downtime{}
	for _, d := range b.opts.Engine.Downtimes() {
		downtimes[d.ID] = d
	}
	out := map[string]manager.Silence{}
	for i := range problems {
		v := &problems[i]
		if len(out) >= maxSilences {
			if !b.overflow {
				b.log.Warn("more problems are acknowledged or in downtime than silences are made for: people may be told of the others", "silences", maxSilences)
			}
			b.overflow = true
			return out
		}
		if v.Ack != nil {
			out["ack "+v.ID] = ackSilence(v, manager.Fingerprint(alerts[v.ID].Labels), now)
		}
		if len(v.Downtimes) > 0 {
			out["downtime "+v.ID] = downtimeSilence(v, downtimes[v.Downtimes[0]], now)
		}
	}
	b.overflow = false
	return out
}

func ackSilence(v *check.View, fingerprint string, now time.Time) manager.Silence {
	s := silenceOf(v, "ack")
	s.Annotations[ackAnnotation] = fingerprint
	s.Start, s.End, s.CreatedBy, s.Comment = now, v.Ack.Until, v.Ack.By, v.Ack.Comment
	if s.End.IsZero() {
		s.End = v.Ack.At.Add(openEnd)
	}
	return filled(s, "acknowledged")
}

// downtimeSilence lasts for as long as a downtime can; it is ended when the downtime does.
func downtimeSilence(v *check.View, d check.Downtime, now time.Time) manager.Silence {
	s := silenceOf(v, "downtime")
	s.Start, s.End, s.CreatedBy, s.Comment = now, d.Created.Add(openEnd), d.By, d.Comment
	if d.Every == nil && !d.Flexible && d.End.After(now) {
		s.End = d.End
	}
	return filled(s, "downtime")
}

// filled: Alertmanager wants to know who and why.
func filled(s manager.Silence, why string) manager.Silence {
	if s.CreatedBy == "" {
		s.CreatedBy = "hulotte"
	}
	if s.Comment == "" {
		s.Comment = why
	}
	return s
}

func silenceOf(v *check.View, what string) manager.Silence {
	return manager.Silence{
		Matchers:    []manager.Matcher{{Name: "check", Value: v.Spec.Name}, {Name: "host", Value: v.Spec.Host}},
		Annotations: map[string]string{annotation: what + " " + v.ID},
	}
}

// same says whether a silence stands for the same decision; when it began is its own.
func same(a, b manager.Silence) bool {
	return a.CreatedBy == b.CreatedBy && a.Comment == b.Comment && a.End.Sub(b.End).Abs() < time.Second && a.Annotations[ackAnnotation] == b.Annotations[ackAnnotation]
}

// isAck says whether a silence stands for an acknowledgement.
func isAck(s *manager.Silence) bool { return s.Annotations[ackAnnotation] != "" }
