package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/internal/broadcast"
)

// The stream of live events: text/event-stream (WHATWG HTML, section 9.2), one a tab. Events are
//
//	hello   {"version", "time"}           once, when the stream opens
//	data    {"time", "skipped"}           new samples of this host were written
//	<topic> {"time", "skipped"}           something on a topic that the client asked for (?topic=a&topic=b) changed
//	ping    {}                            a sign of life
//
// Events carry news, not data; the client asks again for what it shows. Of a topic at most one event goes out a
// second; "skipped" counts the changes that were folded into it because the client, or the second, was slow.
// The id of an event lets a client that comes back hear at once of what it missed (Last-Event-ID).

const (
	// liveEvery is how often a client is told at most.
	liveEvery = time.Second
	// liveSettle is how long an event waits for others of the same moment: several sources collect on one clock.
	liveSettle = 150 * time.Millisecond
	// livePing is below the shortest time after which proxies cut an idle connection (30 s), and lets a client
	// notice a dead one.
	livePing = 15 * time.Second
	// liveRetry tells browsers when to come back after the stream has ended.
	liveRetry = 2 * time.Second
	// maxLiveTopics bounds what one client listens on; pages need a handful.
	maxLiveTopics = 32
	// defaultMaxLive bounds the open streams: each holds a connection and some kilobytes.
	defaultMaxLive = 1000
)

var liveTopic = regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,100}$`)

// liveCount counts streams.
type liveCount struct {
	n       atomic.Int64 // open now
	sent    atomic.Int64 // events
	skipped atomic.Int64 // changes folded into another event
	refused atomic.Int64
}

// observeLive registers the counts of the live streams.
func (m *metrics) observeLive(reg prometheus.Registerer, c *liveCount) {
	f := promauto.With(reg)
	number := func(n *atomic.Int64) func() float64 { return func() float64 { return float64(n.Load()) } }
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_api_live_streams", Help: "Open streams of live events."}, number(&c.n))
	f.NewCounterFunc(prometheus.CounterOpts{Name: "hulotte_api_live_events_total", Help: "Live events sent."}, number(&c.sent))
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "hulotte_api_live_skipped_total", Help: "Changes that were folded into a later live event, because the client or the second was slow.",
	}, number(&c.skipped))
	f.NewCounterFunc(prometheus.CounterOpts{Name: "hulotte_api_live_refused_total", Help: "Live streams refused because too many were open."}, number(&c.refused))
}

// dataVersion changes when new data is known to be there.
func (a *api) dataVersion() uint64 {
	if a.Live == nil {
		return 0
	}
	return a.Live.Seq()
}

func (a *api) serveLive(w http.ResponseWriter, r *http.Request) {
	topics, err := a.admitLive(r)
	if err != nil {
		a.writeError(w, err)
		return
	}
	if a.live.n.Add(1) > int64(a.Limits.LiveStreams) {
		a.live.n.Add(-1)
		a.live.refused.Add(1)
		a.writeError(w, &apiError{kind: errUnavailable, err: fmt.Errorf("%d live streams are open already: close a tab, or raise the limit", a.Limits.LiveStreams)})
		return
	}
	defer a.live.n.Add(-1)
	sub := a.Live.Subscribe(topics, a.lastHeard(r))
	defer sub.Close()
	(&liveStream{w: w, control: http.NewResponseController(w), api: a}).run(r, sub)
}

// admitLive checks a request for the stream and returns its topics.
func (a *api) admitLive(r *http.Request) ([]string, error) {
	if a.Live == nil {
		return nil, &apiError{kind: errUnavailable, err: fmt.Errorf("this process has no live events")}
	}
	topics := append(r.URL.Query()["topic"], "data")
	slices.Sort(topics)
	topics = slices.Compact(topics)
	if len(topics) > maxLiveTopics {
		return nil, badParam("topic", fmt.Errorf("%d topics: at most %d are allowed", len(topics), maxLiveTopics))
	}
	for _, t := range topics {
		if !liveTopic.MatchString(t) {
			return nil, badParam("topic", fmt.Errorf("%q: a topic has 1 to 100 letters, digits and _.:-", cutText(t, 40)))
		}
	}
	return topics, nil
}

// lastHeard returns the number of the last event that a returning client got. A client of an earlier process
// has missed everything; a new one nothing.
func (a *api) lastHeard(r *http.Request) uint64 {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		return a.Live.Seq()
	}
	epoch, number, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != a.Live.Epoch() {
		return 0
	}
	return seq
}

// liveStream is one open stream.
type liveStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	api     *api
}

// run sends events until the client leaves, the hub closes or the client takes nothing any more.
func (s *liveStream) run(r *http.Request, sub *broadcast.Subscription) {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	hello := map[string]any{"version": s.api.Build.Version, "time": s.api.Now().Unix()}
	if s.raw(fmt.Sprintf("retry: %d\n", liveRetry.Milliseconds())) != nil || s.event("hello", s.api.Live.Seq(), hello) != nil {
		return
	}
	ping := time.NewTicker(livePing)
	defer ping.Stop()
	settle, every := stoppedTimer(), stoppedTimer() // until the client is told; until it may be told again
	defer settle.Stop()
	defer every.Stop()
	ready := sub.Ready()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.api.Live.Done():
			return
		case <-ping.C:
			if s.raw("event: ping\ndata: {}\n\n") != nil {
				return
			}
		case <-every.C:
			ready = sub.Ready()
		case <-ready:
			ready = nil
			settle.Reset(liveSettle)
		case <-settle.C:
			if s.tell(sub) != nil {
				return
			}
			every.Reset(liveEvery - liveSettle)
		}
	}
}

// tell sends all news as one write.
func (s *liveStream) tell(sub *broadcast.Subscription) error {
	for _, n := range sub.Take() {
		s.api.live.sent.Add(1)
		s.api.live.skipped.Add(int64(n.Count - 1))
		body := map[string]any{"time": float64(n.At.UnixMilli()) / 1000, "skipped": n.Count - 1}
		if err := s.event(n.Topic, n.Seq, body); err != nil {
			return err
		}
	}
	return nil
}

func (s *liveStream) event(name string, seq uint64, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return s.raw(fmt.Sprintf("id: %s-%d\nevent: %s\ndata: %s\n\n", s.api.Live.Epoch(), seq, name, b))
}

func (s *liveStream) raw(text string) error {
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

// stoppedTimer returns a timer that fires after its first Reset.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
