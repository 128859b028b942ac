package app

import (
	"net/url"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/scrape"
	"github.com/prometheus/prometheus/model/labels"
)

// targets shows what is scraped and what is gathered as one.
type targets struct {
	scrape *scrape.Manager
	gather *gather.Loop
}

func (t targets) Active() []api.Target {
	var out []api.Target
	for _, s := range t.gather.Status() {
		out = append(out, gathered(s))
	}
	for _, s := range t.scrape.Targets("").Active {
		out = append(out, scraped(s))
	}
	return out
}

// gathered makes a source look like a target, so that clients that read targets find it: its URL has the scheme
// hulotte, because nothing is asked over the network.
func gathered(s gather.SourceStatus) api.Target {
	u := url.URL{Scheme: "hulotte", Host: s.Instance, Path: "/" + s.Job}
	lastError := s.LastError
	if lastError == "" && s.LastWarning != "" {
		lastError = "incomplete: " + s.LastWarning
	}
	return api.Target{
		Pool: s.Job, ScrapeURL: u.String(), Labels: labels.FromMap(s.Labels),
		DiscoveredLabels: labels.FromStrings("__address__", s.Instance, "__scheme__", "hulotte", "job", s.Job),
		Health:           string(s.Health), LastError: lastError, LastScrape: s.LastGather, LastDuration: s.LastTook,
		Interval: s.Interval, Timeout: s.Timeout,
		Samples: int64(s.Samples), SamplesKept: int64(s.Samples), SeriesAdded: unknownCount, BodyBytes: unknownCount,
	}
}

// unknownCount stands for a number that a target does not tell.
const unknownCount = -1

func scraped(s scrape.Target) api.Target {
	return api.Target{
		Pool: s.Pool, ScrapeURL: s.URL, GlobalURL: s.GlobalURL, Labels: s.Labels, DiscoveredLabels: s.DiscoveredLabels,
		Health: string(s.Health), LastError: s.LastError, LastScrape: s.LastScrape, LastDuration: s.LastDuration,
		Interval: s.Interval, Timeout: s.Timeout,
		Samples: s.Counts.Samples, SamplesKept: s.Counts.SamplesKept, SeriesAdded: s.Counts.SeriesAdded, BodyBytes: s.Counts.BodyBytes,
	}
}

func (t targets) Dropped() ([]api.DroppedTarget, map[string]int) {
	all := t.scrape.Targets("")
	out := make([]api.DroppedTarget, len(all.Dropped))
	for i, d := range all.Dropped {
		out[i] = api.DroppedTarget{Pool: d.Pool, DiscoveredLabels: d.DiscoveredLabels}
	}
	return out, all.DroppedCounts
}

func (t targets) Pools() []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range t.gather.Status() {
		if !seen[s.Job] {
			seen[s.Job] = true
			out = append(out, s.Job)
		}
	}
	return append(out, t.scrape.ScrapePools()...)
}

func (t targets) Metadata(metric string) []api.TargetMetadata {
	var out []api.TargetMetadata
	for _, m := range t.gather.Metadata() {
		if metric == "" || m.Family == metric {
			out = append(out, api.TargetMetadata{
				Target: labels.FromStrings("job", m.Job, "instance", m.Instance),
				Metric: m.Family, Type: string(m.Type), Help: m.Help, Unit: m.Unit,
			})
		}
	}
	for _, m := range t.scrape.TargetMetadata(nil, metric) {
		out = append(out, api.TargetMetadata{Target: m.Target, Metric: m.Metric, Type: string(m.Type), Help: m.Help, Unit: m.Unit})
	}
	return out
}

var _ api.Targets = targets{}
