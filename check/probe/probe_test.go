package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// make builds a prober of a kind for an address.
func build(t testing.TB, kind, address, options string) check.Prober {
	t.Helper()
	p, err := tryBuild(kind, address, options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryBuild(kind, address, options string) (check.Prober, error) {
	if options == "" {
		options = "{}"
	}
	for _, k := range Kinds(Options{}) {
		if k.Name == kind {
			return k.New(check.Params{Host: "h", Address: address, Name: kind, Options: json.RawMessage(options), Timeout: 5 * time.Second})
		}
	}
	return nil, fmt.Errorf("there is no kind %q", kind)
}

// ask probes once.
func ask(t testing.TB, kind, address, options string) model.CheckResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return build(t, kind, address, options).Probe(ctx)
}

// want compares status, and looks for a text in the output.
func want(t testing.TB, r model.CheckResult, status model.Status, output string) {
	t.Helper()
	if r.Status != status || !strings.Contains(r.Output, output) {
		t.Errorf("got %v %q, want %v with %q", r.Status, r.Output, status, output)
	}
}

// refuses wants options to be refused with an error that says why.
func refuses(t testing.TB, kind, options, why string) {
	t.Helper()
	if _, err := tryBuild(kind, "127.0.0.1", options); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%s %s: got %v, want an error with %q", kind, options, err, why)
	}
}

// sample is a metric's value; labels are name=value.
func sample(t testing.TB, r model.CheckResult, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range r.Metrics {
		if m.Name == name && !slices.ContainsFunc(labels, func(l string) bool {
			n, v, _ := strings.Cut(l, "=")
			return !slices.Contains(m.Labels, model.Field{Name: n, Value: v})
		}) {
			return m.Value
		}
	}
	t.Errorf("there is no metric %s %v", name, labels)
	return -1
}

// serve answers each connection with f until the test ends.
func serve(t testing.TB, f func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		var all []chan struct{}
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			end := make(chan struct{})
			all = append(all, end)
			go func() {
				defer close(end)
				defer c.Close()
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				f(c)
			}()
		}
		for _, end := range all {
			<-end
		}
	}()
	t.Cleanup(func() {
		l.Close()
		cancel()
		<-done
	})
	return l.Addr().String()
}

// script serves a dialogue: lines with "> " are expected from the client, all others are sent with CRLF.
func script(t testing.TB, text string) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			expected, isExpected := strings.CutPrefix(strings.TrimSpace(line), "> ")
			if !isExpected {
				fmt.Fprintf(c, "%s\r\n", strings.TrimSpace(line))
				continue
			}
			got, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if got = strings.TrimRight(got, "\r\n"); got != expected {
				t.Errorf("the client said %q, not %q", got, expected)
			}
		}
	})
}

// closedPort is an address that refuses connections.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func listenUnix(path string) (net.Listener, error) { return net.Listen("unix", path) }

// brief probes once, and gives little time.
func brief(t testing.TB, p check.Prober) model.CheckResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	return p.Probe(ctx)
}

// echoed sends back what comes. The copy does not go through a pipe of the kernel, which the runtime would keep open for later ones.
func echoed(c net.Conn) { _, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) }
