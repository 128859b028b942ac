package api

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hulotte-dev/hulotte/internal/broadcast"
	"github.com/hulotte-dev/hulotte/model"
)

type noSuchHost struct{ error }

func (noSuchHost) NotFound() bool { return true }

func hostsAPI(t *testing.T, hub *broadcast.Hub, h Hosts) http.Handler {
	t.Helper()
	return newTestAPI(t, emptySeries{}, func(o *Options) { o.Hosts, o.Live = h, hub })
}

func TestHostEndpoints(t *testing.T) {
	h := hostsAPI(t, nil, Hosts{
		Overview: func(ctx context.Context) (any, error) { return "overview of " + model.Tenant(ctx), nil },
		Host: func(_ context.Context, instance string) (any, error) {
			if instance == "gone" {
				return nil, fmt.Errorf("cannot show it: %w", noSuchHost{errors.New("no host gone")})
			}
			return instance, nil
		},
		Charts: func(_ context.Context, instance string, from, to time.Time, points int) (any, error) {
			return fmt.Sprint(instance, " ", from.Unix(), " ", to.Unix(), " ", points), nil
		},
		Processes: func(_ context.Context, instance string) (any, error) {
			if instance != "here" {
				return nil, nil
			}
			return []string{"init"}, nil
		},
	})
	f := func(path string, status int, want string) {
		t.Helper()
		gotStatus, body := get(t, h, path)
		if gotStatus != status || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %s, want %d with %s", path, gotStatus, body, status, want)
		}
	}
	const base = "/api/hulotte/v1/"
	f(base+"overview", 200, `{"data":"overview of default","status":"success"}`)
	f(base+"hosts/a%2Fb%20c", 200, `"a/b c"`)
	f(base+"hosts/gone", 404, `"errorType":"not_found","error":"cannot show it: no host gone"`)
	f(base+"hosts/a/charts", 200, fmt.Sprintf(`"a %d %d 240"`, clock.Unix()-3600, clock.Unix()))
	f(base+"hosts/a/charts?from=10&to=20.5&points=7", 200, `"a 10 20 7"`)
	f(base+"hosts/a/charts?from=yesterday", 400, `invalid parameter \"from\": \"yesterday\" is not a time in seconds since 1970`)
	f(base+"hosts/a/charts?to=1e300", 400, `\"to\"`)
	f(base+"hosts/a/charts?points=many", 400, `\"points\"`)
	f(base+"hosts/here/processes", 200, `{"data":{"local":true,"top":["init"]}`)
	f(base+"hosts/there/processes", 200, `{"data":{"local":false,"top":null}`)
	f(base+"hosts", 404, "not_found")
	f(base+"live", 503, "no live events")
}

func TestHostEndpointsWithoutHosts(t *testing.T) {
	h := hostsAPI(t, nil, Hosts{})
	for _, path := range []string{"overview", "hosts/a", "hosts/a/charts"} {
		if status, body := get(t, h, "/api/hulotte/v1/"+path); status != 503 || !strings.Contains(body, "unavailable") {
			t.Errorf("%s: %d %s, want 503 unavailable", path, status, body)
		}
	}
}

func TestManyClientsCostOneComputation(t *testing.T) {
	hub := broadcast.New("x")
	var computed atomic.Int64
	h := hostsAPI(t, hub, Hosts{Overview: func(context.Context) (any, error) { return computed.Add(1), nil }})
	ask := func() {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { get(t, h, "/api/hulotte/v1/overview") })
		}
		wg.Wait()
	}
	ask()
	if n := computed.Load(); n != 1 {
		t.Errorf("100 clients cost %d computations, want 1", n)
	}
	hub.Publish("data", clock)
	ask()
	if n := computed.Load(); n != 2 {
		t.Errorf("%d computations after new data, want 2", n)
	}
}

func TestSharedAnswerOutlivesItsFirstClientAndErrorsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedAnswers(time.Now, func() uint64 { return 0 })
		first, leave := context.WithCancel(context.Background())
		results := make(chan error, 2)
		slow := func(ctx context.Context) (any, error) {
			time.Sleep(time.Second)
			return 1, ctx.Err()
		}
		go func() { _, err := s.get(first, "k", slow); results <- err }()
		synctest.Wait()
		go func() { _, err := s.get(context.Background(), "k", slow); results <- err }()
		synctest.Wait()
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("the client that left got %v", err)
		}
		if err := <-results; err != nil {
			t.Errorf("the client that stayed got %v", err)
		}
		boom := errors.New("boom")
		for range 2 {
			if _, err := s.get(context.Background(), "bad", func(context.Context) (any, error) { return nil, boom }); !errors.Is(err, boom) {
				t.Errorf("got %v, want boom", err)
			}
		}
		if len(s.answers) != 1 {
			t.Errorf("%d answers are kept, want 1", len(s.answers))
		}
	})
}

