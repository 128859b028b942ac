// Package container measures the containers of this machine by the files of their control groups, version 1 and 2,
// under the names of cAdvisor (container_*).
//
// The kernel's files tell everything that is counted, so no container engine is needed. Its socket (Docker, or podman
// which speaks the same) and the files that runtimes leave for each container (containerd, CRI-O) give names, images,
// Kubernetes' labels and states. An engine that hangs or answers garbage costs those, not the numbers.
package container

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Options of the container metrics. The zero value looks in the usual places of this machine.
type Options struct {
	ProcFS string // "" is /proc
	SysFS  string // "" is /sys
	RootFS string // where the runtimes' files are looked for; "" is /

	// Sockets of engines that speak Docker's API. nil is those of Docker and podman; those that are not there are
	// left alone, so this may name what is installed later. An empty list asks no engine.
	Sockets []string

	// Labels of containers that become labels container_label_<name> of their series; nil is those of Docker Compose.
	Labels []string

	MaxContainers int           // that are measured; 0 is 500
	SocketTimeout time.Duration // 0 is 2 s
}

const (
	defaultMaxContainers = 500
	defaultSocketTimeout = 2 * time.Second
)

// Collector is a prometheus.Gatherer of container metrics. Its methods may be called at the same time.
type Collector struct {
	opts    Options
	log     *slog.Logger
	engines []*engine
	oci     *ociFiles
	devices *devices
	host    string // the network namespace of the machine itself; "" when unknown

	mu      sync.Mutex // held during a gather: it guards what follows
	tree    cgroups    // nil until the first gather
	known   map[string]*tracked
	last    []measured
	at      time.Time           // of the last gather
	before  map[string]measured // of the gather before, by path
	skipped int                 // containers above MaxContainers in the last gather
}

// tracked is what does not change during the life of a container.
type tracked struct {
	found
	about   about // from files of its runtime
	tried   int   // how often those were looked for
	started float64
	netns   string // "" is unknown
	pid     int    // a process of it, the last time
	seen    bool   // in the current gather
}

// about says who a container is.
type about struct {
	runtime                  string // as found's; "" leaves that
	name, image              string
	namespace, pod, workload string // Kubernetes' labels; workload is the container's name in its pod
	labels                   map[string]string
	state, health            string // running, exited, ...; healthy, unhealthy, starting or ""
	created                  int64  // seconds since the epoch; 0 when unknown
	addresses                []netip.Addr
	ports                    []Port
}

// New returns a Collector, or an error that names the wrong field.
func New(opts Options, log *slog.Logger) (*Collector, error) {
	if opts.MaxContainers < 0 || opts.SocketTimeout < 0 {
		return nil, fmt.Errorf("MaxContainers is %d and SocketTimeout is %s: neither can be negative", opts.MaxContainers, opts.SocketTimeout)
	}
	opts = opts.withDefaults()
	c := &Collector{
		opts: opts, log: log, oci: &ociFiles{root: opts.RootFS}, devices: newDevices(opts.SysFS),
		known: map[string]*tracked{}, before: map[string]measured{},
	}
	for _, s := range opts.Sockets {
		if s == "" || !filepath.IsAbs(s) {
			return nil, fmt.Errorf("field Sockets: %q is not an absolute path, as in \"/run/docker.sock\"", s)
		}
		c.engines = append(c.engines, newEngine(s, opts.SocketTimeout, opts.Labels, log))
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.ProcFS == "" {
		o.ProcFS = "/proc"
	}
	if o.SysFS == "" {
		o.SysFS = "/sys"
	}
	if o.RootFS == "" {
		o.RootFS = "/"
	}
	if o.Sockets == nil {
		o.Sockets = []string{"/run/docker.sock", "/run/podman/podman.sock"}
	}
	if o.Labels == nil {
		o.Labels = []string{"com.docker.compose.project", "com.docker.compose.service"}
	}
	if o.MaxContainers == 0 {
		o.MaxContainers = defaultMaxContainers
	}
	if o.SocketTimeout == 0 {
		o.SocketTimeout = defaultSocketTimeout
	}
	return o
}

// Gather implements prometheus.Gatherer: it measures all containers. A machine without control groups or containers
// has none, which is no error.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.measureLocked(time.Now())
	return c.familiesLocked(), nil
}
