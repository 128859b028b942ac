package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/store"
)

// The defaults of ForwardOptions. An agent with 3,000 series every 10 seconds queues about 16 MB an hour: a day of
// an unreachable server fits.
const (
	defaultForwardBytes      = 1 << 30
	defaultForwardAge        = 24 * time.Hour
	defaultForwardTimeout    = 30 * time.Second
	defaultForwardMinBackoff = 500 * time.Millisecond
	defaultForwardMaxBackoff = 30 * time.Second
	forwardSegments          = 16 // in a full queue: so much of it goes at once when it overflows
)

// ForwardOptions configures a Forwarder. Dir and URL are required; the zero value of every other field is its default.
type ForwardOptions struct {
	// Dir holds the queue. It is made when it does not exist.
	Dir string
	// URL takes the remote write 2.0 requests, such as https://hulotte.example.com/api/v1/write.
	URL string
	// Client sends them: TLS and authentication are its transport's (default http.DefaultClient).
	Client *http.Client
	// Header is added to every request, such as X-Scope-OrgID.
	Header http.Header
	// ExternalLabels are sent with every series that does not have labels of these names.
	ExternalLabels labels.Labels

	// MaxBytes and MaxAge bound the queue; beyond them the oldest samples are dropped, and counted (1 GiB, 24 hours).
	MaxBytes int64
	MaxAge   time.Duration
	// Timeout bounds one request (30 seconds).
	Timeout time.Duration
	// MinBackoff and MaxBackoff bound the wait between two tries of a request (0.5 and 30 seconds, doubling).
	MinBackoff, MaxBackoff time.Duration
	// SyncInterval is the longest time a committed sample stays in the operating system's memory only
	// (default 1 second, negative: left to the operating system).
	SyncInterval time.Duration
}

func (o ForwardOptions) withDefaults() ForwardOptions {
	setDefault(&o.Client, http.DefaultClient)
	setDefault(&o.MaxBytes, defaultForwardBytes)
	setDefault(&o.MaxAge, defaultForwardAge)
	setDefault(&o.Timeout, defaultForwardTimeout)
	setDefault(&o.MinBackoff, defaultForwardMinBackoff)
	setDefault(&o.MaxBackoff, defaultForwardMaxBackoff)
	setDefault(&o.SyncInterval, defaultSyncInterval)
	return o
}

// Forwarder sends what is appended to it to a server by remote write 2.0. In between everything rests in a queue on
// disk, which survives restarts of both sides: a transaction is in the queue when its Commit returns, and stays there
// until the server has taken it. After a crash of this process, requests of the last second may be sent twice, which
// a store takes as one.
type Forwarder struct {
	opts   ForwardOptions
	log    *slog.Logger
	queue  *queue
	series *forwardSeries
	sender *forwardClient

	ctx    context.Context
	cancel context.CancelFunc
	loops  sync.WaitGroup

	reg     prometheus.Registerer
	own     []prometheus.Collector
	sent    prometheus.Counter
	refused prometheus.Counter
	tries   *prometheus.CounterVec
	lastOK  atomic.Int64 // unix milliseconds
}

var _ storage.AppendableV2 = (*Forwarder)(nil)

// OpenForwarder opens the queue and starts to send it.
func OpenForwarder(opts ForwardOptions, log *slog.Logger, reg prometheus.Registerer) (*Forwarder, error) {
	opts = opts.withDefaults()
	if opts.Dir == "" {
		return nil, errors.New("cannot open the forwarder: Dir is empty")
	}
	sender, err := newForwardClient(opts)
	if err != nil {
		return nil, fmt.Errorf("cannot open the forwarder: %w", err)
	}
	q, err := openQueue(opts.Dir, max(opts.MaxBytes/forwardSegments, 1), opts.MaxBytes, log)
	if err != nil {
		return nil, fmt.Errorf("cannot open the forwarder's queue: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Forwarder{
		opts: opts, log: log, queue: q, sender: sender,
		series: newForwardSeries(opts.ExternalLabels),
		ctx:    ctx, cancel: cancel, reg: reg,
	}
	f.registerMetrics()
	f.loops.Go(f.send)
	f.loops.Go(f.settle)
	return f, nil
}

func (f *Forwarder) registerMetrics() {
	const prefix = "hulotte_store_forward_"
	own := prometheus.NewRegistry()
	with := promauto.With(own)
	f.sent = with.NewCounter(prometheus.CounterOpts{Name: prefix + "sent_samples_total", Help: "Samples that the server has taken."})
	f.refused = with.NewCounter(prometheus.CounterOpts{Name: prefix + "refused_samples_total", Help: "Samples that the server has refused for good."})
	f.tries = with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "requests_total", Help: "Requests by outcome: sent, refused, failed (and tried again)."}, []string{"outcome"})
	gauge := func(name, help string, value func() float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, value)
	}
	gauge("queue_bytes", "Bytes of the queue on disk.", func() float64 { n, _, _ := f.queue.counts(); return float64(n) })
	gauge("queue_samples", "Samples that wait to be sent.", func() float64 { _, n, _ := f.queue.counts(); return float64(n) })
	gauge("last_success_seconds", "When the server last took a request, in seconds since the epoch; 0: never.", func() float64 { return float64(f.lastOK.Load()) / 1000 })
	dropped := func(reason string, value func(queueDrops) uint64) {
		with.NewCounterFunc(prometheus.CounterOpts{
			Name: prefix + "dropped_samples_total", Help: "Samples that left the queue unsent, by reason.",
			ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { _, _, d := f.queue.counts(); return float64(value(d)) })
	}
	dropped("size", func(d queueDrops) uint64 { return d.size })
	dropped("age", func(d queueDrops) uint64 { return d.age })
	dropped("corrupt", func(d queueDrops) uint64 { return d.corrupt })
	if f.reg == nil {
		return
	}
	if err := f.reg.Register(own); err != nil {
		f.log.Warn("cannot register the metrics of the forwarder", "err", err)
		return
	}
	f.own = []prometheus.Collector{own}
}

