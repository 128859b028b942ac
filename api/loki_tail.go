package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/query/logql"
)

const (
	// maxTailDelay is how long a tail may wait for stragglers; Loki's limit.
	maxTailDelay = 5 * time.Second
	// tailPing keeps proxies from cutting an idle connection (the shortest time is 30 s) and finds dead ones.
	tailPing = 15 * time.Second
	// tailStall is how long a client may take for a frame or for the answer to a ping.
	tailStall = 30 * time.Second
	// tailFrame is about how many bytes of lines go into one frame.
	tailFrame = 256 << 10
	// tailGoodbye is how long a client may take to answer that the server stops.
	tailGoodbye = time.Second
	// tailFuture is how far ahead of our clock the first lines may be: others' clocks are not ours.
	tailFuture = 10 * time.Minute
)

// tailCount counts tails.
type tailCount struct {
	open    atomic.Int64
	refused atomic.Int64
	sent    atomic.Int64 // entries
	dropped atomic.Int64
}

func (m *metrics) observeTails(reg prometheus.Registerer, c *tailCount) {
	f := promauto.With(reg)
	number := func(n *atomic.Int64) func() float64 { return func() float64 { return float64(n.Load()) } }
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_api_tails", Help: "Open tails of logs."}, number(&c.open))
	f.NewCounterFunc(prometheus.CounterOpts{Name: "hulotte_api_tails_refused_total", Help: "Tails refused because too many were open."}, number(&c.refused))
	f.NewCounterFunc(prometheus.CounterOpts{Name: "hulotte_api_tail_entries_total", Help: "Log lines sent to tails."}, number(&c.sent))
	f.NewCounterFunc(prometheus.CounterOpts{Name: "hulotte_api_tail_dropped_total", Help: "Log lines that a tail lost because its client was slow."}, number(&c.dropped))
}

// tailRequest is what a client wants to follow.
type tailRequest struct {
	query       string
	start       time.Time
	limit       int
	delay       time.Duration
	categorized bool
}

func (a *api) tailRequest(r *http.Request) (t tailRequest, err error) {
	if a.Logs.Events == nil || a.Logs.LogQL == nil {
		return t, errNoLogs
	}
	if t.query, _, err = a.logExpr(r); err != nil {
		return t, err
	}
	if t.start, err = a.lokiTimeParam(r, "start", a.Now().Add(-defaultSince)); err != nil {
		return t, err
	}
	if t.limit, err = wholeParam(r, "limit", defaultEntries, 0, a.Logs.Limits.MaxEntries); err != nil {
		return t, err
	}
	delay, err := lokiDurationParam(r, "delay_for", 0)
	if err == nil && delay > maxTailDelay {
		err = badParam("delay_for", fmt.Errorf("delay_for can't be greater than %d", maxTailDelay/time.Second))
	}
	t.delay, t.categorized = delay, wantsCategories(r)
	return t, err
}

// lokiTail answers /loki/api/v1/tail: a WebSocket (RFC 6455) on which frames of new lines are sent.
func (a *api) lokiTail(w http.ResponseWriter, r *http.Request) {
	prepared, err := a.prepare(w, r)
	if err != nil {
		a.lokiError(w, r, err)
		return
	}
	t, err := a.tailRequest(prepared)
	if err != nil {
		a.lokiError(w, prepared, err)
		return
	}
	if a.tails.open.Add(1) > int64(a.Logs.Limits.MaxTails) {
		a.tails.open.Add(-1)
		a.tails.refused.Add(1)
		a.lokiError(w, prepared, &apiError{kind: errUnavailable, status: http.StatusTooManyRequests,
			err: fmt.Errorf("max concurrent tail requests limit exceeded, count > limit (%d > %d)", a.Logs.Limits.MaxTails+1, a.Logs.Limits.MaxTails)})
		return
	}
	defer a.tails.open.Add(-1)
	conn, err := websocket.Accept(w, prepared, a.tailOptions())
	if err != nil { // it has answered already
		a.log.Debug("cannot open a tail", "error", err)
		return
	}
	defer func() { _ = conn.CloseNow() }() // after a proper end it is closed already
	(&tail{api: a, conn: conn, tailRequest: t, queue: newTailQueue(a.Logs.Limits.MaxTailBytes, t.delay)}).run(prepared.Context())
}

// tailOptions says whose pages may open a tail: our own, and those of allowed origins. A browser sends a WebSocket's
// request from any page, with its user's credentials, and asks nobody before.
func (a *api) tailOptions() *websocket.AcceptOptions {
	o := &websocket.AcceptOptions{InsecureSkipVerify: slices.Contains(a.AllowedOrigins, "*")}
	// A proxy may hand on another Host header than the one that the browser used.
	for _, origin := range append([]string{a.ExternalURL}, a.AllowedOrigins...) {
		if u, err := url.Parse(origin); err == nil && u.Host != "" {
			o.OriginPatterns = append(o.OriginPatterns, u.Scheme+"://"+u.Host)
		}
	}
	return o
}

