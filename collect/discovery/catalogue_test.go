package discovery

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/logformat"
)

// example is a process in the second document of a file of the catalogue, and what must be made of it.
type example struct {
	Comm, Exe string
	Args      []string
	Listen    []string // "0.0.0.0:80", "udp 0.0.0.0:53", or the path of a unix socket
	Address   *string  // that is asked; "" for none
	Check     map[string]any
	Version   string
}

func examplesOf(t testing.TB, kind string) []example {
	t.Helper()
	text, err := catalogueFiles.ReadFile("catalogue/" + kind + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	var e Entry
	var examples []example
	if err := errors.Join(dec.Decode(&e), dec.Decode(&examples)); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	if err := dec.Decode(&e); !errors.Is(err, io.EOF) {
		t.Errorf("%s: there is a third document", kind)
	}
	return examples
}

func TestExamplesOfTheCatalogue(t *testing.T) {
	if _, err := readCatalogue(catalogueFiles, "catalogue"); err != nil {
		t.Fatal(err)
	}
	for _, e := range Embedded().Entries() {
		examples := examplesOf(t, e.Kind)
		if len(examples) == 0 {
			t.Errorf("%s has no examples", e.Kind)
		}
		for _, x := range examples {
			checkExample(t, e, x)
		}
	}
}

func checkExample(t *testing.T, e *Entry, x example) {
	t.Helper()
	prog := program{comm: x.Comm, args: x.Args, exe: x.Exe}
	got, why := Embedded().match(&prog)
	if got == nil {
		t.Errorf("%s: %q is not recognised", e.Kind, x.Args)
		return
	}
	if got != e || why == "" {
		t.Errorf("%s: %q is recognised as %s: %s", e.Kind, x.Args, got.Kind, why)
		return
	}
	d := newForTest(t, Options{RootFS: t.TempDir()})
	in := &instance{entry: e, procs: []*proc{{pid: 7, prog: prog, why: why, entry: e}}, ns: &namespace{host: true}}
	for n, text := range x.Listen {
		in.sockets = append(in.sockets, socketOf(t, text, uint64(n+1)))
	}
	s, ok := d.describe(in)
	if !ok && e.Listens && len(x.Listen) == 0 {
		return
	}
	if !ok {
		t.Errorf("%s: %q is no service", e.Kind, x.Args)
		return
	}
	if x.Address != nil && s.service.Address.String() != *x.Address {
		t.Errorf("%s: %q is asked at %q, want %q", e.Kind, x.Listen, s.service.Address, *x.Address)
	}
	if x.Check != nil && !reflect.DeepEqual(s.service.Check.Options, x.Check) {
		t.Errorf("%s: the check's options are %v, want %v", e.Kind, s.service.Check.Options, x.Check)
	}
	if x.Version != "" && s.service.Version != x.Version {
		t.Errorf("%s: the version is %q, want %q", e.Kind, s.service.Version, x.Version)
	}
	if s.service.Check.Kind == "" {
		t.Errorf("%s: it has no check", e.Kind)
	}
}

func socketOf(t testing.TB, text string, inode uint64) socket {
	t.Helper()
	if strings.HasPrefix(text, "/") {
		return socket{network: networkUnix, path: text, inode: inode}
	}
	s := socket{network: networkTCP, inode: inode}
	if rest, ok := strings.CutPrefix(text, "udp "); ok {
		s.network, text = networkUDP, rest
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	return s
}

// named are the kinds that people are promised.
var named = strings.Fields(`
	apache asterisk bind bitbucket cassandra confluence dovecot ejabberd elasticsearch exim fail2ban freeradius haproxy influxdb jenkins jira
	kafka libvirt mariadb memcached mongodb mosquitto mysql nats nfs nginx ntp openldap openvpn phpfpm postfix postgresql rabbitmq redis
	salt_master squid upsd uwsgi valkey varnish zookeeper

	caddy traefik envoy grafana prometheus loki vault consul etcd minio clickhouse opensearch keycloak gitlab-runner sshd chrony cups samba
	tomcat kubelet coredns dockerd containerd alertmanager node_exporter postgres_exporter pgbouncer dragonfly cockroachdb couchdb neo4j
	solr jetty lighttpd unbound dnsmasq powerdns sendmail opensmtpd proftpd vsftpd tinyproxy strongswan wireguard rpcbind avahi
	django flask gunicorn uvicorn springboot express nextjs puma laravel node python java php ruby`)

func TestCatalogueHasWhatIsPromised(t *testing.T) {
	for _, kind := range named {
		if Embedded().Lookup(kind) == nil {
			t.Errorf("the catalogue has no %s", kind)
		}
	}
}

// checkKinds are those that there are; see package check.
var checkKinds = strings.Fields(`http tcp tls dns icmp smtp imap pop3 ssh ntp ldap postgresql mysql redis memcached mongodb mqtt amqp nats
	zookeeper cassandra kafka grpc websocket ftp sip process unit`)

func TestCatalogueNamesWhatThereIs(t *testing.T) {
	for _, e := range Embedded().Entries() {
		for _, c := range []Check{e.Check, e.Alone} {
			if c.Kind != "" && !slices.Contains(checkKinds, c.Kind) {
				t.Errorf("%s: there is no kind of check %q", e.Kind, c.Kind)
			}
		}
		for _, l := range e.Logs {
			if l.Format != "" && logformat.Lookup(l.Format) == nil {
				t.Errorf("%s: there is no log format %q", e.Kind, l.Format)
			}
			if !strings.HasPrefix(l.Path, "/") {
				t.Errorf("%s: the log %q is no absolute path", e.Kind, l.Path)
			}
		}
		if e.About == "" {
			t.Errorf("%s: it is not said what it is about", e.Kind)
		}
	}
}

// A file of the configuration adds a kind, or replaces one.
func TestFurtherCatalogue(t *testing.T) {
	f := func(kind, text, want string) {
		t.Helper()
		_, err := parseEntry(kind, []byte(text))
		if err == nil {
			t.Fatalf("%q is taken", text)
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error %q does not have %q", text, err, want)
		}
	}
	f("Shop", "title: Shop\nmatch: [{names: [shop]}]", "small letters")
	f("shop", "match: [{names: [shop]}]", "title is missing")
	f("shop", "title: Shop", "match is missing")
	f("shop", "title: Shop\nmatch: [{args: shop}]", "arguments alone")
	f("shop", "title: Shop\nmatch: [{names: [shop], args: '('}]", "missing closing )")
	f("shop", "title: Shop\nmatch: [{names: [shop]}]\nports: [{port: 70000}]", "70000 is no port")
	f("shop", "title: Shop\nmatch: [{names: [shop]}]\nports: [{port: 80}]", "check is missing")
	f("shop", "title: Shop\nmatch: [{names: [shop]}]\nversion: ['1']", "no group")
	f("shop", "title: Shop\nmatch: [{names: [shop]}]\nhints: [{gives: tls}]", "args")
	f("shop", "title: Shop\nmatch: [{names: [shop]}]\nhints: [{files: [etc/x], find: (x), gives: tls}]", "absolute")
	f("shop", "title: Shop\nmatch: [{names: [shop]}]\nprots: []", "prots")
}
