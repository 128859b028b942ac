package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
)

const (
	defaultBuckets = 100
	maxBuckets     = 1000
	// maxBars bounds the values that a histogram tells apart: more colours nobody tells apart.
	maxBars = 20
)

// logGrid is a range cut into steps of one length; the first begins at a multiple of it.
type logGrid struct {
	start, step int64 // nanoseconds
	steps       int
}

// index is the step that a time lies in, at the ends the nearest.
func (g logGrid) index(t int64) int {
	return int(min(max((t-g.start)/g.step, 0), int64(g.steps-1)))
}

// end is where the last step ends.
func (g logGrid) end() int64 { return g.start + g.step*int64(g.steps) }

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// roundSteps are what people count time in.
var roundSteps = []time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour,
}

// logGrid reads the parameter step, or else buckets: about how many steps there shall be.
func logGridOf(r *http.Request, start, end time.Time) (logGrid, error) {
	buckets, err := wholeParam(r, "buckets", defaultBuckets, 1, maxBuckets)
	if err != nil {
		return logGrid{}, err
	}
	step, err := lokiDurationParam(r, "step", 0)
	if err != nil {
		return logGrid{}, err
	}
	if step == 0 {
		step = roundStep(end.Sub(start) / time.Duration(buckets))
	}
	if step < time.Millisecond {
		return logGrid{}, badParam("step", fmt.Errorf("%s is too short: at least 1ms", step))
	}
	g := logGrid{start: alignDown(start.UnixNano(), int64(step)), step: int64(step)}
	n := (end.UnixNano() - g.start + g.step - 1) / g.step
	if n > 2*maxBuckets {
		return g, badParam("step", fmt.Errorf("the range has %d steps: at most %d are allowed", n, 2*maxBuckets))
	}
	g.steps = int(n)
	return g, nil
}

// roundStep is the smallest round step that is not shorter than d.
func roundStep(d time.Duration) time.Duration {
	for _, s := range roundSteps {
		if s >= d {
			return s
		}
	}
	longest := int64(roundSteps[len(roundSteps)-1])
	return time.Duration((int64(d) + longest - 1) / longest * longest)
}

// alignDown is the multiple of step at or before t.
func alignDown(t, step int64) int64 {
	rest := t % step
	if rest < 0 {
		rest += step
	}
	return t - rest
}

type histogramJSON struct {
	Start  float64   `json:"start"` // seconds, as End and Step
	End    float64   `json:"end"`
	Step   float64   `json:"step"`
	By     string    `json:"by"`
	Series []logBars `json:"series"`
	Total  float64   `json:"total"`
	Stats  statsJSON `json:"stats"`
}

// logBars is how many records have a value, by step.
type logBars struct {
	Value  string    `json:"value"`
	Counts []float64 `json:"counts"`
	total  float64
}

// logHistogram answers /logs/histogram: how many records of each level, or of each value of another field, each step has.
func (a *api) logHistogram(r *http.Request) (*result, error) {
	sel, err := a.logSelection(r)
	if err != nil {
		return nil, err
	}
	by, err := fieldParam(r, "by", model.FieldLevel)
	if err != nil {
		return nil, err
	}
	grid, err := logGridOf(r, sel.start, sel.end)
	if err != nil {
		return nil, err
	}
	bars, stats, err := a.countBy(r.Context(), sel.text, by, grid)
	if err != nil {
		return nil, err
	}
	out := histogramJSON{Start: seconds(grid.start), End: seconds(grid.end()), Step: seconds(grid.step), By: by, Series: bars, Stats: logStatsJSON(stats)}
	for _, b := range bars {
		out.Total += b.total
	}
	return &result{data: out}, nil
}

// countBy counts what a log query finds by the values of a field. Each step is counted where it ends, a nanosecond
// before the next begins, because the range of a metric query excludes its start and includes its end.
func (a *api) countBy(ctx context.Context, query, by string, grid logGrid) ([]logBars, logql.Stats, error) {
	q := logql.Request{
		Query: fmt.Sprintf("sum by (%s) (count_over_time(%s\n[%s]))", by, query, time.Duration(grid.step)),
		Step:  time.Duration(grid.step), Start: time.Unix(0, grid.start+grid.step-1), End: time.Unix(0, grid.end()-1),
	}
	res, err := a.runLogRange(ctx, q)
	if err != nil {
		return nil, res.Stats, err
	}
	byValue := map[string]*logBars{}
	for _, s := range res.Matrix {
		value := s.Metric.Get(by)
		if by == model.FieldLevel && value == "" {
			value = "unknown"
		}
		b := byValue[value]
		if b == nil {
			b = &logBars{Value: value, Counts: make([]float64, grid.steps)}
			byValue[value] = b
		}
		for _, p := range s.Floats {
			// Milliseconds are cut off: the start of the step is nearer than it seems.
			b.Counts[grid.index(p.T*1e6)] += p.F
			b.total += p.F
		}
	}
	return sortBars(byValue, by), res.Stats, nil
}

// otherBars stands for the values beyond those that are shown.
const otherBars = "(other)"

func sortBars(byValue map[string]*logBars, by string) []logBars {
	out := make([]logBars, 0, len(byValue))
	for _, b := range byValue {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b logBars) int {
		if by == model.FieldLevel {
			if c := cmp.Compare(levelRank(a.Value), levelRank(b.Value)); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.Value, b.Value))
	})
	if len(out) <= maxBars {
		return out
	}
	rest := logBars{Value: otherBars, Counts: make([]float64, len(out[0].Counts))}
	for _, b := range out[maxBars:] {
		rest.total += b.total
		for i, n := range b.Counts {
			rest.Counts[i] += n
		}
	}
	return append(out[:maxBars:maxBars], rest)
}

// levelRank orders levels, the gravest first; what is no level comes last.
func levelRank(level string) int {
	if i := slices.Index(model.Levels[:], level); i >= 0 {
		return i
	}
	return len(model.Levels)
}
