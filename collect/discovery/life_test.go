package discovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// memory keeps a document.
type memory struct {
	text  []byte
	saves int
	err   error
}

func (m *memory) Load(context.Context) ([]byte, error) { return m.text, m.err }

func (m *memory) Save(_ context.Context, text []byte) error {
	m.text, m.saves = text, m.saves+1
	return m.err
}

func (m *machine) redis(pid int) {
	m.t.Helper()
	m.add(fake{pid: pid, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{m.listen(0, "127.0.0.1:6379")}})
}

func TestLifeOfAService(t *testing.T) {
	m := newMachine(t)
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d)
	m.redis(10)
	m.scan(d, tick)
	since := find(t, d, "redis").Since
	for range 12 {
		m.scan(d, tick)
	}
	wantTold(t, d, "redis running 127.0.0.1:6379 redis")
	if got := find(t, d, "redis").Since; !got.Equal(since) {
		t.Errorf("it is running since %s, want %s", got, since)
	}
	m.end(10)
	m.scan(d, tick)
	wantTold(t, d, "redis gone 127.0.0.1:6379 redis")
	if s := find(t, d, "redis"); len(s.PIDs) != 0 || !strings.Contains(s.Why[len(s.Why)-1], "are gone") {
		t.Errorf("gone, it has the processes %v and %q", s.PIDs, s.Why)
	}
	m.scan(d, 7*24*time.Hour-time.Second)
	wantTold(t, d, "redis gone 127.0.0.1:6379 redis")
	m.scan(d, time.Second)
	wantTold(t, d, "redis inactive 127.0.0.1:6379 redis")
	m.redis(11)
	m.scan(d, tick)
	wantTold(t, d, "redis running 127.0.0.1:6379 redis")
	if why := strings.Join(find(t, d, "redis").Why, "\n"); strings.Contains(why, "gone") {
		t.Errorf("it is back, and is said to be gone:\n%s", why)
	}
	m.end(11)
	m.scan(d, tick)
	m.scan(d, 7*24*time.Hour)
	m.scan(d, 31*24*time.Hour)
	wantTold(t, d)
}

func TestShortLivedIsForgotten(t *testing.T) {
	m := newMachine(t)
	d := m.discovery(Options{})
	m.scan(d, 0)
	boot := time.Unix(1793534000, 0)
	m.add(fake{pid: 10, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{m.listen(0, "127.0.0.1:6379")}, start: uint64(m.clock.Sub(boot).Seconds() * 100)})
	for range 5 {
		m.scan(d, tick)
	}
	wantTold(t, d, "redis running 127.0.0.1:6379 redis")
	m.end(10)
	m.scan(d, tick)
	wantTold(t, d)
}

func TestRestartForgetsNothing(t *testing.T) {
	m := newMachine(t)
	m.redis(10)
	m.add(fake{pid: 20, comm: "memcached", args: []string{"memcached", "-p", "11211"}, sockets: []int{m.listen(0, "127.0.0.1:11211")}})
	doc := &memory{}
	d := m.discovery(Options{State: doc})
	m.scan(d, time.Hour)
	before := find(t, d, "redis")
	m.end(20)

	again := m.discovery(Options{State: doc})
	m.scan(again, tick)
	wantTold(t, again, "memcached gone 127.0.0.1:11211 memcached", "redis running 127.0.0.1:6379 redis")
	after := find(t, again, "redis")
	if !after.Since.Equal(before.Since) || !reflect.DeepEqual(after.Check, before.Check) {
		t.Errorf("after a restart it is running since %s with the check %v, want %s and %v", after.Since, after.Check, before.Since, before.Check)
	}
	saves := doc.saves
	for range 5 {
		m.scan(again, tick)
	}
	if doc.saves != saves {
		t.Errorf("the document was saved %d times while nothing changed", doc.saves-saves)
	}
}

// A document that cannot be read now is not lost by saving over it.
func TestDocumentThatCannotBeRead(t *testing.T) {
	m := newMachine(t)
	m.redis(10)
	doc := &memory{text: []byte(`{"version":1,"services":[]}`), err: errors.New("the medium is away")}
	d := m.discovery(Options{State: doc})
	m.scan(d, 0)
	if doc.saves != 0 {
		t.Error("it was saved over")
	}
	doc.err = nil
	m.scan(d, tick)
	m.end(10)
	m.scan(d, tick)
	if !strings.Contains(string(doc.text), "redis") {
		t.Errorf("the document is %s", doc.text)
	}
}

