package state

import (
	"errors"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Graph is what stands behind what: hosts behind their parents, services on their hosts, checks on what they depend on.
// It never changes and is safe for use by several goroutines at once.
type Graph struct {
	parents map[string][]string           // by host
	needs   map[string][]check.Dependency // by check ID, Host and Name filled in
	behind  map[string][]string           // check ID -> the checks that directly stand behind it
}

// NewGraph returns the graph of all hosts and specs. Parents and dependencies that do not exist or form a ring are errors, which
// name them; the graph that is returned besides is whole but for them.
func NewGraph(hosts []check.Host, specs []check.Spec) (*Graph, error) {
	g := &Graph{parents: map[string][]string{}, needs: map[string][]check.Dependency{}, behind: map[string][]string{}}
	var errs []error
	known := map[string]bool{}
	for _, h := range hosts {
		known[h.Name] = true
	}
	for _, h := range hosts {
		for _, p := range h.Parents {
			switch {
			case !known[p]:
				errs = append(errs, invalid("host %s: its parent %q is not declared", h.Name, p))
			case !slices.Contains(g.parents[h.Name], p):
				g.parents[h.Name] = append(g.parents[h.Name], p)
			}
		}
	}
	errs = append(errs, breakRings(g.parents, "parents of hosts form a ring: ")...)
	errs = append(errs, g.addNeeds(specs)...)
	for host, parents := range g.parents {
		for _, p := range parents {
			g.link(hostID(p), hostID(host))
		}
	}
	for i := range specs {
		if id := specs[i].ID(); id != hostID(specs[i].Host) {
			g.link(hostID(specs[i].Host), id)
		}
	}
	for id, list := range g.behind {
		slices.Sort(list)
		g.behind[id] = slices.Compact(list)
	}
	return g, errors.Join(errs...)
}

func (g *Graph) addNeeds(specs []check.Spec) []error {
	var errs []error
	known := map[string]bool{}
	for i := range specs {
		known[specs[i].ID()] = true
	}
	edges := map[string][]string{}
	needs := map[string][]check.Dependency{}
	for i := range specs {
		id := specs[i].ID()
		for _, d := range specs[i].DependsOn {
			if d.Host == "" {
				d.Host = specs[i].Host
			}
			if d.Name == "" {
				d.Name = check.HostCheck
			}
			on := d.Host + "/" + d.Name
			if !known[on] {
				errs = append(errs, invalid("check %s: it depends on %q, which is not declared", id, on))
				continue
			}
			edges[id] = append(edges[id], on)
			needs[id] = append(needs[id], d)
		}
	}
	errs = append(errs, breakRings(edges, "dependencies of checks form a ring: ")...)
	for id, list := range needs {
		for _, d := range list {
			if on := d.Host + "/" + d.Name; slices.Contains(edges[id], on) {
				g.needs[id] = append(g.needs[id], d)
				g.link(on, id)
			}
		}
	}
	return errs
}

func (g *Graph) link(on, id string) { g.behind[on] = append(g.behind[on], id) }

func hostID(host string) string { return host + "/" + check.HostCheck }

// breakRings takes the edges out that close a ring, in the order of names, and names each ring.
func breakRings(edges map[string][]string, text string) []error {
	var errs []error
	const visiting, done = 1, 2
	mark := map[string]int{}
	var path []string
	var visit func(string)
	visit = func(n string) {
		mark[n] = visiting
		path = append(path, n)
		var kept []string
		for _, to := range edges[n] {
			if mark[to] == visiting {
				ring := append(slices.Clone(path[slices.Index(path, to):]), to)
				errs = append(errs, invalid("%s%s", text, strings.Join(ring, " -> ")))
				continue
			}
			kept = append(kept, to)
			if mark[to] == 0 {
				visit(to)
			}
		}
		edges[n] = kept
		path = path[:len(path)-1]
		mark[n] = done
	}
	names := make([]string, 0, len(edges))
	for n := range edges {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if mark[n] == 0 {
			visit(n)
		}
	}
	return errs
}

// Status returns the state of a check by its ID; false when there is no such check.
type Status = func(id string) (check.State, bool)

// Around returns what the graph knows of a check's surroundings: HostDown, Unreachable, Dependency and NoCheck.
func (g *Graph) Around(id string, status Status) Around {
	var a Around
	w := walk{Graph: g, status: status}
	host, name, _ := strings.Cut(id, "/")
	if name == check.HostCheck {
		a.Unreachable = !w.reachable(host)
	} else {
		st, ok := status(hostID(host))
		a.HostDown = ok && Down(st)
		a.Unreachable = (a.HostDown || !ok) && !w.reachable(host)
	}
	a.Dependency, a.NoCheck = w.failed(id)
	return a
}

// walk is one look at the graph. It remembers what it found, so that many ways to the same host or check cost no more than one.
type walk struct {
	*Graph
	status Status
	ups    map[string]bool
	fails  map[string]bool
}

// reachable says whether a host has no parents, or one of them is up.
func (w *walk) reachable(host string) bool {
	parents := w.parents[host]
	return len(parents) == 0 || slices.ContainsFunc(parents, w.up)
}

// up goes by the host's check, and by its parents where it has none.
func (w *walk) up(host string) bool {
	if st, ok := w.status(hostID(host)); ok {
		return !Down(st)
	}
	up, known := w.ups[host]
	if !known {
		up = w.reachable(host)
		if w.ups == nil {
			w.ups = map[string]bool{}
		}
		w.ups[host] = up
	}
	return up
}

// failed says whether what a check depends on fails it: one dependency outside groups, or all of a group.
func (w *walk) failed(id string) (quiet, noCheck bool) {
	type group struct{ good, noCheck bool }
	var groups map[string]group
	for _, d := range w.needs[id] {
		bad := w.fail(d)
		if d.Group == "" {
			quiet, noCheck = quiet || bad, noCheck || bad && d.NoCheck
			continue
		}
		if groups == nil {
			groups = map[string]group{}
		}
		of := groups[d.Group]
		groups[d.Group] = group{good: of.good || !bad, noCheck: of.noCheck || d.NoCheck}
	}
	for _, of := range groups {
		if !of.good {
			quiet, noCheck = true, noCheck || of.noCheck
		}
	}
	return quiet, noCheck
}

// fail says whether one dependency fails: by the last hard status of the other check, or by what that depends on.
func (w *walk) fail(d check.Dependency) bool {
	on := d.Host + "/" + d.Name
	if st, ok := w.status(on); ok && slices.Contains(failOn(d), st.HardStatus) {
		return true
	}
	fails, known := w.fails[on]
	if !known {
		fails, _ = w.failed(on)
		if w.fails == nil {
			w.fails = map[string]bool{}
		}
		w.fails[on] = fails
	}
	return fails
}

func failOn(d check.Dependency) []model.Status {
	if len(d.FailOn) == 0 {
		return []model.Status{model.Critical, model.Unknown}
	}
	return d.FailOn
}

// Dependents returns all checks that stand behind one, directly or through others, sorted.
func (g *Graph) Dependents(id string) []string {
	seen := map[string]bool{id: true}
	var out []string
	for todo := []string{id}; len(todo) > 0; todo = todo[1:] {
		for _, next := range g.behind[todo[0]] {
			if !seen[next] {
				seen[next] = true
				out = append(out, next)
				todo = append(todo, next)
			}
		}
	}
	slices.Sort(out)
	return out
}