// AppenderV2 starts a transaction.
func (f *Forwarder) AppenderV2(context.Context) storage.AppenderV2 { return newForwardAppender(f) }

// Close stops sending and brings the queue to the disk. What was not sent is sent after the next start.
func (f *Forwarder) Close() error {
	f.cancel()
	f.loops.Wait()
	for _, c := range f.own {
		f.reg.Unregister(c)
	}
	return f.queue.close()
}

// Pending returns how many samples wait to be sent.
func (f *Forwarder) Pending() int {
	_, samples, _ := f.queue.counts()
	return samples
}

// settle brings the queue to the disk every now and then until Close.
func (f *Forwarder) settle() {
	interval := f.opts.SyncInterval
	if interval < 0 {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failed := false
	for {
		select {
		case <-f.ctx.Done():
			return
		case now := <-ticker.C:
			err := f.queue.settle(now, false)
			if err != nil && !failed {
				f.log.Error("cannot sync the forwarder's queue", "err", err)
			}
			failed = err != nil
		}
	}
}

// send sends the queue, oldest first, until Close.
func (f *Forwarder) send() {
	for f.ctx.Err() == nil {
		r, err := f.queue.next(time.Now().Add(-f.opts.MaxAge))
		if err != nil {
			f.log.Error("cannot read the forwarder's queue", "err", err)
		}
		if r == nil {
			if !f.waitForMore(err != nil) {
				return
			}
			continue
		}
		if !f.deliver(r) {
			return
		}
		f.queue.done(r)
	}
}

// waitForMore waits until the queue may have something; after an error it waits instead of turning fast.
func (f *Forwarder) waitForMore(failed bool) bool {
	ready := f.queue.ready
	var again <-chan time.Time
	if failed {
		ready, again = nil, time.After(f.opts.MaxBackoff)
	}
	select {
	case <-ready:
		return true
	case <-again:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// deliver sends one request until the server takes it or refuses it for good. It returns false when the forwarder
// is closed before.
func (f *Forwarder) deliver(r *queued) bool {
	backoff := f.opts.MinBackoff
	for try := 0; ; try++ {
		res := f.sender.post(f.ctx, r.payload, try)
		switch {
		case res.err == nil:
			f.sent.Add(float64(r.samples))
			f.tries.WithLabelValues("sent").Inc()
			f.lastOK.Store(time.Now().UnixMilli())
			if try > 0 {
				f.log.Info("the server takes samples again", "url", f.opts.URL, "waiting", f.Pending())
			}
			return true
		case f.ctx.Err() != nil:
			return false
		case res.refused:
			f.noteRefused(r, res)
			return true
		}
		f.tries.WithLabelValues("failed").Inc()
		if try == 0 {
			f.log.Warn("cannot send samples: trying again", "url", f.opts.URL, "err", res.err)
		}
		// A little randomness keeps many agents from coming back at the same moment.
		wait := max(res.retryAfter, backoff/2+rand.N(backoff/2+1))
		select {
		case <-time.After(min(wait, f.opts.MaxBackoff)):
		case <-f.ctx.Done():
			return false
		}
		backoff = min(2*backoff, f.opts.MaxBackoff)
		if f.queue.isDropped(r) {
			return true
		}
	}
}

// noteRefused counts a request that the server has refused, maybe in part.
func (f *Forwarder) noteRefused(r *queued, res forwardResult) {
	refused := max(r.samples-res.written, 0)
	f.sent.Add(float64(r.samples - refused))
	f.refused.Add(float64(refused))
	f.tries.WithLabelValues("refused").Inc()
	f.lastOK.Store(time.Now().UnixMilli())
	f.log.Warn("the server has refused samples for good", "url", f.opts.URL, "samples", refused, "err", res.err)
}

// errQueue makes the error of a transaction that the queue could not take.
func errQueue(err error) error {
	if isNoSpace(err) {
		return fmt.Errorf("cannot queue samples: %w: %w", store.ErrNoSpace, err)
	}
	return fmt.Errorf("cannot queue samples: %w", err)
}
