package scrape

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// maxHeldBack bounds the samples held back of one scrape, at some 200 bytes each. It is above the default
// sample_limit; a target whose user has taken that limit away is trusted beyond it.
const maxHeldBack = 1_000_000

// heldBack are samples that wait for their scrape to be accepted, in the order they came.
type heldBack []sample

// sample is the arguments of one Append.
type sample struct {
	labels labels.Labels
	st, t  int64
	v      float64
	h      *histogram.Histogram
	fh     *histogram.FloatHistogram
	opts   storage.AOptions
}

// add keeps s beyond the call of Append that brought it.
func (b *heldBack) add(s sample) {
	s.opts.MetricFamilyName = strings.Clone(s.opts.MetricFamilyName)
	s.opts.Exemplars = slices.Clone(s.opts.Exemplars)
	*b = append(*b, s)
}

// release hands all samples to app. A sample that is too old or a duplicate is left out, as the scrape manager
// leaves it out when it hears of it.
func (b *heldBack) release(app storage.AppenderV2) error {
	samples := *b
	*b = nil
	for _, s := range samples {
		_, err := app.Append(0, s.labels, s.st, s.t, s.v, s.h, s.fh, s.opts)
		if err != nil && !leavesOutOne(err) {
			return fmt.Errorf("cannot append %s: %w", s.labels, err)
		}
	}
	return nil
}

// leavesOutOne says whether the error concerns only the one sample, or something attached to it.
func leavesOutOne(err error) bool {
	var partial *storage.AppendPartialError
	return errors.As(err, &partial) ||
		errors.Is(err, storage.ErrOutOfOrderSample) ||
		errors.Is(err, storage.ErrDuplicateSampleForTimestamp) ||
		errors.Is(err, storage.ErrOutOfBounds) ||
		errors.Is(err, storage.ErrTooOldSample)
}
