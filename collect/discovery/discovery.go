// Package discovery finds the services of this machine without configuration: it looks at the processes, the sockets on
// which they listen in every network namespace, their systemd units and containers, and knows from an embedded catalogue
// which program is which service, how it is asked whether it is well, where its metrics are and which logs it writes.
//
// A Discovery scans every ten seconds. What it found once stays known when it goes away (Gone, then Inactive), over
// restarts too when it is given a State to keep it in. Everything that it reads belongs to somebody else: it is bounded,
// and nothing in it can make Hulotte run a command, read a file or ask another machine.
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/collect/container"
)

// Options of the discovery. The zero value looks at this machine.
type Options struct {
	ProcFS string // "" is /proc
	RootFS string // where configuration files and the package database are; "" is /
	// Sockets of engines that speak Docker's API; nil is those of Docker and podman, an empty list asks none.
	Sockets []string

	Interval      time.Duration // between two scans; 0 is 10 s
	InactiveAfter time.Duration // a service that is gone for so long is inactive; 0 is 7 days
	ShortLived    time.Duration // what lived for less is forgotten when it is gone; 0 is 1 minute
	MaxProcesses  int           // that are looked at; 0 is 20,000
	MaxServices   int           // that are known at once; 0 is 1,000

	// Disable are kinds that are not looked for. Catalogue are more files, or folders of files, of the catalogue's form.
	Disable   []string
	Catalogue []string
	// IgnoreLabels leaves labels of containers and annotations of pods aside.
	IgnoreLabels bool
	// Environment lets the password be used that a container's environment declares for the service in it.
	Environment bool
	Custom      []Custom
	Overrides   []Override

	// State keeps what is known over a restart; nil forgets it.
	State Document
	// UnitState asks systemd for the state of a unit, such as "failed"; nil leaves it out.
	UnitState func(ctx context.Context, unit string) (string, error)
	// OnChange is told all services when one came, went or changed in more than its processes. It is called by the
	// goroutine of Run, and holds up the next scan.
	OnChange func([]Service)
}

// Document keeps one text, replaced as a whole.
type Document interface {
	Load(ctx context.Context) ([]byte, error) // nil when there is none
	Save(ctx context.Context, text []byte) error
}

func (o Options) withDefaults() Options {
	if o.ProcFS == "" {
		o.ProcFS = "/proc"
	}
	if o.RootFS == "" {
		o.RootFS = "/"
	}
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	if o.InactiveAfter == 0 {
		o.InactiveAfter = 7 * 24 * time.Hour
	}
	if o.ShortLived == 0 {
		o.ShortLived = time.Minute
	}
	if o.MaxProcesses == 0 {
		o.MaxProcesses = 20_000
	}
	if o.MaxServices == 0 {
		o.MaxServices = 1000
	}
	return o
}

// Discovery finds services. Its methods may be called at the same time.
type Discovery struct {
	opts      Options
	log       *slog.Logger
	catalogue *Catalogue
	metrics   *metrics
	now       func() time.Time

	scanning   sync.Mutex // held during a scan: it guards what follows
	scans      uint64
	processes  *processes
	namespaces *namespaces
	containers *container.Directory
	versions   *versions
	life       *life
	loaded     bool
	told       bool // OnChange was
	saved      []byte

	mu       sync.Mutex // guards what follows; never held during I/O
	services []Service
	strange  []Stranger
	warnings []string
}

// labelsToKeep are those of containers that are read.
var labelsToKeep = []string{
	"hulotte.*", "annotation.hulotte.*", "prometheus.io/*", "annotation.prometheus.io/*", "glouton.*", "app", "app.kubernetes.io/*",
	"com.docker.compose.project", "com.docker.compose.service", "com.docker.compose.container-number", "com.docker.swarm.service.name",
}

// New returns a Discovery, or an error that names the wrong option. It looks at nothing yet.
func New(opts Options, log *slog.Logger, reg prometheus.Registerer) (*Discovery, error) {
	if opts.Interval < 0 || opts.InactiveAfter < 0 || opts.ShortLived < 0 || opts.MaxProcesses < 0 || opts.MaxServices < 0 {
		return nil, fmt.Errorf("interval %s, inactive_after %s, short_lived %s, max_processes %d and max_services %d: none can be negative",
			opts.Interval, opts.InactiveAfter, opts.ShortLived, opts.MaxProcesses, opts.MaxServices)
	}
	opts = opts.withDefaults()
	c, err := Embedded().with(opts.Catalogue, opts.Disable)
	if err != nil {
		return nil, err
	}
	if err := validateDeclared(opts.Custom, opts.Overrides, c); err != nil {
		return nil, err
	}
	d := &Discovery{
		opts: opts, log: log, catalogue: c, now: time.Now,
		processes: newProcesses(opts.ProcFS, opts.MaxProcesses), namespaces: newNamespaces(opts.ProcFS), versions: newVersions(opts.RootFS),
		containers: container.NewDirectory(container.Options{ProcFS: opts.ProcFS, RootFS: opts.RootFS, Sockets: opts.Sockets, Labels: labelsToKeep}, log),
		life:       newLife(opts.InactiveAfter, opts.ShortLived, opts.MaxServices),
	}
	d.metrics = newMetrics(reg, d)
	return d, nil
}

// Run scans until ctx ends. It returns nil then.
func (d *Discovery) Run(ctx context.Context) error {
	ticker := time.NewTicker(d.opts.Interval)
	defer ticker.Stop()
	for {
		if err := d.Scan(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("cannot look for services", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Services returns all that are known, by ID. The slice is the caller's, what is in it is shared and not to be changed.
func (d *Discovery) Services() []Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Service{}, d.services...)
}

// Warnings tells, in sentences, what the last scan could not see.
func (d *Discovery) Warnings() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.warnings...)
}

// Stranger is something that listens and that the catalogue does not know.
type Stranger struct {
	Address string `json:"address"`
	PID     int    `json:"pid,omitempty"`
	Program string `json:"program,omitempty"`
}

// Strangers returns what listens on TCP and is no service of the catalogue, as the last scan saw it.
func (d *Discovery) Strangers() []Stranger {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Stranger{}, d.strange...)
}

// Catalogue returns what is looked for.
func (d *Discovery) Catalogue() *Catalogue { return d.catalogue }
