package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/query/traceql"
)

const (
	defaultFoundTraces = 20        // of a search without a limit
	maxFoundTraces     = 5000      // a search tells little of each
	maxSpansPerSet     = 1000      // of a search
	defaultMetricRange = time.Hour // of metrics without a start
	tempoSteps         = 100       // of metrics without a step
)

// tempoHint reads where a trace is looked for; 0, 0 is everywhere.
func (a *api) tempoHint(r *http.Request) (start, end int64, err error) {
	if r.Form.Get("start") == "" || r.Form.Get("end") == "" {
		return 0, 0, nil
	}
	if start, end, err = a.tempoRange(r, 0); err != nil {
		return 0, 0, err
	}
	return traceHint(start, end)
}

// tempoRange reads start and end, in seconds or as lokiTime has them, in nanoseconds. Without a start it is missing long, where 0 is all there is; without
// an end it ends an hour from now, as clocks differ.
func (a *api) tempoRange(r *http.Request, missing time.Duration) (start, end int64, err error) {
	last := a.Now()
	if missing == 0 {
		last = last.Add(time.Hour)
	}
	to, err := a.lokiTimeParam(r, "end", last)
	if err != nil {
		return 0, 0, err
	}
	since, err := lokiDurationParam(r, "since", missing)
	if err != nil {
		return 0, 0, err
	}
	from := time.Unix(0, 0)
	if since > 0 {
		from = to.Add(-since)
	}
	if from, err = a.lokiTimeParam(r, "start", from); err != nil {
		return 0, 0, err
	}
	if to.Before(from) {
		return 0, 0, badData("'end' should not be before 'start'")
	}
	return from.UnixNano(), to.UnixNano(), nil
}

// tempoStep reads the distance of points; without one, it is such that there are about tempoSteps of them.
func tempoStep(r *http.Request, start, end int64) (int64, error) {
	step, err := lokiDurationParam(r, "step", 0)
	if err != nil || step > 0 {
		return int64(step), err
	}
	for _, nice := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour} {
		if (end-start)/int64(nice) <= tempoSteps {
			return int64(nice), nil
		}
	}
	return int64(24 * time.Hour), nil
}

// traceQuery parses a query.
func traceQuery(name, text string) (*traceql.Query, error) {
	q, err := traceql.Parse(text)
	if err != nil {
		return nil, badParam(name, err)
	}
	return q, nil
}

// tempoQueryOf reads the query of a search: q, or the older tags, minDuration and maxDuration.
func tempoQueryOf(r *http.Request) (*traceql.Query, error) {
	if text := r.Form.Get("q"); text != "" {
		return traceQuery("q", text)
	}
	pairs, err := logfmtPairs(r.Form.Get("tags"))
	if err != nil {
		return nil, badParam("tags", err)
	}
	var conditions []string
	for _, p := range pairs {
		conditions = append(conditions, tagCondition(p[0], p[1]))
	}
	for _, bound := range [][2]string{{"minDuration", ">="}, {"maxDuration", "<="}} {
		d, err := lokiDurationParam(r, bound[0], 0)
		if err != nil {
			return nil, err
		}
		if d > 0 {
			conditions = append(conditions, fmt.Sprintf("duration %s %dns", bound[1], int64(d)))
		}
	}
	return traceQuery("tags", "{ "+strings.Join(conditions, " && ")+" }")
}

// tagCondition is a tag with its value in TraceQL: of the names that older clients use, or an attribute that is the text, or the number or
// truth that the text is.
func tagCondition(key, value string) string {
	text := strconv.Quote(value)
	switch key {
	case "name":
		return "name = " + text
	case "root.name":
		return "rootName = " + text
	case "root.service.name":
		return "rootServiceName = " + text
	case "status.code", "error":
		if status := map[string]string{"error": "error", "true": "error", "ok": "ok", "unset": "unset"}[value]; status != "" {
			return "status = " + status
		}
	}
	field := "." + strconv.Quote(key)
	if x, err := strconv.ParseFloat(value, 64); err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) {
		return fmt.Sprintf("(%s = %s || %s = %s)", field, text, field, strconv.FormatFloat(x, 'f', -1, 64))
	}
	if value == "true" || value == "false" {
		return fmt.Sprintf("(%s = %s || %s = %s)", field, text, field, value)
	}
	return field + " = " + text
}

// maxPairs bounds what tags may hold.
const maxPairs = 50

// logfmtPairs reads key=value key="a value".
func logfmtPairs(text string) (out [][2]string, err error) {
	rest := strings.TrimSpace(text)
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \t\"") {
			return nil, fmt.Errorf(`%q is no key=value: write service.name=shop http.url="/a b"`, cutText(rest, 60))
		}
		var value string
		if strings.HasPrefix(after, `"`) {
			quoted, err := strconv.QuotedPrefix(after)
			if err != nil {
				return nil, fmt.Errorf("the value of %q has no closing quote", cutText(key, 60))
			}
			if value, err = strconv.Unquote(quoted); err != nil {
				return nil, fmt.Errorf("the value of %q: %w", cutText(key, 60), err)
			}
			rest = after[len(quoted):]
		} else {
			value, rest, _ = strings.Cut(after, " ")
		}
		if out = append(out, [2]string{key, value}); len(out) > maxPairs {
			return nil, fmt.Errorf("more than %d tags", maxPairs)
		}
		rest = strings.TrimSpace(rest)
	}
	return out, nil
}
