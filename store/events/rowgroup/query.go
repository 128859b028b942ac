package rowgroup

import (
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Query is a store.EventQuery made ready for many groups. It is never changed and may be shared by goroutines.
type Query struct {
	start, end int64
	filters    []filter
	hints      []hint
}

// filter is a RecordFilter whose needles are in lower case already when they fold.
type filter struct {
	store.RecordFilter
	needles [][]string
	skip    [][]needle // needles, ready for the filters of groups
}

// Prepare prepares the range of time, the filters and the hints of q. Its matchers, its order and its workers are the caller's.
func Prepare(q store.EventQuery) *Query {
	out := &Query{start: q.Start, end: q.End}
	for _, f := range q.Filters {
		out.filters = append(out.filters, prepareFilter(f))
	}
	for _, h := range q.Hints {
		out.hints = append(out.hints, prepareHint(h))
	}
	return out
}

func prepareFilter(f store.RecordFilter) filter {
	out := filter{RecordFilter: f}
	for _, any := range f.Needles {
		list := slices.Clone(any)
		if f.Fold {
			for i, n := range list {
				list[i] = lowerASCII(n)
			}
		}
		// A list that holds "" is met by every text.
		if !slices.Contains(list, "") {
			out.needles = append(out.needles, list)
			prepared := make([]needle, len(list))
			for i, n := range list {
				prepared[i] = prepareNeedle(n, false)
			}
			out.skip = append(out.skip, prepared)
		}
	}
	return out
}

// Within returns the query for the part of its range that lies in start <= time < end.
func (q *Query) Within(start, end int64) *Query {
	out := *q
	out.start, out.end = max(q.start, start), min(q.end, end)
	return &out
}

// Selects says whether the query selects a record, by its range of time and its filters; hints decide nothing.
func (q *Query) Selects(time int64, line string, fields []model.Field) bool {
	return time >= q.start && time < q.end && q.passes(line, fields)
}

func (q *Query) passes(line string, fields []model.Field) bool {
	for i := range q.filters {
		if q.filters[i].record(line, fields) == q.filters[i].Not {
			return false
		}
	}
	return true
}

// record says whether the record has a text that passes, before Not.
func (f *filter) record(line string, fields []model.Field) bool {
	if f.text(line) {
		return true
	}
	if f.AnyField {
		for i := range fields {
			if f.text(fields[i].Value) {
				return true
			}
		}
	}
	return false
}

func (f *filter) text(text string) bool {
	if !f.mayPass(text) {
		return false
	}
	return f.Match == nil || f.Match(text)
}

// mayPass looks for the needles.
func (f *filter) mayPass(text string) bool {
	for _, any := range f.needles {
		found := false
		for _, n := range any {
			if contains(text, n, f.Fold) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// contains looks for needle, which is in lower case when fold says that the case of ASCII letters does not matter.
func contains(text, needle string, fold bool) bool {
	if !fold {
		return strings.Contains(text, needle)
	}
	return indexFold(text, needle) >= 0
}

// indexFold is strings.Index without regard to the case of ASCII letters. It searches for the first byte of needle in both
// cases, which the runtime does many bytes at a time.
func indexFold(text, needle string) int {
	if needle == "" {
		return 0
	}
	low := needle[0]
	up := low
	if low >= 'a' && low <= 'z' {
		up = low - 'a' + 'A'
	}
	last := len(text) - len(needle)
	nextLow, nextUp := -1, -1
	for at := 0; at <= last; {
		if nextLow < at {
			nextLow = indexFrom(text, low, at)
		}
		if nextUp < at {
			nextUp = indexFrom(text, up, at)
		}
		at = min(nextLow, nextUp)
		if at > last {
			return -1
		}
		if equalFold(text[at:at+len(needle)], needle) {
			return at
		}
		at++
	}
	return -1
}

// indexFrom is the first place of c at or behind from, or len(text).
func indexFrom(text string, c byte, from int) int {
	i := strings.IndexByte(text[from:], c)
	if i < 0 {
		return len(text)
	}
	return from + i
}

// equalFold compares with lower, which is in lower case and as long as text.
func equalFold(text, lower string) bool {
	for i := range len(lower) {
		if lowerByte(text[i]) != lower[i] {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func lowerASCII(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return s
	}
	out := []byte(s)
	for i, c := range out {
		out[i] = lowerByte(c)
	}
	return string(out)
}
