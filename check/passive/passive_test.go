package passive

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// inbox remembers results.
type inbox struct {
	mu   sync.Mutex
	all  []string
	last model.CheckResult
	err  error
}

func (b *inbox) submit(_ context.Context, host, name string, r model.CheckResult) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, fmt.Sprintf("%s/%s %v %s", host, name, r.Status, r.Output))
	b.last = r
	return b.err
}

func (b *inbox) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := strings.Join(b.all, "\n")
	b.all = nil
	return out
}

// wait waits until all that is wanted has come.
func (b *inbox) wait(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	got := ""
	for {
		got += b.take() + "\n"
		if !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(got, w) }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q came, not %q", got, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func serve(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func spec(host, name, kind, options string) check.Spec {
	return check.Spec{Host: host, Name: name, Kind: kind, Options: json.RawMessage(options)}
}

func TestKinds(t *testing.T) {
	f := func(kind int, options, want string) {
		t.Helper()
		_, err := Kinds()[kind].New(check.Params{Options: json.RawMessage(options)})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", options, err)
		}
	}
	f(0, ``, "")
	f(0, `{"zabbix_key":"a[b]","warning":5}`, "")
	f(0, `{"zabbix_key":"a["}`, "zabbix_key:")
	f(0, `{"warning":5}`, "zabbix_key")
	f(0, `{"nope":5}`, "nope")
	f(1, `{"token":"0123456789abcdef"}`, "")
	f(1, `{}`, "token:")
	f(1, `{"token":"short"}`, "at least 16")
	f(1, `{"token":"0123456789abcdef/x"}`, "letters, digits")

	targets, err := Targets([]check.Spec{spec("a", "b", "passive", `{"zabbix_key":"k","warning":5}`), spec("a", "c", "passive", `{"zabbix_key":"k"}`), spec("a", "d", "passive", ``), spec("a", "e", "http", `{"x":1}`)})
	if len(targets) != 1 || targets[[2]string{"a", "k"}].Check != "b" || err == nil || !strings.Contains(err.Error(), "check a/c: zabbix_key: k is that of the check b") {
		t.Error(targets, err)
	}
}

func TestHeartbeat(t *testing.T) {
	var in inbox
	h := NewHeartbeats(in.submit, quiet(), prometheus.NewRegistry())
	now := time.Unix(1700000000, 0)
	h.now = func() time.Time { return now }
	const tok = "0123456789abcdef"
	if err := h.Set([]check.Spec{spec("web1", "backup", "heartbeat", `{"token":"`+tok+`"}`), spec("web1", "bad", "heartbeat", `{"token":"x"}`), spec("web1", "same", "heartbeat", `{"token":"`+tok+`"}`), spec("web1", "http", "http", ``)}); err == nil ||
		!strings.Contains(err.Error(), "web1/bad") || !strings.Contains(err.Error(), "web1/same") {
		t.Error(err)
	}
	f := func(method, path, body string, code int, want string) {
		t.Helper()
		now = now.Add(time.Second)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		if got := in.take(); w.Code != code || got != want {
			t.Errorf("%s %s: %d %q, want %d %q", method, path, w.Code, got, code, want)
		}
	}
	f("GET", "/heartbeat/"+tok, "", 200, "web1/backup OK signal received")
	f("HEAD", "/heartbeat/"+tok, "", 200, "web1/backup OK signal received")
	f("POST", "/heartbeat/"+tok, "saved 5 files | files=5\nmore", 200, "web1/backup OK saved 5 files")
	if len(in.last.Perf) != 1 || in.last.Long != "more" {
		t.Errorf("%+v", in.last)
	}
	f("POST", "/prefix/heartbeat/"+tok+"/fail", "", 200, "web1/backup CRITICAL the job says that it failed")
	f("GET", "/heartbeat/"+tok+"/0", "", 200, "web1/backup OK signal received")
	f("POST", "/heartbeat/"+tok+"/7", "no space", 200, "web1/backup CRITICAL exit code 7: no space")
	f("GET", "/heartbeat/"+tok+"/start", "", 200, "")
	f("GET", "/heartbeat/"+tok+"/start?rid=2", "", 200, "")
	f("GET", "/heartbeat/"+tok, "", 200, "web1/backup OK signal received")
	if len(in.last.Perf) != 1 || in.last.Perf[0].Value != 2 {
		t.Errorf("%+v", in.last.Perf)
	}
	f("GET", "/heartbeat/"+tok+"?rid=2", "", 200, "web1/backup OK signal received")
	if len(in.last.Perf) != 1 || in.last.Perf[0].Value != 2 {
		t.Errorf("%+v", in.last.Perf)
	}
	f("GET", "/heartbeat/fedcba9876543210", "", 404, "")
	f("GET", "/heartbeat/"+tok+"/256", "", 404, "")
	f("GET", "/heartbeat/"+tok+"/fail/x", "", 404, "")
	f("GET", "/heartbeat/", "", 404, "")
	f("DELETE", "/heartbeat/"+tok, "", 405, "")
	f("POST", "/heartbeat/"+tok, strings.Repeat("x", 1<<20), 200, "web1/backup OK "+strings.Repeat("x", 8<<10))
	for range 100 {
		f("GET", "/heartbeat/"+tok+"/start?rid="+fmt.Sprint(now.UnixNano()), "", 200, "")
	}
	for _, b := range h.checks {
		if len(b.runs) != maxRuns {
			t.Errorf("%d runs are remembered", len(b.runs))
		}
	}
	w := httptest.NewRecorder()
	for range 2 {
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/heartbeat/"+tok, nil))
	}
	if w.Code != http.StatusTooManyRequests {
		t.Error(w.Code)
	}
	in.take()
	in.err = errors.New("no")
	f("GET", "/heartbeat/"+tok, "", 503, "web1/backup OK signal received")
}

