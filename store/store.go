// Package store holds the contracts of Hulotte's engines: what those who write (collect, ingest, rule) and
// those who read (query, api) may rely on, whichever engine and medium stand behind.
//
// The series contracts are Prometheus' own storage interfaces, so that its PromQL engine, rules, scraping and
// remote read run on any engine unchanged.
package store

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

// Series is the metrics of one tenant.
//
// An Append of its appender is durable against the death of the process once Commit has returned nil. It is
// safe for concurrent use; a Querier sees what was committed before it was opened, and holds what it reads
// until its Close.
type Series interface {
	storage.SampleAndChunkQueryable
	storage.AppendableV2
	storage.ExemplarQueryable

	// StartTime returns the oldest time for which samples may be held, in milliseconds since the epoch.
	StartTime() (int64, error)
}

// Tenants finds the series of a tenant by its name (see model.ValidTenant).
//
// Reading from a tenant that nobody has written to is not an error: it has no series. Writing creates it, up
// to the store's limit (ErrTooManyTenants). The returned values stay valid until the store is closed.
type Tenants interface {
	// Reader returns the tenant's series for reading.
	Reader(tenant string) (Series, error)
	// Writer returns the tenant's series for writing, creating the tenant when it is new.
	Writer(tenant string) (Series, error)
	// Names lists the tenants that hold data, sorted.
	Names() []string
}

// ErrTooManyTenants is returned by Tenants.Writer when a new tenant would exceed the configured limit.
var ErrTooManyTenants = model.NewError(model.Limit, "too many tenants")

// ErrTooManySeries is returned by an appender when a new series would exceed the tenant's limit. Samples of the
// series that exist are still taken.
var ErrTooManySeries = model.NewError(model.Limit, "too many series")

// ErrNoSpace is returned by an appender and its Commit when the medium has no room left for writing. Nothing of
// the transaction is kept; writing again later is right. Reads go on.
var ErrNoSpace = model.NewError(model.Unavailable, "no space left for writing series")

// ErrReadOnly is returned by the appender of a Series that was opened for reading and whose tenant does not exist.
var ErrReadOnly = model.NewError(model.Invalid, "this tenant's series were opened for reading")

// MetricMetadata says what a metric is. A metric can have several, when its sources disagree.
type MetricMetadata struct {
	Metric string // the metric family's name
	metadata.Metadata
}

// MetadataReader is implemented by a Series that keeps what its metrics are.
type MetadataReader interface {
	// Metadata returns what is known of one metric, or of all when metric is empty, sorted by metric, the
	// latest seen first within one. At most limit metrics are returned (0 or less: all) and at most
	// limitPerMetric of each (0 or less: all).
	Metadata(metric string, limit, limitPerMetric int) []MetricMetadata
}

// MetadataAppender is implemented by a Series that takes metadata apart from samples, as remote write 1.0 sends it.
type MetadataAppender interface {
	// AppendMetadata notes what a metric family is. It does not fail: beyond the limit it is counted and dropped.
	// The strings are kept: they must not alias a buffer that is used again.
	AppendMetadata(metric string, m metadata.Metadata)
}

// SeriesDeleter is implemented by a Series whose samples can be deleted.
type SeriesDeleter interface {
	// DeleteSeries deletes the samples from mint to maxt (milliseconds, both included) of the matching series.
	// Queries no longer see them; the bytes go with CleanTombstones or the next merge of blocks.
	DeleteSeries(ctx context.Context, mint, maxt int64, matchers ...*labels.Matcher) error
	// CleanTombstones rewrites the blocks that hold deleted samples.
	CleanTombstones() error
}

// SeriesSnapshotter is implemented by a Series that can copy itself.
type SeriesSnapshotter interface {
	// SnapshotSeries copies the blocks, and the head as one more block when withHead is set, into a new folder in
	// the store's folder of snapshots, and returns its path.
	SnapshotSeries(withHead bool) (string, error)
}

// SeriesCopier is implemented by a Series that can be backed up while it is in use.
type SeriesCopier interface {
	// CopySeries makes a folder from which a store can be opened with every sample that was committed before the
	// call, and returns it with the function that takes it away again; exemplars are left out. Whatever is left when
	// the process dies goes at its next start.
	CopySeries(ctx context.Context) (dir string, remove func() error, err error)
}

// SeriesStats counts what a tenant's series hold in memory; it feeds the TSDB status API.
type SeriesStats struct {
	NumSeries     uint64
	NumLabelPairs int
	ChunkCount    int64
	MinTime       int64 // milliseconds
	MaxTime       int64 // milliseconds

	SeriesLimit uint64 // 0: none
	StaleSeries uint64

	SeriesByMetric      []NameCount
	ValuesByLabelName   []NameCount
	BytesByLabelName    []NameCount
	SeriesByLabelPair   []NameCount
	HeadStorageKind     string
	Blocks              []BlockStats
	OutOfOrderWindowMS  int64
	RetentionTimeMS     int64
	RetentionBytesLimit int64
	DiskBytes           int64
}

// NameCount is one row of a top list.
type NameCount struct {
	Name  string
	Count uint64
}

// BlockStats describes one immutable block.
type BlockStats struct {
	ID         string
	MinTime    int64 // milliseconds
	MaxTime    int64 // milliseconds, exclusive
	NumSeries  uint64
	NumSamples uint64
	Bytes      int64
}

// SeriesStatser is implemented by a Series that can count itself.
type SeriesStatser interface {
	// SeriesStats returns the counts, top lists cut at limit rows.
	SeriesStats(ctx context.Context, limit int) (SeriesStats, error)
}
