package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// memory is Documents in memory.
type memory struct {
	mu     sync.Mutex
	docs   map[string]Document // by kind, slash, key
	next   uint64
	puts   int
	away   error // every call fails with it
	onPut  func(kind, key string)
	frozen bool // writes succeed and are lost, as those after a crash
}

var (
	errAway     = model.NewError(model.Unavailable, "away")
	errConflict = model.NewError(model.Conflict, "changed")
)

func newMemory() *memory { return &memory{docs: map[string]Document{}} }

func (m *memory) Put(_ context.Context, kind, key string, value []byte, expected uint64) (uint64, error) {
	if m.onPut != nil {
		m.onPut(kind, key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	switch {
	case m.away != nil:
		return 0, m.away
	case m.docs[kind+"/"+key].Version != expected:
		return 0, errConflict
	}
	m.next++
	if !m.frozen {
		m.docs[kind+"/"+key] = Document{Key: key, Version: m.next, Value: slices.Clone(value)}
	}
	return m.next, nil
}

func (m *memory) Delete(_ context.Context, kind, key string, expected uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away != nil:
		return m.away
	case m.docs[kind+"/"+key].Version != expected || expected == 0:
		return errConflict
	}
	delete(m.docs, kind+"/"+key)
	return nil
}

func (m *memory) List(_ context.Context, kind, prefix string) iter.Seq2[Document, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	away := m.away
	docs := map[string]Document{}
	for name, doc := range m.docs {
		if strings.HasPrefix(name, kind+"/"+prefix) {
			docs[name] = doc
		}
	}
	return func(yield func(Document, error) bool) {
		if away != nil {
			yield(Document{}, away)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(docs)) {
			if !yield(docs[name], nil) {
				return
			}
		}
	}
}

// Watch looks every second, as a slow medium does.
func (m *memory) Watch(ctx context.Context, kind string) iter.Seq2[DocumentChange, error] {
	return func(yield func(DocumentChange, error) bool) {
		seen := map[string]uint64{}
		for first := true; ; first = false {
			now := map[string]uint64{}
			for doc, err := range m.List(ctx, kind, "") {
				if err != nil {
					yield(DocumentChange{}, err)
					return
				}
				now[doc.Key] = doc.Version
				if seen[doc.Key] != doc.Version && !yield(DocumentChange{Document: doc}, nil) {
					return
				}
			}
			for key := range seen {
				if now[key] == 0 && !yield(DocumentChange{Document: Document{Key: key}, Deleted: true}, nil) {
					return
				}
			}
			if seen = now; first && !yield(DocumentChange{Synced: true}, nil) {
				return
			}
			if !sleep(ctx, time.Second) {
				yield(DocumentChange{}, ctx.Err())
				return
			}
		}
	}
}

// copied is what a crash at this moment would leave.
func (m *memory) copied() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{docs: maps.Clone(m.docs), next: m.next}
}

func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// recorder takes changes as log records, and reads them back.
type recorder struct {
	mu      sync.Mutex
	changes []check.Change
	away    error
}

func (r *recorder) push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away != nil {
		return nil, r.away
	}
	for _, s := range streams {
		for _, rec := range s.Records {
			ch, err := DecodeChange(s.Labels, rec)
			if err != nil {
				panic(err)
			}
			r.changes = append(r.changes, ch)
		}
	}
	return nil, nil
}

// history reads the changes of a check.
func (r *recorder) history(_ context.Context, id string, from, to time.Time, limit int) ([]check.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []check.Change
	for _, c := range slices.Backward(r.changes) {
		if c.Host+"/"+c.Name == id && !c.At.Before(from) && !c.At.After(to) && len(found) < limit {
			found = append(found, c)
		}
	}
	return found, r.away
}

// lines writes the changes of a check, one a line.
func (r *recorder) lines(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, c := range r.changes {
		if c.Host+"/"+c.Name != id {
			continue
		}
		hard := "soft"
		if c.Hard {
			hard = "hard"
		}
		fmt.Fprintf(&b, "%s %s>%s %s %d", c.Type, c.From, c.To, hard, c.Attempt)
		if c.By != "" {
			fmt.Fprintf(&b, " by %s", c.By)
		}
		if c.Tell {
			b.WriteString(" TELL")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// samples is a Series that remembers the newest value of each series.
type samples struct {
	mu     sync.Mutex
	values map[string]float64
	times  map[string]int64
	count  int
	away   error
}

func (s *samples) AppenderV2(context.Context) storage.AppenderV2 { return &appending{s: s} }

// copied is what is there.
func (s *samples) copied() (values map[string]float64, times map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values), maps.Clone(s.times)
}

type appending struct {
	s *samples
	f []func()
}

func (a *appending) Append(_ storage.SeriesRef, ls labels.Labels, _, t int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.s.away != nil {
		return 0, a.s.away
	}
	a.f = append(a.f, func() { a.s.values[ls.String()], a.s.times[ls.String()] = v, t; a.s.count++ })
	return 1, nil
}

func (a *appending) Commit() error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for _, f := range a.f {
		f()
	}
	return nil
}

func (a *appending) Rollback() error { return nil }

// thing is what is checked: tests change how it answers.
type thing struct {
	mu     sync.Mutex
	status model.Status
	asked  []time.Time
	slow   time.Duration
	stuck  chan struct{} // it ignores its context until this is closed
	panics bool
	breaks chan struct{} // held connections end when it is closed
	held   int
	nohold error
}

func (h *thing) Probe(ctx context.Context) model.CheckResult {
	h.mu.Lock()
	h.asked = append(h.asked, time.Now())
	status, slow, stuck, panics := h.status, h.slow, h.stuck, h.panics
	h.mu.Unlock()
	if panics {
		panic("broken check")
	}
	if stuck != nil {
		<-stuck
	}
	if slow > 0 && !sleep(ctx, slow) {
		return model.CheckResult{Status: model.Critical, Output: "timeout"}
	}
	return model.CheckResult{Status: status, Output: "it is " + status.String()}
}

func (h *thing) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *thing) times() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

