package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// hostileOptions are what each kind is asked with: as much of its dialogue as possible, so that every reader meets every peer.
func hostileOptions() map[string][]string {
	login := `"username":"u","password":"p"`
	return map[string][]string{
		"http":       {`{}`, `{"tls":true,"insecure_skip_verify":true}`, `{"json":[{"path":"$.a"}],"matches":["x"]}`, `{"http_version":"2"}`, `{"compression":"zstd"}`, `{"compression":"br"}`},
		"tcp":        {`{}`, `{"tls":true}`, `{"expect":"never"}`, `{"dialogue":[{"expect":"^never"}]}`},
		"tls":        {`{}`, `{"starttls":"smtp"}`, `{"starttls":"imap"}`, `{"starttls":"pop3"}`, `{"starttls":"ftp"}`, `{"starttls":"ldap"}`, `{"starttls":"postgresql"}`},
		"dns":        {`{"name":"example.com"}`, `{"name":"example.com","transport":"tcp"}`, `{"name":"example.com","transport":"tls"}`},
		"smtp":       {`{}`, `{"tls":true}`, `{"starttls":true}`, `{"plain_login":true,` + login + `}`},
		"imap":       {`{}`, `{"tls":true}`, `{"starttls":true}`, `{"plain_login":true,` + login + `}`},
		"pop3":       {`{}`, `{"tls":true}`, `{"starttls":true}`, `{"plain_login":true,` + login + `}`},
		"ftp":        {`{}`, `{"tls":true}`, `{"starttls":true}`, `{"plain_login":true,` + login + `}`},
		"ssh":        {`{}`, `{"banner_only":true}`},
		"ntp":        {`{}`},
		"ldap":       {`{}`, `{"tls":true}`, `{"starttls":true}`, `{"base":"dc=x","entries":"1:"}`},
		"postgresql": {`{}`, `{"tls":true}`, `{"query":"SELECT 1",` + login + `}`},
		"mysql":      {`{}`, `{` + login + `}`, `{"tls":true,` + login + `}`},
		"redis":      {`{}`, `{"tls":true}`, `{"password":"p"}`, `{"commands":[{"command":["KEYS","*"]}]}`},
		"memcached":  {`{}`, `{"stats":[{"name":"x"}]}`},
		"mongodb":    {`{}`, `{"tls":true}`},
		"cassandra":  {`{}`, `{"tls":true}`},
		"mqtt":       {`{}`, `{"tls":true}`, `{"topic":"t"}`},
		"amqp":       {`{}`, `{"tls":true}`, `{` + login + `}`},
		"nats":       {`{}`, `{"tls":true}`, `{` + login + `}`},
		"kafka":      {`{}`, `{"tls":true}`, `{"topics":["t"]}`},
		"zookeeper":  {`{}`, `{"command":"srvr"}`},
		"grpc":       {`{}`, `{"tls":true}`},
		"websocket":  {`{}`, `{"tls":true}`, `{"expect":"x"}`},
		"sip":        {`{}`, `{"transport":"tcp"}`, `{"transport":"tls"}`},
		"radius":     {`{"secret":"x"}`, `{"secret":"x",` + login + `}`},
	}
}

// withoutPeer are kinds that no peer on a port can answer here.
func withoutPeer(kind string) bool { return kind == "icmp" || kind == "snmp" }

