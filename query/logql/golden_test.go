package logql

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

var update = flag.Bool("update", false, "write what comes out into testdata")

// goldenBase is time 0s of the files.
var goldenBase = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "metric_") { // of TestMetricGolden
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test"), func(t *testing.T) { runGolden(t, file) })
	}
}

func runGolden(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{t: t, file: file, memory: &eventstest.Memory{}}
	g.run(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
	t.Logf("%d cases", g.cases)
	if *update && !t.Failed() {
		if err := os.WriteFile(file, []byte(strings.Join(g.out, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// golden runs one file. See testdata/README.md.
type golden struct {
	t      *testing.T
	file   string
	line   int
	memory *eventstest.Memory
	cases  int
	out    []string // the file as it should be
}

func (g *golden) run(lines []string) {
	for i := 0; i < len(lines); {
		g.line = i + 1
		command := lines[i]
		block := i + 1
		for block < len(lines) && strings.HasPrefix(lines[block], "  ") {
			block++
		}
		want := lines[i+1 : block]
		i = block
		g.out = append(g.out, command)
		word, rest, _ := strings.Cut(command, " ")
		switch word {
		case "", "#":
		case "clear":
			g.memory = &eventstest.Memory{}
		case "load":
			g.load(rest, want)
			g.out = append(g.out, want...)
		case "eval_log", "eval_instant", "eval_range", "eval_fail":
			g.cases++
			g.eval(word, rest, want)
		default:
			g.t.Fatalf("%s:%d: unknown command %q", g.file, g.line, command)
		}
	}
}

func (g *golden) fatal(format string, args ...any) {
	g.t.Helper()
	g.t.Fatalf("%s:%d: %s", g.file, g.line, fmt.Sprintf(format, args...))
}

func (g *golden) load(selector string, lines []string) {
	matchers, err := ParseSelector(selector)
	if err != nil {
		g.fatal("%v", err)
	}
	var s model.Stream
	for _, m := range matchers {
		s.Labels = append(s.Labels, model.Field{Name: m.Name, Value: m.Value})
	}
	s.Labels = model.SortFields(s.Labels)
	for _, l := range lines {
		g.line++
		s.Records = append(s.Records, g.record(strings.TrimSpace(l)))
	}
	if _, err := g.memory.AppendRecords(g.t.Context(), []model.Stream{s}); err != nil {
		g.fatal("%v", err)
	}
}

func (g *golden) record(text string) model.Record {
	at, rest, _ := strings.Cut(text, " ")
	line, rest := g.quoted(strings.TrimSpace(rest))
	r := model.Record{Time: goldenBase.Add(g.duration(at)).UnixNano(), Line: line}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		var f model.Field
		f.Name, rest, _ = strings.Cut(rest, "=")
		f.Value, rest = g.quoted(rest)
		r.Fields = append(r.Fields, f)
	}
	r.Fields = model.SortFields(r.Fields)
	return r
}

func (g *golden) quoted(s string) (text, rest string) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		g.fatal("no quoted text: %s", s)
	}
	text, _ = strconv.Unquote(quoted)
	return text, s[len(quoted):]
}

func (g *golden) duration(s string) time.Duration {
	d, err := parseDuration(s)
	if err != nil {
		g.fatal("%s: %v", s, err)
	}
	return d
}

func (g *golden) eval(word, rest string, want []string) {
	req := g.request(word, rest)
	got := g.ask(word, newTestEngine(g.memory, nil), req)
	if other := g.ask(word, newTestEngine(parsedBatches{g.memory}, nil), req); !slices.Equal(got, other) {
		g.t.Errorf("%s:%d: columns say\n%s\nand records\n%s", g.file, g.line, strings.Join(other, "\n"), strings.Join(got, "\n"))
	}
	g.out = append(g.out, got...)
	if !*update && !slices.Equal(got, want) {
		g.t.Errorf("%s:%d: %s\n%s\nwant\n%s", g.file, g.line, rest, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// request reads the options before a query.
func (g *golden) request(word, rest string) Request {
	req := Request{Start: goldenBase, End: goldenBase.Add(day), Direction: Forward, Limit: 5000}
	if word == "eval_instant" {
		req.End = req.Start
	}
	for {
		option, after, _ := strings.Cut(rest, " ")
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "from":
			req.Start = goldenBase.Add(g.duration(value))
		case "to":
			req.End = goldenBase.Add(g.duration(value))
		case "at":
			req.Start = goldenBase.Add(g.duration(value))
			req.End = req.Start
		case "step":
			req.Step = g.duration(value)
		case "every":
			req.Interval = g.duration(value)
		case "limit":
			req.Limit, _ = strconv.Atoi(value)
		case "backward":
			req.Direction = Backward
		case "categorize":
			req.Categorize = true
		default:
			req.Query = rest
			return req
		}
		rest = after
	}
}

func (g *golden) ask(word string, e *Engine, req Request) []string {
	res, err := e.Query(g.t.Context(), req)
	if word == "eval_fail" {
		if err == nil {
			g.fatal("no error")
		}
		return indented(strings.Split(err.Error(), "\n"))
	}
	if err != nil {
		g.fatal("%s: %v", req.Query, err)
	}
	switch {
	case res.Streams != nil:
		return indented(entryTexts(res.Streams, req))
	case res.Scalar != nil:
		return indented([]string{"scalar " + formatValue(res.Scalar.V)})
	case req.Instant():
		return indented(vectorTexts(res.Vector))
	}
	return indented(matrixTexts(res.Matrix, req))
}

func indented(lines []string) []string {
	for i, l := range lines {
		lines[i] = "  " + l
	}
	return lines
}

func entryTexts(streams []Stream, req Request) []string {
	type entry struct {
		time int64
		text string
	}
	var all []entry
	for _, s := range streams {
		for _, x := range s.Entries {
			line := "`" + x.Line + "`"
			if strings.ContainsFunc(x.Line, func(r rune) bool { return r < ' ' || r == '`' || r == 0xfffd }) || x.Line == "" {
				line = strconv.Quote(x.Line)
			}
			text := formatDuration(time.Unix(0, x.Time).Sub(goldenBase)) + " " + line + " " + s.Labels.String()
			if req.Categorize {
				text += " " + x.Structured.String() + " " + x.Parsed.String()
			}
			all = append(all, entry{x.Time, text})
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		if req.Direction == Backward {
			a, b = b, a
		}
		return int(a.time - b.time)
	})
	var out []string
	for _, x := range all {
		out = append(out, x.text)
	}
	return out
}

func formatValue(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func vectorTexts(v promql.Vector) []string {
	var out []string
	for _, s := range v {
		out = append(out, s.Metric.String()+" "+formatValue(s.F))
	}
	return out
}

func matrixTexts(m promql.Matrix, req Request) []string {
	var out []string
	for _, s := range m {
		text := s.Metric.String()
		next := 0
		for at := req.Start; !at.After(req.End); at = at.Add(req.Step) {
			if next < len(s.Floats) && s.Floats[next].T == at.UnixMilli() {
				text += " " + formatValue(s.Floats[next].F)
				next++
			} else {
				text += " _"
			}
		}
		out = append(out, text)
	}
	return out
}
