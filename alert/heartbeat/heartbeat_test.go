package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestBeat(t *testing.T) {
	code := http.StatusOK
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.URL.Path != "/ping/secret-id" || r.UserAgent() != "Hulotte/1" {
			t.Errorf("%s by %s", r.URL, r.UserAgent())
		}
		w.WriteHeader(code)
	}))
	var broken error
	h, err := New(Options{URL: server.URL + "/ping/secret-id", UserAgent: "Hulotte/1", Works: func() error { return broken }}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	f := func(want, why string, wantCalls int) {
		t.Helper()
		got, err := h.beat(context.Background())
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != want || !strings.Contains(text, why) || strings.Contains(text, "secret") || calls != wantCalls {
			t.Errorf("%s, %v after %d calls; want %s, %s, %d", got, err, calls, want, why, wantCalls)
		}
	}
	f("ok", "", 1)
	broken = errors.New("no rule is evaluated")
	f("withheld", "no rule is evaluated", 1)
	broken = nil
	code = http.StatusServiceUnavailable
	f("failed", "503", 2)
	server.Close()
	f("failed", "connection refused", 2)
}
