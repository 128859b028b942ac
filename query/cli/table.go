package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// writeTable writes the series for people: one row a series for an instant, one block a series for a range.
func writeTable(w io.Writer, kind string, all []series, s screen, zone *time.Location) error {
	out := bufio.NewWriter(w)
	switch kind {
	case "scalar", "string":
		fmt.Fprintln(out, all[0].points[0])
	case "vector":
		writeVector(out, all, s)
	default:
		writeMatrix(out, all, zone)
	}
	return out.Flush()
}

// writeVector has a column for each label, or, where that is too wide, the series as PromQL writes it.
func writeVector(out io.Writer, all []series, s screen) {
	columns := labelColumns(all)
	rows := [][]string{{}}
	for _, c := range columns {
		rows[0] = append(rows[0], heading(c))
	}
	rows[0] = append(rows[0], "VALUE")
	for _, one := range all {
		row := make([]string, 0, len(columns)+1)
		for _, c := range columns {
			row = append(row, clean(one.labels[c]))
		}
		rows = append(rows, append(row, one.points[0].String()))
	}
	if tableWidth(rows) > s.width {
		rows = [][]string{{"SERIES", "VALUE"}}
		for _, one := range all {
			rows = append(rows, []string{one.String(), one.points[0].String()})
		}
	}
	align(out, rows)
}

func heading(label string) string {
	if label == nameLabel {
		return "METRIC"
	}
	return clean(label)
}

func writeMatrix(out io.Writer, all []series, zone *time.Location) {
	for i, one := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, one)
		rows := make([][]string, 0, len(one.points))
		for _, p := range one.points {
			t := p.time().In(zone)
			rows = append(rows, []string{"  " + t.Format(timeLayout(t)), p.String()})
		}
		align(out, rows)
	}
}

func timeLayout(t time.Time) string {
	if t.Nanosecond() != 0 {
		return "2006-01-02 15:04:05.000"
	}
	return time.DateTime
}

// gap is between two columns.
const gap = 2

func columnWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], textWidth(cell))
		}
	}
	return widths
}

func tableWidth(rows [][]string) int {
	total := 0
	for _, w := range columnWidths(rows) {
		total += w + gap
	}
	return total - gap
}

// align writes rows with their columns one below the other; the last column, the value, is to the right.
func align(out io.Writer, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := columnWidths(rows)
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-textWidth(cell))
			if i == len(row)-1 {
				b.WriteString(pad + cell)
				continue
			}
			b.WriteString(cell + pad + strings.Repeat(" ", gap))
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
}

// textWidth is how many cells of a terminal s takes: marks take none, wide East Asian characters two.
func textWidth(s string) int {
	if isASCII(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isWide covers the blocks of Unicode's East Asian Width property that terminals draw in two cells.
func isWide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0x1f300 && r <= 0x1f64f || r >= 0x1f900 && r <= 0x1f9ff)
}
