package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hulotte-dev/hulotte/alert"
	kinds "github.com/hulotte-dev/hulotte/model"
)

// An acknowledgement is a silence on exactly the labels of one alert, which ends when the alert does. Alertmanager's clients see it as one;
// these annotations make it known to us.
const (
	ackAnnotation = "hulotte_ack" // the alert's fingerprint
	forEver       = 5 * 365 * 24 * time.Hour
	// goneAfter is how long an acknowledged alert may be away, such as while its rules are evaluated anew after a restart.
	goneAfter = time.Hour
)

// acked is an acknowledgement with its silence.
type acked struct {
	alert.Ack
	silence string
}

// acks are those in force, by fingerprint.
func (m *Manager) acks() map[string]acked {
	all, _, err := m.silences.Query(context.Background(), silence.QState(silence.SilenceStateActive))
	if err != nil {
		m.log.Error("cannot read silences", "err", err)
	}
	out := map[string]acked{}
	for _, s := range all {
		fp := s.GetAnnotations()[ackAnnotation]
		if fp == "" || !s.GetEndsAt().AsTime().After(time.Now()) {
			continue // to Alertmanager a silence that ends at this moment is still active
		}
		a := acked{silence: s.GetId(), Ack: alert.Ack{By: s.GetCreatedBy(), Comment: s.GetComment(), At: s.GetStartsAt().AsTime(), Until: s.GetEndsAt().AsTime()}}
		if time.Until(a.Until) > forEver/2 {
			a.Until = time.Time{}
		}
		out[fp] = a
	}
	return out
}

// Acknowledge says that alerts are known: nobody is told of them any more, until they resolve. An alert that is not there is an error; the
// others are acknowledged.
func (m *Manager) Acknowledge(ctx context.Context, fingerprints []string, ack alert.Ack) error {
	if ack.Comment == "" {
		return refuse(kinds.Invalid, "comment: say what you know, or what you do")
	}
	if !ack.Until.IsZero() && !ack.Until.After(time.Now()) {
		return refuse(kinds.Invalid, "until: %s is over", ack.Until.Format(time.RFC3339))
	}
	before := m.acks()
	var errs []error
	for _, text := range fingerprints {
		fp, err := model.FingerprintFromString(text)
		if err != nil {
			errs = append(errs, refuse(kinds.Invalid, "fingerprints: %q is none: write 16 hexadecimal digits", text))
			continue
		}
		a, err := m.alerts.Get(fp)
		if err != nil || a.Resolved() {
			errs = append(errs, refuse(kinds.NotFound, "there is no alert %s, or it has resolved", text))
			continue
		}
		if err := m.silences.Set(ctx, ackSilence(a.Labels, text, ack)); err != nil {
			errs = append(errs, fmt.Errorf("cannot acknowledge %s: %w", text, err))
			continue
		}
		if old, ok := before[text]; ok {
			errs = append(errs, m.expire(ctx, old.silence))
		}
	}
	return errors.Join(errs...)
}

func ackSilence(labels model.LabelSet, fingerprint string, ack alert.Ack) *silencepb.Silence {
	until := ack.Until
	if until.IsZero() {
		until = time.Now().Add(forEver)
	}
	var matchers []*silencepb.Matcher
	for name, value := range labels {
		matchers = append(matchers, &silencepb.Matcher{Type: silencepb.Matcher_EQUAL, Name: string(name), Pattern: string(value)})
	}
	slices.SortFunc(matchers, func(a, b *silencepb.Matcher) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return &silencepb.Silence{
		Matchers: matchers, MatcherSets: []*silencepb.MatcherSet{{Matchers: matchers}},
		StartsAt: timestamppb.Now(), EndsAt: timestamppb.New(until), CreatedBy: ack.By, Comment: ack.Comment,
		Annotations: map[string]string{ackAnnotation: fingerprint},
	}
}

// Unacknowledge takes acknowledgements back. One that is not there is an error.
func (m *Manager) Unacknowledge(ctx context.Context, fingerprints []string) error {
	acks := m.acks()
	var errs []error
	for _, fp := range fingerprints {
		a, ok := acks[fp]
		if !ok {
			errs = append(errs, refuse(kinds.NotFound, "the alert %s is not acknowledged", fp))
			continue
		}
		errs = append(errs, m.expire(ctx, a.silence))
	}
	return errors.Join(errs...)
}

func (m *Manager) expire(ctx context.Context, id string) error {
	return m.silences.Expire(ctx, id)
}

// sweepAcks ends acknowledgements whose alerts have resolved.
func (m *Manager) sweepAcks(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.endAcks(ctx, time.Now())
		}
	}
}

func (m *Manager) endAcks(ctx context.Context, now time.Time) {
	acks := m.acks()
	for text, a := range acks {
		if !m.over(text, now) {
			continue
		}
		if err := m.expire(ctx, a.silence); err != nil {
			m.log.Error("cannot end the acknowledgement of an alert that has resolved", "fingerprint", text, "err", err)
		}
	}
	m.mu.Lock()
	for text := range m.missing {
		if _, ok := acks[text]; !ok {
			delete(m.missing, text)
		}
	}
	m.mu.Unlock()
}

// over says whether an acknowledged alert has resolved, or was not heard of for long.
func (m *Manager) over(text string, now time.Time) bool {
	fp, err := model.FingerprintFromString(text)
	if err != nil {
		return true
	}
	a, err := m.alerts.Get(fp)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.missing, text)
		return a.ResolvedAt(now)
	}
	since, known := m.missing[text]
	if !known {
		m.missing[text] = now
		return false
	}
	return now.Sub(since) > goneAfter
}

// refuse is an error of a kind.
func refuse(kind kinds.Kind, format string, args ...any) error {
	return kinds.NewError(kind, fmt.Sprintf(format, args...))
}
