package remotewrite

import (
	"runtime"
	"time"
)

// The defaults of Limits. Prometheus sends 2,000 samples in about 40 KB a request, so they leave room for senders
// that batch a hundred times more generously and none for one that would exhaust memory.
const (
	defaultMaxCompressed    = 10 << 20
	defaultMaxUncompressed  = 32 << 20
	defaultMaxInFlight      = 256 << 20
	defaultMaxSamples       = 1_000_000
	defaultMaxLabels        = 100
	defaultMaxNameLength    = 1024
	defaultMaxValueLength   = 16 << 10
	defaultMaxAhead         = 10 * time.Minute
	defaultReadTimeout      = time.Minute
	defaultCacheBytes       = 128 << 20
	concurrencyPerProcessor = 2
)

// Limits bounds what a request may be and what requests together may use. The zero value of each is its default.
type Limits struct {
	// MaxCompressed and MaxUncompressed bound a request in bytes (10 MiB and 32 MiB). Larger ones get 413.
	MaxCompressed   int64
	MaxUncompressed int64
	// MaxInFlight bounds the bytes of all requests at one time, both forms counted (256 MiB). Beyond it a
	// request gets 503 with Retry-After.
	MaxInFlight int64
	// MaxConcurrent bounds the requests that are decoded and stored at one time (two a processor); the others
	// wait for their turn, within MaxInFlight.
	MaxConcurrent int

	// MaxSamples bounds the samples and histograms in a request (1,000,000). More get 413.
	MaxSamples int
	// MaxLabels, MaxLabelName and MaxLabelValue bound a series (100 labels, 1,024 and 16,384 bytes). A series
	// beyond them is refused, the rest of the request is kept.
	MaxLabels     int
	MaxLabelName  int
	MaxLabelValue int
	// MaxAhead is how far in the future a sample may be (10 minutes), as Prometheus has it.
	MaxAhead time.Duration

	// ReadTimeout bounds the time that the body of a request may take to arrive (1 minute).
	ReadTimeout time.Duration
	// CacheBytes bounds the memory of the map from labels as they are sent to series (128 MiB).
	CacheBytes int64
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MaxCompressed, defaultMaxCompressed)
	setDefault(&l.MaxUncompressed, defaultMaxUncompressed)
	setDefault(&l.MaxInFlight, defaultMaxInFlight)
	setDefault(&l.MaxConcurrent, concurrencyPerProcessor*runtime.GOMAXPROCS(0))
	setDefault(&l.MaxSamples, defaultMaxSamples)
	setDefault(&l.MaxLabels, defaultMaxLabels)
	setDefault(&l.MaxLabelName, defaultMaxNameLength)
	setDefault(&l.MaxLabelValue, defaultMaxValueLength)
	setDefault(&l.MaxAhead, defaultMaxAhead)
	setDefault(&l.ReadTimeout, defaultReadTimeout)
	setDefault(&l.CacheBytes, defaultCacheBytes)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
