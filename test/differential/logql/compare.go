package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// differences returns what is different in the answers, "" when nothing is.
func differences(ctx context.Context, servers []*server, query string, verbose bool) string {
	a, b := servers[0].ask(ctx, query), servers[1].ask(ctx, query)
	a, b = comparable(a, b)
	if slices.EqualFunc(a, b, sameLine) {
		return ""
	}
	most := 4
	if verbose {
		most = math.MaxInt
	}
	return "  only " + servers[0].name + ":" + some(without(a, b), most) + "\n  only " + servers[1].name + ":" + some(without(b, a), most)
}

// comparable leaves out what is meant to differ everywhere: Hulotte answers log queries at one moment, which Loki refuses, and the texts of
// what both refuse have places with Hulotte.
func comparable(a, b []string) (loki, hulotte []string) {
	if slices.ContainsFunc(a, func(l string) bool {
		return strings.Contains(l, "log queries are not supported as an instant query type")
	}) {
		ranges := func(l string) bool { return !strings.HasPrefix(l, "query_range") }
		a, b = slices.DeleteFunc(a, ranges), slices.DeleteFunc(b, ranges)
	}
	for _, list := range [][]string{a, b} {
		for i, l := range list {
			if kind, _, ok := strings.Cut(l, ": 400 "); ok {
				list[i] = kind + ": 400"
			}
		}
		slices.Sort(list)
	}
	return a, b
}

func some(lines []string, most int) string {
	out := fmt.Sprintf(" %d", len(lines))
	for i, l := range lines {
		if i == most {
			break
		}
		out += "\n    " + l
	}
	return out
}

func without(a, b []string) []string {
	var out []string
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y string) bool { return sameLine(x, y) }) {
			out = append(out, x)
		}
	}
	return out
}

// sameLine compares two lines; a number at the end may differ in its last digits, which the order of additions decides.
func sameLine(a, b string) bool {
	if a == b {
		return true
	}
	i, j := strings.LastIndexByte(a, ' ')+1, strings.LastIndexByte(b, ' ')+1
	if a[:i] != b[:j] {
		return false
	}
	x, err1 := strconv.ParseFloat(a[i:], 64)
	y, err2 := strconv.ParseFloat(b[j:], 64)
	return err1 == nil && err2 == nil && math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y))
}

// answerLines writes an answer as one line for each value.
func answerLines(kind string, body []byte) []string {
	var a struct {
		Data struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return []string{kind + ": no JSON: " + err.Error()}
	}
	if a.Data.ResultType == "scalar" {
		return []string{kind + " scalar " + string(a.Data.Result)}
	}
	var series []struct {
		Stream map[string]string
		Metric map[string]string
		Values []json.RawMessage
		Value  json.RawMessage
	}
	if err := json.Unmarshal(a.Data.Result, &series); err != nil {
		return []string{kind + ": " + a.Data.ResultType + " is not as documented: " + err.Error()}
	}
	out := []string{kind + " type " + a.Data.ResultType}
	for _, s := range series {
		if s.Value != nil {
			s.Values = append(s.Values, s.Value)
		}
		for _, v := range s.Values {
			out = append(out, fmt.Sprintf("%s %s%s %s", kind, labelText(s.Stream), labelText(s.Metric), valueText(v)))
		}
	}
	return out
}

// labelText leaves out the level that Hulotte finds in every line and Loki was told not to look for.
func labelText(l map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if name != "detected_level" {
			parts = append(parts, fmt.Sprintf("%s=%q", name, l[name]))
		}
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func valueText(raw json.RawMessage) string {
	var v []any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	if len(v) == 3 { // a line with what is known of it
		if meta, ok := v[2].(map[string]any); ok {
			for _, part := range []string{"structuredMetadata", "parsed"} {
				if m, ok := meta[part].(map[string]any); ok {
					delete(m, "detected_level")
					if len(m) == 0 {
						delete(meta, part)
					}
				}
			}
			text, _ := json.Marshal(meta) //nolint:errchkjson // it came from JSON
			return fmt.Sprintf("%v %q %s", v[0], v[1], text)
		}
	}
	if len(v) == 2 {
		return fmt.Sprintf("%v %v", v[0], v[1])
	}
	return string(raw)
}
