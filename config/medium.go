package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Medium is where journals, blobs and documents rest.
type Medium struct {
	Type      string
	Local     LocalMedium
	Cassandra CassandraMedium
}

// The types of media.
const (
	MediumLocal     = "local"
	MediumCassandra = "cassandra"
)

// LocalMedium is the medium in a folder.
type LocalMedium struct {
	Sync         string
	SyncInterval time.Duration
	SegmentSize  int64 // bytes
	MaxDocuments int64 // bytes
}

// When a local medium acknowledges a write.
const (
	SyncAlways   = "always"   // it is on the disk
	SyncInterval = "interval" // the kernel has it; it is on the disk within the interval
)

// CassandraMedium is the medium on an Apache Cassandra cluster.
type CassandraMedium struct {
	Addresses         []string
	Keyspace          string
	Datacenter        string
	ReplicationFactor int
	Replication       map[string]string // copies by data centre
	Consistency       string
	Username          string
	Password          string
	PasswordFile      string
	TLSEnabled        bool
	TLS               ClientTLS
	ConnectTimeout    time.Duration
	Timeout           time.Duration
	GiveUpAfter       time.Duration
	Retries           int
	Connections       int
	MaxInFlight       int
	WatchInterval     time.Duration
	BlobCacheSize     int64 // bytes; 0 is none
}

func mediumKeys(m *Medium) []Key {
	l, c := &m.Local, &m.Cassandra
	return []Key{
		{Path: "storage.medium.type", value: oneOf(&m.Type, MediumLocal, MediumCassandra), Default: MediumLocal,
			Doc: "Where everything but the samples of metrics rests: `local` is the folder `medium` of the data folder, `cassandra` an Apache Cassandra cluster. docs/storage.md says what goes there and how to move it from one to the other."},
		{Path: "storage.medium.local.sync", value: oneOf(&l.Sync, SyncAlways, SyncInterval), Default: SyncAlways,
			Doc: "When a write is acknowledged. `always`: when it is on the disk; writes that wait at the same time share one sync. `interval`: when the operating system has it; a power cut or a crash of the operating system (not of Hulotte) then loses up to `storage.medium.local.sync_interval` of what was acknowledged."},
		{Path: "storage.medium.local.sync_interval", value: duration(&l.SyncInterval), Default: "100ms",
			Doc: "The longest time between a write and its sync when `storage.medium.local.sync` is `interval`."},
		{Path: "storage.medium.local.segment_size", value: size(&l.SegmentSize, 1<<20, 1<<32), Default: "64MiB",
			Doc: "The size at which a journal begins a new file. Room comes back in whole files."},
		{Path: "storage.medium.local.max_documents_size", value: size(&l.MaxDocuments, 1<<20, 1<<40), Default: "256MiB",
			Doc: "The most that all documents together may be; they are in memory, too."},
		{Path: "storage.medium.cassandra.addresses", value: list(&c.Addresses),
			Doc: "Hosts of the cluster to begin with, as `host` or `host:port` (9042 without one); the others are found through them. Name two or three, so that one of them may be away at a start."},
		{Path: "storage.medium.cassandra.keyspace", value: keyspace(&c.Keyspace), Default: "hulotte",
			Doc: "The keyspace; it is made when it is not there and the user may do so."},
		{Path: "storage.medium.cassandra.datacenter", value: text(&c.Datacenter),
			Doc: "The data centre whose hosts are asked, and in which the replicas are counted. It may be empty when the cluster has only one. All processes that share a keyspace name the same one, unless `storage.medium.cassandra.consistency` is `quorum` or `all`."},
		{Path: "storage.medium.cassandra.replication_factor", value: integer(&c.ReplicationFactor, 1, 9), Default: "3",
			Doc: "Copies of everything in the data centre, when the keyspace is made; a keyspace that exists keeps its own. 3 lets one host be away without anybody noticing; 1 is for trying things out."},
		{Path: "storage.medium.cassandra.replication", value: textMap(&c.Replication, checkReplication),
			Doc: "Copies by data centre, in place of `storage.medium.cassandra.replication_factor`, for a cluster of several: `{north: 3, south: 3}`. In the environment: `north:3,south:3`."},
		{Path: "storage.medium.cassandra.consistency", value: oneOf(&c.Consistency, "local_quorum", "quorum", "all"), Default: "local_quorum",
			Doc: "How many replicas must have a write before it is acknowledged, and be asked by a read: most of those in the data centre, most of all, or all of them. Less than that is not offered: what was acknowledged could be unreadable."},
		{Path: "storage.medium.cassandra.username", value: text(&c.Username),
			Doc: "The user to log in as."},
		{Path: "storage.medium.cassandra.password", value: text(&c.Password), Secret: true,
			Doc: "The user's password."},
		{Path: "storage.medium.cassandra.password_file", value: text(&c.PasswordFile),
			Doc: "A file that holds the password; it is read for each new connection."},
		{Path: "storage.medium.cassandra.tls.enabled", value: boolean(&c.TLSEnabled), Default: "false",
			Doc: "Speaks TLS with the cluster. Any of the next four turns it on, too."},
		{Path: "storage.medium.cassandra.tls.ca_file", value: text(&c.TLS.CAFile),
			Doc: "Certificate authorities in PEM that may have signed the hosts' certificates; the default is those of the system."},
		{Path: "storage.medium.cassandra.tls.cert_file", value: text(&c.TLS.CertFile),
			Doc: "Certificate in PEM to show to the hosts."},
		{Path: "storage.medium.cassandra.tls.key_file", value: text(&c.TLS.KeyFile),
			Doc: "The private key of `storage.medium.cassandra.tls.cert_file` in PEM."},
		{Path: "storage.medium.cassandra.tls.server_name", value: text(&c.TLS.ServerName),
			Doc: "The name that the hosts' certificates must have, when it is not the address of each."},
		{Path: "storage.medium.cassandra.tls.insecure_skip_verify", value: boolean(&c.TLS.InsecureSkipVerify), Default: "false",
			Doc: "Takes any certificate. Whoever is on the way can then read and change everything."},
		{Path: "storage.medium.cassandra.connect_timeout", value: duration(&c.ConnectTimeout), Default: "5s",
			Doc: "How long each step of making a connection may take."},
		{Path: "storage.medium.cassandra.timeout", value: duration(&c.Timeout), Default: "6s",
			Doc: "How long one attempt waits for its answer. Above the cluster's own timeouts (5 s, unless changed), whose errors say more."},
		{Path: "storage.medium.cassandra.give_up_after", value: duration(&c.GiveUpAfter), Default: "20s",
			Doc: "How long all attempts of one request together may take; then it fails with an error that says what was tried."},
		{Path: "storage.medium.cassandra.retries", value: integer(&c.Retries, 0, 100), Default: "8",
			Doc: "How many attempts may follow the first one, on other hosts, within `storage.medium.cassandra.give_up_after`. Only what may be done twice without harm is tried again."},
		{Path: "storage.medium.cassandra.connections", value: integer(&c.Connections, 1, 64), Default: "2",
			Doc: "Connections to each host."},
		{Path: "storage.medium.cassandra.max_in_flight", value: integer(&c.MaxInFlight, 1, 32768), Default: "512",
			Doc: "Requests that wait for an answer at the same time; further ones wait for their turn."},
		{Path: "storage.medium.cassandra.watch_interval", value: duration(&c.WatchInterval), Default: "1s",
			Doc: "How often documents that are watched are looked at for the changes of other processes."},
		{Path: "storage.medium.cassandra.blob_cache_size", value: sizeOrZero(&c.BlobCacheSize), Default: "256MiB",
			Doc: "The most that ranges of blobs which were read may take in memory, so that they are not asked for again; 0 keeps none."},
	}
}

