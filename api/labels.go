package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// labelNames answers /api/v1/labels.
func (a *api) labelNames(r *http.Request) (*result, error) {
	return a.names(r, func(ctx context.Context, q storage.LabelQuerier, hints *storage.LabelHints, set []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, hints, set...)
	})
}

// labelValues answers /api/v1/label/{name}/values. A name that starts with U__ is read as Prometheus' escaping
// of names with any UTF-8 characters.
func (a *api) labelValues(r *http.Request) (*result, error) {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return nil, badData("invalid label name: %q", cutText(name, 100))
	}
	return a.names(r, func(ctx context.Context, q storage.LabelQuerier, hints *storage.LabelHints, set []*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, hints, set...)
	})
}

type namesFunc func(context.Context, storage.LabelQuerier, *storage.LabelHints, []*labels.Matcher) ([]string, annotations.Annotations, error)

// names answers with the strings that find returns for any of the request's selectors, sorted.
func (a *api) names(r *http.Request, find namesFunc) (*result, error) {
	s, err := a.search(r, func(err error) error { return badData("%w", err) })
	if err != nil {
		return nil, err
	}
	found, warnings, err := findAll(r.Context(), s.querier, &storage.LabelHints{Limit: hintLimit(s.limit)}, s.sets, find)
	if err != nil {
		s.close()
		return nil, executionError(err)
	}
	if len(found) > s.limit {
		found = found[:s.limit]
		warnings.Add(errTruncated)
	}
	return &result{data: stringList(found), warnings: warnings, close: s.close}, nil
}

func findAll(ctx context.Context, q storage.LabelQuerier, hints *storage.LabelHints, sets [][]*labels.Matcher, find namesFunc) ([]string, annotations.Annotations, error) {
	if len(sets) < 2 {
		found, warnings, err := find(ctx, q, hints, matchersOf(sets))
		slices.Sort(found)
		return found, warnings, err
	}
	var warnings annotations.Annotations
	all := map[string]struct{}{}
	for _, set := range sets {
		found, ws, err := find(ctx, q, hints, set)
		if err != nil {
			return nil, warnings, err
		}
		warnings.Merge(ws)
		for _, s := range found {
			all[s] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all)), warnings, nil
}
