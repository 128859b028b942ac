// Package host gives the metrics of this machine under the names of node_exporter (node_*), by means of
// node_exporter's own collectors, so that dashboards and alerts written for it work unchanged.
//
// The collectors are called one by one, each bounded in time and with its panics caught, instead of through
// node_exporter's NodeCollector: a stat that hangs on a dead NFS server, or a bus that does not answer, costs that
// collector's metrics and no other's.
//
// node_exporter keeps its settings in package variables filled by its flag parser, so one process has one set of
// them: see settle.
package host

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of the host's metrics. The zero value watches the machine that the process runs on. Of the fields, only
// Enable, Disable, Timeout and those of units may differ between two Collectors of one process.
type Options struct {
	// Where the host's file systems are; set them when Hulotte runs in a container that has the host's mounted.
	ProcFS   string // "" is /proc
	SysFS    string // "" is /sys
	RootFS   string // "" is /; the prefix is taken off the mountpoint label
	UdevData string // "" is <RootFS>/run/udev/data

	// Collectors by node_exporter's names, besides those of Defaults and less those of Disable. Enable wins over
	// a default that depends on the machine (systemd without a bus).
	Enable  []string
	Disable []string

	// TextfileDirectories hold *.prom files with metrics of the user's own; globs are allowed.
	TextfileDirectories []string

	// Regular expressions, anchored as node_exporter anchors them. "" is the default of this package; "^$"
	// excludes nothing.
	MountPointsExclude string // mount points, of filesystem
	FSTypesExclude     string // file system types, of filesystem
	NetDevExclude      string // interfaces, of netdev, netclass and arp
	DisksExclude       string // block devices, of diskstats
	UnitsInclude       string // systemd units
	UnitsExclude       string // systemd units

	// Timeout bounds one collector; 0 is 4 s. Keep it below the gather's.
	Timeout time.Duration
}

// Defaults differ from node_exporter's only where docs/host-metrics.md says so.
const (
	defaultTimeout = 4 * time.Second

	// What the kernel and containers mount for themselves. The types that come after tracefs are ours: they have
	// no space of their own to run out of, and alerts on free space would fire for them.
	defaultMountPointsExclude = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	defaultFSTypesExclude     = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs|efivarfs|ramfs|fuse\.(lxcfs|portal|gvfsd-fuse))$`

	// The host's ends of the containers' interfaces, as Docker and podman (veth), Calico (cali), Cilium (lxc and hex
	// digits), Azure's CNI (azv) and ECS (hex digits) name them. They come and go with every container, at some 40
	// series each; their traffic is in container_network_*.
	defaultNetDevExclude = `^(veth.*|cali[0-9a-f]{11}|lxc[0-9a-f]{10,}|azv[0-9a-f]{11}|[0-9a-f]{15})$`

	defaultDisksExclude = `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
	defaultUnitsInclude = `.+`
	defaultUnitsExclude = `.+\.(automount|device|mount|scope|slice)`
)

// Collector is a prometheus.Gatherer and prometheus.Collector of the host's metrics.
type Collector struct {
	registry *prometheus.Registry
	members  []*member
	timeout  time.Duration
	log      *slog.Logger

	durationDesc *prometheus.Desc
	successDesc  *prometheus.Desc
}

// New returns a Collector, or an error that names the wrong field of opts. It reads nothing of the host yet.
func New(opts Options, log *slog.Logger) (*Collector, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, err
	}
	names, err := opts.collectors()
	if err != nil {
		return nil, err
	}
	if err := settle(opts); err != nil {
		return nil, err
	}
	c := &Collector{
		registry: prometheus.NewRegistry(), timeout: opts.Timeout, log: log,
		durationDesc: prometheus.NewDesc("node_scrape_collector_duration_seconds", "Time that a collector of the host's metrics took.", []string{"collector"}, nil),
		successDesc:  prometheus.NewDesc("node_scrape_collector_success", "Whether a collector of the host's metrics succeeded.", []string{"collector"}, nil),
	}
	told := newTold()
	for _, name := range names {
		m, err := newMember(name, catalogue(opts)[name], slog.New(quieter{log.Handler(), told, ""}))
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, m)
	}
	told.started.Store(true)
	if err := c.registry.Register(c); err != nil {
		return nil, fmt.Errorf("BUG: cannot register the host's metrics: %w", err)
	}
	return c, nil
}

// Names lists the collectors that there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(catalogue(Options{}))) }

// Defaults lists the collectors that run without any option on this machine, sorted. systemd is among them when
// its bus is there.
func Defaults() []string { return Options{}.withDefaults().defaults() }

// Enabled lists the collectors that run, sorted.
func (c *Collector) Enabled() []string {
	var names []string
	for _, m := range c.members {
		names = append(names, m.name)
	}
	return names
}

func (o Options) withDefaults() Options {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&o.ProcFS, "/proc")
	set(&o.SysFS, "/sys")
	set(&o.RootFS, "/")
	set(&o.UdevData, strings.TrimSuffix(o.RootFS, "/")+"/run/udev/data")
	set(&o.MountPointsExclude, defaultMountPointsExclude)
	set(&o.FSTypesExclude, defaultFSTypesExclude)
	set(&o.NetDevExclude, defaultNetDevExclude)
	set(&o.DisksExclude, defaultDisksExclude)
	set(&o.UnitsInclude, defaultUnitsInclude)
	set(&o.UnitsExclude, defaultUnitsExclude)
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return o
}

func (o Options) check() error {
	for _, f := range []struct{ name, pattern string }{
		{"MountPointsExclude", o.MountPointsExclude}, {"FSTypesExclude", o.FSTypesExclude},
		{"NetDevExclude", o.NetDevExclude}, {"DisksExclude", o.DisksExclude},
		{"UnitsInclude", o.UnitsInclude}, {"UnitsExclude", o.UnitsExclude},
	} {
		if _, err := regexp.Compile(f.pattern); err != nil {
			return fmt.Errorf("%s is not a regular expression: %w", f.name, err)
		}
	}
	if o.Timeout < 0 {
		return fmt.Errorf("field Timeout is %s: it cannot be negative", o.Timeout)
	}
	return nil
}

// collectors returns the names that are to run, sorted.
func (o Options) collectors() ([]string, error) {
	known := catalogue(o)
	run := map[string]bool{}
	for _, name := range o.defaults() {
		run[name] = true
	}
	for _, f := range []struct {
		field string
		names []string
		on    bool
	}{{"Disable", o.Disable, false}, {"Enable", o.Enable, true}} {
		for _, name := range f.names {
			if _, ok := known[name]; !ok {
				return nil, fmt.Errorf("%s: there is no collector %q: known are %s", f.field, name, strings.Join(Names(), ", "))
			}
			if f.on && slices.Contains(o.Disable, name) {
				return nil, fmt.Errorf("collector %q is in both Enable and Disable: take it out of one", name)
			}
			run[name] = f.on
		}
	}
	var names []string
	for name, on := range run {
		if on {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (o Options) defaults() []string {
	var names []string
	for name, e := range catalogue(o) {
		if e.on || name == "systemd" && systemdRuns(o.RootFS) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
