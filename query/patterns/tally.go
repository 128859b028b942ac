package patterns

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Grid is a range of time cut into steps, in nanoseconds since the epoch.
type Grid struct {
	Start, Step int64
	Steps       int
}

func (g Grid) index(t int64) int { return int(min(max((t-g.Start)/g.Step, 0), int64(g.Steps-1))) }

// Record is a log record whose line is sorted into a pattern. It is not kept, but for a few examples, whose strings are copied.
type Record struct {
	Time   int64
	Line   string
	Level  string
	Stream labels.Labels
}

// Tally counts the patterns of the records in a window of time, and compares them with those of another window. It is
// for one goroutine.
type Tally struct {
	miner *Miner
	grid  Grid
}

// NewTally returns a Tally of the window that grid covers.
func NewTally(o Options, grid Grid) *Tally { return &Tally{New(o), grid} }

// maxExamples is how many lines of a pattern are kept: enough to see what varies.
const maxExamples = 3

// maxExampleBytes is how much of an example is kept.
const maxExampleBytes = 4 << 10

// tallied is what is counted of one pattern.
type tallied struct {
	total, before int64
	first, last   int64
	levels        map[string]*perLevel
	examples      []Record
}

type perLevel struct {
	total   int64
	samples []uint32 // by step
}

// Add counts a record of the window.
func (t *Tally) Add(r Record) {
	d := data(t.miner.Add(r.Line))
	if d.total == 0 || r.Time < d.first {
		d.first = r.Time
	}
	if d.total == 0 || r.Time > d.last {
		d.last = r.Time
	}
	d.total++
	l := d.levels[r.Level]
	if l == nil {
		l = &perLevel{samples: make([]uint32, t.grid.Steps)}
		d.levels[strings.Clone(r.Level)] = l
	}
	l.total++
	l.samples[t.grid.index(r.Time)]++
	if len(d.examples) < maxExamples {
		r.Line, r.Level = strings.Clone(r.Line[:min(len(r.Line), maxExampleBytes)]), strings.Clone(r.Level)
		d.examples = append(d.examples, r)
	}
}

// AddBefore counts a line of the window before. Patterns are the same whichever window is added first; they are best
// when it is the earlier one.
func (t *Tally) AddBefore(line string) { data(t.miner.Add(line)).before++ }

func data(p *Pattern) *tallied {
	if p.Data == nil {
		p.Data = &tallied{levels: map[string]*perLevel{}}
	}
	return p.Data.(*tallied)
}

// Forgotten is how many records, of both windows, had a pattern for which there was no room.
func (t *Tally) Forgotten() int64 { return t.miner.Forgotten() }

// Summary is what was found out about a pattern.
type Summary struct {
	Pattern     string
	Total       int64 // records in the window
	Before      int64 // records in the window before
	First, Last int64 // times in the window, nanoseconds
	Levels      map[string]Level
	Examples    []Record // the first that were added
}

// Level is how many records of one level a pattern has, in all and by step.
type Level struct {
	Total   int64
	Samples []uint32
}

// Level returns the level that most records have; of equal ones the first by name.
func (s *Summary) Level() string {
	best := ""
	for _, name := range slices.Sorted(maps.Keys(s.Levels)) {
		if best == "" || s.Levels[name].Total > s.Levels[best].Total {
			best = name
		}
	}
	return best
}

// Samples returns how many records each step has.
func (s *Summary) Samples() []int64 {
	var out []int64
	for _, l := range s.Levels {
		if out == nil {
			out = make([]int64, len(l.Samples))
		}
		for i, n := range l.Samples {
			out[i] += int64(n)
		}
	}
	return out
}

// Summaries returns the patterns that the window has, those of most records first.
func (t *Tally) Summaries() []Summary {
	byText := map[string]*tallied{}
	for _, p := range t.miner.Patterns() {
		d := data(p)
		text := p.String()
		// Patterns that became the same while they grew are one.
		if other := byText[text]; other != nil {
			other.unite(d)
			continue
		}
		byText[text] = d
	}
	out := make([]Summary, 0, len(byText))
	for text, d := range byText {
		if d.total > 0 {
			out = append(out, d.summary(text))
		}
	}
	slices.SortFunc(out, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Pattern, b.Pattern))
	})
	return out
}

// unite adds what was counted of another pattern, which is not used any more.
func (d *tallied) unite(o *tallied) {
	if o.total > 0 {
		if d.total == 0 {
			d.first, d.last = o.first, o.last
		}
		d.first, d.last = min(d.first, o.first), max(d.last, o.last)
	}
	d.total += o.total
	d.before += o.before
	for name, l := range o.levels {
		mine := d.levels[name]
		if mine == nil {
			d.levels[name] = l
			continue
		}
		mine.total += l.total
		for i, n := range l.samples {
			mine.samples[i] += n
		}
	}
	d.examples = append(d.examples, o.examples[:min(len(o.examples), maxExamples-len(d.examples))]...)
}

func (d *tallied) summary(text string) Summary {
	s := Summary{Pattern: text, Total: d.total, Before: d.before, First: d.first, Last: d.last, Examples: d.examples, Levels: map[string]Level{}}
	for name, l := range d.levels {
		s.Levels[name] = Level{l.total, l.samples}
	}
	return s
}
