package discovery

import (
	"path"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/collect/process"
)

// program is what a process tells of itself, and what entries are matched with.
type program struct {
	comm string
	args []string
	exe  string // path; "" when it cannot be seen
}

// maxComm is how much of a command's name the kernel keeps.
const maxComm = 15

// match returns the entry of a program, with a sentence that says why; nil when it is none of the catalogue.
func (c *Catalogue) match(p *program) (*Entry, string) {
	names := p.names()
	var found *Entry
	var why string
	try := func(e *Entry) {
		if found != nil && !better(e, found) {
			return
		}
		for i := range e.Match {
			if w, ok := e.Match[i].match(p, names); ok {
				found, why = e, w
				return
			}
		}
	}
	for _, name := range names {
		for _, e := range c.byName[name] {
			try(e)
		}
	}
	for _, e := range c.others {
		try(e)
	}
	return found, why
}

// better is the order of a catalogue's entries.
func better(a, b *Entry) bool { return a.Rank > b.Rank || a.Rank == b.Rank && a.Kind < b.Kind }

// names are what a program may be called: by its command, by the title it gave itself or its first argument, and by its
// executable. The last is not asked for interpreters, and it says nothing when the others say something else: Debian's
// redis-server is the file redis-check-rdb.
func (p *program) names() []string {
	var out []string
	add := func(name string) {
		if name != "" && len(name) <= 255 && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	title := ""
	if len(p.args) > 0 {
		title, _, _ = strings.Cut(p.args[0], " ")
		title = path.Base(strings.TrimPrefix(strings.TrimSuffix(title, ":"), "-"))
		add(title)
	}
	add(p.comm)
	if base := path.Base(strings.TrimSuffix(p.exe, " (deleted)")); p.exe != "" && (title == "" || len(p.comm) == maxComm && strings.HasPrefix(base, p.comm)) {
		add(base)
	}
	return out
}

// language is that of the interpreter that runs the program.
func (p *program) language() string {
	if len(p.args) > 0 {
		first, _, _ := strings.Cut(p.args[0], " ")
		if lang := process.Interpreter(path.Base(strings.TrimPrefix(first, "-"))); lang != "" {
			return lang
		}
	}
	if lang := process.Interpreter(p.comm); lang != "" {
		return lang
	}
	return process.Interpreter(path.Base(strings.TrimSuffix(p.exe, " (deleted)")))
}

func (p *program) line() string { return strings.Join(p.args, " ") }

func (r *rule) match(p *program, names []string) (why string, ok bool) {
	switch {
	case len(r.Names) > 0:
		name, ok := r.name(names)
		if !ok {
			return "", false
		}
		why = "the program is " + quote(name)
		if r.Language != "" && p.language() != r.Language {
			return "", false
		}
	case r.Language != "":
		if p.language() != r.Language {
			return "", false
		}
		why = "it runs on " + r.Language
	}
	if r.exe != nil {
		if p.exe == "" || !r.exe.MatchString(p.exe) {
			return "", false
		}
		why = joinWhy(why, "its executable is "+quote(p.exe))
	}
	if r.args != nil {
		part := r.args.FindString(p.line())
		if part == "" {
			return "", false
		}
		why = joinWhy(why, "its arguments have "+quote(strings.TrimSpace(part)))
	}
	if r.not != nil && r.not.MatchString(p.line()) {
		return "", false
	}
	return why, true
}

func joinWhy(a, b string) string {
	if a == "" {
		return b
	}
	return a + " and " + b
}

func (r *rule) name(names []string) (string, bool) {
	for _, n := range names {
		for _, want := range r.Names {
			if n == want || len(n) == maxComm && len(want) > maxComm && strings.HasPrefix(want, n) {
				return want, true
			}
			if !isPattern(want) {
				continue
			}
			if ok, _ := path.Match(want, n); ok { // the pattern was checked
				return n, true
			}
		}
	}
	return "", false
}

// quote makes words of somebody else fit for a sentence.
func quote(s string) string {
	const enough = 80
	s = clean(s)
	if r := []rune(s); len(r) > enough {
		s = string(r[:enough]) + "…"
	}
	return "“" + s + "”"
}
