package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/query/logql"
)

const (
	defaultEntries   = 100           // of a query without a limit
	defaultSince     = time.Hour     // of queries without a start
	defaultLabelling = 6 * time.Hour // of questions about labels without a start
	defaultSeries    = 100           // of volumes without a limit
	// stepsByDefault is how many steps a range has when no step is given.
	stepsByDefault = 250
	// secondsDigits is the longest whole number that is seconds: nanoseconds had so few digits in 1970's first ten seconds only.
	secondsDigits = 10
)

// lokiTime reads a time: a whole number is nanoseconds since the epoch, or seconds when it has at most 10 digits; a number
// with a point or an exponent is seconds; everything else is RFC 3339.
func lokiTime(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if len(s) <= secondsDigits {
			return time.Unix(n, 0).UTC(), nil
		}
		return time.Unix(0, n).UTC(), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return secondsTime(s, f)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot parse %q as a time: use nanoseconds, seconds with a fraction or RFC 3339", cutText(s, 100))
	}
	if t.Year() < minNanoYear || t.Year() > maxNanoYear {
		return time.Time{}, outsideTimes(s)
	}
	return t, nil
}

// The years that fit into nanoseconds since the epoch as a whole.
const minNanoYear, maxNanoYear = 1678, 2261

// maxNanoSeconds is some hours before the last second that fits into nanoseconds.
const maxNanoSeconds = 9.2233e9

// secondsTime keeps microseconds: a float of this century's seconds has no more.
func secondsTime(s string, f float64) (time.Time, error) {
	if math.IsNaN(f) || math.Abs(f) > maxNanoSeconds {
		return time.Time{}, outsideTimes(s)
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(math.Round(frac*1e6))*1000).UTC(), nil
}

func outsideTimes(s string) error {
	return fmt.Errorf("the time %q is outside of the years %d to %d", cutText(s, 100), minNanoYear, maxNanoYear)
}

