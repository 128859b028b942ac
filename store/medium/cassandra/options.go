package cassandra

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"
)

// Options is how to reach the cluster and how much to ask of it. Its zero value works, but for Addresses.
type Options struct {
	// Addresses are some of the cluster's nodes, each "host" or "host:port"; the others are found through them. One port
	// for all: the driver uses the first one's for the nodes that it finds.
	Addresses []string
	// Keyspace holds everything; empty is "hulotte". It is made when it is not there.
	Keyspace string
	// Datacenter is the one whose nodes are spoken to. It may be empty when the cluster has only one. All processes
	// that share a keyspace name the same one, unless Consistency is "quorum" or "all".
	Datacenter string
	// ReplicationFactor is the number of copies in Datacenter when the keyspace is made; 0 is 3.
	ReplicationFactor int
	// Replication is the number of copies by datacentre when the keyspace is made, for clusters of several; it takes the place of ReplicationFactor.
	Replication map[string]int

	// Consistency is how many replicas have a write before it is acknowledged, and are asked by a read: "local_quorum" (also when
	// empty; lightweight transactions are then decided within the datacentre, at LOCAL_SERIAL), "quorum" or "all"
	// (decided by all datacentres, at SERIAL). Less is not offered: what was acknowledged could be unreadable.
	Consistency string

	Username string
	// Password, or the file that has it (read again for every connection, so that it can be changed while running).
	Password, PasswordFile string
	TLS                    TLS

	// ConnectTimeout bounds each step of making one connection; 0 is 5 s.
	ConnectTimeout time.Duration
	// OpenTimeout is how long Open waits for a cluster that is not there yet; 0 is 30 s.
	OpenTimeout time.Duration
	// Timeout is how long one attempt waits for its answer; 0 is 6 s. It should exceed the server's own timeouts
	// (5 s for reads by default), whose errors say more.
	Timeout time.Duration
	// GiveUpAfter bounds all attempts of one call together, with the waits between them; 0 is 20 s.
	GiveUpAfter time.Duration
	// Retries is how many attempts may follow the first one; 0 is 8, negative is none.
	Retries int
	// BackoffMin and BackoffMax bound the wait between two attempts, which doubles; 0 is 50 ms and 2 s.
	BackoffMin, BackoffMax time.Duration
	// MaxInFlight is how many requests wait for an answer at once; further ones wait for their turn. 0 is 512.
	MaxInFlight int
	// Connections to each node; 0 is 2.
	Connections int
	// MaxPageBytes bounds what one page of a reading brings into memory, as far as sizes are known beforehand; 0 is 4 MiB.
	MaxPageBytes int

	// WatchInterval is how often watched kinds are looked at for the changes of other processes; 0 is 1 s.
	WatchInterval time.Duration

	// Node is the name of this process in the cluster, for journals and for those who look into the tables; empty is "hulotte".
	Node string
	// BlobCacheBytes bounds the cache of blobs, which is in memory; 0 is 256 MiB, negative is no cache.
	BlobCacheBytes int64
}

// TLS is how connections are encrypted. Its zero value is not at all.
type TLS struct {
	Enabled bool
	// CAFile has the authorities that sign the nodes' certificates, in PEM; empty are the system's.
	CAFile string
	// CertFile and KeyFile are this client's certificate, where the cluster wants one; read again for every connection.
	CertFile, KeyFile string
	// ServerName is the name that the nodes' certificates must have; empty is each node's own address.
	ServerName string
	// InsecureSkipVerify takes any certificate: whoever stands between reads and changes everything. For tests only.
	InsecureSkipVerify bool
}

const defaultPort = 9042

