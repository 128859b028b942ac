package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds one rule file. The largest collections of public rules are below 2 MB in one file; a
// pattern that catches a device or a log must not fill the memory.
const maxFileBytes = 16 << 20

// Files is a checked set of rule files.
type Files struct {
	names  []string // sorted, each once
	groups map[string]*rulefmt.RuleGroups
}

// Names returns the files, sorted.
func (f *Files) Names() []string { return slices.Clone(f.names) }

// Counts returns the number of groups and of rules.
func (f *Files) Counts() (groups, rules int) {
	for _, file := range f.groups {
		groups += len(file.Groups)
		for _, g := range file.Groups {
			rules += len(g.Rules)
		}
	}
	return groups, rules
}

// put adds a set under a name.
func (f *Files) put(name string, groups *rulefmt.RuleGroups) {
	if f.groups == nil {
		f.groups = map[string]*rulefmt.RuleGroups{}
	}
	at, there := slices.BinarySearch(f.names, name)
	if !there {
		f.names = slices.Insert(f.names, at, name)
	}
	f.groups[name] = groups
}

// add takes another set into this one.
func (f *Files) add(other *Files) {
	if other == nil {
		return
	}
	for name, groups := range other.groups {
		f.put(name, groups)
	}
}

// Load reads and checks the files that the patterns (file names or globs, as in `rule_files`) name, with
// Prometheus' strictness: unknown keys, expressions and templates that cannot be parsed, and repeated group
// names are errors. The error joins what is wrong in all files, each with its file and, where it is known, line
// and column. The warnings name patterns that match no file, which is no error: Prometheus accepts it.
func Load(patterns []string, p parser.Parser) (files *Files, warnings []string, err error) {
	names, warnings, err := expand(patterns)
	if err != nil {
		return nil, nil, err
	}
	files = &Files{names: names, groups: make(map[string]*rulefmt.RuleGroups, len(names))}
	var errs []error
	for _, name := range names {
		groups, fileErrs := loadFile(name, p)
		errs = append(errs, fileErrs...)
		files.groups[name] = groups
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	return files, warnings, nil
}

func expand(patterns []string) (names, warnings []string, err error) {
	for _, pattern := range patterns {
		matched, err := filepath.Glob(pattern)
		if err != nil {
			return nil, nil, fmt.Errorf("rule_files: bad pattern %q: %w", pattern, err)
		}
		if len(matched) == 0 {
			warnings = append(warnings, fmt.Sprintf("rule_files: %q matches no file", pattern))
		}
		names = append(names, matched...)
	}
	slices.Sort(names)
	return slices.Compact(names), warnings, nil
}

func loadFile(name string, p parser.Parser) (*rulefmt.RuleGroups, []error) {
	text, err := readRegular(name)
	if err != nil {
		return nil, []error{fmt.Errorf("%s: %w", name, err)}
	}
	groups, errs := parse(text, p)
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %s", name, explain(err))
	}
	return groups, errs
}

var errManyDocuments = errors.New("the file holds more than one YAML document: put each into a file of its own")

// parse reads groups in Prometheus' form.
func parse(text []byte, p parser.Parser) (*rulefmt.RuleGroups, []error) {
	groups, errs := parseLoosely(text, false, p)
	if len(errs) == 0 && manyDocuments(text) {
		errs = append(errs, errManyDocuments)
	}
	return groups, errs
}

// parseLoosely reads groups as Prometheus does, which takes the first of several documents only.
func parseLoosely(text []byte, ignoreUnknown bool, p parser.Parser) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse(text, ignoreUnknown, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
}

// explain puts what the YAML decoder says about Go types into words for people.
func explain(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n")
	for _, t := range []string{"rulefmt.RuleGroups", "rulefmt.RuleGroup", "rulefmt.Rule"} {
		text = strings.ReplaceAll(text, "not found in type "+t, "is not known here")
	}
	return strings.TrimSpace(text)
}

func readRegular(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("the file has more than %d bytes", maxFileBytes)
	}
	return text, nil
}

// loader hands files that are already checked to Prometheus' manager, so that what is evaluated is what was
// checked even if a file changes in between.
type loader struct {
	files  *Files
	parser parser.Parser
}

var _ rules.GroupLoader = (*loader)(nil)

func (l *loader) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	groups, ok := l.files.groups[name]
	if !ok {
		return nil, []error{fmt.Errorf("BUG: rule file %s was not loaded", name)}
	}
	return groups, nil
}

func (l *loader) Parse(query string) (parser.Expr, error) { return l.parser.ParseExpr(query) }

// manyDocuments says whether text holds more than one YAML document, of which only the first would count.
func manyDocuments(text []byte) bool {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var node yaml.Node
	if d.Decode(&node) != nil {
		return false
	}
	return !errors.Is(d.Decode(&node), io.EOF)
}