// repeatUntilClosed writes the same until the other side has enough.
func repeatUntilClosed(c net.Conn, text string) {
	block := bytes.Repeat([]byte(text), max(64<<10/len(text), 1))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// hostilePeers are the ways in which a TCP peer can be bad.
func hostilePeers() map[string]func(c net.Conn) {
	wait := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	answer := func(text string) func(c net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			wait(c)
		}
	}
	return map[string]func(c net.Conn){
		"closes at once": func(net.Conn) {},
		"resets": func(c net.Conn) {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
		},
		"never answers":    wait,
		"endless banner":   func(c net.Conn) { repeatUntilClosed(c, "A") },
		"endless lines":    func(c net.Conn) { repeatUntilClosed(c, "220-hello\r\n") },
		"endless good":     func(c net.Conn) { repeatUntilClosed(c, "+OK\r\n") },
		"endless untagged": func(c net.Conn) { repeatUntilClosed(c, "* OK hello\r\n") },
		"endless zeros":    func(c net.Conn) { repeatUntilClosed(c, "\x00") },
		"endless ones":     func(c net.Conn) { repeatUntilClosed(c, "\xff") },
		"garbage": func(c net.Conn) {
			block := make([]byte, 32<<10)
			for {
				_, _ = rand.Read(block)
				if _, err := c.Write(block); err != nil {
					return
				}
			}
		},
		"slow loris": func(c net.Conn) {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for _, b := range []byte(strings.Repeat("220-slow ", 1000)) {
				<-tick.C
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		},
		"echo":              echoed,
		"endless redirects": answer("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
		"1 GB body": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
			repeatUntilClosed(c, "x")
		},
		"compressed bomb": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
			repeatUntilClosed(c, "\x00\x00\x00\xff\xff")
		},
		"endless headers": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			repeatUntilClosed(c, "X-A: b\r\n")
		},
		"endless chunks": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			repeatUntilClosed(c, "1\r\nx\r\n")
		},
		"TLS garbage":         answer("\x16\x03\x03\xff\xff" + strings.Repeat("\x02\xff\xff\xff", 1000)),
		"TLS alert":           answer("\x15\x03\x03\x00\x02\x02\x28"),
		"false Redis length":  answer("$2147483647\r\nabc"),
		"false Redis array":   answer(strings.Repeat("*4000\r\n", 4000)),
		"false frame":         answer("\x01\x00\x00\x7f\xff\xff\xff"),
		"false MongoDB":       answer("\xff\xff\xff\x7f\x00\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00"),
		"false MySQL":         answer("\xff\xff\xff\x00\x0a"),
		"false PostgreSQL":    answer("R\x7f\xff\xff\xff"),
		"false LDAP":          answer("\x30\x84\x7f\xff\xff\xff"),
		"false CQL":           answer("\x84\x00\x00\x00\x06\x7f\xff\xff\xff"),
		"false Kafka":         answer("\x7f\xff\xff\xff\x00\x00\x00\x07"),
		"false MQTT":          answer("\x20\xff\xff\xff\x7f"),
		"false DNS":           answer("\xff\xff\x00\x00\x81\x80\xff\xff\xff\xff\xff\xff\xff\xff"),
		"false SSH":           answer("SSH-2.0-x\r\n\x7f\xff\xff\xff\x04"),
		"false HTTP/2 frames": answer("\x00\x00\x00\x04\x00\x00\x00\x00\x00\xff\xff\xff\x00\x00\x00\x00\x00\x01"),
		"false WebSocket":     answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
	}
}

// isDatagram says whether a kind asks by UDP with these options.
func isDatagram(kind, options string) bool {
	switch kind {
	case "ntp", "radius":
		return true
	case "dns", "sip":
		return !strings.Contains(options, "transport")
	}
	return false
}

// leftovers counts goroutines and file descriptors.
func leftovers() (goroutines, files int) {
	entries, _ := os.ReadDir("/proc/self/fd")
	return runtime.NumGoroutine(), len(entries)
}

// nothingLeft waits until as few goroutines and file descriptors are there as before.
func nothingLeft(t *testing.T, goroutines, files int) {
	t.Helper()
	for range 500 {
		g, f := leftovers()
		if g <= goroutines && f <= files {
			return
		}
		runtime.Gosched()
		time.Sleep(10 * time.Millisecond) // what was closed ends on goroutines of libraries: there is nothing to wait for but their number
	}
	g, f := leftovers()
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		what, _ := os.Readlink("/proc/self/fd/" + e.Name())
		t.Log(e.Name(), what)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("before: %d goroutines, %d files; after: %d and %d\n%s", goroutines, files, g, f, stacks[:runtime.Stack(stacks, true)])
}

