package notify

import (
	"context"
	"maps"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	promodel "github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
)

type testKey struct{}

// capture takes the entries of the log that one try makes.
type capture struct {
	mu  sync.Mutex
	all []alert.Delivery
}

func (c *capture) add(d *alert.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, *d)
}

const (
	testTimeout  = 30 * time.Second
	testParallel = 8
)

// Test tells people of an alert that is not there, through all integrations of a receiver at once, one try each, and returns how that went,
// in the order of the integrations. labels are the alert's; without alertname it is called TestNotification. max_per_hour does not count.
func (n *Notifier) Test(ctx context.Context, receiver string, integrations []amnotify.Integration, labels map[string]string) []alert.Delivery {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	out := make([]alert.Delivery, len(integrations))
	var wg sync.WaitGroup
	slots := make(chan struct{}, testParallel)
	for i := range integrations {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = n.testOne(ctx, receiver, integrations[i], labels)
		})
	}
	wg.Wait()
	return out
}

func (n *Notifier) testOne(ctx context.Context, receiver string, i amnotify.Integration, labels map[string]string) alert.Delivery {
	now := time.Now()
	a := testAlert(labels, now)
	ctx = amnotify.WithReceiverName(ctx, receiver)
	ctx = amnotify.WithGroupKey(ctx, "test:"+newID())
	ctx = amnotify.WithGroupLabels(ctx, promodel.LabelSet{promodel.AlertNameLabel: a.Labels[promodel.AlertNameLabel]})
	ctx = amnotify.WithNow(ctx, now)
	ctx = amnotify.WithFiringAlerts(ctx, []uint64{uint64(a.Fingerprint())})
	ctx = amnotify.WithNotificationReason(ctx, amnotify.ReasonFirstNotification)
	c := &capture{}
	ctx = context.WithValue(ctx, testKey{}, c)
	retry, err := callSafely(ctx, &i, []*amalert.Alert{a})
	if len(c.all) == 0 { // nobody wrapped it
		note := &note{}
		d := deliveryOf(ctx, target{receiver, i.Name(), i.Index()}, []*amalert.Alert{a}, note)
		d.At, d.Seconds, d.Attempt = now.UTC(), time.Since(now).Seconds(), 1
		n.remember(ctx, d, retry, note.redacted(err))
	}
	return c.all[0]
}

func testAlert(labels map[string]string, now time.Time) *amalert.Alert {
	set := promodel.LabelSet{promodel.AlertNameLabel: "TestNotification", "severity": "info"}
	for k, v := range maps.All(labels) {
		set[promodel.LabelName(k)] = promodel.LabelValue(v)
	}
	return &amalert.Alert{
		Alert: promodel.Alert{
			Labels: set,
			Annotations: promodel.LabelSet{
				"summary":     "This is a test: nothing is wrong.",
				"description": "Somebody asked to see whether notifications arrive.",
			},
			StartsAt: now, EndsAt: now.Add(time.Hour),
		},
		UpdatedAt: now,
	}
}
