package cli

import (
	"math"
	"strconv"
	"strings"
)

// canvas is a grid of cells. With braille each cell has two by four dots; where several lines have to be told
// apart without colours, each cell has one character, the line's own.
type canvas struct {
	columns, rows int
	letters       bool
	cells         []cell
}

type cell struct {
	dots  uint8 // of the braille pattern
	owner uint8 // the line that was drawn last, from 1; 0 is empty
}

// letters are easy to tell apart; there are maxDrawn of them.
const letters = "•x+o*#@=%&$~"

// colors are the bright and plain colours of ANSI that are readable on light and on dark.
var palette = [...]int{32, 34, 31, 33, 35, 36, 92, 94, 91, 93, 95, 96}

func newCanvas(columns, rows int, letters bool) *canvas {
	return &canvas{columns: columns, rows: rows, letters: letters, cells: make([]cell, columns*rows)}
}

// size returns the dots in both directions.
func (c *canvas) size() (x, y int) {
	if c.letters {
		return c.columns, c.rows
	}
	return c.columns * 2, c.rows * 4
}

// brailleBit is the bit of each dot of a braille pattern (Unicode block U+2800), by row and column.
var brailleBit = [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// set draws one dot, with y from the bottom.
func (c *canvas) set(line, x, y int) {
	width, height := c.size()
	if x < 0 || x >= width || y < 0 || y >= height {
		return
	}
	y = height - 1 - y
	if c.letters {
		c.cells[y*c.columns+x].owner = uint8(line + 1)
		return
	}
	one := &c.cells[y/4*c.columns+x/2]
	one.dots |= brailleBit[y%4][x%2]
	one.owner = uint8(line + 1)
}

// draw adds a series as line number line.
func (c *canvas) draw(line int, s series, o options, sc scale) {
	width, height := c.size()
	from, length := float64(o.start.UnixMilli())/1000, o.end.Sub(o.start).Seconds()
	lastX, lastY, lastT := 0, 0, math.NaN()
	for _, p := range s.points {
		v := p.number()
		if !isFinite(v) {
			lastT = math.NaN()
			continue
		}
		x := int(math.Round((p.t - from) / length * float64(width-1)))
		y := int(math.Round(sc.at(v) * float64(height-1)))
		if p.t-lastT <= 1.5*o.step.Seconds() { // false after a gap and for the first point
			c.connect(line, lastX, lastY, x, y)
		}
		c.set(line, x, y)
		lastX, lastY, lastT = x, y, p.t
	}
}

// connect draws the dots between two points, in as many steps as the longer side has.
func (c *canvas) connect(line, x0, y0, x1, y1 int) {
	steps := max(abs(x1-x0), abs(y1-y0))
	for i := 1; i < steps; i++ {
		c.set(line, x0+(x1-x0)*i/steps, y0+(y1-y0)*i/steps)
	}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// line returns one row of the canvas, from the top.
func (c *canvas) line(row int, colors bool) string {
	var b strings.Builder
	for _, one := range c.cells[row*c.columns : (row+1)*c.columns] {
		switch {
		case one.owner == 0:
			b.WriteByte(' ')
		case colors:
			b.WriteString(paint(int(one.owner)-1, c.text(one)))
		default:
			b.WriteString(c.text(one))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func (c *canvas) text(one cell) string {
	if c.letters {
		return c.marker(int(one.owner) - 1)
	}
	return string(rune(0x2800 + int(one.dots)))
}

// marker stands for a line in the legend.
func (c *canvas) marker(line int) string {
	if c.letters {
		return string([]rune(letters)[line])
	}
	return "⣿"
}

func paint(line int, text string) string {
	return "\x1b[" + strconv.Itoa(palette[line%len(palette)]) + "m" + text + "\x1b[0m"
}
