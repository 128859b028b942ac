package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/process"
)

// instance is one running instance of a kind, as one scan sees it.
type instance struct {
	entry   *Entry
	procs   []*proc // the first is the one that started the others
	ns      *namespace
	info    *container.Info // of its container, nil for none
	unit    string
	sockets []socket
	guessed bool // its sockets are a guess: whose they are cannot be seen

	base string // what its replicas have in common
	name string // "" when it needs none

	named bool
}

func (i *instance) first() *proc { return i.procs[0] }

// key tells its first process from all others of this boot.
func (i *instance) key() string { return fmt.Sprintf("%d:%d", i.first().pid, i.first().start) }

// instances puts the processes that the catalogue knows together: what one process started, and what in one container or
// unit has no sockets of its own, belongs to one instance.
func instances(ps *processes, ns *namespaces) []*instance {
	byRoot := map[int]*instance{}
	for _, pid := range slices.Sorted(maps.Keys(ps.all)) {
		p := ps.all[pid]
		if p.entry == nil {
			continue
		}
		root := rootOf(p, ps)
		in := byRoot[root.pid]
		if in == nil {
			in = &instance{entry: root.entry, ns: ns.all[root.net(ps.own)], unit: root.unit}
			byRoot[root.pid] = in
		}
		if p == root {
			in.procs = slices.Insert(in.procs, 0, p)
		} else {
			in.procs = append(in.procs, p)
		}
	}
	list := slices.SortedFunc(maps.Values(byRoot), func(a, b *instance) int { return a.first().pid - b.first().pid })
	assignSockets(list, ns)
	guessSockets(list, ns)
	list = mergeIdle(list)
	for _, in := range list { // what is said of them must not change with the order of a map
		slices.SortFunc(in.sockets, func(a, b socket) int { return cmp.Compare(a.inode, b.inode) })
	}
	return list
}

// rootOf climbs to the process that started a process and is of the same kind, in the same container.
func rootOf(p *proc, ps *processes) *proc {
	for range 64 {
		parent := ps.all[p.parent]
		if parent == nil || parent == p || parent.entry != p.entry || parent.container != p.container || parent.unit != p.unit {
			return p
		}
		p = parent
	}
	return p
}

// assignSockets gives each socket to one instance: when several have it open, because one started the other or was
// handed it, to the one for whose kind the port is usual, else to the older one.
func assignSockets(list []*instance, ns *namespaces) {
	byPID := map[int]*instance{}
	for _, in := range list {
		for _, p := range in.procs {
			byPID[p.pid] = in
		}
	}
	for _, x := range ns.all {
		for inode, pids := range x.owners {
			s, ok := x.sockets[inode]
			if !ok {
				if s, ok = x.unix[inode]; !ok {
					continue
				}
			}
			var best *instance
			for _, pid := range pids {
				if in := byPID[pid]; in != nil && (best == nil || in != best && closer(in, best, s)) {
					best = in
				}
			}
			if best != nil {
				best.sockets = append(best.sockets, s)
			}
		}
	}
}

func closer(a, b *instance, s socket) bool {
	ua, ub := a.entry.usual(s) >= 0, b.entry.usual(s) >= 0
	if ua != ub {
		return ua
	}
	return a.first().pid < b.first().pid
}

// usual is the place of a socket's port among the usual ones of a kind, -1 when it is none of them.
func (e *Entry) usual(s socket) int {
	return slices.IndexFunc(e.Ports, func(p port) bool { return p.Port == int(s.addr.Port()) && p.Network == s.network })
}

var digits = regexp.MustCompile(`[0-9]{2,5}`)

// guessSockets looks for the sockets of processes whose open files cannot be seen: those whose owner nobody saw, that
// belong to the same user, and have a usual port or one that is named in the arguments.
func guessSockets(list []*instance, ns *namespaces) {
	taken := map[uint64]bool{}
	for _, in := range list {
		if in.ns == nil || len(in.sockets) > 0 || !slices.ContainsFunc(in.procs, func(p *proc) bool { return p.blind }) {
			continue
		}
		named := map[int]bool{}
		for _, text := range digits.FindAllString(in.first().prog.line(), 100) {
			v, _ := strconv.Atoi(text) // digits
			named[v] = true
		}
		for _, inode := range slices.Sorted(maps.Keys(in.ns.sockets)) {
			s := in.ns.sockets[inode]
			if taken[inode] || len(in.ns.owners[inode]) > 0 || !slices.ContainsFunc(in.procs, func(p *proc) bool { return p.uid == s.uid || s.uid == 0 }) {
				continue
			}
			if named[int(s.addr.Port())] || in.entry.usual(s) >= 0 {
				taken[inode] = true
				in.ns.guessed[inode] = true
				in.sockets = append(in.sockets, s)
				in.guessed = true
			}
		}
	}
}

// listens says whether the instance has a port of its own.
func (i *instance) listens() bool {
	return slices.ContainsFunc(i.sockets, func(s socket) bool { return s.network != networkUnix })
}

// mergeIdle merges instances without ports into the one of their kind in the same container or unit that has some, or
// else into one.
func mergeIdle(list []*instance) []*instance {
	place := func(i *instance) string { return i.entry.Kind + "\x00" + i.first().container + "\x00" + i.unit }
	best := map[string]*instance{}
	for _, in := range list {
		if b := best[place(in)]; b == nil || in.listens() && !b.listens() {
			best[place(in)] = in
		}
	}
	var out []*instance
	for _, in := range list {
		b := best[place(in)]
		if in == b || in.listens() {
			out = append(out, in)
			continue
		}
		b.procs = append(b.procs, in.procs...)
		b.sockets = append(b.sockets, in.sockets...)
	}
	return out
}

