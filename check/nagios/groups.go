package nagios

import (
	"slices"
	"strings"
)

// names is a list without repetitions.
type names struct {
	list []string
	has  map[string]bool
}

func (n *names) add(name string) {
	if n.has == nil {
		n.has = map[string]bool{}
	}
	if !n.has[name] {
		n.has[name] = true
		n.list = append(n.list, name)
	}
}

func (n *names) without(other *names) []string {
	return slices.DeleteFunc(slices.Clone(n.list), func(s string) bool { return other.has[s] })
}

// inventory is what there is to refer to: hosts and the groups of hosts, whose members are known when all is read.
type inventory struct {
	*files
	hosts  map[string]*object
	order  []string // of hosts
	groups map[string]*object
	nested map[string][]string // hosts' own hostgroups, by group
	done   map[string]*names
}

func newInventory(f *files) *inventory {
	v := &inventory{files: f, hosts: map[string]*object{}, groups: map[string]*object{}, nested: map[string][]string{}, done: map[string]*names{}}
	for _, h := range f.resolve("host") {
		name := h.get("host_name")
		switch {
		case name == "":
			f.warnings.add(h.place, "a host without host_name is left out")
			continue
		case v.hosts[name] != nil:
			f.warnings.add(h.place, "host %q is defined a second time: that of %s:%d counts", name, v.hosts[name].file, v.hosts[name].line)
			continue
		}
		v.hosts[name] = h
		v.order = append(v.order, name)
	}
	for _, g := range f.resolve("hostgroup") {
		name := g.get("hostgroup_name")
		switch {
		case name == "":
			f.warnings.add(g.place, "a hostgroup without hostgroup_name is left out")
		case v.groups[name] != nil:
			f.warnings.add(g.place, "hostgroup %q is defined a second time: that of %s:%d counts", name, v.groups[name].file, v.groups[name].line)
		default:
			v.groups[name] = g
		}
	}
	for _, name := range v.order {
		h := v.hosts[name]
		for _, g := range h.list("hostgroups") {
			if v.groups[g] == nil {
				f.warnings.add(h.at("hostgroups"), "there is no hostgroup %q", g)
				continue
			}
			v.nested[g] = append(v.nested[g], name)
		}
	}
	return v
}

// members returns the hosts of a group.
func (v *inventory) members(group string, from place) *names {
	if m, ok := v.done[group]; ok {
		return m
	}
	g := v.groups[group]
	if g == nil {
		v.warnings.add(from, "there is no hostgroup %q", group)
		return &names{}
	}
	m := &names{}
	v.done[group] = m // groups in rings have what is found on the way
	var not names
	v.hostNames(g.list("members"), g.at("members"), m, &not)
	for _, other := range g.list("hostgroup_members") {
		for _, h := range v.members(other, g.at("hostgroup_members")).list {
			m.add(h)
		}
	}
	for _, h := range v.nested[group] {
		m.add(h)
	}
	kept := &names{}
	for _, h := range m.without(&not) {
		kept.add(h)
	}
	v.done[group] = kept
	return kept
}

// hostNames adds the hosts of a list to yes, or to not those that it excludes with an exclamation mark.
func (v *inventory) hostNames(list []string, at place, yes, not *names) {
	for _, name := range list {
		into := yes
		if rest, ok := strings.CutPrefix(name, "!"); ok {
			name, into = strings.TrimSpace(rest), not
		}
		switch {
		case name == "*":
			for _, h := range v.order {
				into.add(h)
			}
		case v.hosts[name] == nil:
			v.warnings.add(at, "there is no host %q", name)
		default:
			into.add(name)
		}
	}
}

// hostsOf returns the hosts that an object is about, by two of its directives.
func (v *inventory) hostsOf(o *object, hosts, groups string) []string {
	var yes, not names
	for _, name := range o.list(groups) {
		into := &yes
		if rest, ok := strings.CutPrefix(name, "!"); ok {
			name, into = strings.TrimSpace(rest), &not
		}
		all := []string{name}
		if name == "*" {
			all = nil
			for g := range v.groups {
				all = append(all, g)
			}
			slices.Sort(all)
		}
		for _, g := range all {
			for _, h := range v.members(g, o.at(groups)).list {
				into.add(h)
			}
		}
	}
	v.hostNames(o.list(hosts), o.at(hosts), &yes, &not)
	out := yes.without(&not)
	if len(out) > 1 {
		v.sort(out)
	}
	return out
}

// sort brings hosts into the order in which they are defined.
func (v *inventory) sort(hosts []string) {
	place := map[string]int{}
	for i, h := range v.order {
		place[h] = i
	}
	slices.SortFunc(hosts, func(a, b string) int { return place[a] - place[b] })
}

// groupsOf returns the groups of each host, sorted.
func (v *inventory) groupsOf() map[string][]string {
	out := map[string][]string{}
	all := make([]string, 0, len(v.groups))
	for g := range v.groups {
		all = append(all, g)
	}
	slices.Sort(all)
	for _, g := range all {
		for _, h := range v.members(g, v.groups[g].place).list {
			out[h] = append(out[h], g)
		}
	}
	return out
}
