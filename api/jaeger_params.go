package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/store"
)

const (
	defaultTraces     = 100            // of a search without a limit
	defaultTraceRange = 48 * time.Hour // of a search without a start
	maxTags           = 50             // of a search
)

// jaegerQuery reads a search: service, operation, tag=key:value, tags={"key":"value"}, minDuration and maxDuration (1.5s, 200ms), start and end
// in microseconds, lookback (1h, 2d) where there is no start, limit.
func (a *api) jaegerQuery(r *http.Request) (q spanSearch, err error) {
	tags, err := jaegerTags(r.Form["tag"], r.Form["tags"])
	if err != nil {
		return q, err
	}
	if q.start, q.end, err = a.jaegerRange(r); err != nil {
		return q, err
	}
	if q.limit, err = traceLimit(r, "limit", defaultTraces); err != nil {
		return q, err
	}
	durations, err := durationRange(r, "minDuration", "maxDuration")
	if err != nil {
		return q, err
	}
	q.filter = jaegerFilter(r.Form.Get("service"), r.Form.Get("operation"), tags, durations)
	return q, nil
}

// jaegerFilter is a search's condition, which one span has to pass as a whole.
func jaegerFilter(service, operation string, tags map[string]string, durations *store.SpanFilter) *store.SpanFilter {
	list := []*store.SpanFilter{durations}
	if service != "" {
		list = append(list, fieldEquals(fieldService, service))
	}
	if operation != "" {
		list = append(list, fieldEquals(fieldName, operation))
	}
	keys := make([]string, 0, len(tags))
	for key := range tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		list = append(list, tagEquals(key, tags[key]))
	}
	return allOf(list...)
}

// jaegerRange returns the range of a search in nanoseconds.
func (a *api) jaegerRange(r *http.Request) (start, end int64, err error) {
	if end, err = unitParam(r, "end", time.Microsecond, a.Now().UnixNano()); err != nil {
		return 0, 0, err
	}
	back := defaultTraceRange
	if text := r.Form.Get("lookback"); text != "" && text != "custom" && r.Form.Get("start") == "" {
		if back, err = lokiDuration(text); err != nil || back <= 0 {
			return 0, 0, badData("unable to parse param 'lookback': %q is no duration such as 1h", cutText(text, 40))
		}
	}
	if start, err = unitParam(r, "start", time.Microsecond, max(end-int64(back), 0)); err != nil {
		return 0, 0, err
	}
	if start > end {
		return 0, 0, badData("'end' should not be before 'start'")
	}
	return start, end, nil
}

// jaegerHint reads start and end of a request for a trace, which say where to look; 0, 0 is everywhere.
func jaegerHint(r *http.Request) (start, end int64, err error) {
	if start, err = unitParam(r, "start", time.Microsecond, 0); err != nil {
		return 0, 0, err
	}
	if end, err = unitParam(r, "end", time.Microsecond, 0); err != nil {
		return 0, 0, err
	}
	return traceHint(start, end)
}

// traceHint widens a range in which a trace is said to be.
func traceHint(start, end int64) (int64, int64, error) {
	switch {
	case start == 0 || end == 0:
		return 0, 0, nil
	case start > end:
		return 0, 0, badData("'end' should not be before 'start'")
	}
	return start - int64(traceMargin), end + int64(traceMargin), nil
}

// traceLimit reads the number of traces that are wanted; 0 is the default.
func traceLimit(r *http.Request, name string, missing int) (int, error) {
	text := r.Form.Get(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, badData("unable to parse param '%s': %q is not a whole number", name, cutText(text, 40))
	case n < 0:
		return 0, badData("unable to parse param '%s': %d is less than 0", name, n)
	case n > maxTraces:
		return 0, badData("unable to parse param '%s': %d is too much, at most %d are allowed", name, n, maxTraces)
	case n == 0:
		return missing, nil
	}
	return n, nil
}

// durationRange reads the bounds of a span's duration.
func durationRange(r *http.Request, least, most string) (*store.SpanFilter, error) {
	var bounds [2]time.Duration
	for i, name := range []string{least, most} {
		text := r.Form.Get(name)
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, badData("unable to parse param '%s': %q is no duration such as 1.5s or 200ms", name, cutText(text, 40))
		}
		bounds[i] = d
	}
	if bounds[1] > 0 && bounds[1] < bounds[0] {
		return nil, badData("'%s' should be greater than '%s'", most, least)
	}
	return durationWithin(bounds[0], bounds[1]), nil
}

func jaegerBool(r *http.Request, name string) (bool, error) {
	text := r.Form.Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, badData("unable to parse param '%s': %q is neither true nor false", name, cutText(text, 40))
	}
	return v, nil
}

// jaegerTags reads tags: key:value, or objects of JSON.
func jaegerTags(simple, objects []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range simple {
		key, value, ok := strings.Cut(text, ":")
		if !ok || key == "" {
			return nil, badData("malformed 'tag' parameter, expecting key:value, received: %s", cutText(text, 100))
		}
		out[key] = value
	}
	for _, text := range objects {
		if err := jsonTags(out, text); err != nil {
			return nil, badData("malformed 'tags' parameter, cannot unmarshal JSON: %w", err)
		}
	}
	if len(out) > maxTags {
		return nil, badData("%d tags: at most %d are allowed", len(out), maxTags)
	}
	return out, nil
}

// jsonTags adds the fields of an object to tags. Numbers and truths are taken as their text.
func jsonTags(to map[string]string, text string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return err
	}
	for key, raw := range object {
		var s string
		switch {
		case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n':
			return fmt.Errorf("the value of %q is no text", cutText(key, 100))
		case raw[0] != '"':
			s = string(raw)
		case json.Unmarshal(raw, &s) != nil:
			return errors.New("a text is malformed")
		}
		to[key] = s
	}
	return nil
}
