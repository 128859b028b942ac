package api

import (
	"net/http"
	"time"

	promodel "github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/model"
)

// lokiVersion is the version of Loki whose API this is. Grafana reads it to decide which calls it may make.
const lokiVersion = "3.7.1"

// lokiBuildInfo answers /loki/api/v1/status/buildinfo, without an envelope, as Loki does.
func (a *api) lokiBuildInfo(*http.Request) (lokiAnswer, error) {
	b := a.Build
	return lokiJSON{buildInfoJSON{
		Version: lokiVersion, Revision: b.Revision, Branch: b.Branch, BuildUser: b.BuildUser,
		BuildDate: b.BuildDate, GoVersion: b.GoVersion, Hulotte: b.Version,
	}}, nil
}

// lokiReady answers /ready in Loki's words.
func (a *api) lokiReady(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !a.Ready() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("Hulotte is not ready: it is starting or stopping\n"))
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// lokiLimitsJSON are the limits of which Grafana's pages about logs take note, under Loki's names.
type lokiLimitsJSON struct {
	DiscoverLogLevels         bool     `json:"discover_log_levels"`
	DiscoverServiceName       []string `json:"discover_service_name"`
	LogLevelFields            []string `json:"log_level_fields"`
	MaxEntriesLimitPerQuery   int      `json:"max_entries_limit_per_query"`
	MaxLineSizeTruncate       bool     `json:"max_line_size_truncate"`
	MaxQueryBytesRead         string   `json:"max_query_bytes_read"`
	MaxQueryLength            string   `json:"max_query_length"`
	MaxQueryLookback          string   `json:"max_query_lookback"`
	MaxQueryRange             string   `json:"max_query_range"`
	MaxQuerySeries            int      `json:"max_query_series"`
	MetricAggregationEnabled  bool     `json:"metric_aggregation_enabled"`
	PatternPersistenceEnabled bool     `json:"pattern_persistence_enabled"`
	QueryTimeout              string   `json:"query_timeout"`
	RetentionPeriod           string   `json:"retention_period"`
	RetentionStream           []any    `json:"retention_stream"`
	VolumeEnabled             bool     `json:"volume_enabled"`
	VolumeMaxSeries           int      `json:"volume_max_series"`
}

func (a *api) lokiLimits() lokiLimitsJSON {
	l := a.Logs.Limits
	text := func(d time.Duration) string { return promodel.Duration(d).String() }
	return lokiLimitsJSON{
		DiscoverLogLevels: true, DiscoverServiceName: []string{"service_name", "service", "app", "job", "container"},
		LogLevelFields: []string{model.FieldLevel, "level", "severity", model.FieldSeverityText}, MaxEntriesLimitPerQuery: l.MaxEntries,
		MaxQueryBytesRead: "0B", MaxQueryLength: text(l.MaxRange), MaxQueryLookback: "0s", MaxQueryRange: "0s", MaxQuerySeries: a.Limits.AnswerItems,
		QueryTimeout: text(l.Timeout), RetentionPeriod: "0s", RetentionStream: []any{}, VolumeEnabled: true, VolumeMaxSeries: l.MaxSeries,
	}
}

// lokiDrilldownLimits tells Grafana's Logs Drilldown what is offered.
func (a *api) lokiDrilldownLimits(*http.Request) (lokiAnswer, error) {
	return lokiJSON{map[string]any{"limits": a.lokiLimits(), "pattern_ingester_enabled": true, "version": lokiVersion}}, nil
}
