package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// The times that stand for "no start" and "no end" in Prometheus' API. Its clients send them back as text.
const (
	minUnixSeconds = math.MinInt64/1000 + 62135596801
	maxUnixSeconds = math.MaxInt64/1000 - 62135596801
)

func minTime() time.Time { return time.Unix(minUnixSeconds, 0).UTC() }
func maxTime() time.Time { return time.Unix(maxUnixSeconds, 999999999).UTC() }

// parseTime reads a time as Unix seconds with an optional fraction (kept to the millisecond), or as RFC 3339.
func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return floatTime(s, f)
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	// These two have years that time.Parse cannot read.
	switch s {
	case minTime().Format(time.RFC3339Nano):
		return minTime(), nil
	case maxTime().Format(time.RFC3339Nano):
		return maxTime(), nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", cutText(s, 100))
}

func floatTime(s string, f float64) (time.Time, error) {
	sec, frac := math.Modf(f)
	if math.IsNaN(f) || sec < minUnixSeconds || sec > maxUnixSeconds {
		return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp: it is outside of the times that can be held", cutText(s, 100))
	}
	frac = math.Round(frac*1000) / 1000
	return time.Unix(int64(sec), int64(frac*float64(time.Second))).UTC(), nil
}

// parseDuration reads a duration as seconds with an optional fraction, or as Prometheus writes it (5m, 1h30m).
func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		ns := f * float64(time.Second)
		if math.IsNaN(ns) || ns >= math.MaxInt64 || ns < math.MinInt64 {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", cutText(s, 100))
		}
		return time.Duration(ns), nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", cutText(s, 100))
}

// timeParam reads an optional time parameter.
func timeParam(r *http.Request, name string, missing time.Time) (time.Time, error) {
	v := r.Form.Get(name)
	if v == "" {
		return missing, nil
	}
	t, err := parseTime(v)
	if err != nil {
		return time.Time{}, badParam(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// timeRange reads the optional parameters start and end.
func timeRange(r *http.Request) (start, end time.Time, err error) {
	if start, err = timeParam(r, "start", minTime()); err != nil {
		return start, end, err
	}
	end, err = timeParam(r, "end", maxTime())
	return start, end, err
}

// limitParam reads the parameter limit; 0 means none.
func limitParam(r *http.Request) (int, error) {
	v := r.Form.Get("limit")
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, badParam("limit", err)
	}
	if n < 0 {
		return 0, badParam("limit", errors.New("limit must be non-negative"))
	}
	return n, nil
}

// timeoutParam reads the parameter timeout; 0 means none.
func timeoutParam(r *http.Request) (time.Duration, error) {
	v := r.Form.Get("timeout")
	if v == "" {
		return 0, nil
	}
	d, err := parseDuration(v)
	if err != nil {
		return 0, badParam("timeout", err)
	}
	if d <= 0 {
		return 0, badParam("timeout", fmt.Errorf("timeout must be positive, got %s", d))
	}
	return d, nil
}

// expressionParam reads a parameter that holds PromQL, and bounds its length and shape.
func (a *api) expressionParam(r *http.Request, name string) (string, error) {
	v := r.Form.Get(name)
	if len(v) > a.Limits.MaxQueryBytes {
		return "", badParam(name, fmt.Errorf("the expression has %d bytes: at most %d are allowed", len(v), a.Limits.MaxQueryBytes))
	}
	if err := checkShape(v, maxOperators); err != nil {
		return "", badParam(name, err)
	}
	return v, nil
}

// selectors reads the match[] parameters. Each set has a matcher that does not match the empty string, so that
// nobody selects everything by mistake.
func (a *api) selectors(r *http.Request) ([][]*labels.Matcher, error) {
	texts := r.Form["match[]"]
	if len(texts) > a.Limits.MaxSelectors {
		return nil, fmt.Errorf("%d match[] parameters: at most %d are allowed", len(texts), a.Limits.MaxSelectors)
	}
	sets := make([][]*labels.Matcher, 0, len(texts))
	for _, text := range texts {
		set, err := a.selector(text)
		if err != nil {
			return nil, err
		}
		if !selectsSomething(set) {
			return nil, errors.New("match[] must contain at least one non-empty matcher")
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// selector parses one selector of series, such as up{job="node"}.
func (a *api) selector(text string) ([]*labels.Matcher, error) {
	if len(text) > a.Limits.MaxQueryBytes {
		return nil, fmt.Errorf("a match[] parameter has %d bytes: at most %d are allowed", len(text), a.Limits.MaxQueryBytes)
	}
	set, err := a.Parser.ParseMetricSelector(text)
	if err != nil {
		return nil, err
	}
	if len(set) > a.Limits.MaxMatchers {
		return nil, fmt.Errorf("a match[] parameter has %d matchers: at most %d are allowed", len(set), a.Limits.MaxMatchers)
	}
	return set, nil
}

func selectsSomething(set []*labels.Matcher) bool {
	for _, m := range set {
		if !m.Matches("") {
			return true
		}
	}
	return false
}

// hintLimit is one more than limit, so that a cut answer can be told from one that just fits.
func hintLimit(limit int) int {
	if limit > 0 && limit < math.MaxInt {
		return limit + 1
	}
	return limit
}