func ExampleHeartbeats() {
	h := NewHeartbeats(func(_ context.Context, host, name string, r model.CheckResult) error {
		fmt.Println(host, name, r.Status, r.Output)
		return nil
	}, quiet(), prometheus.NewRegistry())
	_ = h.Set([]check.Spec{spec("db1", "backup", "heartbeat", `{"token":"0123456789abcdef"}`)})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/heartbeat/0123456789abcdef/1", strings.NewReader("disk full")))
	// Output: db1 backup CRITICAL exit code 1: disk full
}

// sendNSCA is a client for tests; it can lie.
func sendNSCA(t *testing.T, addr string, m method, password string, size int, change func(b []byte)) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	hello := make([]byte, nscaIV+4)
	if _, err := io.ReadFull(c, hello); err != nil {
		t.Fatal(err)
	}
	encrypt := func([]byte) {}
	if m.number == 1 {
		d, _ := m.decrypter(password, hello[:nscaIV])
		encrypt = func(b []byte) { d(b, 0) }
	} else if m.block != nil {
		key := make([]byte, m.key)
		copy(key, password)
		block, err := m.block(key)
		if err != nil {
			t.Fatal(err)
		}
		encrypt = func(b []byte) { cfb8Encrypt(block, hello[:block.BlockSize()], b) }
	}
	b := nscaPacket(size, binary.BigEndian.Uint32(hello[nscaIV:]), 2, "web1", "disk", "DISK full | a=1")
	if change != nil {
		change(b)
	}
	encrypt(b)
	_, _ = c.Write(b)
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

func cfb8Encrypt(block cipher.Block, iv, b []byte) {
	shift, out := append([]byte(nil), iv...), make([]byte, block.BlockSize())
	for i := range b {
		block.Encrypt(out, shift)
		b[i] ^= out[0]
		shift = append(shift[1:], b[i])
	}
}

func nscaPacket(size int, at uint32, code int16, host, service, output string) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint16(b, nscaVersion)
	binary.BigEndian.PutUint32(b[8:], at)
	binary.BigEndian.PutUint16(b[12:], uint16(code)) //nolint:gosec // the same bits
	copy(b[nscaHost:], host)
	copy(b[nscaService:], service)
	copy(b[nscaOutput:], output)
	binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b))
	return b
}

