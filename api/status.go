package api

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/prometheus/prometheus/util/features"

	"github.com/hulotte-dev/hulotte/store"
)

// prometheusVersion is the version of Prometheus whose API and PromQL this is. Grafana and other clients read
// it from /api/v1/status/buildinfo to decide which calls they may make; it moves with the module in go.mod.
const prometheusVersion = "3.16.0"

// buildInfoJSON has no field "application" and no field "features": a client that finds neither takes the
// server for a Prometheus, which is what the rest of this API is; with them Grafana would take it for a Mimir.
type buildInfoJSON struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Branch    string `json:"branch"`
	BuildUser string `json:"buildUser"`
	BuildDate string `json:"buildDate"`
	GoVersion string `json:"goVersion"`
	Hulotte   string `json:"hulotte"` // our own version
}

// buildInfo answers /api/v1/status/buildinfo.
func (a *api) buildInfo(*http.Request) (*result, error) {
	b := a.Build
	return &result{data: buildInfoJSON{
		Version: prometheusVersion, Revision: b.Revision, Branch: b.Branch, BuildUser: b.BuildUser,
		BuildDate: b.BuildDate, GoVersion: b.GoVersion, Hulotte: b.Version,
	}}, nil
}

// runtimeInfo answers /api/v1/status/runtimeinfo.
func (a *api) runtimeInfo(*http.Request) (*result, error) {
	if a.Runtime == nil {
		return nil, notServed("runtime information")
	}
	info, err := a.Runtime()
	if err != nil {
		return nil, &apiError{kind: errInternal, err: err}
	}
	return &result{data: info}, nil
}

func notServed(what string) error {
	return &apiError{kind: errNotFound, err: errors.New(what + " is not served by this process")}
}

// config answers /api/v1/status/config: the configuration in force, secrets masked.
func (a *api) config(*http.Request) (*result, error) {
	if a.ConfigText == nil {
		return nil, notServed("the configuration")
	}
	return &result{data: map[string]string{"yaml": a.ConfigText()}}, nil
}

// flags answers /api/v1/status/flags.
func (a *api) flags(*http.Request) (*result, error) {
	m := map[string]string{}
	if a.Flags != nil {
		m = a.Flags()
	}
	return &result{data: m}, nil
}

type statJSON struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

type tsdbJSON struct {
	Head struct {
		NumSeries     uint64 `json:"numSeries"`
		NumLabelPairs int    `json:"numLabelPairs"`
		ChunkCount    int64  `json:"chunkCount"`
		MinTime       int64  `json:"minTime"` // milliseconds
		MaxTime       int64  `json:"maxTime"`
	} `json:"headStats"`
	SeriesByMetric    []statJSON `json:"seriesCountByMetricName"`
	ValuesByLabel     []statJSON `json:"labelValueCountByLabelName"`
	BytesByLabel      []statJSON `json:"memoryInBytesByLabelName"`
	SeriesByLabelPair []statJSON `json:"seriesCountByLabelValuePair"`
}

// maxTopList bounds the lists of /api/v1/status/tsdb, as Prometheus does.
const maxTopList = 10_000

// tsdb answers /api/v1/status/tsdb: how many series there are, and what makes them many.
func (a *api) tsdb(r *http.Request) (*result, error) {
	limit := 10
	if v := r.Form.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return nil, badData("limit must be a positive number")
		}
		if n > maxTopList {
			return nil, badData("limit must not exceed %d", maxTopList)
		}
		limit = n
	}
	s, err := a.seriesStats(r, limit)
	if err != nil {
		return nil, err
	}
	var out tsdbJSON
	out.Head.NumSeries, out.Head.NumLabelPairs, out.Head.ChunkCount = s.NumSeries, s.NumLabelPairs, s.ChunkCount
	out.Head.MinTime, out.Head.MaxTime = s.MinTime, s.MaxTime
	out.SeriesByMetric = topList(s.SeriesByMetric, limit)
	out.ValuesByLabel = topList(s.ValuesByLabelName, limit)
	out.BytesByLabel = topList(s.BytesByLabelName, limit)
	out.SeriesByLabelPair = topList(s.SeriesByLabelPair, limit)
	return &result{data: out}, nil
}

func (a *api) seriesStats(r *http.Request, limit int) (store.SeriesStats, error) {
	reader, err := a.reader(r.Context())
	if err != nil {
		return store.SeriesStats{}, err
	}
	s, ok := reader.(store.SeriesStatser)
	if !ok {
		return store.SeriesStats{}, notServed("the statistics of this store")
	}
	stats, err := s.SeriesStats(r.Context(), limit)
	if err != nil {
		return store.SeriesStats{}, &apiError{kind: errInternal, err: err}
	}
	return stats, nil
}

func topList(list []store.NameCount, limit int) []statJSON {
	out := make([]statJSON, 0, min(len(list), limit))
	for _, c := range list[:min(len(list), limit)] {
		out = append(out, statJSON{Name: c.Name, Value: c.Count})
	}
	return out
}

// seriesStorage answers /api/hulotte/v1/storage/series: everything the metrics engine counts of the tenant.
func (a *api) seriesStorage(r *http.Request) (*result, error) {
	s, err := a.seriesStats(r, 100)
	if err != nil {
		return nil, err
	}
	return &result{data: s}, nil
}

// walReplay answers /api/v1/status/walreplay. The API is only served once the store is open.
func (a *api) walReplay(*http.Request) (*result, error) {
	return &result{data: struct {
		Min     int `json:"min"`
		Max     int `json:"max"`
		Current int `json:"current"`
	}{}}, nil
}

// features answers /api/v1/features: what a client may rely on, as newer Prometheus' tell it.
func (a *api) features(*http.Request) (*result, error) {
	reg := features.NewRegistry()
	a.Parser.RegisterFeatures(reg)
	for _, name := range []string{"at_modifier", "negative_offset", "per_step_stats", "per_query_lookback_delta", "subqueries"} {
		reg.Enable(features.PromQL, name)
	}
	for _, name := range []string{"exclude_alerts", "label_values_match", "query_stats", "query_warnings", "time_range_labels", "time_range_series"} {
		reg.Enable(features.API, name)
	}
	reg.Set(features.API, "admin", a.AdminAPI)
	reg.Set(features.API, "remote_write_receiver", a.RemoteWrite != nil)
	reg.Set(features.API, "otlp_write_receiver", false)
	return &result{data: reg.Get()}, nil
}

// notifications answers /api/v1/notifications.
func (a *api) notifications(*http.Request) (*result, error) {
	list := []Notification{}
	if a.Notifications != nil {
		list = append(list, a.Notifications()...)
	}
	return &result{data: list}, nil
}

// activeQueries answers /api/hulotte/v1/queries: the queries that run now. They are shown to the default tenant
// only, since they name what other tenants ask.
func (a *api) activeQueries(r *http.Request) (*result, error) {
	if a.ActiveQueries == nil || !ours(r.Context()) {
		return &result{data: []string{}}, nil
	}
	return &result{data: a.ActiveQueries()}, nil
}
