// Package store holds the contracts of Hulotte's engines: what those who write (collect, ingest, rule) and
// those who read (query, api) may rely on, whichever engine and medium stand behind.
//
// The series contracts are Prometheus' own storage interfaces, so that its PromQL engine, rules, scraping and
// remote read run on any engine unchanged.
package store

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/storage"
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
var ErrTooManyTenants = errors.New("too many tenants")

// SeriesStats counts what a tenant's series hold in memory; it feeds the TSDB status API.
type SeriesStats struct {
	NumSeries     uint64
	NumLabelPairs int
	ChunkCount    int64
	MinTime       int64 // milliseconds
	MaxTime       int64 // milliseconds

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
