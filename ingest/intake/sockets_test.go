package intake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func newTestSockets() *Sockets {
	return NewSockets(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// serveTCP serves until the returned function ends it.
func serveTCP(t *testing.T, s *Sockets, l ConnLimits, handle func(context.Context, net.Conn) error) (addr string, stop func()) {
	t.Helper()
	server, err := s.ListenTCP("test", "127.0.0.1:0", nil, l)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, handle) }()
	return server.Addr().String(), func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTCP(t *testing.T) {
	s := newTestSockets()
	addr, stop := serveTCP(t, s, ConnLimits{MaxConnections: 1}, func(_ context.Context, c net.Conn) error {
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			return err
		}
		_, err = io.WriteString(c, "got "+line)
		if err == nil && line == "bad\n" {
			err = errors.New("bad")
		}
		return err
	})
	ask := func(c net.Conn, text string) {
		t.Helper()
		fmt.Fprintln(c, text)
		if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != "got "+text+"\n" {
			t.Errorf("%q %v", got, err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
	}
	first := dial(t, "tcp", addr)
	waitFor(t, func() bool { return testutil.ToFloat64(s.connections.WithLabelValues("test")) == 1 })
	if _, err := dial(t, "tcp", addr).Read(make([]byte, 1)); err == nil {
		t.Error("a second connection is served")
	}
	ask(first, "hello")
	waitFor(t, func() bool { return testutil.ToFloat64(s.connections.WithLabelValues("test")) == 0 })
	waitFor(t, func() bool { // the turn is given back right after
		c := dial(t, "tcp", addr)
		fmt.Fprintln(c, "bad")
		_, err := c.Read(make([]byte, 1))
		return err == nil
	})
	waitFor(t, func() bool { return testutil.ToFloat64(s.broken.WithLabelValues("test")) == 1 })
	if n := testutil.ToFloat64(s.refused.WithLabelValues("test")); n < 1 {
		t.Errorf("%v refused", n)
	}
	stop()
}

func TestTCPStopEndsConnections(t *testing.T) {
	addr, stop := serveTCP(t, newTestSockets(), ConnLimits{}, func(_ context.Context, c net.Conn) error {
		_, err := io.Copy(io.Discard, c)
		return err
	})
	c := dial(t, "tcp", addr)
	fmt.Fprint(c, "x")
	stop()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}

func TestTCPIdle(t *testing.T) {
	addr, stop := serveTCP(t, newTestSockets(), ConnLimits{IdleTimeout: 20 * time.Millisecond}, func(_ context.Context, c net.Conn) error {
		_, err := io.Copy(io.Discard, c)
		return err
	})
	defer stop()
	if _, err := dial(t, "tcp", addr).Read(make([]byte, 1)); err == nil {
		t.Error("a silent connection stays open")
	}
}

func TestUDP(t *testing.T) {
	s := newTestSockets()
	server, err := s.ListenUDP("test", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	texts := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(ctx, func(_ context.Context, batch []Datagram) {
			for _, d := range batch {
				if !d.From.Addr().IsLoopback() || d.Received.IsZero() {
					t.Errorf("%v at %v", d.From, d.Received)
				}
				texts <- string(d.Data)
			}
		})
	}()
	c := dial(t, "udp", server.Addr().String())
	for i := range 10 {
		fmt.Fprint(c, i)
		if got := <-texts; got != fmt.Sprint(i) {
			t.Errorf("%q, not %d", got, i)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDatagramsAreBounded(t *testing.T) {
	f := func(size, want int) {
		t.Helper()
		q := newDatagrams()
		n := 0
		for q.put(Datagram{Data: make([]byte, size)}) {
			n++
		}
		if n != want {
			t.Errorf("%d datagrams of %d bytes wait, not %d", n, size, want)
		}
		got := 0
		for got < n {
			batch := q.take()
			got += len(batch)
			if len(batch) > batchLength {
				t.Fatalf("a batch of %d", len(batch))
			}
			q.giveBack(batch)
		}
		if q.bytes.Load() != 0 || !q.put(Datagram{Data: make([]byte, size)}) {
			t.Errorf("there is no room again: %d bytes", q.bytes.Load())
		}
		q.take()
		close(q.waiting)
		if len(q.take()) != 0 {
			t.Error("a closed queue has packets")
		}
	}
	f(0, queueLength)
	f(100, queueLength)
	f(maxDatagram, queueBytes/maxDatagram)
}

func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
		time.Sleep(time.Millisecond)
	}
}
