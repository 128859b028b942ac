package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Views returns the checks for which filter is true (all when it is nil): problems that nobody handles first, by severity and age, then the
// handled ones likewise, then the rest by name. filter must not change or keep what it gets, nor call the engine; NextCheck, Held and Running are
// filled in after it. The maps and slices in a View are read-only.
func (e *Engine) Views(filter func(*check.View) bool) []check.View {
	type seen struct {
		c *entry
		v *check.View
	}
	var problems, rest []seen // of pointers: views are too large to be moved about
	for _, c := range *e.order.Load() {
		v := c.view.Load()
		switch {
		case filter != nil && !filter(v):
		case v.Problem():
			problems = append(problems, seen{c, v})
		default:
			rest = append(rest, seen{c, v})
		}
	}
	slices.SortFunc(problems, func(a, b seen) int { return compareProblems(a.v, b.v) })
	out := make([]check.View, len(problems)+len(rest))
	all := slices.Concat(problems, rest)
	for i, s := range all {
		out[i] = *s.v
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, s := range all {
		e.fillIn(s.c, &out[i])
	}
	return out
}

// fillIn adds what changes too often to be in a view. e.mu is held.
func (e *Engine) fillIn(c *entry, v *check.View) {
	v.Running = c.doing == running || c.doing == deciding || c.doing == abandoned
	v.Held = c.hold.cancel != nil
	if c.turn.pos != 0 && c.doing == idle {
		v.NextCheck = e.wall(c.turn.at)
	}
}

// compareProblems puts first what wants a person most; of equals the newest.
func compareProblems(a, b *check.View) int {
	return cmp.Or(cmp.Compare(urgency(b), urgency(a)), b.Since.Compare(a.Since), strings.Compare(a.ID, b.ID))
}

// urgency is the higher the more a problem wants a person.
func urgency(v *check.View) int {
	if v.Handled != "" {
		return v.Status.Severity()
	}
	return 10 + v.Status.Severity()
}

// View returns one check.
func (e *Engine) View(id string) (check.View, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.checks[id]
	if c == nil {
		return check.View{}, false
	}
	out := *c.view.Load()
	e.fillIn(c, &out)
	return out, true
}

// Hosts returns all hosts, by name. What is in them is read-only.
func (e *Engine) Hosts() []check.Host { return slices.Clone(*e.hosts.Load()) }

// Summary counts everything.
func (e *Engine) Summary() Summary {
	e.mu.Lock()
	n := e.counts
	e.mu.Unlock()
	s := Summary{
		Checks: map[model.Status]int{}, Unhandled: map[model.Status]int{}, Handled: map[model.Status]int{},
		Hosts: check.HostCounts{Up: n.up, Down: n.down, Unreachable: n.unreachable},
	}
	s.Hosts.Pending = len(*e.hosts.Load()) - n.up - n.down - n.unreachable
	for status := model.OK; status <= model.Pending; status++ {
		s.Checks[status] = n.checks[status]
		if status != model.OK && status != model.Pending {
			s.Unhandled[status], s.Handled[status] = n.unhandled[status], n.handled[status]
		}
	}
	return s
}
