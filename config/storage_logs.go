package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/store/events"
)

// LogStorage is the store of log records.
type LogStorage struct {
	RetentionTime    time.Duration
	RetentionSize    int64 // bytes; 0 is no bound
	RetentionTenants map[string]string
	RetentionStreams map[string]string
	MaxTenants       int
	MaxStreams       int // of a tenant; 0 is no bound
	DropDuplicates   bool
	DuplicateWindow  time.Duration
	HeadSize         int64 // bytes
	CutAge           time.Duration
}

func logStorageKeys(l *LogStorage) []Key {
	return []Key{
		{Path: "storage.logs.retention_time", value: durationOrZero(&l.RetentionTime), Default: "30d",
			Doc: "How long log records are kept; 0 is for ever."},
		{Path: "storage.logs.retention_size", value: sizeOrZero(&l.RetentionSize), Default: "0",
			Doc: "The most that the log records of all tenants together take on the medium; the oldest go first. 0 is no bound."},
		{Path: "storage.logs.retention_tenants", value: textMap(&l.RetentionTenants, checkTenantRetention),
			Doc: "How long the records of some tenants are kept, in place of `storage.logs.retention_time`: `{audit: 1y, test: 3d}`; 0 is for ever."},
		{Path: "storage.logs.retention_streams", value: textMap(&l.RetentionStreams, checkStreamRetention),
			Doc: "Shorter times for some streams, by selectors: `{'{level=\"debug\"}': 1d}`. Where several match, the shortest counts. Records go with the block that they are in, up to a day later."},
		{Path: "storage.logs.max_tenants", value: integer(&l.MaxTenants, 1, 1_000_000), Default: "1000",
			Doc: "Tenants that may send log records."},
		{Path: "storage.logs.max_streams", value: integer(&l.MaxStreams, 0, 1<<31-1), Default: "100000",
			Doc: "Streams of one tenant that had records within the last hour, above which the records of new ones are refused; 0 is no bound. What has very many values (ids, addresses) belongs in fields, not in labels."},
		{Path: "storage.logs.drop_duplicates", value: boolean(&l.DropDuplicates), Default: "false",
			Doc: "Refuses a record that came before within `storage.logs.duplicate_window`, with the same stream, time, line and fields: what a shipper sends again when it did not get the answer."},
		{Path: "storage.logs.duplicate_window", value: duration(&l.DuplicateWindow), Default: "5m",
			Doc: "For how long a record is remembered for `storage.logs.drop_duplicates`, the last 500,000 or so of a tenant."},
		{Path: "storage.logs.head_size", value: size(&l.HeadSize, 16<<20, 1<<40), Default: "64MiB",
			Doc: "The most memory for records that are not compressed yet. More makes senders wait less in bursts."},
		{Path: "storage.logs.cut_age", value: duration(&l.CutAge), Default: "15m",
			Doc: "After which time at the latest records in memory become a block. Until then they are in the journal as well, so that nothing is lost; a start reads them from there."},
	}
}

func checkTenantRetention(_, word string) error {
	if _, err := model.ParseDuration(word); err != nil {
		return fmt.Errorf("%q is no time: write 30d, 1y, or 0 for ever", word)
	}
	return nil
}

func checkStreamRetention(selector, word string) error {
	if _, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector); err != nil {
		return fmt.Errorf("%q is no selector of streams, such as {level=\"debug\"}: %w", selector, err)
	}
	if d, err := model.ParseDuration(word); err != nil || d <= 0 {
		return fmt.Errorf("%q is no time: write 12h or 3d", word)
	}
	return nil
}

// EventOptions are those of the store of log records on the node.
func (c *Config) EventOptions(node string) events.Options {
	l, in := c.Storage.Logs, c.Ingest.Logs
	o := events.Options{
		Node: node, MaxTenants: l.MaxTenants, DropDuplicates: l.DropDuplicates, DuplicateWindow: l.DuplicateWindow,
		HeadBytes: l.HeadSize, CutAge: l.CutAge,
		Retention: events.Retention{Time: l.RetentionTime, Size: l.RetentionSize, Tenants: map[string]time.Duration{}},
		// What comes in was held against the limits of ingest.logs, whose texts name its keys; room is left for what is added since.
		Limits: events.Limits{
			MaxLineBytes: int(in.MaxLineSize), MaxLabels: in.MaxLabels + 8, MaxLabelNameBytes: int(in.MaxLabelNameSize) + 256,
			MaxLabelValueBytes: int(in.MaxLabelValueSize) + 256, MaxFields: in.MaxFields + 8, MaxFieldBytes: int(in.MaxFieldsSize) + 4096,
			MaxStreams: off(l.MaxStreams), RejectNewer: -1,
		},
	}
	for tenant, word := range l.RetentionTenants {
		keep, _ := model.ParseDuration(word) // checked when it was read
		o.Retention.Tenants[tenant] = time.Duration(keep)
	}
	for _, selector := range slices.Sorted(maps.Keys(l.RetentionStreams)) {
		keep, _ := model.ParseDuration(l.RetentionStreams[selector])
		matchers, _ := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
		o.Retention.Streams = append(o.Retention.Streams, events.StreamRetention{Matchers: matchers, Time: time.Duration(keep)})
	}
	return o
}
