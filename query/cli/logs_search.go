package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// logsPage is how many lines are asked for at once. Loki's own limit is 5000 unless it is configured, and a server that
// allows fewer says so.
const logsPage = 1000

// mostKept bounds the lines that are kept to turn their order around: the newest, the oldest first.
const mostKept = 1 << 20

// logsRun is one run of `hulotte logs`.
type logsRun struct {
	o      logsOptions
	client *http.Client
	out    *logPrinter
	err    io.Writer
	screen screen
}

// search prints the lines of the range, page by page.
func (l *logsRun) search(ctx context.Context) error {
	keep := !l.o.forward && !l.o.backward
	if keep && l.o.limit > mostKept {
		return fmt.Errorf("--limit %d is more than can be turned around: use --forward, --backward or at most %d", l.o.limit, mostKept)
	}
	var kept []logLine
	p := &pager{l: l, start: l.o.start.UnixNano(), end: l.o.end.UnixNano(), left: l.o.limit, seen: map[string]int{}}
	for !p.done {
		lines, other, err := p.next(ctx)
		if err != nil {
			return err
		}
		if other != nil {
			return l.printTable(other)
		}
		if keep {
			kept = append(kept, lines...)
			continue
		}
		if err := l.out.lines(lines); err != nil {
			return err
		}
	}
	slices.Reverse(kept)
	return l.out.lines(kept)
}

// printTable prints the answer to a metric query as `hulotte query` does.
func (l *logsRun) printTable(a *answer) error {
	o := l.o.options
	o.output = "table"
	if l.o.output == "jsonl" {
		o.output = "json"
	}
	printNotes(l.err, a)
	return print(l.out.w, o, a, l.screen)
}

// pager asks for page after page. A page begins at the instant at which the one before it ended, since that may have more lines
// than came; those that came already are left out by counting.
type pager struct {
	l          *logsRun
	start, end int64
	left       int // lines still wanted; 0 is all
	done       bool

	edge int64          // the last instant of the page before
	seen map[string]int // lines that came of that instant
	size int            // lines in a page, larger when one instant fills it
}

func (p *pager) next(ctx context.Context) (lines []logLine, other *answer, err error) {
	known := 0
	for _, n := range p.seen {
		known += n
	}
	p.size = max(p.size, logsPage)
	want := p.size
	if p.left > 0 {
		want = min(want, p.left+known)
	}
	a, err := p.l.page(ctx, p.start, p.end, want, p.l.o.forward)
	if err != nil {
		return nil, nil, err
	}
	if a.Data.Type != "streams" {
		return nil, a, nil
	}
	var streams []logStream
	if err := json.Unmarshal(a.Data.Result, &streams); err != nil {
		return nil, nil, fmt.Errorf("cannot understand the answer: %w", err)
	}
	lines = linesOf(streams)
	sortLines(lines, p.l.o.forward)
	got := len(lines)
	p.done = got < want
	lines = p.fresh(lines)
	if p.left > 0 {
		lines = lines[:min(len(lines), p.left)]
		if p.left -= len(lines); p.left == 0 {
			p.done = true
		}
	}
	if !p.done && len(lines) == 0 {
		p.size *= 2 // every line of the page is of one instant, and known
	}
	p.advance(lines)
	return lines, nil, nil
}

// sortLines puts lines in order; those of one instant by their labels and text, so that it is the same in every page.
func sortLines(lines []logLine, forward bool) {
	slices.SortStableFunc(lines, func(a, b logLine) int {
		if !forward {
			a, b = b, a
		}
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return strings.Compare(a.key(), b.key())
	})
}

func (l *logLine) key() string { return labelText(l.labels) + "\x00" + l.line }

// fresh leaves out what came with the page before.
func (p *pager) fresh(lines []logLine) []logLine {
	seen := map[string]int{}
	for k, n := range p.seen {
		seen[k] = n
	}
	return slices.DeleteFunc(lines, func(line logLine) bool {
		if line.at != p.edge || seen[line.key()] == 0 {
			return false
		}
		seen[line.key()]--
		return true
	})
}

// advance makes the next page begin where the lines end.
func (p *pager) advance(lines []logLine) {
	if len(lines) == 0 {
		return
	}
	edge := lines[len(lines)-1].at
	if edge != p.edge {
		p.edge, p.seen = edge, map[string]int{}
	}
	for i := len(lines) - 1; i >= 0 && lines[i].at == edge; i-- {
		p.seen[lines[i].key()]++
	}
	if p.l.o.forward {
		p.start = edge
	} else {
		p.end = edge + 1
	}
}
