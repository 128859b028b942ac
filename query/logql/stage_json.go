package logql

import (
	"strings"
	"unsafe"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// The details of JSONParserErr, as users of Loki know them from their queries.
const (
	detailsNoObject   = "Value looks like object, but can't find closing '}' symbol"
	detailsCutOff     = "Value is array, but can't find closing ']' symbol"
	detailsMalformed  = "Malformed JSON error"
	detailsNoPacked   = "expecting json object(6), but it is not"
	detailsTooMany    = "the line has more fields than a record may have labels"
	jsonNameSeparator = "_"
)

// jsonAll is | json: every field of the object becomes a label, those of nested objects with their path joined by _.
type jsonAll struct{}

func (jsonAll) run(r *record) bool {
	line := strings.TrimLeft(r.line, " \t\r\n")
	if !strings.HasPrefix(line, "{") {
		r.fail(errJSON, detailsNoObject)
		return true
	}
	r.json.Next(bytesOf(line))
	seen := false
	err := r.jsonObject("", &seen)
	if err == nil {
		err = r.json.End()
	}
	switch {
	case r.full():
		r.fail(errJSON, detailsTooMany)
	case err == nil:
	case seen && r.json.Pos() >= len(line):
		r.fail(errJSON, detailsCutOff)
	default:
		r.fail(errJSON, detailsMalformed)
	}
	return true
}

// jsonObject puts the fields of an object whose own name is prefix.
func (r *record) jsonObject(prefix string, seen *bool) error {
	return r.json.Object(func(key string) error {
		kind := r.json.Kind()
		switch kind {
		case jsonscan.Object:
			return r.jsonObject(r.jsonName(prefix, key)+jsonNameSeparator, seen)
		case jsonscan.String, jsonscan.Number, jsonscan.Bool:
			value, err := r.json.Scalar()
			if err == nil {
				*seen = true
				r.put(r.jsonName(prefix, key), value)
			}
			return err
		}
		return r.json.Skip()
	})
}

func (r *record) jsonName(prefix, key string) string {
	if prefix == "" {
		return r.keys.name(key)
	}
	r.keys.buf = append(append(r.keys.buf[:0], prefix...), key...)
	return r.keys.lookup(r.keys.buf)
}

// bytesOf returns the bytes of s, which nobody may change.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// jsonSome is | json a="x.y[0]": only these become labels.
type jsonSome struct {
	names []string
	root  *jsonWanted
}

// jsonWanted is a value of which some parts are wanted: which of the names it gives itself, and those in its fields or items.
type jsonWanted struct {
	names  []int
	fields map[string]*jsonWanted
	items  map[int]*jsonWanted
}

func compileJSON(s *JSONParser) (step, error) {
	if len(s.Extractions) == 0 {
		return jsonAll{}, nil
	}
	out := &jsonSome{root: &jsonWanted{}}
	for i, x := range s.Extractions {
		path, err := parseJSONPath(x.Expression)
		if err != nil {
			return nil, err
		}
		out.names = append(out.names, x.Name)
		at := out.root
		for _, p := range path {
			at = at.child(p)
		}
		at.names = append(at.names, i)
	}
	return out, nil
}

func (w *jsonWanted) child(p jsonStep) *jsonWanted {
	if p.field {
		if w.fields == nil {
			w.fields = map[string]*jsonWanted{}
		}
		if w.fields[p.name] == nil {
			w.fields[p.name] = &jsonWanted{}
		}
		return w.fields[p.name]
	}
	if w.items == nil {
		w.items = map[int]*jsonWanted{}
	}
	if w.items[p.index] == nil {
		w.items[p.index] = &jsonWanted{}
	}
	return w.items[p.index]
}

func (s *jsonSome) run(r *record) bool {
	line := strings.TrimLeft(r.line, " \t\r\n")
	if line == "" {
		return true
	}
	if c := line[0]; c != '{' && c != '[' && c != '"' {
		r.fail(errJSON, "")
		return true
	}
	r.found = r.found[:0]
	for range s.names {
		r.found = append(r.found, model.Field{})
	}
	r.json.Next(bytesOf(line))
	_ = r.jsonWanted(s.root, true) // what is found before a mistake counts
	for i, name := range s.names {
		r.put(name, r.found[i].Value)
	}
	return true
}

// jsonWanted reads the next value.
func (r *record) jsonWanted(w *jsonWanted, top bool) error {
	if len(w.names) > 0 {
		return r.jsonTake(w)
	}
	switch kind := r.json.Kind(); {
	case kind == jsonscan.Object && w.fields != nil:
		return r.json.Object(func(key string) error { return r.jsonPart(w.fields[key]) })
	case kind == jsonscan.Array && w.items != nil:
		i := -1
		return r.json.Array(func() error {
			i++
			return r.jsonPart(w.items[i])
		})
	}
	if top {
		return nil
	}
	return r.json.Skip()
}

func (r *record) jsonPart(w *jsonWanted) error {
	if w == nil {
		return r.json.Skip()
	}
	return r.jsonWanted(w, false)
}

// jsonTake takes a value that is wanted as a whole, and looks into it when parts of it are wanted too.
func (r *record) jsonTake(w *jsonWanted) error {
	var value string
	var err error
	switch r.json.Kind() {
	case jsonscan.Object, jsonscan.Array:
		if value, err = r.json.Raw(); err == nil && (w.fields != nil || w.items != nil) {
			inner := record{found: r.found, json: jsonscan.New(bytesOf(value))}
			err = inner.jsonWanted(&jsonWanted{fields: w.fields, items: w.items}, true)
		}
	default:
		value, err = r.json.Scalar()
	}
	if err != nil {
		return err
	}
	for _, i := range w.names {
		if r.found[i].Name == "" { // the first of several
			r.found[i] = model.Field{Name: "found", Value: value}
		}
	}
	return nil
}
