package remotewrite

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/internal/wire"
)

// The numbers of the fields of prometheus.Label and of its place in prometheus.TimeSeries. Series are known by
// their labels in this form: as remote write 1.0 sends them.
const (
	fieldLabels     = 1
	fieldLabelName  = 1
	fieldLabelValue = 2
)

// errLabels is the parent of everything that can be wrong with a series' labels.
var errLabels = errors.New("invalid labels")

// parseLabels makes labels of raw, a sequence of fields 1 of prometheus.TimeSeries. The strings are copies. Labels
// without a value are left out: they mean the same as no label. Unsorted labels are sorted.
func (l Limits) parseLabels(raw []byte) (labels.Labels, error) {
	b := labels.NewScratchBuilder(16)
	f := wire.Fields{Rest: raw}
	for n := 0; f.Next(); n++ {
		if n >= l.MaxLabels {
			return labels.EmptyLabels(), fmt.Errorf("%w: more than %d labels", errLabels, l.MaxLabels)
		}
		name, value, err := parseLabel(f.Bytes)
		if err != nil {
			return labels.EmptyLabels(), err
		}
		if err := l.checkLabel(name, value); err != nil {
			return labels.EmptyLabels(), err
		}
		if len(value) > 0 {
			b.Add(string(name), string(value))
		}
	}
	if f.Err != nil {
		return labels.EmptyLabels(), f.Err
	}
	b.Sort()
	ls := b.Labels()
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return labels.EmptyLabels(), fmt.Errorf("%w: the label %q is there twice", errLabels, name)
	}
	if ls.Get(model.MetricNameLabel) == "" {
		return labels.EmptyLabels(), fmt.Errorf("%w: %s has no metric name", errLabels, ls)
	}
	return ls, nil
}

// parseLabel splits a prometheus.Label. As everywhere in protocol buffers, the last of a repeated field counts.
func parseLabel(raw []byte) (name, value []byte, err error) {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch f.Num {
		case fieldLabelName:
			if f.Want(wire.Bytes) {
				name = f.Bytes
			}
		case fieldLabelValue:
			if f.Want(wire.Bytes) {
				value = f.Bytes
			}
		}
	}
	return name, value, f.Err
}

func (l Limits) checkLabel(name, value []byte) error {
	switch {
	case len(name) == 0:
		return fmt.Errorf("%w: a label has no name", errLabels)
	case len(name) > l.MaxLabelName:
		return fmt.Errorf("%w: a label's name has %d bytes, at most %d are allowed: it begins with %s", errLabels, len(name), l.MaxLabelName, shown(name))
	case len(value) > l.MaxLabelValue:
		return fmt.Errorf("%w: the value of label %q has %d bytes, at most %d are allowed", errLabels, shown(name), len(value), l.MaxLabelValue)
	case !utf8.Valid(name):
		return fmt.Errorf("%w: the label name %s is not UTF-8", errLabels, shown(name))
	case !utf8.Valid(value):
		return fmt.Errorf("%w: the value of label %q is not UTF-8: %s", errLabels, name, shown(value))
	}
	return nil
}

// maxShown bounds what an error message repeats of the input, in bytes.
const maxShown = 120

// shown returns a start of b that is safe in a message.
func shown(b []byte) string {
	quoted := strconv.Quote(string(b[:min(len(b), maxShown)]))
	return quoted[1 : len(quoted)-1]
}
