package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store"
)

// lokiIndexStats answers how much a selector stands for: {"streams":n,"chunks":n,"entries":n,"bytes":n}.
func (a *api) lokiIndexStats(r *http.Request) (lokiAnswer, error) {
	set, err := a.lokiMatchers(r, "query")
	if err != nil {
		return nil, err
	}
	start, end, err := a.lokiRange(r, defaultSince)
	if err != nil {
		return nil, err
	}
	e, err := a.events(r)
	if err != nil {
		return nil, err
	}
	found, err := e.Streams(r.Context(), start.UnixNano(), end.UnixNano(), set...)
	if err != nil {
		return nil, err
	}
	var out struct {
		Streams int   `json:"streams"`
		Chunks  int64 `json:"chunks"`
		Entries int64 `json:"entries"`
		Bytes   int64 `json:"bytes"`
	}
	out.Streams = len(found)
	for _, s := range found {
		out.Chunks += s.Chunks
		out.Entries += s.Records
		out.Bytes += s.Bytes
	}
	return lokiJSON{out}, nil
}

// volumeQuery asks how many bytes came in, by labels.
type volumeQuery struct {
	events     store.EventReader
	matchers   []*labels.Matcher
	targets    []string // the labels to add up by
	byLabel    bool     // each label for itself, whatever its value
	start, end time.Time
	limit      int
}

func (a *api) volumeQuery(r *http.Request) (q volumeQuery, err error) {
	if q.matchers, err = a.lokiMatchers(r, "query"); err != nil {
		return q, err
	}
	if q.start, q.end, err = a.properRange(r, defaultSince); err != nil {
		return q, err
	}
	if q.limit, err = a.lokiLimit(r, defaultSeries, a.Logs.Limits.MaxSeries); err != nil {
		return q, err
	}
	switch by := r.Form.Get("aggregateBy"); by {
	case "", "series":
	case "labels":
		q.byLabel = true
	default:
		return q, badParam("aggregateBy", errAggregateBy)
	}
	if q.targets, err = targetLabels(r.Form["targetLabels"], a.Limits.MaxMatchers); err != nil {
		return q, err
	}
	q.events, err = a.events(r)
	return q, err
}

var errAggregateBy = apiText("use series or labels")

// apiText is an error that is nothing but its text.
type apiText string

func (t apiText) Error() string { return string(t) }

func targetLabels(params []string, most int) ([]string, error) {
	var out []string
	for _, p := range params {
		for name := range strings.SplitSeq(p, ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		if len(out) > most {
			return nil, badParam("targetLabels", apiText("too many labels"))
		}
	}
	return out, nil
}

// names are the labels to add up by: those that were named, else those that the selector asks for; when it asks for none, or
// each label counts for itself, all.
func (q *volumeQuery) names() []string {
	if len(q.targets) > 0 || q.byLabel {
		return q.targets
	}
	var out []string
	for _, m := range q.matchers {
		if !slices.Contains(out, m.Name) {
			out = append(out, m.Name)
		}
	}
	return out
}

// volumes adds up the bytes of a range.
func (q *volumeQuery) volumes(ctx context.Context, start, end time.Time) (map[string]*volume, error) {
	found, err := q.events.Streams(ctx, start.UnixNano(), end.UnixNano(), q.matchers...)
	if err != nil {
		return nil, err
	}
	sums := volumeSums{names: q.names(), sums: map[string]*volume{}, build: labels.NewScratchBuilder(4)}
	for _, s := range found {
		if q.byLabel {
			sums.addLabels(s)
		} else {
			sums.addSeries(s)
		}
	}
	return sums.sums, nil
}

type volume struct {
	labels labels.Labels
	bytes  float64
}

type volumeSums struct {
	names []string
	sums  map[string]*volume // by the labels' bytes
	build labels.ScratchBuilder
	key   []byte
}

func (v *volumeSums) addSeries(s store.StreamInfo) {
	if len(v.names) == 0 {
		v.add(s.Labels, s.Bytes)
		return
	}
	v.build.Reset()
	for _, name := range v.names {
		if value := s.Labels.Get(name); value != "" {
			v.build.Add(name, value)
		}
	}
	v.build.Sort()
	if l := v.build.Labels(); !l.IsEmpty() {
		v.add(l, s.Bytes)
	}
}

func (v *volumeSums) addLabels(s store.StreamInfo) {
	s.Labels.Range(func(l labels.Label) {
		if len(v.names) == 0 || slices.Contains(v.names, l.Name) {
			v.add(labels.FromStrings(l.Name, ""), s.Bytes)
		}
	})
}

func (v *volumeSums) add(l labels.Labels, bytes int64) {
	v.key = l.Bytes(v.key)
	sum := v.sums[string(v.key)]
	if sum == nil {
		sum = &volume{labels: l}
		v.sums[string(v.key)] = sum
	}
	sum.bytes += float64(bytes)
}

// lokiVolume answers with the biggest volumes of the whole range, the biggest first, at its end.
func (a *api) lokiVolume(r *http.Request) (lokiAnswer, error) {
	q, err := a.volumeQuery(r)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	sums, err := q.volumes(r.Context(), q.start, q.end)
	if err != nil {
		return nil, err
	}
	vector := promql.Vector{}
	for _, v := range biggest(sums, q.limit) {
		vector = append(vector, promql.Sample{Metric: v.labels, T: q.end.UnixMilli(), F: v.bytes})
	}
	return lokiResult{Result: logql.Result{Vector: vector, Stats: logql.Stats{Exec: time.Since(begin)}}}, nil
}

func biggest(sums map[string]*volume, limit int) []*volume {
	list := make([]*volume, 0, len(sums))
	for _, v := range sums {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *volume) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), labels.Compare(a.labels, b.labels))
	})
	return list[:min(len(list), limit)]
}