func listenNSCA(t *testing.T, o NSCAOptions) *NSCA {
	t.Helper()
	o.Address = "127.0.0.1:0"
	n, err := ListenNSCA(o, quiet(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	serve(t, n.Serve)
	return n
}

func TestNSCA(t *testing.T) {
	for _, m := range methods() {
		var in inbox
		n := listenNSCA(t, NSCAOptions{Method: m.name, Password: "secret", Submit: in.submit})
		for _, size := range []int{nscaShort, nscaLong} {
			sendNSCA(t, n.Addr().String(), m, "secret", size, nil)
			if got := in.take(); got != "web1/disk CRITICAL DISK full" {
				t.Errorf("%s, %d bytes: %q", m.name, size, got)
			}
			if m.number > 0 {
				sendNSCA(t, n.Addr().String(), m, "wrong", size, nil)
			}
			sendNSCA(t, n.Addr().String(), m, "secret", size, func(b []byte) { b[300]++ })
			sendNSCA(t, n.Addr().String(), m, "secret", size, func(b []byte) { // recorded two minutes ago
				copy(b, nscaPacket(len(b), uint32(time.Now().Unix()-120), 0, "web1", "disk", "OK")) //nolint:gosec // a time
			})
			if got := in.take(); got != "" {
				t.Errorf("%s: what is wrong is taken: %q", m.name, got)
			}
		}
	}
	for _, bad := range []NSCAOptions{{Method: "rot13"}, {Method: "aes"}} {
		if _, err := ListenNSCA(bad, quiet(), prometheus.NewRegistry()); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestHostResult(t *testing.T) {
	f := func(code int, want model.Status) {
		t.Helper()
		if name, r := result("", code, `PING\nmore`); name != check.HostCheck || r.Status != want || r.Output != "PING" || r.Long != "more" {
			t.Errorf("%d: %s %+v", code, name, r)
		}
	}
	f(0, model.OK)
	f(1, model.Critical)
	f(2, model.Critical)
}

func FuzzNSCA(f *testing.F) {
	f.Add(nscaPacket(nscaShort, 1, 0, "a", "b", "c"))
	f.Add(nscaPacket(nscaLong, 1, 2, strings.Repeat("a", 64), strings.Repeat("b", 128), "c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= nscaShort { // let it past the checksum
			clear(b[4:8])
			binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b[:nscaShort]))
		}
		var in inbox
		n := &NSCA{o: NSCAOptions{Submit: in.submit, MaxAge: 1 << 62}, log: quiet(), packets: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x"}, []string{"result"})}
		size := 0
		p, err := readNSCA(bytes.NewReader(b), func([]byte, int) {}, &size)
		if err != nil {
			return
		}
		_ = n.take(t.Context(), p)
	})
}

// TestSendNSCA has the real send_nsca send, with every encryption.
func TestSendNSCA(t *testing.T) {
	path, err := exec.LookPath("send_nsca")
	if err != nil {
		t.Skip("nsca-client is not installed")
	}
	for _, m := range methods() {
		var in inbox
		n := listenNSCA(t, NSCAOptions{Method: m.name, Password: "geheim", Submit: in.submit})
		config := filepath.Join(t.TempDir(), "send_nsca.cfg")
		if err := os.WriteFile(config, fmt.Appendf(nil, "password=geheim\nencryption_method=%d\n", m.number), 0o600); err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(n.Addr().String())
		cmd := exec.Command(path, "-H", "127.0.0.1", "-p", port, "-c", config)
		// Three in one connection: they are separated by the byte 23.
		cmd.Stdin = strings.NewReader("web1\tdisk\t1\tDISK low | a=5\n\x17web1\t0\tup again\n\x17web2\tlong\t2\t" + strings.Repeat("x", 600) + "\n\x17")
		out, err := cmd.CombinedOutput()
		t.Logf("%s: %s %v", m.name, bytes.TrimSpace(out), err)
		in.wait(t, "web1/disk WARNING DISK low", "web1/host OK up again", "web2/long CRITICAL xxx")
		if err != nil || !strings.Contains(string(out), "3 data packet(s) sent") {
			t.Errorf("%s: %s %v", m.name, out, err)
		}
	}
}

// engine remembers what it was told.
type engine struct {
	mu  sync.Mutex
	all []string
}

func (e *engine) note(format string, args ...any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, fmt.Sprintf(format, args...))
	return nil
}

func (e *engine) actions() Actions {
	return Actions{
		Submit: func(_ context.Context, host, name string, r model.CheckResult) error {
			return e.note("result %s/%s %v %s", host, name, r.Status, r.Output)
		},
		Acknowledge: func(_ context.Context, ids []string, a check.Ack) error {
			return e.note("ack %q %s %s %v %d", ids, a.By, a.Comment, a.Sticky, a.Until.Unix())
		},
		Unacknowledge: func(_ context.Context, ids []string, by, _ string) error { return e.note("unack %q %s", ids, by) },
		AddDowntime: func(_ context.Context, d check.Downtime) (check.Downtime, error) {
			return d, e.note("downtime %q %d %d %v %v %s %s %s", d.Checks, d.Start.Unix(), d.End.Unix(), d.Flexible, time.Duration(d.Length), d.Trigger, d.By, d.Comment)
		},
		EndDowntime: func(_ context.Context, id, _ string) error { return e.note("end %s", id) },
		Downtimes: func() []check.Downtime {
			return []check.Downtime{{ID: "a", Checks: []string{"web1/host"}, Start: time.Unix(5, 0)}, {ID: "b", Checks: []string{"web1/disk"}, Comment: "c"}, {ID: "c", Checks: []string{"web2/disk"}}}
		},
		Recheck:  func(ids []string, _ string) error { return e.note("recheck %q", ids) },
		Comment:  func(_ context.Context, id, by, text string) error { return e.note("comment %s %s %s", id, by, text) },
		Services: func(host string) []string { return []string{host + "/disk", host + "/http"} },
		Hosts:    func(string) []string { return []string{"web1", "web2"} },
		Members:  func(string) []string { return []string{"web1/disk", "web1/http", "web2/disk"} },
	}
}

func (e *engine) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := strings.Join(e.all, "\n")
	e.all = nil
	return out
}

