package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func TestTCP(t *testing.T) {
	echo := serve(t, echoed)
	r := ask(t, "tcp", echo, "")
	want(t, r, model.OK, "TCP OK, "+echo+" answers in ")
	if sample(t, r, "probe_success") != 1 || sample(t, r, "probe_ip_protocol") != 4 || sample(t, r, "probe_failed_due_to_regex") != 0 {
		t.Errorf("metrics are %v", r.Metrics)
	}
	if len(r.Perf) != 1 || r.Perf[0].Label != "time" || r.Perf[0].Unit != "s" {
		t.Errorf("performance data is %v", r.Perf)
	}
	want(t, ask(t, "tcp", echo, `{"warn_time":"@0:1h"}`), model.Warning, "(warning @3600)")
	want(t, ask(t, "tcp", echo, `{"send":"ping\r\n","expect":"ping"}`), model.OK, "TCP OK")
	want(t, ask(t, "tcp", echo, `{"dialogue":[{"send":"USER joe\r\n"},{"expect":"^USER (\\w+)","send":"hello $1\n"},{"expect_text":"hello joe"}]}`), model.OK, "TCP OK")

	closed := closedPort(t)
	r = ask(t, "tcp", closed, "")
	want(t, r, model.Critical, "cannot connect to "+closed+": connection refused")
	if sample(t, r, "probe_success") != 0 {
		t.Error("a failure counts as success")
	}
	want(t, ask(t, "tcp", closed, `{"refused":true}`), model.OK, "refuses connections")
	want(t, ask(t, "tcp", echo, `{"refused":true}`), model.Critical, "accepts connections")
	want(t, ask(t, "tcp", "no-such-host.invalid:1", ""), model.Critical, "no-such-host.invalid")
	want(t, ask(t, "tcp", "127.0.0.1:1", `{"ip":"6"}`), model.Unknown, "no IPv6 address")
}

func TestTCPSaysWhatCame(t *testing.T) {
	server := script(t, "500 go away")
	r := ask(t, "tcp", server, `{"dialogue":[{"expect":"^220"}]}`)
	want(t, r, model.Critical, `no line matched "^220", but "500 go away": the other side closed the connection`)
	if sample(t, r, "probe_failed_due_to_regex") != 1 {
		t.Error("not counted")
	}
	want(t, ask(t, "tcp", server, `{"expect":"220"}`), model.Critical, `"220" did not come, but "500 go away"`)
}

func TestTCPOptions(t *testing.T) {
	f := func(options, why string) { t.Helper(); refuses(t, "tcp", options, why) }
	f(`{}`, "port: declare one")
	f(`{"port":70000}`, "port: declare one")
	f(`{"port":1,"ip":"5"}`, `ip: "5" is no version`)
	f(`{"port":1,"source_ip":"x"}`, `source_ip: "x"`)
	f(`{"port":1,"prt":2}`, `there is no option "prt"`)
	f(`{"port":1,"dialogue":[{"expect":"("}]}`, "dialogue[0]: expect: ")
	f(`{"port":1,"min_tls_version":"1.4"}`, `min_tls_version: "1.4"`)
	f(`{"port":1,"warn_time":"x"}`, `"x" is no range`)
	f(`{"port":1,"cert_file":"x"}`, "declare both or neither")
}

func TestTCPStartTLS(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "127.0.0.1")
	server := serve(t, func(c net.Conn) {
		fmt.Fprintf(c, "220 ready\r\n")
		line := make([]byte, len("STARTTLS\r\n")) // and no byte more: TLS follows at once
		if _, err := io.ReadFull(c, line); err != nil {
			return
		}
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		fmt.Fprintf(s, "250 safe\r\n")
		_, _ = io.Copy(io.Discard, s)
	})
	options := `{"ca_file":"` + ca.file + `","dialogue":[{"expect":"^220","send":"STARTTLS\r\n","starttls":true},{"expect":"safe"}]}`
	r := ask(t, "tcp", server, options)
	want(t, r, model.OK, "certificate ends in 89 days")
	if sample(t, r, "probe_tls_version_info", "version=TLS 1.3") != 1 {
		t.Error("no TLS version")
	}
	want(t, ask(t, "tcp", server, strings.Replace(options, ca.file, newAuthority(t).file, 1)), model.Critical, "authority that is not known here")
}

func TestHold(t *testing.T) {
	kill := make(chan struct{})
	accepted := make(chan struct{}, 10)
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
			accepted <- struct{}{}
			go func() { <-kill; c.Close() }()
		}
	}()
	h := build(t, "tcp", l.Addr().String(), "").(check.Holder)
	held := make(chan error, 1)
	go func() { held <- h.Hold(t.Context()) }()
	<-accepted
	l.Close() // the server dies
	close(kill)
	select {
	case err := <-held:
		if err != nil {
			t.Errorf("the death is told as %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the death was not noticed")
	}
	if err := h.Hold(t.Context()); err == nil {
		t.Error("holding a closed port is no error")
	}
}

func TestHoldEndsWithContext(t *testing.T) {
	server := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := build(t, "tcp", server, "").(check.Holder).Hold(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestHoldTellsWhoDoesNotLetItStay(t *testing.T) {
	server := serve(t, func(net.Conn) {})
	if err := build(t, "tcp", server, "").(check.Holder).Hold(t.Context()); !errors.Is(err, errNotHeld) {
		t.Errorf("got %v", err)
	}
}
