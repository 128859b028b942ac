package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// machine is a made up /proc, with a clock.
type machine struct {
	t     testing.TB
	proc  string
	root  string
	inode int
	sock  string // of the engine
	list  []map[string]any
	clock time.Time
}

const (
	hostNamespace = 4026531840
	ownPID        = 4242
)

func newMachine(t testing.TB) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, proc: filepath.Join(dir, "proc"), root: filepath.Join(dir, "root"), inode: 1000, clock: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	m.write("stat", "btime 1793534000\n")
	m.add(fake{pid: ownPID, comm: "hulotte"})
	return m
}

// fake is a process of the machine.
type fake struct {
	pid, parent int
	comm, exe   string
	args        []string
	start       uint64
	namespace   int // 0 is the host's
	cgroup      string
	sockets     []int // inodes
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.proc, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) link(name, target string) {
	m.t.Helper()
	path := filepath.Join(m.proc, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	_ = os.Remove(path) // it is mostly not there
	if err := os.Symlink(target, path); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) add(p fake) {
	m.t.Helper()
	dir := strconv.Itoa(p.pid) + "/"
	if p.namespace == 0 {
		p.namespace = hostNamespace
	}
	if p.cgroup == "" {
		p.cgroup = "/user.slice/user-0.slice/session-1.scope"
	}
	if p.start == 0 {
		p.start = uint64(p.pid)
	}
	m.write(dir+"stat", fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194304 1 0 0 0 1 1 0 0 20 0 1 0 %d 1000 100 0 0 0\n", p.pid, p.comm, p.parent, p.start))
	m.write(dir+"cmdline", strings.Join(p.args, "\x00")+"\x00")
	m.write(dir+"cgroup", "0::"+p.cgroup+"\n")
	m.link(dir+"ns/net", fmt.Sprintf("net:[%d]", p.namespace))
	if p.exe != "" {
		m.link(dir+"exe", p.exe)
	}
	m.link(dir+"fd/0", "/dev/null")
	for n, inode := range p.sockets {
		m.link(dir+"fd/"+strconv.Itoa(n+3), fmt.Sprintf("socket:[%d]", inode))
	}
	m.link(dir+"net", m.tables(p.namespace))
}

// tables is the folder of a namespace's tables.
func (m *machine) tables(namespace int) string {
	dir := filepath.Join(m.proc, "namespaces", strconv.Itoa(namespace))
	if _, err := os.Stat(dir); err != nil {
		for _, name := range []string{"tcp", "tcp6", "udp", "udp6", "unix"} {
			m.write("namespaces/"+strconv.Itoa(namespace)+"/"+name, "  sl  local_address rem_address   st\n")
		}
	}
	return dir
}

// listen adds a socket that listens and returns its inode; addr is as in the examples of the catalogue.
func (m *machine) listen(namespace int, addr string) int {
	m.t.Helper()
	if namespace == 0 {
		namespace = hostNamespace
	}
	m.inode++
	s := socketOf(m.t, addr, uint64(m.inode))
	dir := m.tables(namespace)
	file := s.network
	var line string
	if s.network == networkUnix {
		line = fmt.Sprintf("0000000000000000: 00000002 00000000 00010000 0001 01 %d %s\n", m.inode, s.path)
	} else {
		if s.addr.Addr().Is6() {
			file += "6"
		}
		line = fmt.Sprintf("   0: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100 0 0 10 0\n",
			hexAddr(s.addr.Addr().AsSlice(), s.addr.Port()), listening(s.network), m.inode)
	}
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line); err != nil {
		m.t.Fatal(err)
	}
	return m.inode
}

func hexAddr(ip []byte, port uint16) string {
	var b strings.Builder
	for i := 0; i < len(ip); i += 4 {
		fmt.Fprintf(&b, "%02X%02X%02X%02X", ip[i+3], ip[i+2], ip[i+1], ip[i])
	}
	return fmt.Sprintf("%s:%04X", b.String(), port)
}

// end ends a process. Its sockets stay in the tables: nobody has them then.
func (m *machine) end(pid int) {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.proc, strconv.Itoa(pid))); err != nil {
		m.t.Fatal(err)
	}
}

// engine starts one that speaks Docker's API and tells m.list.
func (m *machine) engine() {
	m.t.Helper()
	m.sock = filepath.Join(m.t.TempDir(), "e.sock")
	l, err := net.Listen("unix", m.sock)
	if err != nil {
		m.t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(m.list) })}
	go srv.Serve(l)
	m.t.Cleanup(func() { srv.Close() })
}

func containerID(n int) string { return fmt.Sprintf("%064x", n) }

// container adds one to what the engine tells, and returns the control group of its processes.
func (m *machine) container(n int, name, image, ip string, labels map[string]string) string {
	m.list = append(m.list, map[string]any{
		"Id": containerID(n), "Names": []string{"/" + name}, "Image": image, "State": "running", "Labels": labels,
		"NetworkSettings": map[string]any{"Networks": map[string]any{"bridge": map[string]any{"IPAddress": ip}}},
	})
	return "/system.slice/docker-" + containerID(n) + ".scope"
}

func (m *machine) discovery(o Options) *Discovery {
	m.t.Helper()
	o.ProcFS, o.RootFS = m.proc, m.root
	if m.sock != "" {
		o.Sockets = []string{m.sock}
	}
	d := newForTest(m.t, o)
	d.processes.self = ownPID
	d.now = func() time.Time { return m.clock }
	return d
}

// scan scans after some time.
func (m *machine) scan(d *Discovery, after time.Duration) {
	m.t.Helper()
	m.clock = m.clock.Add(after)
	if err := d.Scan(context.Background()); err != nil {
		m.t.Fatal(err)
	}
}

// told is all services as text: ID state address check.
func told(d *Discovery) string {
	var out []string
	for _, s := range d.Services() {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", s.ID, s.State, s.Address, s.Check.Kind)))
	}
	return strings.Join(out, "\n")
}

func wantTold(t testing.TB, d *Discovery, want ...string) {
	t.Helper()
	if got := told(d); got != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func find(t testing.TB, d *Discovery, id string) Service {
	t.Helper()
	for _, s := range d.Services() {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("there is no %s among\n%s", id, told(d))
	return Service{}
}
