package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// pipeListener hands out one end of pipes, so that a server and its clients live in a bubble of synctest.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// tailWorld is a server in a bubble of synctest whose clock is the API's.
type tailWorld struct {
	*testing.T
	events *eventstest.Memory
	listen *pipeListener
	stop   context.CancelFunc // ends the contexts of requests, as a server that stops does
	pings  int
}

func inTailWorld(t *testing.T, change func(*Options), f func(w *tailWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tenants := &eventstest.Tenants{}
		h := newTestAPI(t, emptySeries{}, func(o *Options) {
			o.Now = time.Now
			o.Logs = Logs{Events: tenants, LogQL: newLogQL(tenants)}
			if change != nil {
				change(o)
			}
		})
		ctx, stop := context.WithCancel(context.Background())
		w := &tailWorld{T: t, events: tenants.Tenant("default"), listen: newPipeListener(), stop: stop}
		s := &http.Server{Handler: h, BaseContext: func(net.Listener) context.Context { return ctx }, ReadHeaderTimeout: time.Minute}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Serve(w.listen)
		}()
		defer func() { // also when f gives up
			stop()
			_ = s.Close()
			<-done
		}()
		f(w)
	})
}

// tail opens a tail.
func (w *tailWorld) tail(params string) *websocket.Conn {
	w.Helper()
	conn, res, err := websocket.Dial(context.Background(), "ws://hulotte/loki/api/v1/tail?"+params, &websocket.DialOptions{
		HTTPClient:     &http.Client{Transport: &http.Transport{DialContext: w.listen.dial}},
		OnPingReceived: func(context.Context, []byte) bool { w.pings++; return true },
	})
	if err != nil {
		w.Fatal(err)
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	w.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func (w *tailWorld) append(labels, text, fields string, ago time.Duration) {
	w.Helper()
	s := []model.Stream{{Labels: fieldsOf(labels), Records: []model.Record{{Time: time.Now().Add(-ago).UnixNano(), Line: text, Fields: fieldsOf(fields)}}}}
	if _, err := w.events.AppendRecords(context.Background(), s); err != nil {
		w.Fatal(err)
	}
}

// frame is one frame, with the lines of all streams.
type frame struct {
	Streams []struct {
		Stream map[string]string
		Values [][]json.RawMessage
	}
	DroppedEntries []struct {
		Labels    map[string]string
		Timestamp string
	} `json:"dropped_entries"`
	DroppedCount int `json:"dropped_count"`
	text         string
}

func (f frame) lines() (out []string) {
	for _, s := range f.Streams {
		for _, v := range s.Values {
			var line string
			_ = json.Unmarshal(v[1], &line)
			out = append(out, line)
		}
	}
	return out
}

func (w *tailWorld) read(c *websocket.Conn) (f frame) {
	w.Helper()
	_, data, err := c.Read(context.Background())
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		w.Fatalf("%v in %s", err, data)
	}
	f.text = string(data)
	return f
}

var tailWeb = "query=" + url.QueryEscape(`{app="web"}`)

func TestTail(t *testing.T) {
	inTailWorld(t, nil, func(w *tailWorld) {
		w.append("app=web", "old", "", 2*time.Hour)
		w.append("app=web", "one", "", 3*time.Second)
		w.append("app=db", "other", "", 2*time.Second)
		w.append("app=web", "two", "k=v", time.Second)
		c := w.tail(tailWeb + "&encoding_flags=categorize-labels")
		if got := w.read(c); fmt.Sprint(got.lines()) != "[one two]" || !strings.Contains(got.text, `{"structuredMetadata":{"k":"v"}}`) || !strings.Contains(got.text, `"encodingFlags":["categorize-labels"]`) {
			t.Errorf("at the beginning: %s", got.text)
		}
		w.append("app=db", "other", "", 0)
		w.append("app=web", "three", "", 0)
		if got := w.read(c); fmt.Sprint(got.lines()) != "[three]" {
			t.Errorf("then: %s", got.text)
		}
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := w.events.Followers(); n != 0 {
			t.Errorf("%d follow after the client left", n)
		}
	})
}

func TestTailFrom(t *testing.T) {
	f := func(params, want string) {
		t.Helper()
		inTailWorld(t, nil, func(w *tailWorld) {
			w.append("app=web", "0", "", 2*time.Hour)
			for i := 3; i > 0; i-- {
				w.append("app=web", fmt.Sprint(4-i), "", time.Duration(i)*time.Second)
			}
			c := w.tail(tailWeb + params)
			synctest.Wait() // what is followed comes after the beginning
			w.append("app=web", "next", "", 0)
			var got []string
			for !slices.Contains(got, "next") {
				got = append(got, w.read(c).lines()...)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("%s: %v, want %s", params, got, want)
			}
		})
	}
	f("", "[1 2 3 next]")
	f("&limit=2", "[2 3 next]")
	f("&limit=0", "[next]")
	f("&start=0", "[0 1 2 3 next]")
	f("&start=4000000000", "[next]")
}

// What is appended while a tail opens comes exactly once.
func TestTailMissesNothing(t *testing.T) {
	inTailWorld(t, nil, func(w *tailWorld) {
		const n = 500
		go func() {
			for i := range n {
				w.append("app=web", fmt.Sprint(i), "", 0)
				if i == n/2 {
					time.Sleep(time.Second)
				}
			}
		}()
		c := w.tail(tailWeb + "&limit=5000")
		seen := map[string]int{}
		for len(seen) < n {
			for _, line := range w.read(c).lines() {
				seen[line]++
			}
		}
		if twice := slices.DeleteFunc(slices.Sorted(maps.Keys(seen)), func(s string) bool { return seen[s] == 1 }); len(twice) > 0 {
			t.Errorf("more than once: %v", twice)
		}
	})
}

func TestTailDelay(t *testing.T) {
	inTailWorld(t, nil, func(w *tailWorld) {
		c := w.tail(tailWeb + "&delay_for=2")
		begin := time.Now()
		synctest.Wait()
		w.append("app=web", "second", "", 0)
		w.append("app=web", "first", "", time.Second)
		w.append("app=web", "future", "", -time.Hour)
		got := w.read(c)
		if fmt.Sprint(got.lines()) != "[first]" || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", got.lines(), time.Since(begin))
		}
		if got = w.read(c); fmt.Sprint(got.lines()) != "[second future]" || time.Since(begin) != 2*time.Second {
			t.Errorf("%v after %s", got.lines(), time.Since(begin))
		}
	})
}

