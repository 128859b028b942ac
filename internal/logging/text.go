package logging

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// textHandler writes one short line a record: time of day, level, message, attributes as key=value.
type textHandler struct {
	out    *output
	level  slog.Leveler
	colour bool
	prefix string // of the open groups, with a dot at the end
	attrs  []byte // of With, rendered once
}

// output is shared by the handlers that With derives.
type output struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu, so that lines never mix
}

func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	b := make([]byte, 0, 256)
	if !r.Time.IsZero() {
		b = h.appendDim(b, r.Time.Format("15:04:05.000"))
		b = append(b, ' ')
	}
	b = h.appendLevel(b, r.Level)
	b = append(b, ' ')
	b = append(b, oneLine(r.Message)...)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = h.appendAttr(b, h.prefix, a)
		return true
	})
	b = append(b, '\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(b)
	return err
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = append([]byte(nil), h.attrs...)
	for _, a := range attrs {
		n.attrs = h.appendAttr(n.attrs, h.prefix, a)
	}
	return &n
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.prefix = h.prefix + name + "."
	return &n
}

func (h *textHandler) appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, m := range a.Value.Group() {
			b = h.appendAttr(b, prefix, m)
		}
		return b
	}
	b = append(b, ' ')
	b = h.appendDim(b, prefix+a.Key+"=")
	return append(b, quoted(valueText(a.Value))...)
}

func valueText(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().Format(time.RFC3339Nano)
	}
	return v.String()
}

// quoted keeps a value one word and one line, whatever came from outside.
func quoted(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '=' || r == 0x7f || r >= 0x80 && !strconv.IsPrint(r)
	}) {
		return strconv.Quote(s)
	}
	return s
}

// oneLine keeps control characters of a message away from the terminal.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

const (
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	reset  = "\x1b[0m"
)

func (h *textHandler) appendDim(b []byte, s string) []byte { return h.appendColour(b, dim, s) }

func (h *textHandler) appendLevel(b []byte, l slog.Level) []byte {
	switch {
	case l >= slog.LevelError:
		return h.appendColour(b, red, "ERR")
	case l >= slog.LevelWarn:
		return h.appendColour(b, yellow, "WRN")
	case l >= slog.LevelInfo:
		return h.appendColour(b, green, "INF")
	}
	return h.appendColour(b, dim, "DBG")
}

func (h *textHandler) appendColour(b []byte, colour, s string) []byte {
	if !h.colour {
		return append(b, s...)
	}
	b = append(b, colour...)
	b = append(b, s...)
	return append(b, reset...)
}
