// Package process measures the processes of this machine, in groups named for the service they belong to, under the
// names of process-exporter (namedprocess_namegroup_*).
//
// A Collector scans /proc when it is gathered. Counters of a group add up what its members did since the Collector
// first saw them, so they never go backwards when a member ends. Top gives single processes for a table.
package process

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Options of the process metrics. The zero value watches the processes of this machine.
type Options struct {
	ProcFS string // "" is /proc
	RootFS string // where etc/passwd is, for the names of users; "" is /

	MaxGroups    int // groups with a name of their own, the rest goes to "other"; 0 is 200
	MaxProcesses int // processes that are read in a scan; 0 is 20,000
}

const (
	defaultMaxGroups    = 200
	defaultMaxProcesses = 20_000
)

// Collector is a prometheus.Gatherer of process metrics. Its methods may be called at the same time.
type Collector struct {
	log   *slog.Logger
	files *reader
	users *users
	namer *namer

	mu     sync.Mutex // held during a scan: it guards what follows
	procs  map[int]*proc
	groups *groups
	last   time.Time // of the last scan; zero before the first
	scans  uint64
	boot   float64 // when the machine started, seconds since the epoch; 0 when unknown
	errors scanErrors
}

// scanErrors count what could not be read.
type scanErrors struct {
	list    uint64 // scans that failed as a whole
	read    uint64 // processes that could not be read
	partial uint64 // processes of which a part could not be read, mostly for want of permission
	skipped uint64 // processes above Options.MaxProcesses
}

// New returns a Collector, or an error that names the wrong field.
func New(opts Options, log *slog.Logger) (*Collector, error) {
	if opts.MaxGroups < 0 || opts.MaxProcesses < 0 {
		return nil, fmt.Errorf("MaxGroups is %d and MaxProcesses is %d: neither can be negative", opts.MaxGroups, opts.MaxProcesses)
	}
	if opts.ProcFS == "" {
		opts.ProcFS = "/proc"
	}
	if opts.RootFS == "" {
		opts.RootFS = "/"
	}
	if opts.MaxGroups == 0 {
		opts.MaxGroups = defaultMaxGroups
	}
	if opts.MaxProcesses == 0 {
		opts.MaxProcesses = defaultMaxProcesses
	}
	files := newReader(opts.ProcFS, opts.MaxProcesses)
	return &Collector{
		log: log, files: files, users: newUsers(opts.RootFS), namer: &namer{files: files},
		procs: map[int]*proc{}, groups: newGroups(opts.MaxGroups),
	}, nil
}

// Gather implements prometheus.Gatherer: it scans the processes. The error says that /proc could not be listed; what
// cannot be read of single processes is counted instead.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.scanLocked(time.Now()); err != nil {
		return nil, err
	}
	return c.familiesLocked(), nil
}
