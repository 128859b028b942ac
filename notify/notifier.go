package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options are what a Notifier is made of. The zero value works: nothing is kept, and nobody is on call.
type Options struct {
	// ExternalURL is where people reach this server: what notifications link to.
	ExternalURL *url.URL
	// Documents keep the delivery log and the subscriptions of browsers; an error means that the medium is away for now. Nil keeps nothing.
	Documents func() (medium.Documents, error)
	// People say who is on call. Without them oncall_configs are refused.
	People People
	// Changed is called, and must not block, when there are new deliveries.
	Changed func()
}

// Notifier makes receivers and remembers what they were told. Its methods may be called by many goroutines.
type Notifier struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	told    *deliveryLog
	keeper  *keeper
	push    *pushBook

	mu      sync.Mutex
	sending map[target]int // tries under way of entries with max_per_hour
}

// target is one integration of a receiver.
type target struct {
	receiver, integration string
	index                 int
}

type metrics struct {
	deliveries  *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	logDropped  prometheus.Counter
	keepFailed  prometheus.Counter
	keepWaiting prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, told *deliveryLog) *metrics {
	with := promauto.With(reg)
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_notify_failing", Help: "Integrations of receivers whose last try to tell somebody failed."},
		func() float64 { return float64(len(told.failing())) })
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_notify_log_entries", Help: "Tries to tell somebody that are remembered."},
		func() float64 { return float64(told.size()) })
	return &metrics{
		deliveries: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_notify_deliveries_total", Help: "Tries to tell somebody, by result: ok, retry (failed, and tried again), failed, canceled.",
		}, []string{"receiver", "integration", "result"}),
		seconds: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hulotte_notify_delivery_seconds", Help: "How long tries to tell somebody took.", Buckets: []float64{.05, .25, 1, 5, 15, 30, 60},
		}, []string{"integration"}),
		logDropped:  with.NewCounter(prometheus.CounterOpts{Name: "hulotte_notify_log_dropped_total", Help: "Entries of the delivery log that the medium will not have, as too many waited for it."}),
		keepFailed:  with.NewCounter(prometheus.CounterOpts{Name: "hulotte_notify_log_keep_failures_total", Help: "Times that the medium did not take the delivery log."}),
		keepWaiting: with.NewGauge(prometheus.GaugeOpts{Name: "hulotte_notify_log_waiting", Help: "Entries of the delivery log that wait for the medium."}),
	}
}

var errNothingKept = errors.New("nothing is kept")

// New allocates a Notifier. Run makes it keep its log.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Notifier, error) {
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{Path: "/"}
	}
	if o.Documents == nil {
		o.Documents = func() (medium.Documents, error) { return nil, errNothingKept }
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	n := &Notifier{opts: o, log: log, told: newDeliveryLog(), sending: map[target]int{}}
	n.metrics = newMetrics(reg, n.told)
	n.told.dropped = n.metrics.logDropped.Inc
	n.keeper = newKeeper(n)
	n.push = &pushBook{docs: o.Documents}
	return n, nil
}

// Run keeps the delivery log on the medium, and takes from it what was there before and what other nodes tell, until ctx ends. What was
// tried before Run, or while the medium is away, is kept later.
func (n *Notifier) Run(ctx context.Context) error {
	n.keeper.run(ctx)
	return nil
}

// Build makes the integrations of a receiver's entries of our own kinds. Errors name the line and the field.
func (n *Notifier) Build(receiver string, extras []Extra, t *template.Template) ([]amnotify.Integration, error) {
	var out []amnotify.Integration
	var errs []error
	index := map[string]int{}
	for _, e := range extras {
		i := index[e.Kind]
		index[e.Kind]++
		o, err := n.build(target{receiver, e.Kind, i}, e, t)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, amnotify.NewIntegration(o, o, e.Kind, i, receiver))
	}
	return out, errors.Join(errs...)
}

// Wrap puts the delivery log around an integration. Whether it is tried again is as it was.
func (n *Notifier) Wrap(receiver string, i amnotify.Integration) amnotify.Integration {
	w := &logged{n: n, target: target{receiver, i.Name(), i.Index()}, inner: i}
	return amnotify.NewIntegration(w, w, i.Name(), i.Index(), receiver)
}

// logged is an integration whose tries are remembered.
type logged struct {
	n       *Notifier
	target  target
	inner   amnotify.Integration
	flushes flushes
}

func (l *logged) SendResolved() bool { return l.inner.SendResolved() }

func (l *logged) Notify(ctx context.Context, alerts ...*amalert.Alert) (bool, error) {
	flush := l.flushes.begin(ctx, "")
	note := &note{}
	defer func() { note.finish() }() // after the try is in the log
	start := time.Now()
	retry, err := callSafely(context.WithValue(ctx, noteKey{}, note), &l.inner, alerts)
	err = note.redacted(err)
	if err == nil || !retry {
		l.flushes.end(ctx)
	}
	d := deliveryOf(ctx, l.target, alerts, note)
	d.At, d.Seconds, d.Attempt = start.UTC(), time.Since(start).Seconds(), flush.tries
	l.n.remember(ctx, d, retry, err)
	return retry, err
}

// callSafely: a receiver that panics is one that fails, and no reason to end everything.
func callSafely(ctx context.Context, i *amnotify.Integration, alerts []*amalert.Alert) (retry bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			retry, err = false, fmt.Errorf("BUG: the receiver panics: %v", r)
		}
	}()
	return i.Notify(ctx, alerts...)
}

// interruption begins the error of a try that a stop or another configuration ended: it says nothing about the receiver.
const interruption = "interrupted: "

// remember puts a try into the log.
func (n *Notifier) remember(ctx context.Context, d *alert.Delivery, retry bool, err error) {
	capture, test := ctx.Value(testKey{}).(*capture)
	result := "ok"
	interrupted := false
	switch d.OK, d.Test = err == nil, test; {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		result, interrupted = "canceled", true
	case retry && !test && ctx.Err() == nil:
		result, d.Retry = "retry", true
	default:
		result = "failed"
	}
	if err != nil {
		d.Error = err.Error()
		if interrupted {
			d.Error = interruption + d.Error
		}
		d.Error = cutBytes(d.Error, maxError)
	}
	n.metrics.deliveries.WithLabelValues(d.Receiver, d.Integration, result).Inc()
	n.metrics.seconds.WithLabelValues(d.Integration).Observe(d.Seconds)
	n.told.add(d, true)
	if test {
		capture.add(d)
	}
	n.keeper.wake()
	n.opts.Changed()
}
