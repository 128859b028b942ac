package scrape

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
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/logging"
)

// Options tune a Manager. The zero value works.
type Options struct {
	// UserAgent is what targets see in their logs; empty means "Hulotte".
	UserAgent string
	// ExternalURL is where people reach this server. A target on localhost is shown under its host name.
	ExternalURL *url.URL
	// ListenPort is the port of our own listener; a target on localhost with this port is shown under ExternalURL.
	ListenPort string
	// StartTimestamps passes the created timestamps of counters and histograms on to the sink. With it the
	// `_created` series of OpenMetrics are no longer samples of their own, so it is off as in Prometheus.
	StartTimestamps bool
	// Discovery are the metrics of service discovery, which register once in a process; nil registers them.
	Discovery *discovery.SDMetrics
}

// Manager discovers targets and scrapes them into a sink.
//
// Apply it a configuration, at any time and as often as wanted; nothing is scraped until Run. Its metrics keep
// Prometheus' names (prometheus_target_*, prometheus_sd_*), because existing dashboards and alerts ask for
// them; what is added here is under hulotte_scrape_*.
type Manager struct {
	opts        Options
	log         *slog.Logger
	discoveries *discovery.Manager
	scrapes     *promscrape.Manager
	scrapeOpts  *promscrape.Options
	sink        *sink
	stop        context.CancelFunc // ends the discoveries

	mu      sync.Mutex // serialises Apply; never held while targets are read
	applied atomic.Pointer[Config]
}

// NewManager allocates a Manager that writes what it scrapes to out. The metrics are registered with reg, so
// one registry serves one Manager.
func NewManager(opts Options, out storage.AppendableV2, log *slog.Logger, reg prometheus.Registerer) (*Manager, error) {
	if opts.UserAgent == "" {
		opts.UserAgent = "Hulotte"
	}
	m := &Manager{opts: opts, log: log, sink: newSink(out, reg)}
	m.scrapeOpts = &promscrape.Options{
		AppendMetadata:           true,
		ParseST:                  opts.StartTimestamps,
		EnableZstdScrape:         true,
		PassMetadataInContext:    true, // the sink learns from the context whose scrape it is
		DiscoveryReloadInterval:  model.Duration(5 * time.Second),
		DiscoveryReloadOnStartup: true,
		HTTPClientOptions:        []commoncfg.HTTPClientOption{commoncfg.WithUserAgent(opts.UserAgent)},
	}
	scrapes, err := promscrape.NewManager(m.scrapeOpts, log, logging.NewJSONFileLogger, nil, m.sink, reg)
	if err != nil {
		return nil, fmt.Errorf("cannot create the scrape manager: %w", err)
	}
	if opts.Discovery == nil {
		if m.opts.Discovery, err = discovery.CreateAndRegisterSDMetrics(reg); err != nil {
			return nil, fmt.Errorf("cannot register the metrics of service discovery: %w", err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.scrapes = scrapes
	m.discoveries = discovery.NewManager(ctx, log, reg, m.opts.Discovery, discovery.Name("scrape"),
		discovery.HTTPClientOptions(commoncfg.WithUserAgent(opts.UserAgent)))
	if m.discoveries == nil { // it has logged why
		stop()
		return nil, errors.New("cannot create the service discovery manager")
	}
	return m, nil
}

// Apply makes the manager work by cfg from now on. Targets whose job is unchanged go on undisturbed. After an
// error some jobs may already work by cfg; applying the previous configuration again puts them back.
func (m *Manager) Apply(cfg *Config) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	// The scrapes first: the discoveries send targets for jobs that must be known by then.
	if err := m.scrapes.ApplyConfig(cfg.prom); err != nil {
		return fmt.Errorf("cannot apply scrape_configs: %w", err)
	}
	sources := make(map[string]discovery.Configs, len(cfg.prom.ScrapeConfigs))
	for _, job := range cfg.prom.ScrapeConfigs {
		sources[job.JobName] = job.ServiceDiscoveryConfigs
	}
	if err := m.discoveries.ApplyConfig(sources); err != nil {
		return fmt.Errorf("cannot apply the service discoveries of scrape_configs: %w", err)
	}
	m.applied.Store(cfg)
	return nil
}

// Run scrapes until ctx ends, then waits for the scrapes under way. It can be called once, and must be called
// if Apply was: it also ends what Apply has started.
func (m *Manager) Run(ctx context.Context) error {
	defer m.stop()
	var wg sync.WaitGroup
	groups := make(chan map[string][]*targetgroup.Group)
	wg.Go(func() { _ = m.discoveries.Run() })
	wg.Go(func() { m.forward(ctx, groups) })
	wg.Go(func() { _ = m.scrapes.Run(groups) })
	<-ctx.Done()
	m.scrapes.Stop()
	m.stop()
	wg.Wait()
	return nil
}

// forward hands what the discoveries find to the scrapes. Before the first targets it decides how they start.
func (m *Manager) forward(ctx context.Context, groups chan<- map[string][]*targetgroup.Group) {
	decided := false
	for {
		select {
		case <-ctx.Done():
			return
		case found, ok := <-m.discoveries.SyncCh():
			if !ok {
				return
			}
			if n := countTargets(found); !decided && n > 0 {
				decided = true
				if m.startsAtOnce(n) {
					// Nothing reads this before the first targets arrive over the channel below.
					m.scrapeOpts.InitialScrapeOffset = -maxInterval
				}
			}
			select {
			case groups <- found:
			case <-ctx.Done():
				return
			}
		}
	}
}

// maxInterval is longer than any scrape interval that makes sense.
const maxInterval = 24 * time.Hour

// maxAtOnce is how many targets may be scraped in the same instant. Prometheus waits up to a whole interval (a
// minute by default) before the first scrape of a target, so that the targets' scrapes are spread over the
// interval. For a few targets that wait is all loss; for thousands, scraping them together would hurt in every
// interval to come.
const maxAtOnce = 300

// startsAtOnce says whether all targets are scraped without delay when they appear: when they are few, and
// come from sources that cannot bring thousands more a moment later.
func (m *Manager) startsAtOnce(targets int) bool {
	cfg := m.applied.Load()
	if targets > maxAtOnce || cfg == nil {
		return false
	}
	for _, job := range cfg.prom.ScrapeConfigs {
		for _, source := range job.ServiceDiscoveryConfigs {
			switch source.Name() {
			case "static", "file", "http", "dns", "docker":
			default:
				return false
			}
		}
	}
	return true
}

func countTargets(found map[string][]*targetgroup.Group) int {
	n := 0
	for _, groups := range found {
		for _, g := range groups {
			n += len(g.Targets)
		}
	}
	return n
}
