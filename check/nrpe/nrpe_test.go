package nrpe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/model"
)

func TestPacket(t *testing.T) {
	f := func(version int16, text string, size int) {
		t.Helper()
		b := packet{version: version, kind: response, result: 2, text: []byte(text)}.encode(defaultPayload)
		if len(b) != size {
			t.Errorf("version %d: %d bytes, want %d", version, len(b), size)
		}
		r := bytes.NewReader(b)
		p, err := readPacket(r, defaultPayload)
		if err != nil || p.version != version || p.kind != response || p.result != 2 || string(p.text) != text || r.Len() != 0 {
			t.Errorf("version %d: %+v, %v, %d left", version, p, err, r.Len())
		}
	}
	long := strings.Repeat("x", 2000)
	f(2, "hello", 1036)
	f(3, "hello", 1036)
	f(4, "hello", 1036)
	f(3, long, 2020) // as check_nrpe writes them: 19, 16 and the text with its NUL
	f(4, long, 2017)
	f(2, "", 1036)
	if b := (packet{version: 4, text: bytes.Repeat([]byte("x"), 1<<20)}).encode(defaultPayload); len(b) != 16+maxPayload {
		t.Error(len(b))
	}
}

func TestBadPackets(t *testing.T) {
	f := func(want string, change func(b []byte) []byte) {
		t.Helper()
		b := packet{version: 4, kind: query, text: []byte("check_load")}.encode(defaultPayload)
		_, err := readPacket(bytes.NewReader(change(b)), defaultPayload)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f("checksum", func(b []byte) []byte { b[20]++; return b })
	f("version of the packet", func(b []byte) []byte { b[1] = 9; return b })
	f("bytes of text", func(b []byte) []byte { binary.BigEndian.PutUint32(b[12:], 1<<31); return b })
	f("bytes of text", func(b []byte) []byte { binary.BigEndian.PutUint32(b[12:], ^uint32(0)); return b })
	f("unexpected EOF", func(b []byte) []byte { binary.BigEndian.PutUint32(b[12:], 5000); return b })
	f("unexpected EOF", func(b []byte) []byte { return b[:15] })
	f("EOF", func([]byte) []byte { return nil })
}

func FuzzPacket(f *testing.F) {
	for _, v := range []int16{2, 3, 4} {
		f.Add(packet{version: v, kind: query, text: []byte("check!a!b")}.encode(defaultPayload))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 10 && len(b) < 70000 { // let the fuzzer past the checksum
			clear(b[4:8])
			binary.BigEndian.PutUint32(b[4:], crc32.ChecksumIEEE(b))
		}
		p, err := readPacket(bytes.NewReader(b), defaultPayload)
		if err != nil {
			return
		}
		again, err := readPacket(bytes.NewReader(p.encode(defaultPayload)), defaultPayload)
		if err != nil || again.kind != p.kind || again.result != p.result || !bytes.HasPrefix(p.text, again.text) {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add("command[a]=/bin/b $ARG1$\nserver_port=5666\nallowed_hosts=127.0.0.1, ::1\ndont_blame_nrpe=1\n")
	f.Add("include=x.cfg\nnasty_metachars=|`\\r\\n\ncommand_timeout=99999999\n[]=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") { // of whatever this machine has
			return
		}
		path := filepath.Join(t.TempDir(), "nrpe.cfg")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ReadConfig(path)
		if err != nil {
			return
		}
		s := &Server{metas: c.NastyMetachars}
		for _, line := range c.Commands {
			_, _ = s.split(line, []string{"a", "b c"})
		}
	})
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("d/one.cfg", "command[one]=/bin/one\n")
	write("d/sub/two.cfg", "command[two]=/bin/two\ninclude="+dir+"/nrpe.cfg\n")
	write("d/no.txt", "command[no]=/bin/no\n")
	main := write("nrpe.cfg", "# comment\nserver_port=5667\nserver_address=127.0.0.1\nallowed_hosts=127.0.0.1, 10.0.0.0/8,\ndont_blame_nrpe=1\ncommand_timeout=7\n"+
		"command[a]=/bin/a -x $ARG1$\ncommand[bad=x\nstrange=1\nnonsense\nlog_facility=daemon\ninclude_dir="+dir+"/d\ninclude="+dir+"/absent.cfg\n")
	c, err := ReadConfig(main)
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 5667 || strings.Join(c.AllowedHosts, " ") != "127.0.0.1 10.0.0.0/8" || !c.AllowArguments || c.CommandTimeout != 7*time.Second {
		t.Errorf("%+v", c)
	}
	if got := strings.Join(c.Names(), " "); got != "a one two" {
		t.Error(got)
	}
	if len(c.Warnings) != 4 {
		t.Errorf("%d warnings: %q", len(c.Warnings), c.Warnings)
	}
	if _, err := ReadConfig(write("bad.cfg", "server_port=99999\n")); err == nil || !strings.Contains(err.Error(), "bad.cfg:1: server_port") {
		t.Error(err)
	}
	if _, err := ReadConfig(filepath.Join(dir, "none.cfg")); err == nil {
		t.Error("no file is no error")
	}
}

func TestArguments(t *testing.T) {
	s := &Server{metas: nasty, o: ServerOptions{AllowArguments: true}}
	f := func(line string, args []string, want ...string) {
		t.Helper()
		got, err := s.split(line, args)
		if err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Errorf("%s %q: %q, %v", line, args, got, err)
		}
	}
	f("/bin/a -w $ARG1$ -c '$ARG2$'", []string{"1", "2 3"}, "/bin/a", "-w", "1", "-c", "2 3")
	f("/bin/a $ARG1$", []string{"-w 5 -c 10"}, "/bin/a", "-w", "5", "-c", "10")
	f("/bin/a $ARG1$ $ARG2$", []string{"$ARG2$"}, "/bin/a", "$ARG2$")
	f("/bin/a $ARG1$", nil, "/bin/a")
	if _, err := s.split("/bin/a | /bin/b", nil); err == nil {
		t.Error("a pipe is taken")
	}
	s.o.AllowShell = true
	f("/bin/a | /bin/b", nil, "/bin/sh", "-c", "/bin/a | /bin/b")
	if _, err := s.split("/bin/a $ARG1$ | /bin/b", []string{"x"}); err == nil {
		t.Error("an argument reaches a shell")
	}
	for _, bad := range []string{"a;b", "`x`", "$(x)", "a\nb", "a|b"} {
		if s.refuse([]string{bad}) == "" {
			t.Errorf("%q is taken", bad)
		}
	}
	if s.refuse(make([]string, 17)) == "" {
		t.Error("17 arguments are taken")
	}
}

