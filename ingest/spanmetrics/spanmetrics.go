// Package spanmetrics derives series from spans as they come in: the rate, errors and durations of every operation of every service, and who
// calls whom. Names and labels are those of OpenTelemetry's span-metrics and service-graph connectors
// (github.com/open-telemetry/opentelemetry-collector-contrib/connector/…, read as documentation), so that dashboards made for those work.
//
//	m := spanmetrics.New(spanmetrics.Options{}, sink, log, registerer)
//	spans.Observe(m.Observe)
//	go m.Run(ctx) // writes every interval, and once more at the end
//
// Observe counts in memory, under locks that are held for microseconds; it does no I/O and waits for none. What it keeps is bounded: series, services and
// span names of a tenant, and spans that wait for their other half. What is beyond is counted under the name Overflow, and visible in
// hulotte_span_metrics_….
//
// Counters start at 0 with the process. Each series begins with a sample of 0 at the time of the writing before its first span, so that rate() sees
// its first increments, and its samples carry that time as their start timestamp.
package spanmetrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

// Overflow is the service, the span name or the node under which everything beyond the bounds is counted.
const Overflow = "(overflow)"

// Options of Metrics. The zero value works: zero means the default.
type Options struct {
	// Interval is how often the series are written, 15 s when zero.
	Interval time.Duration
	// Wait is for how long at least a span waits for the other half of its call, 10 s when zero; at most it waits twice as long.
	Wait time.Duration
	// Idle is after which time without spans a series ends, 15 min when zero. It is at least four times Wait.
	Idle time.Duration
	// MaxSeries bounds the series of a tenant, 20,000 when zero. A histogram is one series.
	MaxSeries int
	// MaxServices bounds the services of a tenant, and what they call that is no service as well; 1000 when zero.
	MaxServices int
	// MaxOperations bounds the span names of a service, 500 when zero.
	MaxOperations int
	// MaxPending bounds the spans of all tenants that wait for the other half of their call, 200,000 when zero: some 25 MiB.
	MaxPending int
	// Apdex is the time within which an answer satisfies, 500 ms when zero; within four times as much it is tolerated.
	Apdex time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	setDefault(&o.Interval, 15*time.Second)
	setDefault(&o.Wait, 10*time.Second)
	setDefault(&o.Idle, 15*time.Minute)
	o.Idle = max(o.Idle, 4*o.Wait)
	setDefault(&o.MaxSeries, 20_000)
	setDefault(&o.MaxServices, 1000)
	setDefault(&o.MaxOperations, 500)
	setDefault(&o.MaxPending, 200_000)
	setDefault(&o.Apdex, 500*time.Millisecond)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Sink returns where the series of a tenant are written.
type Sink func(tenant string) (storage.AppendableV2, error)

// Metrics derives series from spans. It is safe for concurrent use.
type Metrics struct {
	opts    Options
	to      Sink
	log     *slog.Logger
	own     *own
	pending *pending

	writing sync.Mutex // held by Flush: one at a time

	mu      sync.RWMutex
	tenants map[string]*tenant // as many as the store of spans takes; guarded by mu
	born    int64              // from when on series that begin now count, milliseconds since the epoch; guarded by mu
}

// New returns Metrics that write to a sink.
func New(o Options, to Sink, log *slog.Logger, reg prometheus.Registerer) *Metrics {
	o = o.withDefaults()
	m := &Metrics{opts: o, to: to, log: log, tenants: map[string]*tenant{}, born: o.Now().UnixMilli()}
	m.pending = newPending(o.MaxPending)
	m.own = newOwn(reg, m)
	return m
}

// Observe counts spans of a tenant. It keeps nothing of what it is given.
func (m *Metrics) Observe(tenant string, groups []model.SpanGroup) {
	t := m.tenant(tenant)
	now := m.opts.Now().UnixMilli()
	for i := range groups {
		g := &groups[i]
		if len(g.Spans) == 0 {
			continue
		}
		n := t.service(g.Resource.ServiceName(), now)
		t.observeOperations(n, g.Spans, now)
		for j := range g.Spans {
			t.observeCall(n, &g.Spans[j], now)
		}
	}
}

func (m *Metrics) tenant(name string) *tenant {
	m.mu.RLock()
	t := m.tenants[name]
	m.mu.RUnlock()
	if t != nil {
		return t
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.tenants[name]; t == nil {
		t = newTenant(m, name, m.born)
		m.tenants[t.name] = t
	}
	return t
}

// Run writes the series every interval until ctx ends, and then once more.
func (m *Metrics) Run(ctx context.Context) error {
	write, expire := time.NewTicker(m.opts.Interval), time.NewTicker(m.opts.Wait)
	defer write.Stop()
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			m.flush(context.WithoutCancel(ctx))
			return nil
		case <-write.C:
			m.flush(ctx)
		case <-expire.C:
			m.expire()
		}
	}
}

func (m *Metrics) flush(ctx context.Context) {
	if err := m.Flush(ctx); err != nil {
		m.log.Warn("cannot write the series derived from spans, trying again at the next interval", "err", err)
	}
}
