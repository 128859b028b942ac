package cli

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// screen is what the output goes to.
type screen struct {
	terminal bool
	width    int // cells
	colors   bool
}

// maxWidth is wide enough for any screen and narrow enough for any canvas.
const maxWidth = 1000

// screenOf asks w; what is no terminal gets 100 cells, or those of $COLUMNS.
func screenOf(w io.Writer, getenv func(string) string) screen {
	s := screen{width: 100}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		s.width = min(n, maxWidth)
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.terminal = true
	s.colors = getenv("TERM") != "dumb"
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		s.width = min(n, maxWidth)
	}
	return s
}
