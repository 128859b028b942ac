package test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// queryLogcli is a logcli for what only reads: its server may be a Loki (TEST_LOKI).
func queryLogcli(t *testing.T) *logcli {
	t.Helper()
	binary := logcliBinary(t)
	url, end := logsServer(t)
	return &logcli{t, binary, url, end}
}

func TestLogcliQuery(t *testing.T) {
	l := queryLogcli(t)
	at := func(before time.Duration) string { return l.end.Add(-before).Format(time.RFC3339) }
	l.prints(at(7500*time.Millisecond)+` {detected_level="error", level="error", msg="request 2390 done", status="500", took="90ms", trace_id="00000000000000000000000000000956"} {"level":"error","msg":"request 2390 done","status":500,"took":"90ms"}`,
		"query", `{app="web"} | json | status = 500`, "--limit=1", "--quiet", "--exclude-label=app", "--exclude-label=env", "--exclude-label=service_name", "--include-common-labels")
	l.prints("level=warn msg=\"slow query\" rows=0\nlevel=warn msg=\"slow query\" rows=1", "query", `{app="db"}`, "--limit=2", "--forward", "--quiet", "--output=raw")
	l.prints(`{"labels":{"app":"db","detected_level":"warn","env":"prod","service_name":"db"},"line":"level=warn msg=\"slow query\" rows=199","timestamp":"`+at(9*time.Second)+`"}`,
		"query", `{app="db"}`, "--limit=1", "--quiet", "--output=jsonl", "--include-common-labels")
	l.prints("", "query", `{app="none"}`, "--quiet")
	l.prints("warn 199\nwarn 198", "query", `{app="db"} | logfmt | rows > 197 | line_format "{{.level}} {{.rows}}"`, "--quiet", "--output=raw")
}

// More lines than one answer has come in batches, each once.
func TestLogcliBatches(t *testing.T) {
	l := queryLogcli(t)
	f := func(direction string, limit, first, last int) {
		t.Helper()
		args := []string{"query", `{app="web", env="prod"}`, fmt.Sprint("--limit=", limit), "--batch=500", "--quiet", "--output=raw"}
		if direction != "" {
			args = append(args, direction)
		}
		lines := strings.Split(strings.TrimSpace(l.run(args...)), "\n")
		numbers := make([]int, len(lines))
		for i, line := range lines {
			_, rest, _ := strings.Cut(line, "request ")
			_, _ = fmt.Sscan(rest, &numbers[i])
		}
		if len(lines) != limit || numbers[0] != first || numbers[len(numbers)-1] != last {
			t.Errorf("%s %d: %d lines, from %d to %d", direction, limit, len(lines), numbers[0], numbers[len(numbers)-1])
		}
		slices.Sort(numbers)
		if n := len(slices.Compact(numbers)); n != limit {
			t.Errorf("%s %d: %d different lines", direction, limit, n)
		}
	}
	f("", 2400, 2399, 0)
	f("", 1203, 2399, 1197)
	f("--forward", 2400, 0, 2399)
}

// A download in parts, by several workers at once.
func TestLogcliParts(t *testing.T) {
	l := queryLogcli(t)
	prefix := filepath.Join(t.TempDir(), "part")
	out := l.run("query", `{app="web", env="prod"}`, "--forward", "--quiet", "--output=raw", "--parallel-duration=7m", "--parallel-max-workers=3", "--merge-parts", "--part-path-prefix="+prefix)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range lines {
		if !strings.Contains(line, fmt.Sprintf(`"request %d done"`, i)) {
			t.Fatalf("line %d is %s", i, line)
		}
	}
	if len(lines) != 2400 {
		t.Errorf("%d lines", len(lines))
	}
	if left, _ := os.ReadDir(filepath.Dir(prefix)); len(left) != 0 {
		t.Errorf("parts are left: %v", left)
	}
}

