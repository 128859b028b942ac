package cassandra

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/tools/cassandra"
	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

// TestAccess is about passwords, certificates and permissions, on a node of its own that asks for all of them.
func TestAccess(t *testing.T) {
	if testing.Short() {
		t.Skip("left out with -short: it starts a node of its own")
	}
	ctx := t.Context()
	c := cassandratest.Own(t, cassandra.Options{Nodes: 1, Password: true, TLS: cassandra.TLSMutual})
	files := c.TLSFiles()
	with := func(change func(*Options)) Options {
		o := Options{
			Addresses: c.Addresses(), Keyspace: "access", ReplicationFactor: 1, OpenTimeout: time.Minute,
			Username: cassandra.Username, Password: cassandra.Password,
			TLS: TLS{Enabled: true, CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key},
		}
		if change != nil {
			change(&o)
		}
		return o
	}
	works := func(change func(*Options)) {
		t.Helper()
		m, err := Open(ctx, with(change), testLog(t), nil)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		defer m.Close()
		if err := increment(ctx, m.Documents(), "kind", "key"); err != nil {
			t.Error(err)
		}
	}
	refused := func(what, want string, kind model.Kind, change func(*Options)) {
		t.Helper()
		m, err := Open(ctx, with(change), nil, nil)
		if err == nil {
			m.Close()
		}
		if err == nil || model.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v of kind %s, want kind %s and %q", what, err, model.KindOf(err), kind, want)
		}
	}
	passwordFile := filepath.Join(t.TempDir(), "password")
	check(t, os.WriteFile(passwordFile, []byte(cassandra.Password+"\n"), 0o600))

	works(nil)
	works(func(o *Options) { o.Password, o.PasswordFile = "", passwordFile })
	works(func(o *Options) { o.TLS.CAFile, o.TLS.InsecureSkipVerify = "", true })
	refused("wrong password", "the connection was refused", model.Invalid, func(o *Options) { o.Password = "wrong" })
	refused("no password", "the connection was refused", model.Invalid, func(o *Options) { o.Username, o.Password = "", "" })
	refused("password file is away", "password_file", model.Invalid, func(o *Options) { o.Password, o.PasswordFile = "", passwordFile+"x" })
	refused("unknown authority", "x509", model.Invalid, func(o *Options) { o.TLS.CAFile = "" })
	refused("another name", "x509", model.Invalid, func(o *Options) { o.TLS.ServerName = "elsewhere.example.org" })
	refused("no certificate file", "tls.ca_file", model.Invalid, func(o *Options) { o.TLS.CAFile = files.CA + "x" })
	refused("no client certificate", "", model.Invalid, func(o *Options) { o.TLS.CertFile, o.TLS.KeyFile, o.OpenTimeout = "", "", 3*time.Second })
	refused("no TLS", "cannot connect", model.Unavailable, func(o *Options) { o.TLS, o.OpenTimeout = TLS{}, 3*time.Second })
	permissions(t, with, refused)
}

// permissions has a role that may read and write, and not change the schema.
func permissions(t *testing.T, with func(func(*Options)) Options, refused func(what, want string, kind model.Kind, change func(*Options))) {
	t.Helper()
	admin, err := Open(t.Context(), with(nil), testLog(t), nil)
	check(t, err)
	defer admin.Close()
	do := func(cql string) {
		t.Helper()
		check(t, admin.session.db.Query(cql).Exec())
	}
	do(`CREATE ROLE app WITH PASSWORD = 'app' AND LOGIN = true`)
	as := func(o *Options) { o.Username, o.Password, o.BackoffMax = "app", "app", time.Second }
	// The nodes remember permissions for some seconds.
	soon := func(what string, f func(m *Medium) error) {
		t.Helper()
		eventually(t, what, func() bool {
			m, err := Open(t.Context(), with(as), nil, nil)
			if err != nil {
				return false
			}
			defer m.Close()
			return f(m) == nil
		})
	}
	refused("no rights at all", "no permission", model.Invalid, as)
	do(`GRANT SELECT ON KEYSPACE access TO app`)
	soon("the role may read", func(m *Medium) error {
		_, err := m.Documents().Put(t.Context(), "kind", "other", []byte("1"), medium.Absent)
		if model.KindOf(err) != model.Unavailable || !errors.Is(err, errFinal) || !strings.Contains(err.Error(), "no permission") {
			t.Errorf("a write without the right to: %v", err)
		}
		return nil
	})
	do(`GRANT MODIFY ON KEYSPACE access TO app`)
	soon("the role may write, with the schema as it is", func(m *Medium) error { return increment(t.Context(), m.Documents(), "kind", "key") })
	do(`DELETE FROM access.schema_version WHERE id = 'medium'`)
	refused("a schema that has to be changed without the right to", "no permission", model.Invalid, as)
}
