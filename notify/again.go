package notify

import (
	"context"
	"errors"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	promodel "github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
)

type againKey struct{}

// Group is a group of alerts, as it was told of.
type Group struct {
	Receiver string
	Key      string
	Labels   map[string]string
	Alerts   []alert.Alert
}

// Again tells of a group through the oncall entries of a receiver once more, outside Alertmanager's own times: whom, People say, who get id
// as Ask.Again. The delivery log has it.
func (n *Notifier) Again(ctx context.Context, id string, g Group, integrations []amnotify.Integration) error {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	now := time.Now()
	var alerts []*amalert.Alert
	var firing []uint64
	for _, a := range g.Alerts {
		x := &amalert.Alert{Alert: promodel.Alert{
			Labels: setOf(a.Labels), Annotations: setOf(a.Annotations), StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL,
		}, UpdatedAt: a.UpdatedAt}
		alerts, firing = append(alerts, x), append(firing, uint64(x.Fingerprint()))
	}
	ctx = amnotify.WithReceiverName(ctx, g.Receiver)
	ctx = amnotify.WithGroupKey(ctx, g.Key)
	ctx = amnotify.WithGroupLabels(ctx, setOf(g.Labels))
	ctx = amnotify.WithNow(ctx, now)
	ctx = amnotify.WithFiringAlerts(ctx, firing)
	ctx = amnotify.WithNotificationReason(ctx, amnotify.ReasonRepeatIntervalElapsed)
	ctx = context.WithValue(ctx, againKey{}, id)
	var errs []error
	for i := range integrations {
		if integrations[i].Name() == "oncall" {
			_, err := callSafely(ctx, &integrations[i], alerts)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func setOf(labels map[string]string) promodel.LabelSet {
	out := make(promodel.LabelSet, len(labels))
	for name, value := range labels {
		out[promodel.LabelName(name)] = promodel.LabelValue(value)
	}
	return out
}
