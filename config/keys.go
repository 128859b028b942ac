package config

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/logging"
)

// Key is one setting.
type Key struct {
	// Path is where it stands in the file, with dots between the levels.
	Path string
	// Default is how the default would be written.
	Default string
	// Doc is what the reference says about it.
	Doc string
	// Live tells that a reload applies a change; any other key needs a restart.
	Live bool
	// Secret values are never shown.
	Secret bool

	value value
}

// Env returns the name of the environment variable that sets the key.
func (k Key) Env() string {
	return "HULOTTE_" + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
}

// keys is the table of all settings, bound to c, in the order of the reference.
func keys(c *Config, s Sources) []Key {
	return slices.Concat(
		[]Key{
			{Path: "data_dir", value: text(&c.DataDir), Default: defaultDataDir(s.Dir),
				Doc: "The folder of everything that is kept. One process at a time uses it. The default is the folder `data` of the checkout when run from one, else `/var/lib/hulotte`."},
		},
		serverKeys(&c.Server),
		agentKeys(&c.Agent),
		logKeys(&c.Log),
		tailKeys(&c.Logs, s.Role),
		hostKeys(&c.Host, s.Role),
		monitoringKeys(&c.Monitoring),
		discoveryKeys(&c.Monitoring, s.Role),
		nrpeKeys(&c.Monitoring.NRPE),
		zabbixKeys(&c.Monitoring.Zabbix),
		passiveKeys(&c.Monitoring),
		snmpKeys(&c.Monitoring.SNMP),
		prometheusKeys(&c.Prometheus),
		ingestKeys(&c.Ingest),
		logLimitKeys(&c.Ingest.Logs),
		otlpKeys(&c.Ingest.OTLP),
		jaegerKeys(&c.Ingest.Jaeger),
		zipkinKeys(&c.Ingest.Zipkin),
		fluentKeys(&c.Ingest.Fluent),
		gelfKeys(&c.Ingest.GELF),
		snmpTrapKeys(&c.Ingest.SNMPTrap),
		elasticKeys(&c.Ingest.Elasticsearch),
		syslogKeys(&c.Ingest.Syslog),
		storageKeys(&c.Storage),
		logStorageKeys(&c.Storage.Logs),
		traceStorageKeys(&c.Storage.Traces),
		spanMetricsKeys(&c.Traces.Metrics),
		mediumKeys(&c.Storage.Medium),
		queryKeys(&c.Query),
		logQueryKeys(&c.Query.Logs),
		alertingKeys(&c.Alerting),
		ruleDefaultKeys(&c.RuleDefaults),
	)
}

