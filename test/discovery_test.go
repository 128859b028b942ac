package test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/probe"
	"github.com/hulotte-dev/hulotte/collect/discovery"
	measures "github.com/hulotte-dev/hulotte/collect/services"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/test/harness"
	"github.com/hulotte-dev/hulotte/test/services"
)

// found is what the discovery makes of a service of package services.
type found struct{ service, kind, check, metrics string }

// slow are those that take long to start: they are not started again.
var slow = map[string]bool{"rabbitmq": true}

var wantFound = []found{
	{"nginx", "nginx", "http", "nginx"},
	{"apache", "apache", "http", "apache"},
	{"postgresql", "postgresql", "postgresql", "postgresql"},
	{"mariadb", "mariadb", "mysql", "mysql"},
	{"redis", "redis", "redis", "redis"},
	{"memcached", "memcached", "memcached", "memcached"},
	{"rabbitmq", "rabbitmq", "amqp", "rabbitmq"},
	{"postfix", "postfix", "smtp", "postfix"},
	{"dovecot", "dovecot", "imap", ""},
	{"bind", "bind", "dns", "bind"},
	{"haproxy", "haproxy", "tcp", "haproxy"},
	{"mosquitto", "mosquitto", "mqtt", "mosquitto"},
	{"nats", "nats", "nats", "nats"},
	{"slapd", "openldap", "ldap", "openldap"},
	{"squid", "squid", "http", "squid"},
	{"varnish", "varnish", "http", "varnish"},
	{"php-fpm", "phpfpm", "tcp", "phpfpm"},
	{"unbound", "unbound", "dns", ""},
	{"sshd", "sshd", "ssh", ""},
}

// Real services are found at their addresses, with the checks and metrics of their protocols; one that stops is gone, and
// is the same one when it is started again.
func TestDiscoveryOfRealServices(t *testing.T) {
	d, err := discovery.New(discovery.Options{Sockets: []string{}, ShortLived: time.Nanosecond}, slog.New(slog.DiscardHandler), prometheus.NewPedanticRegistry())
	if err != nil {
		t.Fatal(err)
	}
	var scanning sync.Mutex
	for _, want := range wantFound {
		t.Run(want.service, func(t *testing.T) {
			t.Parallel()
			s := services.Start(t, want.service)
			scan := func() {
				scanning.Lock()
				defer scanning.Unlock()
				if err := d.Scan(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			scan()
			scan() // what was seen once only is not missed
			got, ok := at(d, s.Addr)
			if !ok {
				t.Fatalf("nothing is found at %s\n%s", s.Addr, known(d))
			}
			if got.Kind != want.kind || got.Check.Kind != want.check || got.Metrics.Kind != want.metrics || got.State != discovery.Running {
				t.Errorf("%s at %s is %s %s, checked with %q, measured with %q; want %+v\n%s",
					want.service, s.Addr, got.State, got.Kind, got.Check.Kind, got.Metrics.Kind, want, strings.Join(got.Why, "\n"))
			}
			if got.Address.String() != s.Addr {
				t.Errorf("it is asked at %s, want %s", got.Address, s.Addr)
			}
			harness.Eventually(t, 30*time.Second, func() error { // it listens before it is ready
				if r := askFound(t, got.Check); r.Status != model.OK {
					return fmt.Errorf("its check %+v says %s: %s", got.Check, r.Status, r.Output)
				}
				return nil
			})
			measure(t, s, got)
			s.Stop()
			if r := askFound(t, got.Check); r.Status != model.Critical {
				t.Errorf("its check says %s after its end: %s", r.Status, r.Output)
			}
			scan()
			if gone := byID(d, got.ID); gone.State != discovery.Gone || gone.Check.Kind != want.check {
				t.Errorf("after its end it is %s with the check %q", gone.State, gone.Check.Kind)
			}
			if slow[want.service] {
				return
			}
			s.Start()
			for range 5 { // it may still start its workers
				if scan(); byID(d, got.ID).State == discovery.Running {
					break
				}
			}
			if again := byID(d, got.ID); again.State != discovery.Running || again.Address != got.Address {
				t.Errorf("started again it is %s at %s", again.State, again.Address)
			}
		})
	}
}

// askFound runs the check that was found for a service.
func askFound(t *testing.T, c discovery.Check) model.CheckResult {
	t.Helper()
	kinds := probe.Kinds(probe.Options{})
	n := slices.IndexFunc(kinds, func(k check.Kind) bool { return k.Name == c.Kind })
	if n < 0 {
		t.Fatalf("there is no kind of check %q", c.Kind)
	}
	options, err := json.Marshal(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	p, err := kinds[n].New(check.Params{Host: "test", Name: c.Kind, Options: options, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p.Probe(ctx)
}

// unmeasured are those whose metrics need what a test does not set up.
var unmeasured = map[string]string{}

// measure reads the metrics that were found for a service.
func measure(t *testing.T, s *services.Service, found discovery.Service) {
	t.Helper()
	if found.Metrics.Kind == "" || unmeasured[found.Kind] != "" {
		return
	}
	if _, ok := measures.Find(found.Metrics.Kind); !ok {
		t.Logf("there is no kind of metrics %q", found.Metrics.Kind)
		return
	}
	source, err := measures.New(found.Metrics.Kind, measures.Target{
		Service: found.ID, Address: found.Metrics.Address, Options: found.Metrics.Options,
		Credentials: measures.Credentials{Username: s.Extra["user"], Password: s.Extra["password"]},
		Timeout:     10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	families, err := source.Gather()
	if err != nil || len(families) < 2 {
		t.Errorf("its metrics %+v are %d families: %v", found.Metrics, len(families), err)
	}
}

// at finds the service that listens at an address.
func at(d *discovery.Discovery, addr string) (discovery.Service, bool) {
	for _, s := range d.Services() {
		for _, a := range s.Listen {
			if a.String() == addr && s.State == discovery.Running {
				return s, true
			}
		}
	}
	return discovery.Service{}, false
}

func byID(d *discovery.Discovery, id string) discovery.Service {
	for _, s := range d.Services() {
		if s.ID == id {
			return s
		}
	}
	return discovery.Service{}
}

func known(d *discovery.Discovery) string {
	var out strings.Builder
	for _, s := range d.Services() {
		out.WriteString(s.ID + " " + s.Address.String() + "\n")
	}
	return out.String()
}
