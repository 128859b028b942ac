package cli

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// position is how the server says where an expression is wrong: line:column, both from 1, the column in bytes.
var position = regexp.MustCompile(`\b(\d{1,6}):(\d{1,6}): (parse error)`)

// printError says what went wrong, and shows where when the server has said it.
func printError(w io.Writer, expr string, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		fmt.Fprintf(w, "hulotte query: %v\n", err)
		return
	}
	text := strings.TrimPrefix(r.text, `invalid parameter "query": `)
	if m := position.FindStringSubmatchIndex(text); m != nil {
		line, _ := strconv.Atoi(text[m[2]:m[3]])
		column, _ := strconv.Atoi(text[m[4]:m[5]])
		if shown := pointAt(expr, line, column); shown != "" {
			fmt.Fprintf(w, "%s\n%s\n", shown, clean(text[m[6]:]))
			return
		}
	}
	fmt.Fprintf(w, "hulotte query: %s: %s\n", firstOf(r.kind, "error"), clean(text))
}

// pointAt returns the line of the expression with a caret under the column, or "" when there is no such place.
func pointAt(expr string, line, column int) string {
	lines := strings.Split(expr, "\n")
	if line < 1 || line > len(lines) || column < 1 || column > len(lines[line-1])+1 {
		return ""
	}
	text := lines[line-1]
	before := text[:column-1]
	return "  " + cleanLine(text) + "\n  " + blank(before) + "^"
}

// blank replaces everything but tabs by spaces, so that the caret stands where the text above it ends.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return '\t'
		}
		return ' '
	}, s)
}

// printNotes tells warnings and infos, which must not mix with the result.
func printNotes(w io.Writer, a *answer) {
	for _, s := range a.Warnings {
		fmt.Fprintf(w, "warning: %s\n", clean(strings.TrimPrefix(s, "PromQL warning: ")))
	}
	for _, s := range a.Infos {
		fmt.Fprintf(w, "info: %s\n", clean(strings.TrimPrefix(s, "PromQL info: ")))
	}
}

// clean makes text from outside harmless on a terminal: control characters are written as escapes.
func clean(s string) string { return cleaned(s, false) }

// cleanLine does the same but keeps tabs.
func cleanLine(s string) string { return cleaned(s, true) }

func cleaned(s string, tabs bool) string {
	if !strings.ContainsFunc(s, isControl) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isControl(r) && (r != '\t' || !tabs) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isControl covers C0, DEL and C1, and the characters that turn the direction of text.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
