package tail

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// encoding is how the text of a file is written.
type encoding int8

const (
	encodingUnknown encoding = iota
	utf8Text                 // also any other that keeps ASCII: bytes are passed on as they are
	utf16LE
	utf16BE
	latin1
)

func parseEncoding(name string) (encoding, error) {
	switch strings.ToLower(name) {
	case "":
		return encodingUnknown, nil
	case "utf-8", "utf8":
		return utf8Text, nil
	case "utf-16le", "utf16le":
		return utf16LE, nil
	case "utf-16be", "utf16be":
		return utf16BE, nil
	case "latin-1", "latin1", "iso-8859-1":
		return latin1, nil
	}
	return 0, fmt.Errorf("encoding %q is unknown: write utf-8, utf-16le, utf-16be or latin-1, or nothing to find out", name)
}

// detectEncoding looks at the beginning of a file: a byte order mark, or every second byte zero. bom is the length of the mark.
func detectEncoding(head []byte) (e encoding, bom int) {
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		return utf8Text, 3
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return utf16LE, 2
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return utf16BE, 2
	}
	if n := min(len(head)&^1, 64); n >= 8 {
		zeros := [2]int{}
		for i := range n {
			if head[i] == 0 {
				zeros[i%2]++
			}
		}
		switch {
		case zeros[1] > n/4 && zeros[0] < n/16:
			return utf16LE, 0
		case zeros[0] > n/4 && zeros[1] < n/16:
			return utf16BE, 0
		}
	}
	return utf8Text, 0
}

// looksBinary says whether the beginning of a file is no text.
func looksBinary(head []byte) bool {
	e, _ := detectEncoding(head)
	return e == utf8Text && bytes.IndexByte(head, 0) >= 0 && len(bytes.Trim(head, "\x00")) > 0 && head[0] != 0
}

// lineEnd returns the place of the first end of line in b and how long it is; -1 without one. b begins at an even offset.
func (e encoding) lineEnd(b []byte) (at, size int) {
	if e != utf16LE && e != utf16BE {
		return bytes.IndexByte(b, '\n'), 1
	}
	low := 0 // where in a unit the byte is that can be '\n'
	if e == utf16BE {
		low = 1
	}
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1, 2
		}
		i += from
		unit := i &^ 1
		if i%2 == low && unit+1 < len(b) && b[unit+1-low] == 0 {
			return unit, 2
		}
		from = i + 1
	}
}

// lastLineEnd returns the place behind the last end of line in b, 0 without one.
func (e encoding) lastLineEnd(b []byte) int {
	if e != utf16LE && e != utf16BE {
		return bytes.LastIndexByte(b, '\n') + 1
	}
	last := 0
	for {
		i, n := e.lineEnd(b[last:])
		if i < 0 {
			return last
		}
		last += i + n
	}
}

// text turns the bytes of a line into text.
func (e encoding) text(b []byte) string {
	switch e {
	case utf16LE, utf16BE:
		units := make([]uint16, len(b)/2)
		for i := range units {
			if e == utf16LE {
				units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
			} else {
				units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
			}
		}
		return string(utf16.Decode(units))
	case latin1:
		out := make([]byte, 0, len(b)+len(b)/8)
		for _, c := range b {
			out = utf8.AppendRune(out, rune(c))
		}
		return string(out)
	}
	return string(b)
}
