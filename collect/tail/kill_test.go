package tail

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
)

// childEnv makes the test binary follow the logs of a folder, until it is killed.
const childEnv = "TEST_TAIL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}

// appendSink acknowledges what is in a file.
type appendSink struct{ f *os.File }

func (s appendSink) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	var b bytes.Buffer
	for _, stream := range streams {
		for _, r := range stream.Records {
			b.WriteString(r.Line + "\n")
		}
	}
	_, err := s.f.Write(b.Bytes())
	return nil, err
}

func child(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	t, err := New(Options{
		Dir: filepath.Join(dir, "positions"), Files: []FileInput{{Paths: []string{filepath.Join(dir, "app.log")}}},
		PollEvery: 5 * time.Millisecond, ScanEvery: 20 * time.Millisecond, FlushAfter: 20 * time.Millisecond, Batch: 1, MaxLine: 1000, MaxRecord: 1000,
	}, appendSink{f}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		panic(err)
	}
	panic(t.Run(context.Background()))
}

// A process that is killed again and again, while the file grows and is rotated in every way, loses nothing.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	out := func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "out")) // not there yet
		return string(text)
	}
	written := 0
	write1000 := func() (last string) {
		var b strings.Builder
		for range 1000 {
			written++
			last = fmt.Sprintf("2026-01-02T10:00:00Z INFO line %d.", written)
			b.WriteString(last + "\n")
		}
		write(t, path, b.String())
		return last
	}
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		must(t, cmd.Start())
		first := write1000()
		wait(t, "what was written before the kill", func() bool { return strings.Contains(out(), first+"\n") })
		write1000() // it may be killed anywhere in these
		must(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		switch round % 3 {
		case 0:
			must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, round)))
		case 1:
			text, err := os.ReadFile(path)
			must(t, err)
			write(t, fmt.Sprintf("%s.%d", path, round), string(text))
			must(t, os.Truncate(path, 0))
		}
		write1000()
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	missing := func() (n int) {
		text := out()
		seen := map[string]bool{}
		for line := range strings.Lines(text) {
			seen[strings.TrimSuffix(line, "\n")] = true
		}
		for i := 1; i <= written; i++ {
			if !seen[fmt.Sprintf("2026-01-02T10:00:00Z INFO line %d.", i)] {
				n++
			}
		}
		return n
	}
	defer func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "positions", positionsName))
			t.Logf("%d of %d lines are missing; the positions are %s", missing(), written, text)
		}
	}()
	wait(t, "every line", func() bool { return missing() == 0 })
	t.Logf("%d lines, %d came twice", written, strings.Count(out(), "\n")-written)
}
