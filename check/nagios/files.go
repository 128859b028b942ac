// Package nagios reads configurations of other systems of monitoring: Nagios' objects, as nagios.cfg names them, and Uptime Kuma's backup.
// What has no meaning here is left out with a warning that names the file and line; nothing is executed.
package nagios

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// Bounds of what is read. Real configurations of 20,000 hosts have some 50 MB.
const (
	maxBytes  = 256 << 20
	maxFiles  = 50_000
	maxDepth  = 32        // of folders, of templates and of groups in groups
	maxChecks = 1_000_000 // hosts and services together
)

// place is a line of a file.
type place struct {
	file string
	line int
}

// Warning is something that was read and could not be taken over, or only in part.
type Warning struct {
	File string
	Line int
	Text string
	More int // how often else the same was found
}

func (w Warning) String() string {
	text := w.Text
	if w.More > 0 {
		text = fmt.Sprintf("%s (and %d times more)", text, w.More)
	}
	if w.File == "" {
		return text
	}
	return fmt.Sprintf("%s:%d: %s", w.File, w.Line, text)
}

// files is what nagios.cfg and what it names hold.
type files struct {
	warnings *warnings
	dir      string // of nagios.cfg
	settings map[string]setting
	macros   map[string]string // USER1, ADMINEMAIL
	objects  map[string][]*object
	read     map[string]bool
	bytes    int64
}

type setting struct {
	place
	value string
}

type warnings struct {
	list []Warning
	seen map[string]int
}

func (w *warnings) add(at place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if i, ok := w.seen[text]; ok {
		w.list[i].More++
		return
	}
	if w.seen == nil {
		w.seen = map[string]int{}
	}
	w.seen[text] = len(w.list)
	w.list = append(w.list, Warning{File: at.file, Line: at.line, Text: text})
}

func newFiles(w *warnings) *files {
	return &files{warnings: w, settings: map[string]setting{}, macros: map[string]string{}, objects: map[string][]*object{}, read: map[string]bool{}}
}

// load reads nagios.cfg, or the one in a folder, or, where there is none, all object files of the folder.
func load(path string, w *warnings) (*files, error) {
	f := newFiles(w)
	info, err := os.Stat(path)
	if err != nil {
		return nil, model.NewError(model.NotFound, fmt.Sprintf("cannot read the configuration of Nagios: %v", err))
	}
	if info.IsDir() {
		f.dir = path
		main := filepath.Join(path, "nagios.cfg")
		if _, err := os.Stat(main); errors.Is(err, fs.ErrNotExist) {
			return f, f.objectDir(path, place{}, 0)
		}
		path = main
	}
	f.dir = filepath.Dir(path)
	return f, f.main(path)
}

