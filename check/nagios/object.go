package nagios

import (
	"slices"
	"strings"
)

// object is one definition.
type object struct {
	place
	kind  string
	attrs map[string]attr
	// lines are those of a time period that are no directives: its days and times.
	lines    []attr
	resolved int // state of template resolution
}

type attr struct {
	place
	value string
}

func (o *object) get(key string) string { return o.attrs[key].value }

// at returns the line of a directive, or that of the definition.
func (o *object) at(key string) place {
	if a, ok := o.attrs[key]; ok {
		return a.place
	}
	return o.place
}

// list splits the value of a directive at commas.
func (o *object) list(key string) []string { return split(o.get(key)) }

func split(text string) []string {
	var out []string
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

// kinds are the objects that Nagios knows.
var kinds = []string{"host", "service", "hostgroup", "servicegroup", "command", "timeperiod", "contact", "contactgroup", "hostdependency", "servicedependency",
	"hostescalation", "serviceescalation", "hostextinfo", "serviceextinfo"}

// synonyms are other names of directives, by the kind of the object ("" for all).
var synonyms = map[string]map[string]string{
	"": {"normal_check_interval": "check_interval", "retry_check_interval": "retry_interval", "host": "host_name", "hosts": "host_name", "host_groups": "hostgroups",
		"description": "service_description", "hostgroup_names": "hostgroup_name", "service_groups": "servicegroups"},
	"service":           {"hostgroup": "hostgroup_name", "hostgroups": "hostgroup_name", "host_groups": "hostgroup_name"},
	"servicedependency": dependencySynonyms,
	"hostdependency":    dependencySynonyms,
}

var dependencySynonyms = map[string]string{"master_host": "host_name", "master_host_name": "host_name", "dependent_host": "dependent_host_name",
	"hostgroup": "hostgroup_name", "hostgroups": "hostgroup_name", "host_groups": "hostgroup_name", "dependent_hostgroup": "dependent_hostgroup_name",
	"dependent_description": "dependent_service_description", "execution_failure_options": "execution_failure_criteria",
	"notification_failure_options": "notification_failure_criteria"}

func directive(kind, name string) string {
	name = strings.ToLower(name)
	for _, k := range []string{kind, ""} {
		if s, ok := synonyms[k][name]; ok {
			return s
		}
	}
	return name
}

// objectFile reads the definitions of a file.
func (f *files) objectFile(path string, from place) error {
	p := parser{files: f}
	err := f.lines(path, from, p.line)
	if p.object != nil {
		f.warnings.add(p.object.place, "the definition of a %s has no end", p.object.kind)
	}
	return err
}

// parser reads a file of definitions line by line.
type parser struct {
	*files
	object *object
	// before is the begin of a line that went on behind a backslash, at where it began.
	before string
	at     place
}

func (p *parser) line(at place, text string) {
	text = strings.TrimSpace(text)
	if p.before == "" {
		p.at = at
	}
	if strings.HasSuffix(text, `\`) && !strings.HasSuffix(text, `\\`) {
		p.before += text[:len(text)-1]
		return
	}
	text, p.before = strings.TrimSpace(uncomment(p.before+text)), ""
	switch {
	case text == "" || text[0] == '#':
	case p.object == nil:
		p.open(text)
	case text == "}":
		p.objects[p.object.kind] = append(p.objects[p.object.kind], p.object)
		p.object = nil
	default:
		p.directive(text)
	}
}

// uncomment takes away what stands behind a semicolon that has no backslash before it.
func uncomment(text string) string {
	if !strings.Contains(text, ";") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ';':
			b.WriteByte(';')
			i++
		case text[i] == ';':
			return b.String()
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func (p *parser) open(text string) {
	rest, ok := strings.CutPrefix(text, "define")
	kind := strings.TrimSpace(strings.TrimSuffix(rest, "{"))
	switch {
	case !ok || !strings.HasSuffix(text, "{") || rest == "" || !strings.ContainsAny(rest[:1], " \t"):
		p.warnings.add(p.at, "%q is no definition: define host {", text)
	case !slices.Contains(kinds, kind):
		p.warnings.add(p.at, "there is no kind of object %q", kind)
		p.object = &object{place: p.at, kind: "unknown", attrs: map[string]attr{}}
	default:
		p.object = &object{place: p.at, kind: kind, attrs: map[string]attr{}}
	}
}

// timeperiodDirectives are the lines of a time period that are not days and times.
var timeperiodDirectives = []string{"timeperiod_name", "alias", "name", "use", "register", "exclude"}

func (p *parser) directive(text string) {
	key, value := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		key, value = text[:i], strings.TrimSpace(text[i:])
	}
	if p.object.kind == "timeperiod" && !slices.Contains(timeperiodDirectives, key) {
		p.object.lines = append(p.object.lines, attr{p.at, strings.Join(strings.Fields(text), " ")})
		return
	}
	if !strings.HasPrefix(key, "_") {
		key = directive(p.object.kind, key)
	} else {
		key = strings.ToUpper(key)
	}
	p.object.attrs[key] = attr{p.at, value}
}