func serverKeys(s *Server) []Key {
	return []Key{
		{Path: "server.listen", value: address(&s.Listen), Default: "127.0.0.1:9070",
			Doc: "Where the one HTTP port listens, as `host:port`. Port 0 takes a free one; the address in use is in the file `listen.addr` of the data folder."},
		{Path: "server.external_url", value: httpURL(&s.ExternalURL),
			Doc: "The URL under which people reach the server, when it stands behind a proxy or under a path: `https://obs.example.org/hulotte/`. Its path becomes the prefix of everything that is served."},
		{Path: "server.route_prefix", value: urlPath(&s.RoutePrefix),
			Doc: "The path under which everything is served; the default is that of `server.external_url`. Set it to `/` when a proxy takes the prefix away."},
		{Path: "server.allowed_hosts", value: list(&s.AllowedHosts),
			Doc: "Names that the Host header of a request may have, besides localhost, loopback addresses and the host of `server.external_url`. On a loopback address this keeps foreign web sites out (DNS rebinding); on other addresses it is checked only when set."},
		{Path: "server.allowed_origins", value: list(&s.AllowedOrigins),
			Doc: "Origins (`https://grafana.example.org`) whose pages may call the API from a browser (CORS); `*` lets all of them read."},
		{Path: "server.frame_ancestors", value: list(&s.FrameAncestors),
			Doc: "Origins whose pages may show ours in a frame, such as a portal."},
		{Path: "server.tls.cert_file", value: text(&s.TLS.CertFile),
			Doc: "Certificate chain in PEM; with `server.tls.key_file` it turns HTTPS on. Changed files are taken into use without a restart."},
		{Path: "server.tls.key_file", value: text(&s.TLS.KeyFile),
			Doc: "The certificate's private key in PEM."},
		{Path: "server.tls.client_ca_file", value: text(&s.TLS.ClientCAFile),
			Doc: "Certificate authorities in PEM; when set, a client must show a certificate that one of them signed."},
		{Path: "server.users", value: textMap(&s.Users, checkBcrypt), Secret: true, Live: true,
			Doc: "Users of HTTP basic authentication, each name with the bcrypt hash of its password (`htpasswd -nBC 10 alice`). With none, everybody who reaches the port may do everything. In the environment: `alice:hash,bob:hash`."},
		{Path: "server.allow_unauthenticated", value: boolean(&s.AllowUnauthenticated), Default: "false",
			Doc: "Lets an address that is not loopback be served without users. Set it only when something else decides who gets through."},
		{Path: "server.admin_api", value: boolean(&s.AdminAPI), Default: "false",
			Doc: "Serves `/api/v1/admin/tsdb/`, which deletes series and makes snapshots."},
		{Path: "server.max_connections", value: integer(&s.MaxConnections, 1, 1_000_000), Default: "2048",
			Doc: "Connections open at the same time; a further one is closed at once and counted in `hulotte_http_connections_refused_total`."},
		{Path: "server.max_header_size", value: size(&s.MaxHeaderSize, 1<<10, 16<<20), Default: "64KiB",
			Doc: "The most that the headers of a request may hold."},
		{Path: "server.max_body_size", value: size(&s.MaxBodySize, 1<<10, 1<<40), Default: "64MiB",
			Doc: "The most that the body of a request may hold, as it is sent."},
		{Path: "server.read_header_timeout", value: duration(&s.ReadHeaderTimeout), Default: "10s",
			Doc: "How long a client may take to send the headers of a request."},
		{Path: "server.read_timeout", value: duration(&s.ReadTimeout), Default: "1m",
			Doc: "How long a client may take to send the body of a request."},
		{Path: "server.idle_timeout", value: duration(&s.IdleTimeout), Default: "2m",
			Doc: "How long a connection is kept open between two requests."},
		{Path: "server.write_stall_timeout", value: duration(&s.WriteStallTimeout), Default: "30s",
			Doc: "How long a client may take nothing of what is sent to it. A long answer, such as the live stream, never ends for its length."},
	}
}

