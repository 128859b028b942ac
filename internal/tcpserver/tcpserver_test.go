package tcpserver

import (
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// serve starts a server that echoes; the function that it returns stops it and waits.
func serve(t *testing.T, o Options) (*Server, func()) {
	t.Helper()
	o.Address = "127.0.0.1:0"
	s, err := Listen("test", o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Serve(ctx, func(_ context.Context, c net.Conn) error {
			_, err := io.Copy(c, c)
			return err
		})
	}()
	return s, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// talk says whether the server echoes.
func talk(t *testing.T, s *Server) (net.Conn, bool) {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write([]byte("x"))
	_, err = io.ReadFull(c, make([]byte, 1))
	return c, err == nil
}

func TestLimits(t *testing.T) {
	routines := runtime.NumGoroutine()
	s, stop := serve(t, Options{MaxConns: 2})
	for i, want := range []bool{true, true, false} {
		if _, got := talk(t, s); got != want {
			t.Errorf("connection %d: %v", i, got)
		}
	}
	if n := testutil.ToFloat64(s.refused.WithLabelValues("too_many")); n != 1 {
		t.Errorf("%v refused", n)
	}
	stop() // with two connections open
	for runtime.NumGoroutine() > routines {
		runtime.Gosched()
	}

	s, stop = serve(t, Options{MaxPerHost: 1})
	c, _ := talk(t, s)
	if _, got := talk(t, s); got {
		t.Error("a second connection of one host is served")
	}
	_ = c.Close()
	for got := false; !got; {
		_, got = talk(t, s)
	}
	stop()

	s, stop = serve(t, Options{Lifetime: 50 * time.Millisecond})
	c, _ = talk(t, s)
	if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // it is bare
		t.Error(err)
	}
	stop()
}

func TestAllowed(t *testing.T) {
	f := func(want bool, allowed ...string) {
		t.Helper()
		s, stop := serve(t, Options{Allowed: allowed})
		defer stop()
		if _, got := talk(t, s); got != want {
			t.Errorf("%q: %v", allowed, got)
		}
	}
	f(true, "127.0.0.1")
	f(true, "10.0.0.0/8", "127.0.0.0/8")
	f(true, "::ffff:127.0.0.1")
	f(true, "localhost")
	f(false, "10.0.0.1")
	f(false, "::1")
	f(false, "no-such-host.invalid")
	for _, bad := range []string{"", "10.0.0.0/99", "a b"} {
		if _, err := Listen("test", Options{Address: "127.0.0.1:0", Allowed: []string{bad}}, nil, prometheus.NewRegistry()); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
