package traceql

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

// queriesOf returns the queries of the golden files.
func queriesOf(t testing.TB) (out []string) {
	files, _ := filepath.Glob("testdata/*.test")
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			line := s.Text()
			if i := strings.IndexAny(line, "{("); i >= 0 && line[0] != ' ' && line[0] != '#' {
				out = append(out, line[i:])
			}
		}
	}
	return out
}

// FuzzParse: nothing panics; what parses has a canonical text that parses to the same, and can be evaluated.
func FuzzParse(f *testing.F) {
	for _, q := range queriesOf(f) {
		f.Add(q)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		f.Add(randomSearch(r))
	}
	f.Add("{ span.\"\xff\\n\" = \"\xff\" && .a = `\xfe` }")
	view := newView(randomTrace(r))
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			var parseError *ParseError
			if !errors.As(err, &parseError) || parseError.Pos < 0 || parseError.Pos > len(text) || model.KindOf(err) != model.Invalid {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		canonical := q.String()
		again, err := Parse(canonical)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, canonical, err)
		}
		if again.String() != canonical {
			t.Fatalf("%q is written as %q and then as %q", text, canonical, again.String())
		}
		first, second := q.Pipeline.evaluate(view), again.Pipeline.evaluate(view)
		if len(first) != len(second) {
			t.Fatalf("%q selects %v, %q selects %v", text, first, canonical, second)
		}
		q.Pipeline.needs()
		q.Pipeline.yields()
	})
}
