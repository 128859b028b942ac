package app

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// gate is the handler of the listener. It answers the probes itself from the first moment on, and lets
// everything else through while the parts behind it are up.
type gate struct {
	// closed is why nothing gets through; nil while the gate is open.
	closed  atomic.Pointer[string]
	handler atomic.Pointer[http.Handler]
	mux     *http.ServeMux
}

func newGate() *gate {
	g := &gate{mux: http.NewServeMux()}
	g.close("starting")
	g.mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Hulotte is healthy.")
	})
	g.mux.HandleFunc("GET /-/ready", g.ready)
	g.mux.HandleFunc("/", g.pass)
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// close keeps requests out and says why.
func (g *gate) close(why string) { g.closed.Store(&why) }

func (g *gate) open() { g.closed.Store(nil) }

// serve sets what stands behind the gate.
func (g *gate) serve(h http.Handler) { g.handler.Store(&h) }

func (g *gate) ready(w http.ResponseWriter, _ *http.Request) {
	if why := g.closed.Load(); why != nil {
		notReady(w, *why)
		return
	}
	fmt.Fprintln(w, "Hulotte is ready.")
}

func (g *gate) pass(w http.ResponseWriter, r *http.Request) {
	if why := g.closed.Load(); why != nil {
		notReady(w, *why)
		return
	}
	if h := g.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

func notReady(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Hulotte is not ready: "+why, http.StatusServiceUnavailable)
}
