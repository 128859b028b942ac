// Package config reads Hulotte's settings: one YAML file in which every key is optional, environment variables
// for every key, and a few flags. Flags win over the environment, the environment over the file, the file over
// the defaults.
//
// Every setting stands once in the table of keys.go: what reads, checks, shows and documents it comes from there.
// Only app and cmd import this package; the packages below app get their own Options.
package config

import (
	"os"
	"time"

	"github.com/hulotte-dev/hulotte/collect/scrape"
)

// Config is the settings of a process. A Config is never changed after Load has returned it.
type Config struct {
	DataDir    string
	Server     Server
	Log        Log
	Logs       Logs
	Prometheus Prometheus
	Agent      Agent
	Host       Host
	Monitoring Monitoring
	Ingest     Ingest
	Storage    Storage
	Query      Query
	Traces     Traces

	Alerting     Alerting
	RuleDefaults RuleDefaults // under `alerting`

	// Scrape is what a prometheus.yml holds, from prometheus.config or from the same blocks of our own file.
	Scrape *scrape.Config
	// Warnings tell what was accepted without all of its effect.
	Warnings []Error
	// File is the file that was read, "" when there was none.
	File string

	role              Role
	origins           map[string]origin // by key path; a missing one is a default
	rules, ruleGroups int               // how many the rule files hold
}

// Server is the one HTTP listener.
type Server struct {
	Listen               string
	ExternalURL          string
	RoutePrefix          string
	AllowedHosts         []string
	AllowedOrigins       []string
	FrameAncestors       []string
	TLS                  TLS
	Users                map[string]string // name to bcrypt hash
	AllowUnauthenticated bool
	AdminAPI             bool
	MaxConnections       int
	MaxHeaderSize        int64 // bytes
	MaxBodySize          int64 // bytes
	ReadHeaderTimeout    time.Duration
	ReadTimeout          time.Duration
	IdleTimeout          time.Duration
	WriteStallTimeout    time.Duration
}

// TLS is the server's side of it.
type TLS struct {
	CertFile     string
	KeyFile      string
	ClientCAFile string
}

// Log is what the process says about itself.
type Log struct {
	Level  string
	Format string
}

// Prometheus names a prometheus.yml that is taken as it is.
type Prometheus struct {
	Config string
}

// Agent is where `hulotte agent` sends what it collects.
type Agent struct {
	Server          string
	Tenant          string
	TLS             ClientTLS
	Username        string
	Password        string
	PasswordFile    string
	BearerToken     string
	BearerTokenFile string
	ProxyURL        string
	Headers         map[string]string
	Timeout         time.Duration
	BufferSize      int64 // bytes
	BufferAge       time.Duration
}

// ClientTLS is the client's side of it.
type ClientTLS struct {
	CAFile             string
	CertFile           string
	KeyFile            string
	ServerName         string
	InsecureSkipVerify bool
}

// Host is what is read from the machine that the process runs on.
type Host struct {
	Enabled             bool
	Interval            time.Duration
	Timeout             time.Duration
	Instance            string
	ProcFS              string
	SysFS               string
	RootFS              string
	UdevData            string
	EnableCollectors    []string
	DisableCollectors   []string
	TextfileDirectories []string
	MountPointsExclude  string
	FSTypesExclude      string
	InterfacesExclude   string
	DisksExclude        string
	UnitsInclude        string
	UnitsExclude        string
	Processes           Processes
	Containers          Containers
}

// Containers are the containers of the host.
type Containers struct {
	Enabled       bool
	AskEngines    bool
	Sockets       []string
	Labels        []string
	MaxContainers int
}

// Processes are the processes of the host, in groups named for their service.
type Processes struct {
	Enabled      bool
	MaxGroups    int
	MaxProcesses int
}

// Ingest is what others send.
type Ingest struct {
	RemoteWrite   RemoteWriteLimits
	Logs          LogLimits
	OTLP          OTLP
	Jaeger        Jaeger
	Zipkin        Zipkin
	Fluent        Fluent
	GELF          GELF
	Elasticsearch Elasticsearch
	Syslog        Syslog
	SNMPTrap      SNMPTrap
}

// RemoteWriteLimits bound what arrives through Prometheus' remote write.
type RemoteWriteLimits struct {
	MaxCompressedSize   int64 // bytes, of a request
	MaxUncompressedSize int64 // bytes, of a request
	MaxInFlightSize     int64 // bytes, of all requests
	CacheSize           int64 // bytes
	MaxSamples          int   // of a request
	MaxLabels           int   // of a series
}

// Storage is what is kept, and for how long.
type Storage struct {
	Series SeriesStorage
	Logs   LogStorage
	Traces TraceStorage
	Medium Medium
}

// SeriesStorage is the metrics engine.
type SeriesStorage struct {
	RetentionTime    time.Duration
	RetentionSize    int64 // bytes; 0 is no bound
	OutOfOrderWindow time.Duration
	MaxExemplars     int
	MaxTenants       int
	MaxSeries        int // of a tenant; 0 is no bound
	SyncInterval     time.Duration
	SyncCommits      bool
	MinFreeSize      int64 // bytes
}

// Query bounds what queries may take.
type Query struct {
	Timeout       time.Duration
	MaxSamples    int
	LookbackDelta time.Duration
	MaxConcurrent int
	MaxQueued     int
	SlowQuery     time.Duration // 0 logs none
	Logs          LogQuery
}

// Sources is where settings come from.
type Sources struct {
	// File is the configuration file; "" looks for one in Search.
	File string
	// Search is tried in order when File is empty; it is no error when none exists.
	Search []string
	// Env is the environment, as os.Environ returns it.
	Env []string
	// Flags are the settings of the command line.
	Flags []Flag
	// Role decides a few defaults; the zero value is Both.
	Role Role
	// Dir is the working directory, for the default of data_dir.
	Dir string
}

// Flag is one setting of the command line.
type Flag struct {
	Name  string // with its dashes, for errors
	Key   string // the key's path
	Value string
}

// Role is what a process does.
type Role string

// The roles.
const (
	Both       Role = "both"   // plain `hulotte`
	AgentRole  Role = "agent"  // collects and forwards
	ServerRole Role = "server" // everything but the collection of its own host
)

// DefaultFiles is where the configuration is looked for.
func DefaultFiles() []string { return []string{"hulotte.yml", "/etc/hulotte/hulotte.yml"} }

// Load reads the sources. The error is an Errors with everything that is wrong, not only the first.
func Load(s Sources) (*Config, error) {
	c := &Config{File: findFile(s), role: s.Role, origins: map[string]origin{}}
	t := newTable(c, s)
	var errs Errors
	prom := noFile()
	if c.File != "" {
		text, err := readFile(c.File)
		if err != nil {
			return nil, Errors{{File: c.File, Text: err.Error()}}
		}
		prom, errs = c.loadFile(t, text)
	}
	errs = append(errs, t.applyEnv(s.Env)...)
	errs = append(errs, t.applyFlags(s.Flags)...)
	errs = append(errs, c.loadProm(prom)...)
	errs = append(errs, c.checkLogRules()...)
	c.checkDefaultRules()
	errs = append(errs, c.loadMonitoring(checkKinds())...)
	errs = append(errs, c.loadSNMP()...)
	errs = append(errs, c.loadAlerting()...)
	if len(errs) == 0 {
		errs = append(errs, c.validate()...)
	}
	if len(errs) > 0 {
		return nil, errs.sorted()
	}
	c.warnAgent()
	c.warnMedium()
	return c, nil
}

func findFile(s Sources) string {
	if s.File != "" {
		return s.File
	}
	for _, f := range s.Search {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return ""
}
