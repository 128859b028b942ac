package discovery

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Service is one instance of a service of this machine, as it was found or declared.
type Service struct {
	// ID is Name, or Name@Instance: what is known and kept about a service goes by it. It has no slash.
	ID   string `json:"id"`
	Name string `json:"name"` // Kind, unless a label or the configuration names it otherwise
	// Instance tells several of one kind apart: a container, a systemd unit, a port, an application; often "".
	Instance string `json:"instance,omitempty"`
	Kind     string `json:"kind"`  // the name in the catalogue, such as "nginx"; "custom" for one that is only declared
	Title    string `json:"title"` // for people

	PIDs      []int      `json:"pids,omitempty"`    // the oldest first
	Exe       string     `json:"exe,omitempty"`     // "" when it cannot be seen
	Cmdline   string     `json:"cmdline,omitempty"` // of the oldest process, with what looks like a secret masked
	Started   time.Time  `json:"started,omitzero"`
	Container *Container `json:"container,omitempty"`
	Unit      string     `json:"unit,omitempty"` // systemd's, with ".service"
	Version   string     `json:"version,omitempty"`

	Listen []Address `json:"listen,omitempty"` // where it can be asked from here, the best first
	// Address is the one that is asked, the first of Listen as a rule; zero when there is none.
	Address Address `json:"address,omitzero"`

	State State     `json:"state"`
	Since time.Time `json:"since"` // of State
	Seen  time.Time `json:"seen"`  // when it was running last

	Why      []string          `json:"why"` // how it was recognised and how it is watched, one sentence each
	Check    Check             `json:"check"`
	Metrics  Metrics           `json:"metrics,omitzero"`
	Logs     []LogFile         `json:"logs,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Alerts   []string          `json:"alerts,omitempty"`
	Boards   []string          `json:"dashboards,omitempty"`
	Language string            `json:"language,omitempty"` // of an application
	// Credentials is the name of those that the configuration has for it.
	Credentials string `json:"credentials,omitempty"`
	login       Login
	// Source is "discovery" or "config".
	Source string `json:"source"`
}

// State is where a service is in its life.
type State string

// The states. A service that was running and is gone is checked as before, so that its absence is a problem; after a
// time it is inactive, and nothing is asked of it any more.
const (
	Running  State = "running"
	Gone     State = "gone"
	Inactive State = "inactive"
)

// Container is the one a service runs in.
type Container struct {
	ID        string `json:"id"`
	Name      string `json:"name,omitempty"`
	Image     string `json:"image,omitempty"`
	Runtime   string `json:"runtime,omitempty"`
	Namespace string `json:"namespace,omitempty"` // Kubernetes'
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"` // its name in the pod
	Project   string `json:"project,omitempty"`   // Docker Compose's
	Service   string `json:"service,omitempty"`   // Docker Compose's
}

// Address is where a service listens.
type Address struct {
	Network string `json:"network"`        // tcp, udp or unix
	IP      string `json:"ip,omitempty"`   // one that can be connected to from here: 127.0.0.1 for what listens everywhere
	Port    int    `json:"port,omitempty"` // 0 for unix
	Path    string `json:"path,omitempty"` // of a unix socket; an abstract one begins with @
	// TLS says that it is known, or usual, that TLS is spoken from the first byte.
	TLS bool `json:"tls,omitempty"`
	// Any says that it listens on every address of the machine, Local that only this machine or the container itself gets there.
	Any   bool `json:"any,omitempty"`
	Local bool `json:"local,omitempty"`
}

// String is host:port, with brackets for IPv6, or unix:path.
func (a Address) String() string {
	if a.Network == networkUnix {
		return "unix:" + a.Path
	}
	if a.IP == "" && a.Port == 0 {
		return ""
	}
	return net.JoinHostPort(a.IP, strconv.Itoa(a.Port))
}

func (a Address) addr() netip.Addr {
	ip, _ := netip.ParseAddr(a.IP) // an invalid one is the zero one
	return ip
}

// The networks.
const (
	networkTCP  = "tcp"
	networkUDP  = "udp"
	networkUnix = "unix"
)

// Check is how a service is asked whether it is well.
type Check struct {
	// Kind is one of check/probe's kinds, or process or unit; "" for nothing.
	Kind    string         `json:"kind,omitempty"`
	Options map[string]any `json:"options,omitempty"`
}

// Metrics is where the numbers of a service come from.
type Metrics struct {
	// Kind is one of collect/services, or "prometheus" for a page that is scraped; "" for nothing.
	Kind    string         `json:"kind,omitempty"`
	Address string         `json:"address,omitempty"` // host:port or unix:path
	Options map[string]any `json:"options,omitempty"` // of the kind; of prometheus: url
	// Exporter is the name of the usual Prometheus exporter, Job the label job that its dashboards expect.
	Exporter string `json:"exporter,omitempty"`
	Job      string `json:"job,omitempty"`
}

// LogFile is a file, or a pattern of files, that a service writes.
type LogFile struct {
	Path   string `json:"path"`
	Format string `json:"format,omitempty"` // a name of package logformat; recognised by itself when empty
}
