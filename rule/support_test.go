package rule

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

// rig is a Manager over the real engine and a store, to be used inside a synctest bubble: its clock stands
// still until the test waits.
type rig struct {
	*Manager
	t     *testing.T
	store *teststorage.TestStorage
	dir   string
	reg   *prometheus.Registry
	stop  func() // ends Run and waits for it

	mu   sync.Mutex
	told []Alert // what was notified; guarded by mu
}

func newRig(t *testing.T, opts Options) *rig {
	return newRigOn(t, opts, teststorage.New(t))
}

func newRigOn(t *testing.T, opts Options, store *teststorage.TestStorage) *rig {
	t.Helper()
	r := &rig{t: t, store: store, dir: t.TempDir(), reg: prometheus.NewRegistry()}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	opts.Notify = func(_ context.Context, _ string, alerts []Alert) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, alerts...)
	}
	if opts.ExternalURL == nil {
		opts.ExternalURL = &url.URL{Scheme: "https", Host: "owl.example", Path: "/w"}
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	r.Manager = NewManager(opts, EngineQuery(engine, store), store, store, quiet, r.reg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(r.stop)
	return r
}

// load applies the rules, evaluated every minute unless they say otherwise.
func (r *rig) load(yaml string) {
	r.t.Helper()
	if err := r.tryLoad(yaml); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tryLoad(yaml string) error {
	r.t.Helper()
	write(r.t, filepath.Join(r.dir, "rules.yml"), yaml)
	return r.Apply(Config{
		Files:          []string{filepath.Join(r.dir, "*.yml")},
		ExternalLabels: labels.FromStrings("site", "paris"),
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sample writes a sample of now.
func (r *rig) sample(v float64, pairs ...string) {
	r.t.Helper()
	app := r.store.AppenderV2(r.t.Context())
	_, err := app.Append(0, labels.FromStrings(pairs...), 0, time.Now().UnixMilli(), v, nil, nil, storage.AOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		r.t.Fatal(err)
	}
}

// hold writes the sample every 30 s for d, so that it never goes stale.
func (r *rig) hold(d time.Duration, v float64, pairs ...string) {
	r.t.Helper()
	for range int(d / (30 * time.Second)) {
		r.sample(v, pairs...)
		time.Sleep(30 * time.Second)
	}
}

// value evaluates expr now, and returns its only value.
func (r *rig) value(expr string) (float64, bool) {
	r.t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	v, err := EngineQuery(engine, r.store)(r.t.Context(), expr, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	if len(v) > 1 {
		r.t.Fatalf("%s has %d values", expr, len(v))
	}
	if len(v) == 0 {
		return 0, false
	}
	return v[0].F, true
}

func (r *rig) wantValue(expr string, want float64) {
	r.t.Helper()
	if got, ok := r.value(expr); !ok || got != want {
		r.t.Errorf("%s = %v (there: %v), want %v", expr, got, ok, want)
	}
}

// rule returns the state of the rule of that name.
func (r *rig) rule(name string) Rule {
	r.t.Helper()
	for _, g := range r.Groups() {
		for _, rule := range g.Rules {
			if rule.Name == name {
				return rule
			}
		}
	}
	r.t.Fatalf("no rule %s", name)
	return Rule{}
}

// states returns what was notified since the last call, by state.
func (r *rig) states() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[string]int{}
	for _, a := range r.told {
		n[a.State]++
	}
	r.told = nil
	return n
}