var validKeyspace = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

func keyspace(p *string) value {
	return scalar[string]{p, "name", func(s string) (string, error) {
		if !validKeyspace.MatchString(s) {
			return "", fmt.Errorf("%q is not a keyspace's name: write 1 to 48 of a-z, 0-9 and _, a letter first", s)
		}
		return s, nil
	}, same}
}

func checkReplication(datacenter, copies string) error {
	if n, err := strconv.Atoi(copies); err != nil || n < 1 || n > 9 || datacenter == "" {
		return fmt.Errorf("%q is no number of copies for the data centre %q: write 1 to 9", copies, datacenter)
	}
	return nil
}

// TLSOn tells whether the hosts are spoken to in TLS.
func (m CassandraMedium) TLSOn() bool { return m.TLSEnabled || m.TLS != ClientTLS{} }

const cassandraKey = "storage.medium.cassandra."

func (c *Config) validateMedium(fail func(key, text string)) {
	m := c.Storage.Medium
	if m.Local.SyncInterval > time.Minute {
		fail("storage.medium.local.sync_interval", formatDuration(m.Local.SyncInterval)+" is more than 1m, which a power cut could take back")
	}
	if m.Type == MediumCassandra && len(m.Cassandra.Addresses) == 0 {
		fail(cassandraKey+"addresses", "is not set, but storage.medium.type is cassandra: name hosts of the cluster, such as [db-1.example.org, db-2.example.org]")
	}
	m.Cassandra.validate(func(name, text string) { fail(cassandraKey+name, text) })
}

