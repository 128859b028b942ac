package logql

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// errInvalid gives the errors of this package that a user can mend their kind.
var errInvalid = model.NewError(model.Invalid, "invalid query")

// ParseError says where a query is wrong, and why. Its kind is model.Invalid.
type ParseError struct {
	Line, Col int // from 1; the column in characters
	Text      string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Col, e.Text)
}

func (e *ParseError) Unwrap() error { return errInvalid }

// errorAt returns the error of the query at a byte offset.
func errorAt(query string, pos int, format string, args ...any) *ParseError {
	before := query[:pos]
	lineStart := strings.LastIndexByte(before, '\n') + 1
	return &ParseError{
		Line: 1 + strings.Count(before, "\n"),
		Col:  1 + utf8.RuneCountInString(before[lineStart:]),
		Text: fmt.Sprintf(format, args...),
	}
}

// invalidError is an error of kind model.Invalid.
type invalidError struct{ text string }

func (e *invalidError) Error() string { return e.text }
func (e *invalidError) Unwrap() error { return errInvalid }

func invalid(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...)}
}
