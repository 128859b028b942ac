package scrape

import (
	"context"
	"runtime"
	"sync"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// sink stands between the scrapes and the store, for two reasons.
//
// It keeps what a refused scrape brought out of the store. The scrape manager appends while it reads and rolls
// back when a limit is hit, but a store creates a series on its first append and keeps it in memory for hours,
// rolled back or not: a target that sends other series every time would fill the memory, limits
// notwithstanding. So new series beyond what is usual for the target are held back until its scrape is
// accepted (heldback.go).
//
// And it learns what the scrape manager does not tell: how many samples each target sent.
type sink struct {
	out     storage.AppendableV2
	metrics *sinkMetrics
	// states maps weak.Pointer[promscrape.Target] to *targetState, and forgets a target when it is collected.
	states sync.Map
}

type sinkMetrics struct {
	refused  prometheus.Counter
	heldBack prometheus.Counter
}

func newSink(out storage.AppendableV2, reg prometheus.Registerer) *sink {
	with := promauto.With(reg)
	return &sink{out: out, metrics: &sinkMetrics{
		refused: with.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_scrape_refused_total",
			Help: "Scrapes whose samples were all refused: over a limit, or not to be parsed.",
		}),
		heldBack: with.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_scrape_held_back_samples_total",
			Help: "Samples of new series that were kept from the store until their whole scrape was accepted.",
		}),
	}}
}

// targetState is what is known of a target beyond what Prometheus keeps.
type targetState struct {
	mu     sync.Mutex // guards what follows; never held during I/O
	counts Counts
	// usual is the number of samples in the last accepted scrape, 0 before the first one.
	usual int
	// refused says that the last scrape that brought samples was rolled back.
	refused bool
}

// Counts tell of the last scrape of a target. Each is -1 while it is not known.
type Counts struct {
	Samples     int64 // sent by the target
	SamplesKept int64 // left after metric relabelling
	SeriesAdded int64 // not in the scrape before
	BodyBytes   int64 // uncompressed; only with extra_scrape_metrics
}

var unknownCounts = Counts{-1, -1, -1, -1}

// AppenderV2 returns the appender for one scrape of the target that ctx names.
func (s *sink) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := s.out.AppenderV2(ctx)
	t, ok := promscrape.TargetFromContext(ctx)
	if !ok {
		return app
	}
	st := s.state(t)
	return &sinkAppender{AppenderV2: app, state: st, metrics: s.metrics, allowed: st.allowedNew()}
}

func (s *sink) state(t *promscrape.Target) *targetState {
	key := weak.Make(t)
	if st, ok := s.states.Load(key); ok {
		return st.(*targetState)
	}
	st := &targetState{counts: unknownCounts}
	if old, loaded := s.states.LoadOrStore(key, st); loaded {
		return old.(*targetState)
	}
	runtime.AddCleanup(t, func(key weak.Pointer[promscrape.Target]) { s.states.Delete(key) }, key)
	return st
}

// counts returns what is known of the last scrape of t.
func (s *sink) counts(t *promscrape.Target) Counts {
	v, ok := s.states.Load(weak.Make(t))
	if !ok {
		return unknownCounts
	}
	st := v.(*targetState)
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.counts
}

// freeNew is how many new series any scrape may bring into the store before it is accepted: more than most
// exporters send at all, so that holding back is the exception; too few to hurt when all of them are for nothing.
const freeNew = 1_000

// allowedNew returns how many new series the next scrape may bring into the store before it is accepted.
func (st *targetState) allowedNew() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.refused {
		return 0
	}
	return max(freeNew, st.usual)
}

// report takes a count that the scrape manager reports as a sample. Its names end with a byte that no exposed
// name can hold, which sets them apart from a target's own metrics.
func (st *targetState) report(family string, v float64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch family {
	case "scrape_samples_scraped\xff":
		st.counts.Samples = int64(v)
	case "scrape_samples_post_metric_relabeling\xff":
		st.counts.SamplesKept = int64(v)
	case "scrape_series_added\xff":
		st.counts.SeriesAdded = int64(v)
	case "scrape_body_size_bytes\xff":
		st.counts.BodyBytes = int64(v)
	}
}

func (st *targetState) accepted(samples int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.usual, st.refused = samples, false
}

func (st *targetState) rolledBack() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.refused = true
}

// sinkAppender takes the samples of one scrape. Like every appender it serves one goroutine.
type sinkAppender struct {
	storage.AppenderV2
	state   *targetState
	metrics *sinkMetrics

	samples  int // of the target itself, without reports and staleness markers
	newOnes  int // of these, those without a reference to a stored series
	allowed  int // newOnes that go straight to the store
	heldBack heldBack
}

func (a *sinkAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	switch {
	case value.IsStaleNaN(v):
	case isReport(opts.MetricFamilyName):
		a.state.report(opts.MetricFamilyName, v)
	default:
		a.samples++
		if ref == 0 {
			a.newOnes++
			if a.newOnes > a.allowed {
				return 0, a.holdBack(sample{labels: ls, st: st, t: t, v: v, h: h, fh: fh}, opts)
			}
		}
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
}

func isReport(family string) bool { return family != "" && family[len(family)-1] == '\xff' }

// holdBack keeps a sample until the scrape is accepted. Its series has no reference yet, so the scrape manager
// will send it without one again next time; then it is among the usual ones, and goes to the store at once.
func (a *sinkAppender) holdBack(s sample, opts storage.AOptions) error {
	a.metrics.heldBack.Inc()
	a.heldBack.add(s, opts)
	if a.heldBack.n >= maxHeldBack {
		a.allowed = a.newOnes + maxHeldBack // only a target without sample_limit gets here
		return a.heldBack.release(a.AppenderV2)
	}
	return nil
}

// Commit is called when the scrape is accepted: also, with reports and staleness markers only, when there was
// no answer.
func (a *sinkAppender) Commit() error {
	if err := a.heldBack.release(a.AppenderV2); err != nil {
		_ = a.AppenderV2.Rollback()
		return err
	}
	if err := a.AppenderV2.Commit(); err != nil {
		return err
	}
	if a.samples > 0 {
		a.state.accepted(a.samples)
	}
	return nil
}

func (a *sinkAppender) Rollback() error {
	if a.samples > 0 {
		a.metrics.refused.Inc()
		a.state.rolledBack()
	}
	a.heldBack = heldBack{}
	return a.AppenderV2.Rollback()
}