func TestCommands(t *testing.T) {
	var e engine
	f := func(line, want string) {
		t.Helper()
		_, err := e.actions().Do(t.Context(), line, time.Unix(9, 0))
		if got := e.take(); err != nil || got != want {
			t.Errorf("%s:\n got %s %v\nwant %s", line, got, err, want)
		}
	}
	f("[1700000000] PROCESS_SERVICE_CHECK_RESULT;web1;disk;2;DISK; full | a=1", "result web1/disk CRITICAL DISK; full")
	f("PROCESS_HOST_CHECK_RESULT;web1;1;no answer", "result web1/host CRITICAL no answer")
	f("[1] ACKNOWLEDGE_SVC_PROBLEM;web1;disk;2;1;1;ann;I; know", `ack ["web1/disk"] ann I; know true -62135596800`)
	f("[1] ACKNOWLEDGE_HOST_PROBLEM;web1;1;1;1;ann;ok", `ack ["web1/host"] ann ok false -62135596800`)
	f("[1] ACKNOWLEDGE_SVC_PROBLEM_EXPIRE;web1;disk;1;1;1;1700000000;ann;ok", `ack ["web1/disk"] ann ok false 1700000000`)
	f("[1] REMOVE_SVC_ACKNOWLEDGEMENT;web1;disk", `unack ["web1/disk"] command file`)
	f("[1] REMOVE_HOST_ACKNOWLEDGEMENT;web1", `unack ["web1/host"] command file`)
	f("[1] SCHEDULE_SVC_DOWNTIME;web1;disk;100;200;1;0;7200;ann;new disk", `downtime ["web1/disk"] 100 200 false 0s  ann new disk`)
	f("[1] SCHEDULE_HOST_DOWNTIME;web1;100;200;0;abc;60;ann;x", `downtime ["web1/host"] 100 200 true 1m0s abc ann x`)
	f("[1] SCHEDULE_HOST_SVC_DOWNTIME;web1;100;200;1;0;0;ann;x", `downtime ["web1/disk" "web1/http"] 100 200 false 0s  ann x`)
	f("[1] SCHEDULE_HOSTGROUP_HOST_DOWNTIME;web;100;200;1;0;0;ann;x", `downtime ["web1/host" "web2/host"] 100 200 false 0s  ann x`)
	f("[1] SCHEDULE_HOSTGROUP_SVC_DOWNTIME;web;100;200;1;0;0;ann;x", `downtime ["web1/disk" "web1/http" "web2/disk" "web2/http"] 100 200 false 0s  ann x`)
	f("[1] SCHEDULE_SERVICEGROUP_HOST_DOWNTIME;web;100;200;1;0;0;ann;x", `downtime ["web1/host" "web2/host"] 100 200 false 0s  ann x`)
	f("[1] DEL_SVC_DOWNTIME;abc", "end abc")
	f("[1] DEL_DOWNTIME_BY_HOST_NAME;web1", "end a\nend b")
	f("[1] DEL_DOWNTIME_BY_HOST_NAME;web1;disk", "end b")
	f("[1] DEL_DOWNTIME_BY_HOST_NAME;web1;;5", "end a")
	f("[1] DEL_DOWNTIME_BY_HOST_NAME;web1;;;c", "end b")
	f("[1] SCHEDULE_FORCED_SVC_CHECK;web1;disk;1700000000", `recheck ["web1/disk"]`)
	f("[1] SCHEDULE_HOST_CHECK;web1;1700000000", `recheck ["web1/host"]`)
	f("[1] SCHEDULE_FORCED_HOST_SVC_CHECKS;web1;1700000000", `recheck ["web1/disk" "web1/http"]`)
	f("[1] ADD_SVC_COMMENT;web1;disk;1;ann;hello; there", "comment web1/disk ann hello; there")
	f("[1] ADD_HOST_COMMENT;web1;1;ann;hello", "comment web1/host ann hello")

	bad := func(line string, want error) {
		t.Helper()
		if _, err := e.actions().Do(t.Context(), line, time.Unix(9, 0)); !errors.Is(err, want) {
			t.Errorf("%s: %v", line, err)
		}
		if got := e.take(); got != "" {
			t.Errorf("%s: %s", line, got)
		}
	}
	bad("[x] ADD_HOST_COMMENT;web1;1;ann;hello", errMalformed)
	bad("[1 ADD_HOST_COMMENT;web1;1;ann;hello", errMalformed)
	bad("[1] SHUTDOWN_PROGRAM", errUnknownCommand)
	bad("[1] PROCESS_SERVICE_CHECK_RESULT;web1;disk", errMalformed)
	bad("[1] PROCESS_SERVICE_CHECK_RESULT;web1;disk;x;y", errMalformed)
	bad("[1] SCHEDULE_SVC_DOWNTIME;web1;disk;200;100;1;0;7200;ann;x", errMalformed)
	bad("[1] SCHEDULE_SVC_DOWNTIME;web1;disk;100;99999999999999;1;0;7200;ann;x", errMalformed)
	if _, err := (Actions{}).Do(t.Context(), "ADD_HOST_COMMENT;web1;1;ann;hello", time.Now()); !errors.Is(err, errNoAction) {
		t.Error(err)
	}
}

