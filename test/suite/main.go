// Command suite runs everything that `make test` promises, one step after the other, goes on after a failure so
// that one run shows all of them, and ends with the line "N passed, N failed".
//
//	go run ./test/suite            # all steps
//	go run ./test/suite go race    # only these: together they are all Go tests
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// withoutRace is what the race detector has little to find in, or would only slow down: programs that are started and
// watched from outside, and what one goroutine at a time does (store/events and store/spans search groups with several). Everything else is tested once, with it.
var withoutRace = []string{"cmd", "config", "logformat", "model", "query/promql", "store/events/rowgroup", "store/spans/spangroup", "store/medium/local", "store/medium/transfer", "test", "tools", "web"}

// manyTimes are tests of packages without race that do the same thing at every place where it can go wrong, one after the other; the other tests
// of racePart have several goroutines, and are run with the detector as well. `make race` runs everything with it.
const manyTimes = "Crash|Flip|Kill|Scan|Torn|EveryStep|Cut|Cassandra"

var racePart = []string{"./store/medium/local", "./store/medium/transfer"}

// step is one command of the suite.
type step struct {
	name string
	args []string
	dir  string
	env  []string
	// count reads the results of a test runner to their end; nil counts the step itself as one.
	count func(results io.Reader) (tally, error)
	// results is a file that the command writes for count; empty gives count the standard output as it comes.
	results string
	// beside runs it while the following steps run, as it waits more than it works; what it prints comes when it has ended.
	beside bool
}

// golangciVersion is run from its module, so that a fresh machine needs nothing installed.
const golangciVersion = "v2.15.0"

