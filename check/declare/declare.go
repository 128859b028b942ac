// Package declare reads the hosts and checks that people write in YAML:
//
//	hosts:
//	  - name: web1
//	    address: 10.0.0.7
//	    groups: [web]
//	    template: linux
//	templates:
//	  linux:
//	    checks:
//	      - ssh: {}
//	checks:
//	  - name: shop
//	    host_groups: [web]
//	    interval: 30s
//	    http: {path: /cart, status: [200]}
//
// A check is of the kind whose name is a key of it. What a template says holds where the entry itself says nothing.
package declare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/internal/suggest"
)

// Limits on what one declaration may hold.
const (
	maxChecks   = 200_000
	maxTemplate = 8 // templates of templates
)

// Options say what names mean.
type Options struct {
	// Kinds are the names of the kinds of checks.
	Kinds []string
	// Host is the name of the machine on which Hulotte runs, to which checks belong that name no host.
	Host string
	// HostKind is the kind of a host's own check where it has none; empty for none.
	HostKind string
	// Valid looks at a check before it is taken, such as at the options of its kind. Nil: everything is good.
	Valid func(check.Spec) error
}

// Declared is what was written.
type Declared struct {
	Hosts   []check.Host
	Specs   []check.Spec
	Periods map[string]json.RawMessage
}

// Document is one place where people declare: a file, or a section of one.
type Document struct {
	File string
	Node *yaml.Node // nil for nothing
}

// Problem is something that cannot be meant, with the file and line where it stands.
type Problem struct {
	File string
	Line int
	Text string
}

// Error is the text, with the line when it is known.
func (p Problem) Error() string {
	switch {
	case p.Line == 0:
		return p.Text
	case p.File == "":
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Read reads mappings with the keys hosts, templates, checks and periods; what one of them declares, all may use. Everything that
// is right is returned, with the problems of everything else.
func Read(o Options, docs ...Document) (Declared, []Problem) {
	r := reader{Options: o, templates: map[string]*yaml.Node{}, hosts: map[string]bool{}, groups: map[string][]string{}, ids: map[string]place{}}
	sections := make([]map[string]*yaml.Node, len(docs))
	for i, d := range docs {
		r.file = d.File
		if d.Node == nil || d.Node.Kind == 0 || isNull(resolve(d.Node)) {
			continue
		}
		sections[i] = r.mapping(d.Node, "the declaration", "hosts", "templates", "checks", "periods")
		r.readTemplates(sections[i]["templates"])
		r.readPeriods(sections[i]["periods"])
	}
	for i, d := range docs {
		r.file = d.File
		r.each(sections[i]["hosts"], "hosts", r.host)
	}
	for i, d := range docs {
		r.file = d.File
		r.each(sections[i]["checks"], "checks", func(n *yaml.Node) { r.check(n, "") })
	}
	return r.Declared, r.problems
}

type place struct {
	file string
	line int
}

func (p place) String() string {
	if p.file == "" {
		return fmt.Sprintf("on line %d", p.line)
	}
	return fmt.Sprintf("in %s:%d", p.file, p.line)
}

type reader struct {
	Options
	Declared
	file      string // that is read
	problems  []Problem
	templates map[string]*yaml.Node
	hosts     map[string]bool
	groups    map[string][]string // hosts by group
	ids       map[string]place    // of checks by ID
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	line := 0
	if n != nil {
		line = n.Line
	}
	p := Problem{File: r.file, Line: line, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(r.problems, p) { // a template is looked at for each that uses it
		r.problems = append(r.problems, p)
	}
}

// mapping returns the values of a mapping by key; with allowed keys, others are problems.
func (r *reader) mapping(n *yaml.Node, what string, allowed ...string) map[string]*yaml.Node {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s is no mapping: write keys, such as name:", what)
		return nil
	}
	out := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if len(allowed) > 0 && !slices.Contains(allowed, key) {
			r.fail(n.Content[i], "%s has no key %q%s", what, key, meant(key, allowed))
			continue
		}
		out[key] = n.Content[i+1]
	}
	return out
}

// each calls f with every entry of a list.
func (r *reader) each(n *yaml.Node, what string, f func(*yaml.Node)) {
	if n == nil || isNull(n) {
		return
	}
	n = resolve(n)
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s is no list: begin each entry with a dash", what)
		return
	}
	for _, e := range n.Content {
		f(e)
	}
}