func agentKeys(a *Agent) []Key {
	return []Key{
		{Path: "agent.server", value: httpURL(&a.Server),
			Doc: "The URL of the Hulotte that `hulotte agent` sends to, such as `https://obs.example.org/`; anything that receives remote write 2.0 at `/api/v1/write` below it will do."},
		{Path: "agent.tenant", value: tenant(&a.Tenant),
			Doc: "The tenant that everything is sent for (`X-Scope-OrgID`); the server's default one when empty."},
		{Path: "agent.tls.ca_file", value: text(&a.TLS.CAFile),
			Doc: "Certificate authorities in PEM that may have signed the server's certificate; the default is those of the system."},
		{Path: "agent.tls.cert_file", value: text(&a.TLS.CertFile),
			Doc: "Certificate in PEM to show to the server."},
		{Path: "agent.tls.key_file", value: text(&a.TLS.KeyFile),
			Doc: "The private key of `agent.tls.cert_file` in PEM."},
		{Path: "agent.tls.server_name", value: text(&a.TLS.ServerName),
			Doc: "The name that the server's certificate must have, when it is not the host of `agent.server`."},
		{Path: "agent.tls.insecure_skip_verify", value: boolean(&a.TLS.InsecureSkipVerify), Default: "false",
			Doc: "Takes any certificate. Whoever is on the way can then read and change everything."},
		{Path: "agent.basic_auth.username", value: text(&a.Username),
			Doc: "The user to log in as at the server."},
		{Path: "agent.basic_auth.password", value: text(&a.Password), Secret: true,
			Doc: "The user's password."},
		{Path: "agent.basic_auth.password_file", value: text(&a.PasswordFile),
			Doc: "A file that holds the password; it is read again when it changes."},
		{Path: "agent.bearer_token", value: text(&a.BearerToken), Secret: true,
			Doc: "A token to send instead of a user and password."},
		{Path: "agent.bearer_token_file", value: text(&a.BearerTokenFile),
			Doc: "A file that holds the token; it is read again when it changes."},
		{Path: "agent.proxy_url", value: httpURL(&a.ProxyURL),
			Doc: "An HTTP proxy on the way to the server; the default is what `HTTPS_PROXY` and its like say."},
		{Path: "agent.headers", value: textMap(&a.Headers, checkHeader), Secret: true,
			Doc: "Headers to add to every request."},
		{Path: "agent.timeout", value: duration(&a.Timeout), Default: "30s",
			Doc: "How long one request may take."},
		{Path: "agent.buffer_size", value: size(&a.BufferSize, 1<<20, 1<<50), Default: "1GiB",
			Doc: "The most that may wait on the disk while the server cannot be reached; beyond it the oldest goes, and is counted."},
		{Path: "agent.buffer_age", value: duration(&a.BufferAge), Default: "24h",
			Doc: "The longest that something may wait on the disk."},
	}
}

func logKeys(l *Log) []Key {
	return []Key{
		{Path: "log.level", value: oneOf(&l.Level, "debug", "info", "warn", "error"), Default: "info", Live: true,
			Doc: "The least level that is logged."},
		{Path: "log.format", value: oneOf(&l.Format, logging.Auto, logging.Text, logging.JSON), Default: logging.Auto,
			Doc: "`auto` is text on a terminal and JSON otherwise."},
	}
}

