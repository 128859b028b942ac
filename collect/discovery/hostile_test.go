package discovery

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The kernel tells sockets that listen first: a table is not read to its end for the connections behind them.
func TestTableIsNotReadToItsEnd(t *testing.T) {
	var b strings.Builder
	line := func(port int, state string, inode int) {
		fmt.Fprintf(&b, "%4d: 0100007F:%04X 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100 0 0 10 0                 \n", inode, port, state, inode)
	}
	b.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i := range 10 {
		line(1000+i, stateListen, i+1)
	}
	for i := range 100_000 {
		line(80, "01", 100+i)
	}
	line(2000, stateListen, 200_000)
	path := filepath.Join(t.TempDir(), "tcp")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var r tableReader
	found := 0
	cut, err := r.read(path, networkTCP, func(socket) { found++ })
	if err != nil || cut || found != 10 {
		t.Errorf("%d sockets, %t, %v; want the first 10", found, cut, err)
	}
}

// 100,000 sockets that listen are not all taken, and that is said.
func TestVeryManySockets(t *testing.T) {
	m := newMachine(t)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "0: 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100\n", 1+i%60000, 10_000+i)
	}
	m.add(fake{pid: 10, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{m.listen(0, "127.0.0.1:6379"), 10_001, 10_002}})
	f, err := os.OpenFile(filepath.Join(m.tables(hostNamespace), "tcp"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d, "redis running 127.0.0.1:6379 redis")
	if n := len(d.namespaces.all[hostNamespace].sockets); n > maxListening {
		t.Errorf("%d sockets are kept", n)
	}
	if w := strings.Join(d.Warnings(), "\n"); !strings.Contains(w, "more sockets") {
		t.Errorf("the warnings are %q", w)
	}
}

// What processes say of themselves is anything: what is shown of it is short and printable, and no secret.
func TestOddProcesses(t *testing.T) {
	m := newMachine(t)
	odd := []fake{
		{comm: "nginx", args: []string{"nginx: \x1b[31mmaster\x00\xff\xfe", strings.Repeat("x", 1<<20)}},
		{comm: "redis-server", args: []string{"redis-server", "--requirepass", "sesame", "--masterauth=sesame"}},
		{comm: "java", args: append([]string{"java", "-cp", strings.Repeat("/very/long.jar:", 3000)}, "org.apache.zookeeper.server.quorum.QuorumPeerMain")},
		{comm: ") S 1 (", args: nil},
		{comm: "node", args: []string{"node", "/srv/<script>alert(1)</script>/server.js"}},
	}
	for i, p := range odd {
		p.pid = 10 + i
		p.sockets = []int{m.listen(0, "127.0.0.1:"+strconv.Itoa(7000+i))}
		m.add(p)
	}
	m.write("99/stat", "garbage")
	m.write("98/stat", "")
	m.write("97/cmdline", "no stat")
	d := m.discovery(Options{})
	m.scan(d, 0)
	if len(d.Services()) != 4 {
		t.Errorf("found\n%s", told(d))
	}
	for _, s := range d.Services() {
		text := fmt.Sprintf("%+v", s)
		if strings.Contains(text, "sesame") || strings.Contains(text, "\x1b") || strings.Contains(text, "\xff") {
			t.Errorf("it shows %q", text)
		}
		if len(text) > 8000 || strings.Contains(s.ID, "/") {
			t.Errorf("%s is shown with %d bytes", s.ID, len(text))
		}
	}
}

// Processes that end while they are looked at are no errors.
func TestProcessesThatVanish(t *testing.T) {
	m := newMachine(t)
	d := m.discovery(Options{})
	for pid := 10; pid < 200; pid++ {
		m.add(fake{pid: pid, comm: "redis-server", args: []string{"redis-server"}, sockets: []int{m.listen(0, "127.0.0.1:"+strconv.Itoa(1000+pid))}})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pid := 10; pid < 200; pid++ {
			_ = os.RemoveAll(filepath.Join(m.proc, strconv.Itoa(pid)))
		}
	}()
	for range 20 {
		m.scan(d, time.Second)
	}
	<-done
	m.scan(d, time.Second)
	if s := d.Services(); len(s) != 0 && s[0].State == Running {
		t.Errorf("found\n%s", told(d))
	}
}

