package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// RunsKind is the kind of the documents about runs; the key begins with the time, so that they are in order.
const RunsKind = "storage-run"

const (
	// keptRuns is how many runs of a kind are remembered: some months of nightly ones would help nobody.
	keptRuns = 20
	// keptFindings bounds what one run remembers, so that its document stays far below medium.MaxDocument.
	keptFindings = 500
	// keptText bounds each word of a finding, which may quote what is on a disk.
	keptText = 400
	// progressEvery is how often a run tells where it is.
	progressEvery = 500 * time.Millisecond
	// recordTimeout bounds the writing of a run's document: the run has ended, and its caller waits.
	recordTimeout = 10 * time.Second
)

// ErrBusy is returned when a run is asked for while another one goes on.
var ErrBusy = model.NewError(model.Conflict, "another one is under way")

var errStopping = errors.New("the process is stopping")

// Keeper lets one run at a time happen, and remembers them. It is safe for concurrent use.
type Keeper struct {
	node    string
	docs    func() (medium.Documents, error)
	log     *slog.Logger
	metrics *metrics

	started sync.WaitGroup // runs of Start

	mu      sync.Mutex
	closed  bool    // guarded by mu
	current *Active // guarded by mu
	unsaved []Run   // that could not be written down, newest last; guarded by mu
}

// NewKeeper returns the keeper of a node. docs is asked for the documents each time: the medium may be away.
func NewKeeper(node string, docs func() (medium.Documents, error), log *slog.Logger, reg prometheus.Registerer) *Keeper {
	return &Keeper{node: node, docs: docs, log: log, metrics: newMetrics(reg)}
}

// Begin starts a run, or returns ErrBusy. tell gets the events, from one goroutine at a time, and may be nil. The
// caller must call End.
func (k *Keeper) Begin(ctx context.Context, kind RunKind, by string, tell func(Event)) (*Active, error) {
	a, err := k.admit(ctx, kind, by, tell)
	if err != nil {
		return nil, err
	}
	k.log.Info(string(kind)+" began", "id", a.run.ID, "by", by)
	a.send(Event{Type: Began, Run: new(a.run)})
	return a, nil
}

func (k *Keeper) admit(ctx context.Context, kind RunKind, by string, tell func(Event)) (*Active, error) {
	now := time.Now().UTC()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errStopping
	}
	if k.current != nil {
		r := k.current.snapshot()
		return nil, fmt.Errorf("cannot begin a %s: %w: a %s since %s%s", kind, ErrBusy, r.Kind, r.Started.Format(time.RFC3339), byWhom(r.By))
	}
	a := newActive(ctx, Run{
		ID: now.Format("20060102T150405.000Z") + "-" + string(kind) + "-" + k.node, Kind: kind, Node: k.node, By: by, Started: now, State: Running,
	}, tell)
	a.keeper = k
	k.current = a
	return a, nil
}

func byWhom(by string) string {
	if by == "" {
		return ""
	}
	return ", asked for by " + by
}

// Start begins a run that goes on by itself: do gets it, and must call End.
func (k *Keeper) Start(kind RunKind, by string, do func(*Active)) (Run, error) {
	a, err := k.Begin(context.Background(), kind, by, nil)
	if err != nil {
		return Run{}, err
	}
	k.started.Go(func() { do(a) })
	return a.snapshot(), nil
}

var errNoRun = model.NewError(model.NotFound, "nothing is under way")

// Stop breaks off the run that goes on, and returns it.
func (k *Keeper) Stop(by string) (Run, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == nil {
		return Run{}, errNoRun
	}
	k.current.cancel(fmt.Errorf("stopped by %s", by))
	return k.current.snapshot(), nil
}

// Current returns the run that goes on, nil when there is none.
func (k *Keeper) Current() *Run {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == nil {
		return nil
	}
	return new(k.current.snapshot())
}

// Close breaks off the run that goes on, and lets none begin. It waits for those of Start.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	if k.current != nil {
		k.current.cancel(errStopping)
	}
	k.mu.Unlock()
	k.started.Wait()
}

