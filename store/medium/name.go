package medium

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

var errBadName = model.NewError(model.Invalid, "bad name")

// ValidName returns an error of kind Invalid that says what is wrong with the name of a journal, a blob or a kind of documents. A name has one
// or more parts with a slash between them; a part has 1 to MaxNamePart characters of a-z A-Z 0-9 ! - _ . * ' ( ), and
// is neither "." nor ".."; the whole has at most MaxName bytes. So every name is usable as a path, and a tenant's name as a part.
func ValidName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", errBadName, len(name), MaxName)
	}
	for part := range strings.SplitSeq(name, "/") {
		if err := validPart(part); err != nil {
			return fmt.Errorf("%w %q: %w", errBadName, name, err)
		}
	}
	return nil
}

func validPart(part string) error {
	switch {
	case part == "":
		return fmt.Errorf("it has an empty part")
	case part == ".", part == "..":
		return fmt.Errorf("the part %q is not allowed", part)
	case len(part) > MaxNamePart:
		return fmt.Errorf("a part of it has %d bytes, at most %d are allowed", len(part), MaxNamePart)
	}
	for _, r := range part {
		if !nameRune(r) {
			return fmt.Errorf("the character %q is not allowed, only letters, digits, slashes and !-_.*'()", r)
		}
	}
	return nil
}

func nameRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return strings.ContainsRune("!-_.*'()", r)
}

// ValidKey returns an error of kind Invalid that says what is wrong with a document's key: it has 1 to MaxName bytes of UTF-8 without
// control characters.
func ValidKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: a document's key is empty", errBadName)
	case len(key) > MaxName:
		return fmt.Errorf("%w: a document's key has %d bytes, at most %d are allowed", errBadName, len(key), MaxName)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: the document's key %q is not UTF-8", errBadName, key)
	}
	for _, r := range key {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("%w: the document's key %q has a control character", errBadName, key)
		}
	}
	return nil
}

// ValidDocument returns an error that says what is wrong with a document that is to be written: of kind Invalid, or ErrTooLarge.
func ValidDocument(kind, key string, value []byte) error {
	if err := ValidName(kind); err != nil {
		return fmt.Errorf("kind of a document: %w", err)
	}
	if err := ValidKey(key); err != nil {
		return err
	}
	if len(value) > MaxDocument {
		return fmt.Errorf("document %s %q has %d bytes, at most %d are allowed: %w", kind, key, len(value), MaxDocument, ErrTooLarge)
	}
	if !json.Valid(value) {
		return fmt.Errorf("document %s %q: %w", kind, key, errBadJSON)
	}
	return nil
}

var errBadJSON = model.NewError(model.Invalid, "its value is not JSON")
