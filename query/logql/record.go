package logql

import (
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// The labels that tell what went wrong in a pipeline, and the values of the first.
const (
	labelError        = "__error__"
	labelErrorDetails = "__error_details__"

	errJSON        = "JSONParserErr"
	errLogfmt      = "LogfmtParserErr"
	errLabelFilter = "LabelFilterErr"
	errTemplate    = "TemplateFormatErr"
)

// extractedSuffix is put behind the name of a parsed label that the stream or the record has already.
const extractedSuffix = "_extracted"

// record is one record on its way through a pipeline. A name is in one of base, meta and parsed only, except that meta hides base.
type record struct {
	time int64
	line string

	stored []model.Field // the record's fields as they are stored, for any()
	base   []model.Field // labels of the stream; shared, so never written to
	meta   []model.Field
	parsed []model.Field
	own    []model.Field // memory for base once a stage takes labels away

	err, details string

	want *names // the labels that matter; nil: all

	// What the steps need for their work, and use again for every record.
	keys    keyCache
	json    *jsonscan.Scanner
	found   []model.Field
	bound   []*boundTemplate // by textTemplate.index
	dataMap map[string]string
}

// maxParsed bounds the labels that parsers make of one line: more would make every look at them slow.
const maxParsed = 1000

// full says whether the record has as many parsed labels as it may.
func (r *record) full() bool { return len(r.parsed) >= maxParsed }

// names is a small set of names.
type names struct{ list []string }

func (n *names) has(name string) bool {
	if n == nil {
		return true
	}
	for _, s := range n.list {
		if s == name {
			return true
		}
	}
	return false
}

func (n *names) add(name string) {
	if !n.has(name) {
		n.list = append(n.list, name)
	}
}

func find(fields []model.Field, name string) int {
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// get returns a label.
func (r *record) get(name string) (string, bool) {
	switch name {
	case labelError:
		return r.err, r.err != ""
	case labelErrorDetails:
		return r.details, r.details != ""
	}
	if i := find(r.parsed, name); i >= 0 {
		return r.parsed[i].Value, true
	}
	if i := find(r.meta, name); i >= 0 {
		return r.meta[i].Value, true
	}
	if i := find(r.base, name); i >= 0 {
		return r.base[i].Value, true
	}
	return "", false
}

// put adds what a parser found. The first of several values of one name stays; a name that the stream or the record has gets a
// suffix.
func (r *record) put(name, value string) {
	if isErrorLabel(name) || find(r.base, name) >= 0 || find(r.meta, name) >= 0 { // lines cannot make errors
		name += extractedSuffix
	}
	if name == "" || r.full() || !r.want.has(name) || find(r.parsed, name) >= 0 {
		return
	}
	r.parsed = append(r.parsed, model.Field{Name: name, Value: value})
}

// set gives a label a value, wherever it came from: from now on it is a parsed one.
func (r *record) set(name, value string) {
	switch name {
	case labelError:
		r.err = value
		return
	case labelErrorDetails:
		r.details = value
		return
	}
	if i := find(r.parsed, name); i >= 0 {
		r.parsed[i].Value = value
		return
	}
	r.remove(name)
	r.parsed = append(r.parsed, model.Field{Name: name, Value: value})
}

// remove takes a label away.
func (r *record) remove(name string) {
	r.filter(func(f model.Field) bool { return f.Name != name })
	switch name {
	case labelError:
		r.err = ""
	case labelErrorDetails:
		r.details = ""
	}
}

// filter keeps the labels for which keep is true.
func (r *record) filter(keep func(model.Field) bool) {
	drop := func(f model.Field) bool { return !keep(f) }
	r.parsed = slices.DeleteFunc(r.parsed, drop)
	r.meta = slices.DeleteFunc(r.meta, drop)
	if slices.ContainsFunc(r.base, drop) {
		r.own = append(r.own[:0], r.base...)
		r.own = slices.DeleteFunc(r.own, drop)
		r.base = r.own
	}
}

func (r *record) fail(err, details string) { r.err, r.details = err, details }

// each calls f with every label, in no order.
func (r *record) each(f func(name, value string)) {
	r.eachStream(f)
	r.eachStructured(f)
	r.eachMade(f)
}

// eachStream calls f with the labels that are left of the stream's, eachStructured with those of the record's stored fields, and
// eachMade with those that the steps made, the error among them.
func (r *record) eachStream(f func(name, value string)) {
	for _, l := range r.base {
		if find(r.meta, l.Name) < 0 {
			f(l.Name, l.Value)
		}
	}
}

func (r *record) eachStructured(f func(name, value string)) {
	for _, l := range r.meta {
		f(l.Name, l.Value)
	}
}

func (r *record) eachMade(f func(name, value string)) {
	for _, l := range r.parsed {
		f(l.Name, l.Value)
	}
	if r.err != "" {
		f(labelError, r.err)
	}
	if r.details != "" {
		f(labelErrorDetails, r.details)
	}
}

// keyCache makes label names of the keys in lines, and remembers them.
type keyCache struct {
	names map[string]string
	buf   []byte
}

// maxKeys bounds the cache: lines with other keys each time must not fill the memory.
const maxKeys = 10_000

// name returns the label name of a key.
func (k *keyCache) name(key string) string {
	if isPlainName(key) {
		return key
	}
	return k.lookup([]byte(key))
}

// lookup is name for the bytes of a key.
func (k *keyCache) lookup(key []byte) string {
	if n, ok := k.names[string(key)]; ok {
		return n
	}
	if k.names == nil || len(k.names) >= maxKeys {
		k.names = map[string]string{}
	}
	s := string(key)
	n := s
	if !isPlainName(s) {
		n = sanitize(s)
	}
	k.names[s] = n
	return n
}

func isPlainName(s string) bool {
	if s == "" || isDigit(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isNamePart(s[i]) {
			return false
		}
	}
	return true
}

// sanitize makes a label name of any text: characters that a name cannot have become _, and a digit at the beginning gets one.
func sanitize(s string) string {
	var b strings.Builder
	if s != "" && isDigit(s[0]) {
		b.WriteByte('_')
	}
	for _, c := range s {
		if c < 0x80 && isNamePart(byte(c)) {
			b.WriteRune(c)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}
