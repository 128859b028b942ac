package logql

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// frame is the labels of a batch's records as columns, while steps go over them without looking at single records. Where the columns
// cannot tell what the steps would do with each record, it answers false, and the records are looked at one by one.
type frame struct {
	batch  store.EventBatch
	stream labels.Labels
	stored []string // names of stored fields

	parsed store.ParsedLines
	source store.Source
	keys   map[string]string // by label: the key in the lines
	names  []string          // of keys, in their order

	drop, keep []string
	keeping    bool

	cache []namedColumn
}

type namedColumn struct {
	name   string
	column store.Column
	ok     bool
}

func (f *frame) reset(b store.EventBatch) {
	f.batch, f.stream, f.stored = b, b.Stream(), b.FieldNames()
	f.parsed, f.names, f.keeping = nil, f.names[:0], false
	f.drop, f.keep, f.cache = f.drop[:0], f.keep[:0], f.cache[:0]
}

// parse adds the fields of the lines.
func (f *frame) parse(s store.Source, keys *keyCache) bool {
	p, ok := f.batch.Parsed(s)
	if !ok || f.parsed != nil || len(f.drop) > 0 || f.keeping {
		return false
	}
	if f.keys == nil {
		f.keys = map[string]string{}
	}
	clear(f.keys)
	for _, key := range p.Names() {
		name := keys.name(key)
		if _, double := f.keys[name]; double || name == "" || hasExtractedSuffix(name) || isErrorLabel(name) {
			return false
		}
		f.keys[name] = key
		f.names = append(f.names, name)
	}
	f.parsed, f.source, f.cache = p, s, f.cache[:0]
	return len(f.names) <= maxParsed
}

// column returns a label.
func (f *frame) column(name string) (store.Column, bool) {
	for i := range f.cache {
		if f.cache[i].name == name {
			return f.cache[i].column, f.cache[i].ok
		}
	}
	c, ok := f.find(name)
	f.cache = append(f.cache, namedColumn{name, c, ok})
	return c, ok
}

func (f *frame) find(name string) (store.Column, bool) {
	if isErrorLabel(name) || f.gone(name) {
		return store.Column{}, true
	}
	own, ok := f.unparsed(name)
	if f.parsed == nil || !ok {
		return own, ok
	}
	if key, ok := f.keys[name]; ok {
		switch {
		case own.Absent():
			return f.fromLines(key), true
		case own.Missing != nil: // some records have it, and the others take it from the line
			return store.Column{}, false
		}
		return own, true
	}
	if base, is := strings.CutSuffix(name, extractedSuffix); is && own.Absent() {
		if key, ok := f.keys[base]; ok {
			taken, ok := f.unparsed(base)
			if !ok || !taken.Absent() && taken.Missing != nil {
				return store.Column{}, false
			}
			if !taken.Absent() {
				return f.fromLines(key), true
			}
		}
	}
	return own, true
}

// fromLines returns a field of the lines. Logfmt's have no empty values.
func (f *frame) fromLines(key string) store.Column {
	c := f.parsed.Column(key)
	if f.source != store.Logfmt || !slices.Contains(c.Dict, "") && !slices.Contains(c.Texts, "") {
		return c
	}
	var missing bitmap
	missing.clear(f.batch.Len())
	for i := range f.batch.Len() {
		if c.Value(i) == "" {
			missing.set(i)
		}
	}
	c.Missing = missing.words
	return c
}

// unparsed returns a label of the stream or the records.
func (f *frame) unparsed(name string) (store.Column, bool) {
	c := f.batch.Column(name)
	if !f.stream.Has(name) {
		return c, true
	}
	if c.Absent() {
		return store.Column{Dict: []string{f.stream.Get(name)}}, true
	}
	return c, c.Missing == nil
}

func (f *frame) gone(name string) bool {
	for _, d := range f.drop {
		if d == name {
			return true
		}
	}
	if !f.keeping {
		return false
	}
	for _, k := range f.keep {
		if k == name {
			return false
		}
	}
	return true
}

// all returns every label as a column.
func (f *frame) all(to []namedColumn) ([]namedColumn, bool) {
	ok := true
	add := func(name string) {
		c, known := f.column(name)
		ok = ok && known
		if !c.Absent() {
			to = append(to, namedColumn{name: name, column: c})
		}
	}
	for _, name := range f.stored {
		add(name)
	}
	f.stream.Range(func(l labels.Label) {
		if c := f.batch.Column(l.Name); c.Absent() {
			add(l.Name)
		}
	})
	for _, name := range f.names {
		if own, known := f.unparsed(name); !known || !own.Absent() {
			add(name + extractedSuffix)
			if known && own.Missing != nil {
				ok = false
			}
			continue
		}
		add(name)
	}
	return to, ok
}

