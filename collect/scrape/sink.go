package scrape

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// sink stands between the scrapes and the store. It learns what the scrape manager does not tell: how many
// samples each target sent.
type sink struct {
	out storage.AppendableV2
	// states maps weak.Pointer[promscrape.Target] to *targetState, and forgets a target when it is collected.
	states sync.Map
}

// targetState is what is known of a target beyond what Prometheus keeps.
type targetState struct {
	samples atomic.Int64 // in the last scrape; -1 before the first one
}

func newSink(out storage.AppendableV2, _ prometheus.Registerer) *sink {
	return &sink{out: out}
}

// AppenderV2 returns the appender for one scrape of the target that ctx names.
func (s *sink) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := s.out.AppenderV2(ctx)
	t, ok := promscrape.TargetFromContext(ctx)
	if !ok {
		return app
	}
	return &sinkAppender{AppenderV2: app, state: s.state(t)}
}

func (s *sink) state(t *promscrape.Target) *targetState {
	key := weak.Make(t)
	if st, ok := s.states.Load(key); ok {
		return st.(*targetState)
	}
	st := &targetState{}
	st.samples.Store(-1)
	if old, loaded := s.states.LoadOrStore(key, st); loaded {
		return old.(*targetState)
	}
	runtime.AddCleanup(t, func(key weak.Pointer[promscrape.Target]) { s.states.Delete(key) }, key)
	return st
}

// samples returns how many samples the last scrape of t brought, or -1 when there was none.
func (s *sink) samples(t *promscrape.Target) int {
	if st, ok := s.states.Load(weak.Make(t)); ok {
		return int(st.(*targetState).samples.Load())
	}
	return -1
}

type sinkAppender struct {
	storage.AppenderV2
	state *targetState
}

// samplesReport is the family under which the scrape manager reports the number of samples; the byte at its
// end, which no exposed name can have, sets it apart from a target's own metric.
const samplesReport = "scrape_samples_scraped\xff"

func (a *sinkAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if opts.MetricFamilyName == samplesReport && v >= 0 { // a staleness marker is NaN
		a.state.samples.Store(int64(v))
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
}
