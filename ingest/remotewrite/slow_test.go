package remotewrite

import (
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// slow is the naive decoder that the fast one is checked against: it unmarshals everything with the generated code
// and applies the rules one by one.
type slow struct {
	limits  Limits
	maxTime int64
	lines   []string
	refused int
}

func newSlow(maxTime int64) *slow { return &slow{limits: Limits{}.withDefaults(), maxTime: maxTime} }

func (s *slow) v1(req *prompb.WriteRequest) {
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		samples := len(ts.Samples) + len(ts.Histograms) + len(ts.Exemplars)
		if samples == 0 {
			continue
		}
		ls, ok := s.labels(len(ts.Labels), ts.ToLabels(&b, nil))
		if !ok {
			s.refused += samples
			continue
		}
		for _, x := range ts.Samples {
			s.float(ls, 0, x.Timestamp, x.Value)
		}
		for _, h := range ts.Histograms {
			raw, err := h.Marshal()
			if err != nil {
				panic(err)
			}
			var p writev2.Histogram // the same message
			if err := p.Unmarshal(raw); err != nil {
				panic(err)
			}
			s.histogram(ls, p)
		}
		for _, e := range ts.Exemplars {
			s.exemplar(ls, e.ToExemplar(&b, nil))
		}
	}
}

func (s *slow) v2(req *writev2.Request) {
	b := labels.NewScratchBuilder(0)
	for _, ts := range req.Timeseries {
		samples := len(ts.Samples) + len(ts.Histograms)
		raw, err := ts.ToLabels(&b, req.Symbols)
		ls, ok := s.labels(len(ts.LabelsRefs)/2, raw)
		if err != nil || !ok || samples == 0 {
			s.refused += max(samples, 1)
			continue
		}
		for _, x := range ts.Samples {
			s.float(ls, x.StartTimestamp, x.Timestamp, x.Value)
		}
		for _, h := range ts.Histograms {
			s.histogram(ls, h)
		}
		for _, x := range ts.Exemplars {
			if e, err := x.ToExemplar(&b, req.Symbols); err == nil {
				s.exemplar(ls, e)
			}
		}
	}
}

// labels applies the rules for labels; n is how many were sent.
func (s *slow) labels(n int, ls labels.Labels) (labels.Labels, bool) {
	ok := n <= s.limits.MaxLabels
	ls.Range(func(l labels.Label) {
		ok = ok && l.Name != "" && utf8.ValidString(l.Name) && utf8.ValidString(l.Value) &&
			len(l.Name) <= s.limits.MaxLabelName && len(l.Value) <= s.limits.MaxLabelValue
	})
	ls = ls.WithoutEmpty()
	_, twice := ls.HasDuplicateLabelNames()
	return ls, ok && !twice && ls.Get("__name__") != ""
}

func (s *slow) float(ls labels.Labels, st, t int64, v float64) {
	if t > s.maxTime {
		s.refused++
		return
	}
	s.lines = append(s.lines, appendLine(ls, st, t, v, nil, nil))
}

func (s *slow) histogram(ls labels.Labels, p writev2.Histogram) {
	h, fh := p.ToIntHistogram(), p.ToFloatHistogram()
	var err error
	if p.IsFloatHistogram() {
		h = nil
		if fh.Schema > 8 && fh.Schema <= 52 {
			err = fh.ReduceResolution(8)
		}
		if err == nil {
			err = fh.Validate()
		}
	} else {
		fh = nil
		if h.Schema > 8 && h.Schema <= 52 {
			err = h.ReduceResolution(8)
		}
		if err == nil {
			err = h.Validate()
		}
	}
	if err != nil || p.Timestamp > s.maxTime {
		s.refused++
		return
	}
	s.lines = append(s.lines, appendLine(ls, p.StartTimestamp, p.Timestamp, 0, h, fh))
}

func (s *slow) exemplar(ls labels.Labels, e exemplar.Exemplar) {
	if e.Ts <= s.maxTime {
		s.lines = append(s.lines, exemplarLine(ls, e))
	}
}
