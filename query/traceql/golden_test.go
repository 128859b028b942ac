package traceql

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium/local"
	"github.com/hulotte-dev/hulotte/store/spans"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

var update = flag.Bool("update", false, "write what comes out into testdata")

// TestGolden runs the files of testdata. A case is a line and what comes out, indented:
//
//	parse QUERY                  the canonical text
//	fail QUERY                   the error
//	search [limit=N] [spss=N] [from=D] [to=D] QUERY
//	range [step=D] [from=D] [to=D] [exemplars=N] QUERY
//
// Every case is asked of spanstest.Memory and of store/spans.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	groups := readCorpus(t)
	memory := &spanstest.Memory{}
	if _, err := memory.AppendSpans(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	readers := map[string]store.SpanReader{"memory": memory, "spans": openSpans(t, groups)}
	cases := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test"), func(t *testing.T) {
			g := &golden{t: t, file: file, readers: readers}
			g.run()
			cases += g.cases
		})
	}
	t.Logf("%d cases", cases)
}

// openSpans returns the real engine, with the spans in several blocks and in the head.
func openSpans(t *testing.T, groups []model.SpanGroup) store.SpanReader {
	t.Helper()
	m, err := local.Open(local.Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s, err := spans.Open(t.Context(), spans.Options{}, m, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	})
	w, err := s.SpanWriter("a")
	if err != nil {
		t.Fatal(err)
	}
	for part := range 3 { // each trace lies in several places
		for _, g := range groups {
			var some []model.Span
			for i, x := range g.Spans {
				if i%3 == part {
					some = append(some, x)
				}
			}
			g.Spans = some
			if refused, err := w.AppendSpans(t.Context(), []model.SpanGroup{g}); err != nil || len(refused) > 0 {
				t.Fatal(refused, err)
			}
		}
		if part < 2 {
			if err := s.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := s.SpanReader("a")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type golden struct {
	t       *testing.T
	file    string
	readers map[string]store.SpanReader
	cases   int
}

func (g *golden) run() {
	text, err := os.ReadFile(g.file)
	if err != nil {
		g.t.Fatal(err)
	}
	var out []string
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := 0; i < len(lines); {
		line := lines[i]
		first := i + 1
		for i++; i < len(lines) && strings.HasPrefix(lines[i], "  "); i++ {
		}
		out = append(out, line)
		if line == "" || line[0] == '#' {
			continue
		}
		g.cases++
		got := g.ask(line)
		out = append(out, got...)
		if !*update && !slices.Equal(got, lines[first:i]) {
			g.t.Errorf("%s:%d: %s\n%s\nwant\n%s", g.file, first, line, strings.Join(got, "\n"), strings.Join(lines[first:i], "\n"))
		}
	}
	if *update && !g.t.Failed() {
		if err := os.WriteFile(g.file, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g *golden) ask(line string) []string {
	command, rest, _ := strings.Cut(line, " ")
	options := map[string]string{}
	for command == "search" || command == "range" {
		word, after, _ := strings.Cut(rest, " ")
		name, value, ok := strings.Cut(word, "=")
		if !ok || !slices.Contains([]string{"limit", "spss", "from", "to", "step", "exemplars"}, name) {
			break
		}
		options[name], rest = value, after
	}
	q, err := Parse(rest)
	switch {
	case command == "fail" && err != nil:
		return []string{"  " + err.Error()}
	case command == "fail" || err != nil:
		g.t.Fatalf("%s: %s: %v", g.file, line, err)
	case command == "parse":
		return []string{"  " + q.String()}
	}
	var all [][]string
	for _, name := range []string{"memory", "spans"} {
		got, err := g.answer(command, options, q, g.readers[name])
		if err != nil {
			got = []string{"error: " + err.Error()}
		}
		for i := range got {
			got[i] = "  " + got[i]
		}
		all = append(all, got)
	}
	if !slices.Equal(all[0], all[1]) {
		g.t.Errorf("%s: %s: memory says\n%s\nstore/spans says\n%s", g.file, line, strings.Join(all[0], "\n"), strings.Join(all[1], "\n"))
	}
	return all[0]
}

func (g *golden) time(options map[string]string, name, otherwise string) int64 {
	text := otherwise
	if options[name] != "" {
		text = options[name]
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		g.t.Fatal(err)
	}
	return corpusBase + int64(d)
}

func (g *golden) answer(command string, options map[string]string, q *Query, r store.SpanReader) ([]string, error) {
	var e Engine
	number := func(name string) int {
		n, _ := strconv.Atoi(options[name])
		return n
	}
	start, end := g.time(options, "from", "0s"), g.time(options, "to", "120s")
	if command == "search" {
		res, err := e.Search(g.t.Context(), r, q, SearchRequest{Start: start, End: end, Limit: number("limit"), SpansPerSet: number("spss")})
		if err != nil {
			return nil, err
		}
		return searchText(res), nil
	}
	req := RangeRequest{Start: start, End: end, Exemplars: number("exemplars")}
	if options["step"] != "" {
		req.Step = g.time(options, "step", "") - corpusBase
	}
	m, err := e.QueryRange(g.t.Context(), r, q, req)
	if err != nil {
		return nil, err
	}
	return matrixText(m), nil
}

func searchText(res *SearchResult) (out []string) {
	for _, t := range res.Traces {
		line := fmt.Sprintf("%s %q %q +%s %s spans=%d errors=%d", strings.TrimLeft(t.ID.String(), "0"), t.RootService, t.RootName, time.Duration(t.Start-corpusBase), time.Duration(t.Duration), t.Spans, t.Errors)
		for _, s := range t.Services {
			line += fmt.Sprintf(" %s:%d/%d", s.Name, s.Spans, s.Errors)
		}
		out = append(out, line)
		for _, set := range t.Sets {
			out = append(out, fmt.Sprintf("  set matched=%d%s", set.Matched, attributesText(set.Attributes)))
			for _, s := range set.Spans {
				out = append(out, fmt.Sprintf("    %s %s %s %s %s +%s %s%s", strings.TrimLeft(s.ID.String(), "0"), s.Service, strconv.Quote(s.Name), s.Kind, s.Status, time.Duration(s.Start-corpusBase), time.Duration(s.Duration), attributesText(s.Attributes)))
			}
		}
	}
	if !res.Complete {
		out = append(out, "not complete")
	}
	return out
}

func attributesText(list []model.Attribute) (text string) {
	for _, a := range list {
		text += " " + a.Key + "=" + valueText(a.Value)
	}
	return text
}

func valueText(v model.Value) string {
	switch v.Kind {
	case model.StringValue:
		return strconv.Quote(v.Text)
	case model.IntValue:
		return strconv.FormatInt(v.Bits, 10)
	case model.BoolValue:
		return strconv.FormatBool(v.Bits == 1)
	case model.FloatValue:
		x, _ := v.Float()
		return strconv.FormatFloat(x, 'g', 6, 64)
	case model.NoValue:
		return "nil"
	}
	return fmt.Sprint(v)
}

func matrixText(m *Matrix) []string {
	line := "at"
	for _, t := range m.Times {
		line += " " + time.Duration(t-corpusBase).String()
	}
	out := []string{line}
	for _, s := range m.Series {
		line := "{" + strings.TrimPrefix(attributesText(s.Labels), " ") + "}"
		for _, v := range s.Values {
			if math.IsNaN(v) {
				line += " _"
			} else {
				line += " " + strconv.FormatFloat(v, 'g', 6, 64)
			}
		}
		for _, x := range s.Exemplars {
			line += fmt.Sprintf(" [%s %s/%s %s]", time.Duration(x.Time-corpusBase), strings.TrimLeft(x.Trace.String(), "0"), strings.TrimLeft(x.Span.String(), "0"), strconv.FormatFloat(x.Value, 'g', 6, 64))
		}
		out = append(out, line)
	}
	if !m.Complete {
		out = append(out, "not complete")
	}
	return out
}