func TestDocumentThatIsDamaged(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		err := newLife(1, 1, 10).decode([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	f("", "")
	f("{", "cannot be read")
	f(`{"version":2}`, "version 2")
	f(`{"version":1,"services":[null,{"service":{"id":""}},{"service":{"id":"x","state":"odd"}}]}`, "")
}

func TestSystemdIsAskedWhy(t *testing.T) {
	m := newMachine(t)
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx"}, cgroup: "/system.slice/nginx.service", sockets: []int{m.listen(0, "0.0.0.0:80")}})
	var asked []string
	d := m.discovery(Options{UnitState: func(_ context.Context, unit string) (string, error) {
		asked = append(asked, unit)
		return "failed (exit-code)", nil
	}})
	m.scan(d, 0)
	m.end(10)
	for range 3 {
		m.scan(d, tick)
	}
	if why := strings.Join(find(t, d, "nginx").Why, "\n"); !strings.Contains(why, "nginx.service is failed (exit-code)") || len(asked) != 1 {
		t.Errorf("systemd was asked for %q, and it is said\n%s", asked, why)
	}
}

func TestForget(t *testing.T) {
	m := newMachine(t)
	m.redis(10)
	told := 0
	d := m.discovery(Options{OnChange: func([]Service) { told++ }})
	m.scan(d, 0)
	if d.Forget(context.Background(), "redis") {
		t.Error("what runs was forgotten")
	}
	m.end(10)
	m.scan(d, time.Hour)
	before := told
	if !d.Forget(context.Background(), "redis") || len(d.Services()) != 0 || told != before+1 {
		t.Errorf("it is not forgotten: %v, told %d times", d.Services(), told-before)
	}
}

// Others hear of changes, and of nothing else.
func TestOnChange(t *testing.T) {
	m := newMachine(t)
	var heard []int
	d := m.discovery(Options{OnChange: func(s []Service) { heard = append(heard, len(s)) }})
	m.scan(d, 0)
	m.redis(10)
	m.scan(d, tick)
	m.scan(d, tick)
	m.add(fake{pid: 11, parent: 10, comm: "redis-server", args: []string{"redis-rdb-bgsave"}})
	m.scan(d, tick)
	m.end(11)
	m.end(10)
	m.scan(d, time.Hour)
	m.scan(d, tick)
	if want := []int{0, 1, 1}; !reflect.DeepEqual(heard, want) {
		t.Errorf("heard of %v services, want %v", heard, want)
	}
}

func TestDeclaredServices(t *testing.T) {
	m := newMachine(t)
	m.redis(10)
	m.add(fake{pid: 20, comm: "nginx", args: []string{"nginx"}, sockets: []int{m.listen(0, "0.0.0.0:80")}})
	d := m.discovery(Options{
		Custom: []Custom{
			{Name: "shop", Address: "192.0.2.7:8443", TLS: true, Check: Check{Kind: "http", Options: map[string]any{"path": "/health"}}},
			{Name: "db", Kind: "postgresql", Address: "db.example.org:5432", Credentials: "db"},
		},
		Overrides: []Override{
			{Kind: "*", Labels: map[string]string{"team": "web"}},
			{Kind: "nginx", Name: "front", Port: 8080, Check: Check{Options: map[string]any{"path": "/up"}}, Credentials: "front"},
			{Kind: "redis", Instance: "nothing*", Disable: true},
			{Kind: "redis", Instance: "*", Check: Check{Kind: "tcp"}, NoMetrics: true},
		},
	})
	m.scan(d, 0)
	wantTold(t, d,
		"db running db.example.org:5432 postgresql",
		"front running 127.0.0.1:8080 http",
		"redis running 127.0.0.1:6379 tcp",
		"shop running 192.0.2.7:8443 http",
	)
	if got := find(t, d, "shop").Check.Options; got["path"] != "/health" || got["tls"] != true || got["address"] != "192.0.2.7:8443" {
		t.Errorf("the options of a declared check are %v", got)
	}
	if s := find(t, d, "db"); s.Metrics.Kind != "postgresql" || s.Metrics.Address != "db.example.org:5432" || s.Credentials != "db" || s.Source != "config" {
		t.Errorf("a declared service has %+v", s)
	}
	if s := find(t, d, "front"); s.Check.Options["path"] != "/up" || s.Check.Options["address"] != "127.0.0.1:8080" || s.Labels["team"] != "web" || s.Credentials != "front" {
		t.Errorf("an overridden service has %+v", s)
	}
	if s := find(t, d, "redis"); s.Metrics.Kind != "" {
		t.Errorf("metrics that are turned off are %+v", s.Metrics)
	}
	m.scan(d, tick)
	if len(d.Services()) != 4 {
		t.Errorf("a second scan found\n%s", told(d))
	}
}

func TestWrongOptions(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := New(o, nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	f(Options{Interval: -1}, "negative")
	f(Options{Disable: []string{"ngnix"}}, `"ngnix"`)
	f(Options{Catalogue: []string{"/does/not/exist"}}, "no such file")
	f(Options{Custom: []Custom{{Name: "Shop", Address: "a:1"}}}, "small letters")
	f(Options{Custom: []Custom{{Name: "shop", Address: "a"}}}, "write it like 127.0.0.1:8080")
	f(Options{Custom: []Custom{{Name: "shop", Address: "a:1", Kind: "x"}}}, `no kind "x"`)
	f(Options{Custom: []Custom{{Name: "shop", Address: "a:1"}, {Name: "shop", Address: "b:1"}}}, "two of that name")
	f(Options{Custom: []Custom{{Name: "shop", Instance: "a/b", Address: "a:1"}}}, "slash")
	f(Options{Overrides: []Override{{Kind: "x"}}}, "no such kind")
	f(Options{Overrides: []Override{{Kind: "nginx", Instance: "["}}}, "no pattern")
	f(Options{Overrides: []Override{{Kind: "nginx", Port: 70000}}}, "no port")
	f(Options{Overrides: []Override{{Kind: "nginx", Address: "a:80"}}}, "set port")
	f(Options{Overrides: []Override{{Kind: "nginx", Name: "A B"}}}, "small letters")
}

// A file of the configuration is part of the catalogue, and what is disabled is not.
func TestCatalogueOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.yml"), []byte("title: Shop\nabout: sells\nmatch: [{names: [shopd]}]\nports: [{port: 7000}]\ncheck: {kind: tcp}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.redis(10)
	m.add(fake{pid: 20, comm: "shopd", args: []string{"shopd"}, sockets: []int{m.listen(0, "127.0.0.1:7000")}})
	d := m.discovery(Options{Catalogue: []string{dir}, Disable: []string{"redis"}})
	m.scan(d, 0)
	wantTold(t, d, "shop running 127.0.0.1:7000 tcp")
}

func TestMostServices(t *testing.T) {
	m := newMachine(t)
	for pid := 10; pid < 20; pid++ {
		m.add(fake{pid: pid, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{m.listen(0, "127.0.0.1:70"+string(rune('0'+pid-10))+"0")}})
	}
	d := m.discovery(Options{MaxServices: 4})
	m.scan(d, 0)
	if n := len(d.Services()); n != 4 {
		t.Errorf("%d services are known, want 4", n)
	}
	if w := strings.Join(d.Warnings(), "\n"); !strings.Contains(w, "6 services were left out") {
		t.Errorf("the warnings are %q", w)
	}
}

// An application that has just started may be somebody's trial: it is a service once it has lived for a while.
func TestApplicationThatHasJustStarted(t *testing.T) {
	m := newMachine(t)
	boot := time.Unix(1793534000, 0)
	m.add(fake{pid: 10, comm: "node", args: []string{"node", "/srv/shop/server.js"}, sockets: []int{m.listen(0, "127.0.0.1:3000")}, start: uint64(m.clock.Sub(boot).Seconds() * 100)})
	d := m.discovery(Options{})
	m.scan(d, 10*time.Second)
	wantTold(t, d)
	m.scan(d, 60*time.Second)
	wantTold(t, d, "node@shop-server running 127.0.0.1:3000 tcp")
	// A restart of what is known is no beginning.
	m.end(10)
	m.add(fake{pid: 11, comm: "node", args: []string{"node", "/srv/shop/server.js"}, sockets: []int{m.listen(0, "127.0.0.1:3000")}, start: uint64(m.clock.Sub(boot).Seconds() * 100)})
	m.scan(d, 10*time.Second)
	wantTold(t, d, "node@shop-server running 127.0.0.1:3000 tcp")
}
