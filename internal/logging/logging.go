// Package logging makes the process's slog.Logger: short lines for a person at a terminal, JSON for machines.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"
)

// The formats of Options.Format.
const (
	Auto = "auto" // Text when the output is a terminal, else JSON
	Text = "text"
	JSON = "json"
)

// Options say how to log; the zero value is Auto at level info.
type Options struct {
	Format string
	// Level can be changed while the process runs.
	Level *slog.LevelVar
}

// New returns a logger that writes to w.
func New(w io.Writer, o Options) *slog.Logger {
	level := o.Level
	if level == nil {
		level = new(slog.LevelVar)
	}
	tty := isTerminal(w)
	if o.Format == Text || tty && o.Format != JSON {
		return slog.New(&textHandler{out: &output{w: w}, level: level, colour: tty && os.Getenv("NO_COLOR") == ""})
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: textDurations}))
}

// textDurations writes durations as text: slog's JSON writes a duration as a bare number of nanoseconds.
func textDurations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ParseLevel reads debug, info, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not a log level: write debug, info, warn or error", s)
}