func hostKeys(h *Host, role Role) []Key {
	return []Key{
		{Path: "host.enabled", value: boolean(&h.Enabled), Default: strconv.FormatBool(role != ServerRole),
			Doc: "Whether this host's own metrics are collected. `hulotte server` leaves them out unless this says true."},
		{Path: "host.interval", value: duration(&h.Interval), Default: "10s",
			Doc: "Time between two readings."},
		{Path: "host.timeout", value: duration(&h.Timeout), Default: "4s",
			Doc: "How long one collector may take before its metrics are left out of a reading; the others do not wait for it. It must be shorter than the interval."},
		{Path: "host.instance", value: text(&h.Instance), Default: hostname(),
			Doc: "The instance label of what is read on this host. The default is the host's name."},
		{Path: "host.procfs", value: text(&h.ProcFS), Default: "/proc",
			Doc: "Where the host's /proc is; set this and the next three when Hulotte runs in a container that has the host's folders mounted."},
		{Path: "host.sysfs", value: text(&h.SysFS), Default: "/sys",
			Doc: "Where the host's /sys is."},
		{Path: "host.rootfs", value: text(&h.RootFS), Default: "/",
			Doc: "Where the host's root folder is. It is taken off the label mountpoint."},
		{Path: "host.udev_data", value: text(&h.UdevData),
			Doc: "Where the host's udev data is; the default is run/udev/data below `host.rootfs`."},
		{Path: "host.enable_collectors", value: list(&h.EnableCollectors),
			Doc: "Collectors to run besides the default ones, by node_exporter's names, such as `processes` or `interrupts`."},
		{Path: "host.disable_collectors", value: list(&h.DisableCollectors),
			Doc: "Collectors to leave out, by node_exporter's names."},
		{Path: "host.textfile_directories", value: list(&h.TextfileDirectories),
			Doc: "Folders of `*.prom` files whose metrics are added; globs are allowed."},
		{Path: "host.mount_points_exclude", value: regex(&h.MountPointsExclude),
			Doc: "Mount points to leave out. The default leaves out the kernel's and container engines' own; `^$` leaves out none."},
		{Path: "host.fs_types_exclude", value: regex(&h.FSTypesExclude),
			Doc: "File system types to leave out. The default leaves out those that hold no files of anybody's; `^$` leaves out none."},
		{Path: "host.interfaces_exclude", value: regex(&h.InterfacesExclude),
			Doc: "Network interfaces to leave out. The default leaves out the ends of containers' cables; `^$` leaves out none."},
		{Path: "host.disks_exclude", value: regex(&h.DisksExclude),
			Doc: "Block devices to leave out. The default leaves out partitions, loop devices and RAM disks; `^$` leaves out none."},
		{Path: "host.units_include", value: regex(&h.UnitsInclude),
			Doc: "systemd units to report; the default is all that `host.units_exclude` leaves."},
		{Path: "host.units_exclude", value: regex(&h.UnitsExclude),
			Doc: "systemd units to leave out. The default leaves out those that nobody acts on, such as device units."},
		{Path: "host.processes.enabled", value: boolean(&h.Processes.Enabled), Default: "true",
			Doc: "Whether processes are measured, in groups named for the service that they belong to."},
		{Path: "host.processes.max_groups", value: integer(&h.Processes.MaxGroups, 1, 100_000), Default: "200",
			Doc: "Groups of processes with a name of their own; the rest goes to the group `other`."},
		{Path: "host.processes.max_processes", value: integer(&h.Processes.MaxProcesses, 1, 10_000_000), Default: "20000",
			Doc: "Processes that are read at a time."},
		{Path: "host.containers.enabled", value: boolean(&h.Containers.Enabled), Default: "true",
			Doc: "Whether containers are measured, by the files of their control groups."},
		{Path: "host.containers.ask_engines", value: boolean(&h.Containers.AskEngines), Default: "true",
			Doc: "Whether container engines are asked for names, images and states."},
		{Path: "host.containers.sockets", value: list(&h.Containers.Sockets),
			Doc: "Sockets of engines that speak Docker's API. The default is those of Docker and podman, when they are there."},
		{Path: "host.containers.labels", value: list(&h.Containers.Labels),
			Doc: "Labels of containers that become labels `container_label_<name>` of their series. The default is those of Docker Compose."},
		{Path: "host.containers.max_containers", value: integer(&h.Containers.MaxContainers, 1, 100_000), Default: "500",
			Doc: "Containers that are measured."},
	}
}

func prometheusKeys(p *Prometheus) []Key {
	return []Key{
		{Path: "prometheus.config", value: text(&p.Config), Live: true,
			Doc: "A prometheus.yml that is taken as it is: scrape_configs, rule_files, remote_write and the rest. Write either this or these blocks in this file, not both."},
	}
}

func ingestKeys(i *Ingest) []Key {
	return []Key{
		{Path: "ingest.remote_write.max_compressed_size", value: size(&i.RemoteWrite.MaxCompressedSize, 1<<10, 1<<30), Default: "10MiB",
			Doc: "The most that a remote write request may hold as it is sent; `server.max_body_size` bounds it too."},
		{Path: "ingest.remote_write.max_uncompressed_size", value: size(&i.RemoteWrite.MaxUncompressedSize, 1<<10, 1<<32), Default: "32MiB",
			Doc: "The most that a remote write request may hold when unpacked."},
		{Path: "ingest.remote_write.max_in_flight_size", value: size(&i.RemoteWrite.MaxInFlightSize, 1<<20, 1<<40), Default: "256MiB",
			Doc: "The most that all remote write requests at one time may hold; senders are told to come back later beyond it."},
		{Path: "ingest.remote_write.cache_size", value: size(&i.RemoteWrite.CacheSize, 1<<20, 1<<40), Default: "128MiB",
			Doc: "The most memory that the map from labels, as they are sent, to series may take."},
		{Path: "ingest.remote_write.max_samples", value: integer(&i.RemoteWrite.MaxSamples, 1, 1<<31-1), Default: "1000000",
			Doc: "Samples in a remote write request."},
		{Path: "ingest.remote_write.max_labels", value: integer(&i.RemoteWrite.MaxLabels, 1, 10_000), Default: "100",
			Doc: "Labels of a series that arrives through remote write; a series beyond it is refused, the rest of its request is kept."},
	}
}