func TestTailPings(t *testing.T) {
	inTailWorld(t, nil, func(w *tailWorld) {
		c := w.tail(tailWeb)
		ctx, cancel := context.WithTimeout(context.Background(), 61*time.Second)
		defer cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) || w.pings != 4 {
			t.Errorf("%d pings in a minute, %v", w.pings, err)
		}
	})
}

// A client that answers no ping is let go.
func TestTailDeadClient(t *testing.T) {
	inTailWorld(t, nil, func(w *tailWorld) {
		_ = w.tail(tailWeb) // a client reads only when it is asked to
		time.Sleep(tailPing + tailStall + time.Second)
		synctest.Wait()
		if n := w.events.Followers(); n != 0 {
			t.Errorf("%d follow", n)
		}
	})
}

func TestTailEnds(t *testing.T) {
	f := func(name string, change func(*Options), do func(w *tailWorld), code websocket.StatusCode, reason string) {
		t.Helper()
		inTailWorld(t, change, func(w *tailWorld) {
			c := w.tail(tailWeb)
			synctest.Wait()
			do(w)
			_, _, err := c.Read(context.Background())
			var e websocket.CloseError
			if !errors.As(err, &e) || e.Code != code || e.Reason != reason {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	with := func(err error) func(*Options) {
		return func(o *Options) { o.Logs.LogQL = failingFollow{o.Logs.LogQL, err} }
	}
	nothing := func(*tailWorld) {}
	f("stop", nil, func(w *tailWorld) { w.stop() }, websocket.StatusGoingAway, "the server stops: come back in a moment")
	f("error", with(model.NewError(model.Unavailable, "the medium is away")), nothing, websocket.StatusInternalError, "the medium is away")
	f("end", with(nil), nothing, websocket.StatusInternalError, "the tail ended")
	f("query", func(o *Options) { o.Logs.LogQL = failing{o.Logs.LogQL, errTest} }, nothing, websocket.StatusInternalError, "too many queries wait")
	f("long", with(errors.New(strings.Repeat("é", 200))), nothing, websocket.StatusInternalError, strings.Repeat("é", 50)+"…")
}

type failingFollow struct {
	LogQL
	err error
}

func (f failingFollow) Follow(_ context.Context, _ string, to func([]logql.Stream, int) error) error {
	return errors.Join(to(nil, 0), f.err)
}

// What does not fit into the queue of a slow client is counted, and some of it named.
func TestTailDrops(t *testing.T) {
	inTailWorld(t, func(o *Options) { o.Logs.Limits.MaxTailBytes = 1000 }, func(w *tailWorld) {
		c := w.tail(tailWeb)
		synctest.Wait()
		records := make([]model.Record, 300)
		for i := range records {
			records[i] = model.Record{Time: int64(i), Line: strings.Repeat("x", 380)}
		}
		if _, err := w.events.AppendRecords(context.Background(), []model.Stream{{Labels: fieldsOf("app=web"), Records: records}}); err != nil {
			t.Fatal(err)
		}
		got := w.read(c)
		if len(got.lines()) != 2 || got.DroppedCount != 298 || len(got.DroppedEntries) != maxDroppedExamples || got.DroppedEntries[0].Timestamp != "2" || got.DroppedEntries[0].Labels["app"] != "web" {
			t.Errorf("%d lines, %d dropped, %v", len(got.lines()), got.DroppedCount, got.DroppedEntries)
		}
		w.append("app=web", "next", "", 0)
		if got = w.read(c); fmt.Sprint(got.lines()) != "[next]" || strings.Contains(got.text, "dropped") {
			t.Errorf("then %s", got.text)
		}
	})
}

func TestTailLimit(t *testing.T) {
	inTailWorld(t, func(o *Options) { o.Logs.Limits.MaxTails = 2 }, func(w *tailWorld) {
		one := w.tail(tailWeb)
		_ = w.tail(tailWeb)
		_, res, err := websocket.Dial(context.Background(), "ws://hulotte/loki/api/v1/tail?"+tailWeb, &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: w.listen.dial}},
		})
		if err == nil || res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%v %v", res, err)
		}
		_ = one.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		_ = w.tail(tailWeb)
	})
}

