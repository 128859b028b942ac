package logql

import (
	"strings"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// packedEntry is the field of a packed line that holds the line that was packed.
const packedEntry = "_entry"

// unpackStep is | unpack: the line that was packed into an object becomes the line again, the object's other texts labels. An
// object without such a line stays as it is.
type unpackStep struct{}

func (unpackStep) run(r *record) bool {
	line := strings.TrimLeft(r.line, " \t\r\n")
	if line == "" {
		return true
	}
	if line[0] != '{' {
		r.fail(errJSON, detailsNoPacked)
		return true
	}
	r.json.Next(bytesOf(line))
	r.found = r.found[:0]
	entry, packed, seen := "", false, false
	err := r.json.Object(func(key string) error {
		seen = true
		if r.json.Kind() != jsonscan.String {
			return r.json.Skip()
		}
		value, err := r.json.Text()
		switch {
		case err != nil:
		case key == packedEntry:
			entry, packed = value, true
		case len(r.found) < maxParsed:
			r.found = append(r.found, model.Field{Name: r.keys.name(key), Value: value})
		}
		return err
	})
	switch {
	case err != nil && seen:
		r.fail(errJSON, detailsCutOff)
	case err != nil:
		r.fail(errJSON, detailsMalformed)
	case packed:
		for _, f := range r.found {
			r.put(f.Name, f.Value)
		}
		r.line = entry
	}
	return true
}