func storageKeys(s *Storage) []Key {
	return []Key{
		{Path: "storage.series.retention_time", value: duration(&s.Series.RetentionTime), Default: "15d",
			Doc: "How long samples are kept."},
		{Path: "storage.series.retention_size", value: sizeOrZero(&s.Series.RetentionSize), Default: "0",
			Doc: "The most that the samples of all tenants together take on the disk; the oldest go first."},
		{Path: "storage.series.out_of_order_window", value: durationOrZero(&s.Series.OutOfOrderWindow), Default: "24h",
			Doc: "How much older than the newest sample of its tenant a sample may be. The default lets an agent that was cut off for a day send what it has kept."},
		{Path: "storage.series.max_exemplars", value: integer(&s.Series.MaxExemplars, 0, 10_000_000), Default: "10000",
			Doc: "Exemplars that a tenant keeps in memory; the newest stay. 0 keeps none."},
		{Path: "storage.series.max_tenants", value: integer(&s.Series.MaxTenants, 1, 1_000_000), Default: "100",
			Doc: "Tenants that may write. Each costs memory and files of its own."},
		{Path: "storage.series.max_series", value: integer(&s.Series.MaxSeries, 0, 1<<31-1), Default: "0",
			Doc: "Series of one tenant in memory, above which new ones are refused; 0 is no bound."},
		{Path: "storage.series.sync_interval", value: durationOrZero(&s.Series.SyncInterval), Default: "1s",
			Doc: "The longest time that a sample may stay in the operating system's memory only, where a power cut would lose it; a crash of Hulotte loses nothing in any case. 0 leaves it to the operating system."},
		{Path: "storage.series.sync_commits", value: boolean(&s.Series.SyncCommits), Default: "false",
			Doc: "Acknowledges a write only when it is on the disk."},
		{Path: "storage.series.min_free_size", value: sizeOrZero(&s.Series.MinFreeSize), Default: "128MiB",
			Doc: "Free space of the file system below which writes are refused, so that what was accepted can still be put in order; 0 checks nothing."},
	}
}

func queryKeys(q *Query) []Key {
	return []Key{
		{Path: "query.timeout", value: duration(&q.Timeout), Default: "2m",
			Doc: "The longest time that a query may run, waiting included."},
		{Path: "query.max_samples", value: integer(&q.MaxSamples, 1, 1<<31-1), Default: "50000000",
			Doc: "Samples that one query may hold in memory at once."},
		{Path: "query.lookback_delta", value: duration(&q.LookbackDelta), Default: "5m",
			Doc: "How old a sample may be and still be a series' current value."},
		{Path: "query.max_concurrent", value: integer(&q.MaxConcurrent, 1, 10_000), Default: "20",
			Doc: "Queries that run at the same time."},
		{Path: "query.max_queued", value: integer(&q.MaxQueued, 1, 100_000), Default: "200",
			Doc: "Queries that wait for their turn; further ones are refused at once."},
		{Path: "query.slow_query", value: durationOrZero(&q.SlowQuery), Default: "10s",
			Doc: "Queries that take longer are logged; 0 logs none."},
	}
}

// hostname is the host's name, or localhost on a host that has none.
func hostname() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

// installedDataDir is the data folder of a packaged Hulotte, by the Filesystem Hierarchy Standard.
const installedDataDir = "/var/lib/hulotte"

const moduleLine = "module github.com/hulotte-dev/hulotte"

// defaultDataDir returns the folder data of the checkout that dir is in, else the installed one.
func defaultDataDir(dir string) string {
	for dir != "" {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if first, _, _ := strings.Cut(string(mod), "\n"); err == nil && strings.TrimSpace(first) == moduleLine {
			return filepath.Join(dir, "data")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return installedDataDir
}
