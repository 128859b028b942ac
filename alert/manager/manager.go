// Package manager holds alerts and decides who is told of them: Alertmanager's dispatcher, silences, inhibition, notification log and API,
// with their state on the medium, so that a restart, a crash or another node knows it.
package manager

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amapi "github.com/prometheus/alertmanager/api"
	amconfig "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/nflog"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options are what a Manager is made of.
type Options struct {
	// ExternalURL is where people reach this server: what notifications link to. Nil is "/".
	ExternalURL *url.URL
	// Documents keep silences and what was told; an error means that the medium is away for now. Nil keeps nothing.
	Documents func() (medium.Documents, error)
	// Node is this node's name among those that share the medium: its alerts are remembered under it.
	Node string
	// Retention is how long ended silences, and what was told, are remembered; 0 is 120 h, as Alertmanager's.
	Retention time.Duration
	// Build makes the integrations of a receiver that Alertmanager does not know. Nil refuses them.
	Build func(receiver string, extras []notify.Extra, t *template.Template) ([]amnotify.Integration, error)
	// Wrap may look at every notification; nil leaves integrations as they are.
	Wrap func(receiver string, i amnotify.Integration) amnotify.Integration
	// Position is this node's place among those that share the medium, 0 for the first: each waits for PeerTimeout times that, so that the
	// others see what it told. Nil is 0.
	Position    func() int
	PeerTimeout time.Duration // 0 is 15 s
	// MaxAlerts bounds alerts, also those that resolved in the last half hour, MaxSilences silences; 0 is 100,000 and 10,000.
	MaxAlerts   int
	MaxSilences int
	// Inhibit are rules that hold besides those of the configuration.
	Inhibit []amconfig.InhibitRule
	// Unheard are the names of alerts of which nobody is told unless a route names them.
	Unheard []string
	// Changed is called, and must not block, when alerts or silences may be different.
	Changed func()
}

const (
	defaultRetention   = 120 * time.Hour
	defaultPeerTimeout = 15 * time.Second
	defaultMaxAlerts   = 100_000
	defaultMaxSilences = 10_000
	maxSilenceBytes    = 64 << 10
	gcInterval         = 30 * time.Minute
	maintenance        = 15 * time.Minute
	dispatchSweep      = 30 * time.Second
	sweepInterval      = 15 * time.Second
	loadTimeout        = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{Path: "/"}
	}
	if o.Documents == nil {
		o.Documents = func() (medium.Documents, error) { return nil, errNothingKept }
	}
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	if o.Position == nil {
		o.Position = func() int { return 0 }
	}
	if o.PeerTimeout <= 0 {
		o.PeerTimeout = defaultPeerTimeout
	}
	if o.MaxAlerts <= 0 {
		o.MaxAlerts = defaultMaxAlerts
	}
	if o.MaxSilences <= 0 {
		o.MaxSilences = defaultMaxSilences
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return o
}

var errNothingKept = fmt.Errorf("nothing is kept")

// Manager holds alerts. Its methods may be called by many goroutines.
type Manager struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	started time.Time

	alerts     *mem.Alerts
	silences   *silence.Silences
	silencer   *silence.Silencer
	told       *nflog.Log
	groups     marker.GroupMarker
	api        *amapi.API
	mux        http.Handler
	pipeline   *amnotify.PipelineBuilder
	dispatched *dispatch.DispatcherMetrics
	recorder   eventrecorder.Recorder
	keptSil    *kept
	keptLog    *kept
	memory     *memory

	apply   sync.Mutex // serialises Apply and stop
	running atomic.Pointer[running]

	held atomic.Int64 // alerts

	mu      sync.Mutex
	sources map[model.Fingerprint]alert.Source
	missing map[string]time.Time // since when an acknowledged alert has not been there
}

