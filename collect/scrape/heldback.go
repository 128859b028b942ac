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

// maxHeldBack bounds the samples held back of one scrape, at 64 bytes each and what their labels take. It is above the default
// sample_limit; a target whose user has taken that limit away is trusted beyond it.
const maxHeldBack = 1_000_000

// heldBack are samples that wait for their scrape to be accepted, in the order they came. They lie in blocks,
// because one slice that grows to hundreds of thousands is copied many times over.
type heldBack struct {
	blocks [][]sample
	n      int
}

// heldBlock is the size of a block: some hundred kilobytes.
const heldBlock = 2048

// sample is the arguments of one Append.
type sample struct {
	labels labels.Labels
	st, t  int64
	v      float64
	h      *histogram.Histogram
	fh     *histogram.FloatHistogram
	opts   *storage.AOptions // shared by neighbours of one family
}

// add keeps a sample beyond the call of Append that brought it.
func (b *heldBack) add(s sample, opts storage.AOptions) {
	if b.n%heldBlock == 0 {
		b.blocks = append(b.blocks, make([]sample, 0, heldBlock))
	}
	last := &b.blocks[len(b.blocks)-1]
	s.opts = b.keep(opts)
	*last = append(*last, s)
	b.n++
}

// keep returns the options for as long as the sample lives: those of the sample before it if they are the same.
func (b *heldBack) keep(opts storage.AOptions) *storage.AOptions {
	if prev := b.previous(); prev != nil && sameOptions(prev, &opts) {
		return prev
	}
	kept := opts
	kept.MetricFamilyName = strings.Clone(opts.MetricFamilyName)
	kept.Exemplars = slices.Clone(opts.Exemplars)
	return &kept
}

func (b *heldBack) previous() *storage.AOptions {
	for i := len(b.blocks) - 1; i >= 0; i-- {
		if n := len(b.blocks[i]); n > 0 {
			return b.blocks[i][n-1].opts
		}
	}
	return nil
}

func sameOptions(a, b *storage.AOptions) bool {
	return len(a.Exemplars) == 0 && len(b.Exemplars) == 0 && a.MetricFamilyName == b.MetricFamilyName &&
		a.Metadata == b.Metadata && a.RejectOutOfOrder == b.RejectOutOfOrder
}

// release hands all samples to app. A sample that is too old or a duplicate is left out, as the scrape manager
// leaves it out when it hears of it.
func (b *heldBack) release(app storage.AppenderV2) error {
	blocks := b.blocks
	*b = heldBack{}
	for i, block := range blocks {
		for _, s := range block {
			_, err := app.Append(0, s.labels, s.st, s.t, s.v, s.h, s.fh, *s.opts)
			if err != nil && !leavesOutOne(err) {
				return fmt.Errorf("cannot append %s: %w", s.labels, err)
			}
		}
		blocks[i] = nil // what is stored need not be held twice
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