// lokiVolumeRange answers with the volumes of each step, of those that are the biggest over the whole range. Steps begin at
// multiples of their length, and a sample stands at the last millisecond of its step, that of the last at the end of the range.
func (a *api) lokiVolumeRange(r *http.Request) (lokiAnswer, error) {
	q, err := a.volumeQuery(r)
	if err != nil {
		return nil, err
	}
	step, err := a.lokiStep(r, q.start, q.end)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	matrix, err := q.matrix(r.Context(), step)
	if err != nil {
		return nil, err
	}
	return lokiResult{Result: logql.Result{Matrix: matrix, Stats: logql.Stats{Exec: time.Since(begin)}}}, nil
}

func (q *volumeQuery) matrix(ctx context.Context, step time.Duration) (promql.Matrix, error) {
	whole, err := q.volumes(ctx, q.start, q.end)
	if err != nil {
		return nil, err
	}
	chosen := biggest(whole, q.limit)
	matrix := make(promql.Matrix, len(chosen))
	at := map[string]int{}
	for i, v := range chosen {
		matrix[i].Metric = v.labels
		at[string(v.labels.Bytes(nil))] = i
	}
	for t := q.start; t.Before(q.end) && len(chosen) > 0; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		end := time.Unix(0, alignDown(t.UnixNano(), int64(step))).Add(step)
		stamp := end.UnixMilli() - 1
		if !end.Before(q.end) {
			end, stamp = q.end, q.end.UnixMilli()
		}
		sums, err := q.volumes(ctx, t, end)
		if err != nil {
			return nil, err
		}
		for key, v := range sums {
			if i, ok := at[key]; ok {
				matrix[i].Floats = append(matrix[i].Floats, promql.FPoint{T: stamp, F: v.bytes})
			}
		}
		t = end
	}
	// Estimates of a step may come to nothing where that of the whole did not.
	return slices.DeleteFunc(matrix, func(s promql.Series) bool { return len(s.Floats) == 0 }), nil
}

// lokiDetectedLabels answers which labels the selected streams have, with how many values:
// {"detectedLabels":[{"label":"a","cardinality":2},...]}.
func (a *api) lokiDetectedLabels(r *http.Request) (lokiAnswer, error) {
	all, err := a.streams(r)
	if err != nil {
		return nil, err
	}
	values := map[string]map[string]struct{}{}
	for _, s := range all {
		s.Labels.Range(func(l labels.Label) {
			if values[l.Name] == nil {
				values[l.Name] = map[string]struct{}{}
			}
			values[l.Name][l.Value] = struct{}{}
		})
	}
	type detected struct {
		Label       string `json:"label"`
		Cardinality int    `json:"cardinality"`
	}
	out := make([]detected, 0, len(values))
	for name, set := range values {
		out = append(out, detected{name, len(set)})
	}
	slices.SortFunc(out, func(a, b detected) int { return cmp.Compare(a.Label, b.Label) })
	return lokiJSON{map[string]any{"detectedLabels": out}}, nil
}
