package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// QueryFunc answers an instant query at t. A scalar is a vector of one element without labels.
type QueryFunc = rules.QueryFunc

// NotifyFunc is told of the alerts of one rule that are firing or have just resolved: when they change, and
// again every Options.ResendDelay. It must not block for long: the rule's group waits for it. expr is the
// rule's expression. The alerts belong to the callee.
type NotifyFunc func(ctx context.Context, expr string, alerts []Alert)

// Defaults of Options; they are Prometheus'.
const (
	DefaultOutageTolerance = time.Hour
	DefaultForGracePeriod  = 10 * time.Minute
	DefaultResendDelay     = time.Minute
	// DefaultInterval is how often a group is evaluated that does not say.
	DefaultInterval = time.Minute
)

// stopGrace is how long an evaluation may still run when the manager stops. Longer than nearly all take, and
// short enough that a stop stays within what service managers allow.
const stopGrace = 5 * time.Second

// Options tune a Manager; zero values mean the defaults.
type Options struct {
	// ExternalURL is where people reach this server: `.ExternalURL` and the links in templates.
	ExternalURL *url.URL
	// OutageTolerance is the longest outage after which the `for` state of alerts is restored.
	OutageTolerance time.Duration
	// ForGracePeriod is the shortest time between a restart and the firing of a restored alert.
	ForGracePeriod time.Duration
	// ResendDelay is the shortest time between two notifications about an alert that does not change.
	ResendDelay time.Duration
	// MaxConcurrent is how many rules may be evaluated beside their group's own sequence, where they do not
	// depend on one another. 0 evaluates the rules of a group strictly one after the other.
	MaxConcurrent int64
	// Parser parses expressions; nil means Prometheus' parser without experimental functions. ParserOf makes one for another language.
	Parser parser.Parser
	// Notify is told of alerts; nil only counts them.
	Notify NotifyFunc
}

// Config is what a reload can change.
type Config struct {
	Interval       time.Duration // of groups that set none; 0 means DefaultInterval
	QueryOffset    time.Duration // of groups that set none
	Files          []string      // file names or globs
	ExternalLabels labels.Labels // `.ExternalLabels` in templates
}

// Manager evaluates rules. Its metrics keep Prometheus' names (prometheus_rule_*), because existing dashboards
// and alerts ask for them; what is added here is under hulotte_rule_*.
type Manager struct {
	opts        Options
	log         *slog.Logger
	rules       *rules.Manager
	loader      *loader
	cancel      context.CancelFunc // ends the evaluations
	queryOffset atomic.Int64
	metrics     *metrics

	mu sync.Mutex // serialises Apply and guards loader
}

type metrics struct {
	applyFailed prometheus.Counter
	files       prometheus.Gauge
	notified    *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	return &metrics{
		applyFailed: with.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_rule_reload_failures_total",
			Help: "Reloads of rules that were refused; the rules before it stayed in force.",
		}),
		files: with.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_rule_files",
			Help: "Rule files in force.",
		}),
		notified: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_rule_alerts_notified_total",
			Help: "Alerts handed to notification, by what they tell.",
		}, []string{"state"}),
	}
}

// NewManager allocates a Manager. It queries through query, reads the state of alerts before a restart from
// past, and writes results to out.
func NewManager(opts Options, query QueryFunc, past storage.Queryable, out storage.AppendableV2, log *slog.Logger, reg prometheus.Registerer) *Manager {
	opts = opts.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	m := &Manager{
		opts: opts, log: log, cancel: cancel,
		loader:  &loader{parser: opts.Parser},
		metrics: newMetrics(reg),
	}
	m.rules = rules.NewManager(&rules.ManagerOptions{
		ExternalURL:            opts.ExternalURL,
		QueryFunc:              query,
		NotifyFunc:             m.notify,
		Context:                ctx,
		AppendableV2:           out,
		Queryable:              past,
		Logger:                 log,
		Registerer:             reg,
		OutageTolerance:        opts.OutageTolerance,
		ForGracePeriod:         opts.ForGracePeriod,
		ResendDelay:            opts.ResendDelay,
		GroupLoader:            m.loader,
		DefaultRuleQueryOffset: func() time.Duration { return time.Duration(m.queryOffset.Load()) },
		ConcurrentEvalsEnabled: opts.MaxConcurrent > 0,
		MaxConcurrentEvals:     opts.MaxConcurrent,
		Parser:                 opts.Parser,
	})
	return m
}

func (o Options) withDefaults() Options {
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{}
	}
	if o.Parser == nil {
		o.Parser = parser.NewParser(parser.Options{})
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.OutageTolerance, DefaultOutageTolerance},
		{&o.ForGracePeriod, DefaultForGracePeriod},
		{&o.ResendDelay, DefaultResendDelay},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return o
}

// Apply makes the manager evaluate what cfg names from now on. Groups that are unchanged go on undisturbed;
// those whose rules changed keep the state of their alerts. When any file is wrong nothing changes, and the
// error tells of all files. Nothing is evaluated before Run.
func (m *Manager) Apply(cfg Config) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.apply(cfg); err != nil {
		m.metrics.applyFailed.Inc()
		return err
	}
	return nil
}

func (m *Manager) apply(cfg Config) error {
	if cfg.Interval < 0 || cfg.QueryOffset < 0 {
		return errors.New("the evaluation interval and the query offset of rules cannot be negative")
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	files, warnings, err := Load(cfg.Files, m.opts.Parser)
	if err != nil {
		return fmt.Errorf("cannot load rules: %w", err)
	}
	m.loader.files = files
	if err := m.rules.Update(cfg.Interval, files.names, cfg.ExternalLabels, m.opts.ExternalURL.String(), nil); err != nil {
		return fmt.Errorf("cannot apply rules: %w", err)
	}
	m.queryOffset.Store(int64(cfg.QueryOffset))
	m.metrics.files.Set(float64(len(files.names)))
	for _, w := range warnings {
		m.log.Warn(w)
	}
	return nil
}

// Run evaluates until ctx ends. An evaluation under way is then given a few seconds. It can be called once.
func (m *Manager) Run(ctx context.Context) error {
	defer m.cancel()
	done := make(chan struct{})
	go func() { defer close(done); m.rules.Run() }()
	<-ctx.Done()
	timer := time.AfterFunc(stopGrace, m.cancel)
	defer timer.Stop()
	m.rules.Stop()
	<-done
	return nil
}

// notify counts the alerts and hands them on.
func (m *Manager) notify(ctx context.Context, expr string, alerts ...*rules.Alert) {
	if len(alerts) == 0 {
		return
	}
	out := make([]Alert, len(alerts))
	for i, a := range alerts {
		out[i] = plainAlert(a)
		state := "firing"
		if !a.ResolvedAt.IsZero() {
			state = "resolved"
		}
		m.metrics.notified.WithLabelValues(state).Inc()
	}
	if m.opts.Notify != nil {
		m.opts.Notify(ctx, expressionText(expr), out)
	}
}

// EngineQuery returns a QueryFunc over a PromQL engine and the series that rules see.
func EngineQuery(engine promql.QueryEngine, series storage.Queryable) QueryFunc {
	return rules.EngineQueryFunc(engine, series)
}
