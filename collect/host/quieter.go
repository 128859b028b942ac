package host

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// quieter is a slog.Handler for node_exporter's collectors, which greet with a page of their flags, and repeat a
// complaint at every scrape. What is below a warning, what is said while they are made, and what was said in the
// last hour is debug.
type quieter struct {
	slog.Handler
	told  *told
	group string // what With added, to tell apart records with the same text
}

// told remembers what was said.
type told struct {
	started atomic.Bool

	mu   sync.Mutex
	when map[string]time.Time
}

const (
	repeatAfter = time.Hour
	maxTold     = 256 // texts that are remembered; after that all are forgotten, and said once more
)

func newTold() *told { return &told{when: map[string]time.Time{}} }

// lately says whether text was said within the last hour, and notes that it is said now.
func (t *told) lately(text string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.when[text]; ok && now.Sub(last) < repeatAfter {
		return true
	}
	if len(t.when) >= maxTold {
		clear(t.when)
	}
	t.when[text] = now
	return false
}

func (q quieter) Enabled(ctx context.Context, level slog.Level) bool {
	if level < slog.LevelWarn {
		level = slog.LevelDebug
	}
	return q.Handler.Enabled(ctx, level)
}

func (q quieter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn || !q.told.started.Load() || q.told.lately(q.text(r), r.Time) {
		r.Level = slog.LevelDebug
		if !q.Handler.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return q.Handler.Handle(ctx, r)
}

func (q quieter) text(r slog.Record) string {
	var b strings.Builder
	b.WriteString(q.group)
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteByte(' ')
		b.WriteString(a.String())
		return true
	})
	return b.String()
}

func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	group := q.group
	for _, a := range attrs {
		group += a.String() + " "
	}
	return quieter{q.Handler.WithAttrs(attrs), q.told, group}
}

func (q quieter) WithGroup(name string) slog.Handler {
	return quieter{q.Handler.WithGroup(name), q.told, q.group + name + "."}
}
