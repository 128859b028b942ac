package logql

import (
	"strings"

	"github.com/hulotte-dev/hulotte/store"
)

// lineNeedles is a hint on a field of the lines, as a condition on their text: a line without one of these strings does not have the
// field with one of these values, unless it has escapes.
type lineNeedles struct {
	any    []string
	stored store.Column // of records that have it, this field decides and not the line
}

// beginNeedles takes the hints that hold for a batch, so that lines which cannot pass need no parsing.
func (r *runner) beginNeedles(b store.EventBatch) {
	r.needles = r.needles[:0]
	for i := range r.p.hints {
		h := &r.p.hints[i]
		if h.Source != store.Stored && h.Any != nil && !r.stream.Has(h.Name) {
			r.needles = append(r.needles, lineNeedles{h.Any, b.Column(h.Name)})
		}
	}
}

// hopeless says whether row i cannot pass.
func (r *runner) hopeless(i int) bool {
	for k := range r.needles {
		n := &r.needles[k]
		if !n.stored.Has(i) && !containsOne(r.lines[i], n.any, false) && strings.IndexByte(r.lines[i], '\\') < 0 {
			return true
		}
	}
	return false
}
