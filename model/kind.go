package model

import "errors"

// Kind says what sort of failure an error is. It crosses packages and the wire, where texts do not.
type Kind string

// The kinds. An error without one is Internal.
const (
	Invalid     Kind = "invalid"     // the input is wrong: sending it again is useless
	NotFound    Kind = "not_found"   // what was asked for does not exist
	Conflict    Kind = "conflict"    // it is not in the state that the caller expected
	Limit       Kind = "limit"       // a configured limit is reached
	Unavailable Kind = "unavailable" // it cannot be done now; later it may
	Corrupt     Kind = "corrupt"     // what was stored cannot be read
	Internal    Kind = "internal"    // anything else
)

// NewError returns an error of a kind, for a package's own error values.
func NewError(kind Kind, text string) error { return &kindError{kind, text} }

type kindError struct {
	kind Kind
	text string
}

func (e *kindError) Error() string { return e.text }

// KindOf returns the kind of err or of the first error in it that has one, else Internal; "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var k *kindError
	if errors.As(err, &k) {
		return k.kind
	}
	return Internal
}
