package config

import (
	"time"

	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/store/spans"
)

// TraceStorage is the store of spans.
type TraceStorage struct {
	RetentionTime    time.Duration
	RetentionSize    int64 // bytes; 0 is no bound
	RetentionTenants map[string]string
	MaxTenants       int
	MaxSpanSize      int64 // bytes
	HeadSize         int64 // bytes
	CutAge           time.Duration
}

func traceStorageKeys(t *TraceStorage) []Key {
	return []Key{
		{Path: "storage.traces.retention_time", value: durationOrZero(&t.RetentionTime), Default: "14d",
			Doc: "How long spans are kept; 0 is for ever."},
		{Path: "storage.traces.retention_size", value: sizeOrZero(&t.RetentionSize), Default: "0",
			Doc: "The most that the spans of all tenants together take on the medium; the oldest go first. 0 is no bound."},
		{Path: "storage.traces.retention_tenants", value: textMap(&t.RetentionTenants, checkTenantRetention),
			Doc: "How long the spans of some tenants are kept, in place of `storage.traces.retention_time`: `{audit: 1y, test: 3d}`; 0 is for ever."},
		{Path: "storage.traces.max_tenants", value: integer(&t.MaxTenants, 1, 1_000_000), Default: "1000",
			Doc: "Tenants that may send spans."},
		{Path: "storage.traces.max_span_size", value: size(&t.MaxSpanSize, 1<<10, 8<<20), Default: "1MiB",
			Doc: "The largest span, with its attributes, events and links, without its resource; larger ones are refused."},
		{Path: "storage.traces.head_size", value: size(&t.HeadSize, 16<<20, 1<<40), Default: "64MiB",
			Doc: "The most memory for spans that are not compressed yet. More makes senders wait less in bursts."},
		{Path: "storage.traces.cut_age", value: duration(&t.CutAge), Default: "15m",
			Doc: "After which time at the latest spans in memory become a block. Until then they are in the journal as well, so that nothing is lost; a start reads them from there."},
	}
}

// SpanOptions are those of the store of spans on the node.
func (c *Config) SpanOptions(node string) spans.Options {
	t := c.Storage.Traces
	o := spans.Options{
		Node: node, MaxTenants: t.MaxTenants, HeadBytes: t.HeadSize, CutAge: t.CutAge,
		Limits:    spans.Limits{MaxSpanBytes: int(t.MaxSpanSize)},
		Retention: spans.Retention{Time: t.RetentionTime, Size: t.RetentionSize, Tenants: map[string]time.Duration{}},
	}
	for tenant, word := range t.RetentionTenants {
		keep, _ := model.ParseDuration(word) // checked when it was read
		o.Retention.Tenants[tenant] = time.Duration(keep)
	}
	return o
}
