package series

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// The defaults of Options, chosen for one host and its neighbours: see docs/metrics-storage.md for sizing.
const (
	defaultRetention        = 15 * 24 * time.Hour
	defaultOutOfOrderWindow = 24 * time.Hour // as long as an agent keeps what it cannot send
	defaultMaxExemplars     = 10_000
	defaultMaxTenants       = 100
	defaultMaxMetadata      = 20_000
	defaultSyncInterval     = time.Second
	defaultMinFreeBytes     = 128 << 20
	defaultBlockDuration    = 2 * time.Hour

	// maxMergedBlock bounds the range of a merged block, so that retention can drop whole blocks and a merge
	// rewrites no more than a month.
	maxMergedBlock = 31 * 24 * time.Hour
)

// Options configures a DB. Only Dir is required; the zero value of every other field is its default.
type Options struct {
	// Dir holds one folder a tenant. It is made when it does not exist.
	Dir string

	// RetentionTime is how long samples are kept (default 15 days).
	RetentionTime time.Duration
	// RetentionBytes bounds the bytes on disk of all tenants together; the oldest blocks go first, whoever
	// they belong to (default 0: no bound).
	RetentionBytes int64
	// OutOfOrderWindow is how much older than the newest sample of the tenant a sample may be (default 24 hours, so
	// that an agent that was cut off for a day can send what it has kept; negative: samples must come in order, and
	// at most an hour late). It costs nothing while samples come in order; a late one costs five times the CPU.
	OutOfOrderWindow time.Duration
	// MaxExemplars is how many exemplars a tenant keeps, in memory, the newest win (default 10,000, negative: none).
	MaxExemplars int
	// MaxTenants bounds the number of tenants (default 100).
	MaxTenants int
	// MaxSeries bounds the series in memory of one tenant (default 0: no bound).
	MaxSeries int
	// MaxMetadata bounds the metrics of one tenant whose type, help and unit are kept (default 20,000).
	MaxMetadata int

	// SyncInterval is the longest time a committed sample stays in the operating system's memory only, where
	// a power cut loses it (default 1 second, negative: left to the operating system).
	SyncInterval time.Duration
	// SyncCommits makes Commit return only once its samples are on the disk; commits at the same time share
	// one sync.
	SyncCommits bool

	// MinFreeBytes is the free space of the file system below which writes are refused, so that what is
	// already taken can still be brought to rest (default 128 MiB, negative: no check).
	MinFreeBytes int64

	// BlockDuration is the range of the smallest block (default 2 hours). Shorter ones are for tests.
	BlockDuration time.Duration
	// MaintenanceInterval is how often blocks are looked over and chunks mapped (default 1 minute, at least 1 second).
	MaintenanceInterval time.Duration
}

func (o Options) withDefaults() Options {
	setDefault(&o.RetentionTime, defaultRetention)
	setDefault(&o.OutOfOrderWindow, defaultOutOfOrderWindow)
	setDefault(&o.MaxExemplars, defaultMaxExemplars)
	setDefault(&o.MaxTenants, defaultMaxTenants)
	setDefault(&o.MaxMetadata, defaultMaxMetadata)
	setDefault(&o.SyncInterval, defaultSyncInterval)
	setDefault(&o.MinFreeBytes, defaultMinFreeBytes)
	setDefault(&o.BlockDuration, defaultBlockDuration)
	o.OutOfOrderWindow = max(o.OutOfOrderWindow, 0)
	o.MaxExemplars = max(o.MaxExemplars, 0)
	o.MinFreeBytes = max(o.MinFreeBytes, 0)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	switch {
	case o.Dir == "":
		return errors.New("cannot open the series store: Dir is empty")
	case o.RetentionTime < o.BlockDuration:
		return fmt.Errorf("cannot open the series store: RetentionTime %s is shorter than a block (%s)", o.RetentionTime, o.BlockDuration)
	case o.RetentionBytes < 0:
		return fmt.Errorf("cannot open the series store: RetentionBytes %d is negative: use 0 for no bound", o.RetentionBytes)
	case o.MaxSeries < 0 || o.MaxTenants < 0 || o.MaxMetadata < 0:
		return errors.New("cannot open the series store: MaxSeries, MaxTenants and MaxMetadata cannot be negative")
	}
	return nil
}

// maxBlockDuration returns the longest range of a merged block: a tenth of the retention, so that at most a
// tenth more than the retention is kept.
func (o Options) maxBlockDuration() time.Duration {
	return max(min(o.RetentionTime/10, maxMergedBlock), o.BlockDuration)
}

func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }

// headStripes is the number of locks and map pairs of a head. tsdb's default of 16,384 is for millions of
// series and costs 2 MB a tenant; 1,024 keeps 100,000 series at about a hundred a stripe.
const headStripes = 1024

// headWriteBuffer is the buffer in front of the mapped chunk file, one a tenant. tsdb's default is 4 MiB.
const headWriteBuffer = 256 << 10

func (o Options) tsdbOptions() *tsdb.Options {
	t := tsdb.DefaultOptions()
	t.MinBlockDuration = millis(o.BlockDuration)
	t.MaxBlockDuration = millis(o.maxBlockDuration())
	t.RetentionDuration = millis(o.RetentionTime)
	t.MaxBytes = o.RetentionBytes
	t.OutOfOrderTimeWindow = millis(o.OutOfOrderWindow)
	t.MaxExemplars = int64(o.MaxExemplars)
	t.EnableExemplarStorage = o.MaxExemplars > 0
	t.StripeSize = headStripes
	t.HeadChunksWriteBufferSize = headWriteBuffer
	t.BlockReloadInterval = o.MaintenanceInterval
	// One process owns the data folder already (see internal/lockfile): a lock a tenant would only add files.
	t.NoLockfile = true
	setEncodings(t)
	return t
}
