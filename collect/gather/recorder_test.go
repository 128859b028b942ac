package gather

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// recorder is an Appendable that keeps what was committed.
type recorder struct {
	mu        sync.Mutex
	samples   []recorded
	refs      map[string]storage.SeriesRef
	byRef     map[storage.SeriesRef]string
	blind     int // appends that came without a reference
	failOn    string
	commitErr error
}

type recorded struct {
	series    string
	t         int64
	v         float64
	h         *histogram.Histogram
	fh        *histogram.FloatHistogram
	start     int64
	meta      metadata.Metadata
	exemplars []exemplar.Exemplar
}

func (r recorded) String() string {
	switch {
	case value.IsStaleNaN(r.v):
		return r.series + " stale"
	case r.h != nil:
		return fmt.Sprintf("%s %s", r.series, r.h)
	case r.fh != nil:
		return fmt.Sprintf("%s %s", r.series, r.fh)
	}
	return fmt.Sprintf("%s %g", r.series, r.v)
}

func newRecorder() *recorder {
	return &recorder{refs: map[string]storage.SeriesRef{}, byRef: map[storage.SeriesRef]string{}}
}

func (r *recorder) AppenderV2(context.Context) storage.AppenderV2 { return &recording{r: r} }

// take returns what was committed since the last call, the scrape_duration_seconds left out because it varies.
func (r *recorder) take() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.samples
	r.samples = nil
	return out
}

// fail makes appends of the metric, and commits, fail from now on; it counts appends without a reference anew.
func (r *recorder) fail(metric string, commit error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failOn, r.commitErr, r.blind = metric, commit, 0
}

func (r *recorder) blindAppends() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blind
}

type recording struct {
	r       *recorder
	samples []recorded
}

var errRefused = errors.New("the disk is full")

func (a *recording) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	name := ls.String()
	if a.r.failOn != "" && ls.Get("__name__") == a.r.failOn {
		return 0, errRefused
	}
	if ls.Get("__name__") == "late" && !math.IsNaN(v) {
		return 0, storage.ErrOutOfOrderSample
	}
	if ref == 0 {
		a.r.blind++
		if ref = a.r.refs[name]; ref == 0 {
			ref = storage.SeriesRef(len(a.r.refs) + 1)
			a.r.refs[name], a.r.byRef[ref] = ref, name
		}
	}
	if a.r.byRef[ref] != name {
		return 0, fmt.Errorf("reference %d is of %s, not of %s", ref, a.r.byRef[ref], name)
	}
	a.samples = append(a.samples, recorded{name, t, v, h, fh, st, opts.Metadata, append([]exemplar.Exemplar(nil), opts.Exemplars...)})
	return ref, nil
}

func (a *recording) Commit() error {
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	if a.r.commitErr != nil {
		return a.r.commitErr
	}
	a.r.samples = append(a.r.samples, a.samples...)
	return nil
}

func (a *recording) Rollback() error { return nil }
