package vfs

import (
	"maps"
	"slices"
)

// A nameChange is one change in folders: a name made (from is nil), removed (to is nil) or moved.
type nameChange struct {
	from, to         *node
	fromName, toName string
	node             *node
}

// replaced returns what is under the new name.
func (c *nameChange) replaced() *node {
	if c.to == nil {
		return nil
	}
	return c.to.names[c.toName]
}

// apply does the change in the names that view returns of a folder.
func (c *nameChange) apply(view func(dir *node) map[string]*node) {
	if c.from != nil && view(c.from)[c.fromName] == c.node {
		delete(view(c.from), c.fromName)
	}
	if c.to != nil {
		view(c.to)[c.toName] = c.node
	}
}

func (c *nameChange) touches(dir *node) bool { return c.from == dir || c.to == dir }

// syncNames makes the changes in dir durable and returns the others. A move from another folder takes with it what
// happened before to the name that it came from, or else the file could appear twice.
func syncNames(journal []*nameChange, dir *node) []*nameChange {
	type place struct {
		dir  *node
		name string
	}
	needed := map[place]bool{}
	durable := make([]bool, len(journal))
	for i := len(journal) - 1; i >= 0; i-- {
		c := journal[i]
		durable[i] = c.touches(dir) || needed[place{c.from, c.fromName}] || needed[place{c.to, c.toName}]
		if durable[i] && c.from != nil {
			needed[place{c.from, c.fromName}] = true
		}
	}
	var left []*nameChange
	for i, c := range journal {
		if durable[i] {
			c.apply(func(dir *node) map[string]*node { return dir.stableNames })
		} else {
			left = append(left, c)
		}
	}
	return left
}

// Crash returns what a power cut leaves on the disk, and ends this Mem: everything returns ErrCrashed from now on. It may
// be called several times. What was not synced survives or not by seed, in every way that a disk and a file system may choose:
//   - of a file's data, each sector of 512 bytes is as at any moment since the last sync (zeros where it was never
//     written), and so is its size;
//   - names made, removed and moved in folders that were not synced afterwards are so up to one moment, as in a
//     file system with a journal, or each by itself, as POSIX allows; a move happens whole or not at all.
//
// With seed 0 nothing survives that was not synced, with seed 1 everything does.
func (m *Mem) Crash(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	r := newSurvival(seed)
	names := m.namesAfterCrash(r)
	next := m.successor()
	next.root = next.settle(m.root, names, r, map[*node]*node{})
	return next
}

// Kill returns what the death of the process leaves, and ends this Mem: everything that was written is there, and
// what was not synced can still be lost by a Crash of what it returns.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	next := m.successor()
	twins := map[*node]*node{}
	next.root = copyNode(m.root, twins)
	for _, c := range m.journal {
		twin := *c
		twin.from, twin.to, twin.node = copyNode(c.from, twins), copyNode(c.to, twins), copyNode(c.node, twins)
		next.journal = append(next.journal, &twin)
	}
	for _, n := range twins {
		if n.links > 0 {
			next.used += int64(len(n.data))
		} else {
			n.data = nil
		}
	}
	return next
}

func (m *Mem) successor() *Mem {
	next := NewMem()
	next.capacity = m.capacity
	return next
}

// namesAfterCrash returns each folder's names as the power cut leaves them.
func (m *Mem) namesAfterCrash(r *survival) func(*node) map[string]*node {
	after := map[*node]map[string]*node{}
	view := func(dir *node) map[string]*node {
		if after[dir] == nil {
			after[dir] = maps.Clone(dir.stableNames)
		}
		return after[dir]
	}
	kept := r.pick(len(m.journal))
	ordered := r.extreme() || r.IntN(2) == 0
	for i, c := range m.journal {
		if ordered && i < kept || !ordered && r.IntN(2) == 0 {
			c.apply(view)
		}
	}
	return view
}

// settle copies a node as the power cut leaves it. What it holds is visited in the order in which it was made durable by
// name, so that the same seed gives the same result.
func (m *Mem) settle(n *node, names func(*node) map[string]*node, r *survival, done map[*node]*node) *node {
	if twin := done[n]; twin != nil {
		twin.links++
		return twin
	}
	twin := &node{dir: n.dir, perm: n.perm, mod: n.mod, links: 1}
	done[n] = twin
	if !n.dir {
		twin.data = n.afterCrash(r)
		twin.stable = append([]byte{}, twin.data...)
		m.used += int64(len(twin.data))
		return twin
	}
	twin.names = map[string]*node{}
	for _, name := range slices.Sorted(maps.Keys(names(n))) {
		twin.names[name] = m.settle(names(n)[name], names, r, done)
	}
	twin.stableNames = maps.Clone(twin.names)
	return twin
}

// copyNode copies a node and everything that it refers to, once each.
func copyNode(n *node, twins map[*node]*node) *node {
	if n == nil || twins[n] != nil {
		return twins[n]
	}
	twin := *n
	twins[n] = &twin
	twin.opens = 0
	twin.data = append([]byte{}, n.data...)
	twin.stable = append([]byte{}, n.stable...)
	twin.pending = append([]change{}, n.pending...) // their data is never written to
	twin.names, twin.stableNames = copyNames(n.names, twins), copyNames(n.stableNames, twins)
	return &twin
}

func copyNames(names map[string]*node, twins map[*node]*node) map[string]*node {
	if names == nil {
		return nil
	}
	copied := map[string]*node{}
	for name, n := range names {
		copied[name] = copyNode(n, twins)
	}
	return copied
}