func TestSharedAnswersAreBounded(t *testing.T) {
	s := newSharedAnswers(time.Now, func() uint64 { return 0 })
	for i := range 10 * maxAnswers {
		if _, err := s.get(context.Background(), fmt.Sprint(i), func(context.Context) (any, error) { return i, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.answers) > maxAnswers {
		t.Errorf("%d answers are kept, want at most %d", len(s.answers), maxAnswers)
	}
}

func TestSharedAnswerIsCompressed(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	h := hostsAPI(t, nil, Hosts{Overview: func(context.Context) (any, error) { return long, nil }})
	r := httptest.NewRequest(http.MethodGet, "/api/hulotte/v1/overview", nil)
	r.Header.Set("Accept-Encoding", "zstd;q=0.1, gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatalf("%v, headers %v", err, w.Header())
	}
	var got struct{ Data string }
	if err := json.NewDecoder(z).Decode(&got); err != nil || got.Data != long {
		t.Errorf("decoded %d characters, %v", len(got.Data), err)
	}
}

// liveEvents opens a stream and returns a reader of its events.
func liveEvents(t *testing.T, url, lastID string) (next func() string, end func()) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
		t.Fatalf("content type %q", ct)
	}
	pending := ""
	buf := make([]byte, 4096)
	next = func() string {
		for {
			if event, rest, ok := strings.Cut(pending, "\n\n"); ok {
				pending = rest
				return event
			}
			n, err := res.Body.Read(buf)
			pending += string(buf[:n])
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Logf("the stream ended: %v", err)
				}
				return ""
			}
		}
	}
	return next, func() { _ = res.Body.Close() }
}

func TestLiveStream(t *testing.T) {
	hub := broadcast.New("x")
	srv := httptest.NewServer(hostsAPI(t, hub, Hosts{}))
	defer srv.Close()
	next, end := liveEvents(t, srv.URL+"/api/hulotte/v1/live?topic=targets", "")
	defer end()
	if got := next(); !strings.Contains(got, "event: hello") || !strings.Contains(got, "retry: 2000") {
		t.Fatalf("first event %q", got)
	}
	hub.Publish("data", time.UnixMilli(1500))
	if got, want := next(), "id: x-1\nevent: data\ndata: {\"skipped\":0,\"time\":1.5}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// Within the second of silence that follows, changes are folded.
	hub.Publish("data", time.UnixMilli(2000))
	hub.Publish("other", time.UnixMilli(2100))
	hub.Publish("data", time.UnixMilli(2200))
	hub.Publish("targets", time.UnixMilli(2300))
	if got, want := next(), "id: x-4\nevent: data\ndata: {\"skipped\":1,\"time\":2.2}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := next(); !strings.HasPrefix(got, "id: x-5\nevent: targets") {
		t.Errorf("got %q", got)
	}
	hub.Close()
	if got := next(); got != "" {
		t.Errorf("after the end: %q", got)
	}
}

func TestLiveStreamCatchesUp(t *testing.T) {
	hub := broadcast.New("x")
	srv := httptest.NewServer(hostsAPI(t, hub, Hosts{}))
	defer srv.Close()
	defer hub.Close()
	hub.Publish("data", clock)
	hub.Publish("data", clock)
	f := func(lastID string) {
		t.Helper()
		next, end := liveEvents(t, srv.URL+"/api/hulotte/v1/live", lastID)
		defer end()
		next()
		if got := next(); !strings.Contains(got, "event: data") {
			t.Errorf("after %q: %q", lastID, got)
		}
	}
	f("x-1")
	f("older-99")
	f("nonsense")
}

func TestLiveStreamRefuses(t *testing.T) {
	hub := broadcast.New("x")
	defer hub.Close()
	h := newTestAPI(t, emptySeries{}, func(o *Options) { o.Live, o.Limits.LiveStreams = hub, 1 })
	srv := httptest.NewServer(h)
	defer srv.Close()
	next, end := liveEvents(t, srv.URL+"/api/hulotte/v1/live", "")
	defer end()
	next()
	f := func(query string, status int, want string) {
		t.Helper()
		got, body := get(t, h, "/api/hulotte/v1/live"+query)
		if got != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %d %s", query, got, body, status, want)
		}
	}
	f("", 503, "1 live streams are open already")
	f("?topic=a%20b", 400, "a topic has 1 to 100")
	f("?topic=a&topic=b", 503, "open already")
	many := ""
	for i := range maxLiveTopics + 1 {
		many += fmt.Sprintf("topic=t%d&", i)
	}
	f("?"+many, 400, "at most 32")
}
