package logql

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// TestMetricGolden runs testdata/metric_*.test. A case is one of
//
//	eval_range QUERY           over the ten minutes of the dataset with a step of a minute
//	    {labels} 1 2x3 _       values from the first step on, _ is none, vxn is n times v
//	eval_instant QUERY         at the end of the ten minutes
//	    {labels} 1
//	eval_fail range QUERY      or instant
//	    what the error holds
//
// "nothing" is an empty answer; a number alone is a scalar.
func TestMetricGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/metric_*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	memory := lokiDataset(t)
	readers := map[string]store.EventReader{"plain": memory, "parsed": parsedBatches{memory}}
	cases := 0
	for _, file := range files {
		for _, c := range goldenCases(t, file) {
			cases++
			for name, reader := range readers {
				c.run(t, name, reader)
			}
		}
	}
	if cases < 150 {
		t.Errorf("%d cases only", cases)
	}
}

type goldenCase struct {
	where       string
	kind, query string
	fails       bool
	want        []string
}

func goldenCases(t *testing.T, file string) []goldenCase {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []goldenCase
	for i, line := range strings.Split(string(text), "\n") {
		where := fmt.Sprintf("%s:%d", file, i+1)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "    "):
			c := &out[len(out)-1]
			c.want = append(c.want, strings.TrimSpace(line))
		case word == "eval_range" || word == "eval_instant":
			out = append(out, goldenCase{where: where, kind: strings.TrimPrefix(word, "eval_"), query: rest})
		case word == "eval_fail":
			kind, query, _ := strings.Cut(rest, " ")
			out = append(out, goldenCase{where: where, kind: kind, query: query, fails: true})
		case line != "" && word != "#":
			t.Fatalf("%s: %q", where, line)
		}
	}
	return out
}

func (c *goldenCase) run(t *testing.T, name string, reader store.EventReader) {
	t.Helper()
	r, err := c.evaluate(reader)
	if c.fails {
		if err == nil || !strings.Contains(err.Error(), strings.Join(c.want, "\n")) {
			t.Errorf("%s (%s): %s\n%v, want\n%s", c.where, name, c.query, err, strings.Join(c.want, "\n"))
		}
		return
	}
	if err != nil {
		t.Errorf("%s (%s): %s\n%v", c.where, name, c.query, err)
		return
	}
	want := map[string][]float64{}
	for _, line := range c.want {
		if line == "nothing" {
			continue
		}
		key, values := c.parse(t, line)
		want[key] = values
	}
	if text := compareGolden(answerValues(r), want); text != "" {
		t.Errorf("%s (%s): %s\n%s", c.where, name, c.query, text)
	}
}

func (c *goldenCase) evaluate(reader store.EventReader) (Result, error) {
	expr, err := Parse(c.query)
	if err != nil {
		return Result{}, err
	}
	end := lokiBegin.Add(10 * time.Minute)
	req := &Request{Query: c.query, Start: end, End: end}
	if c.kind == "range" {
		req.Start, req.Step = lokiBegin, time.Minute
	}
	m := &metricEval{reader: reader, compile: compileRange, stats: func(store.EventStats) {}}
	return m.evaluate(context.Background(), expr.(MetricExpr), req, 0)
}

// parse returns the key and the values of a line.
func (c *goldenCase) parse(t *testing.T, line string) (string, []float64) {
	t.Helper()
	key, rest := "scalar", strings.TrimPrefix(line, "scalar ")
	if i := strings.LastIndexByte(line, '}'); i >= 0 {
		key, rest = line[:i+1], line[i+1:]
	}
	var values []float64
	for _, text := range strings.Fields(rest) {
		v, times, _ := strings.Cut(text, "x")
		n := 1
		if times != "" {
			n, _ = strconv.Atoi(times)
		}
		f := absent
		if v != "_" {
			var err error
			if f, err = strconv.ParseFloat(v, 64); err != nil {
				t.Fatalf("%s: %q: %v", c.where, line, err)
			}
		}
		for range n {
			values = append(values, f)
		}
	}
	return key, values
}

// answerValues is an answer as golden files have it.
func answerValues(r Result) map[string][]float64 {
	out := map[string][]float64{}
	if r.Scalar != nil {
		out["scalar"] = []float64{r.Scalar.V}
	}
	for _, s := range r.Vector {
		out[labelKey(s.Metric)] = []float64{s.F}
	}
	for _, s := range r.Matrix {
		values := make([]float64, 11)
		for i := range values {
			values[i] = absent
		}
		for _, p := range s.Floats {
			values[(p.T-lokiBegin.UnixMilli())/60000] = p.F
		}
		out[labelKey(s.Metric)] = values
	}
	return out
}

func labelKey(l labels.Labels) string { return l.String() }

func compareGolden(got, want map[string][]float64) string {
	var out []string
	for key, values := range want {
		have, ok := got[key]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("missing %s %v", key, values))
		case !sameNumbers(have, values):
			out = append(out, fmt.Sprintf("%s %v, want %v", key, have, values))
		}
	}
	for key, values := range got {
		if _, ok := want[key]; !ok {
			out = append(out, fmt.Sprintf("too much: %s %v", key, values))
		}
	}
	if len(out) > 4 {
		out = append(out[:4], fmt.Sprintf("and %d more", len(out)-4))
	}
	return strings.Join(out, "\n")
}

func sameNumbers(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if isAbsent(a[i]) != isAbsent(b[i]) || math.IsNaN(a[i]) != math.IsNaN(b[i]) {
			return false
		}
		if !math.IsNaN(a[i]) && math.Abs(a[i]-b[i]) > 1e-9*max(math.Abs(a[i]), math.Abs(b[i])) && math.Abs(a[i]-b[i]) > 1e-12 {
			return false
		}
	}
	return true
}
