package syslog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// recorder keeps what it is given as text, one line a record.
type recorder struct {
	mu   sync.Mutex
	text []string
	fail []error // what the next calls answer
}

func (r *recorder) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.fail) > 0 {
		err := r.fail[0]
		r.fail = r.fail[1:]
		return nil, err
	}
	for _, s := range streams {
		for _, rec := range s.Records {
			r.text = append(r.text, strings.Clone(fmt.Sprintf("%s %s %q %v", model.FormatLabels(s.Labels), time.Unix(0, rec.Time).UTC().Format(time.RFC3339Nano), rec.Line, rec.Fields)))
		}
	}
	return nil, nil
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.text, "\n")
}

func newTestServer(o Options) (*Server, *recorder) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	reg, sink := prometheus.NewRegistry(), &recorder{}
	return New(o, intake.New(intake.Limits{}, reg), sink, slog.New(slog.DiscardHandler), reg), sink
}

// received is a day on which the year of a message can be guessed wrongly.
var received = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestMessages(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		s, sink := newTestServer(Options{})
		s.Datagrams(context.Background(), []intake.Datagram{{From: netip.MustParseAddrPort("10.0.0.9:514"), Received: received, Data: []byte(text)}})
		if got := sink.all(); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	// The examples of RFC 5424, 6.5.
	f("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
		`{app="su", host="mymachine.example.com", job="syslog"} 2003-10-11T22:14:15.003Z "'su root' failed for lonvick on /dev/pts/8" [{facility auth} {msg_id ID47} {severity crit}]`)
	f("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
		`{app="myproc", host="192.0.2.1", job="syslog"} 2003-08-24T12:14:15.000003Z "%% It's time to make the do-nuts." [{facility local4} {proc_id 8710} {severity notice}]`)
	f(`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] `+"\ufeffAn application event log entry...",
		`{app="evntslog", host="mymachine.example.com", job="syslog"} 2003-10-11T22:14:15.003Z "An application event log entry..." [{exampleSDID@32473_eventID 1011} {exampleSDID@32473_eventSource Application} {exampleSDID@32473_iut 3} {facility local4} {msg_id ID47} {severity notice}]`)
	f(`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3"][examplePriority@32473 class="hi\]gh \"x\" \\ \n"]`,
		`{app="evntslog", host="mymachine.example.com", job="syslog"} 2003-10-11T22:14:15.003Z "" [{examplePriority@32473_class hi]gh "x" \ \n} {exampleSDID@32473_iut 3} {facility local4} {msg_id ID47} {severity notice}]`)
	f("<0>1 - - - - - -", `{host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "" [{facility kern} {severity emerg}]`)
	// The examples of RFC 3164, 5.4.
	f("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
		`{app="su", host="mymachine", job="syslog"} 2025-10-11T22:14:15Z "'su root' failed for lonvick on /dev/pts/8" [{facility auth} {severity crit}]`)
	f("Use the BFG!", `{host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "Use the BFG!" [{facility user} {severity notice}]`)
	f("<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts. %% Ingredients: Mix=OK, Jelly=OK #",
		`{host="CST", job="syslog"} 2025-08-24T05:34:00Z "1987 mymachine myproc[10]: %% It's time to make the do-nuts. %% Ingredients: Mix=OK, Jelly=OK #" [{facility local4} {severity notice}]`)
	// rsyslog's formats, local programs, devices.
	f("<13>2026-01-02T03:04:05.123456+01:00 web-1 root: hello", `{app="root", host="web-1", job="syslog"} 2026-01-02T02:04:05.123456Z "hello" [{facility user} {severity notice}]`)
	f("<13>Jan  2 03:04:05 sshd[812]: Accepted", `{app="sshd", host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "Accepted" [{facility user} {proc_id 812} {severity notice}]`)
	f("<13>Jan  2 03:04:05 web-1 kernel: [ 12.5] eth0: up\n", `{app="kernel", host="web-1", job="syslog"} 2026-01-02T03:04:05Z "[ 12.5] eth0: up" [{facility user} {severity notice}]`)
	f("<189>1234: *Jan  2 03:04:05.123: %SYS-5-CONFIG_I: Configured", `{app="%SYS-5-CONFIG_I", host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05.123Z "Configured" [{facility local7} {severity notice}]`)
	f("<189>Jan  2 2026 03:04:05: %ASA-6-302013: Built", `{app="%ASA-6-302013", host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "Built" [{facility local7} {severity notice}]`)
	f("<13>Dec 31 23:59:59 h a: last year", `{app="a", host="h", job="syslog"} 2025-12-31T23:59:59Z "last year" [{facility user} {severity notice}]`)
	f("<13>Jan  3 23:59:59 h a: tomorrow", `{app="a", host="h", job="syslog"} 2026-01-03T23:59:59Z "tomorrow" [{facility user} {severity notice}]`)
	// What is in no format stays whole.
	f("<13>hello world", `{host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "hello world" [{facility user} {severity notice}]`)
	f("<192>1 x", `{host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "<192>1 x" [{facility user} {severity notice}]`)
	f(`<13>{"level":"info"}`, `{host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "{\"level\":\"info\"}" [{facility user} {severity notice}]`)
	f(`<34>1 2003-10-11T22:14:15Z h a - - [broken x`, `{host="10.0.0.9", job="syslog"} 2026-01-02T03:04:05Z "1 2003-10-11T22:14:15Z h a - - [broken x" [{facility auth} {severity crit}]`)
	f("", "")
	f("\n", "")
}