// lokiDuration reads seconds with an optional fraction, or a duration as Prometheus (1d12h) or Go (1.5h) write it.
func lokiDuration(s string) (time.Duration, error) {
	if d, err := parseDuration(s); err == nil {
		return d, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	return 0, fmt.Errorf("cannot parse %q as a duration: use seconds or a number with a unit, such as 5m", cutText(s, 100))
}

func (a *api) lokiTimeParam(r *http.Request, name string, missing time.Time) (time.Time, error) {
	s := r.Form.Get(name)
	if s == "" {
		return missing, nil
	}
	t, err := lokiTime(s)
	if err != nil {
		return t, badParam(name, err)
	}
	return t, nil
}

// lokiDurationParam reads a duration that is not negative.
func lokiDurationParam(r *http.Request, name string, missing time.Duration) (time.Duration, error) {
	s := r.Form.Get(name)
	if s == "" {
		return missing, nil
	}
	d, err := lokiDuration(s)
	if err != nil {
		return 0, badParam(name, err)
	}
	if d < 0 {
		return 0, badParam(name, errors.New("it must not be negative"))
	}
	return d, nil
}

// lokiRange reads start, end and since. Without them the range ends now and is missing long.
func (a *api) lokiRange(r *http.Request, missing time.Duration) (start, end time.Time, err error) {
	now := a.Now()
	if end, err = a.lokiTimeParam(r, "end", now); err != nil {
		return start, end, err
	}
	since, err := lokiDurationParam(r, "since", missing)
	if err != nil {
		return start, end, err
	}
	from := end
	if end.After(now) {
		from = now
	}
	if start, err = a.lokiTimeParam(r, "start", from.Add(-since)); err != nil {
		return start, end, err
	}
	// The other way round first: the difference of two far times does not overflow then.
	if end.Before(start) {
		return start, end, badData("end timestamp must not be before or equal to start time")
	}
	if d := end.Sub(start); d > a.Logs.Limits.MaxRange {
		return start, end, badData("the query time range exceeds the limit (query length: %s, limit: %s)", d, a.Logs.Limits.MaxRange)
	}
	return start, end, nil
}

// properRange is lokiRange for questions that make no sense of an empty range.
func (a *api) properRange(r *http.Request, missing time.Duration) (start, end time.Time, err error) {
	start, end, err = a.lokiRange(r, missing)
	if err == nil && !start.Before(end) {
		err = badData("end timestamp must not be before or equal to start time")
	}
	return start, end, err
}

// lokiLimit reads the number of entries that are wanted.
func (a *api) lokiLimit(r *http.Request, missing, most int) (int, error) {
	n, err := wholeParam(r, "limit", min(missing, most), 1, math.MaxInt32)
	if err == nil && n > most {
		// Clients know these words, and read the limit from them.
		err = badData("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", n, most)
	}
	return n, err
}

// wholeParam reads a whole number with its bounds.
func wholeParam(r *http.Request, name string, missing, least, most int) (int, error) {
	s := r.Form.Get(name)
	if s == "" {
		return min(missing, most), nil
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, badParam(name, fmt.Errorf("%q is not a whole number", cutText(s, 40)))
	case n < least:
		return 0, badParam(name, fmt.Errorf("%d is too small: at least %d", n, least))
	case n > most:
		return 0, badParam(name, fmt.Errorf("%d is too much: at most %d", n, most))
	}
	return n, nil
}

// lokiDirection reads the direction.
func lokiDirection(r *http.Request) (logql.Direction, error) {
	switch strings.ToLower(r.Form.Get("direction")) {
	case "", "backward":
		return logql.Backward, nil
	case "forward":
		return logql.Forward, nil
	}
	return 0, badParam("direction", fmt.Errorf("%q: use forward or backward", cutText(r.Form.Get("direction"), 40)))
}

// lokiStep reads the step of a range, and bounds the points.
func (a *api) lokiStep(r *http.Request, start, end time.Time) (time.Duration, error) {
	usual := max(end.Sub(start)/stepsByDefault, time.Second).Truncate(time.Second)
	step, err := lokiDurationParam(r, "step", usual)
	if err != nil {
		return 0, err
	}
	if step <= 0 {
		return 0, badData("zero or negative query resolution step widths are not accepted. Try a positive integer")
	}
	if end.Sub(start)/step > time.Duration(a.Limits.MaxPoints) {
		return 0, badData("exceeded maximum resolution of %s points per time series. Try increasing the value of the step parameter", thousands(a.Limits.MaxPoints))
	}
	return step, nil
}

// lokiExpr reads a query and parses it.
func (a *api) lokiExpr(r *http.Request, name string) (string, logql.Expr, error) {
	text := r.Form.Get(name)
	if text == "" {
		return "", nil, badParam(name, errors.New("it is missing or empty"))
	}
	e, err := a.lokiParse(text)
	return text, e, err
}

func (a *api) lokiParse(text string) (logql.Expr, error) {
	if len(text) > a.Limits.MaxQueryBytes {
		return nil, badData("the query has %d bytes: at most %d are allowed", len(text), a.Limits.MaxQueryBytes)
	}
	e, err := logql.Parse(text)
	if err != nil {
		return nil, &apiError{kind: errBadData, err: err}
	}
	return e, nil
}

// logExpr reads a query whose result is log lines.
func (a *api) logExpr(r *http.Request) (string, *logql.LogExpr, error) {
	text, e, err := a.lokiExpr(r, "query")
	if err != nil {
		return text, nil, err
	}
	if log, ok := e.(*logql.LogExpr); ok {
		return text, log, nil
	}
	return text, nil, badParam("query", errors.New("only log queries have an answer here: take away the functions around the selector"))
}

// lokiMatchers reads an optional selector; one that is empty selects every stream.
func (a *api) lokiMatchers(r *http.Request, name string) ([]*labels.Matcher, error) {
	return a.selectorOf(strings.TrimSpace(r.Form.Get(name)))
}

// selectorOf takes the selector of a log query: what is behind it, which Loki takes no notice of either here, is not asked of
// an index.
func (a *api) selectorOf(text string) ([]*labels.Matcher, error) {
	if text == "" {
		return nil, nil
	}
	e, err := a.lokiParse(text)
	if err != nil {
		return nil, err
	}
	log, ok := e.(*logql.LogExpr)
	switch {
	case !ok:
		return nil, badData("only label matchers are supported, such as {job=\"web\"}: this is a metric query")
	case len(log.Matchers) > a.Limits.MaxMatchers:
		return nil, badData("%d matchers: at most %d are allowed", len(log.Matchers), a.Limits.MaxMatchers)
	}
	return log.Matchers, nil
}
