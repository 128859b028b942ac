package logformat

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed formats/*.yml
var formatFiles embed.FS

var utc = time.UTC

// The kinds of formats.
const (
	kindNamePattern = "pattern"
	kindNameJSON    = "json"
	kindNameLogfmt  = "logfmt"
	kindNamePlain   = "plain"
)

// formatFile is the first document of a file of the catalogue; the second one holds examples for the tests.
type formatFile struct {
	Title    string
	Service  string
	Kind     string // pattern is the default
	Rank     int
	Files    []string
	Patterns []string
	Times    []string
	Levels   map[string]string
	None     string
	Zone     string
	// Records says what belongs to one record: "line" each line, "begin" everything up to the next line that fits, "trace" (the
	// default) a line and the traces of exceptions behind it.
	Records string
	Keys    struct{ Time, Level, Message, Need []string }
}

// catalogue is all formats, by name.
type catalogue struct {
	sorted []*Format
	byName map[string]*Format
}

var loaded = sync.OnceValue(func() *catalogue {
	c, err := loadCatalogue(formatFiles)
	if err != nil {
		panic("BUG: the catalogue of log formats: " + err.Error()) // a test loads it
	}
	return c
})

// All returns the formats, sorted by name. The slice is not the caller's to change.
func All() []*Format { return loaded().sorted }

// Lookup returns the format of a name, nil when there is none.
func Lookup(name string) *Format { return loaded().byName[name] }

// Names returns the formats' names, sorted.
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}

func loadCatalogue(files fs.FS) (*catalogue, error) {
	names, err := fs.Glob(files, "formats/*.yml")
	if err != nil {
		return nil, err
	}
	c := &catalogue{byName: map[string]*Format{}}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var file formatFile
		dec := yaml.NewDecoder(strings.NewReader(string(text)))
		dec.KnownFields(true)
		if err := dec.Decode(&file); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f, err := file.compile(strings.TrimSuffix(path.Base(name), ".yml"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.sorted = append(c.sorted, f)
		c.byName[f.Name] = f
	}
	slices.SortFunc(c.sorted, func(a, b *Format) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

func (file *formatFile) compile(name string) (*Format, error) {
	f := &Format{
		Name: name, Service: file.Service, Title: file.Title, Files: file.Files,
		kind: file.Kind, rank: file.Rank, levels: file.Levels, none: file.None, zone: file.Zone,
		keys: jsonKeys{time: set(file.Keys.Time), level: set(file.Keys.Level), message: set(file.Keys.Message), need: file.Keys.Need},
	}
	if f.kind == "" {
		f.kind = kindNamePattern
	}
	var errs []error
	for _, text := range file.Patterns {
		p, err := compilePattern(text)
		errs = append(errs, err)
		f.patterns = append(f.patterns, p)
	}
	for _, text := range file.Times {
		l, err := compileLayout(text)
		errs = append(errs, err)
		f.layouts = append(f.layouts, l)
	}
	for word, level := range file.Levels {
		if !validLevel(level) {
			errs = append(errs, fmt.Errorf("levels: %s: %q is none of model.Levels", word, level))
		}
	}
	if f.Title == "" || (f.kind == kindNamePattern) != (len(f.patterns) > 0) {
		errs = append(errs, errors.New("title or patterns are missing, or are not for this kind"))
	}
	switch file.Records {
	case "line":
		f.follow = followNever
	case "begin":
		f.follow = followAll
	case "", "trace":
		f.follow = followTraces
	default:
		errs = append(errs, fmt.Errorf("records: %q is not line, begin or trace", file.Records))
	}
	return f, errors.Join(errs...)
}

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