// A large answer comes in several frames.
func TestTailFrames(t *testing.T) {
	inTailWorld(t, nil, func(w *tailWorld) {
		for i := range 10 {
			w.append("app=web,n="+fmt.Sprint(i%2), strings.Repeat("x", 100<<10), "", time.Duration(10-i)*time.Second)
		}
		c := w.tail(tailWeb)
		c.SetReadLimit(1 << 20)
		var sizes []int
		for n := 0; n < 10; {
			f := w.read(c)
			n += len(f.lines())
			sizes = append(sizes, len(f.lines()))
		}
		if fmt.Sprint(sizes) != "[2 2 2 2 2]" {
			t.Error(sizes)
		}
	})
}

func TestTailErrors(t *testing.T) {
	h := newLogsAPI(t, func(o *Options) {
		o.AllowedOrigins = []string{"https://grafana.example"}
		o.ExternalURL = "https://hulotte.example/logs"
	}, someLines...)
	f := func(params string, code int, want string) {
		t.Helper()
		if got, body := get(t, h, "/loki/api/v1/tail?"+params); got != code || !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %s", params, got, body)
		}
	}
	f("", 400, `invalid parameter "query": it is missing or empty`)
	f("query={", 400, "parse error at line 1, col 2: ")
	f("query=vector(1)%2Bvector(1)", 400, `invalid parameter "query": only log queries`)
	f(tailWeb+"&delay_for=6", 400, `invalid parameter "delay_for": delay_for can't be greater than 5`)
	f(tailWeb+"&limit=5001", 400, `invalid parameter "limit": 5001 is too much: at most 5000`)
	f(tailWeb+"&start=x", 400, `invalid parameter "start"`)
	f(tailWeb, 426, "WebSocket protocol violation")
	origin := func(origin string, code int) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "http://own.example/loki/api/v1/tail?"+tailWeb, nil)
		for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": origin} {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != code { // a recorder cannot be hijacked: 501 is as good as it gets
			t.Errorf("%s: %d %s", origin, w.Code, w.Body)
		}
	}
	origin("https://elsewhere.example", 403)
	origin("http://grafana.example", 403)
	origin("https://grafana.example", 501)
	origin("https://hulotte.example", 501)
	origin("http://own.example", 501)
	h = newLogsAPI(t, func(o *Options) { o.Logs = Logs{} })
	f(tailWeb, 404, "this process keeps no logs")
}