// tail is one open tail.
type tail struct {
	api  *api
	conn *websocket.Conn
	tailRequest
	queue *tailQueue
}

// run sends the latest lines, and then what comes, until the client leaves or server, the request's context, ends.
func (t *tail) run(server context.Context) {
	// A read whose context ends closes the connection, and nobody could be told that the server stops.
	client := t.conn.CloseRead(context.WithoutCancel(server))
	ctx, cancel := context.WithCancel(client)
	defer context.AfterFunc(server, cancel)()
	ended := make(chan struct{})
	var followed error
	go func() {
		defer close(ended)
		defer cancel()
		followed = t.api.Logs.LogQL.Follow(ctx, t.query, t.put)
	}()
	err := t.serve(ctx)
	cancel()
	<-ended
	if err == nil || errors.Is(err, context.Canceled) {
		err = followed
	}
	t.close(server, client, err)
}

// put takes what is followed.
func (t *tail) put(streams []logql.Stream, dropped int) error {
	t.api.tails.dropped.Add(int64(t.queue.put(time.Now(), streams, dropped)))
	return nil
}

func (t *tail) serve(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.queue.begun: // what is appended from now on is followed
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	return t.send(ctx)
}

// begin sends the latest lines. What is appended meanwhile is followed already, and not sent twice.
func (t *tail) begin(ctx context.Context) error {
	end := t.api.Now().Add(tailFuture)
	if t.limit == 0 || !t.start.Before(end) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, t.api.Logs.Limits.Timeout)
	defer cancel()
	res, err := t.api.runLogQuery(limited, logql.Request{Query: t.query, Start: t.start, End: end, Limit: t.limit, Categorize: true})
	if err != nil {
		return err
	}
	for _, s := range res.Streams {
		slices.Reverse(s.Entries)
	}
	t.queue.sent(time.Now(), res.Streams)
	return t.frames(ctx, tailBatch{streams: res.Streams})
}

// send sends what comes.
func (t *tail) send(ctx context.Context) error {
	ping := time.NewTicker(tailPing)
	defer ping.Stop()
	later := stoppedTimer()
	defer later.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ping.C:
			err = t.within(ctx, t.conn.Ping)
		case <-t.queue.ready:
			err = t.sendDue(ctx, later)
		case <-later.C:
			err = t.sendDue(ctx, later)
		}
		if err != nil {
			return err
		}
	}
}

func (t *tail) sendDue(ctx context.Context, later *time.Timer) error {
	batch, more := t.queue.take(time.Now())
	if more > 0 {
		later.Reset(more)
	}
	return t.frames(ctx, batch)
}

// within gives the client its time for f.
func (t *tail) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tailStall)
	defer cancel()
	return f(ctx)
}

// frames sends a batch, in pieces when it is large.
func (t *tail) frames(ctx context.Context, b tailBatch) error {
	for len(b.streams) > 0 || b.dropped > 0 {
		piece, rest := cutStreams(b.streams, tailFrame)
		frame := tailJSON{streams: piece, categorized: t.categorized, dropped: b.dropped, examples: b.examples}
		if err := t.within(ctx, func(ctx context.Context) error { return t.frame(ctx, frame) }); err != nil {
			return err
		}
		b = tailBatch{streams: rest}
	}
	return nil
}

func (t *tail) frame(ctx context.Context, f tailJSON) error {
	w, err := t.conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	out := newJSONWriter(w)
	if err := errors.Join(f.writeTo(out), out.flush(), w.Close()); err != nil {
		return err
	}
	for _, s := range f.streams {
		t.api.tails.sent.Add(int64(len(s.Entries)))
	}
	return nil
}

// close tells the client why it ends. The codes are those of RFC 6455, section 7.4.1.
func (t *tail) close(server, client context.Context, err error) {
	code, reason := websocket.StatusInternalError, "the tail ended"
	switch {
	case client.Err() != nil:
		return // there is nobody to tell
	case server.Err() != nil:
		code, reason = websocket.StatusGoingAway, "the server stops: come back in a moment"
	case err != nil:
		_, reason = lokiStatus(server, err)
		t.api.log.Debug("a tail ended", "error", err)
	}
	defer time.AfterFunc(tailGoodbye, func() { _ = t.conn.CloseNow() }).Stop()
	_ = t.conn.Close(code, cutText(reason, 100)) // a reason has at most 123 bytes
}
