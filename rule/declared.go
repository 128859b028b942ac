package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Declared is a rule as it is written.
type Declared struct {
	File          string            `json:"file"`
	Group         string            `json:"group"`
	Alert         string            `json:"alert,omitempty"` // or Record
	Record        string            `json:"record,omitempty"`
	Expr          string            `json:"expr"`
	For           time.Duration     `json:"-"`
	KeepFiringFor time.Duration     `json:"-"`
	Labels        map[string]string `json:"labels,omitempty"` // with those of the group
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Name is the alert's, or the recorded metric's.
func (d Declared) Name() string { return d.Alert + d.Record }

// Declared returns all rules, in order of the files' names and as they stand there.
func (f *Files) Declared() []Declared {
	var out []Declared
	for _, name := range f.names {
		for _, g := range f.groups[name].Groups {
			for _, r := range g.Rules {
				all := maps.Clone(g.Labels)
				if all == nil {
					all = map[string]string{}
				}
				maps.Copy(all, r.Labels)
				out = append(out, Declared{
					File: name, Group: g.Name, Alert: r.Alert, Record: r.Record, Expr: strings.TrimSpace(r.Expr), For: time.Duration(r.For),
					KeepFiringFor: time.Duration(r.KeepFiringFor), Labels: all, Annotations: r.Annotations,
				})
			}
		}
	}
	return out
}

// Duplicates names the rules with the name and the labels of another one in the same file: of recorded series two of them may write different values
// at the same time.
func (f *Files) Duplicates() (texts []string) {
	seen, told := map[string]bool{}, map[string]bool{}
	for _, d := range f.Declared() {
		key := d.File + ": " + d.Name() + labels.FromMap(d.Labels).String()
		if seen[key] && !told[key] {
			told[key] = true
			texts = append(texts, fmt.Sprintf("%s: there are several rules %s with the labels %s", d.File, d.Name(), labels.FromMap(d.Labels)))
		}
		seen[key] = true
	}
	return texts
}

// LoadFile reads and checks one file, as Load does. With ignoreUnknown, keys that are not known are no error.
func LoadFile(name string, ignoreUnknown bool, p parser.Parser) (*Files, []error) {
	text, err := readRegular(name)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", name, err)}
	}
	groups, errs := parseLoosely(text, ignoreUnknown, p)
	if len(errs) == 0 && manyDocuments(text) {
		errs = append(errs, errManyDocuments)
	}
	if len(errs) > 0 {
		all := slices.Clone(errs)
		for i, err := range all {
			all[i] = fmt.Errorf("%s: %s", name, explain(err))
		}
		return nil, all
	}
	f := &Files{}
	f.put(name, groups)
	return f, nil
}

// DefaultFiles are the default rules, all of them, each topic as a file of its name.
func DefaultFiles() (*Files, error) {
	f := &Files{}
	for _, topic := range Topics() {
		text, err := DefaultText(topic)
		if err != nil {
			return nil, err
		}
		groups, errs := parse([]byte(text), parser.NewParser(parser.Options{}))
		if len(errs) > 0 {
			return nil, fmt.Errorf("BUG: the default rules %s: %w", topic, errs[0])
		}
		f.put(topic, groups)
	}
	return f, nil
}
