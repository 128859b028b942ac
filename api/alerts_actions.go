package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/explain"
)

// alertAction is the body of what people do to several alerts.
type alertAction struct {
	Fingerprints []string  `json:"fingerprints"`
	Comment      string    `json:"comment"`
	Until        time.Time `json:"until"`
}

func readAlertAction(r *http.Request) (alertAction, error) {
	var do alertAction
	if err := readBody(r, &do); err != nil {
		return do, err
	}
	switch {
	case len(do.Fingerprints) == 0:
		return do, badData(`"fingerprints" is empty: name the alerts by the 16 hexadecimal digits of each`)
	case len(do.Fingerprints) > maxCheckIDs:
		return do, badData(`"fingerprints" names %d alerts: at most %d at a time`, len(do.Fingerprints), maxCheckIDs)
	case len(do.Comment) > maxComment:
		return do, badData(`"comment" is longer than %d bytes`, maxComment)
	}
	return do, nil
}

// ackAlerts answers POST /api/hulotte/v1/alerts/ack.
func (a *api) ackAlerts(r *http.Request, by string) (any, error) {
	do, err := readAlertAction(r)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	switch {
	case strings.TrimSpace(do.Comment) == "":
		return nil, badData(`"comment" is empty: say what you know, or what you do`)
	case !do.Until.IsZero() && !do.Until.After(now):
		return nil, badData(`"until" is over: %s`, do.Until.Format(time.RFC3339))
	}
	return map[string]int{"alerts": len(do.Fingerprints)},
		a.Alerting.Acknowledge(r.Context(), do.Fingerprints, alert.Ack{By: by, Comment: do.Comment, At: now.UTC(), Until: do.Until})
}

// unackAlerts answers POST /api/hulotte/v1/alerts/unack.
func (a *api) unackAlerts(r *http.Request, by string) (any, error) {
	do, err := readAlertAction(r)
	if err != nil {
		return nil, err
	}
	return map[string]int{"alerts": len(do.Fingerprints)}, a.Alerting.Unacknowledge(r.Context(), do.Fingerprints, by, do.Comment)
}

// previewSilence answers POST /api/hulotte/v1/silences/preview: which alerts a silence would keep quiet now.
func (a *api) previewSilence(r *http.Request, _ string) (any, error) {
	var in struct {
		Matchers []explain.Matcher `json:"matchers"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if len(in.Matchers) == 0 {
		return nil, badData(`"matchers" is empty: a silence needs at least one`)
	}
	if len(in.Matchers) > maxAlertLabels {
		return nil, badData(`"matchers" holds %d: at most %d`, len(in.Matchers), maxAlertLabels)
	}
	matches, err := explain.MatchAll(in.Matchers)
	if err != nil {
		return nil, badData(`"matchers": %w`, err)
	}
	if matches(map[string]string{}) {
		return nil, badData(`"matchers": at least one must not match an alert that lacks the label`)
	}
	found := a.Alerting.Alerts(func(x *alert.Alert) bool { return matches(x.Labels) })
	views := make([]alertView, min(len(found), maxPreviewed))
	for i := range views {
		views[i] = viewOf(&found[i], nil)
	}
	return map[string]any{"alerts": views, "total": len(found)}, nil
}

// testReceiver answers POST /api/hulotte/v1/receivers/test.
func (a *api) testReceiver(r *http.Request, _ string) (any, error) {
	var in struct {
		Receiver string            `json:"receiver"`
		Labels   map[string]string `json:"labels"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.Receiver == "" {
		return nil, badData(`"receiver" is missing: the name of one`)
	}
	if len(in.Labels) > 0 {
		if err := validLabels(in.Labels); err != nil {
			return nil, fmt.Errorf(`"labels": %w`, err)
		}
	}
	all, err := a.Alerting.Test(r.Context(), in.Receiver, in.Labels)
	if err != nil {
		return nil, err
	}
	return map[string]any{"deliveries": told(all)}, nil
}
