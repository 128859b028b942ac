package hosts

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// docs is the page for users that shows the table of thresholds.
const docs = "../../docs/overview.md"

// TestDocumentedThresholds compares the table in the documentation with the one in the code; -update writes it.
func TestDocumentedThresholds(t *testing.T) {
	const begin, end = "<!-- thresholds: begin -->\n", "<!-- thresholds: end -->\n"
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the table", docs)
	}
	if want := documentedTable(); *update {
		if err := os.WriteFile(docs, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if table != want {
		t.Errorf("the table in %s is not that of the code; run with -update. Want:\n%s", docs, want)
	}
}

func documentedTable() string {
	var b strings.Builder
	b.WriteString("| rule | what is looked at | warning | critical |\n|---|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.ID, r.What, mark(r, r.Warn), mark(r, r.Crit))
	}
	return b.String()
}

func mark(r Rule, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	sign := "≥"
	if r.Below {
		sign = "≤"
	}
	text := sign + " " + strconv.FormatFloat(v, 'f', -1, 64)
	if r.Unit != "" && r.Unit != "count" {
		text += " " + r.Unit
	}
	return text
}

func TestGrade(t *testing.T) {
	rules := ruleTable()
	f := func(id string, v float64, want Severity) {
		t.Helper()
		if got := rules[id].grade(Num(v)); got != want {
			t.Errorf("%s at %v is %s, want %s", id, v, got, want)
		}
	}
	f(ruleDiskUsed, 89.99, OK)
	f(ruleDiskUsed, 90, Warning)
	f(ruleDiskUsed, 94.99, Warning)
	f(ruleDiskUsed, 95, Critical)
	f(ruleMemory, 10.01, OK)
	f(ruleMemory, 10, Warning)
	f(ruleMemory, 5, Critical)
	f(ruleDiskFullIn, 24.1, OK)
	f(ruleDiskFullIn, 24, Warning)
	f(ruleDiskFullIn, 4, Critical)
	f(ruleUnits, 100, Warning)
	f(ruleDiskUsed, math.NaN(), OK)
	f(ruleMemory, math.Inf(-1), OK)
}

// TestRulesAreWhole looks for slips in the table: a mark on the wrong side, a rule twice.
func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		switch {
		case seen[r.ID]:
			t.Errorf("rule %s is there twice", r.ID)
		case math.IsNaN(r.Warn) && math.IsNaN(r.Crit):
			t.Errorf("rule %s has no mark", r.ID)
		case !r.Below && r.Crit < r.Warn, r.Below && r.Crit > r.Warn:
			t.Errorf("rule %s is critical before it is a warning", r.ID)
		}
		seen[r.ID] = true
	}
}
