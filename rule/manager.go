package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	Defaults       *Files        // groups that come with the program; nil is none
	ExternalLabels labels.Labels // `.ExternalLabels` in templates
}

// Manager evaluates rules. Its metrics keep Prometheus' names (prometheus_rule_*), because existing dashboards
// and alerts ask for them; what is added here is under hulotte_rule_*.
type Manager struct {
	opts        Options
	log         *slog.Logger
	cancel      context.CancelFunc // ends the evaluations
	queryOffset atomic.Int64
	metrics     *metrics

	// Prometheus' manager reads the state before a restart back for the groups that it is given first, and for no later ones.
	// Documents may come long after files, when the medium was away: so they have a manager of their own.
	files, documents evaluator

	mu      sync.Mutex // serialises Apply and SetDocuments, and guards what follows
	config  Config
	given   []Document       // by the last SetDocuments
	refused map[string]error // the documents that cannot be evaluated, by name
}

// evaluator is one of Prometheus' managers with what it loads from.
type evaluator struct {
	rules  *rules.Manager
	loader *loader
}

type metrics struct {
	applyFailed prometheus.Counter
	files       prometheus.Gauge
	documents   *prometheus.GaugeVec
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
		documents: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hulotte_rule_documents",
			Help: "Rule groups that were edited through the API, by whether they are evaluated.",
		}, []string{"state"}),
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
	m := &Manager{opts: opts, log: log, cancel: cancel, metrics: newMetrics(reg), refused: map[string]error{}}
	shared := rules.NewGroupMetrics(reg)
	make := func() evaluator {
		l := &loader{parser: opts.Parser, files: &Files{}}
		return evaluator{rules: rules.NewManager(&rules.ManagerOptions{
			ExternalURL:            opts.ExternalURL,
			QueryFunc:              query,
			NotifyFunc:             m.notify,
			Context:                ctx,
			AppendableV2:           out,
			Queryable:              past,
			Logger:                 log,
			Metrics:                shared,
			OutageTolerance:        opts.OutageTolerance,
			ForGracePeriod:         opts.ForGracePeriod,
			ResendDelay:            opts.ResendDelay,
			GroupLoader:            l,
			DefaultRuleQueryOffset: func() time.Duration { return time.Duration(m.queryOffset.Load()) },
			ConcurrentEvalsEnabled: opts.MaxConcurrent > 0,
			MaxConcurrentEvals:     opts.MaxConcurrent,
			Parser:                 opts.Parser,
		}), loader: l}
	}
	m.files, m.documents = make(), make()
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
	n := len(files.names)
	files.add(cfg.Defaults)
	if err := m.update(m.files, cfg, files); err != nil {
		return fmt.Errorf("cannot apply rules: %w", err)
	}
	m.config = cfg
	m.queryOffset.Store(int64(cfg.QueryOffset))
	m.metrics.files.Set(float64(n))
	for _, w := range warnings {
		m.log.Warn(w)
	}
	if m.given == nil {
		return nil
	}
	return m.applyDocuments()
}

func (m *Manager) update(e evaluator, cfg Config, files *Files) error {
	before := e.loader.files
	e.loader.files = files
	err := e.rules.Update(cfg.Interval, files.names, cfg.ExternalLabels, m.opts.ExternalURL.String(), nil)
	if err != nil {
		e.loader.files = before
	}
	return err
}

// SetDocuments makes the manager evaluate these documents, and no others that it was given before. Groups that are unchanged go
// on undisturbed; an alert keeps its state as long as the rule keeps its name and labels. A document that cannot be evaluated is left
// out, alone, and told of by Refused.
func (m *Manager) SetDocuments(docs []Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.given = append([]Document{}, docs...)
	if m.config.Interval == 0 {
		return nil // Apply comes first
	}
	return m.applyDocuments()
}

func (m *Manager) applyDocuments() error {
	files, refused := &Files{}, map[string]error{}
	for _, d := range m.given {
		groups, err := d.Groups(m.opts.Parser)
		if err != nil {
			refused[d.Name] = err
			m.log.Warn("a rule group is left out", "name", d.Name, "err", err)
			continue
		}
		files.put(d.path(), groups)
	}
	if err := m.update(m.documents, m.config, files); err != nil {
		return fmt.Errorf("cannot apply edited rules: %w", err)
	}
	m.refused = refused
	m.metrics.documents.WithLabelValues("evaluated").Set(float64(len(files.names)))
	m.metrics.documents.WithLabelValues("refused").Set(float64(len(refused)))
	return nil
}

// Refused returns why documents are not evaluated, by name.
func (m *Manager) Refused() map[string]error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.refused)
}

// Run evaluates until ctx ends. An evaluation under way is then given a few seconds. It can be called once.
func (m *Manager) Run(ctx context.Context) error {
	defer m.cancel()
	var running sync.WaitGroup
	all := []evaluator{m.files, m.documents}
	for _, e := range all {
		running.Go(e.rules.Run)
	}
	<-ctx.Done()
	timer := time.AfterFunc(stopGrace, m.cancel)
	defer timer.Stop()
	for _, e := range all {
		running.Go(e.rules.Stop)
	}
	running.Wait()
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