func steps() ([]step, error) {
	plain, race, err := packages()
	if err != nil {
		return nil, err
	}
	bin, err := os.Getwd()
	if err != nil {
		bin = "."
	}
	withBinary := []string{"TEST_HULOTTE_BIN=" + bin + "/bin/hulotte"}
	return []step{ // vet has its own step, so the tests need not run it again; a busy machine needs more than the ten minutes of go test for Cassandra
		{name: "format", args: []string{"sh", "-c", `test -z "$(gofmt -l $(git ls-files '*.go') | tee /dev/stderr)" && ! git grep -nE '^(<<<<<<<|>>>>>>>) '`}},
		{name: "web-check", dir: "web", args: []string{"npm", "run", "--silent", "check"}},
		{name: "web-unit", dir: "web", args: []string{"npx", "vitest", "run", "--reporter=default", "--reporter=json", "--outputFile=test-results/vitest.json"}, results: "web/test-results/vitest.json", count: countVitest},
		{name: "build", args: []string{"make", "--no-print-directory", "build"}},
		{name: "browser", dir: "web", args: []string{"npx", "playwright", "test", "--reporter=list,json"}, env: append(withBinary, "PLAYWRIGHT_JSON_OUTPUT_NAME=test-results/playwright.json"), results: "web/test-results/playwright.json", count: countPlaywright, beside: true},
		{name: "vet", args: []string{"go", "vet", "./..."}},
		{name: "lint", args: []string{"go", "run", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@" + golangciVersion, "run", "./..."}},
		{name: "go", args: append([]string{"go", "test", "-vet=off", "-timeout=20m", "-json"}, plain...), env: withBinary, count: countGo},
		{name: "race-part", args: append([]string{"go", "test", "-vet=off", "-race", "-timeout=20m", "-json", "-skip=" + manyTimes}, racePart...), count: countGo},
		{name: "race", args: append([]string{"go", "test", "-vet=off", "-race", "-timeout=20m", "-json"}, race...), env: withBinary, count: countGo},
	}, nil
}

// packages returns all packages of the module, in two parts: tested without and with the race detector.
func packages() (plain, race []string, err error) {
	out, err := exec.Command("go", "list", "-f", "{{.Module.Path}} {{.ImportPath}}", "./...").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		module, pkg, _ := strings.Cut(strings.TrimSpace(line), " ")
		folder := strings.TrimPrefix(pkg, module+"/")
		if slices.ContainsFunc(withoutRace, func(w string) bool { return folder == w || strings.HasPrefix(folder, w+"/") }) {
			plain = append(plain, pkg)
		} else {
			race = append(race, pkg)
		}
	}
	return plain, race, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	all, err := steps()
	if err != nil {
		fmt.Fprintf(os.Stderr, "suite: %v\n", err)
		os.Exit(1)
	}
	only := os.Args[1:]
	for _, name := range only {
		if !slices.ContainsFunc(all, func(s step) bool { return s.name == name }) {
			fmt.Fprintf(os.Stderr, "suite: no step %q\n", name)
			os.Exit(2)
		}
	}
	var chosen []step
	for _, s := range all {
		if len(only) == 0 || slices.Contains(only, s.name) {
			chosen = append(chosen, s)
		}
	}
	total, lines := runAll(ctx, chosen)
	fmt.Printf("\n%s\n", strings.Join(lines, "\n"))
	for _, reason := range total.leftOut() {
		fmt.Println(reason)
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	if total.failed > 0 || total.passed == 0 {
		os.Exit(1)
	}
}

// runAll runs steps one after the other, but for those beside, and returns what all of them counted, with a line for each.
func runAll(ctx context.Context, steps []step) (total tally, lines []string) {
	tallies, took, cpu := make([]tally, len(steps)), make([]time.Duration, len(steps)), make([]time.Duration, len(steps))
	var beside sync.WaitGroup
	for i, s := range steps {
		one := func(out io.Writer) {
			start := time.Now()
			fmt.Fprintf(out, "\n=== %s: %s\n", s.name, abbreviated(s.args))
			tallies[i], cpu[i] = s.run(ctx, out)
			took[i] = time.Since(start)
		}
		if !s.beside {
			one(os.Stdout)
			continue
		}
		beside.Go(func() {
			var out bytes.Buffer
			one(&out)
			_, _ = os.Stdout.Write(out.Bytes()) // where else could it be said
		})
	}
	beside.Wait()
	for i, s := range steps {
		t := tallies[i]
		total.add(t)
		lines = append(lines, fmt.Sprintf("%-10s %5d passed %4d failed %4d skipped  %4.0f s  %4.0f CPU s", s.name, t.passed, t.failed, t.skipped, took[i].Seconds(), cpu[i].Seconds()))
	}
	return total, lines
}

// abbreviated is a command as one would say it: many arguments are not all of interest.
func abbreviated(args []string) string {
	if len(args) > 12 {
		return fmt.Sprintf("%s and %d more", strings.Join(args[:6], " "), len(args)-6)
	}
	return strings.Join(args, " ")
}

// run executes the step and returns its tally and what its processes cost; a command that failed without a failed test counts as one
// failure.
func (s step) run(ctx context.Context, out io.Writer) (tally, time.Duration) {
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = out, out
	if s.count == nil {
		err := cmd.Run()
		return verdict(out, err), cost(cmd)
	}
	t, countErr, err := s.runAndCount(cmd)
	if countErr != nil {
		fmt.Fprintf(out, "%s: cannot read the results: %v\n", s.name, countErr)
		t.failed++
	}
	if err != nil && t.failed == 0 {
		fmt.Fprintf(out, "%s: %v\n", s.name, err)
		t.failed++
	}
	return s.runAgain(ctx, out, t), cost(cmd)
}

// cost is the processor time of a command and of the children that it waited for.
func cost(cmd *exec.Cmd) time.Duration {
	if cmd.ProcessState == nil {
		return 0 // it did not start
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// runAndCount runs the command. The first error is that of reading its results, the second its own.
func (s step) runAndCount(cmd *exec.Cmd) (t tally, countErr, err error) {
	if s.results == "" {
		cmd.Stdout = nil
		out, err := cmd.StdoutPipe()
		if err != nil {
			return t, nil, err
		}
		if err := cmd.Start(); err != nil {
			return t, nil, err
		}
		t, countErr = s.count(out)
		_, _ = io.Copy(io.Discard, out) // whatever is behind an error, so that the command can end
		return t, countErr, cmd.Wait()
	}
	_ = os.Remove(s.results) // an old file must not count; it may not exist
	err = cmd.Run()
	f, openErr := os.Open(s.results)
	if openErr != nil {
		return t, openErr, err
	}
	defer f.Close()
	t, countErr = s.count(f)
	return t, countErr, err
}

func verdict(out io.Writer, err error) tally {
	if err != nil {
		fmt.Fprintf(out, "FAILED: %v\n", err)
		return tally{failed: 1}
	}
	return tally{passed: 1}
}
