package traceql

import (
	"os"
	"strings"
	"testing"
)

// TestDocs: every query of docs/traceql.md finds something in the corpus, and every function and intrinsic is on the page.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/traceql.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	m := corpusMemory(t)
	queries := 0
	for i, block := range strings.Split(page, "```") {
		lines, ok := strings.CutPrefix(block, "traceql\n")
		if i%2 == 0 || !ok {
			continue
		}
		for line := range strings.Lines(lines) {
			queries++
			q := mustParse(t, line)
			var found int
			if q.Metrics == nil {
				res, err := (&Engine{}).Search(t.Context(), m, q, SearchRequest{})
				if err != nil {
					t.Fatal(line, err)
				}
				found = len(res.Traces)
			} else {
				res, err := (&Engine{}).QueryRange(t.Context(), m, q, RangeRequest{Start: corpusBase, End: corpusBase + 120e9})
				if err != nil {
					t.Fatal(line, err)
				}
				found = len(res.Series)
			}
			if found == 0 {
				t.Errorf("nothing is found by %s", line)
			}
		}
	}
	if queries < 20 {
		t.Errorf("only %d queries", queries)
	}
	for name := range intrinsics {
		if _, plain, _ := strings.Cut(name, ":"); !strings.Contains(page, "`"+name) && !strings.Contains(page, "`"+plain+"`") {
			t.Errorf("%s is not on the page", name)
		}
	}
	for _, name := range append(metricFunctions, "topk", "bottomk", "coalesce()", "select()", "by()") {
		if !strings.Contains(page, "`"+name) {
			t.Errorf("%s is not on the page", name)
		}
	}
	for op := range spansetOperators {
		if plain := strings.TrimLeft(op, "!&"); plain != "" && !strings.Contains(page, "`"+plain+"`") && op != "||" && op != "&&" {
			t.Errorf("%s is not on the page", op)
		}
	}
}
