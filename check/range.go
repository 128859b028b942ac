package check

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// Range is a threshold as the Monitoring Plugins Development Guidelines define it: [@]start:end, where start: without an end
// reaches to infinity, ~ is negative infinity, a single number is the end of a range from 0, and @ turns it around. A value outside
// the range is bad (inside, with @). The zero Range finds nothing bad.
//
// Bounds may be durations ("500ms", "2m"), which count as seconds, and percentages ("80%"), which count as their number.
type Range struct {
	set        bool
	start, end float64
	inside     bool
}

// ParseRange reads a range. The empty text is the zero Range.
func ParseRange(text string) (Range, error) {
	rest := strings.TrimSpace(text)
	if rest == "" {
		return Range{}, nil
	}
	r := Range{set: true, end: math.Inf(1)}
	rest, r.inside = strings.CutPrefix(rest, "@")
	start, end, colon := strings.Cut(rest, ":")
	if !colon {
		start, end = "0", rest
	}
	var err error
	switch {
	case start == "~":
		r.start = math.Inf(-1)
	case start != "":
		r.start, err = parseBound(start)
	}
	if err == nil && end != "" {
		r.end, err = parseBound(end)
	}
	if err != nil || !colon && end == "" {
		return Range{}, fmt.Errorf("%q is no range: write it like 80, 10:, ~:5, 10:20 or @10:20", text)
	}
	if r.start > r.end {
		return Range{}, fmt.Errorf("%q is no range: its start is above its end", text)
	}
	return r, nil
}

func parseBound(text string) (float64, error) {
	text = strings.TrimSuffix(strings.TrimSpace(text), "%")
	if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
		return v, nil
	}
	var d Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	return time.Duration(d).Seconds(), nil
}

// Above is the range that finds values above limit (or below 0) bad, Below the one that finds those below it bad.
func Above(limit float64) Range { return Range{set: true, end: limit} }

// Below finds values below limit bad.
func Below(limit float64) Range { return Range{set: true, start: limit, end: math.Inf(1)} }

// Set says whether there is a threshold.
func (r Range) Set() bool { return r.set }

// Bad says whether the value is a reason to alarm. NaN is not: it is no value.
func (r Range) Bad(v float64) bool {
	if !r.set || math.IsNaN(v) {
		return false
	}
	outside := v < r.start || v > r.end
	return outside != r.inside
}

// String writes it as the guidelines do, in the shortest form.
func (r Range) String() string {
	if !r.set {
		return ""
	}
	var b strings.Builder
	if r.inside {
		b.WriteByte('@')
	}
	switch {
	case math.IsInf(r.start, -1):
		b.WriteString("~:")
	case r.start != 0 || math.IsInf(r.end, 1):
		b.WriteString(formatBound(r.start) + ":")
	}
	if !math.IsInf(r.end, 1) {
		b.WriteString(formatBound(r.end))
	}
	return b.String()
}

func formatBound(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// MarshalText writes it as String does.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads it as ParseRange does.
func (r *Range) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRange(string(text))
	return err
}

// UnmarshalJSON reads a text, or a number.
func (r *Range) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		text = string(data)
		if text == "null" {
			text = ""
		}
	}
	return r.UnmarshalText([]byte(text))
}

// Rate compares a value with two ranges: CRITICAL, WARNING or OK.
func Rate(v float64, warn, crit Range) model.Status {
	switch {
	case crit.Bad(v):
		return model.Critical
	case warn.Bad(v):
		return model.Warning
	}
	return model.OK
}
