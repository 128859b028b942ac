package scrape

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"
)

// rig is a running Manager over a store of its own.
type rig struct {
	*Manager
	t     *testing.T
	store *teststorage.TestStorage
	reg   *prometheus.Registry
}

// start runs a Manager with the configuration, which may hold relative paths from the test's folder.
func start(t *testing.T, yaml string) *rig { return startWith(t, Options{}, yaml) }

func startWith(t *testing.T, opts Options, yaml string) *rig {
	t.Helper()
	r := &rig{t: t, store: teststorage.New(t), reg: prometheus.NewRegistry()}
	var err error
	r.Manager, err = NewManager(opts, r.store, slog.New(slog.NewTextHandler(io.Discard, nil)), r.reg)
	if err != nil {
		t.Fatal(err)
	}
	r.apply(yaml)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *rig) apply(yaml string) {
	r.t.Helper()
	if err := r.Apply(mustLoad(r.t, yaml)); err != nil {
		r.t.Fatal(err)
	}
}

func mustLoad(t *testing.T, yaml string) *Config {
	t.Helper()
	cfg, _, err := Load([]byte(yaml), filepath.Join(t.TempDir(), "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// await polls until ok returns true, and fails the test with what() after a generous time.
func await(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 90 s in vain: %s", what())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// scraped waits until a target of the pool was scraped and what it brought can be read, and returns it.
func (r *rig) scraped(pool string) Target {
	r.t.Helper()
	var found Target
	await(r.t, func() string { return "no scrape in pool " + pool }, func() bool {
		for _, target := range r.Targets(pool).Active {
			// A scrape is reported a moment before it is committed.
			if _, stored := r.series("up")[target.Labels.String()]; stored {
				found = target
				return true
			}
		}
		return false
	})
	return found
}

// series reads the stored series of a metric: labels without the name, and the last value.
func (r *rig) series(metric string) map[string]float64 {
	r.t.Helper()
	q, err := r.store.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	if err != nil {
		r.t.Fatal(err)
	}
	defer q.Close()
	found := map[string]float64{}
	set := q.Select(r.t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", metric))
	for set.Next() {
		if v, ok := last(set.At()); ok {
			found[set.At().Labels().DropReserved(func(n string) bool { return n == "__name__" }).String()] = v
		}
	}
	if set.Err() != nil {
		r.t.Fatal(set.Err())
	}
	return found
}

// last returns the last value of a series, staleness markers apart; ok is false when there is none, as with a
// series of a scrape that was rolled back.
func last(s storage.Series) (v float64, ok bool) {
	it := s.Iterator(nil)
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		switch kind {
		case chunkenc.ValFloat:
			if _, f := it.At(); !value.IsStaleNaN(f) {
				v, ok = f, true
			}
		case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
			if _, h := it.AtFloatHistogram(nil); !value.IsStaleNaN(h.Sum) {
				v, ok = h.Count, true
			}
		}
	}
	return v, ok
}

// serve answers every request with the text, and returns the server's host:port.
func serve(t *testing.T, text string) string {
	return serveFunc(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func serveFunc(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func pemOf(certificate []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}
