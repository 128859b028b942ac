package eventstest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// deletion is one that hides records. Nothing is ever removed, so that every one can be cancelled.
type deletion struct {
	store.EventDeletion
	matchers []*labels.Matcher
	filters  []lineFilter
}

// lineFilter is one of |= != |~ !~.
type lineFilter struct {
	match func(line string) bool
	not   bool
}

// DeleteRecords implements store.EventDeleter.
func (m *Memory) DeleteRecords(_ context.Context, d store.EventDeletion) (store.EventDeletion, error) {
	made := deletion{EventDeletion: d}
	for _, x := range d.Selection.Matchers {
		matcher, err := newMatcher(x)
		if err != nil {
			return d, err
		}
		made.matchers = append(made.matchers, matcher)
	}
	for _, x := range d.Selection.Filters {
		filter, err := newLineFilter(x)
		if err != nil {
			return d, err
		}
		made.filters = append(made.filters, filter)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastDeletion++
	made.ID = strconv.Itoa(m.lastDeletion)
	m.deletions = append(m.deletions, made)
	return made.EventDeletion, nil
}

func newMatcher(x store.DeletionMatcher) (*labels.Matcher, error) {
	types := map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp}
	t, ok := types[x.Type]
	if !ok {
		return nil, fmt.Errorf("cannot delete records: %w", model.NewError(model.Invalid, "no matcher has the type "+strconv.Quote(x.Type)))
	}
	return labels.NewMatcher(t, x.Name, x.Value)
}

func newLineFilter(x store.DeletionFilter) (f lineFilter, err error) {
	switch x.Op {
	case "|=", "!=":
		f.match = func(line string) bool { return strings.Contains(line, x.Text) }
	case "|~", "!~":
		re, err := regexp.Compile(x.Text)
		if err != nil {
			return f, fmt.Errorf("cannot delete records: %w", model.NewError(model.Invalid, err.Error()))
		}
		f.match = re.MatchString
	default:
		return f, fmt.Errorf("cannot delete records: %w", model.NewError(model.Invalid, "no filter has the operator "+strconv.Quote(x.Op)))
	}
	f.not = x.Op[0] == '!'
	return f, nil
}

// Deletions implements store.EventDeleter.
func (m *Memory) Deletions(context.Context) ([]store.EventDeletion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.EventDeletion
	for _, d := range slices.Backward(m.deletions) {
		out = append(out, d.EventDeletion)
	}
	return out, nil
}

// CancelDeletion implements store.EventDeleter.
func (m *Memory) CancelDeletion(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.deletions, func(d deletion) bool { return d.ID == id })
	if i < 0 {
		return model.NewError(model.NotFound, "there is no deletion with the id "+strconv.Quote(id))
	}
	m.deletions = slices.Delete(m.deletions, i, i+1)
	return nil
}

// visibleLocked returns copies of those of the records that no deletion hides.
func (m *Memory) visibleLocked(s *memoryStream) []model.Record {
	out := slices.Clone(s.records)
	for _, d := range m.deletions {
		if matchAll(d.matchers, s.labels) {
			out = slices.DeleteFunc(out, d.hides)
		}
	}
	return out
}

func (d *deletion) hides(r model.Record) bool {
	if r.Time < d.Start || r.Time >= d.End {
		return false
	}
	for _, f := range d.filters {
		if f.match(r.Line) == f.not {
			return false
		}
	}
	return true
}