// validate checks the section by itself; fail gets names below it.
func (m CassandraMedium) validate(fail func(name, text string)) {
	for _, a := range m.Addresses {
		if err := checkHost(a); err != nil {
			fail("addresses", err.Error())
		}
	}
	if m.Username == "" && (m.Password != "" || m.PasswordFile != "") {
		fail("username", "is not set, but its password is")
	}
	if m.Username != "" && m.Password == "" && m.PasswordFile == "" {
		fail("username", "is set without a password: add "+cassandraKey+"password_file")
	}
	if m.Password != "" && m.PasswordFile != "" {
		fail("password", "stands beside "+cassandraKey+"password_file: choose one")
	}
	if (m.TLS.CertFile == "") != (m.TLS.KeyFile == "") {
		fail("tls.cert_file", "and "+cassandraKey+"tls.key_file need each other")
	}
	if m.GiveUpAfter < m.Timeout {
		fail("give_up_after", fmt.Sprintf("(%s) must not be shorter than %stimeout (%s): nothing could be tried even once", formatDuration(m.GiveUpAfter), cassandraKey, formatDuration(m.Timeout)))
	}
}

// checkHost accepts host and host:port.
func checkHost(s string) error {
	wrong := fmt.Errorf("%q is not a host: write db-1.example.org, or with a port db-1.example.org:9042", s)
	host, port, err := net.SplitHostPort(s)
	switch {
	case err != nil && strings.Count(s, ":") == 1:
		return wrong
	case err != nil:
		host = strings.Trim(s, "[]")
	default:
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return wrong
		}
	}
	if host == "" || strings.ContainsAny(host, "/@?# ,") {
		return wrong
	}
	return nil
}

// warnMedium tells of what is set in vain and of what is less safe than it may look.
func (c *Config) warnMedium() {
	m := c.Storage.Medium
	warn := func(key, text string) {
		c.Warnings = append(c.Warnings, c.origins[key].errorAt(key, text))
	}
	if m.Type != MediumCassandra && len(m.Cassandra.Addresses) > 0 {
		warn(cassandraKey+"addresses", "has no effect: storage.medium.type is "+m.Type)
	}
	if m.Type != MediumCassandra {
		return
	}
	if len(m.Cassandra.Replication) > 0 {
		return
	}
	switch m.Cassandra.ReplicationFactor {
	case 1:
		warn(cassandraKey+"replication_factor", "is 1: when a host is lost, so is what lies on it; 3 is right for anything that matters")
	case 2:
		warn(cassandraKey+"replication_factor", "is 2: most of two is both, so that nothing can be written while one host is away; 3 lets one be away")
	}
}

// MediumDir is the folder of the local medium in a data folder.
func MediumDir(dataDir string) string { return filepath.Join(dataDir, "medium") }

// CassandraURL reads a medium from cassandra://[user@]host[:port][,host...]/[keyspace][?name=value...]. The names are
// those of the keys below storage.medium.cassandra, such as replication_factor or tls.ca_file.
func CassandraURL(raw string) (Medium, error) {
	rest, ok := strings.CutPrefix(raw, "cassandra://")
	if !ok {
		return Medium{}, fmt.Errorf("%q does not begin with cassandra://", raw)
	}
	c := &Config{origins: map[string]origin{}}
	t := newTable(c, Sources{})
	m := &c.Storage.Medium
	m.Type = MediumCassandra
	rest, query, _ := strings.Cut(rest, "?")
	hosts, space, _ := strings.Cut(rest, "/")
	if user, after, ok := strings.Cut(hosts, "@"); ok {
		if strings.Contains(user, ":") {
			return Medium{}, errors.New("the URL of the cluster holds a password, which everybody on this machine can read in the list of processes: write it to a file and add ?password_file=FILE")
		}
		name, err := url.PathUnescape(user)
		if err != nil {
			return Medium{}, fmt.Errorf("the user in the URL of the cluster: %w", err)
		}
		m.Cassandra.Username, hosts = name, after
	}
	set := func(name, text string) error {
		k, ok := t.byPath[cassandraKey+name]
		if !ok || k.Secret {
			return fmt.Errorf("the URL of the cluster has the unknown parameter %q: known are the keys below storage.medium.cassandra", name)
		}
		if err := k.value.parse(text); err != nil {
			return fmt.Errorf("the URL of the cluster: %s: %w", name, err)
		}
		return nil
	}
	if err := set("addresses", hosts); err != nil {
		return Medium{}, err
	}
	if space != "" {
		if err := set("keyspace", space); err != nil {
			return Medium{}, err
		}
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return Medium{}, fmt.Errorf("the URL of the cluster: %w", err)
	}
	for name, texts := range params {
		if err := set(name, texts[len(texts)-1]); err != nil {
			return Medium{}, err
		}
	}
	var errs []error
	if len(m.Cassandra.Addresses) == 0 {
		errs = append(errs, errors.New("the URL of the cluster names no host: write cassandra://host/keyspace"))
	}
	m.Cassandra.validate(func(name, text string) { errs = append(errs, fmt.Errorf("the URL of the cluster: %s: %s", name, text)) })
	return *m, errors.Join(errs...)
}
