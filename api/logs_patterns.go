package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/query/patterns"
)

const (
	defaultPatternLines = 50_000
	defaultPatterns     = 100
	maxPatterns         = 1000
	// maxNewChecks bounds the queries that ask whether a pattern was there before, when not every record was looked at.
	maxNewChecks = 20
)

type patternsJSON struct {
	Patterns      []patternJSON `json:"patterns"`
	Start         float64       `json:"start"` // seconds
	End           float64       `json:"end"`
	Step          float64       `json:"step"`
	ComparedStart string        `json:"comparedStart,omitempty"` // nanoseconds
	ComparedEnd   string        `json:"comparedEnd,omitempty"`
	logSample
	Other int64     `json:"other"` // records whose pattern is not shown
	Stats statsJSON `json:"stats"`
}

type patternJSON struct {
	Pattern   string           `json:"pattern"`
	Total     int64            `json:"total"`
	Level     string           `json:"level"`
	Levels    map[string]int64 `json:"levels"`
	FirstSeen string           `json:"firstSeen"` // nanoseconds
	LastSeen  string           `json:"lastSeen"`
	IsNew     bool             `json:"isNew"`
	Before    int64            `json:"before"`
	Share     float64          `json:"share"` // of the records that were looked at
	Examples  []exampleJSON    `json:"examples"`
	Samples   []int64          `json:"samples"` // by step
	Filter    string           `json:"filter"`  // a stage of LogQL that keeps the pattern's lines
	Exclude   string           `json:"exclude"` // one that drops them
}

type exampleJSON struct {
	Time   string        `json:"time"`
	Line   string        `json:"line"`
	Stream labels.Labels `json:"stream"`
}

// logPatterns answers /logs/patterns: what the lines have in common, and which of it was not there in the window of the
// same length before.
func (a *api) logPatterns(r *http.Request) (*result, error) {
	sel, err := a.logSelection(r)
	if err != nil {
		return nil, err
	}
	lines, err := wholeParam(r, "lines", defaultPatternLines, 1, a.Logs.Limits.MaxSample)
	if err != nil {
		return nil, err
	}
	limit, err := wholeParam(r, "limit", defaultPatterns, 1, maxPatterns)
	if err != nil {
		return nil, err
	}
	compare, err := switchParam(r, "compare", true)
	if err != nil {
		return nil, err
	}
	grid, err := logGridOf(r, sel.start, sel.end)
	if err != nil {
		return nil, err
	}
	m := patternMining{api: a, sel: sel, grid: grid, lines: lines}
	if err := m.run(r.Context(), compare); err != nil {
		return nil, err
	}
	out, err := m.answer(r.Context(), limit)
	if err != nil {
		return nil, err
	}
	return &result{data: out}, nil
}

func switchParam(r *http.Request, name string, missing bool) (bool, error) {
	s := r.Form.Get(name)
	if s == "" {
		return missing, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, badParam(name, apiText("use true or false"))
	}
	return b, nil
}

// patternMining is the work for one answer.
type patternMining struct {
	api   *api
	sel   logSelection
	grid  logGrid
	lines int

	tally    *patterns.Tally
	sample   logSample // of the window
	compared bool
	before   logSample // of the window before
}

// run looks at the window before, if that is wanted, and then at the window.
func (m *patternMining) run(ctx context.Context, compare bool) (err error) {
	if m.api.Logs.LogQL == nil {
		return errNoLogs
	}
	m.tally = patterns.NewTally(patterns.Options{}, patterns.Grid{Start: m.grid.start, Step: m.grid.step, Steps: m.grid.steps})
	if compare {
		m.compared = true
		start, end := m.windowBefore()
		m.before, err = m.api.sample(ctx, m.sel.text, start, end, m.lines, func(_ labels.Labels, e logql.Entry) error {
			m.tally.AddBefore(e.Line)
			return nil
		})
		if err != nil {
			return err
		}
	}
	m.sample, err = m.api.sample(ctx, m.sel.text, m.sel.start, m.sel.end, m.lines, func(l labels.Labels, e logql.Entry) error {
		m.tally.Add(patterns.Record{Time: e.Time, Line: e.Line, Level: entryLevel(&e), Stream: l})
		return nil
	})
	return err
}

func (m *patternMining) windowBefore() (start, end time.Time) {
	return m.sel.start.Add(m.sel.start.Sub(m.sel.end)), m.sel.start
}

// entryLevel is the record's level, unknown when it has none.
func entryLevel(e *logql.Entry) string {
	return cmp.Or(e.Structured.Get(model.FieldLevel), "unknown")
}

func (m *patternMining) answer(ctx context.Context, limit int) (patternsJSON, error) {
	stats := m.sample.stats
	addLogStats(&stats, m.before.stats)
	out := patternsJSON{
		Patterns: []patternJSON{}, Start: seconds(m.grid.start), End: seconds(m.grid.end()), Step: seconds(m.grid.step),
		logSample: m.sample, Stats: logStatsJSON(stats), Other: int64(m.sample.Records),
	}
	if m.compared {
		start, end := m.windowBefore()
		out.ComparedStart, out.ComparedEnd = strconv.FormatInt(start.UnixNano(), 10), strconv.FormatInt(end.UnixNano(), 10)
	}
	found := m.tally.Summaries()
	checks := 0
	for _, s := range found[:min(len(found), limit)] {
		p := patternOf(s, m.sample.Records)
		p.IsNew = m.compared && s.Before == 0
		if p.IsNew && m.before.Sampled {
			if checks++; checks > maxNewChecks {
				p.IsNew = false // not known
			} else if was, err := m.wasThere(ctx, p.Filter); err != nil {
				return out, err
			} else if was {
				p.IsNew = false
			}
		}
		out.Other -= s.Total
		out.Patterns = append(out.Patterns, p)
	}
	return out, nil
}

