package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// ours says whether the request may see what the process itself does: targets and rules write to the default
// tenant, so the other tenants have none.
func ours(ctx context.Context) bool { return model.Tenant(ctx) == model.DefaultTenant }

func (a *api) targetsFor(r *http.Request) Targets {
	if ours(r.Context()) {
		return a.Targets
	}
	return noTargets{}
}

type targetJSON struct {
	DiscoveredLabels   labels.Labels `json:"discoveredLabels"`
	Labels             labels.Labels `json:"labels"`
	ScrapePool         string        `json:"scrapePool"`
	ScrapeURL          string        `json:"scrapeUrl"`
	GlobalURL          string        `json:"globalUrl"`
	LastError          string        `json:"lastError"`
	LastScrape         time.Time     `json:"lastScrape"`
	LastScrapeDuration float64       `json:"lastScrapeDuration"` // seconds
	Health             string        `json:"health"`
	ScrapeInterval     string        `json:"scrapeInterval"`
	ScrapeTimeout      string        `json:"scrapeTimeout"`
}

type droppedTargetJSON struct {
	DiscoveredLabels labels.Labels `json:"discoveredLabels"`
	ScrapePool       string        `json:"scrapePool"`
}

type targetsJSON struct {
	Active        []targetJSON        `json:"activeTargets"`
	Dropped       []droppedTargetJSON `json:"droppedTargets"`
	DroppedCounts map[string]int      `json:"droppedTargetCounts"`
}

// targets answers /api/v1/targets.
func (a *api) targets(r *http.Request) (*result, error) {
	pool := r.Form.Get("scrapePool")
	state := strings.ToLower(r.Form.Get("state"))
	all := state == "" || state == "any"
	out := targetsJSON{Active: []targetJSON{}, Dropped: []droppedTargetJSON{}}
	if all || state == "active" {
		out.Active = activeTargets(a.targetsFor(r), pool)
	}
	if all || state == "dropped" {
		out.Dropped, out.DroppedCounts = droppedTargets(a.targetsFor(r), pool)
	}
	return &result{data: out}, nil
}

func activeTargets(ts Targets, pool string) []targetJSON {
	list := []targetJSON{}
	for _, t := range ts.Active() {
		if pool == "" || pool == t.Pool {
			list = append(list, t.json())
		}
	}
	slices.SortStableFunc(list, func(a, b targetJSON) int { return strings.Compare(a.ScrapePool, b.ScrapePool) })
	return list
}

func (t Target) json() targetJSON {
	global := t.GlobalURL
	if global == "" {
		global = t.ScrapeURL
	}
	return targetJSON{
		DiscoveredLabels: t.DiscoveredLabels, Labels: t.Labels,
		ScrapePool: t.Pool, ScrapeURL: t.ScrapeURL, GlobalURL: global,
		LastError: t.LastError, LastScrape: t.LastScrape, LastScrapeDuration: t.LastDuration.Seconds(), Health: t.Health,
		ScrapeInterval: commonmodel.Duration(t.Interval).String(), ScrapeTimeout: commonmodel.Duration(t.Timeout).String(),
	}
}

func droppedTargets(ts Targets, pool string) ([]droppedTargetJSON, map[string]int) {
	dropped, counts := ts.Dropped()
	if counts == nil {
		counts = map[string]int{}
	}
	list := []droppedTargetJSON{}
	for _, t := range dropped {
		if pool == "" || pool == t.Pool {
			list = append(list, droppedTargetJSON{DiscoveredLabels: t.DiscoveredLabels, ScrapePool: t.Pool})
		}
	}
	slices.SortStableFunc(list, func(a, b droppedTargetJSON) int { return strings.Compare(a.ScrapePool, b.ScrapePool) })
	return list, counts
}

// scrapePools answers /api/v1/scrape_pools.
func (a *api) scrapePools(r *http.Request) (*result, error) {
	pools := slices.Sorted(slices.Values(a.targetsFor(r).Pools()))
	return &result{data: map[string][]string{"scrapePools": orEmpty(pools)}}, nil
}

type targetMetadataJSON struct {
	Target labels.Labels `json:"target"`
	Metric string        `json:"metric,omitempty"`
	Type   string        `json:"type"`
	Help   string        `json:"help"`
	Unit   string        `json:"unit"`
}

// targetMetadata answers /api/v1/targets/metadata: what each target says about its metrics.
func (a *api) targetMetadata(r *http.Request) (*result, error) {
	limit, err := numberParam(r, "limit")
	if err != nil {
		return nil, err
	}
	var matchers []*labels.Matcher
	if text := r.Form.Get("match_target"); text != "" {
		if matchers, err = a.selector(text); err != nil {
			return nil, badParam("match_target", err)
		}
	}
	metric := r.Form.Get("metric")
	list := []targetMetadataJSON{}
	for _, m := range a.targetsFor(r).Metadata(metric) {
		if limit >= 0 && len(list) >= limit {
			break
		}
		if !matchesAll(m.Target, matchers) {
			continue
		}
		entry := targetMetadataJSON{Target: m.Target, Type: m.Type, Help: m.Help, Unit: m.Unit}
		if metric == "" { // whoever asks for one metric knows its name
			entry.Metric = m.Metric
		}
		list = append(list, entry)
	}
	return &result{data: list}, nil
}

// numberParam reads an optional whole number; -1 means that there is none.
func numberParam(r *http.Request, name string) (int, error) {
	v := r.Form.Get(name)
	if v == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, badData("%s must be a number", name)
	}
	return n, nil
}

func matchesAll(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// alertmanagers answers /api/v1/alertmanagers: those outside, besides our own.
func (a *api) alertmanagers(*http.Request) (*result, error) {
	type alertmanager struct {
		URL string `json:"url"`
	}
	list := func(all []*url.URL) []alertmanager {
		out := make([]alertmanager, len(all))
		for i, u := range all {
			out[i].URL = u.String()
		}
		return out
	}
	var active, dropped []*url.URL
	if a.Alertmanagers != nil {
		active, dropped = a.Alertmanagers()
	}
	return &result{data: map[string][]alertmanager{"activeAlertmanagers": list(active), "droppedAlertmanagers": list(dropped)}}, nil
}

// hulotteTargetJSON adds what Prometheus' API does not tell.
type hulotteTargetJSON struct {
	targetJSON
	Samples     int64   `json:"samples"`     // in the last scrape; -1 when unknown
	SamplesKept int64   `json:"samplesKept"` // of those, after relabelling
	SeriesAdded int64   `json:"seriesAdded"` // new ones in the last scrape
	BodyBytes   int64   `json:"bodyBytes"`
	Interval    float64 `json:"intervalSeconds"`
	Timeout     float64 `json:"timeoutSeconds"`
}

// hulotteTargets answers /api/hulotte/v1/targets: the targets with the sizes of their last scrapes.
func (a *api) hulotteTargets(r *http.Request) (*result, error) {
	ts := a.targetsFor(r)
	active := []hulotteTargetJSON{}
	for _, t := range ts.Active() {
		active = append(active, hulotteTargetJSON{
			targetJSON: t.json(), Samples: t.Samples, SamplesKept: t.SamplesKept, SeriesAdded: t.SeriesAdded,
			BodyBytes: t.BodyBytes, Interval: t.Interval.Seconds(), Timeout: t.Timeout.Seconds(),
		})
	}
	dropped, counts := droppedTargets(ts, "")
	return &result{data: map[string]any{"active": active, "dropped": dropped, "droppedCounts": counts, "pools": orEmpty(ts.Pools())}}, nil
}
