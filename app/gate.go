package app

import (
	"context"
	"fmt"
	"net/http"
	"sync"
)

// gate is the handler of the listener. It answers the probes itself from the first moment on, and lets
// everything else through while the parts behind it are up.
type gate struct {
	mux *http.ServeMux
	// degraded says what does not work while requests are answered, "" when all does. It is set before the gate opens.
	degraded func() string

	mu      sync.Mutex
	closed  string       // why nothing gets through, "" while the gate is open; guarded by mu
	handler http.Handler // what stands behind; guarded by mu
	inside  int          // requests that got through and are not answered yet; guarded by mu
	// empty is closed when the last request has left a closed gate; guarded by mu.
	empty chan struct{}
}

const (
	healthyPath = "/-/healthy"
	readyPath   = "/-/ready"
)

// isProbe tells the paths that may be asked without a user: they say nothing that a port scan would not.
func isProbe(path string) bool { return path == healthyPath || path == readyPath }

func newGate() *gate {
	g := &gate{mux: http.NewServeMux(), degraded: func() string { return "" }, closed: "starting", handler: http.NotFoundHandler()}
	g.mux.HandleFunc("GET "+healthyPath, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Hulotte is healthy.")
	})
	g.mux.HandleFunc("GET "+readyPath, g.ready)
	g.mux.HandleFunc("/", g.pass)
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// close keeps requests out from now on and says why; those inside go on.
func (g *gate) close(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = why
}

func (g *gate) open() { g.close("") }

func (g *gate) isOpen() bool { return g.why() == "" }

func (g *gate) why() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// serve sets what stands behind the gate.
func (g *gate) serve(h http.Handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handler = h
}

// wait returns when the last request has left a closed gate.
func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	n, empty := g.inside, make(chan struct{})
	g.empty = empty
	g.mu.Unlock()
	if n == 0 {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("requests were still being answered: %w", ctx.Err())
	}
}

// enter returns the handler, or why there is no way in.
func (g *gate) enter() (h http.Handler, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != "" {
		return nil, g.closed
	}
	g.inside++
	return g.handler, ""
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// ready tells whether requests are answered. What does not work meanwhile is told as well, and with ?strict=1
// counts as not being ready: for those who would rather send no more requests then.
func (g *gate) ready(w http.ResponseWriter, r *http.Request) {
	if why := g.why(); why != "" {
		notReady(w, why)
		return
	}
	degraded := g.degraded()
	if degraded != "" && r.URL.Query().Has("strict") {
		notReady(w, degraded)
		return
	}
	fmt.Fprintln(w, "Hulotte is ready.")
	if degraded != "" {
		fmt.Fprintln(w, "But "+degraded)
	}
}

func (g *gate) pass(w http.ResponseWriter, r *http.Request) {
	h, why := g.enter()
	if why != "" {
		notReady(w, why)
		return
	}
	defer g.leave()
	h.ServeHTTP(w, r)
}

func notReady(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Hulotte is not ready: "+why, http.StatusServiceUnavailable)
}
