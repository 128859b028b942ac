package discovery

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed catalogue/*.yml
var catalogueFiles embed.FS

// Entry is what the catalogue knows of one kind of service. It is one YAML file named for the kind; a second document
// in it holds examples for the tests. It is not changed after it was loaded.
type Entry struct {
	Kind  string `yaml:"-"`
	Title string // for people
	About string // one phrase: what it is
	// Rank decides when several entries match a process: the highest, then the first by name. A framework has a higher
	// one than the language it is written in.
	Rank  int
	Match []rule
	// Units are names of systemd units, without ".service", that need no naming as there is one of them on a machine.
	Units    []string
	Packages []string // of Debian that have its version, the first that is installed
	Version  []string // regular expressions with one group, on the executable's path, the arguments and the image
	Listens  bool     // it is a service only when it listens
	Language string   // of an application: its instances are named for the program
	Ports    []port   // the usual ones, the one to ask first
	Ignore   []int    // ports that are never asked: of a cluster or for debugging
	High     bool     // ports above 32000 are as good as others
	Sockets  []string // unix sockets that can be asked when there is no port: patterns of paths
	Check    Check    // by default
	// Unix says that the check can ask a unix socket.
	Unix bool
	// Alone is the check when nothing that listens can be asked: of its processes, unless this says otherwise.
	Alone   Check
	Metrics metricsSpec
	Logs    []LogFile
	Alerts  []string // names of groups of alerting rules
	Boards  []string `yaml:"dashboards"`
	Hints   []hint
	Logins  []login

	versions []*regexp.Regexp
	custom   bool // of a file of the configuration
}

// rule is one way to recognise a process; all that it says must hold.
type rule struct {
	// Names are those of the program: of the command, of the executable file, or what the process titles itself; * and ?
	// are wild.
	Names    []string
	Language string // of the interpreter that runs it: python, java, node, ruby, perl, php, beam
	Args     string // a regular expression on the arguments, joined by spaces
	Exe      string // a regular expression on the executable's path
	Not      string // a regular expression on the arguments that must not match

	args, exe, not *regexp.Regexp
}

// port is a usual port of a service.
type port struct {
	Port    int
	Network string // tcp when empty
	TLS     bool
}

// metricsSpec is where the metrics of a kind are.
type metricsSpec struct {
	Kind     string   // of collect/services, or prometheus
	Ports    []int    // where they are, the first that it listens on
	Sockets  []string // likewise, patterns of unix sockets; its address when both are empty
	Path     string   // of prometheus; /metrics when empty
	Options  map[string]any
	Exporter string // the usual one
	Job      string // of its dashboards; the kind when empty
	// Hint says what to do when there is none of the ports.
	Hint string
}

// hint reads something out of the arguments, one variable of the environment, or a configuration file of this machine.
type hint struct {
	// Args is a regular expression with one group on the arguments, joined by spaces. Without Find the group is the value;
	// with it, it is a file to look into in place of Files.
	Args string
	// Env is the name of a variable of its environment, of which the value is used likewise; .conf may follow it.
	Env   string
	Files []string // patterns of absolute paths
	// Below is the file's name when the arguments or the environment name its folder.
	Below string
	Find  string // a regular expression with one group on a file's text
	// Gives says what the value is: see the constants.
	Gives string

	args, find *regexp.Regexp
}

// What a hint can give. Anything else is the name of an option of the metrics.
const (
	givesPort           = "port"            // the port to ask
	givesTLS            = "tls"             // a port that speaks TLS
	givesIgnore         = "ignore"          // a port that is never asked
	givesMetricsPort    = "metrics_port"    // the port with the metrics
	givesMetricsAddress = "metrics_address" // their address: host:port or a path of a unix socket
)

// Catalogue is all entries.
type Catalogue struct {
	entries []*Entry // by rank, then by name: the first that matches is it
	byKind  map[string]*Entry
	byName  map[string][]*Entry // those with a rule of that name without wildcards
	others  []*Entry            // those with any other rule
}

var embedded = sync.OnceValue(func() *Catalogue {
	c, err := readCatalogue(catalogueFiles, "catalogue")
	if err != nil {
		panic("BUG: the catalogue of services: " + err.Error()) // a test loads it
	}
	return c
})

// Embedded returns the catalogue that comes with the program.
func Embedded() *Catalogue { return embedded() }

// Entries returns the entries, sorted by kind.
func (c *Catalogue) Entries() []*Entry {
	return slices.SortedFunc(slices.Values(c.entries), func(a, b *Entry) int { return strings.Compare(a.Kind, b.Kind) })
}

// Lookup returns the entry of a kind, nil when there is none.
func (c *Catalogue) Lookup(kind string) *Entry { return c.byKind[kind] }

func readCatalogue(files fs.FS, dir string) (*Catalogue, error) {
	names, err := fs.Glob(files, dir+"/*.yml")
	if err != nil {
		return nil, err
	}
	var entries []*Entry
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		e, err := parseEntry(strings.TrimSuffix(path.Base(name), ".yml"), text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		entries = append(entries, e)
	}
	return newCatalogue(entries), nil
}

func newCatalogue(entries []*Entry) *Catalogue {
	c := &Catalogue{entries: entries, byKind: map[string]*Entry{}, byName: map[string][]*Entry{}}
	slices.SortStableFunc(c.entries, func(a, b *Entry) int {
		if a.Rank != b.Rank {
			return b.Rank - a.Rank
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	for _, e := range c.entries {
		c.byKind[e.Kind] = e
		c.index(e)
	}
	return c
}

func (c *Catalogue) index(e *Entry) {
	for i := range e.Match {
		r := &e.Match[i]
		if len(r.Names) == 0 || slices.ContainsFunc(r.Names, isPattern) {
			if !slices.Contains(c.others, e) {
				c.others = append(c.others, e)
			}
			continue
		}
		for _, name := range r.Names {
			if cut := name[:min(len(name), maxComm)]; cut != name && !slices.Contains(c.byName[cut], e) {
				c.byName[cut] = append(c.byName[cut], e) // as the kernel has it
			}
			if !slices.Contains(c.byName[name], e) {
				c.byName[name] = append(c.byName[name], e)
			}
		}
	}
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?[") }

// maxEntry bounds a file of the catalogue that the configuration names.
const maxEntry = 256 << 10

// with returns the catalogue with the entries of more files or folders, which replace those of the same kind, and
// without the kinds that are disabled.
func (c *Catalogue) with(paths, disabled []string) (*Catalogue, error) {
	entries := slices.Clone(c.entries)
	for _, p := range paths {
		more, err := readEntries(p)
		if err != nil {
			return nil, fmt.Errorf("cannot read the catalogue of services: %w", err)
		}
		for _, e := range more {
			entries = append(slices.DeleteFunc(entries, func(o *Entry) bool { return o.Kind == e.Kind }), e)
		}
	}
	for _, kind := range disabled {
		had := len(entries)
		entries = slices.DeleteFunc(entries, func(e *Entry) bool { return e.Kind == kind })
		if len(entries) == had {
			return nil, fmt.Errorf("cannot disable the kind of service %q: the catalogue has none of that name", kind)
		}
	}
	return newCatalogue(entries), nil
}

func readEntries(p string) ([]*Entry, error) {
	names := []string{p}
	if st, err := os.Stat(p); err != nil {
		return nil, err
	} else if st.IsDir() {
		var found []string
		for _, ending := range []string{"*.yml", "*.yaml"} {
			more, _ := filepath.Glob(filepath.Join(p, ending)) // the pattern is well-formed but for odd folders
			found = append(found, more...)
		}
		names = found
	}
	var entries []*Entry
	for _, name := range names {
		text, err := readLimited(name, maxEntry)
		if err != nil {
			return nil, err
		}
		kind := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".yml"), ".yaml")
		e, err := parseEntry(kind, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		e.custom = true
		entries = append(entries, e)
	}
	return entries, nil
}

func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return text, err
}

// validKind is what kinds, and the names of services, may look like: they are part of names of checks and labels.
var validKind = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func parseEntry(kind string, text []byte) (*Entry, error) {
	e := &Entry{}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(e); err != nil {
		return nil, err
	}
	e.Kind = kind
	if err := e.validate(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Entry) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !validKind.MatchString(e.Kind) {
		bad("%q is no name of a kind: use small letters, digits, _ and -", e.Kind)
	}
	if e.Title == "" {
		bad("title is missing")
	}
	if len(e.Match) == 0 {
		bad("match is missing: nothing can be recognised")
	}
	for i := range e.Match {
		if err := e.Match[i].compile(); err != nil {
			bad("match %d: %w", i+1, err)
		}
	}
	for i := range e.Ports {
		if err := e.Ports[i].validate(); err != nil {
			bad("ports %d: %w", i+1, err)
		}
	}
	for _, p := range e.Sockets {
		if _, err := path.Match(p, ""); err != nil {
			bad("sockets: %q: %w", p, err)
		}
	}
	for i := range e.Hints {
		if err := e.Hints[i].compile(); err != nil {
			bad("hints %d: %w", i+1, err)
		}
	}
	for i := range e.Logins {
		if err := e.Logins[i].validate(); err != nil {
			bad("logins %d: %w", i+1, err)
		}
	}
	for _, text := range e.Version {
		re, err := compileGroup(text)
		if err != nil {
			bad("version: %w", err)
		}
		e.versions = append(e.versions, re)
	}
	if e.Check.Kind == "" && len(e.Ports) > 0 && e.Alone.Kind == "" {
		bad("check is missing: it has ports")
	}
	return errors.Join(errs...)
}

func (r *rule) compile() error {
	if len(r.Names) == 0 && r.Language == "" && r.Exe == "" {
		return errors.New("names, language or exe is needed: arguments alone are no sign")
	}
	if r.Language != "" && r.Args == "" && r.Exe == "" && !slices.Contains(genericLanguages, r.Language) {
		return fmt.Errorf("args are needed for the language %q", r.Language)
	}
	for _, name := range r.Names {
		if _, err := path.Match(name, ""); err != nil || name == "" {
			return fmt.Errorf("names: %q is no pattern", name)
		}
	}
	var errs [3]error
	r.args, errs[0] = compileOptional(r.Args)
	r.exe, errs[1] = compileOptional(r.Exe)
	r.not, errs[2] = compileOptional(r.Not)
	return errors.Join(errs[:]...)
}

// genericLanguages are those that have an entry for whatever they run.
var genericLanguages = []string{"python", "java", "node", "ruby", "php", "beam", "perl", "dotnet", "deno", "bun"}

func (p *port) validate() error {
	if p.Network == "" {
		p.Network = networkTCP
	}
	if p.Network != networkTCP && p.Network != networkUDP {
		return fmt.Errorf("network %q is neither tcp nor udp", p.Network)
	}
	if p.Port < 1 || p.Port > 65535 {
		return fmt.Errorf("%d is no port", p.Port)
	}
	return nil
}

func (h *hint) compile() error {
	if (h.Find == "") != (len(h.Files) == 0) || h.Find == "" && h.Args == "" && h.Env == "" {
		return errors.New("args or env, or files and find, or both are needed")
	}
	if h.Gives == "" {
		return errors.New("gives is needed")
	}
	for _, f := range h.Files {
		if _, err := filepath.Match(f, ""); err != nil || !filepath.IsAbs(f) {
			return fmt.Errorf("files: %q is no pattern of absolute paths", f)
		}
	}
	var err1, err2 error
	if h.Args != "" {
		h.args, err1 = compileGroup(h.Args)
	}
	if h.Find != "" {
		h.find, err2 = compileGroup(h.Find)
	}
	return errors.Join(err1, err2)
}

func compileOptional(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no expression is no error
	}
	return regexp.Compile(text)
}

func compileGroup(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	if re.NumSubexp() < 1 {
		return nil, fmt.Errorf("%q has no group in parentheses", text)
	}
	return re, nil
}
