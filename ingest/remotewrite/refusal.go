package remotewrite

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

// reason is why samples were refused for good: sending them again is useless. It is a label's value in our metrics.
type reason string

const (
	outOfOrder       reason = "out_of_order"
	outOfBounds      reason = "out_of_bounds"
	tooOld           reason = "too_old"
	duplicate        reason = "duplicate_timestamp"
	inFuture         reason = "too_far_in_future"
	invalidLabels    reason = "invalid_labels"
	invalidHistogram reason = "invalid_histogram"
	seriesLimit      reason = "series_limit"
	withoutSample    reason = "series_without_sample"
)

// words says a reason to the sender.
var words = map[reason]string{
	outOfOrder:       "out of order",
	outOfBounds:      "older than what can still be written",
	tooOld:           "older than the out-of-order window",
	duplicate:        "another value at a time that has one already",
	inFuture:         "too far in the future",
	invalidLabels:    "invalid labels",
	invalidHistogram: "invalid native histogram",
	seriesLimit:      "more series than the tenant may have",
	withoutSample:    "a series without a sample",
}

// reasonOf returns why the store refused a sample for good; false when the error is about more than the sample.
func reasonOf(err error) (reason, bool) {
	var h histogram.Error
	switch {
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return duplicate, true
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return outOfOrder, true
	case errors.Is(err, storage.ErrTooOldSample):
		return tooOld, true
	case errors.Is(err, storage.ErrOutOfBounds):
		return outOfBounds, true
	case errors.Is(err, errLabels):
		return invalidLabels, true
	case errors.As(err, &h):
		return invalidHistogram, true
	case model.KindOf(err) == model.Limit:
		return seriesLimit, true
	}
	return "", false
}

// maxExamples bounds the refused samples that an answer names.
const maxExamples = 5

// refusals counts what was refused in one request.
type refusals struct {
	counts   map[reason]int
	total    int
	examples []string
}

// add counts n samples of one series. at is the time of the first, in milliseconds; detail says more than the reason.
func (r *refusals) add(why reason, n int, ls labels.Labels, at int64, detail error) {
	if r.counts == nil {
		r.counts = make(map[reason]int)
	}
	r.counts[why] += n
	r.total += n
	if len(r.examples) < maxExamples {
		r.examples = append(r.examples, example(why, ls, at, detail))
	}
}

func example(why reason, ls labels.Labels, at int64, detail error) string {
	text := words[why]
	if detail != nil && (why == invalidLabels || why == invalidHistogram || why == seriesLimit) {
		text = detail.Error()
	}
	if ls.IsEmpty() {
		return text
	}
	name := ls.String()
	if len(name) > 2*maxShown {
		name = name[:2*maxShown] + "..."
	}
	return fmt.Sprintf("%s at %s: %s", name, time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000Z"), text)
}

// Error tells the sender what was refused and why, and that the rest was kept.
func (r *refusals) report(kept int) string {
	var why []string
	for _, k := range []reason{outOfOrder, tooOld, outOfBounds, duplicate, inFuture, invalidLabels, invalidHistogram, seriesLimit, withoutSample} {
		if n := r.counts[k]; n > 0 {
			why = append(why, fmt.Sprintf("%d %s", n, words[k]))
		}
	}
	return fmt.Sprintf("%d of %d samples are refused, the others are stored: %s. For example: %s",
		r.total, r.total+kept, strings.Join(why, ", "), strings.Join(r.examples, "; "))
}