// Runs returns those that have ended, the newest first. With an error it returns those that it knows without the medium.
func (k *Keeper) Runs(ctx context.Context) ([]Run, error) {
	k.mu.Lock()
	runs := slices.Clone(k.unsaved)
	k.mu.Unlock()
	saved, err := k.saved(ctx)
	runs = append(runs, saved...)
	slices.SortStableFunc(runs, func(a, b Run) int { return b.Started.Compare(a.Started) })
	return runs, err
}

func (k *Keeper) saved(ctx context.Context) ([]Run, error) {
	docs, err := k.docs()
	if err != nil {
		return nil, err
	}
	var runs []Run
	for d, err := range docs.List(ctx, RunsKind, "") {
		if err != nil {
			return runs, fmt.Errorf("cannot read of earlier runs: %w", err)
		}
		if r, ok := parseRun(d); ok {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// parseRun reads a document. One that another version or a person has spoilt is left out: it is only a note.
func parseRun(d medium.Document) (Run, bool) {
	var r Run
	if json.Unmarshal(d.Value, &r) != nil || r.Kind == "" {
		return Run{}, false
	}
	r.ID = d.Key
	return r, true
}

// ended takes the run off the table and writes it down.
func (k *Keeper) ended(r Run) {
	k.metrics.ended(r)
	k.mu.Lock()
	k.current = nil
	k.mu.Unlock()
	attrs := []any{"id", r.ID, "by", r.By, "result", r.State, "findings", r.FindingsTotal, "bytes", r.Counts.Bytes, "took", r.Ended.Sub(r.Started).Round(time.Millisecond)}
	switch r.State {
	case Sound:
		k.log.Info(string(r.Kind)+" ended", attrs...)
	case Failed:
		k.log.Error(string(r.Kind)+" failed", append(attrs, "err", r.Error)...)
	default:
		k.log.Warn(string(r.Kind)+" ended", attrs...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	if err := k.record(ctx, r); err != nil {
		k.log.Warn("cannot write down how a "+string(r.Kind)+" went: it is remembered until the next start", "err", err)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.unsaved = append(k.unsaved, r)
		k.unsaved = k.unsaved[max(0, len(k.unsaved)-keptRuns):]
	}
}

func (k *Keeper) record(ctx context.Context, r Run) error {
	docs, err := k.docs()
	if err != nil {
		return err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := docs.Put(ctx, RunsKind, r.ID, value, medium.Absent); err != nil {
		return err
	}
	return prune(ctx, docs, r.Kind)
}

// prune deletes the oldest runs of a kind.
func prune(ctx context.Context, docs medium.Documents, kind RunKind) error {
	var old []medium.Document
	for d, err := range docs.List(ctx, RunsKind, "") {
		if err != nil {
			return err
		}
		if strings.Contains(d.Key, "-"+string(kind)+"-") {
			old = append(old, medium.Document{Key: d.Key, Version: d.Version})
		}
	}
	for _, d := range old[:max(0, len(old)-keptRuns)] {
		if err := docs.Delete(ctx, RunsKind, d.Key, d.Version); err != nil && !errors.Is(err, medium.ErrConflict) {
			return err
		}
	}
	return nil
}

type metrics struct {
	runs     *prometheus.CounterVec
	last     *prometheus.GaugeVec
	findings *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		runs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_storage_runs_total", Help: "Verifies and backups that have ended, by result.",
		}, []string{"kind", "result"}),
		last: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hulotte_storage_last_run_timestamp_seconds", Help: "When a verify or backup last came to its end, since the start of the process.",
		}, []string{"kind"}),
		findings: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hulotte_storage_last_run_findings", Help: "What the last verify or backup found damaged.",
		}, []string{"kind"}),
	}
	for _, kind := range []RunKind{Verify, Backup} {
		for _, s := range []State{Sound, Damaged, Failed, Stopped} {
			m.runs.WithLabelValues(string(kind), string(s))
		}
	}
	return m
}

func (m *metrics) ended(r Run) {
	m.runs.WithLabelValues(string(r.Kind), string(r.State)).Inc()
	if r.State == Sound || r.State == Damaged {
		m.last.WithLabelValues(string(r.Kind)).Set(float64(r.Ended.UnixMilli()) / 1000)
		m.findings.WithLabelValues(string(r.Kind)).Set(float64(r.FindingsTotal))
	}
}
