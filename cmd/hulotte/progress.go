package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal how far something is, in one line that is written over and over.
type progress struct {
	out   *os.File // nil when nothing is to be shown
	begin time.Time

	drawn     time.Time
	last      int64
	lastAt    time.Time
	perSecond float64
	shown     bool
}

// drawEvery is often enough to look alive.
const drawEvery = 200 * time.Millisecond

func newProgress(out *os.File, quiet bool) *progress {
	p := &progress{begin: time.Now(), lastAt: time.Now()}
	if !quiet && term.IsTerminal(int(out.Fd())) {
		p.out = out
	}
	return p
}

// at shows what is being done; total is 0 when nobody knows how much there is.
func (p *progress) at(what string, done, total int64) {
	now := time.Now()
	if p.out == nil || now.Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn = now
	if passed := now.Sub(p.lastAt).Seconds(); passed >= 1 {
		p.perSecond = float64(done-p.last) / passed
		p.last, p.lastAt = done, now
	}
	p.shown = true
	fmt.Fprintf(p.out, "\r\x1b[K%s", progressLine(what, done, total, p.perSecond, now.Sub(p.begin)))
}

func progressLine(what string, done, total int64, perSecond float64, elapsed time.Duration) string {
	line := fmt.Sprintf("%-10s %9s", what, bytesText(done))
	if total > 0 {
		line += fmt.Sprintf(" of %s  %3d %%", bytesText(total), min(100, done*100/total))
	}
	if perSecond > 0 {
		line += fmt.Sprintf("  %s/s", bytesText(int64(perSecond)))
	}
	return line + "  " + elapsed.Round(time.Second).String()
}

// line shows a line of the caller's, which is only made when it is shown.
func (p *progress) line(text func(elapsed time.Duration) string) {
	now := time.Now()
	if p.out == nil || now.Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn, p.shown = now, true
	fmt.Fprintf(p.out, "\r\x1b[K%s", text(now.Sub(p.begin)))
}

// done takes the line away.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}

// bytesText writes a number of bytes with three digits and a unit.
func bytesText(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	unit := -1
	for f >= 999.5 && unit < len(units)-1 {
		f /= 1000
		unit++
	}
	digits := 0
	switch {
	case f < 9.995:
		digits = 2
	case f < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%.*f %cB", digits, f, units[unit])
}
