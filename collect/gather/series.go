package gather

import (
	"errors"
	"math"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// series is one time series of a source, found by the bytes that describe it in the source.
type series struct {
	key    string
	labels labels.Labels
	ref    storage.SeriesRef // 0 until the store gave one
	seen   uint64            // the pass that had a sample of it last
}

// seriesCache finds the series of a sample without building its labels again, and knows which series have
// vanished. After a pass that ended well it holds exactly the series of that pass.
type seriesCache struct {
	target   map[string]string // labels that every series gets
	maxBytes int

	byKey map[string]*series
	now   []*series // with a sample that can go stale in the current pass
	last  []*series // the same of the last pass
	pass  uint64
	added int // series that are new in the current pass
	seen  int // series seen in the current pass
	key   []byte
}

func newSeriesCache(target map[string]string, maxBytes int) *seriesCache {
	return &seriesCache{target: target, maxBytes: maxBytes, byKey: map[string]*series{}}
}

func targetLabels(s Source) map[string]string {
	target := map[string]string{model.JobLabel: s.Job, model.InstanceLabel: s.Instance}
	for name, value := range s.Labels {
		target[name] = value
	}
	return target
}

// begin starts a pass; one that was begun and not ended is forgotten.
func (c *seriesCache) begin() {
	c.pass++
	c.now = c.now[:0]
	c.added, c.seen = 0, 0
}

// bound is the extra label of a histogram's or summary's part; its name is empty when there is none.
type bound struct {
	label string // le or quantile
	value float64
}

// find returns the series called name+suffix with these labels. An error says why there can be none.
func (c *seriesCache) find(name, suffix string, pairs []*dto.LabelPair, b bound) (*series, error) {
	c.key = appendKey(c.key[:0], name, suffix, pairs, b)
	s, ok := c.byKey[string(c.key)]
	if !ok {
		ls, err := c.labels(name+suffix, pairs, b)
		if err != nil {
			return nil, err
		}
		s = &series{key: string(c.key), labels: ls}
		c.byKey[s.key] = s
		c.added++
	}
	return s, nil
}

// track notes that the series has a sample in this pass. One with a timestamp of its own never goes stale: its
// source says by itself how old it is.
func (c *seriesCache) track(s *series, ownTimestamp bool) {
	if s.seen == c.pass {
		return
	}
	s.seen = c.pass
	c.seen++
	if !ownTimestamp {
		c.now = append(c.now, s)
	}
}

// vanished calls f for each series that went stale between the last pass and this one, until f fails.
func (c *seriesCache) vanished(f func(*series) error) error {
	for _, s := range c.last {
		if s.seen == c.pass {
			continue
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// end closes the pass. When ok is false the pass failed: no series is current any more, but they stay known, so
// that a source that comes back does not look as if it had new series.
func (c *seriesCache) end(ok bool) {
	if !ok {
		c.last = c.last[:0]
		return
	}
	c.last, c.now = c.now, c.last
	if len(c.byKey) == c.seen {
		return
	}
	for key, s := range c.byKey {
		if s.seen != c.pass {
			delete(c.byKey, key)
		}
	}
}

// forgetRefs makes the store look every series up again: after a rollback it may have dropped the new ones.
func (c *seriesCache) forgetRefs() {
	for _, s := range c.byKey {
		s.ref = 0
	}
}

// Key of a series: name suffix 0xff { label 0xff value 0xff } { le|quantile 0xff float }. 0xff is in no UTF-8 text.
func appendKey(key []byte, name, suffix string, pairs []*dto.LabelPair, b bound) []byte {
	key = append(key, name...)
	key = append(key, suffix...)
	key = append(key, 0xff)
	for _, p := range pairs {
		key = append(key, p.GetName()...)
		key = append(key, 0xff)
		key = append(key, p.GetValue()...)
		key = append(key, 0xff)
	}
	if b.label != "" {
		key = append(key, b.label...)
		key = append(key, 0xff)
		key = appendBound(key, b.value)
	}
	return key
}

var errInvalidLabels = errors.New("a label name or value is not valid UTF-8, or is empty")

var errTooLarge = errors.New("its labels are too long")

// labels builds what the store sees: the metric's labels, those of them that clash with the target's renamed to
// exported_..., then the target's.
func (c *seriesCache) labels(name string, pairs []*dto.LabelPair, b bound) (labels.Labels, error) {
	if size(name, pairs) > c.maxBytes {
		return labels.EmptyLabels(), errTooLarge
	}
	lb := labels.NewBuilder(labels.EmptyLabels())
	for _, p := range pairs {
		lb.Set(c.exported(p.GetName(), pairs), p.GetValue())
	}
	if b.label != "" {
		lb.Set(b.label, string(appendBound(nil, b.value)))
	}
	for n, v := range c.target {
		lb.Set(n, v)
	}
	lb.Set(model.MetricNameLabel, name)
	ls := lb.Labels()
	if !ls.IsValid(model.UTF8Validation) {
		return labels.EmptyLabels(), errInvalidLabels
	}
	return ls, nil
}

func size(name string, pairs []*dto.LabelPair) int {
	size := len(name)
	for _, p := range pairs {
		size += len(p.GetName()) + len(p.GetValue())
	}
	return size
}

// exported returns the name that a metric's label has in the store.
func (c *seriesCache) exported(name string, pairs []*dto.LabelPair) string {
	if _, clash := c.target[name]; !clash {
		return name
	}
	for {
		name = model.ExportedLabelPrefix + name
		if _, clash := c.target[name]; !clash && !hasLabel(pairs, name) {
			return name
		}
	}
}

func hasLabel(pairs []*dto.LabelPair, name string) bool {
	for _, p := range pairs {
		if p.GetName() == name {
			return true
		}
	}
	return false
}

// appendBound writes a bound as OpenMetrics wants it (1.0, not 1), which is what Prometheus 3 stores for every
// format: a histogram gathered here joins with the same one scraped.
func appendBound(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, +1):
		return append(dst, "+Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-Inf"...)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	for _, ch := range dst[from:] {
		if ch == '.' || ch == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
