package zabbix

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func TestFrame(t *testing.T) {
	for _, text := range []string{"", "agent.ping", strings.Repeat("x", 100_000)} {
		for name, b := range map[string][]byte{"plain": appendFrame(nil, []byte(text)), "compressed": appendCompressed(nil, []byte(text)), "large": large(text)} {
			r := bytes.NewReader(b)
			got, err := readFrame(r, 1<<20, nil)
			if err != nil || string(got) != text || r.Len() != 0 {
				t.Errorf("%s of %d bytes: %d, %v", name, len(text), len(got), err)
			}
		}
	}
}

func large(text string) []byte {
	b := append([]byte(magic), flagAlways|flagLarge)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(text)))
	b = binary.LittleEndian.AppendUint64(b, 0)
	return append(b, text...)
}

func TestBadFrames(t *testing.T) {
	f := func(want string, b []byte) {
		t.Helper()
		got, err := readFrame(bytes.NewReader(b), 1000, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %s", b, got, err, want)
		}
	}
	f("EOF", nil)
	f("unexpected EOF", []byte("ZB"))
	f("does not begin", []byte("GET / HTTP/1.0"))
	f("flags", []byte("ZBXD\x00aaaaaaaa"))
	f("flags", []byte("ZBXD\xffaaaaaaaa"))
	f("unexpected EOF", []byte("ZBXD\x01\x05\x00\x00"))
	f("unexpected EOF", appendFrame(nil, []byte("hello"))[:15])
	f("too large", []byte("ZBXD\x01\xff\xff\xff\xff\x00\x00\x00\x00"))
	f("too large", []byte("ZBXD\x05\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
	bomb := appendCompressed(nil, make([]byte, 1<<20))
	f("too large", bomb)
	binary.LittleEndian.PutUint32(bomb[9:], 10) // a bomb that says that it is small
	if _, err := readFrame(bytes.NewReader(bomb), 2000, nil); err == nil || !strings.Contains(err.Error(), "announces") {
		t.Error(err)
	}
	f("cannot be unpacked", []byte("ZBXD\x03\x03\x00\x00\x00\x03\x00\x00\x00abc"))
}

func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(nil, []byte("agent.ping")))
	f.Add(appendCompressed(nil, []byte(`{"request":"sender data"}`)))
	f.Add(large("x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readFrame(bytes.NewReader(b), 1<<16, nil)
		if err == nil && len(got) > 1<<16 {
			t.Fatal(len(got))
		}
		_, _ = readFrame(bytes.NewReader(b), 1<<16, func(start []byte) ([]byte, error) { return readLine(bytes.NewReader(b[len(start):]), start) })
	})
}

