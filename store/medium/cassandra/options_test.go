package cassandra

import (
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

func TestOptions(t *testing.T) {
	with := func(change func(*Options)) Options {
		o := Options{Addresses: []string{"10.0.0.1"}}
		if change != nil {
			change(&o)
		}
		return o
	}
	ok := func(change func(*Options)) {
		t.Helper()
		if _, err := with(change).withDefaults(); err != nil {
			t.Errorf("options are refused: %v", err)
		}
	}
	bad := func(field, want string, change func(*Options)) {
		t.Helper()
		_, err := with(change).withDefaults()
		if err == nil || !strings.HasPrefix(err.Error(), field+": ") || !strings.Contains(err.Error(), want) || model.KindOf(err) != model.Invalid {
			t.Errorf("error %v, want an invalid one that begins with %q and has %q", err, field, want)
		}
	}
	ok(nil)
	ok(func(o *Options) { o.Addresses = []string{"a:9043", "b:9043", "[::1]:9043"} })
	ok(func(o *Options) { o.Addresses = []string{"::1", "a"} })
	ok(func(o *Options) { o.Replication = map[string]int{"east": 3, "west": 2} })
	ok(func(o *Options) { o.Username, o.PasswordFile = "u", "/run/p" })
	ok(func(o *Options) { o.Retries = -1 })

	bad("addresses", "at least one", func(o *Options) { o.Addresses = nil })
	bad("addresses", "no host", func(o *Options) { o.Addresses = []string{":9042"} })
	bad("addresses", "1 to 65535", func(o *Options) { o.Addresses = []string{"a:port"} })
	bad("addresses", "the same", func(o *Options) { o.Addresses = []string{"a", "b:9043"} })
	bad("keyspace", `"Hu-lotte"`, func(o *Options) { o.Keyspace = "Hu-lotte" })
	bad("datacenter", "nodetool", func(o *Options) { o.Datacenter = "x'; DROP" })
	bad("replication_factor", "1 to 9", func(o *Options) { o.ReplicationFactor = 10 })
	bad("replication", "one of the two", func(o *Options) { o.ReplicationFactor, o.Replication = 3, map[string]int{"east": 3} })
	bad("replication", "0 copies in east", func(o *Options) { o.Replication = map[string]int{"east": 0} })
	bad("consistency", "local_quorum", func(o *Options) { o.Consistency = "one" })
	bad("password_file", "one of the two", func(o *Options) { o.Username, o.Password, o.PasswordFile = "u", "p", "f" })
	bad("username", "no user name", func(o *Options) { o.Password = "p" })
	bad("password_file", "no password", func(o *Options) { o.Username = "u" })
	bad("tls", "together", func(o *Options) { o.TLS = TLS{Enabled: true, CertFile: "c"} })
	bad("tls", "not enabled", func(o *Options) { o.TLS = TLS{CAFile: "c"} })
	bad("timeout", "between 0 and 1h", func(o *Options) { o.Timeout = -time.Second })
	bad("give_up_after", "could not even try", func(o *Options) { o.GiveUpAfter = time.Second })
	bad("backoff_max", "less than", func(o *Options) { o.BackoffMin = time.Minute })
	bad("max_in_flight", "32768", func(o *Options) { o.MaxInFlight = -1 })
	bad("connections", "64", func(o *Options) { o.Connections = 65 })
	bad("max_page_bytes", "65536", func(o *Options) { o.MaxPageBytes = 1 })
}
