package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestGate(t *testing.T) {
	g := newGate()
	g.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	f := func(path string, want int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s: %d %s, want %d %q", path, w.Code, w.Body, want, body)
		}
	}
	g.close("starting: store")
	f(healthyPath, 200, "healthy")
	f(readyPath, 503, "starting: store")
	f("/x", 503, "starting: store")
	g.open()
	f(readyPath, 200, "ready")
	f("/x", http.StatusTeapot, "")
	f(readyPath+"?strict", 200, "ready")
	g.degraded = func() string { return "something does not work" }
	f(readyPath, 200, "something does not work")
	f(readyPath+"?strict=1", 503, "something does not work")
	f("/x", http.StatusTeapot, "")
	g.close("stopping")
	f(healthyPath, 200, "healthy")
	f(readyPath, 503, "stopping")
}

func TestGateWaitsForThoseInside(t *testing.T) {
	g := newGate()
	inside, goOn := make(chan struct{}), make(chan struct{})
	g.serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(inside); <-goOn }))
	g.open()
	go g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
	<-inside
	g.close("stopping")

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.wait(short); err == nil || !strings.Contains(err.Error(), "still being answered") {
		t.Errorf("wait = %v", err)
	}
	close(goOn)
	if err := g.wait(t.Context()); err != nil {
		t.Errorf("wait = %v", err)
	}
}