// nameInstances gives instances of one kind names, so that each has one of its own that it keeps when it is started
// again: a container that its services have, a process that does not listen any more that of its port.
func nameInstances(list []*instance, l *life) {
	slots := l.slots()
	count := map[string]int{} // in one place
	place := func(in *instance) string { return slotKey(in.entry.Kind, in.first().container, in.base) }
	for _, in := range list {
		in.base = in.ownName()
		count[place(in)]++
	}
	for _, in := range list {
		if p := in.mainPort(); count[place(in)] > 1 && p != 0 && !strings.HasSuffix(in.base, strconv.Itoa(p)) {
			in.base = strings.TrimPrefix(in.base+"-"+strconv.Itoa(p), "-")
		}
	}
	used := map[string]bool{}
	for _, in := range list { // those that have a name keep it
		name, ok := slots[place(in)]
		if in.first().container == "" {
			name, ok = in.formerName(l)
		}
		if key := in.entry.Kind + "\x00" + name; ok && !used[key] {
			in.name, in.named = name, true
			used[key] = true
		}
	}
	for _, in := range list {
		if in.named {
			continue
		}
		in.name = in.base
		for n := 2; used[in.entry.Kind+"\x00"+in.name]; n++ {
			in.name = strings.TrimPrefix(in.base+"-"+strconv.Itoa(n), "-")
		}
		used[in.entry.Kind+"\x00"+in.name] = true
	}
}

// formerName is the one that an instance had when it was a service with an address: it is the same process, or of the same
// kind on the same port.
func (i *instance) formerName(l *life) (string, bool) {
	r := l.byKey(i.entry.Kind, i.key())
	if r == nil || r.Service.Address == (Address{}) {
		p := i.mainPort()
		if p == 0 {
			return "", false
		}
		if r = l.byPort(i.entry.Kind, i.unit, p); r == nil {
			return "", false
		}
	}
	return r.Service.Instance, true
}

// ownName is what tells an instance from others of its kind: its container, its unit, its program or its port; "" for
// the one that is as everybody has it.
func (i *instance) ownName() string {
	if i.info != nil {
		return cleanInstance(containerIdentity(i.info))
	}
	if i.unit != "" {
		return cleanInstance(i.unitName())
	}
	if i.entry.Language != "" {
		name := process.ProgramName(i.first().comm, i.first().prog.args)
		if _, program, ok := strings.Cut(name, ":"); ok && program != "" {
			return cleanInstance(program)
		}
	}
	p := i.mainPort()
	if p == 0 || len(i.entry.Ports) == 0 || slices.ContainsFunc(i.entry.Ports, func(u port) bool { return u.Port == p }) {
		return ""
	}
	return strconv.Itoa(p)
}

// unitName is the unit without what all units of the kind have: "" of "nginx", "15-main" of "postgresql@15-main".
func (i *instance) unitName() string {
	name, instance, ok := strings.Cut(i.unit, "@")
	usual := slices.Contains(i.entry.Units, name) || name == i.entry.Kind
	switch {
	case usual && ok:
		return instance
	case usual:
		return ""
	}
	return i.unit
}

// mainPort is the port that an instance is known by: the usual one it has, else the lowest; 0 for none.
func (i *instance) mainPort() int {
	best, rank := 0, 0
	for _, s := range i.sockets {
		if s.network == networkUnix || s.network == networkUDP && i.entry.usual(s) < 0 || slices.Contains(i.entry.Ignore, int(s.addr.Port())) {
			continue
		}
		r := i.entry.usual(s)
		if r < 0 {
			r = 1000
		}
		if p := int(s.addr.Port()); best == 0 || cmp.Or(cmp.Compare(r, rank), cmp.Compare(p, best)) < 0 {
			best, rank = p, r
		}
	}
	return best
}

// containerIdentity names what a container is, so that the one that replaces it is the same: the service of Docker
// Compose, the workload of Kubernetes, or its own name.
func containerIdentity(c *container.Info) string {
	if project, service := c.Labels["com.docker.compose.project"], c.Labels["com.docker.compose.service"]; service != "" {
		name := strings.TrimPrefix(project+"-"+service, "-")
		if n := c.Labels["com.docker.compose.container-number"]; n != "" && n != "1" {
			name += "-" + n
		}
		return name
	}
	if c.Pod != "" {
		return strings.TrimPrefix(c.Namespace+"."+workload(c.Pod)+"."+c.Container, ".")
	}
	if s := c.Labels["com.docker.swarm.service.name"]; s != "" {
		return s
	}
	if c.Name != "" {
		return c.Name
	}
	return c.ID[:min(len(c.ID), 12)]
}

var (
	// The names of pods end in what a replica set (and its template) or a daemon set adds to the workload's.
	replicaSuffix = regexp.MustCompile(`^(.+?)-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	daemonSuffix  = regexp.MustCompile(`^(.+?)-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
)

// workload is the name of a pod without what changes when it is replaced.
func workload(pod string) string {
	for _, re := range []*regexp.Regexp{replicaSuffix, daemonSuffix} {
		if m := re.FindStringSubmatch(pod); m != nil {
			return m[1]
		}
	}
	return pod
}

// matchesAny says whether a path is one of those that patterns name.
func matchesAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, p) // the pattern was checked
		return ok
	})
}
