package scrape

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"
)

// Target is the state of one target at one moment. It is a copy: the reader may keep it.
type Target struct {
	DiscoveredLabels labels.Labels // before relabelling
	Labels           labels.Labels // those that its series carry
	Pool             string        // the job's name, even where relabelling changes the label `job`
	URL              string        // what is scraped
	GlobalURL        string        // the same as people reach it from elsewhere
	LastError        string        // empty when the last scrape went well; names the setting when a limit was hit
	LastScrape       time.Time     // zero before the first one
	LastDuration     time.Duration
	Health           promscrape.TargetHealth // up, down, unknown
	Interval         time.Duration
	Timeout          time.Duration
	Counts           Counts // of the last scrape
}

// DroppedTarget is a target that relabelling has dropped.
type DroppedTarget struct {
	DiscoveredLabels labels.Labels
	Pool             string
}

// Targets is the state of all targets, sorted by pool and URL.
type Targets struct {
	Active  []Target
	Dropped []DroppedTarget // at most keep_dropped_targets for each job
	// DroppedCounts holds the number of dropped targets by pool, whether or not they are in Dropped.
	DroppedCounts map[string]int
}

// Targets returns the state of the targets of one pool, or of all when pool is "".
func (m *Manager) Targets(pool string) Targets {
	out := Targets{DroppedCounts: map[string]int{}}
	for name, n := range m.scrapes.TargetsDroppedCounts() {
		if pool == "" || pool == name {
			out.DroppedCounts[name] = n
		}
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for name, targets := range m.scrapes.TargetsActive() {
		if pool == "" || pool == name {
			for _, t := range targets {
				out.Active = append(out.Active, m.target(name, t, b))
			}
		}
	}
	for name, targets := range m.scrapes.TargetsDropped() {
		if pool == "" || pool == name {
			for _, t := range targets {
				out.Dropped = append(out.Dropped, DroppedTarget{DiscoveredLabels: t.DiscoveredLabels(b), Pool: name})
			}
		}
	}
	slices.SortFunc(out.Active, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.URL, b.URL), labels.Compare(a.Labels, b.Labels))
	})
	slices.SortFunc(out.Dropped, func(a, b DroppedTarget) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), labels.Compare(a.DiscoveredLabels, b.DiscoveredLabels))
	})
	return out
}

func (m *Manager) target(pool string, t *promscrape.Target, b *labels.Builder) Target {
	address := t.URL()
	out := Target{
		DiscoveredLabels: t.DiscoveredLabels(b),
		Labels:           t.Labels(b),
		Pool:             pool,
		URL:              address.String(),
		GlobalURL:        m.globalURL(address).String(),
		LastScrape:       t.LastScrape(),
		LastDuration:     t.LastScrapeDuration(),
		Health:           t.Health(),
		Interval:         durationLabel(t, model.ScrapeIntervalLabel),
		Timeout:          durationLabel(t, model.ScrapeTimeoutLabel),
		Counts:           m.sink.counts(t),
	}
	if err := t.LastError(); err != nil {
		out.LastError = m.explain(pool, err)
	}
	return out
}

func durationLabel(t *promscrape.Target, name string) time.Duration {
	d, err := model.ParseDuration(t.GetValue(name))
	if err != nil {
		return 0 // cannot be: a target with a bad interval or timeout is never made
	}
	return time.Duration(d)
}

// globalURL returns u with a host that is reachable from elsewhere, where u is on localhost.
func (m *Manager) globalURL(u *url.URL) *url.URL {
	external := m.opts.ExternalURL
	if external == nil || !isLocal(u.Hostname()) {
		return u
	}
	out := *u
	if u.Port() != "" && u.Port() == m.opts.ListenPort {
		out.Scheme, out.Host = external.Scheme, external.Host
		return &out
	}
	out.Host = external.Hostname()
	if u.Port() != "" {
		out.Host = net.JoinHostPort(out.Host, u.Port())
	}
	return &out
}

func isLocal(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// ScrapePools returns the names of the jobs that are being scraped, sorted.
func (m *Manager) ScrapePools() []string {
	pools := m.scrapes.ScrapePools()
	slices.Sort(pools)
	return pools
}

// ScrapePoolConfig returns the effective configuration of a job as YAML, secrets masked.
func (m *Manager) ScrapePoolConfig(pool string) (string, error) {
	cfg, err := m.scrapes.ScrapePoolConfig(pool)
	if err != nil {
		return "", err
	}
	return marshalJob(cfg)
}

// TargetMetadata is what one target has told about one metric family.
type TargetMetadata struct {
	Target labels.Labels
	Metric string
	Type   model.MetricType
	Help   string
	Unit   string
}

// TargetMetadata returns what the targets that match have told about metric, or about all their metrics when
// metric is "". It is sorted by target, then metric.
func (m *Manager) TargetMetadata(match []*labels.Matcher, metric string) []TargetMetadata {
	var out []TargetMetadata
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, targets := range m.scrapes.TargetsActive() {
		for _, t := range targets {
			if ls := t.Labels(b); matches(ls, match) {
				out = appendMetadata(out, ls, t, metric)
			}
		}
	}
	slices.SortFunc(out, func(a, b TargetMetadata) int {
		return cmp.Or(labels.Compare(a.Target, b.Target), strings.Compare(a.Metric, b.Metric))
	})
	return out
}

func appendMetadata(out []TargetMetadata, ls labels.Labels, t *promscrape.Target, metric string) []TargetMetadata {
	if metric == "" {
		for _, md := range t.ListMetadata() {
			out = append(out, TargetMetadata{ls, md.MetricFamily, md.Type, md.Help, md.Unit})
		}
	} else if md, ok := t.GetMetadata(metric); ok {
		out = append(out, TargetMetadata{ls, md.MetricFamily, md.Type, md.Help, md.Unit})
	}
	return out
}

func matches(ls labels.Labels, match []*labels.Matcher) bool {
	for _, m := range match {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}
