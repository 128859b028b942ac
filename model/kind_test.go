package model

import (
	"errors"
	"fmt"
	"testing"
)

func TestKindOf(t *testing.T) {
	f := func(err error, want Kind) {
		t.Helper()
		if got := KindOf(err); got != want {
			t.Errorf("KindOf(%v) = %q, want %q", err, got, want)
		}
	}
	full := NewError(Unavailable, "disk full")
	f(nil, "")
	f(full, Unavailable)
	f(fmt.Errorf("cannot write: %w", full), Unavailable)
	f(fmt.Errorf("cannot write: %w: %w", errors.New("other"), full), Unavailable)
	f(errors.New("other"), Internal)
}