func (r *reader) readTemplates(n *yaml.Node) {
	if n == nil || isNull(n) {
		return
	}
	for name, t := range r.mapping(n, "templates") {
		if resolve(t).Kind != yaml.MappingNode {
			r.fail(t, "template %q is no mapping", name)
			continue
		}
		r.templates[name] = resolve(t)
	}
}

func (r *reader) readPeriods(n *yaml.Node) {
	if n == nil || isNull(n) {
		return
	}
	if r.Periods == nil {
		r.Periods = map[string]json.RawMessage{}
	}
	for name, p := range r.mapping(n, "periods") {
		text, err := toJSON(p)
		if err != nil {
			r.fail(p, "period %q: %v", name, err)
			continue
		}
		r.Periods[name] = text
	}
}

// hostKeys are those of a host that are not check.Host's own.
var hostOnly = []string{"template", "templates", "checks", "check"}

func (r *reader) host(n *yaml.Node) {
	all := r.withTemplates(n, "a host")
	if all == nil {
		return
	}
	own := maps.Clone(all)
	for _, k := range hostOnly {
		delete(own, k)
	}
	var h check.Host
	if err := decode(own, &h); err != nil {
		r.fail(n, "host: %v", err)
		return
	}
	if err := checkName(h.Name); err != nil {
		r.fail(n, "the host's name %q %v", h.Name, err)
		return
	}
	if r.hosts[h.Name] {
		r.fail(n, "host %q stands there twice", h.Name)
		return
	}
	h.Source = ""
	r.hosts[h.Name] = true
	r.Hosts = append(r.Hosts, h)
	for _, g := range h.Groups {
		r.groups[g] = append(r.groups[g], h.Name)
	}
	r.hostCheck(n, all["check"], h)
	r.each(all["checks"], "checks of "+h.Name, func(c *yaml.Node) { r.check(c, h.Name) })
}

// hostCheck declares the check that says whether the host is up.
func (r *reader) hostCheck(n, declared *yaml.Node, h check.Host) {
	switch {
	case declared != nil && declared.Kind == yaml.ScalarNode && (declared.Value == "none" || declared.Value == "false"):
	case declared != nil:
		r.one(declared, []string{h.Name}, check.HostCheck)
	case r.HostKind != "" && h.Name != r.Host:
		r.add(n, check.Spec{Host: h.Name, Name: check.HostCheck, Kind: r.HostKind})
	}
}

// checkOnly are the keys of a check that are not check.Spec's own.
var checkOnly = []string{"template", "templates", "hosts", "host_groups"}

// check declares a check of a host, or of the hosts that it names itself.
func (r *reader) check(n *yaml.Node, host string) {
	if host != "" {
		r.one(n, []string{host}, "")
		return
	}
	all := r.withTemplates(n, "a check")
	if all == nil {
		return
	}
	hosts, err := r.hostsOf(all)
	if err != nil {
		r.fail(n, "%v", err)
		return
	}
	r.one(n, hosts, "")
}