// wasThere asks the whole window before for a pattern that the sample of it did not have.
func (m *patternMining) wasThere(ctx context.Context, filter string) (bool, error) {
	if filter == "" {
		return true, nil // it matches everything
	}
	start, end := m.windowBefore()
	was := false
	_, err := m.api.scanLogs(ctx, logql.Request{Query: m.sel.text + "\n" + filter, Start: start, End: end, Limit: 1}, func(labels.Labels, logql.Entry) error {
		was = true
		return nil
	})
	return was, err
}

func patternOf(s patterns.Summary, records int) patternJSON {
	p := patternJSON{
		Pattern: s.Pattern, Total: s.Total, Level: s.Level(), Levels: map[string]int64{}, Before: s.Before,
		FirstSeen: strconv.FormatInt(s.First, 10), LastSeen: strconv.FormatInt(s.Last, 10),
		Share: float64(s.Total) / float64(max(records, 1)), Samples: s.Samples(), Examples: []exampleJSON{},
	}
	for name, l := range s.Levels {
		p.Levels[name] = l.Total
	}
	for _, e := range s.Examples {
		p.Examples = append(p.Examples, exampleJSON{strconv.FormatInt(e.Time, 10), e.Line, e.Stream})
	}
	if text := quoteLogQL(s.Pattern); strings.Trim(s.Pattern, "<_> ") != "" {
		p.Filter, p.Exclude = "|> "+text, "!> "+text
	}
	return p
}

// quoteLogQL writes a string literal: between backquotes, where nothing is escaped, when it has none itself.
func quoteLogQL(s string) string {
	if strings.ContainsAny(s, "`\n\r") {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// lokiPatterns answers Loki's question about patterns: {"status":"success","data":[{"pattern":"...","level":"info","samples":[[sec,n],...]},...]}.
func (a *api) lokiPatterns(r *http.Request) (lokiAnswer, error) {
	sel, err := a.logSelection(r)
	if err != nil {
		return nil, err
	}
	lines, err := wholeParam(r, "line_limit", a.Logs.Limits.MaxSample, 1, a.Logs.Limits.MaxSample)
	if err != nil {
		return nil, err
	}
	grid, err := a.lokiGrid(r, sel.start, sel.end)
	if err != nil {
		return nil, err
	}
	m := patternMining{api: a, sel: sel, grid: grid, lines: lines}
	if err := m.run(r.Context(), false); err != nil {
		return nil, err
	}
	out := lokiPatternsAnswer{grid: grid, found: m.tally.Summaries()}
	if m.sample.Sampled {
		out.warnings = []string{"counts are of " + thousands(m.sample.Records) + " lines, taken evenly over the range: there are more"}
	}
	out.found = out.found[:min(len(out.found), maxPatterns)]
	return out, nil
}

// lokiGrid is the grid of the parameter step; a step that is too short for the range is made longer.
func (a *api) lokiGrid(r *http.Request, start, end time.Time) (logGrid, error) {
	step, err := a.lokiStep(r, start, end)
	if err != nil {
		return logGrid{}, err
	}
	step = max(step, roundStep(end.Sub(start)/maxBuckets))
	g := logGrid{start: alignDown(start.UnixNano(), int64(step)), step: int64(step)}
	g.steps = int((end.UnixNano() - g.start + g.step - 1) / g.step)
	return g, nil
}

type lokiPatternsAnswer struct {
	grid     logGrid
	found    []patterns.Summary
	warnings []string
}

func (p lokiPatternsAnswer) writeTo(w *jsonWriter) error {
	w.raw(`{"status":"success","data":[`)
	first := true
	for _, s := range p.found {
		for _, level := range sortedLevels(s.Levels) {
			if !first {
				w.raw(`,`)
			}
			first = false
			w.raw(`{"pattern":`)
			w.buf = appendString(w.buf, s.Pattern)
			w.raw(`,"level":`)
			w.buf = appendString(w.buf, level)
			w.raw(`,"samples":[`)
			w.buf = p.grid.appendSamples(w.buf, s.Levels[level].Samples)
			w.raw(`]}`)
			if err := w.breathe(); err != nil {
				return err
			}
		}
	}
	w.raw(`]`)
	w.stringsField(`,"warnings":`, p.warnings)
	w.raw(`}`)
	return w.err
}

func sortedLevels(m map[string]patterns.Level) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// appendSamples writes [seconds,count] for the steps that have some.
func (g logGrid) appendSamples(dst []byte, counts []uint32) []byte {
	first := true
	for i, n := range counts {
		if n == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '[')
		dst = strconv.AppendInt(dst, (g.start+int64(i)*g.step)/1e9, 10)
		dst = append(dst, ',')
		dst = strconv.AppendUint(dst, uint64(n), 10)
		dst = append(dst, ']')
	}
	return dst
}
