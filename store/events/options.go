package events

import (
	"fmt"
	"runtime"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options is how to open the store; its zero value works.
type Options struct {
	// Node names this node's journal, where several nodes share a medium; "" is "local".
	Node string
	// Limits holds for every tenant, LimitsOf for the tenants for which it answers true; it may be nil. It is asked at each push.
	Limits   Limits
	LimitsOf func(tenant string) (Limits, bool)
	// MaxTenants bounds the tenants; 0 is 1000.
	MaxTenants int

	// DropDuplicates refuses a record that was taken before, up to DuplicateWindow ago, with the same stream, time, line and fields: what
	// a shipper sends again because it did not get the answer. Off, such records are kept. 0 is five minutes. The
	// last 500,000 or so records of a tenant are remembered.
	DropDuplicates  bool
	DuplicateWindow time.Duration

	// HeadBytes bounds the records in memory that are not encoded yet, with those that are being taken; 0 is 64 MiB. Large ones
	// make groups of fewer streams, which are found faster.
	HeadBytes int64
	// Records in memory become blocks when they take CutBytes encoded (0: 32 MiB), CutRawBytes as they came (0: 1 GiB), have
	// CutStreams streams (0: 50,000), or are CutAge old (0: 15 minutes).
	CutBytes    int64
	CutRawBytes int64
	CutStreams  int64
	CutAge      time.Duration
	// AppendTimeout is how long an append waits while more comes than can be written, before it is store.ErrBusy; 0 is five seconds.
	AppendTimeout time.Duration

	// Codec is how records are compressed.
	Codec rowgroup.Codec
	// Encoders is how many goroutines encode; 0 is one for each processor.
	Encoders int
	// DirectoryBytes bounds the directories of blocks that are kept in memory; 0 is 64 MiB.
	DirectoryBytes int64

	Retention Retention
	Merge     Merge
}

// Limits bounds what a tenant may append. What is beyond is refused, with a text that names the limit.
type Limits struct {
	MaxLineBytes       int           // 0: 1 MiB; at most 8 MiB
	MaxLabels          int           // of a stream; 0: 40
	MaxLabelNameBytes  int           // 0: 1024
	MaxLabelValueBytes int           // 0: 4096
	MaxFields          int           // of a record; 0: 256
	MaxFieldBytes      int           // names and values of a record's fields; 0: 64 KiB; at most 2 MiB
	MaxStreams         int           // that had records within the last hour; 0: 100,000; less than 0: no limit
	RejectOlder        time.Duration // records that are older; 0: none is too old
	RejectNewer        time.Duration // records that are further ahead of the clock; 0: one hour; less than 0: no limit
}

const (
	mostLineBytes  = 8 << 20
	mostFieldBytes = 2 << 20
	activeFor      = time.Hour
)

func (l Limits) withDefaults() Limits {
	l.MaxLineBytes = min(or(l.MaxLineBytes, 1<<20), mostLineBytes)
	l.MaxLabels = or(l.MaxLabels, 40)
	l.MaxLabelNameBytes = or(l.MaxLabelNameBytes, 1024)
	l.MaxLabelValueBytes = or(l.MaxLabelValueBytes, 4096)
	l.MaxFields = min(or(l.MaxFields, 256), maxPairs)
	l.MaxFieldBytes = min(or(l.MaxFieldBytes, 64<<10), mostFieldBytes)
	if l.MaxStreams == 0 {
		l.MaxStreams = 100_000
	}
	if l.RejectNewer == 0 {
		l.RejectNewer = time.Hour
	}
	return l
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
	o.DuplicateWindow = or(o.DuplicateWindow, 5*time.Minute)
	o.HeadBytes = max(or(o.HeadBytes, 64<<20), 4*maxContent)
	o.CutBytes = or(o.CutBytes, 32<<20)
	o.CutRawBytes = or(o.CutRawBytes, 1<<30)
	o.CutStreams = or(o.CutStreams, 50_000)
	o.CutAge = or(o.CutAge, 15*time.Minute)
	o.AppendTimeout = or(o.AppendTimeout, 5*time.Second)
	o.Encoders = min(or(o.Encoders, runtime.GOMAXPROCS(0)), runtime.GOMAXPROCS(0))
	o.DirectoryBytes = or(o.DirectoryBytes, 64<<20)
	if err := medium.ValidName(journalName(o.Node)); err != nil {
		return o, fmt.Errorf("%w: Node: %w", errBadOption, err)
	}
	var err error
	if o.Retention, err = o.Retention.withDefaults(); err != nil {
		return o, err
	}
	o.Merge = o.Merge.withDefaults()
	return o, nil
}

var errBadOption = model.NewError(model.Invalid, "bad option")

func (o Options) limits(tenant string) Limits {
	if o.LimitsOf != nil {
		if l, ok := o.LimitsOf(tenant); ok {
			return l.withDefaults()
		}
	}
	return o.Limits
}
