package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// line logs one record with f and returns what was written, without the time.
func line(t *testing.T, f func(*slog.Logger)) string {
	t.Helper()
	var buf bytes.Buffer
	f(New(&buf, Options{Format: Text}))
	_, rest, ok := strings.Cut(strings.TrimSuffix(buf.String(), "\n"), " ")
	if !ok {
		t.Fatalf("no line: %q", buf.String())
	}
	return rest
}

func TestText(t *testing.T) {
	f := func(log func(*slog.Logger), want string) {
		t.Helper()
		if got := line(t, log); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(func(l *slog.Logger) { l.Info("ready", "url", "http://a/") }, `INF ready url=http://a/`)
	f(func(l *slog.Logger) { l.Warn("slow", "took", 1500*time.Millisecond) }, `WRN slow took=1.5s`)
	f(func(l *slog.Logger) { l.Error("failed", "err", errors.New("no such file")) }, `ERR failed err="no such file"`)
	f(func(l *slog.Logger) { l.With("part", "store").Info("open", "n", 3) }, `INF open part=store n=3`)
	f(func(l *slog.Logger) { l.WithGroup("http").Info("x", slog.Group("req", "code", 200)) }, `INF x http.req.code=200`)
	f(func(l *slog.Logger) { l.Info("a\nb\x1b[31m", "k", "c\nd") }, `INF a\nb\x1b[31m k="c\nd"`)
	f(func(l *slog.Logger) { l.Info("empty", "k", "") }, `INF empty k=""`)
}

func TestColourOnlyWhenAsked(t *testing.T) {
	var buf bytes.Buffer
	h := &textHandler{out: &output{w: &buf}, level: slog.LevelInfo, colour: true}
	slog.New(h).Error("x")
	if !strings.Contains(buf.String(), red+"ERR"+reset) {
		t.Errorf("no colour in %q", buf.String())
	}
}

func TestAutoIsJSONWhenNotATerminal(t *testing.T) {
	var buf bytes.Buffer
	New(&buf, Options{}).Info("x", "took", time.Second)
	if got := buf.String(); !strings.HasPrefix(got, "{") || !strings.Contains(got, `"took":"1s"`) {
		t.Errorf("got %s", got)
	}
}

func TestLevelChangesWhileRunning(t *testing.T) {
	var buf bytes.Buffer
	level := new(slog.LevelVar)
	l := New(&buf, Options{Format: Text, Level: level})
	l.Debug("hidden")
	level.Set(slog.LevelDebug)
	l.Debug("shown")
	if got := buf.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "DBG shown") {
		t.Errorf("got %s", got)
	}
}

func TestParseLevel(t *testing.T) {
	if l, err := ParseLevel("WARN"); err != nil || l != slog.LevelWarn {
		t.Errorf("ParseLevel(WARN) = %v, %v", l, err)
	}
	if _, err := ParseLevel("trace"); err == nil || !strings.Contains(err.Error(), "debug, info, warn or error") {
		t.Errorf("ParseLevel(trace) = %v", err)
	}
}

func TestQuiet(t *testing.T) {
	var buf bytes.Buffer
	l := Quiet(New(&buf, Options{Format: Text})).With("part", "store")
	l.Info("hidden")
	l.Warn("shown")
	if got := buf.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "WRN shown part=store") {
		t.Errorf("got %s", got)
	}
}
