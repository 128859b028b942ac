package discovery

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// hinted is what the arguments and the configuration files of an instance tell.
type hinted struct {
	tls            map[int]bool
	ignore         []int
	port           int
	metricsPort    int
	metricsAddress string
	metrics        map[string]any
	trusted        bool      // files that it names may be looked at
	aside          []Address // where it listens too, and is not asked: for metrics only
	notes          []string
}

// firstUser is the least number of a person's account. What those below say of this machine is believed as its services': a
// container, or anybody with a program called varnishd, could else have root read any folder.
const firstUser = 1000

// Limits of reading configuration files.
const (
	maxHintFiles = 64
	maxHintFile  = 256 << 10
)

// readHints looks into the arguments, the environment, and the configuration files that the catalogue names. A container's
// files are left alone: it may put anything in their place.
func (d *Discovery) readHints(in *instance) hinted {
	out := hinted{}
	first := in.first()
	out.trusted = first.container == "" && first.uid < firstUser
	line := first.prog.line()
	for i := range in.entry.Hints {
		h := &in.entry.Hints[i]
		value, where := "", "its command line"
		if h.args != nil {
			if m := h.args.FindStringSubmatch(line); m != nil {
				value = m[1]
			}
		}
		if h.Env != "" && value == "" {
			value, where = d.processes.variable(first.pid, h.Env), "its environment"
		}
		switch {
		case h.find == nil && value != "":
			out.take(h, value, where)
		case h.find != nil && first.container == "":
			for _, file := range d.hintFiles(h, value) {
				text, err := readHintFile(file, first.uid)
				if err != nil {
					continue // not there, or not for it to read
				}
				for _, m := range h.find.FindAllSubmatch(text, 100) {
					out.take(h, string(m[1]), file)
				}
			}
		}
	}
	return out
}

// hintFiles are the files to look into: the one that the arguments or the environment name, or the usual ones.
func (d *Discovery) hintFiles(h *hint, named string) []string {
	if filepath.IsAbs(named) {
		named = filepath.Join(d.opts.RootFS, named, h.Below)
		if h.Env != "" {
			return []string{named, named + ".conf"}
		}
		return []string{named}
	}
	var files []string
	for _, p := range h.Files {
		found, _ := filepath.Glob(filepath.Join(d.opts.RootFS, p)) // the pattern was checked
		for _, f := range found {
			if len(files) < maxHintFiles && !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files
}

// maxEnvironment bounds what is read of a process's environment, in bytes.
const maxEnvironment = 128 << 10

// variable returns one variable of a process's environment; "" when there is none, or it cannot be seen.
func (ps *processes) variable(pid int, name string) string {
	text, err := kernelfile.Read(nil, ps.files.Path(pid, "environ"), maxEnvironment)
	if err != nil {
		return ""
	}
	for _, v := range bytes.Split(text, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, []byte(name+"=")); ok && len(value) <= maxOption {
			return clean(string(value))
		}
	}
	return ""
}

// take takes one value. Of what there can be one of, the first is it.
func (o *hinted) take(h *hint, value, where string) {
	value = clean(value)
	p64, err := strconv.ParseUint(value, 10, 16)
	p := int(p64)
	isPort := err == nil && p > 0
	switch h.Gives {
	case givesTLS:
		if !isPort || o.tls[p] {
			return
		}
		if o.tls == nil {
			o.tls = map[int]bool{}
		}
		o.tls[p] = true
		o.note("Port %d speaks TLS: %s says so.", p, where)
	case givesIgnore:
		if isPort && !slices.Contains(o.ignore, p) {
			o.ignore = append(o.ignore, p)
		}
	case givesPort:
		if isPort && o.port == 0 {
			o.port = p
			o.note("Its port is %d: %s says so.", p, where)
		}
	case givesMetricsPort:
		if isPort && o.metricsPort == 0 {
			o.metricsPort = p
			o.note("Its metrics are on port %d: %s says so.", p, where)
		}
	case givesMetricsAddress:
		if strings.HasPrefix(value, "/") && !o.trusted {
			return
		}
		if o.metricsAddress == "" && value != "" && len(value) <= maxOption {
			o.metricsAddress = value
			o.note("Its metrics are at %s: %s says so.", quote(value), where)
		}
	default:
		if _, ok := o.metrics[h.Gives]; ok || len(value) > maxOption || !o.believes(h.Gives, value) {
			return
		}
		if o.metrics == nil {
			o.metrics = map[string]any{}
		}
		o.metrics[h.Gives] = value
		o.note("The option %s of its metrics is %s: %s says so.", h.Gives, quote(value), where)
	}
}

// believes says whether the value of an option may be taken: a path of a page, or what a trusted process says.
func (o *hinted) believes(option, value string) bool {
	if option == "url" || option == "path" {
		_, err := parsePath(value)
		return err == nil
	}
	return o.trusted
}

// maxOption bounds a value of a hint, in bytes.
const maxOption = 512

func (o *hinted) note(format string, args ...any) {
	if len(o.notes) < maxNotes {
		o.notes = append(o.notes, fmt.Sprintf(format, args...))
	}
}
