package spans

import (
	"fmt"
	"runtime"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options is how to open the store; its zero value works.
type Options struct {
	// Node names this node's journal, where several nodes share a medium; "" is "local".
	Node string
	// Limits holds for every tenant.
	Limits Limits
	// MaxTenants bounds the tenants; 0 is 1000.
	MaxTenants int

	// HeadBytes bounds the spans in memory that are not encoded yet, with those that are being taken; 0 is 64 MiB.
	HeadBytes int64
	// Spans in memory become blocks when they take CutBytes encoded (0: 32 MiB), or are CutAge old (0: 15 minutes).
	CutBytes int64
	CutAge   time.Duration
	// AppendTimeout is how long an append waits while more comes than can be written, before it is store.ErrBusy; 0 is five seconds.
	AppendTimeout time.Duration

	// Encoders is how many goroutines encode; 0 is one for each processor.
	Encoders int
	// DirectoryBytes bounds the directories of blocks that are kept in memory; 0 is 64 MiB.
	DirectoryBytes int64

	Retention Retention
	Merge     Merge
}

// Limits bounds what a tenant may append. What is beyond is refused, with a text that names the limit.
type Limits struct {
	MaxSpanBytes int           // of a span with its events and links; 0: 1 MiB; at most 8 MiB
	MaxResource  int           // bytes of a resource and its scope; 0: 64 KiB; at most 1 MiB
	RejectNewer  time.Duration // spans that begin further ahead of the clock; 0: one hour; less than 0: no limit
}

func (l Limits) withDefaults() Limits {
	l.MaxSpanBytes = min(or(l.MaxSpanBytes, 1<<20), maxSpan)
	l.MaxResource = min(or(l.MaxResource, 64<<10), 1<<20)
	if l.RejectNewer == 0 {
		l.RejectNewer = time.Hour
	}
	return l
}

// Retention says how long spans are kept.
type Retention struct {
	// Time is for how long; 0 is for ever.
	Time time.Duration
	// Size bounds the bytes of all blocks; beyond it the oldest go. 0 is no limit.
	Size int64
	// Tenants are times of tenants that have their own; 0 is for ever.
	Tenants map[string]time.Duration
}

// of is how long spans of a tenant are kept; 0 is for ever.
func (r Retention) of(tenant string) time.Duration {
	if keep, ok := r.Tenants[tenant]; ok {
		return keep
	}
	return r.Time
}

// Merge says which blocks become one.
type Merge struct {
	// Blocks is how many of about the same size are merged; 0 is 6.
	Blocks int
	// MaxBytes bounds the block that is made; 0 is 64 MiB.
	MaxBytes int64
}

func or[T int | int64 | time.Duration](x, otherwise T) T {
	if x <= 0 {
		return otherwise
	}
	return x
}

func (o Options) withDefaults() (Options, error) {
	if o.Node == "" {
		o.Node = "local"
	}
	o.Limits = o.Limits.withDefaults()
	o.MaxTenants = or(o.MaxTenants, 1000)
	o.HeadBytes = max(or(o.HeadBytes, 64<<20), 4*maxContent)
	o.CutBytes = or(o.CutBytes, 32<<20)
	o.CutAge = or(o.CutAge, 15*time.Minute)
	o.AppendTimeout = or(o.AppendTimeout, 5*time.Second)
	o.Encoders = min(or(o.Encoders, (runtime.GOMAXPROCS(0)+1)/2), runtime.GOMAXPROCS(0))
	o.DirectoryBytes = or(o.DirectoryBytes, 64<<20)
	o.Merge.Blocks = max(or(o.Merge.Blocks, 6), 2)
	o.Merge.MaxBytes = or(o.Merge.MaxBytes, 64<<20)
	if err := medium.ValidName(journalName(o.Node)); err != nil {
		return o, fmt.Errorf("%w: Node: %w", errBadOption, err)
	}
	for tenant, keep := range o.Retention.Tenants {
		if keep < 0 {
			return o, fmt.Errorf("%w: Retention.Tenants[%q]: %s is negative", errBadOption, tenant, keep)
		}
	}
	return o, nil
}

var errBadOption = model.NewError(model.Invalid, "bad option")