// columnar says whether all steps can be done on columns.
func (p *pipeline) columnar() bool {
	parser := false
	for _, s := range p.rest {
		switch s := s.(type) {
		case *condition:
		case jsonAll:
			if parser {
				return false
			}
			parser = true
		case *logfmtStep:
			if parser || s.names != nil || s.keepEmpty {
				return false
			}
			parser = true
		case *dropStep:
			if !namesOnly(s.labels) {
				return false
			}
		case *keepStep:
			if !namesOnly(s.labels) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func namesOnly(list []LabelChoice) bool {
	for _, c := range list {
		if c.Matcher != nil {
			return false
		}
	}
	return true
}

// selectColumns does the steps on the columns of the runner's frame; false means that they cannot tell.
func (r *runner) selectColumns(b store.EventBatch) bool {
	f := &r.frame
	f.reset(b)
	r.sel.fill(b.Len())
	for _, s := range r.p.rest {
		ok := true
		switch s := s.(type) {
		case jsonAll:
			ok = f.parse(store.JSON, &r.record.keys)
		case *logfmtStep:
			ok = f.parse(store.Logfmt, &r.record.keys)
		case *condition:
			ok = r.filterColumns(s, &r.sel)
		case *dropStep:
			f.drop, f.cache = append(f.drop, choiceNames(s.labels)...), f.cache[:0]
		case *keepStep:
			ok = !f.keeping
			f.keep, f.keeping, f.cache = append(f.keep, choiceNames(s.labels)...), true, f.cache[:0]
		}
		if !ok {
			return false
		}
		if r.sel.empty() && f.parsed == nil && len(f.drop) == 0 {
			return true
		}
	}
	return true
}

// filterColumns takes the rows out of sel that do not pass.
func (r *runner) filterColumns(c *condition, sel *bitmap) bool {
	switch {
	case c.test != nil:
		return r.testColumn(c, sel)
	case c.and:
		return r.filterColumns(c.left, sel) && r.filterColumns(c.right, sel)
	}
	other := r.spare(sel)
	defer r.giveBack(other)
	if !r.filterColumns(c.left, sel) || !r.filterColumns(c.right, other) {
		return false
	}
	for i := range sel.words {
		sel.words[i] |= other.words[i]
	}
	return true
}

// testColumn tests one label of the selected rows. A value that a comparison cannot read makes the rows be looked at one by one.
func (r *runner) testColumn(c *condition, sel *bitmap) bool {
	col, ok := r.frame.column(c.name)
	if !ok {
		return false
	}
	clean := true
	test := func(v string, has bool) bool {
		pass, details := c.test(v, has)
		clean = clean && details == ""
		return pass
	}
	switch {
	case col.Absent() || col.Dict != nil && col.Codes == nil && col.Missing == nil:
		if !test(col.Value(0), !col.Absent()) {
			clear(sel.words)
		}
	case col.Dict != nil && col.Codes != nil:
		r.testDict(&col, sel, test)
	case col.Numbers != nil && c.number != nil:
		sel.filter(func(i int) bool { return col.Has(i) && c.number(col.Numbers[i]) })
	default:
		sel.filter(func(i int) bool { return test(col.Value(i), col.Has(i)) })
	}
	return clean
}

// The states of a value of a dictionary whose test is not done, failed or passed.
const (
	untested = iota
	failed
	passed
)

// testDict tests each value of a dictionary once, and only those that selected rows have.
func (r *runner) testDict(col *store.Column, sel *bitmap, test func(string, bool) bool) {
	r.verdicts = append(r.verdicts[:0], make([]uint8, len(col.Dict)+1)...)
	verdict := func(code int, v string, has bool) bool {
		if r.verdicts[code] == untested {
			r.verdicts[code] = failed
			if test(v, has) {
				r.verdicts[code] = passed
			}
		}
		return r.verdicts[code] == passed
	}
	sel.filter(func(i int) bool {
		if !col.Has(i) {
			return verdict(len(col.Dict), "", false)
		}
		code := col.Codes[i]
		return verdict(int(code), col.Dict[code], true)
	})
}
