package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// tcpOptions are those of the kind tcp.
type tcpOptions struct {
	targetOptions
	TLS bool `json:"tls,omitempty" doc:"speak TLS from the start"`
	tlsOptions
	Send     string    `json:"send,omitempty" doc:"text to send first; end it with \\r\\n where the protocol wants that"`
	Expect   string    `json:"expect,omitempty" doc:"text that must come then"`
	Dialogue []tcpStep `json:"dialogue,omitempty" doc:"steps, one after the other: each waits, then sends"`
	Quit     string    `json:"quit,omitempty" doc:"text to send before closing, so that the other side logs no broken connection"`
	Refused  bool      `json:"refused,omitempty" doc:"the port must be closed: OK when the connection is refused, CRITICAL when it is accepted"`
}

// tcpStep is one exchange of a dialogue.
type tcpStep struct {
	Expect     string `json:"expect,omitempty" doc:"regular expression; lines are read until one matches"`
	ExpectText string `json:"expect_text,omitempty" doc:"text that must come, wherever lines end"`
	Send       string `json:"send,omitempty" doc:"text to send; $1 or ${name} is what the expression found"`
	StartTLS   bool   `json:"starttls,omitempty" doc:"continue in TLS"`

	re *regexp.Regexp
}

func tcpKind() check.Kind {
	return newKind("tcp", "Connects to a TCP port or a socket file; can hold a dialogue, and TLS.", newTCP)
}

func newTCP(p check.Params, o *tcpOptions) (check.Prober, error) {
	t, err := o.target(p, 0)
	if err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Send != "" || o.Expect != "" {
		if len(o.Dialogue) > 0 {
			return nil, errors.New("dialogue: declare it, or send and expect, not both")
		}
		o.Dialogue = []tcpStep{{Send: o.Send}, {ExpectText: o.Expect}}
	}
	for i := range o.Dialogue {
		if err := o.Dialogue[i].prepare(); err != nil {
			return nil, fmt.Errorf("dialogue[%d]: %w", i, err)
		}
	}
	k := &tcpProbe{tcpOptions: o, at: t}
	if o.Refused {
		return &prober{timeout: p.Timeout, ask: k.askRefused}, nil
	}
	return &holding{prober{timeout: p.Timeout, ask: k.ask}, k.hold}, nil
}

func (s *tcpStep) prepare() error {
	if s.Expect == "" {
		return nil
	}
	if s.ExpectText != "" {
		return errors.New("expect and expect_text: declare one of them")
	}
	var err error
	if s.re, err = regexp.Compile(s.Expect); err != nil {
		return fmt.Errorf("expect: %w", err)
	}
	return nil
}

type tcpProbe struct {
	*tcpOptions
	at target
}

func (k *tcpProbe) secure() *tlsOptions {
	if k.TLS {
		return &k.tlsOptions
	}
	return nil
}

func (k *tcpProbe) ask(ctx context.Context, rep *report) {
	start := time.Now()
	err := k.talk(ctx, rep)
	failed := 0.0
	if errors.As(err, new(errExpected)) {
		failed = 1
	}
	rep.metric("probe_failed_due_to_regex", helpRegex, failed)
	if err != nil {
		rep.failed(err)
		return
	}
	took := time.Since(start)
	rep.facts = append([]string{fmt.Sprintf("TCP OK, %s answers in %s", k.at.String(), duration(took))}, rep.facts...)
	rep.duration("time", took, k.WarnTime, k.CritTime, "answers in %s")
}

func (k *tcpProbe) talk(ctx context.Context, rep *report) error {
	s, err := open(ctx, &k.at, k.secure(), rep)
	if err != nil {
		return err
	}
	defer s.end()
	for i := range k.Dialogue {
		if err := k.Dialogue[i].run(ctx, s, &k.tlsOptions); err != nil {
			return err
		}
	}
	if k.Quit != "" {
		_ = s.send([]byte(k.Quit)) // it is only good manners
	}
	return nil
}

// errExpected is an answer that was not the expected one.
type errExpected struct{ error }

func (st *tcpStep) run(ctx context.Context, s *session, o *tlsOptions) error {
	send := []byte(st.Send)
	switch {
	case st.re != nil:
		line, match, err := s.expectLine(st.re)
		if err != nil {
			return err
		}
		send = st.re.ExpandString(nil, st.Send, line, match)
	case st.ExpectText != "":
		if err := s.expectText(st.ExpectText); err != nil {
			return err
		}
	}
	if len(send) > 0 {
		if err := s.send(send); err != nil {
			return err
		}
	}
	if st.StartTLS {
		return s.startTLS(ctx, o)
	}
	return nil
}

// expectLine reads lines until one matches.
func (s *session) expectLine(re *regexp.Regexp) (string, []int, error) {
	last := ""
	for {
		line, err := s.line()
		if err != nil {
			return "", nil, notExpected(err, fmt.Sprintf("no line matched %q", re), last)
		}
		if match := re.FindStringSubmatchIndex(line); match != nil {
			return line, match, nil
		}
		last = line
	}
}

// expectText reads until the text was seen.
func (s *session) expectText(text string) error {
	window := make([]byte, 0, 4096+len(text))
	for {
		part := make([]byte, 4096)
		n, err := s.in.Read(part)
		window = append(window, part[:n]...)
		if at := bytes.Index(window, []byte(text)); at >= 0 {
			rest := window[at+len(text):]
			s.in.Reset(io.MultiReader(bytes.NewReader(bytes.Clone(rest)), s.out()))
			return nil
		}
		if err != nil {
			return notExpected(err, fmt.Sprintf("%q did not come", printable(text, 80)), string(window))
		}
		if keep := len(text) - 1; len(window) > 4096 && len(window) > keep {
			window = append(window[:0], window[len(window)-keep:]...)
		}
	}
}

// notExpected says what came instead, when something came.
func notExpected(err error, what, got string) error {
	if got == "" {
		return errExpected{fmt.Errorf("%s: %w", what, err)}
	}
	return errExpected{fmt.Errorf("%s, but %q: %w", what, printable(got, 120), err)}
}

func (e errExpected) Unwrap() error { return e.error }

// askRefused wants a closed port.
func (k *tcpProbe) askRefused(ctx context.Context, rep *report) {
	c, err := k.at.dial(ctx, rep)
	switch {
	case err == nil:
		c.Close()
		rep.problem(model.Critical, "%s accepts connections, though it should refuse them", k.at.String())
	case errors.Is(err, syscall.ECONNREFUSED):
		rep.fact("TCP OK, %s refuses connections", k.at.String())
	default:
		rep.failed(err)
	}
}

// hold keeps a connection on which nothing is said.
func (k *tcpProbe) hold(ctx context.Context) error {
	return holdConnection(ctx, func(ctx context.Context) (*session, error) { return open(ctx, &k.at, k.secure(), newReport()) })
}

const helpRegex = "Indicates if probe failed due to regex"
