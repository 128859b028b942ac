package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// tally counts test results.
type tally struct {
	passed, failed, skipped int
	// reasons are the lines that say why a test was left out, or that it had to be run again, without repeats.
	reasons map[string]bool
	// failures are the failed Go tests by package; a package that failed by itself has the test "".
	failures map[string][]string
}

func (t *tally) add(o tally) {
	t.passed += o.passed
	t.failed += o.failed
	t.skipped += o.skipped
	for r := range o.reasons {
		t.because(r)
	}
}

func (t *tally) because(reason string) {
	if t.reasons == nil {
		t.reasons = map[string]bool{}
	}
	t.reasons[reason] = true
}

func (t *tally) fail(pkg, test string) {
	t.failed++
	if t.failures == nil {
		t.failures = map[string][]string{}
	}
	t.failures[pkg] = append(t.failures[pkg], test)
}

func (t *tally) leftOut() []string { return slices.Sorted(maps.Keys(t.reasons)) }

// goEvent is one line of `go test -json` (see `go doc test2json`).
type goEvent struct {
	Action     string
	Package    string
	ImportPath string // of a build-output event
	Test       string
	Output     string
	Elapsed    float64
}

// countGo counts tests and subtests, and prints each package as it ends and the output of what failed.
func countGo(out io.Reader) (tally, error) {
	var t tally
	output := map[string][]string{} // of what has not ended, by package and test
	failed := map[string]bool{}     // packages with a failed test
	dec := json.NewDecoder(out)
	for dec.More() {
		var e goEvent
		if err := dec.Decode(&e); err != nil {
			return t, err
		}
		key := e.Package + e.ImportPath + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			output[key] = append(output[key], e.Output)
		case "pass":
			if e.Test != "" {
				t.passed++
			} else {
				fmt.Printf("ok    %s %.1f s\n", e.Package, e.Elapsed)
			}
			delete(output, key)
		case "skip":
			if e.Test != "" {
				t.skipped++
				t.noteSkip(e.Test, output[key])
			}
			delete(output, key)
		case "fail", "build-fail":
			// A package fails with its tests; it counts only when it failed by itself (build, panic, TestMain).
			if e.Test != "" || !failed[e.Package] {
				t.fail(e.Package, e.Test)
			}
			failed[e.Package] = true
			fmt.Printf("FAIL  %s\n%s", strings.TrimSpace(key), strings.Join(output[key], ""))
			delete(output, key)
			if e.Test == "" {
				printUnfinished(output, e.Package)
			}
		}
	}
	return t, nil
}

// printUnfinished shows what the tests wrote that were under way when their package failed: a panic's or a timeout's stacks stand there.
func printUnfinished(output map[string][]string, pkg string) {
	for key, lines := range output {
		if strings.HasPrefix(key, pkg+" ") {
			fmt.Printf("ended with its package: %s\n%s", key, strings.Join(lines, ""))
			delete(output, key)
		}
	}
}

// skipReason is the line that t.Skip writes.
var skipReason = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

// noteSkip keeps why a test was left out, so that the end of the run says it.
func (t *tally) noteSkip(test string, output []string) {
	for _, line := range output {
		if m := skipReason.FindStringSubmatch(line); m != nil {
			t.because(test + " was left out: " + m[1])
		}
	}
}

// countVitest reads the report of vitest's json reporter.
func countVitest(out io.Reader) (tally, error) {
	var r struct {
		NumPassedTests, NumFailedTests, NumPendingTests int
		NumFailedTestSuites                             int
	}
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		return tally{}, err
	}
	t := tally{passed: r.NumPassedTests, failed: r.NumFailedTests, skipped: r.NumPendingTests}
	if t.failed == 0 {
		t.failed = r.NumFailedTestSuites
	}
	return t, nil
}

// countPlaywright reads the report of Playwright's json reporter. A flaky test, one that passed when it was
// tried again, counts as passed, and the end of the run says how many there were.
func countPlaywright(out io.Reader) (tally, error) {
	var r struct {
		Stats  struct{ Expected, Unexpected, Flaky, Skipped int }
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		return tally{}, err
	}
	t := tally{passed: r.Stats.Expected + r.Stats.Flaky, failed: r.Stats.Unexpected + len(r.Errors), skipped: r.Stats.Skipped}
	if r.Stats.Flaky > 0 {
		t.because(fmt.Sprintf("FLAKY: %d browser tests failed, and passed when they were run again", r.Stats.Flaky))
	}
	return t, nil
}
