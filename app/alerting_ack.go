package app

import (
	"context"
	"errors"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/check"
)

// acknowledge says that alerts are known. Of the problem of a check, the check remembers it, so that both say the same.
func (a *App) acknowledge(ctx context.Context, fingerprints []string, ack alert.Ack) error {
	ids, others := a.ofChecks(fingerprints)
	var errs []error
	if len(ids) > 0 {
		errs = append(errs, a.made.checks.Acknowledge(ctx, ids, check.Ack{By: ack.By, Comment: ack.Comment, At: ack.At, Until: ack.Until, Sticky: true}))
	}
	if len(others) > 0 {
		errs = append(errs, a.made.alerts.Acknowledge(ctx, others, ack))
	}
	return errors.Join(errs...)
}

func (a *App) unacknowledge(ctx context.Context, fingerprints []string, by, comment string) error {
	ids, others := a.ofChecks(fingerprints)
	var errs []error
	if len(ids) > 0 {
		errs = append(errs, a.made.checks.Unacknowledge(ctx, ids, by, comment))
	}
	if len(others) > 0 {
		errs = append(errs, a.made.alerts.Unacknowledge(ctx, others))
	}
	return errors.Join(errs...)
}

// ofChecks are the IDs of the checks whose problems some of the alerts are, and the other alerts.
func (a *App) ofChecks(fingerprints []string) (ids, others []string) {
	known := map[string]string{}
	if a.made.checks != nil {
		for _, x := range a.made.alerts.Alerts(func(x *alert.Alert) bool { return x.Source == alert.FromCheck }) {
			known[x.Fingerprint] = x.Labels["host"] + "/" + x.Labels["check"]
		}
	}
	for _, fp := range fingerprints {
		if id, ok := known[fp]; ok {
			ids = append(ids, id)
		} else {
			others = append(others, fp)
		}
	}
	return ids, others
}
