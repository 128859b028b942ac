package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// logPrinter writes lines in the form that is asked for.
type logPrinter struct {
	w      *bufio.Writer
	o      logsOptions
	screen screen
	colors bool
}

func newLogPrinter(w io.Writer, o logsOptions, s screen) *logPrinter {
	return &logPrinter{w: bufio.NewWriterSize(w, 64<<10), o: o, screen: s, colors: s.colors && !o.noColor}
}

func (p *logPrinter) flush() error { return p.w.Flush() }

func (p *logPrinter) lines(lines []logLine) error {
	for i := range lines {
		if err := p.line(&lines[i]); err != nil {
			return err
		}
	}
	return p.flush()
}

func (p *logPrinter) line(l *logLine) error {
	switch p.o.output {
	case "raw":
		return p.raw(l)
	case "jsonl":
		return p.jsonl(l)
	}
	text := p.colored(levelColor(l.labels), p.text(l.line))
	parts := []string{nanoTime(l.at).In(p.o.zone).Format("2006-01-02T15:04:05.000Z07:00"), text}
	if !p.o.noLabels {
		parts = slices.Insert(parts, 1, p.colored(36, p.text(labelText(l.labels))))
	}
	_, err := p.w.WriteString(strings.Join(parts, " ") + "\n")
	return err
}

// text is what a terminal may show: a line that moves its cursor could hide others. What goes to a file or a pipe is as it is.
func (p *logPrinter) text(s string) string {
	if p.screen.terminal {
		return cleanLine(s)
	}
	return s
}

func (p *logPrinter) raw(l *logLine) error {
	_, err := p.w.WriteString(p.text(l.line) + "\n")
	return err
}

// jsonLine is one line of jsonl.
type jsonLine struct {
	Timestamp string            `json:"timestamp"` // RFC 3339 with nanoseconds, in UTC
	Labels    map[string]string `json:"labels"`
	Line      string            `json:"line"`
}

func (p *logPrinter) jsonl(l *logLine) error {
	e := json.NewEncoder(p.w)
	e.SetEscapeHTML(false)
	out := jsonLine{nanoTime(l.at).UTC().Format(time.RFC3339Nano), l.labels, l.line}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	return e.Encode(out)
}

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+strconv.Quote(labels[name]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// levelColor is the colour of a line's level in ANSI's numbers; 0 is none.
func levelColor(labels map[string]string) int {
	level := labels["level"]
	if level == "" {
		level = labels["detected_level"]
	}
	switch strings.ToLower(level) {
	case "error", "err", "fatal", "critical", "crit", "alert", "emerg", "panic":
		return 31
	case "warn", "warning":
		return 33
	case "debug", "trace":
		return 90
	}
	return 0
}

func (p *logPrinter) colored(color int, text string) string {
	if !p.colors || color == 0 {
		return text
	}
	return "\x1b[" + strconv.Itoa(color) + "m" + text + "\x1b[0m"
}
