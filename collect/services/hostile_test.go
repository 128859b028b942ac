package services

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostile are servers that do everything but answer.
var hostile = map[string]func(net.Conn){
	"closes":  func(c net.Conn) {},
	"silent":  func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); select {} },
	"garbage": func(c net.Conn) { go discard(c); _, _ = c.Write([]byte("\xff\x00\x01 nonsense\r\n\r\n\n")); select {} },
	"endless line": func(c net.Conn) {
		go discard(c)
		for line := []byte(strings.Repeat("x", 64<<10)); ; {
			if _, err := c.Write(line); err != nil {
				return
			}
		}
	},
	"endless page": func(c net.Conn) {
		go discard(c)
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		for line := []byte(strings.Repeat("a_metric 1\n", 5000)); ; {
			if _, err := c.Write(line); err != nil {
				return
			}
		}
	},
	"a byte a moment": func(c net.Conn) {
		go discard(c)
		for {
			if _, err := c.Write([]byte("+")); err != nil {
				return
			}
			timer := time.NewTimer(20 * time.Millisecond)
			<-timer.C
		}
	},
	"all ones": func(c net.Conn) { go discard(c); _, _ = c.Write([]byte(strings.Repeat("\xff", 4096))); select {} },
	"all zero": func(c net.Conn) { go discard(c); _, _ = c.Write(make([]byte, 4096)); select {} },
}

func discard(c net.Conn) {
	for b := make([]byte, 4096); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

// serveHostile is serveTCP whose handlers may block for ever; they end with the process.
func serveHostile(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() { handle(c); c.Close() }()
		}
	}()
	return l.Addr().String()
}

// TestHostileServers: whatever is at the address, a gather ends in time, says that it failed, and holds little memory.
func TestHostileServers(t *testing.T) {
	for _, k := range Kinds() {
		if k.Address == "" { // not asked over the network
			continue
		}
		for what, handle := range hostile {
			t.Run(k.Name+"/"+what, func(t *testing.T) {
				t.Parallel()
				s, err := New(k.Name, Target{Address: serveHostile(t, handle), Timeout: 400 * time.Millisecond, Credentials: Credentials{Username: "u", Password: "p"}})
				if err != nil {
					t.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				begin := time.Now()
				fams, err := s.Gather()
				if took := time.Since(begin); took > 10*time.Second { // not a measure: it hung
					t.Errorf("took %s", took)
				}
				runtime.ReadMemStats(&after)
				if what == "endless page" && k.Up == "" {
					return // a page that is only too long may be cut and count as read
				}
				if err == nil {
					t.Errorf("no error, %d families", len(fams))
				} else if strings.Contains(err.Error(), "BUG") {
					t.Error(err)
				}
				if v, ok := value(fams, k.Up); k.Up != "" && (!ok || v != 0) {
					t.Errorf("%s = %v (%v), want 0", k.Up, v, ok)
				}
			})
		}
	}
}

// TestNothingIsLeftBehind: after gathers that failed in every way, no file descriptor and no goroutine of theirs is left.
func TestNothingIsLeftBehind(t *testing.T) {
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc")
		}
		return len(entries)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var n atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				switch n.Add(1) % 3 {
				case 0: // closes
				case 1:
					_, _ = c.Write([]byte("garbage\r\n"))
					discard(c)
				default: // is silent until the other side leaves
					discard(c)
				}
			}()
		}
	}()
	gather := func() {
		for _, k := range Kinds() {
			if k.Address == "" {
				continue
			}
			s, err := New(k.Name, Target{Address: l.Addr().String(), Timeout: 30 * time.Millisecond, Credentials: Credentials{Username: "u", Password: "p"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Gather(); err == nil {
				t.Errorf("%s: no error", k.Name)
			}
		}
	}
	gather() // what is made once
	goroutines, files := runtime.NumGoroutine(), fds()
	for range 3 {
		gather()
	}
	until(t, "the goroutines and files that there were before", func() error {
		if g, f := runtime.NumGoroutine(), fds(); g > goroutines+2 || f > files+2 {
			return fmt.Errorf("%d goroutines, %d before; %d files, %d before", g, goroutines, f, files)
		}
		return nil
	})
}