// holder is a thing whose connection can be held.
type holder struct{ *thing }

func (h holder) Hold(ctx context.Context) error {
	h.mu.Lock()
	breaks, err := h.breaks, h.nohold
	h.held++
	h.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-breaks:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// world is an engine among fakes.
type world struct {
	t      *testing.T
	e      *Engine
	docs   *memory
	events *recorder
	series *samples
	things map[string]*thing // by ID
	stop   func()
	reg    *prometheus.Registry
}

// build makes an engine that does not run yet. Kind "thing" asks things, "held" those whose connection can be held.
func build(t *testing.T, w *world, o Options) *world {
	t.Helper()
	if w == nil {
		w = &world{}
	}
	w.t = t
	if w.docs == nil {
		w.docs = newMemory()
	}
	if w.events == nil {
		w.events = &recorder{}
	}
	if w.series == nil {
		w.series = &samples{values: map[string]float64{}, times: map[string]int64{}}
	}
	if w.things == nil {
		w.things = map[string]*thing{}
	}
	o.Kinds = []check.Kind{
		{Name: "thing", New: func(p check.Params) (check.Prober, error) { return w.thing(p.Host + "/" + p.Name), nil }},
		{Name: "held", New: func(p check.Params) (check.Prober, error) { return holder{w.thing(p.Host + "/" + p.Name)}, nil }},
		{Name: "few", AtOnce: 1, New: func(p check.Params) (check.Prober, error) { return w.thing(p.Host + "/" + p.Name), nil }},
		{Name: "passive", Passive: true},
	}
	o.Documents, o.Events, o.History, o.Series = w.docs, w.events.push, w.events.history, w.series
	w.reg = prometheus.NewRegistry()
	e, err := New(o, slog.New(slog.DiscardHandler), w.reg)
	if err != nil {
		t.Fatal(err)
	}
	w.e = e
	return w
}

func (w *world) thing(id string) *thing {
	if w.things[id] == nil {
		w.things[id] = &thing{breaks: make(chan struct{})}
	}
	return w.things[id]
}

// run starts the engine. It is stopped at the end of the test, or by w.stop.
func (w *world) run() *world {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.e.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	w.stop = func() { cancel(); <-done }
	return w
}

// simulate runs f in a bubble of time with a running engine.
func simulate(t *testing.T, o Options, hosts []check.Host, specs []check.Spec, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := build(t, nil, o)
		if err := w.e.Set("config", hosts, specs); err != nil {
			t.Fatal(err)
		}
		w.run()
		defer func() { w.stop() }()
		f(w)
	})
}

// pass lets time pass, and everything happen that happens in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is checks status, type and attempt of a check, written like "CRITICAL soft 1", and how it is handled: "CRITICAL hard 3 host".
func (w *world) is(id, want string) {
	w.t.Helper()
	v, ok := w.e.View(id)
	if !ok {
		w.t.Fatalf("there is no %s", id)
	}
	hard := "soft"
	if v.Hard {
		hard = "hard"
	}
	got := strings.TrimSpace(fmt.Sprintf("%s %s %d %s", v.Status, hard, v.Attempt, v.Handled))
	if got != want {
		w.t.Errorf("%s is %q, want %q (%s)", id, got, want, v.Output)
	}
}

// metric returns the value of a counter or gauge of the engine.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum, found := 0.0, false
	for _, f := range families {
		if f.GetName() != "hulotte_check_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	if !found {
		w.t.Fatalf("there is no metric %s", name)
	}
	return sum
}

func host(name string, parents ...string) check.Host { return check.Host{Name: name, Parents: parents} }

func spec(host, name, kind string) check.Spec { return check.Spec{Host: host, Name: name, Kind: kind} }

var errNoHold = errors.New("does not let anybody stay")