func TestLogcliMetrics(t *testing.T) {
	l := queryLogcli(t)
	f := func(want string, args ...string) {
		t.Helper()
		cmd := l.command(args...)
		out, err := cmd.Output()
		if got := compact(string(out)); err != nil || got != l.times(want) {
			t.Errorf("logcli %s: %v\n got %s\nwant %s", strings.Join(args, " "), err, got, l.times(want))
		}
	}
	now := "--now=" + l.end.Format(time.RFC3339)
	f(`[{"metric":{"app":"db"},"value":[$E,"199"]},{"metric":{"app":"web"},"value":[$E,"2399"]}]`, "instant-query", `sum by (app) (count_over_time({env="prod"}[30m]))`, now)
	f(`[{"metric":{},"value":[$E,"2"]}]`, "instant-query", `vector(1)+vector(1)`, now)
	f(`[{"metric":{"level":"error"},"value":[$E,"0.09"]},{"metric":{"level":"info"},"value":[$E,"0.099"]}]`,
		"instant-query", `max by (level) (max_over_time({app="web", env="prod"} | json | unwrap duration(took) [10m]))`, now)
	matrix := compact(l.run("query", `sum by (app) (count_over_time({app="db"}[10m]))`, "--step=1m"))
	for _, want := range []string{`[{"metric":{"app":"db"},"values":[[$S,"1"],[$S+60,"7"],`, `,[$S+600,"66"],`, `[$E,"66"]]}]`} {
		if !strings.Contains(matrix, l.times(want)) {
			t.Errorf("no %s in %s", l.times(want), matrix)
		}
	}
}

func TestLogcliFields(t *testing.T) {
	l := queryLogcli(t)
	out := l.run("detected-fields", `{app="db"}`)
	for _, want := range []string{"label: level\t\ttype: string\t\tcardinality: 1\n", "label: rows\t\ttype: int\t\tcardinality: 200\n", "label: msg\t\ttype: string\t\tcardinality: 1\n", "label: detected_level\t\ttype: string\t\tcardinality: 1\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	values := strings.Fields(l.run("detected-fields", `{app="web", env="prod"}`, "status"))
	slices.Sort(values)
	if fmt.Sprint(values) != "[200 500]" {
		t.Error(values)
	}
}

func TestLogcliErrors(t *testing.T) {
	l := queryLogcli(t)
	f := func(want string, args ...string) {
		t.Helper()
		out, err := l.command(args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("logcli %s: %v\n%s\nwant %s", strings.Join(args, " "), err, out, want)
		}
	}
	f("error response from server: parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,", "query", `{app="web"`)
	f("max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)", "query", `{app="web"}`, "--limit=6000", "--batch=6000")
}

// Statistics are printed from what comes with an answer.
func TestLogcliStatistics(t *testing.T) {
	l := queryLogcli(t)
	out, err := l.command("query", `{app="db"}`, "--stats", "--limit=1", "--since=2h").CombinedOutput()
	for _, want := range []string{"Summary.BytesProcessedPerSecond", "Summary.TotalLinesProcessed", "Ingester.TotalReached", "Querier.TotalChunksRef"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("no %s in %v %s", want, err, out)
		}
	}
}

func TestLogcliTail(t *testing.T) {
	l := queryLogcli(t)
	cmd := l.command("query", `{app="web"} |= "later" | json`, "--tail", "--quiet", "--output=jsonl", "--delay-for=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	// It does not say when it has connected; what is pushed before comes too.
	push := func(n int) {
		pushLogs(t, l.url, []logLine{{map[string]string{"app": "web"}, time.Now(), fmt.Sprintf(`{"text":"later %d","n":%d}`, n, n), map[string]string{"trace_id": "abc"}}})
	}
	timeout := time.After(60 * time.Second)
	for n := range 3 {
		push(n)
		select {
		case line := <-lines:
			for _, want := range []string{`"app":"web"`, `"trace_id":"abc"`, fmt.Sprintf(`"n":"%d"`, n), fmt.Sprintf(`"line":"{\"text\":\"later %d\",\"n\":%d}"`, n, n)} {
				if !strings.Contains(line, want) {
					t.Errorf("no %s in %s", want, line)
				}
			}
		case <-timeout:
			t.Fatal("no line in a minute")
		}
	}
}
