package api

import (
	"net/http"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// streams returns the streams that have records in the request's range and match its selector.
func (a *api) streams(r *http.Request) ([]store.StreamInfo, error) {
	set, err := a.lokiMatchers(r, "query")
	if err != nil {
		return nil, err
	}
	start, end, err := a.lokiRange(r, defaultLabelling)
	if err != nil {
		return nil, err
	}
	e, err := a.events(r)
	if err != nil {
		return nil, err
	}
	return e.Streams(r.Context(), start.UnixNano(), end.UnixNano(), set...)
}

// lokiLabels answers with the names of the labels, sorted.
func (a *api) lokiLabels(r *http.Request) (lokiAnswer, error) {
	all, err := a.streams(r)
	if err != nil {
		return nil, err
	}
	names := map[string]struct{}{}
	for _, s := range all {
		s.Labels.Range(func(l labels.Label) { names[l.Name] = struct{}{} })
	}
	return lokiStrings(a.sortedSet(names)), nil
}

// lokiLabelValues answers with the values of one label, sorted.
func (a *api) lokiLabelValues(r *http.Request) (lokiAnswer, error) {
	all, err := a.streams(r)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	values := map[string]struct{}{}
	for _, s := range all {
		if v := s.Labels.Get(name); v != "" {
			values[v] = struct{}{}
		}
	}
	return lokiStrings(a.sortedSet(values)), nil
}

func (a *api) sortedSet(set map[string]struct{}) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	return out[:min(len(out), a.Limits.AnswerItems)]
}

// lokiSeries answers with the label sets of the streams that one of the selectors match[] matches.
func (a *api) lokiSeries(r *http.Request) (lokiAnswer, error) {
	texts := append(r.Form["match[]"], r.Form["match"]...)
	if len(texts) == 0 {
		texts = []string{""} // every stream
	}
	if len(texts) > a.Limits.MaxSelectors {
		return nil, badData("%d match[] parameters: at most %d are allowed", len(texts), a.Limits.MaxSelectors)
	}
	start, end, err := a.lokiRange(r, defaultLabelling)
	if err != nil {
		return nil, err
	}
	e, err := a.events(r)
	if err != nil {
		return nil, err
	}
	var sets lokiLabelSets
	for _, text := range texts {
		set, err := a.selectorOf(text)
		if err != nil {
			return nil, err
		}
		found, err := e.Streams(r.Context(), start.UnixNano(), end.UnixNano(), set...)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			sets = append(sets, s.Labels)
		}
	}
	slices.SortFunc(sets, labels.Compare)
	sets = slices.CompactFunc(sets, labels.Equal)
	return sets[:min(len(sets), a.Limits.AnswerItems)], nil
}

// lokiStrings is {"status":"success","data":["a",...]}.
type lokiStrings []string

func (s lokiStrings) writeTo(w *jsonWriter) error {
	w.raw(`{"status":"success","data":`)
	if err := appendList(w, s, func(v string) { w.buf = appendString(w.buf, v) }); err != nil {
		return err
	}
	w.raw(`}`)
	return nil
}

// lokiLabelSets is {"status":"success","data":[{"a":"b"},...]}.
type lokiLabelSets []labels.Labels

func (s lokiLabelSets) writeTo(w *jsonWriter) error {
	w.raw(`{"status":"success","data":`)
	if err := appendList(w, s, func(l labels.Labels) { w.buf = appendLabels(w.buf, l) }); err != nil {
		return err
	}
	w.raw(`}`)
	return nil
}

// lokiJSON is any value as encoding/json writes it.
type lokiJSON struct{ v any }

func (j lokiJSON) writeTo(w *jsonWriter) error {
	b, err := marshal(j.v)
	if err != nil {
		return err
	}
	w.buf = append(w.buf, b...)
	return nil
}
