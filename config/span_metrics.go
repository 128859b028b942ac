package config

import (
	"time"

	"github.com/hulotte-dev/hulotte/ingest/spanmetrics"
)

// Traces is what is made of spans.
type Traces struct {
	Metrics SpanMetrics
}

// SpanMetrics is the series that are derived from spans.
type SpanMetrics struct {
	Enabled       bool
	Interval      time.Duration
	Wait          time.Duration
	Idle          time.Duration
	Apdex         time.Duration
	MaxSeries     int
	MaxServices   int
	MaxOperations int
	MaxPending    int
}

func spanMetricsKeys(m *SpanMetrics) []Key {
	return []Key{
		{Path: "traces.metrics.enabled", value: boolean(&m.Enabled), Default: "true",
			Doc: "Derives series from the spans that come in: rate, errors and durations of every operation, and who calls whom, under the names of OpenTelemetry's span-metrics and service-graph connectors. Set it to false where a collector makes the same series already."},
		{Path: "traces.metrics.interval", value: duration(&m.Interval), Default: "15s",
			Doc: "How often these series are written."},
		{Path: "traces.metrics.wait", value: duration(&m.Wait), Default: "10s",
			Doc: "For how long at least a span waits for the other side of its call; at most for twice as long. After that a call is one to a database, a queue or somebody outside, if the span says so."},
		{Path: "traces.metrics.idle", value: duration(&m.Idle), Default: "15m",
			Doc: "After which time without spans a series ends."},
		{Path: "traces.metrics.apdex", value: duration(&m.Apdex), Default: "500ms",
			Doc: "The time within which an answer of a service satisfies; within four times as much it is tolerated (`traces_span_metrics_apdex_total`)."},
		{Path: "traces.metrics.max_series", value: integer(&m.MaxSeries, 100, 10_000_000), Default: "20000",
			Doc: "The most series of a tenant that are derived from spans; a histogram is one. What is beyond is counted under the name `(overflow)`."},
		{Path: "traces.metrics.max_services", value: integer(&m.MaxServices, 1, 100_000), Default: "1000",
			Doc: "The most services of a tenant, and as many databases, queues and others that they call."},
		{Path: "traces.metrics.max_operations", value: integer(&m.MaxOperations, 1, 100_000), Default: "500",
			Doc: "The most span names of a service; it keeps names that hold numbers or paths from becoming endless series."},
		{Path: "traces.metrics.max_pending", value: integer(&m.MaxPending, 1000, 100_000_000), Default: "200000",
			Doc: "The most spans of all tenants that wait for the other side of their call; a million take some 125 MiB."},
	}
}

// SpanMetricsOptions are those of what derives series from spans.
func (c *Config) SpanMetricsOptions() spanmetrics.Options {
	m := c.Traces.Metrics
	return spanmetrics.Options{
		Interval: m.Interval, Wait: m.Wait, Idle: m.Idle, Apdex: m.Apdex,
		MaxSeries: m.MaxSeries, MaxServices: m.MaxServices, MaxOperations: m.MaxOperations, MaxPending: m.MaxPending,
	}
}
