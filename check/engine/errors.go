package engine

import (
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/model"
)

var (
	errInvalid  = model.NewError(model.Invalid, "invalid")
	errNotFound = model.NewError(model.NotFound, "not found")
	errLoading  = model.NewError(model.Unavailable, "what is kept about checks is not loaded yet: try again in a moment")
	errNewer    = model.NewError(model.Corrupt, "it was written by a newer version")
	errPanic    = errors.New("it panicked")
)

// withKind gives an error a kind without changing its text.
type withKind struct{ kind, cause error }

func (w withKind) Error() string   { return w.cause.Error() }
func (w withKind) Unwrap() []error { return []error{w.kind, w.cause} }

func invalid(err error) error { return withKind{errInvalid, err} }

func noCheck(id string) error {
	return withKind{errNotFound, fmt.Errorf("there is no check %q: name it host/check", id)}
}
