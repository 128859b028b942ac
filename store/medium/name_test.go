package medium

import (
	"errors"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

func TestValidName(t *testing.T) {
	ok := func(name string) {
		t.Helper()
		if err := ValidName(name); err != nil {
			t.Errorf("ValidName(%q) = %v, want nil", name, err)
		}
	}
	bad := func(name, want string) {
		t.Helper()
		err := ValidName(name)
		if err == nil || !strings.Contains(err.Error(), want) || model.KindOf(err) != model.Invalid {
			t.Errorf("ValidName(%q) = %v, want an invalid with %q", name, err, want)
		}
	}
	part := strings.Repeat("x", MaxNamePart)
	ok("a")
	ok("node-1/events")
	ok("(it's)!*/._-")
	ok(part + "/" + part)
	bad("", "empty part")
	bad("/a", "empty part")
	bad("a//b", "empty part")
	bad("a/", "empty part")
	bad("../a", `".."`)
	bad("a/.", `"."`)
	bad("a b", `' '`)
	bad("ü", `'ü'`)
	bad("a\x00b", `'\x00'`)
	bad(part+"x", "201 bytes")
	bad(part+"/"+part+"/"+part, "602 bytes")
}

func TestValidDocument(t *testing.T) {
	ok := func(kind, key, value string) {
		t.Helper()
		if err := ValidDocument(kind, key, []byte(value)); err != nil {
			t.Errorf("ValidDocument(%q, %q, %.20q) = %v, want nil", kind, key, value, err)
		}
	}
	bad := func(kind, key, value string, kindOfError model.Kind, want string) {
		t.Helper()
		err := ValidDocument(kind, key, []byte(value))
		if err == nil || !strings.Contains(err.Error(), want) || model.KindOf(err) != kindOfError {
			t.Errorf("ValidDocument(%q, %q, %.20q) = %v, want an error of kind %s with %q", kind, key, value, err, kindOfError, want)
		}
	}
	large := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	ok("k", "any key, even ü/../é", "{}")
	ok("block/2026-11-22", "k", large(MaxDocument))
	bad("", "k", "{}", model.Invalid, "empty part")
	bad("k", "", "{}", model.Invalid, "empty")
	bad("k", "a\nb", "{}", model.Invalid, "control character")
	bad("k", "a\xff", "{}", model.Invalid, "UTF-8")
	bad("k", strings.Repeat("x", MaxName+1), "{}", model.Invalid, "513 bytes")
	bad("k", "k", "", model.Invalid, "not JSON")
	bad("k", "k", "{", model.Invalid, "not JSON")
	bad("k", "k", large(MaxDocument+1), model.Limit, "at most 1048576")
}

func TestErrorsHaveKinds(t *testing.T) {
	for err, want := range map[error]model.Kind{
		ErrNotFound: model.NotFound, ErrExists: model.Conflict, ErrConflict: model.Conflict, ErrInUse: model.Conflict,
		ErrNoSpace: model.Unavailable, ErrTooLarge: model.Limit, ErrClosed: model.Unavailable, ErrReadOnly: model.Invalid,
		ErrCorrupt: model.Corrupt, ErrUncertain: model.Unavailable,
	} {
		if got := model.KindOf(errors.Join(err, errors.New("cause"))); got != want {
			t.Errorf("KindOf(%v) = %q, want %q", err, got, want)
		}
	}
}