func (r *reader) hostsOf(all map[string]*yaml.Node) ([]string, error) {
	var hosts, groups []string
	if h := all["host"]; h != nil {
		hosts = append(hosts, h.Value)
	}
	if err := decodeNode(all["hosts"], &hosts); err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	if err := decodeNode(all["host_groups"], &groups); err != nil {
		return nil, fmt.Errorf("host_groups: %w", err)
	}
	for _, g := range groups {
		if len(r.groups[g]) == 0 {
			return nil, fmt.Errorf("no host is in the group %q%s", g, meant(g, slices.Collect(maps.Keys(r.groups))))
		}
		hosts = append(hosts, r.groups[g]...)
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	for _, h := range hosts {
		if !r.hosts[h] && h != r.Host {
			return nil, fmt.Errorf("there is no host %q%s; declare it under hosts", h, meant(h, slices.Collect(maps.Keys(r.hosts))))
		}
	}
	if len(hosts) == 0 && len(groups) == 0 {
		hosts = []string{r.Host}
	}
	return hosts, nil
}

// one declares one check on each of some hosts.
func (r *reader) one(n *yaml.Node, hosts []string, name string) {
	all := r.withTemplates(n, "a check")
	if all == nil {
		return
	}
	kind, options, err := r.kindOf(all)
	if err != nil {
		r.fail(n, "%v", err)
		return
	}
	for _, k := range append([]string{"host", "kind", "options", kind}, checkOnly...) {
		delete(all, k)
	}
	var s check.Spec
	if err := decode(all, &s); err != nil {
		r.fail(n, "check: %v", err)
		return
	}
	s.Kind, s.Options, s.Source = kind, options, ""
	switch {
	case name != "":
		s.Name = name
	case s.Name == "":
		s.Name = kind
	}
	if err := checkName(s.Name); err != nil {
		r.fail(n, "the check's name %q %v", s.Name, err)
		return
	}
	for _, h := range hosts {
		s.Host = h
		r.add(n, s)
	}
}

func (r *reader) add(n *yaml.Node, s check.Spec) {
	if first, twice := r.ids[s.ID()]; twice {
		r.fail(n, "the check %q of %q stands there twice, first %s: give one of them another name", s.Name, s.Host, first)
		return
	}
	if len(r.Specs) >= maxChecks {
		if len(r.Specs) == maxChecks {
			r.fail(n, "there are more than %d checks", maxChecks)
		}
		return
	}
	if r.Valid != nil {
		if err := r.Valid(s); err != nil {
			r.fail(n, "check %q: %v", s.Name, err)
			return
		}
	}
	r.ids[s.ID()] = place{r.file, n.Line}
	r.Specs = append(r.Specs, s)
}

// kindOf finds the kind of a check, and its options: kind and options as keys, or the kind's name as a key.
func (r *reader) kindOf(all map[string]*yaml.Node) (string, json.RawMessage, error) {
	var named []string
	for _, k := range r.Kinds {
		if n := all[k]; n != nil && resolve(n).Tag != "!!bool" { // `passive: true` is a key of a check, and no kind
			named = append(named, k)
		}
	}
	options := all["options"]
	if k := all["kind"]; k != nil {
		named = append(named, k.Value)
	}
	if len(named) == 0 {
		keys := slices.Sorted(maps.Keys(all))
		for _, k := range keys {
			if p := meant(k, r.Kinds); p != "" {
				return "", nil, fmt.Errorf("the check has no kind: %q is none%s", k, p)
			}
		}
		return "", nil, errors.New("the check has no kind: write one as a key, such as http: {url: https://example.org/}")
	}
	if len(named) > 1 {
		return "", nil, fmt.Errorf("the check is of several kinds (%s): write one check for each", strings.Join(named, ", "))
	}
	kind := named[0]
	if !slices.Contains(r.Kinds, kind) {
		return "", nil, fmt.Errorf("there is no kind %q of checks%s", kind, meant(kind, r.Kinds))
	}
	if all[kind] != nil {
		options = all[kind]
	}
	if options == nil || isNull(options) {
		return kind, nil, nil
	}
	if resolve(options).Kind != yaml.MappingNode {
		return "", nil, fmt.Errorf("the options of %s are no mapping: write %s: {}, or keys below it", kind, kind)
	}
	text, err := toJSON(options)
	return kind, text, err
}

// withTemplates returns the values of a mapping, with those of its templates where it has none itself.
func (r *reader) withTemplates(n *yaml.Node, what string) map[string]*yaml.Node {
	return r.inherit(n, what, nil)
}

func (r *reader) inherit(n *yaml.Node, what string, above []string) map[string]*yaml.Node {
	all := r.mapping(n, what)
	if all == nil {
		return nil
	}
	var names []string
	if t := all["template"]; t != nil {
		names = append(names, t.Value)
	}
	if err := decodeNode(all["templates"], &names); err != nil {
		r.fail(n, "templates: %v", err)
	}
	delete(all, "template")
	delete(all, "templates")
	for _, name := range names {
		t := r.templates[name]
		switch {
		case t == nil:
			r.fail(n, "there is no template %q%s", name, meant(name, slices.Collect(maps.Keys(r.templates))))
			continue
		case slices.Contains(above, name):
			r.fail(t, "template %q uses itself", name)
			continue
		case len(above) >= maxTemplate:
			r.fail(t, "template %q uses templates more than %d deep", name, maxTemplate)
			continue
		}
		for k, v := range r.inherit(t, "template "+name, append(slices.Clip(above), name)) {
			if k == "name" {
				continue
			}
			all[k] = merge(all[k], v)
		}
	}
	return all
}

// merge puts a template's value under an entry's own: mappings key by key, lists of checks one after the other.
func merge(own, template *yaml.Node) *yaml.Node {
	if own == nil {
		return template
	}
	a, b := resolve(own), resolve(template)
	switch {
	case a.Kind == yaml.MappingNode && b.Kind == yaml.MappingNode:
		out := *a
		out.Content = slices.Clone(a.Content)
		for i := 0; i < len(b.Content); i += 2 {
			if j := indexKey(a, b.Content[i].Value); j >= 0 {
				out.Content[j+1] = merge(a.Content[j+1], b.Content[i+1])
			} else {
				out.Content = append(out.Content, b.Content[i], b.Content[i+1])
			}
		}
		return &out
	case a.Kind == yaml.SequenceNode && b.Kind == yaml.SequenceNode && len(b.Content) > 0 && resolve(b.Content[0]).Kind == yaml.MappingNode:
		out := *a
		out.Content = slices.Concat(b.Content, a.Content)
		return &out
	}
	return own
}

func indexKey(n *yaml.Node, key string) int {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// meant is the end of a message about a name that does not exist: what was probably meant.
func meant(name string, names []string) string {
	if c := suggest.Closest(name, names); c != "" {
		return fmt.Sprintf(": did you mean %q?", c)
	}
	return ""
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode || n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		} else {
			n = n.Content[0]
		}
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// decode puts a mapping into a struct with json tags; unknown keys are errors.
func decode(values map[string]*yaml.Node, into any) error {
	raw := map[string]json.RawMessage{}
	for k, n := range values {
		text, err := toJSON(n)
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
		raw[k] = text
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return plain(dec.Decode(into))
}

// Decode puts a mapping into a struct with json tags; unknown keys are errors.
func Decode(n *yaml.Node, into any) error {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return errors.New("it is no mapping of keys to values")
	}
	values := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		values[n.Content[i].Value] = n.Content[i+1]
	}
	return decode(values, into)
}

// plain makes the errors of encoding/json those of a person who wrote YAML.
func plain(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return fmt.Errorf("%s is a %s, where a %s is meant", typed.Field, typed.Value, typed.Type)
	}
	if err != nil {
		return errors.New(strings.Replace(strings.TrimPrefix(err.Error(), "json: "), "unknown field", "there is no key", 1))
	}
	return nil
}

func decodeNode(n *yaml.Node, into *[]string) error {
	if n == nil || isNull(n) {
		return nil
	}
	var more []string
	if err := n.Decode(&more); err != nil {
		return errors.New("write a list of names")
	}
	*into = append(*into, more...)
	return nil
}

func toJSON(n *yaml.Node) (json.RawMessage, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("line %d cannot be used: keys are names", n.Line)
	}
	return text, nil
}

// checkName says why a name cannot be one of a host or a check.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("is missing")
	case len(name) > 150:
		return errors.New("is longer than 150 bytes")
	case strings.ContainsAny(name, "/\x00\n\r*"):
		return errors.New("holds a slash, a star or a line break")
	}
	return nil
}