func TestFraming(t *testing.T) {
	f := func(o Options, want []string, fail []error, pieces ...string) *Server {
		t.Helper()
		s, sink := newTestServer(o)
		sink.fail = fail
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		done := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				err = s.Connection(context.Background(), c)
				c.Close()
			}
			done <- err
		}()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if _, err := io.WriteString(c, p); err != nil {
				break
			}
			time.Sleep(time.Millisecond) // so that pieces come apart, more often than not
		}
		c.Close()
		err = <-done
		var lines []string
		for _, text := range sink.text {
			lines = append(lines, strings.SplitN(text, `"`, 8)[5])
		}
		if strings.Join(lines, "|") != strings.Join(want, "|") {
			t.Errorf("%q: got %q, want %q: %v", pieces, lines, want, err)
		}
		if (err != nil) != (want == nil) {
			t.Error(err)
		}
		return s
	}
	f(Options{}, []string{"a", "b"}, nil, "<13>a\n<13>b\n")
	f(Options{}, []string{"a", "b", "c"}, nil, "<13>a\r\n<13>", "b\x00<13>c")
	f(Options{}, []string{"a", `x\ny`}, nil, "5 <13>a7 <13>x\ny")
	f(Options{}, []string{"hello", "world"}, nil, "9", " <13>he", "llo9 <13>world")
	f(Options{}, []string{"a", "b", "c"}, nil, "5 <13>a<13>b\n6 <13>c\n")
	f(Options{}, []string{"hel"}, nil, "9 <13>hel")
	f(Options{}, []string{"12 monkeys"}, nil, "<13>12 monkeys\n")
	f(Options{}, []string{"a", "2026 it began", "b"}, nil, "<13>a\n2026 it began\n<13>b\n")
	f(Options{}, []string{"a", "999999999 ", "b"}, nil, "<13>a\n999999999 ", "\n<13>b\n")
	f(Options{}, []string{"a", "7 "}, nil, "<13>a\n7 ")
	f(Options{MaxMessage: 8}, []string{"0123", "45678901", "23"}, nil, "<13>01234567890123\n")
	f(Options{MaxMessage: 8}, []string{"0123", "45678901", "23", "x"}, nil, "18 <13>012345678901235 <13>x")
	long := strings.Repeat("y", 50_000)
	f(Options{}, []string{long, long}, nil, "<13>"+long+"\n50004 <13>"+long)
	f(Options{}, []string{"a"}, []error{intake.ErrBusy, intake.ErrBusy}, "<13>a\n")
	s := f(Options{Patience: time.Millisecond}, nil, []error{intake.ErrBusy, intake.ErrBusy}, "<13>a\n")
	if n := testutil.ToFloat64(s.failed.WithLabelValues("tcp", "busy")); n != 1 {
		t.Errorf("%v are counted as busy", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<34>1 2003-10-11T22:14:15.003Z h su - ID47 [a b=\"c\\]\"] x")
	f.Add("<34>Oct 11 22:14:15 mymachine su[1]: x")
	f.Add("<189>1234: *Jan  2 03:04:05.123: %SYS-5-CONFIG_I: Configured")
	p := parser{time.UTC}
	f.Fuzz(func(t *testing.T, text string) {
		m := p.parse(text, received)
		if !strings.HasSuffix(text, m.line) {
			t.Errorf("the line %q is not the end of %q", m.line, text)
		}
		if m.facility > 23 || m.severity > 7 || m.facility < 0 || m.severity < 0 {
			t.Errorf("%d %d", m.facility, m.severity)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("5 <13>a<13>b\n999999999 x"), byte(3), byte(8))
	f.Fuzz(func(t *testing.T, data []byte, step, most byte) {
		r := newFrames(&steps{data, int(step) + 1}, int(most)+1, intake.New(intake.Limits{}, prometheus.NewRegistry()), 0)
		total := 0
		for {
			err := r.read(context.Background())
			for {
				frame, _ := r.next(err != nil)
				if frame == nil {
					break
				}
				if len(frame) > int(most)+1 {
					t.Fatalf("a message of %d bytes", len(frame))
				}
				total += len(frame)
			}
			r.drop()
			if err != nil {
				break
			}
		}
		if total > len(data) {
			t.Errorf("%d bytes of %d", total, len(data))
		}
	})
}

// steps gives some bytes at a time.
type steps struct {
	data []byte
	n    int
}

func (s *steps) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.data[:min(s.n, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}
