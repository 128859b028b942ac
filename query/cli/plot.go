package cli

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

const (
	plotRows  = 16 // of four dots each
	minColumn = 20
	// maxDrawn is how many lines can be told apart; the others are in the legend's last line.
	maxDrawn = 12
)

// writePlot draws numbers over time: a canvas of braille dots, an axis on each side, and a legend with the
// smallest, largest and last value of each series. Gaps in the data are gaps in the line.
func writePlot(w io.Writer, o options, all []series, s screen) error {
	drawn, left := drawable(all)
	if len(drawn) == 0 {
		return fmt.Errorf("there is no number to draw: use -o table")
	}
	low, high := valueRange(drawn)
	scale := niceScale(low, high)
	labels := scale.labels(plotRows)
	margin := 0
	for _, l := range labels {
		margin = max(margin, textWidth(l))
	}
	colors := s.colors && !o.noColor
	c := newCanvas(max(s.width-margin-2, minColumn), plotRows, len(drawn) > 1 && !colors)
	for i, one := range drawn {
		c.draw(i, one, o, scale)
	}
	out := bufio.NewWriter(w)
	for row := range plotRows {
		fmt.Fprintf(out, "%*s ┤%s\n", margin, labels[row], c.line(row, colors))
	}
	fmt.Fprintf(out, "%*s └%s\n", margin, "", strings.Repeat("─", c.columns))
	fmt.Fprintf(out, "%*s  %s\n", margin, "", timeAxis(o.start, o.end, c.columns))
	writeLegend(out, drawn, c, colors)
	if left > 0 {
		fmt.Fprintf(out, "%d more series are not drawn: narrow the expression, or use -o table\n", left)
	}
	return out.Flush()
}

// drawable returns the series to draw and how many are left out: those beyond maxDrawn and those without numbers.
func drawable(all []series) (drawn []series, left int) {
	for _, s := range all {
		if len(drawn) < maxDrawn && hasNumber(s) {
			drawn = append(drawn, s)
		}
	}
	return drawn, len(all) - len(drawn)
}

func hasNumber(s series) bool {
	for _, p := range s.points {
		if isFinite(p.number()) {
			return true
		}
	}
	return false
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func valueRange(all []series) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range all {
		for _, p := range s.points {
			if v := p.number(); isFinite(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return low, high
}

// timeAxis names the start, the middle and the end.
func timeAxis(start, end time.Time, columns int) string {
	layout := "15:04:05"
	switch length := end.Sub(start); {
	case length > 4*24*time.Hour:
		layout = time.DateOnly
	case length > 12*time.Hour:
		layout = "01-02 15:04"
	case length > 20*time.Minute:
		layout = "15:04"
	}
	first, middle, last := start.Format(layout), start.Add(end.Sub(start)/2).Format(layout), end.Format(layout)
	free := columns - len(first) - len(middle) - len(last)
	if free < 2 {
		return first
	}
	return first + strings.Repeat(" ", free/2) + middle + strings.Repeat(" ", free-free/2) + last
}

func writeLegend(out io.Writer, drawn []series, c *canvas, colors bool) {
	rows := [][]string{{"", "", "min", "max", "last"}}
	for i, s := range drawn {
		low, high := valueRange([]series{s})
		last := s.points[len(s.points)-1]
		rows = append(rows, []string{c.marker(i), s.String(), short(low), short(high), short(last.number())})
	}
	widths := columnWidths(rows)
	for i, row := range rows {
		line := row[0] + strings.Repeat(" ", widths[0]-textWidth(row[0])+1) + row[1] + strings.Repeat(" ", widths[1]-textWidth(row[1]))
		if i > 0 && colors {
			line = paint(i-1, row[0]) + line[len(row[0]):]
		}
		for col := 2; col < len(row); col++ {
			line += fmt.Sprintf("  %*s", widths[col], row[col])
		}
		fmt.Fprintln(out, line)
	}
}
