package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/suggest"
	"go.yaml.in/yaml/v3"
)

// origin is where a value came from.
type origin struct {
	file string
	line int
	env  string
	flag string
}

func (o origin) String() string {
	switch {
	case o.flag != "":
		return "flag " + o.flag
	case o.env != "":
		return "environment " + o.env
	case o.file != "":
		return fmt.Sprintf("%s:%d", o.file, o.line)
	}
	return "default"
}

// errorAt returns an Error that points there.
func (o origin) errorAt(key, text string) Error {
	switch {
	case o.flag != "":
		return Error{File: "command line", Key: o.flag, Text: text}
	case o.env != "":
		return Error{File: "environment", Key: o.env, Text: text}
	case o.file != "":
		return Error{File: o.file, Line: o.line, Key: key, Text: text}
	}
	return Error{Key: key, Text: text}
}

// table is the keys of one Config, by path and by section.
type table struct {
	c        *Config
	keys     []Key
	byPath   map[string]Key
	children map[string][]string // path of a section ("" is the root) to the names in it, in order
}

// newTable binds the keys to c and sets the defaults.
func newTable(c *Config, s Sources) *table {
	t := &table{c: c, keys: keys(c, s), byPath: map[string]Key{}, children: map[string][]string{}}
	for _, k := range t.keys {
		t.byPath[k.Path] = k
		t.addNames(k.Path)
		if k.Default == "" {
			continue
		}
		if err := k.value.parse(k.Default); err != nil {
			panic(fmt.Sprintf("BUG: default of %s: %v", k.Path, err))
		}
	}
	return t
}

func (t *table) addNames(path string) {
	section := ""
	for name := range strings.SplitSeq(path, ".") {
		if !slices.Contains(t.children[section], name) {
			t.children[section] = append(t.children[section], name)
		}
		section = join(section, name)
	}
}

func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// decodeSection reads a mapping of the file.
func (t *table) decodeSection(section string, n *yaml.Node) Errors {
	n = resolve(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		text := fmt.Sprintf("is %s: write keys below it, such as %s", nodeKind(n), t.children[section][0])
		return Errors{{File: t.c.File, Line: n.Line, Key: section, Text: text}}
	}
	var errs Errors
	for i := 0; i+1 < len(n.Content); i += 2 {
		errs = append(errs, t.decodeEntry(section, n.Content[i], n.Content[i+1])...)
	}
	return errs
}

func (t *table) decodeEntry(section string, name, n *yaml.Node) Errors {
	path := join(section, name.Value)
	if _, ok := t.children[path]; ok {
		return t.decodeSection(path, n)
	}
	k, ok := t.byPath[path]
	if !ok {
		return Errors{{File: t.c.File, Line: name.Line, Key: path, Text: t.unknownKey(section, name.Value)}}
	}
	if n = resolve(n); isNull(n) {
		return nil
	}
	if err := k.value.decode(n); err != nil {
		return Errors{{File: t.c.File, Line: n.Line, Key: path, Text: err.Error()}}
	}
	t.c.origins[path] = origin{file: t.c.File, line: name.Line}
	return nil
}

// otherPromBlocks are the keys of a prometheus.yml that mean nothing in our own file.
var otherPromBlocks = []string{"alerting", "remote_read", "storage", "tracing", "otlp", "runtime"}

func (t *table) unknownKey(section, name string) string {
	known := t.children[section]
	if section == "" {
		known = slices.Concat(known, promBlocks)
		if slices.Contains(otherPromBlocks, name) {
			return "is known in a prometheus.yml only: name that file in prometheus.config"
		}
	}
	if s := suggest.Closest(name, known); s != "" {
		return fmt.Sprintf("unknown key: did you mean %q?", s)
	}
	return "unknown key: known here are " + strings.Join(known, ", ")
}

// resolve follows aliases. A well-formed file has no alias of an alias of itself, and one step is all that YAML has.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// envFile names the configuration file; it is read by cmd, not by the table.
const envFile = "HULOTTE_CONFIG"

// notOurs are the variables that set no key: the file's name, and what `hulotte query` reads. Whoever exports the
// latter in a shell may start a process there too.
var notOurs = map[string]bool{envFile: true, "HULOTTE_URL": true, "HULOTTE_TENANT": true, "HULOTTE_PASSWORD": true}

// FileOfEnv returns the configuration file that the environment names, "" for none.
func FileOfEnv() string { return os.Getenv(envFile) }

func (t *table) applyEnv(environ []string) Errors {
	names := map[string]Key{}
	known := []string{envFile}
	for _, k := range t.keys {
		names[k.Env()] = k
		known = append(known, k.Env())
	}
	var errs Errors
	for _, kv := range environ {
		name, val, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "HULOTTE_") || notOurs[name] || serviceLink(name, val) {
			continue
		}
		k, ok := names[name]
		if !ok {
			errs = append(errs, Error{File: "environment", Key: name, Text: unknownVariable(name, known)})
			continue
		}
		errs = append(errs, t.apply(k, origin{env: name}, val)...)
	}
	return errs
}

func unknownVariable(name string, known []string) string {
	if s := suggest.Closest(name, known); s != "" {
		return fmt.Sprintf("unknown variable: did you mean %s?", s)
	}
	return "unknown variable: a key's variable is HULOTTE_ and its path in capitals, such as HULOTTE_SERVER_LISTEN for server.listen"
}

// serviceLink recognises the variables that Kubernetes and Docker put into every container for a service that is
// named hulotte or hulotte-something: nobody wrote them, so they are no mistake.
func serviceLink(name, val string) bool {
	return strings.HasSuffix(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		strings.Contains(name, "_PORT_") && hasNumberAfter(name, "_PORT_") ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(val, "://")
}

func hasNumberAfter(name, mark string) bool {
	_, rest, _ := strings.Cut(name, mark)
	return rest != "" && rest[0] >= '0' && rest[0] <= '9'
}

func (t *table) applyFlags(flags []Flag) Errors {
	var errs Errors
	for _, f := range flags {
		k, ok := t.byPath[f.Key]
		if !ok {
			panic("BUG: the flag " + f.Name + " sets the unknown key " + f.Key)
		}
		errs = append(errs, t.apply(k, origin{flag: f.Name}, f.Value)...)
	}
	return errs
}

func (t *table) apply(k Key, from origin, val string) Errors {
	if err := k.value.parse(val); err != nil {
		return Errors{from.errorAt(k.Path, err.Error())}
	}
	t.c.origins[k.Path] = from
	return nil
}