// lines calls take for each line of a file. Not being able to read it is a warning, too much of it an error.
func (f *files) lines(path string, from place, take func(at place, text string)) error {
	if f.read[path] {
		return nil
	}
	f.read[path] = true
	if len(f.read) > maxFiles {
		return limit("more than %d files", maxFiles)
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err == nil {
		f.bytes += info.Size()
	}
	if f.bytes > maxBytes {
		return limit("more than %d MiB", maxBytes>>20)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		f.warnings.add(from, "cannot read %s: %v", path, err)
		return nil
	}
	scanner := bufio.NewScanner(strings.NewReader(string(text)))
	scanner.Buffer(make([]byte, 64<<10), len(text)+1)
	for n := 1; scanner.Scan(); n++ {
		take(place{path, n}, scanner.Text())
	}
	return nil
}

func limit(format string, args ...any) error {
	return model.NewError(model.Limit, "cannot read the configuration of Nagios: "+fmt.Sprintf(format, args...))
}

// main reads nagios.cfg and then the files that it names, in the order of Nagios: macros first.
func (f *files) main(path string) error {
	var resources, objects, dirs []setting
	err := f.lines(path, place{}, func(at place, text string) {
		key, value, ok := strings.Cut(text, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "" || key[0] == '#' || key[0] == ';' {
			return
		}
		s := setting{at, value}
		switch {
		case !ok:
			f.warnings.add(at, "%q is not of the form name=value", strings.TrimSpace(text))
		case key == "resource_file":
			resources = append(resources, s)
		case key == "cfg_file":
			objects = append(objects, s)
		case key == "cfg_dir":
			dirs = append(dirs, s)
		default:
			f.settings[key] = s
		}
	})
	if err != nil {
		return err
	}
	if len(objects)+len(dirs) == 0 {
		return model.NewError(model.Invalid, path+" is no nagios.cfg: it has no cfg_file and no cfg_dir")
	}
	for _, s := range resources {
		err = errors.Join(err, f.lines(f.find(s.value), s.place, f.resource))
	}
	for _, s := range objects {
		err = errors.Join(err, f.objectFile(f.find(s.value), s.place))
	}
	for _, s := range dirs {
		err = errors.Join(err, f.objectDir(f.find(s.value), s.place, 0))
	}
	f.mainMacros()
	f.mainWarnings()
	return err
}

// find returns where a file is that nagios.cfg names: there, or, when the configuration was copied from elsewhere, below its folder.
func (f *files) find(path string) string {
	if !filepath.IsAbs(path) {
		return filepath.Join(f.dir, path)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	parts := strings.Split(filepath.Clean(path), string(filepath.Separator))
	for i := 1; i < len(parts); i++ {
		here := filepath.Join(append([]string{f.dir}, parts[i:]...)...)
		if _, err := os.Stat(here); err == nil {
			return here
		}
	}
	return path
}

func (f *files) resource(at place, text string) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return
	}
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || len(name) < 3 || name[0] != '$' || name[len(name)-1] != '$' {
		f.warnings.add(at, "%q does not set a macro: $USER1$=value", name)
		return
	}
	f.macros[name[1:len(name)-1]] = strings.TrimSpace(value)
}

// mainMacros are those that nagios.cfg sets.
func (f *files) mainMacros() {
	for key, macro := range map[string]string{"admin_email": "ADMINEMAIL", "admin_pager": "ADMINPAGER"} {
		if s, ok := f.settings[key]; ok {
			f.macros[macro] = s.value
		}
	}
}

// mainWarnings are about settings that change what objects mean and are not followed.
func (f *files) mainWarnings() {
	for _, s := range []struct{ key, when, text string }{
		{"use_regexp_matching", "1", "use_regexp_matching: names are taken as they are, not as regular expressions"},
		{"use_aggressive_host_checking", "1", "use_aggressive_host_checking: a host whose check is WARNING is up here"},
		{"execute_service_checks", "0", "execute_service_checks=0: services that have a command are asked here nevertheless"},
		{"execute_host_checks", "0", "execute_host_checks=0: hosts that have a command are asked here nevertheless"},
		{"enable_notifications", "0", "enable_notifications=0 is left out"},
		{"broker_module", "", "broker_module: modules do not run here"},
		{"global_host_event_handler", "", "global_host_event_handler is left out: set event_handler on the checks"},
		{"global_service_event_handler", "", "global_service_event_handler is left out: set event_handler on the checks"},
		{"ocsp_command", "", "ocsp_command is left out: results are kept as series and events"},
		{"ochp_command", "", "ochp_command is left out: results are kept as series and events"},
	} {
		if set, ok := f.settings[s.key]; ok && (s.when == "" || set.value == s.when) && set.value != "" {
			f.warnings.add(set.place, "%s", s.text)
		}
	}
}

// number returns a number that nagios.cfg sets, or the default of Nagios.
func (f *files) number(key string, without float64) float64 {
	s, ok := f.settings[key]
	if !ok {
		return without
	}
	n, err := strconv.ParseFloat(s.value, 64)
	if err != nil || n < 0 || n > 1e9 {
		f.warnings.add(s.place, "%s=%s is no number", key, s.value)
		return without
	}
	return n
}

// objectDir reads the files of a folder and its folders whose names end in .cfg, in the order of their names.
func (f *files) objectDir(dir string, from place, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.warnings.add(from, "cannot read %s: %v", dir, err)
		return nil
	}
	if depth > maxDepth {
		f.warnings.add(from, "%s: folders within %d folders are left out", dir, maxDepth)
		return nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // through links
		if err != nil {
			f.warnings.add(from, "cannot read %s: %v", path, err)
			continue
		}
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case info.IsDir():
			err = f.objectDir(path, from, depth+1)
		case strings.HasSuffix(e.Name(), ".cfg"):
			err = f.objectFile(path, from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