// A process cannot make Hulotte open a device, a pipe, or a file that its user may not read.
func TestHintFiles(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("listen 8443 ssl;"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(file string, uid uint32, want bool) {
		t.Helper()
		_, err := readHintFile(file, uid)
		if (err == nil) != want {
			t.Errorf("%s for user %d: %v", file, uid, err)
		}
	}
	f(secret, uint32(os.Getuid()), true)
	f(secret, 54321, false)
	f("/dev/zero", 0, false)
	f(dir, 0, false)
	f(filepath.Join(dir, "none"), 0, false)
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	f(secret, 54321, true)
}

// Configuration files tell which port speaks TLS and where the metrics are.
func TestHints(t *testing.T) {
	m := newMachine(t)
	write := func(name, text string) {
		path := filepath.Join(m.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/nginx/nginx.conf", "http { include sites-enabled/*; }")
	write("etc/nginx/sites-enabled/a", "server {\n  listen 9443 ssl http2;\n  location = /status {\n stub_status;\n }\n}\nserver {\n listen 9080;\n}\n")
	write("opt/haproxy.cfg", "global\n  stats socket /run/haproxy/admin.sock mode 660\n")
	m.add(fake{pid: 10, comm: "nginx", args: []string{"nginx: master process /usr/sbin/nginx"}, sockets: []int{m.listen(0, "0.0.0.0:9443"), m.listen(0, "0.0.0.0:9080")}})
	m.add(fake{pid: 20, comm: "haproxy", args: []string{"haproxy", "-f", "/opt/haproxy.cfg"}, sockets: []int{m.listen(0, "0.0.0.0:5000")}})
	m.add(fake{pid: 30, comm: "nats-server", args: []string{"nats-server", "-p", "14222", "-m", "18222"}, sockets: []int{m.listen(0, "0.0.0.0:14222"), m.listen(0, "0.0.0.0:18222")}})
	m.add(fake{pid: 40, comm: "beam.smp", args: []string{"beam.smp", "-s", "rabbit", "boot"}, sockets: []int{m.listen(0, "0.0.0.0:6000"), m.listen(0, "0.0.0.0:6001")}})
	m.write("40/environ", "A=b\x00RABBITMQ_NODE_PORT=6001\x00")
	d := m.discovery(Options{})
	m.scan(d, 0)
	wantTold(t, d,
		"haproxy@5000 running 127.0.0.1:5000 tcp",
		"nats@14222 running 127.0.0.1:14222 nats",
		"nginx@9080 running 127.0.0.1:9080 http",
		"rabbitmq@6000 running 127.0.0.1:6001 amqp",
	)
	if s := find(t, d, "nginx@9080"); !s.Listen[1].TLS || s.Metrics.Options["url"] != "/status" {
		t.Errorf("nginx listens on %v with the metrics %+v", s.Listen, s.Metrics)
	}
	if s := find(t, d, "haproxy@5000"); s.Metrics.Address != "unix:/run/haproxy/admin.sock" {
		t.Errorf("haproxy has the metrics %+v", s.Metrics)
	}
	if s := find(t, d, "nats@14222"); s.Metrics.Address != "127.0.0.1:18222" {
		t.Errorf("nats has the metrics %+v", s.Metrics)
	}
}

// What a container, or a person's program, says of paths of this machine is not believed.
func TestPathsOfStrangers(t *testing.T) {
	f := func(uid uint32, container, args string, want map[string]any) {
		t.Helper()
		d := newForTest(t, Options{RootFS: t.TempDir()})
		e := Embedded().Lookup("varnish")
		in := &instance{entry: e, procs: []*proc{{pid: 1 << 30, uid: uid, container: container, entry: e, prog: program{comm: "varnishd", args: strings.Fields(args)}}}}
		if got := d.readHints(in).metrics; !maps.Equal(got, want) {
			t.Errorf("%q of user %d in %q gives %v, want %v", args, uid, container, got, want)
		}
	}
	const args = "varnishd -a :80 -n /var/lib/varnish/x"
	f(0, "", args, map[string]any{"instance": "/var/lib/varnish/x"})
	f(110, "", args, map[string]any{"instance": "/var/lib/varnish/x"})
	f(1000, "", args, nil)
	f(0, containerID(1), args, nil)
}
