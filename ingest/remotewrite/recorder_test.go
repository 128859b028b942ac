package remotewrite

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

// recorder is a store that writes down what was committed, one line an append. It gives refs as a real store does,
// and can forget them.
type recorder struct {
	lines    []string
	metadata []string
	refs     map[string]storage.SeriesRef
	byRef    map[storage.SeriesRef]labels.Labels
	fail     func(t int64) error // of an Append
	failEnd  error               // of Commit
}

func newRecorder() *recorder {
	r := &recorder{}
	r.forget()
	return r
}

// forget makes every ref that was given stale.
func (r *recorder) forget() {
	n := len(r.byRef)
	r.refs = make(map[string]storage.SeriesRef)
	r.byRef = make(map[storage.SeriesRef]labels.Labels, n)
}

func (r *recorder) AppenderV2(context.Context) storage.AppenderV2 { return &recording{recorder: r} }

func (r *recorder) AppendMetadata(metric string, m metadata.Metadata) {
	r.metadata = append(r.metadata, fmt.Sprintf("%s %s %q %q", metric, m.Type, m.Help, m.Unit))
}

func (r *recorder) sorted() []string {
	lines := slices.Clone(r.lines)
	slices.Sort(lines)
	return lines
}

type recording struct {
	*recorder
	pending []string
}

var lastRef storage.SeriesRef // refs are not given twice, in any recorder

func (r *recording) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if r.fail != nil {
		if err := r.fail(t); err != nil {
			return 0, err
		}
	}
	if h != nil && h.Validate() != nil || fh != nil && fh.Validate() != nil {
		return 0, histogram.ErrHistogramSpanNegativeOffset // any histogram.Error
	}
	own, ok := r.byRef[ref] // a known ref decides, as in tsdb
	if !ok {
		own = ls.Copy()
		if ref = r.refs[own.String()]; ref == 0 {
			lastRef++
			ref = lastRef
		}
		r.refs[own.String()], r.byRef[ref] = ref, own
	}
	r.pending = append(r.pending, appendLine(own, st, t, v, h, fh))
	if !opts.Metadata.IsEmpty() {
		r.AppendMetadata(opts.MetricFamilyName, opts.Metadata)
	}
	return ref, nil
}

func appendLine(ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) string {
	value := strconv.FormatFloat(v, 'g', -1, 64)
	switch {
	case h != nil:
		value = fmt.Sprintf("int %d %v", h.Schema, h)
	case fh != nil:
		value = fmt.Sprintf("float %d %v", fh.Schema, fh)
	}
	return fmt.Sprintf("%s st=%d t=%d %s", ls, st, t, value)
}

func (r *recording) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	for _, e := range es {
		r.pending = append(r.pending, exemplarLine(ls, e))
	}
	return ref, nil
}

func exemplarLine(ls labels.Labels, e exemplar.Exemplar) string {
	return fmt.Sprintf("%s exemplar %s t=%d %v", ls, e.Labels, e.Ts, e.Value)
}

func (r *recording) Commit() error {
	if r.failEnd != nil {
		return r.failEnd
	}
	r.lines = append(r.lines, r.pending...)
	return nil
}

func (r *recording) Rollback() error { return nil }
