package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// point is one value at one moment: a number, as the server wrote it, or a native histogram.
type point struct {
	t         float64 // seconds since 1970
	text      string  // "" for a histogram
	histogram *histogram
}

type histogram struct {
	Count   string  `json:"count"`
	Sum     string  `json:"sum"`
	Buckets [][]any `json:"buckets"`
}

// series is a label set with its points; an instant query gives one point.
type series struct {
	labels map[string]string
	points []point
}

// UnmarshalJSON reads [t, "v"] and [t, {histogram}].
func (p *point) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a point is not a pair of time and value")
	}
	if err := json.Unmarshal(pair[0], &p.t); err != nil {
		return err
	}
	if len(pair[1]) > 0 && pair[1][0] == '{' {
		return json.Unmarshal(pair[1], &p.histogram)
	}
	return json.Unmarshal(pair[1], &p.text)
}

// number returns the point as a number, NaN when it is none.
func (p point) number() float64 {
	f, err := strconv.ParseFloat(p.text, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func (p point) time() time.Time { return time.UnixMilli(int64(math.Round(p.t * 1000))) }

// String returns the value for people.
func (p point) String() string {
	if h := p.histogram; h != nil {
		return fmt.Sprintf("count=%s sum=%s buckets=%d", clean(h.Count), clean(h.Sum), len(h.Buckets))
	}
	return clean(p.text)
}

// allSeries returns the result of any type as series.
func (a *answer) allSeries() ([]series, error) {
	switch a.Data.Type {
	case "scalar", "string":
		var p point
		if err := json.Unmarshal(a.Data.Result, &p); err != nil {
			return nil, fmt.Errorf("cannot understand the answer: %w", err)
		}
		return []series{{points: []point{p}}}, nil
	case "vector", "matrix":
	default:
		return nil, fmt.Errorf("cannot understand the answer: a result of type %q", a.Data.Type)
	}
	var rows []struct {
		Metric     map[string]string `json:"metric"`
		Value      *point            `json:"value"`
		Histogram  *point            `json:"histogram"`
		Values     []point           `json:"values"`
		Histograms []point           `json:"histograms"`
	}
	if err := json.Unmarshal(a.Data.Result, &rows); err != nil {
		return nil, fmt.Errorf("cannot understand the answer: %w", err)
	}
	out := make([]series, 0, len(rows))
	for _, r := range rows {
		s := series{labels: r.Metric, points: append(r.Values, r.Histograms...)}
		for _, p := range []*point{r.Value, r.Histogram} {
			if p != nil {
				s.points = append(s.points, *p)
			}
		}
		if len(s.points) == 0 {
			continue
		}
		slices.SortStableFunc(s.points, func(a, b point) int { return compareFloats(a.t, b.t) })
		out = append(out, s)
	}
	return out, nil
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

const nameLabel = "__name__"

// String returns the series as PromQL writes it.
func (s series) String() string {
	name := s.labels[nameLabel]
	var pairs []string
	for _, k := range s.names() {
		if k != nameLabel {
			pairs = append(pairs, quoteName(k)+"="+quote(s.labels[k]))
		}
	}
	switch {
	case name != "" && quoteName(name) != name: // a name with any characters goes inside
		return "{" + strings.Join(append([]string{quote(name)}, pairs...), ", ") + "}"
	case len(pairs) == 0 && name != "":
		return name
	}
	return name + "{" + strings.Join(pairs, ", ") + "}"
}

// names returns the names of the labels, sorted, the metric's name first.
func (s series) names() []string {
	names := make([]string, 0, len(s.labels))
	for k := range s.labels {
		names = append(names, k)
	}
	slices.SortFunc(names, compareNames)
	return names
}

func compareNames(a, b string) int {
	if (a == nameLabel) != (b == nameLabel) {
		if a == nameLabel {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// quote writes s as a PromQL string that is safe on a terminal and can be pasted back.
func quote(s string) string {
	q := strconv.Quote(s)
	if strings.ContainsFunc(s, isControl) {
		q = strconv.QuoteToASCII(s)
	}
	return q
}

// quoteName quotes a name unless it is one that PromQL reads without quotes.
func quoteName(s string) string {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == ':'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return quote(s)
		}
	}
	return s
}

// print writes the answer in the form that was asked for.
func print(w io.Writer, o options, a *answer, s screen) error {
	if o.output == "json" {
		_, err := fmt.Fprintf(w, "%s\n", a.data)
		return err
	}
	all, err := a.allSeries()
	if err != nil {
		return err
	}
	switch {
	case o.output == "csv":
		return writeCSV(w, all)
	case len(all) == 0:
		_, err := fmt.Fprintln(w, "nothing found")
		return err
	case o.output == "plot":
		return writePlot(w, o, all, s)
	}
	return writeTable(w, a.Data.Type, all, s, o.zone)
}