// patience is how long a probe may take beyond its context before it counts as hanging, on a machine that does much else.
const patience = 10 * time.Second

func TestHostilePeers(t *testing.T) {
	all := hostileOptions()
	for _, k := range Kinds(Options{}) {
		if len(all[k.Name]) == 0 && !withoutPeer(k.Name) {
			t.Errorf("kind %s meets no hostile peer", k.Name)
		}
	}
	closedPort(t) // what the runtime opens for its first socket stays
	before, files := leftovers()
	t.Run("peers", func(t *testing.T) {
		gate := make(chan struct{}, 24)
		var wg sync.WaitGroup
		defer wg.Wait()
		for peer, behave := range hostilePeers() {
			server := serve(t, behave)
			for kind, list := range all {
				for _, options := range list {
					if isDatagram(kind, options) {
						continue
					}
					gate <- struct{}{}
					wg.Go(func() {
						defer func() { <-gate }()
						meet(t, kind, options, peer, server)
					})
				}
			}
		}
	})
	nothingLeft(t, before, files)
}

// badVerb is what package fmt leaves where a verb did not fit, or a pointer; a peer's garbage has lone "%!" of its own.
var badVerb = regexp.MustCompile(`%!.?\(\w+|0xc000`)

// meet probes a peer, and looks at time and output.
func meet(t *testing.T, kind, options, peer, server string) model.CheckResult {
	p, err := tryBuild(kind, server, options)
	if err != nil {
		t.Error(err)
		return model.CheckResult{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	start := time.Now()
	r := p.Probe(ctx)
	name := fmt.Sprintf("%s %s, a peer that is %q", kind, options, peer)
	if took := time.Since(start); took > patience {
		t.Errorf("%s: took %s", name, took)
	}
	if r.Output == "" || len(r.Output) > 4096 || strings.ContainsAny(r.Output, "\r\n\x00\x1b") || !utf8.ValidString(r.Output+r.Long) {
		t.Errorf("%s: output is %q", name, r.Output)
	}
	if badVerb.MatchString(r.Output) {
		t.Errorf("%s: output is %q", name, r.Output)
	}
	if r.Status == model.OK && !mayBeOK(kind, options) {
		t.Errorf("%s: is OK, %q", name, r.Output)
	}
	if os.Getenv("TEST_SHOW_HOSTILE") != "" {
		t.Logf("%-12s %-24s %-20s %v %s", kind, options, peer, r.Status, r.Output)
	}
	if h, ok := p.(check.Holder); ok {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		_ = h.Hold(ctx)
	}
	return r
}

// mayBeOK are those to whom almost any peer is a good one, or whose dialogue some peer speaks by chance.
func mayBeOK(kind, options string) bool {
	switch kind {
	case "tcp":
		return options == `{}`
	case "http": // a body of 1 GB, headers and chunks without end are cut, and good as far as they were read
		return true
	case "pop3": // +OK without end is a good dialogue
		return true
	case "ssh":
		return strings.Contains(options, "banner_only")
	}
	return false
}

func TestHostileDatagrams(t *testing.T) {
	peers := map[string]func(q []byte) [][]byte{
		"never answers": func([]byte) [][]byte { return nil },
		"empty":         func([]byte) [][]byte { return [][]byte{{}} },
		"echo":          func(q []byte) [][]byte { return [][]byte{bytes.Clone(q)} },
		"flood": func(q []byte) [][]byte {
			all := make([][]byte, 300)
			for i := range all {
				all[i] = make([]byte, 1400)
				_, _ = rand.Read(all[i])
			}
			return all
		},
		"cut": func(q []byte) [][]byte { return [][]byte{bytes.Clone(q[:len(q)/2])} },
		"answer of ones": func(q []byte) [][]byte {
			a := bytes.Repeat([]byte{0xff}, 1000)
			copy(a, q[:2])
			return [][]byte{a}
		},
		"answer with false counts": func(q []byte) [][]byte {
			a := bytes.Clone(q)
			if len(a) > 12 {
				copy(a[2:], "\x81\x80\x00\x01\xff\xff\xff\xff\xff\xff")
			}
			return [][]byte{a}
		},
	}
	before, files := leftovers()
	t.Run("peers", func(t *testing.T) {
		var wg sync.WaitGroup
		defer wg.Wait()
		for peer, behave := range peers {
			server := datagramServer(t, behave)
			for kind, list := range hostileOptions() {
				for _, options := range list {
					if isDatagram(kind, options) {
						wg.Go(func() { meet(t, kind, options, peer, server) })
					}
				}
			}
		}
	})
	nothingLeft(t, before, files)
}

// TestMemoryIsBounded lets every kind read from peers that never stop, one at a time, and counts what was allocated for it.
func TestMemoryIsBounded(t *testing.T) {
	peers := hostilePeers()
	for _, peer := range []string{"endless banner", "endless lines", "endless good", "endless zeros", "1 GB body", "endless headers", "false Redis length", "false frame",
		"false MongoDB", "false PostgreSQL", "false MySQL", "false LDAP", "false CQL", "false Kafka", "false WebSocket", "false SSH", "TLS garbage"} {
		server := serve(t, peers[peer])
		for kind, list := range hostileOptions() {
			for _, options := range list {
				if isDatagram(kind, options) || strings.HasPrefix(peer, "false") && strings.Contains(options, "tls") {
					continue
				}
				p, err := tryBuild(kind, server, options)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				allocated := m.TotalAlloc
				p.Probe(ctx)
				cancel()
				runtime.ReadMemStats(&m)
				// Ours and the peer's together. A body is read into a buffer that doubles: four times 1 MiB.
				if grown := m.TotalAlloc - allocated; grown > 24<<20 {
					t.Errorf("%s %s, a peer that is %q: %s were allocated", kind, options, peer, size(int64(grown)))
				}
			}
		}
	}
}

// TestHostileProbes lets blackbox_exporter's probers meet the same peers.
func TestHostileProbes(t *testing.T) {
	modules, err := ReadModules([]byte(`modules:
  http: {prober: http, http: {fail_if_body_not_matches_regexp: [never]}}
  gzip: {prober: http, http: {compression: gzip}}
  tcp: {prober: tcp, tcp: {query_response: [{expect: "^never"}]}}
  tls: {prober: tcp, tcp: {tls: true}}
  bytes: {prober: tcp, tcp: {query_response: [{expect_bytes: never}]}}
  dns: {prober: dns, dns: {query_name: a, transport_protocol: tcp}}
  grpc: {prober: grpc}
  websocket: {prober: websocket, websocket: {query_response: [{expect: never}]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	closedPort(t)
	before, files := leftovers()
	t.Run("peers", func(t *testing.T) {
		gate := make(chan struct{}, 24)
		var wg sync.WaitGroup
		defer wg.Wait()
		for peer, behave := range hostilePeers() {
			server := serve(t, behave)
			for name, m := range modules {
				gate <- struct{}{}
				wg.Go(func() {
					defer func() { <-gate }()
					m.Timeout = 150 * time.Millisecond
					place := server
					if name == "websocket" {
						place = "ws://" + server
					}
					start := time.Now()
					families, debug, err := Probe(context.Background(), m, place)
					if err != nil || value(families, "probe_success") != 0 || len(debug) > maxDebug || time.Since(start) > patience {
						t.Errorf("%s, a peer that is %q: %v, success %v, %d bytes of log, took %s", name, peer, err, value(families, "probe_success"), len(debug), time.Since(start))
					}
				})
			}
		}
	})
	nothingLeft(t, before, files)
}