type metrics struct {
	receivers, integrations, inhibitions prometheus.Gauge
	applyFailed, refused                 prometheus.Counter
	keepFailed                           *prometheus.CounterVec
	keepWaiting                          *prometheus.GaugeVec
	put                                  *prometheus.CounterVec
	requests                             *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return with.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &metrics{
		receivers:    gauge("alertmanager_receivers", "Number of configured receivers."),
		integrations: gauge("alertmanager_integrations", "Number of configured integrations."),
		inhibitions:  gauge("alertmanager_inhibition_rules", "Number of configured inhibition rules."),
		applyFailed:  with.NewCounter(prometheus.CounterOpts{Name: "hulotte_alert_reload_failures_total", Help: "Configurations of alerting that were refused; the one before stayed in force."}),
		refused:      with.NewCounter(prometheus.CounterOpts{Name: "hulotte_alert_refused_total", Help: "Alerts that were not taken because there were too many, or they were too long."}),
		keepFailed:   with.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_alert_keep_failures_total", Help: "Changes that the medium did not take at once, by kind of document."}, []string{"kind"}),
		keepWaiting:  with.NewGaugeVec(prometheus.GaugeOpts{Name: "hulotte_alert_keep_waiting", Help: "Changes that wait for the medium, by kind of document."}, []string{"kind"}),
		put:          with.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_alert_raised_total", Help: "Alerts that were raised, raised again or resolved, by where they come from."}, []string{"source"}),
		requests: with.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alertmanager_http_request_duration_seconds", Help: "Histogram of latencies for HTTP requests.", Buckets: prometheus.DefBuckets,
		}, []string{"handler", "method", "code"}),
	}
}

// New allocates a Manager. Apply gives it a configuration, Run makes it work.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Manager, error) {
	o = o.withDefaults()
	compat.InitFromFlags(log, featurecontrol.NoopFlags{})
	m := &Manager{
		opts: o, log: log, metrics: newMetrics(reg), started: time.Now(), recorder: eventrecorder.NopRecorder(), groups: marker.NewGroupMarker(),
		sources: map[model.Fingerprint]alert.Source{}, missing: map[string]time.Time{},
		pipeline: nil,
	}
	var err error
	m.silences, err = silence.New(silence.Options{
		Retention: o.Retention, Logger: log, Metrics: reg, EventRecorder: m.recorder,
		Limits: silence.Limits{MaxSilences: func() int { return o.MaxSilences }, MaxSilenceSizeBytes: func() int { return maxSilenceBytes }},
	})
	if err != nil {
		return nil, err
	}
	if m.told, err = nflog.New(nflog.Options{Retention: o.Retention, Logger: log, Metrics: reg}); err != nil {
		return nil, err
	}
	m.silencer = silence.NewSilencer(m.silences, log, m.recorder)
	// Alertmanager's own limit, of alerts of one name, takes memory for all of them as soon as there is one.
	m.alerts, err = mem.NewAlerts(context.Background(), gcInterval, 0, watcher{m.silencer, m}, log, m.recorder, reg, featurecontrol.NoopFlags{})
	if err != nil {
		return nil, err
	}
	m.pipeline = amnotify.NewPipelineBuilder(reg, featurecontrol.NoopFlags{}, m.recorder)
	m.dispatched = dispatch.NewDispatcherMetrics(false, reg, featurecontrol.NoopFlags{})
	m.keptSil = m.keep(silenceKind, m.silences.Merge, parseSilence, true)
	m.keptLog = m.keep(logKind, m.told.Merge, parseLogEntry, false)
	m.memory = &memory{m: m, poke: make(chan struct{}, 1)}
	m.silences.SetBroadcast(m.silenceChanged)
	m.told.SetBroadcast(m.keptLog.broadcast)
	m.api, err = amapi.New(amapi.Options{
		Alerts: m.alerts, Silences: m.silences, GroupMutedFunc: m.groups.Muted, Logger: log, Registry: reg, RequestDuration: m.metrics.requests, GroupFunc: m.groupsNow,
	})
	if err != nil {
		return nil, err
	}
	m.mux = m.api.Register(route.New(), "/")
	return m, nil
}

