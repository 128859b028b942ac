package runbook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Done is what somebody said of a step while an alert lasted.
type Done struct {
	Runbook string    `json:"runbook"`
	Step    int       `json:"step"` // its number among the steps of the text then, from 0
	Text    string    `json:"text"` // as it was then
	Done    bool      `json:"done"` // false takes it back
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
}

// Limits of what is kept for one alert, and for how long.
const (
	maxLog       = 1000 // the oldest are forgotten beyond it
	maxStepText  = 500  // bytes of a step's text that are kept
	maxComment   = 2000 // bytes
	keepSteps    = 180 * 24 * time.Hour
	writeRetries = 10
)

var fingerprint = regexp.MustCompile(`^[0-9a-f]{16}$`)

// CheckFingerprint says what is wrong with an alert's fingerprint.
func CheckFingerprint(text string) error {
	if !fingerprint.MatchString(text) {
		return model.NewError(model.Invalid, fmt.Sprintf(`"fingerprint" is %.50q: 16 hexadecimal digits are meant`, text))
	}
	return nil
}

// stepLog is the document of an alert.
type stepLog struct {
	Log []Done `json:"log"`
}

// Do keeps that a step was done for an alert, or not done after all, and returns the whole log of the alert, oldest first.
func (l *Library) Do(ctx context.Context, alert string, d Done) ([]Done, error) {
	if err := CheckFingerprint(alert); err != nil {
		return nil, err
	}
	r, ok := l.Get(d.Runbook)
	switch {
	case !ok:
		return nil, model.NewError(model.NotFound, fmt.Sprintf("there is no runbook %.200q", d.Runbook))
	case d.Step < 0 || d.Step >= len(r.Steps):
		return nil, model.NewError(model.Invalid, fmt.Sprintf(`"step" is %d: the runbook %q has %d, numbered from 0`, d.Step, r.ID, len(r.Steps)))
	case len(d.Comment) > maxComment:
		return nil, model.NewError(model.Invalid, fmt.Sprintf(`"comment" has more than %d bytes`, maxComment))
	}
	d.Text, d.At = shortened(r.Steps[d.Step].Text), l.opts.Now().UTC()
	docs, err := l.opts.Documents()
	if err != nil {
		return nil, err
	}
	for range writeRetries {
		log, version, err := readLog(ctx, docs, alert)
		if err != nil {
			return nil, err
		}
		log = append(log, d)
		log = log[max(0, len(log)-maxLog):]
		value, err := json.Marshal(stepLog{log})
		if err != nil {
			return nil, err
		}
		for len(value) > medium.MaxDocument { // comments are long
			log = log[(len(log)+1)/2:]
			if value, err = json.Marshal(stepLog{log}); err != nil {
				return nil, err
			}
		}
		_, err = docs.Put(ctx, stepKind, alert, value, version)
		if err == nil {
			return log, nil
		}
		if !errors.Is(err, medium.ErrConflict) {
			return nil, fmt.Errorf("cannot keep what was done: %w", err)
		}
	}
	return nil, fmt.Errorf("cannot keep what was done: %w", medium.ErrConflict)
}

// Log returns what was done for an alert since a time, oldest first.
func (l *Library) Log(ctx context.Context, alert string, since time.Time) ([]Done, error) {
	if err := CheckFingerprint(alert); err != nil {
		return nil, err
	}
	docs, err := l.opts.Documents()
	if err != nil {
		return nil, err
	}
	log, _, err := readLog(ctx, docs, alert)
	return slices.DeleteFunc(log, func(d Done) bool { return d.At.Before(since) }), err
}

func readLog(ctx context.Context, docs medium.Documents, alert string) ([]Done, medium.Version, error) {
	doc, err := docs.Get(ctx, stepKind, alert)
	if errors.Is(err, medium.ErrNotFound) {
		return nil, medium.Absent, nil
	} else if err != nil {
		return nil, 0, fmt.Errorf("cannot read what was done: %w", err)
	}
	var kept stepLog
	if err := json.Unmarshal(doc.Value, &kept); err != nil {
		return nil, 0, fmt.Errorf("cannot read what was done: %w", err)
	}
	return kept.Log, doc.Version, nil
}

// State is the last that was said of each step of a runbook as it is now, in order. A step that was moved is found by its text.
func (r *Runbook) State(log []Done) []Done {
	var out []Done
	for i, step := range r.Steps {
		text := shortened(step.Text)
		best := -1
		for j, d := range log {
			if d.Runbook == r.ID && d.Text == text && (d.Step == i || !r.hasAt(d.Step, text)) {
				best = j
			}
		}
		if best >= 0 {
			d := log[best]
			d.Step = i
			out = append(out, d)
		}
	}
	return out
}

// hasAt says whether a step has a text.
func (r *Runbook) hasAt(step int, text string) bool {
	return step >= 0 && step < len(r.Steps) && shortened(r.Steps[step].Text) == text
}

func shortened(text string) string {
	if len(text) <= maxStepText {
		return text
	}
	cut := maxStepText
	for cut > 0 && text[cut]&0xc0 == 0x80 { // inside a character
		cut--
	}
	return text[:cut]
}

// cleanSteps forgets what was done for alerts long ago.
func (l *Library) cleanSteps(ctx context.Context) {
	docs, err := l.opts.Documents()
	if err != nil {
		return
	}
	var old []medium.Document
	for doc, err := range docs.List(ctx, stepKind, "") {
		if err != nil {
			l.log.Warn("cannot look for what was done long ago", "err", err)
			return
		}
		var kept stepLog
		if json.Unmarshal(doc.Value, &kept) != nil || len(kept.Log) == 0 {
			continue // of another version
		}
		last := slices.MaxFunc(kept.Log, func(a, b Done) int { return cmp.Compare(a.At.UnixNano(), b.At.UnixNano()) })
		if l.opts.Now().Sub(last.At) > keepSteps {
			old = append(old, doc)
		}
	}
	for _, doc := range old {
		if err := docs.Delete(ctx, stepKind, doc.Key, doc.Version); err != nil && !errors.Is(err, medium.ErrConflict) {
			l.log.Warn("cannot forget what was done long ago", "alert", doc.Key, "err", err)
		}
	}
}

func queryEscape(s string) string { return url.QueryEscape(s) }
