package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// mostAgain is how many failures look like tests that do not like a busy machine; more of them look like a bug.
const mostAgain = 8

// runAgain runs the Go tests that failed once more, alone. What passes then counts as passed, and the end of the run names it: such a test wants
// mending, but does not say that the program is broken. What fails twice has failed.
func (s step) runAgain(ctx context.Context, out io.Writer, t tally) tally {
	flags := slices.Index(s.args, "-json")
	if len(t.failures) == 0 || t.failed > mostAgain || flags < 0 || ctx.Err() != nil {
		return t
	}
	for pkg, tests := range t.failures {
		args := append(slices.Clone(s.args[1:flags+1]), "-count=1")
		if pattern := topLevel(tests); pattern != "" {
			args = append(args, "-run="+pattern)
		}
		args = append(args, pkg)
		fmt.Fprintf(out, "\nagain: go %s\n", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, s.args[0], args...)
		cmd.Env = append(os.Environ(), s.env...)
		cmd.Stderr = out
		again, countErr, err := step{count: s.count}.runAndCount(cmd)
		if countErr != nil || err != nil || again.failed > 0 || again.passed == 0 {
			continue
		}
		t.failed -= len(tests)
		t.passed += len(tests)
		for _, test := range tests {
			t.because(fmt.Sprintf("FLAKY: %s %s failed, and passed when it was run again", pkg, test))
		}
	}
	return t
}

// topLevel is a pattern of the tests without their subtests; empty when the package itself failed, which is run whole.
func topLevel(tests []string) string {
	var names []string
	for _, test := range tests {
		name, _, _ := strings.Cut(test, "/")
		if name == "" {
			return ""
		}
		if name = regexp.QuoteMeta(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return "^(" + strings.Join(names, "|") + ")$"
}
