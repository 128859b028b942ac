package nagios

import (
	"slices"
	"strings"
)

const (
	resolving = 1 + iota
	resolved
)

// resolve gives every object what its templates have, and returns those that are no templates themselves (register 0).
func (f *files) resolve(kind string) []*object {
	templates := map[string]*object{}
	for _, o := range f.objects[kind] {
		name := o.get("name")
		if name == "" {
			continue
		}
		if old := templates[name]; old != nil {
			f.warnings.add(o.place, "the template %q of a %s is defined a second time: that of %s:%d counts", name, kind, old.file, old.line)
			continue
		}
		templates[name] = o
	}
	var out []*object
	for _, o := range f.objects[kind] {
		f.inherit(o, templates, 0)
		if o.get("register") != "0" {
			out = append(out, o)
		}
	}
	for _, o := range out {
		o.settle()
	}
	return out
}

// inherit takes over what an object does not say itself: from the first of its templates that says it. A value with a plus takes the
// template's besides its own; null takes none.
func (f *files) inherit(o *object, templates map[string]*object, depth int) {
	if o.resolved != 0 {
		return
	}
	o.resolved = resolving
	for _, name := range o.list("use") {
		t := templates[name]
		switch {
		case t == nil:
			f.warnings.add(o.at("use"), "there is no template %q of a %s", name, o.kind)
			continue
		case t.resolved == resolving || depth > maxDepth:
			f.warnings.add(o.at("use"), "the template %q uses itself, through others or not", name)
			continue
		}
		f.inherit(t, templates, depth+1)
		for key, theirs := range t.attrs {
			if key == "name" || key == "use" || key == "register" {
				continue
			}
			mine, ok := o.attrs[key]
			switch {
			case !ok:
				o.attrs[key] = theirs
			case strings.HasPrefix(mine.value, "+") && theirs.value != "null":
				// What is inherited may have a plus too: then the next template adds to it.
				rest, more := strings.CutPrefix(theirs.value, "+")
				mine.value = strings.TrimRight(mine.value, ", ") + "," + strings.TrimSpace(rest)
				if !more {
					mine.value = strings.TrimPrefix(mine.value, "+")
				}
				o.attrs[key] = mine
			}
		}
		o.inheritLines(t)
	}
	o.resolved = resolved
}

// inheritLines takes the days over that a time period does not have itself.
func (o *object) inheritLines(t *object) {
	days := func(a attr) string {
		i := strings.LastIndex(a.value, " ")
		return a.value[:max(i, 0)]
	}
	for _, theirs := range t.lines {
		if !slices.ContainsFunc(o.lines, func(mine attr) bool { return days(mine) == days(theirs) }) {
			o.lines = append(o.lines, theirs)
		}
	}
}

// settle takes the marks away that only mean something to what inherits.
func (o *object) settle() {
	for key, a := range o.attrs {
		switch {
		case a.value == "null":
			o.attrs[key] = attr{place: a.place} // there, but empty: not the host's either
		case strings.HasPrefix(a.value, "+") && additive[key]:
			a.value = strings.TrimSpace(a.value[1:])
			o.attrs[key] = a
		}
	}
}

// additive are the directives whose values are lists of names, to which a plus adds.
var additive = map[string]bool{"host_name": true, "hostgroup_name": true, "hostgroups": true, "servicegroups": true, "contacts": true, "contact_groups": true,
	"parents": true, "members": true, "hostgroup_members": true, "servicegroup_members": true, "exclude": true, "service_description": true,
	"dependent_host_name": true, "dependent_hostgroup_name": true, "dependent_service_description": true}
