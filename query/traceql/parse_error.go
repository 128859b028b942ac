package traceql

import (
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// errInvalid gives the errors of this package that a user can mend their kind.
var errInvalid = model.NewError(model.Invalid, "invalid query")

// errLimit gives the errors of limits their kind.
var errLimit = model.NewError(model.Limit, "limit of a query")

// ParseError says where a query is wrong, and how to mend it. Its kind is model.Invalid.
type ParseError struct {
	Pos     int // byte offset in the query
	Message string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("parse error at position %d: %s", e.Pos, e.Message)
}
func (e *ParseError) Unwrap() error { return errInvalid }

func errorAt(pos int, format string, args ...any) *ParseError {
	return &ParseError{Pos: pos, Message: fmt.Sprintf(format, args...)}
}

// queryError is an error of a kind.
type queryError struct {
	text string
	kind error
}

func (e *queryError) Error() string { return e.text }
func (e *queryError) Unwrap() error { return e.kind }

func invalid(format string, args ...any) error {
	return &queryError{fmt.Sprintf(format, args...), errInvalid}
}
func limited(format string, args ...any) error {
	return &queryError{fmt.Sprintf(format, args...), errLimit}
}

// shorten cuts a text so that it fits into an error.
func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