// keyspaceName is what Cassandra takes without quotes (its documentation: "Data definition", up to 48 characters).
var keyspaceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// datacenterName keeps what goes into a quoted CQL text free of quotes.
var datacenterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]*$`)

func invalid(field, format string, args ...any) error {
	return fmt.Errorf("%s: %w", field, model.NewError(model.Invalid, fmt.Sprintf(format, args...)))
}

// withDefaults fills in what is empty, or says which field is wrong.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Keyspace, "hulotte")
	setDefault(&o.Consistency, "local_quorum")
	setDefault(&o.ConnectTimeout, 5*time.Second)
	setDefault(&o.OpenTimeout, 30*time.Second)
	setDefault(&o.Timeout, 6*time.Second)
	setDefault(&o.GiveUpAfter, 20*time.Second)
	setDefault(&o.Retries, 8)
	setDefault(&o.BackoffMin, 50*time.Millisecond)
	setDefault(&o.BackoffMax, 2*time.Second)
	setDefault(&o.MaxInFlight, 512)
	setDefault(&o.Connections, 2)
	setDefault(&o.MaxPageBytes, 4<<20)
	setDefault(&o.WatchInterval, time.Second)
	setDefault(&o.Node, "hulotte")
	setDefault(&o.BlobCacheBytes, 256<<20)
	if o.ReplicationFactor == 0 && len(o.Replication) == 0 {
		o.ReplicationFactor = 3
	}
	for _, check := range []func() error{o.checkAddresses, o.checkKeyspace, o.checkConsistency, o.checkAccess, o.checkTimes, o.checkSizes} {
		if err := check(); err != nil {
			return o, err
		}
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) checkAddresses() error {
	if len(o.Addresses) == 0 {
		return invalid("addresses", "it is empty: give at least one node of the cluster, such as 10.0.0.1 or 10.0.0.1:%d", defaultPort)
	}
	first := 0
	for _, a := range o.Addresses {
		host, port, err := splitAddress(a)
		switch {
		case err != nil:
			return invalid("addresses", "%q is not a host or host:port: %v", a, err)
		case host == "":
			return invalid("addresses", "%q has no host", a)
		case first == 0:
			first = port
		case port != first:
			return invalid("addresses", "%q has port %d and the first one %d: all nodes must have the same", a, port, first)
		}
	}
	return nil
}

// splitAddress takes "host", "host:port", "::1", "[::1]" and "[::1]:port".
func splitAddress(a string) (host string, port int, err error) {
	if ip := net.ParseIP(strings.Trim(a, "[]")); ip != nil {
		return ip.String(), defaultPort, nil
	}
	if !strings.Contains(a, ":") {
		return a, defaultPort, nil
	}
	host, text, err := net.SplitHostPort(a)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("the port %q is not a number from 1 to 65535", text)
	}
	return host, port, nil
}

func (o Options) checkKeyspace() error {
	if !keyspaceName.MatchString(o.Keyspace) {
		return invalid("keyspace", "%q is not a letter a-z followed by up to 47 of a-z, 0-9 and _", o.Keyspace)
	}
	if o.Datacenter != "" && !datacenterName.MatchString(o.Datacenter) {
		return invalid("datacenter", "%q is not the name of a datacentre: nodetool status shows it", o.Datacenter)
	}
	if o.ReplicationFactor < 0 || o.ReplicationFactor > 9 {
		return invalid("replication_factor", "%d is not from 1 to 9", o.ReplicationFactor)
	}
	if o.ReplicationFactor != 0 && len(o.Replication) > 0 {
		return invalid("replication", "it is given beside replication_factor: give one of the two")
	}
	for dc, n := range o.Replication {
		if !datacenterName.MatchString(dc) {
			return invalid("replication", "%q is not the name of a datacentre: nodetool status shows it", dc)
		}
		if n < 1 || n > 9 {
			return invalid("replication", "%d copies in %s: it must be from 1 to 9", n, dc)
		}
	}
	return nil
}

var consistencies = map[string]struct{ plain, serial gocql.Consistency }{
	"local_quorum": {gocql.LocalQuorum, gocql.LocalSerial}, "quorum": {gocql.Quorum, gocql.Serial}, "all": {gocql.All, gocql.Serial},
}

func (o Options) checkConsistency() error {
	if _, ok := consistencies[o.Consistency]; !ok {
		return invalid("consistency", "%q is not local_quorum, quorum or all", o.Consistency)
	}
	return nil
}

func (o Options) checkAccess() error {
	switch {
	case o.Password != "" && o.PasswordFile != "":
		return invalid("password_file", "it is given beside password: give one of the two")
	case o.Username == "" && (o.Password != "" || o.PasswordFile != ""):
		return invalid("username", "there is a password and no user name")
	case o.Username != "" && o.Password == "" && o.PasswordFile == "":
		return invalid("password_file", "there is a user name and no password: give password_file or password")
	case (o.TLS.CertFile == "") != (o.TLS.KeyFile == ""):
		return invalid("tls", "cert_file and key_file must be given together")
	case !o.TLS.Enabled && o.TLS != TLS{}:
		return invalid("tls", "it is set up and not enabled: set tls.enabled, or leave the rest out")
	}
	return nil
}

func (o Options) checkTimes() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"connect_timeout", o.ConnectTimeout}, {"open_timeout", o.OpenTimeout}, {"timeout", o.Timeout}, {"give_up_after", o.GiveUpAfter},
		{"backoff_min", o.BackoffMin}, {"backoff_max", o.BackoffMax}, {"watch_interval", o.WatchInterval},
	} {
		if d.value < 0 || d.value > time.Hour {
			return invalid(d.field, "%s is not between 0 and 1h", d.value)
		}
	}
	switch {
	case o.GiveUpAfter < o.Timeout:
		return invalid("give_up_after", "%s is less than timeout, %s: a call could not even try once", o.GiveUpAfter, o.Timeout)
	case o.BackoffMax < o.BackoffMin:
		return invalid("backoff_max", "%s is less than backoff_min, %s", o.BackoffMax, o.BackoffMin)
	}
	return nil
}

func (o Options) checkSizes() error {
	switch {
	case o.MaxInFlight < 1 || o.MaxInFlight > 32768:
		return invalid("max_in_flight", "%d is not from 1 to 32768", o.MaxInFlight)
	case o.Connections < 1 || o.Connections > 64:
		return invalid("connections", "%d is not from 1 to 64", o.Connections)
	case o.MaxPageBytes < 64<<10:
		return invalid("max_page_bytes", "%d is less than 65536", o.MaxPageBytes)
	}
	return nil
}
