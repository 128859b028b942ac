// Package fields finds out what log records have besides their text: the labels of their streams, the fields stored with
// them, and those that can be read from their lines as JSON or logfmt; of each field its type, how many values it has and
// which of them are the most frequent. Memory is bounded whatever the records hold.
package fields

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Source is where a field comes from.
type Source string

// The sources, in the order in which fields are listed.
const (
	Label    Source = "label"    // of the stream
	Metadata Source = "metadata" // stored with the record
	Parsed   Source = "parsed"   // made by the query
	JSON     Source = "json"     // found in the line
	Logfmt   Source = "logfmt"   // found in the line
)

var sources = []Source{Label, Metadata, Parsed, JSON, Logfmt}

// Options bound a Detector. The zero value means the defaults.
type Options struct {
	// MaxFields is how many fields are told apart, 1,000; further ones are not seen.
	MaxFields int
	// MaxValues is how many values of a field are counted at a time, 1,000. With more of them counts are lower bounds.
	MaxValues int
	// Only, when it is not empty, is the one field that is looked at.
	Only string
}

// Record is what is looked at of a record. Nothing of it is kept but copies.
type Record struct {
	Stream           labels.Labels
	Line             string
	Metadata, Parsed labels.Labels
}

// Detector collects fields. It is for one goroutine.
type Detector struct {
	options Options
	seed    maphash.Seed
	fields  map[Source]map[string]*field
	count   int
	missed  int64
	objects objects
}

// New returns a Detector that has seen nothing.
func New(o Options) *Detector {
	if o.MaxFields == 0 {
		o.MaxFields = 1000
	}
	if o.MaxValues == 0 {
		o.MaxValues = 1000
	}
	d := &Detector{options: o, seed: maphash.MakeSeed(), fields: map[Source]map[string]*field{}}
	for _, s := range sources {
		d.fields[s] = map[string]*field{}
	}
	return d
}

// Add looks at a record.
func (d *Detector) Add(r Record) {
	r.Stream.Range(func(l labels.Label) { d.see(Label, l.Name, l.Value, nil) })
	r.Metadata.Range(func(l labels.Label) { d.see(Metadata, l.Name, l.Value, nil) })
	r.Parsed.Range(func(l labels.Label) { d.see(Parsed, l.Name, l.Value, nil) })
	line := strings.TrimLeft(r.Line, " \t")
	if strings.HasPrefix(line, "{") && d.addJSON(&r, line) {
		return
	}
	d.addLogfmt(&r, line)
}

// found takes note of a field of the line, under the name that LogQL's parsers give it.
func (d *Detector) found(r *Record, s Source, name, value string, path []string) {
	if name == "" {
		return
	}
	if r.Parsed.Has(name) || r.Parsed.Has(name+"_extracted") {
		return // the query has read it already
	}
	if r.Stream.Has(name) || r.Metadata.Has(name) {
		name += "_extracted"
	}
	d.see(s, name, value, path)
}

func (d *Detector) see(s Source, name, value string, path []string) {
	if d.options.Only != "" && d.options.Only != name || value == "" {
		return
	}
	f := d.fields[s][name]
	if f == nil {
		if d.count >= d.options.MaxFields {
			d.missed++
			return
		}
		d.count++
		f = newField(d.options.MaxValues)
		for _, p := range path {
			f.path = append(f.path, strings.Clone(p))
		}
		d.fields[s][strings.Clone(name)] = f
	}
	f.see(value, maphash.String(d.seed, value))
}

// Missed is how many values belonged to fields for which there was no room.
func (d *Detector) Missed() int64 { return d.missed }

// Field is what was found out about a field.
type Field struct {
	Name        string
	Source      Source
	Type        Type
	Count       int64 // records that have it
	Cardinality int64 // different values
	Exact       bool  // Cardinality and the counts of values are exact
	Values      []Value
	Min, Max    float64  // of the numbers, when Type is one
	JSONPath    []string // the keys from the top of the line, for JSON
}

// Value is a value with the number of records that have it.
type Value struct {
	Value string
	Count int64
}

// Fields returns what was found, by source, and of a source those that most records have first. Of the values the most frequent
// come first; there are at most Options.MaxValues.
func (d *Detector) Fields() []Field {
	var out []Field
	for _, s := range sources {
		from := len(out)
		for name, f := range d.fields[s] {
			out = append(out, f.result(s, name))
		}
		slices.SortFunc(out[from:], func(a, b Field) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
		})
	}
	return out
}