// serve starts a server that ends with the test.
func serve(t *testing.T, o ServerOptions) *Server {
	t.Helper()
	s, err := Listen(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func portOf(a net.Addr) int { return a.(*net.TCPAddr).Port }

func probe(t *testing.T, port int, options map[string]any) model.CheckResult {
	t.Helper()
	options["port"] = port
	raw, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kinds()[0].New(check.Params{Host: "h", Address: "127.0.0.1", Name: "x", Options: raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.Probe(ctx)
}

// commands is a server's configuration for tests.
func commands(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nrpe.cfg")
	text := "dont_blame_nrpe=1\n" +
		"command[say]=/bin/sh -c 'echo \"said $0\"; exit 1' $ARG1$\n" +
		"command[perf]=/bin/sh -c 'echo \"fine | a=1;2;3\"; echo more'\n" +
		"command[long]=/bin/sh -c 'seq 1 3000'\n" +
		"command[slow]=/bin/sleep 30\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBothOfOurs(t *testing.T) {
	lookup := func(name string) (model.CheckResult, bool) {
		return model.CheckResult{Status: model.Critical, Output: "state of " + name, Perf: []model.Perf{{Label: "x", Value: 5}}}, name == "" || name == "web1/http"
	}
	for _, noTLS := range []bool{false, true} {
		s := serve(t, ServerOptions{Address: "127.0.0.1:0", ConfigFile: commands(t, ""), NoTLS: noTLS, Lookup: lookup, CommandTimeout: time.Second,
			Commands: map[string]plugin.Argv{"listed": {"/bin/echo", "$ARG1$", "x"}}})
		f := func(want string, options map[string]any) {
			t.Helper()
			options["no_tls"] = noTLS
			r := probe(t, portOf(s.Addr()), options)
			if got := r.Status.String() + " " + r.Output; !strings.HasPrefix(got, want) {
				t.Errorf("%v: %s, want %s", options, got, want)
			}
		}
		for _, version := range []int{0, 2, 3, 4} {
			f("WARNING said hello", map[string]any{"command": "say", "arguments": []string{"hello"}, "version": version})
			f("OK fine", map[string]any{"command": "perf", "version": version})
			f("OK 1", map[string]any{"command": "long", "version": version})
		}
		f("OK a  b x", map[string]any{"command": "listed", "arguments": []string{"a  b"}})
		f("OK NRPE v4.1.0", map[string]any{"command": "_NRPE_CHECK"})
		f("UNKNOWN NRPE: Command 'none' not defined", map[string]any{"command": "none"})
		f("UNKNOWN NRPE: an argument has characters", map[string]any{"command": "say", "arguments": []string{"a;b"}})
		f("CRITICAL state of", map[string]any{"command": "check_hulotte"})
		f("CRITICAL state of web1/http", map[string]any{"command": "web1/http"})
		f("CRITICAL state of web1/http", map[string]any{"command": "check_hulotte", "arguments": []string{"web1/http"}})
		f("CRITICAL stopped after", map[string]any{"command": "slow"})
	}
}

func TestClientErrors(t *testing.T) {
	s := serve(t, ServerOptions{Address: "127.0.0.1:0", NoTLS: true})
	other := serve(t, ServerOptions{Address: "127.0.0.1:0", AllowedHosts: []string{"10.0.0.1"}})
	f := func(s *Server, want string, options map[string]any) {
		t.Helper()
		if r := probe(t, portOf(s.Addr()), options); r.Status != model.Critical || !strings.Contains(r.Output, want) {
			t.Errorf("%v: %v, want %s", options, r, want)
		}
	}
	f(s, "no_tls: true", map[string]any{"command": "x"})
	f(other, "allowed_hosts", map[string]any{"command": "x"})
	f(other, "allowed_hosts", map[string]any{"command": "x", "no_tls": true})

	bad := func(options, want string) {
		t.Helper()
		if _, err := Kinds()[0].New(check.Params{Options: json.RawMessage(options)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", options, err)
		}
	}
	bad(`{}`, "command: missing")
	bad(`{"command":"a!b"}`, "use arguments")
	bad(`{"command":"a","version":1}`, "version:")
	bad(`{"command":"a","version":2,"arguments":["`+strings.Repeat("x", 1100)+`"]}`, "longer than a packet")
	bad(`{"command":"a","ca_file":"/none"}`, "ca_file:")
	bad(`{"command":"a","cert_file":"/none"}`, "give both")
	bad(`{"command":"a","server_name":"x"}`, "needs ca_file")
	bad(`{"command":"a","payload_size":5}`, "payload_size:")
	bad(`{"command":"a","port":70000}`, "port:")
}

// TestHostilePeers sends the server what no client sends, and gives the client what no server gives.
func TestHostilePeers(t *testing.T) {
	routines, fds := runtime.NumGoroutine(), descriptors(t)
	t.Run("server", func(t *testing.T) {
		s := serve(t, ServerOptions{Address: "127.0.0.1:0", NoTLS: true, MaxConns: 20})
		for _, junk := range []string{"", "GET / HTTP/1.0\r\n\r\n", "\x00\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff", strings.Repeat("\x00\x02", 518), "\x16\x03\x01"} {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, junk)
			_ = c.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if b, _ := io.ReadAll(c); len(b) > 0 {
				t.Errorf("%q is answered %q", junk, b)
			}
			_ = c.Close()
		}
		if r := probe(t, portOf(s.Addr()), map[string]any{"command": "_NRPE_CHECK", "no_tls": true}); r.Status != model.OK {
			t.Error("it is down:", r)
		}
	})
	t.Run("client", func(t *testing.T) {
		long := make([]byte, 16)
		copy(long, "\x00\x04\x00\x02")
		binary.BigEndian.PutUint32(long[12:], 1<<30)
		for _, junk := range []string{"HTTP/1.1 400 Bad\r\n\r\n", string(long), strings.Repeat("x", 100000), "\x00\x04"} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, junk)
					_, _ = io.CopyN(io.Discard, c, 1036)
					_ = c.Close()
				}
			}()
			if r := probe(t, portOf(l.Addr()), map[string]any{"command": "x", "no_tls": true}); r.Status != model.Critical {
				t.Errorf("%q: %v", junk[:2], r)
			}
			_ = l.Close()
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

// TestCheckNRPE has the real check_nrpe ask our server.
func TestCheckNRPE(t *testing.T) {
	path, err := plugin.LookUp("check_nrpe", plugin.Dirs())
	if err != nil {
		t.Skip("nagios-nrpe-plugin is not installed")
	}
	certs := makeCerts(t)
	ask := func(s *Server, args ...string) (int, string) {
		t.Helper()
		cmd := exec.Command(path, append([]string{"-H", "127.0.0.1", "-p", fmt.Sprint(portOf(s.Addr())), "-D"}, args...)...)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(out))
	}
	f := func(s *Server, exit int, want string, args ...string) {
		t.Helper()
		got, out := ask(s, args...)
		if got != exit || !strings.Contains(out, want) {
			t.Errorf("check_nrpe %q: %d %.200q, want %d %q", args, got, out, exit, want)
		}
		t.Logf("check_nrpe %.80q: %d %.80q", args, got, out)
	}
	lookup := func(string) (model.CheckResult, bool) {
		return model.CheckResult{Status: model.Warning, Output: "ours"}, true
	}
	tls := serve(t, ServerOptions{Address: "127.0.0.1:0", ConfigFile: commands(t, ""), Lookup: lookup})
	clear := serve(t, ServerOptions{Address: "127.0.0.1:0", ConfigFile: commands(t, ""), NoTLS: true, Lookup: lookup})
	for _, v := range [][]string{nil, {"-2"}, {"-3"}} {
		for s, with := range map[*Server][]string{tls: v, clear: append([]string{"-n"}, v...)} {
			f(s, 0, "NRPE v4.1.0", with...)
			f(s, 1, "said hello", append(with, "-c", "say", "-a", "hello")...)
			f(s, 0, "fine | a=1;2;3", append(with, "-c", "perf")...)
			f(s, 1, "ours", append(with, "-c", "check_hulotte")...)
			f(s, 3, "not allowed", append(with, "-c", "say", "-a", "a;b")...)
		}
	}
	f(tls, 0, "\n2999\n3000", "-c", "long")
	f(tls, 0, "\n200\n", "-2", "-c", "long")
	long := strings.Repeat("y", 1500)
	f(tls, 1, "said "+long, "-c", "say", "-a", long)

	f(tls, 1, "said hello", "-d", "2", "-S", "TLSv1.2", "-c", "say", "-a", "hello") // nothing but anonymous Diffie-Hellman, as before 3.0
	f(tls, 0, "\n2999\n3000", "-d", "2", "-S", "TLSv1.2", "-c", "long")
	f(tls, 1, "said "+long, "-d", "2", "-S", "TLSv1.2", "-c", "say", "-a", long)
	f(tls, 1, "said hello", "-d", "2", "-S", "TLSv1.2", "-2", "-c", "say", "-a", "hello")
	f(tls, 1, "said hello", "-c", "say", "-a", "hello") // and who takes certificates gets one
	f(tls, 0, "NRPE v4", "-d", "0")
	strict := serve(t, ServerOptions{Address: "127.0.0.1:0", ConfigFile: commands(t, "ssl_use_adh=0\n")})
	f(strict, 2, "Could not complete SSL handshake", "-d", "2", "-S", "TLSv1.2")

	mutual := serve(t, ServerOptions{Address: "127.0.0.1:0", ConfigFile: commands(t, ""), CertFile: certs.server, KeyFile: certs.serverKey, CAFile: certs.ca, ClientCerts: 2})
	f(mutual, 0, "NRPE v4", "-A", certs.ca, "-C", certs.client, "-K", certs.clientKey)
	f(mutual, 3, "0 bytes received", "-A", certs.ca)
}

// TestRealDaemon has our client ask the real daemon.
func TestRealDaemon(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/nrpe"); err != nil {
		t.Skip("nagios-nrpe-server is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("the daemon changes its user, which needs root")
	}
	certs := makeCerts(t)
	start := func(clear bool, more string) int {
		t.Helper()
		port := freePort(t)
		dir := openDir(t)
		config := filepath.Join(dir, "nrpe.cfg")
		text := fmt.Sprintf("server_address=127.0.0.1\nserver_port=%d\nnrpe_user=nagios\nnrpe_group=nagios\npid_file=%s/pid\nallowed_hosts=127.0.0.1\nlog_file=%[2]s/log\n", port, dir)
		b, err := os.ReadFile(commands(t, more))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(config, append([]byte(text), b...), 0o644); err != nil { //nolint:gosec // the daemon reads it
			t.Fatal(err)
		}
		args := []string{"-c", config, "-f"}
		if clear {
			args = append(args, "-n")
		}
		cmd := exec.Command("/usr/sbin/nrpe", args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if t.Failed() {
				log, _ := os.ReadFile(dir + "/log")
				t.Logf("%s\n%s", out.String(), log)
			}
		})
		waitFor(t, port)
		return port
	}
	f := func(port int, want string, options map[string]any) {
		t.Helper()
		r := probe(t, port, options)
		got := r.Status.String() + " " + r.Output
		if !strings.Contains(got, want) {
			t.Errorf("%v: %s, want %s", options, got, want)
		}
		t.Logf("%v: %.120s", options, got)
	}
	cert := "ssl_cert_file=" + certs.server + "\nssl_privatekey_file=" + certs.serverKey + "\nssl_cacert_file=" + certs.ca + "\n"
	plain, tls, mutual, adh := start(true, ""), start(false, cert), start(false, cert+"ssl_client_certs=2\n"), start(false, "")
	// The daemon 4.1.0 refuses version 3, from its own check_nrpe -3 too.
	f(plain, "closed the connection without an answer", map[string]any{"command": "say", "no_tls": true, "version": 3})
	for _, version := range []int{0, 2, 4} {
		f(plain, "WARNING said $", map[string]any{"command": "say", "no_tls": true, "version": version})
		f(tls, "WARNING said $", map[string]any{"command": "say", "version": version})
		f(tls, "OK 1", map[string]any{"command": "long", "version": version})
		f(mutual, "OK NRPE v4.1.0", map[string]any{"command": "_NRPE_CHECK", "ca_file": certs.ca, "cert_file": certs.client, "key_file": certs.clientKey, "version": version})
	}
	f(tls, "OK NRPE v4.1.0", map[string]any{"command": "_NRPE_CHECK", "ca_file": certs.ca, "server_name": "nrpe.example.org"})
	f(tls, "CRITICAL NRPE: TLS: x509", map[string]any{"command": "_NRPE_CHECK", "ca_file": certs.ca, "server_name": "other.example.org"})
	f(tls, "CRITICAL NRPE: TLS: x509", map[string]any{"command": "_NRPE_CHECK", "ca_file": makeCerts(t).ca})
	f(tls, "UNKNOWN NRPE: Command 'none' not defined", map[string]any{"command": "none"})
	f(mutual, "CRITICAL NRPE: ", map[string]any{"command": "_NRPE_CHECK"}) // in TLS, or by hanging up
	for _, version := range []int{0, 2, 4} {                               // Debian's default: no certificate at all
		f(adh, "WARNING said $", map[string]any{"command": "say", "version": version})
		f(adh, "OK 1", map[string]any{"command": "long", "version": version})
	}
	f(adh, "the other side has no certificate", map[string]any{"command": "_NRPE_CHECK", "no_anonymous": true})
	f(adh, "the other side has no certificate", map[string]any{"command": "_NRPE_CHECK", "ca_file": certs.ca})
	if r := probe(t, tls, map[string]any{"command": "perf"}); len(r.Perf) != 1 || r.Perf[0].Warn != "2" || r.Long != "more" {
		t.Errorf("%+v", r)
	}
	if r := probe(t, tls, map[string]any{"command": "long"}); !strings.HasSuffix(r.Long, "\n3000") {
		t.Errorf("%d bytes are left of the long output", len(r.Long))
	}
}

// openDir is a temporary folder that other users can read: the daemon runs as one.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // on purpose
			t.Fatal(err)
		}
	}
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return portOf(l.Addr())
}

func waitFor(t *testing.T, port int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

type certFiles struct{ ca, server, serverKey, client, clientKey string }

func makeCerts(t *testing.T) certFiles {
	t.Helper()
	dir := openDir(t)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil { //nolint:gosec // the daemon reads it
			t.Fatal(err)
		}
		return path
	}
	serial := int64(0)
	sign := func(name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (cert *x509.Certificate, key *ecdsa.PrivateKey, certFile, keyFile string) {
		serial++
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: ca == nil, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
		if ca == nil {
			ca, caKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, _ = x509.ParseCertificate(der)
		keyDER, _ := x509.MarshalECPrivateKey(key)
		return cert, key, write(name+".pem", "CERTIFICATE", der), write(name+".key", "EC PRIVATE KEY", keyDER)
	}
	var c certFiles
	ca, key, caFile, _ := sign("ca", nil, nil)
	c.ca = caFile
	_, _, c.server, c.serverKey = sign("nrpe.example.org", ca, key)
	_, _, c.client, c.clientKey = sign("client", ca, key)
	return c
}