func TestParseKey(t *testing.T) {
	f := func(text, name string, params ...string) {
		t.Helper()
		k, err := ParseKey(text)
		if err != nil || k.Name != name || !slices.Equal(k.Params, params) {
			t.Errorf("%s: %+v, %v", text, k, err)
		}
	}
	f("agent.ping", "agent.ping")
	f("a[]", "a", "")
	f("a[1,,b c]", "a", "1", "", "b c")
	f(`a["x,]y", "q\"uote" ,z]`, "a", "x,]y", `q"uote`, "z")
	f(`a[x,[1,"]"],y]`, "a", "x", `[1,"]"]`, "y")
	f(`vfs.file.regexp[/etc/passwd,"ro(.)t",,,,\1]`, "vfs.file.regexp", "/etc/passwd", "ro(.)t", "", "", "", `\1`)
	for _, bad := range []string{"", "a b", "a[", "a]", "a[x", "a[x]y", `a["x]`, `a["x"y]`, "a[[1]", "a[[1]x]", "[x]", strings.Repeat("a", 5000), "a[" + strings.Repeat(",", 100) + "]"} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%.40s is taken: %+v", bad, k)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(`a["x,]y", "q\"uote",[1,"]"],z]`)
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			return
		}
		again, err := ParseKey(k.String())
		if len(k.String()) <= maxKey && !strings.Contains(text, `\`) && !strings.Contains(text, "[[") && !strings.Contains(text, ",[") && !strings.Contains(text, " ") && (err != nil || !slices.Equal(again.Params, k.Params)) {
			t.Fatalf("%q is written %q: %q %q %v", text, k.String(), k.Params, again.Params, err)
		}
	})
}

// runner is what Agent and Trapper have in common.
type runner interface {
	Serve(ctx context.Context) error
}

func start(t *testing.T, r runner) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func startAgent(t *testing.T, o AgentOptions) *Agent {
	t.Helper()
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	a, err := NewAgent(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	start(t, a)
	return a
}

func get(t *testing.T, addr, key string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return Get(ctx, addr, key)
}

func testFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "one\ntwo words\nthree\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // read by others
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("/etc/passwd", filepath.Join(dir, "out")), syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.Mkdir(filepath.Join(dir, "sub"), 0o755)); err != nil { //nolint:gosec // read by others
		t.Fatal(err)
	}
	return dir
}

func TestItems(t *testing.T) {
	dir := testFolder(t)
	a := startAgent(t, AgentOptions{Hostname: "web1", Metadata: "linux", Folders: []string{dir}})
	f := func(key, want string) {
		t.Helper()
		if got, err := get(t, a.Addr().String(), strings.ReplaceAll(key, "DIR", dir)); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", key, got, err, want)
		}
	}
	bad := func(key, want string) {
		t.Helper()
		got, err := get(t, a.Addr().String(), strings.ReplaceAll(key, "DIR", dir))
		var no NotSupported
		if !errors.As(err, &no) || !strings.Contains(string(no), want) {
			t.Errorf("%s = %q, %v, want %q", key, got, err, want)
		}
	}
	f("agent.ping", "1")
	f("agent.variant", "2")
	f("agent.version", Version)
	f("agent.hostname", "web1")
	f("agent.hostmetadata", "linux")
	f("vfs.file.contents[DIR/a.txt]", "one\ntwo words\nthree")
	f("vfs.file.size[DIR/a.txt]", "20")
	f("vfs.file.size[DIR/a.txt,lines]", "3")
	f("vfs.file.md5sum[DIR/empty]", "d41d8cd98f00b204e9800998ecf8427e")
	f("vfs.file.cksum[DIR/empty]", "4294967295")
	f("vfs.file.exists[DIR/a.txt]", "1")
	f("vfs.file.exists[DIR/none]", "0")
	f("vfs.file.exists[DIR/sub]", "0")
	f("vfs.file.exists[DIR/sub,dir]", "1")
	f(`vfs.file.regexp[DIR/a.txt,"t(w.)",,,,"\1-\0"]`, "wo-two")
	f("vfs.file.regexp[DIR/a.txt,t,,3]", "three")
	f("vfs.file.regmatch[DIR/a.txt,^one$]", "1")
	f("vfs.file.regmatch[DIR/a.txt,four]", "0")
	f("proc.num[no such process]", "0")
	f("net.tcp.port[127.0.0.1,1]", "0")
	_, port, _ := net.SplitHostPort(a.Addr().String())
	f("net.tcp.port[,"+port+"]", "1")
	f("net.tcp.listen["+port+"]", "1")
	f("net.tcp.service[tcp,,"+port+"]", "1")
	f("net.tcp.service[ssh,,1]", "0")

	bad("system.run[id]", "Unsupported item key.")
	bad("log[/var/log/syslog]", "Unsupported item key.")
	bad("vfs.file.contents[/etc/passwd]", "not allowed")
	bad("vfs.file.contents[DIR/../../../etc/passwd]", "not allowed")
	bad("vfs.file.contents[DIR/out]", "escapes")
	bad("vfs.file.contents[DIR/pipe]", "Not a regular file.")
	bad("vfs.file.contents[DIR/sub]", "Not a regular file.")
	bad("vfs.file.regexp[DIR/a.txt,(]", "Invalid second parameter.")
	bad("agent.ping[]", "does not allow parameters")
	bad("agent.ping[", "Invalid item key format.")
	bad("vfs.fs.size[/,x]", "Invalid second parameter.")
	bad("vfs.fs.size[/none]", "no such file")
	bad("net.if.in[none]", "/proc/net/dev")
	bad("system.cpu.load[all,avg1,x]", "Too many parameters.")
}

// TestOldAndNewForms asks without a header, and in the JSON of Zabbix 7.
func TestOldAndNewForms(t *testing.T) {
	a := startAgent(t, AgentOptions{})
	f := func(question, want string) {
		t.Helper()
		c, err := net.Dial("tcp", a.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, question)
		got, err := readFrame(c, 1<<16, nil)
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", question, got, err)
		}
	}
	f("agent.ping\n", "1")
	f("agent.ping\r\n", "1")
	f("Z\n", "ZBX_NOTSUPPORTED\x00Unsupported item key.")
	f(string(appendFrame(nil, []byte(`{"request":"passive checks","data":[{"key":"agent.ping","timeout":3},{"key":"none"}]}`))),
		`{"version":"7.0.0","variant":2,"data":[{"value":"1"},{"error":"Unsupported item key."}]}`)
	f(string(appendCompressed(nil, []byte("agent.ping"))), "1")
}

func probe(t *testing.T, addr string, options map[string]any) model.CheckResult {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	options["port"], _ = strconv.Atoi(port)
	raw, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kinds()[0].New(check.Params{Address: host, Options: raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.Probe(ctx)
}

func TestKind(t *testing.T) {
	a := startAgent(t, AgentOptions{Hostname: "web1"})
	f := func(want string, options map[string]any) {
		t.Helper()
		r := probe(t, a.Addr().String(), options)
		if got := r.Status.String() + " " + r.Output; !strings.HasPrefix(got, want) {
			t.Errorf("%v: %s, want %s", options, got, want)
		}
	}
	f("OK ZABBIX agent.ping = 1", map[string]any{"key": "agent.ping"})
	f("WARNING ZABBIX agent.variant = 2x", map[string]any{"key": "agent.variant", "warning": "1", "critical": 5, "unit": "x"})
	f("CRITICAL ZABBIX agent.variant = 2", map[string]any{"key": "agent.variant", "critical": "~:1"})
	f("OK ZABBIX agent.hostname = web1", map[string]any{"key": "agent.hostname", "match": "^web"})
	f("CRITICAL ZABBIX agent.hostname = web1, which does not match db", map[string]any{"key": "agent.hostname", "match": "db"})
	f("UNKNOWN ZABBIX agent.hostname = web1, which is no number", map[string]any{"key": "agent.hostname", "warning": "1"})
	f("UNKNOWN ZABBIX system.run[x] is not supported: Unsupported item key.", map[string]any{"key": "system.run[x]"})
	if r := probe(t, "127.0.0.1:1", map[string]any{"key": "x"}); r.Status != model.Critical {
		t.Error(r)
	}
	closed := startAgent(t, AgentOptions{AllowedHosts: []string{"10.0.0.1"}})
	if r := probe(t, closed.Addr().String(), map[string]any{"key": "x"}); r.Status != model.Critical || !strings.Contains(r.Output, "ZABBIX") {
		t.Error(r)
	}
	for options, want := range map[string]string{`{}`: "key: missing", `{"key":"a["}`: "key:", `{"key":"a","match":"("}`: "match:", `{"key":"a","warning":"x"}`: "range", `{"key":"a","port":-1}`: "port:"} {
		if _, err := Kinds()[0].New(check.Params{Options: json.RawMessage(options)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", options, err)
		}
	}
}

// sink remembers what came.
type sink struct {
	mu      sync.Mutex
	results map[string]model.CheckResult
	samples []Sample
}

func (s *sink) options() TrapperOptions {
	s.results = map[string]model.CheckResult{}
	rng, _ := check.ParseRange("10")
	return TrapperOptions{
		Address: "127.0.0.1:0",
		Target: func(host, key string) (Target, bool) {
			return Target{Check: "backup", Critical: rng}, host == "web1" && key == "backup"
		},
		Submit: func(_ context.Context, host, name string, r model.CheckResult) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.results[host+"/"+name] = r
			return nil
		},
		Series: func(_ context.Context, samples []Sample) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.samples = append(s.samples, samples...)
			return nil
		},
	}
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.samples)
}

func startTrapper(t *testing.T, o TrapperOptions) *Trapper {
	t.Helper()
	tr, err := ListenTrapper(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	start(t, tr)
	return tr
}

func TestTrapper(t *testing.T) {
	var s sink
	tr := startTrapper(t, s.options())
	f := func(request, want string) {
		t.Helper()
		c, err := net.Dial("tcp", tr.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = c.Write(appendCompressed(nil, []byte(request)))
		got, err := readFrame(c, 1<<16, nil)
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %s, %v", request, got, err)
		}
	}
	f(`{"request":"sender data","data":[{"host":"web1","key":"backup","value":"12"},{"host":"web1","key":"other","value":3.5,"clock":1700000000,"ns":5},{"host":"web1","key":"text","value":"hello"}]}`,
		"processed: 2; failed: 1; total: 3")
	if r := s.results["web1/backup"]; r.Status != model.Critical || r.Output != "backup = 12" || len(r.Perf) != 1 {
		t.Errorf("%+v", r)
	}
	if len(s.samples) != 2 || s.samples[1] != (Sample{"web1", "other", 3.5, time.Unix(1700000000, 5)}) {
		t.Errorf("%+v", s.samples)
	}
	f(`{"request":"sender data","data":[{"host":"web1","key":"backup","value":"WARNING: slow | t=5s"}]}`, "processed: 1")
	if r := s.results["web1/backup"]; r.Status != model.Warning || r.Output != "WARNING: slow" || len(r.Perf) != 1 {
		t.Errorf("%+v", r)
	}
	f(`{"request":"agent data","host":"web1","data":[{"key":"backup","value":"gone","state":1}]}`, "processed: 1")
	if r := s.results["web1/backup"]; r.Status != model.Unknown {
		t.Errorf("%+v", r)
	}
	f(`{"request":"format disk"}`, "failed")
	f(`no json`, "failed")
	f(`{"request":"active checks","host":"x"}`, `"data":[]`)
}

// TestActive has our agent in active mode send to our trapper.
func TestActive(t *testing.T) {
	var s sink
	o := s.options()
	o.Active = func(host, metadata string) []ActiveItem {
		if host != "web1" || metadata != "meta" {
			t.Errorf("%s %s ask", host, metadata)
		}
		return []ActiveItem{{"agent.ping", time.Second}, {"system.run[x]", time.Second}, {"system.cpu.num", time.Hour}}
	}
	tr := startTrapper(t, o)
	startAgent(t, AgentOptions{Address: "-", Hostname: "web1", Metadata: "meta", Servers: []string{tr.Addr().String()}})
	deadline := time.Now().Add(15 * time.Second)
	for s.count() < 2 {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s.samples)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A server as Zabbix' documentation has it (7.0, "Zabbix agent protocol"), which is away for its first answers to values: they come again.
func TestActiveServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type seen struct {
		Request, Host, Session, Version string
		Heartbeat                       int `json:"heartbeat_freq"`
		Data                            []struct {
			ID, ItemID int
			Key, Value string
			State      int
			Clock, NS  int64
		}
	}
	requests := make(chan seen, 1000) // far more than come
	go func() {
		for lost := 0; ; {
			c, err := l.Accept()
			if err != nil {
				close(requests)
				return
			}
			data, err := readFrame(c, 1<<20, nil)
			var q seen
			if err == nil {
				err = json.Unmarshal(data, &q)
			}
			if err != nil {
				t.Errorf("%s: %v", data, err)
			}
			answer := ""
			switch q.Request {
			case "active checks":
				answer = `{"response":"success","config_revision":2,"data":[{"key":"agent.ping","itemid":1234,"delay":"1s","lastlogsize":0,"mtime":0},` +
					`{"key":"log[/var/log/syslog]","itemid":5678,"delay":"1s","lastlogsize":0,"mtime":0},{"key":"agent.version","delay":"no delay"}]}`
			case "agent data":
				if lost++; lost > 1 {
					answer = `{"response":"success","info":"processed: 2; failed: 0; total: 2; seconds spent: 0.003534"}`
				}
			}
			if answer != "" {
				_, _ = c.Write(appendFrame(nil, []byte(answer)))
			}
			_ = c.Close()
			requests <- q
		}
	}()
	startAgent(t, AgentOptions{Address: "-", Hostname: "web1", Servers: []string{l.Addr().String()}})
	var first []int
	session, beats, sent := "", 0, 0
	for q := range requests {
		if q.Host != "web1" {
			t.Errorf("%+v", q)
		}
		switch q.Request {
		case "active checks":
			session = q.Session
		case "active check heartbeat":
			beats++
			if q.Heartbeat != 60 {
				t.Errorf("%+v", q)
			}
		case "agent data":
			if len(session) != 32 || q.Session != session || q.Version != Version || len(q.Data) < 2 {
				t.Errorf("%+v", q)
			}
			for _, v := range q.Data {
				if v.ItemID != 1234 && v.ItemID != 5678 || (v.State == 1) != (v.ItemID == 5678) || v.Clock == 0 {
					t.Errorf("%+v", v)
				}
			}
			if sent++; sent == 1 {
				first = []int{q.Data[0].ID, q.Data[1].ID}
			} else if q.Data[0].ID != first[0] || q.Data[1].ID != first[1] {
				t.Errorf("what the server did not take does not come again: %+v", q.Data)
			}
		}
		if sent == 2 {
			break
		}
	}
	if beats == 0 {
		t.Error("there was no sign of life")
	}
}

func TestDelay(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		if got, err := parseDelay(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	f(`"30"`, 30*time.Second)
	f(`60`, time.Minute)
	f(`"5m"`, 5*time.Minute)
	f(`"30s;wd1-5h9-18"`, 30*time.Second)
	for _, bad := range []string{`""`, `"0"`, `"{$X}"`, `"99999999999w"`, `"-1"`, `"99999w"`} {
		if d, err := parseDelay(bad); err == nil {
			t.Errorf("%s is %v", bad, d)
		}
	}
}

// TestHostilePeers sends what no client sends.
func TestHostilePeers(t *testing.T) {
	routines, fds := runtime.NumGoroutine(), descriptors(t)
	t.Run("peers", func(t *testing.T) {
		var s sink
		a, tr := startAgent(t, AgentOptions{}), startTrapper(t, s.options())
		deep := strings.Repeat("[", 200_000)
		for _, addr := range []string{a.Addr().String(), tr.Addr().String()} {
			for _, junk := range []string{"", "ZBXD", "ZBXD\x01\xff\xff\xff\xff\x00\x00\x00\x00", "ZBXD\x05\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00x",
				string(appendFrame(nil, []byte(deep))), strings.Repeat("A", 100_000), string(appendFrame(nil, []byte(`{"request":5}`))), "\x16\x03\x01\x02\x00"} {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = io.WriteString(c, junk)
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}
		}
		if v, err := get(t, a.Addr().String(), "agent.ping"); v != "1" {
			t.Error("it is down:", err)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > routines || descriptors(t) > fds {
		if time.Now().After(deadline) {
			t.Fatalf("leak: %d to %d goroutines, %d to %d descriptors", routines, runtime.NumGoroutine(), fds, descriptors(t))
		}
		runtime.Gosched()
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// zabbixGet finds zabbix_get, which Debian has inside its packages zabbix-proxy-* and zabbix-server-*.
func zabbixGet(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("TEST_ZABBIX_GET"); path != "" {
		return path
	}
	path, err := exec.LookPath("zabbix_get")
	if err != nil {
		t.Skip("zabbix_get is not installed (apt-get download zabbix-proxy-sqlite3; dpkg -x; TEST_ZABBIX_GET)")
	}
	return path
}

// TestZabbixGet has the real zabbix_get ask our agent.
func TestZabbixGet(t *testing.T) {
	path := zabbixGet(t)
	a := startAgent(t, AgentOptions{Hostname: "web1"})
	_, port, _ := net.SplitHostPort(a.Addr().String())
	f := func(key, want string) {
		t.Helper()
		out, _ := exec.Command(path, "-s", "127.0.0.1", "-p", port, "-k", key).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%s: %s, want %s", key, out, want)
		}
		t.Logf("%s: %.120s", key, strings.TrimSpace(string(out)))
	}
	f("agent.ping", "1")
	f("agent.hostname", "web1")
	f("system.uname", "Linux")
	f("vm.memory.size[pused]", ".")
	f("vfs.fs.get", `"fsname":"/"`)
	f("system.run[id]", "ZBX_NOTSUPPORTED: Unsupported item key.")
	f("net.if.discovery", `[{"{#IFNAME}":"lo"}`)
	f("nonsense[", "ZBX_NOTSUPPORTED")
}

// startDaemon starts the real agent with more configuration, and answers with its port.
func startDaemon(t *testing.T, more string) int {
	t.Helper()
	path, err := exec.LookPath("zabbix_agentd")
	if err != nil {
		path = "/usr/sbin/zabbix_agentd"
		if _, err := os.Stat(path); err != nil {
			t.Skip("zabbix-agent is not installed")
		}
	}
	port := lowPort(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "agentd.conf")
	text := fmt.Sprintf("PidFile=%s/pid\nLogType=console\nServer=127.0.0.1\nListenIP=127.0.0.1\nListenPort=%d\nHostname=web1\nAllowRoot=1\nStartAgents=2\n%s", dir, port, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-f", "-c", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return port
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// lowPort is a free port that the agent takes: at most 32767.
func lowPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// TestLikeTheRealAgent compares our answers with those of Zabbix' own agent on this machine.
func TestLikeTheRealAgent(t *testing.T) {
	port := startDaemon(t, "")
	dir := testFolder(t)
	ours := startAgent(t, AgentOptions{Hostname: "web1", Folders: []string{dir, "/etc"}})
	theirs := fmt.Sprintf("127.0.0.1:%d", port)
	// near is how far numbers may differ, as a part of the value and as a number: things go on between the two questions.
	f := func(key string, part, near float64) {
		t.Helper()
		key = strings.ReplaceAll(key, "DIR", dir)
		want, err1 := get(t, theirs, key)
		got, err2 := get(t, ours.Addr().String(), key)
		if (err1 == nil) != (err2 == nil) {
			t.Errorf("%s: %q %v, theirs %q %v", key, got, err2, want, err1)
			return
		}
		a, errA := strconv.ParseFloat(got, 64)
		b, errB := strconv.ParseFloat(want, 64)
		if errA == nil && errB == nil && math.Abs(a-b) <= near+part*math.Abs(b) || got == want {
			return
		}
		t.Errorf("%s: %.300q, theirs %.300q", key, got, want)
	}
	for _, key := range []string{
		"agent.ping", "agent.hostname", "system.uname", "system.sw.arch", "system.sw.os", "system.sw.os[full]", "system.hostname", "system.hostname[host,lower]", "system.boottime",
		"system.cpu.num", "system.cpu.num[max]", "system.users.num", "kernel.maxfiles", "kernel.maxproc", "vm.memory.size", "vm.memory.size[total]",
		"vfs.fs.size[/]", "vfs.fs.size[/,total]", "vfs.fs.inode[/,total]", "net.if.discovery", "system.cpu.discovery", "system.swap.size[,total]", "system.swap.size[,pfree]", "system.swap.size[,pused]",
		"vfs.file.size[DIR/a.txt]", "vfs.file.cksum[DIR/a.txt]", "vfs.file.md5sum[DIR/a.txt]", "vfs.file.contents[DIR/a.txt]", "vfs.file.time[DIR/a.txt]", "vfs.file.time[DIR/a.txt,change]",
		"vfs.file.exists[DIR/a.txt]", "vfs.file.exists[DIR/sub]", "vfs.file.exists[DIR/sub,dir]", "vfs.file.exists[DIR/none]", "vfs.file.regexp[DIR/a.txt,two]", `vfs.file.regexp[DIR/a.txt,"t(w)o",,,,\1]`,
		"vfs.file.regmatch[DIR/a.txt,two]", "vfs.file.regmatch[DIR/a.txt,two,,3]", "vfs.file.regmatch[DIR/a.txt,none]", "vfs.file.cksum[/etc/passwd]", "net.tcp.listen[1]", "net.udp.listen[1]",
		fmt.Sprintf("net.tcp.listen[%d]", port), fmt.Sprintf("net.tcp.port[,%d]", port), "net.tcp.port[,1]", "net.tcp.service[ssh,,1]", "proc.num[no_such]", "proc.num[zabbix_agentd]", "proc.mem[zabbix_agentd,,max]",
		"vfs.dev.read[vda,operations]", "system.swap.in", "net.if.collisions[lo]",
		// What is refused.
		"nonsense", "agent.ping[x]", "vm.memory.size[x]", "vfs.fs.size[]", "vfs.fs.size[/,x]", "net.if.in[]", "net.if.in[none]", "net.if.in[lo,x]", "system.cpu.util[all,x]", "system.cpu.load[x]", "proc.num[,,x]", "system.run[id]",
		"vfs.file.size[DIR/none]", "vfs.file.contents[DIR/none]", "vfs.file.md5sum[DIR/none]", "vfs.file.regexp[DIR/a.txt]",
	} {
		f(key, 0.02, 0)
	}
	for _, key := range []string{"proc.num[,root,zomb]", "system.uptime", "system.localtime", "vfs.fs.inode[/,pfree]", "vfs.fs.inode[/,pused]", "vfs.fs.size[/,pfree]", "vfs.fs.size[/,pused]", "vm.memory.size[pused]", "vm.memory.size[pavailable]", "system.cpu.load[all,avg15]", "system.cpu.load[percpu,avg5]"} {
		f(key, 0.05, 5)
	}
	for _, key := range []string{"vfs.fs.size[/,free]", "vfs.fs.size[/,used]", "vfs.fs.inode[/,free]", "vfs.fs.inode[/,used]", "vm.memory.size[free]", "vm.memory.size[used]", "vm.memory.size[available]", "vm.memory.size[buffers]",
		"vm.memory.size[cached]", "vm.memory.size[active]", "vm.memory.size[inactive]", "vm.memory.size[anon]", "vm.memory.size[slab]", "net.if.in[lo]", "net.if.out[lo,packets]", "net.if.total[lo]",
		"net.if.in[lo,errors]", "net.if.out[lo,dropped]", "net.if.in[lo,overruns]", "net.if.in[lo,multicast]", "system.cpu.switches", "system.cpu.intr", "kernel.openfiles", "proc.num", "proc.num[,root]", "proc.mem", "proc.mem[,,avg]"} {
		f(key, 0.5, 1000)
	}
	for _, key := range []string{"vfs.fs.discovery", "vfs.fs.get"} {
		want, err1 := get(t, theirs, key)
		got, err2 := get(t, ours.Addr().String(), key)
		var a, b []map[string]any
		if err := errors.Join(err1, err2, json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
			t.Error(key, err)
			continue
		}
		names := func(rows []map[string]any) (out []string) {
			for _, r := range rows {
				out = append(out, fmt.Sprint(r["fsname"], r["{#FSNAME}"]))
			}
			slices.Sort(out)
			return slices.Compact(out)
		}
		if !slices.Equal(names(a), names(b)) {
			t.Errorf("%s: %q, theirs %q", key, names(b), names(a))
		}
	}
}

// TestRealAgentActive has Zabbix' own agent, in active mode, send to our trapper.
func TestRealAgentActive(t *testing.T) {
	var s sink
	o := s.options()
	o.Active = func(string, string) []ActiveItem {
		return []ActiveItem{{"agent.ping", time.Second}, {"system.cpu.num", time.Second}}
	}
	tr := startTrapper(t, o)
	startDaemon(t, fmt.Sprintf("ServerActive=%s\nBufferSend=1\n", tr.Addr()))
	deadline := time.Now().Add(20 * time.Second)
	for s.count() < 2 {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s.samples)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%+v", s.samples[:2])
}

// TestZabbixSender has the real zabbix_sender send to our trapper.
func TestZabbixSender(t *testing.T) {
	path, err := exec.LookPath("zabbix_sender")
	if err != nil {
		t.Skip("zabbix-agent is not installed")
	}
	var s sink
	tr := startTrapper(t, s.options())
	_, port, _ := net.SplitHostPort(tr.Addr().String())
	out, err := exec.Command(path, "-z", "127.0.0.1", "-p", port, "-s", "web1", "-k", "backup", "-o", "12", "-vv").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "processed: 1; failed: 0; total: 1") {
		t.Errorf("%s %v", out, err)
	}
	t.Logf("%s", out)
	if r := s.results["web1/backup"]; r.Status != model.Critical {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(t.TempDir(), "values")
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "web1 other%d %d %d\n", i, 1700000000+i, i)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command(path, "-z", "127.0.0.1", "-p", port, "-T", "-i", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "sent: 1000; skipped: 0; total: 1000") {
		t.Errorf("%s %v", out, err)
	}
	if len(s.samples) != 1001 || s.samples[1000].At != time.Unix(1700000999, 0) {
		t.Errorf("%d samples", len(s.samples))
	}
}