func FuzzCommands(f *testing.F) {
	f.Add("[1] SCHEDULE_SVC_DOWNTIME;web1;disk;100;200;1;0;7200;ann;x")
	f.Add("[1] PROCESS_SERVICE_CHECK_RESULT;web1;disk;2;x|a=1")
	f.Add("ACKNOWLEDGE_SVC_PROBLEM_EXPIRE;a;b;1;1;1;99;c;d")
	f.Add("DEL_DOWNTIME_BY_HOST_NAME;web1;;5;c")
	f.Fuzz(func(t *testing.T, line string) {
		var e engine
		_, _ = e.actions().Do(t.Context(), line, time.Now())
		var l lineReader
		l.add([]byte(line), func([]byte) {})
	})
}

func TestCommandFile(t *testing.T) {
	var in inbox
	path := filepath.Join(t.TempDir(), "nagios.cmd")
	open := func() *CommandFile {
		t.Helper()
		f, err := OpenCommandFile(CommandFileOptions{Path: path, Actions: Actions{Submit: in.submit}}, quiet(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	t.Run("serve", func(t *testing.T) {
		f := open()
		serve(t, f.Serve)
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o620 {
			t.Error(fi, err)
		}
		shell := func(text string) {
			t.Helper()
			if out, err := exec.Command("/bin/sh", "-c", text).CombinedOutput(); err != nil {
				t.Fatalf("%s %v", out, err)
			}
		}
		shell("printf '[%s] PROCESS_SERVICE_CHECK_RESULT;web1;disk;1;low\\n' $(date +%s) > " + path)
		in.wait(t, "web1/disk WARNING low")
		shell("head -c 1000000 /dev/zero | tr '\\0' x > " + path + "; printf '\\nnonsense\\n\\nPROCESS_HOST_CHECK_RESULT;web1;0;up\\n' > " + path) // a flood, then writers that come and go
		in.wait(t, "web1/host OK up")
	})
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("the pipe that was made is left:", err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("there already", func(t *testing.T) { serve(t, open().Serve) })
	if _, err := os.Stat(path); err != nil {
		t.Error("a pipe that was there is removed")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, "relative", "/none/x"} {
		if _, err := OpenCommandFile(CommandFileOptions{Path: bad}, quiet(), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestHostilePeers(t *testing.T) {
	routines, fds := runtime.NumGoroutine(), descriptors(t)
	t.Run("peers", func(t *testing.T) {
		var in inbox
		n := listenNSCA(t, NSCAOptions{Submit: in.submit})
		for _, junk := range []string{"", "GET / HTTP/1.0\r\n\r\n", strings.Repeat("x", nscaShort), strings.Repeat("\xff", 1<<20)} {
			c, err := net.Dial("tcp", n.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, junk)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
		if got := in.take(); got != "" {
			t.Error(got)
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
