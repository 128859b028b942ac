package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

const (
	// tailFirst is how many older lines a tail shows unless it is said.
	tailFirst = 10
	// tailFrameBytes bounds a frame in memory: the server's are some 256 KiB, a long line alone may be more.
	tailFrameBytes = 128 << 20
	// tailRetry is how long a tail waits before it connects again, more each time up to tailRetryMost.
	tailRetry     = 500 * time.Millisecond
	tailRetryMost = 15 * time.Second
)

// tailFrame is one message of Loki's tail.
type tailFrame struct {
	Streams []logStream `json:"streams"`
	Dropped []struct {
		Labels    map[string]string `json:"labels"`
		Timestamp string            `json:"timestamp"`
	} `json:"dropped_entries"`
}

// follow shows lines as they come, and connects again when the connection is lost, from where it was.
func (l *logsRun) follow(ctx context.Context) error {
	t := &tailState{l: l, from: l.o.start.UnixNano(), seen: map[string]int{}}
	wait := tailRetry
	for {
		got, err := t.connect(ctx)
		var r *refusal
		if interrupted(ctx) {
			return nil
		}
		if errors.As(err, &r) || !t.connected {
			return err
		}
		if got {
			wait = tailRetry
		}
		fmt.Fprintf(l.err, "hulotte logs: %s; connecting again in %v\n", clean(err.Error()), wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(wait*2, tailRetryMost)
	}
}

func interrupted(ctx context.Context) bool { return ctx.Err() != nil }

// tailState is how far a tail has come.
type tailState struct {
	l         *logsRun
	connected bool           // once, at least
	from      int64          // the time of the latest line
	seen      map[string]int // the lines of that time
}

// connect shows lines until the connection ends; got says whether some came.
func (t *tailState) connect(ctx context.Context) (got bool, err error) {
	conn, err := t.dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.CloseNow() }()
	again := t.connected
	t.connected = true
	conn.SetReadLimit(tailFrameBytes)
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return got, tailEnd(t.l.o.server, err)
		}
		var f tailFrame
		if err := json.Unmarshal(message, &f); err != nil {
			return got, fmt.Errorf("cannot understand %s: %w", t.l.o.server, err)
		}
		got = true
		if err := t.show(&f, again); err != nil {
			return got, &refusal{text: err.Error()} // whoever reads us has gone
		}
	}
}

func tailEnd(server string, err error) error {
	var c websocket.CloseError
	if errors.As(err, &c) && c.Reason != "" {
		if c.Code == websocket.StatusInternalError || c.Code == websocket.StatusPolicyViolation {
			return &refusal{text: c.Reason}
		}
		return fmt.Errorf("%s: %s", server, c.Reason)
	}
	return fmt.Errorf("lost the connection to %s", server)
}

func (t *tailState) dial(ctx context.Context) (*websocket.Conn, error) {
	base, err := t.l.o.base()
	if err != nil {
		return nil, err
	}
	limit := t.l.o.limit
	switch {
	case t.connected:
		limit = logsPage // what was missed
	case !t.l.o.limitGiven:
		limit = tailFirst
	}
	u := base.JoinPath("loki/api/v1/tail")
	u.RawQuery = url.Values{"query": {t.l.o.expr}, "start": {strconv.FormatInt(t.from, 10)}, "limit": {strconv.Itoa(limit)}}.Encode()
	header := http.Header{}
	if err := t.l.o.setHeaders(header); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.l.o.timeout)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: t.l.client, HTTPHeader: header}) //nolint:bodyclose // Dial has read it and closed it
	if err == nil {
		return conn, nil
	}
	if res == nil {
		return nil, unreachable(t.l.o.server, err)
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 2000)) // the start of its text, or nothing
	if res.StatusCode >= 500 {
		return nil, fmt.Errorf("%s answers %s", t.l.o.server, res.Status)
	}
	return nil, plainRefusal(t.l.o.server, res, body)
}

// show prints a frame. After a second connection lines come again that were shown.
func (t *tailState) show(f *tailFrame, again bool) error {
	lines := linesOf(f.Streams)
	sortLines(lines, true)
	if n := len(f.Dropped); n > 0 {
		fmt.Fprintf(t.l.err, "hulotte logs: lines came faster than they were read: some were left out\n")
	}
	fresh := lines[:0]
	for _, line := range lines {
		if !again || t.isNew(&line) {
			fresh = append(fresh, line)
		}
	}
	for i := range fresh {
		t.remember(&fresh[i])
	}
	return t.l.out.lines(fresh)
}

func (t *tailState) isNew(l *logLine) bool {
	return l.at > t.from || l.at == t.from && t.seen[l.key()] == 0
}

func (t *tailState) remember(l *logLine) {
	if l.at > t.from {
		t.from = l.at
		clear(t.seen)
	}
	if l.at == t.from {
		t.seen[l.key()]++
	}
}