func (m *Manager) keep(kind string, merge func([]byte) error, parse func([]byte) (string, time.Time, error), now bool) *kept {
	return &kept{
		kind: kind, docs: m.opts.Documents, merge: merge, parse: parse, now: now, log: m.log,
		failed: m.metrics.keepFailed.WithLabelValues(kind), waiting: m.metrics.keepWaiting.WithLabelValues(kind),
		known: map[string][32]byte{}, pending: map[string]entry{}, poke: make(chan struct{}, 1),
	}
}

// silenceChanged keeps a silence, and tells the pages.
func (m *Manager) silenceChanged(data []byte) {
	m.keptSil.broadcast(data)
	m.opts.Changed()
}

// Run loads what is kept and works until ctx ends. It is called once, after Apply.
func (m *Manager) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { m.keptSil.run(ctx) })
	wg.Go(func() { m.keptLog.run(ctx) })
	wg.Go(func() { m.memory.run(ctx) })
	wg.Go(func() { m.sweepAcks(ctx) })
	wg.Go(func() { m.maintain(ctx) })
	<-ctx.Done()
	m.apply.Lock()
	if r := m.running.Load(); r != nil {
		r.stop()
	}
	m.apply.Unlock()
	m.alerts.Close()
	wg.Wait()
	return nil
}

// Load takes silences, what was told, and the alerts that were there from the medium. It comes before Apply, so that nothing is told twice.
func (m *Manager) Load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	if err := m.keptSil.load(ctx); err != nil {
		return err
	}
	if err := m.keptLog.load(ctx); err != nil {
		return err
	}
	return m.memory.load(ctx)
}

// maintain drops what nobody needs any more.
func (m *Manager) maintain(ctx context.Context) {
	tick := time.NewTicker(maintenance)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, gc := range []func() (int, error){m.silences.GC, m.told.GC} {
			if _, err := gc(); err != nil {
				m.log.Error("cannot drop what has expired", "err", err)
			}
		}
		for _, k := range []*kept{m.keptSil, m.keptLog} {
			if err := k.drop(ctx, time.Now()); err != nil && ctx.Err() == nil {
				m.log.Warn("cannot drop documents that have expired", "kind", k.kind, "err", err)
			}
		}
	}
}

// maxAPIBody bounds the body of a request: 50,000 alerts of usual size.
const maxAPIBody = 64 << 20

// Handler answers Alertmanager's API, version 2, below /api/v2/.
func (m *Manager) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxAPIBody)
		m.mux.ServeHTTP(w, r)
		if r.Method != http.MethodGet {
			m.opts.Changed()
		}
	})
}

// watcher hears of alerts as they are stored. Alertmanager holds a lock meanwhile.
type watcher struct {
	*silence.Silencer
	m *Manager
}

func (w watcher) PreStore(a *amalert.Alert, existing bool) error {
	if n := sizeOf(a); n > maxAlertBytes {
		w.m.metrics.refused.Inc()
		return fmt.Errorf("%s is not taken: its labels and annotations have %d bytes, at most %d are allowed", a.Name(), n, maxAlertBytes)
	}
	if !existing && int(w.m.held.Load()) >= w.m.opts.MaxAlerts {
		w.m.metrics.refused.Inc()
		return fmt.Errorf("%s is not taken: there are %d alerts already", a.Name(), w.m.opts.MaxAlerts)
	}
	return nil
}

// maxAlertBytes bounds labels, annotations and the link of one alert.
const maxAlertBytes = 64 << 10

func sizeOf(a *amalert.Alert) int {
	n := len(a.GeneratorURL)
	for _, set := range []model.LabelSet{a.Labels, a.Annotations} {
		for name, value := range set {
			n += len(name) + len(value)
		}
	}
	return n
}

func (w watcher) PostStore(a *amalert.Alert, existing bool) {
	if !existing {
		w.m.held.Add(1)
	}
	w.m.memory.changed(a, existing)
	w.m.opts.Changed()
}

func (w watcher) PostDelete(a *amalert.Alert) {
	w.m.held.Add(-1)
	w.m.mu.Lock()
	delete(w.m.sources, a.Fingerprint())
	w.m.mu.Unlock()
	w.m.opts.Changed()
}
