package api

import (
	"context"
	"net/http"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// checkEvery is how many series are read between two looks at whether the client is still there.
const checkEvery = 128

// series answers /api/v1/series: the label sets that match.
func (a *api) series(r *http.Request) (*result, error) {
	if len(r.Form["match[]"]) == 0 {
		return nil, badData("no match[] parameter provided")
	}
	s, err := a.search(r, func(err error) error { return badParam("match[]", err) })
	if err != nil {
		return nil, err
	}
	hints := &storage.SelectHints{
		Start: s.start,
		End:   s.end,
		Func:  "series", // no function: it tells the store that samples are not needed
		Limit: hintLimit(s.limit),
	}
	found, warnings, err := collectLabels(r.Context(), selectAll(r.Context(), s.querier, false, hints, s.sets), s.limit)
	if err != nil {
		s.close()
		return nil, executionError(err)
	}
	return &result{data: labelSets(found), warnings: warnings, close: s.close}, nil
}

// search is what a request for series or labels asks: in which store, when, which, and how many.
type search struct {
	querier    storage.Querier
	close      func()
	start, end int64 // milliseconds
	sets       [][]*labels.Matcher
	limit      int // at least 1
}

// search reads a request for series or labels and opens the store for it; the caller closes it. Prometheus words
// errors of match[] in two ways, so badMatch gives them theirs.
func (a *api) search(r *http.Request, badMatch func(error) error) (*search, error) {
	limit, err := limitParam(r)
	if err != nil {
		return nil, err
	}
	start, end, err := timeRange(r)
	if err != nil {
		return nil, err
	}
	sets, err := a.selectors(r)
	if err != nil {
		return nil, badMatch(err)
	}
	reader, err := a.reader(r.Context())
	if err != nil {
		return nil, err
	}
	s := &search{start: timestamp.FromTime(start), end: timestamp.FromTime(end), sets: sets, limit: a.itemLimit(limit)}
	if s.querier, err = reader.Querier(s.start, s.end); err != nil {
		return nil, executionError(err)
	}
	s.close = func() { closeQuietly(a.log, s.querier) }
	return s, nil
}

// itemLimit is the smaller of the request's limit and our own.
func (a *api) itemLimit(limit int) int {
	if limit == 0 || limit > a.Limits.AnswerItems {
		return a.Limits.AnswerItems
	}
	return limit
}

// selectAll returns the series of every set of matchers, each series once.
func selectAll(ctx context.Context, q storage.Querier, sorted bool, hints *storage.SelectHints, sets [][]*labels.Matcher) storage.SeriesSet {
	if len(sets) == 1 {
		return q.Select(ctx, sorted, hints, sets[0]...)
	}
	all := make([]storage.SeriesSet, 0, len(sets))
	for _, set := range sets {
		all = append(all, q.Select(ctx, true, hints, set...)) // sorted, for the merge
	}
	return storage.NewMergeSeriesSet(all, 0, storage.ChainedSeriesMerge)
}

func collectLabels(ctx context.Context, set storage.SeriesSet, limit int) ([]labels.Labels, annotations.Annotations, error) {
	found := []labels.Labels{}
	for set.Next() {
		if len(found)%checkEvery == checkEvery-1 && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if len(found) == limit {
			warnings := set.Warnings()
			warnings.Add(errTruncated)
			return found, warnings, nil
		}
		found = append(found, set.At().Labels())
	}
	return found, set.Warnings(), set.Err()
}
