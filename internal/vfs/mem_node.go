package vfs

import (
	"io/fs"
	"iter"
	"math/rand/v2"
	"time"
)

// A node is a file or a folder of Mem, under whatever name.
type node struct {
	dir  bool
	perm fs.FileMode
	mod  time.Time

	// A folder: what processes see, and what a power cut leaves.
	names, stableNames map[string]*node

	// A file: what processes see, what a power cut leaves for sure, and the changes that lie between.
	data, stable []byte
	pending      []change
	links, opens int
}

// A change is what one write or truncation did to a file.
type change struct {
	// [at, end) are the bytes that it touched: with data, or with zeros when data is nil.
	at, end int64
	data    []byte
	// size is the file's after it.
	size int64
	// failed says that a Sync which should have made it durable failed, and the kernel has forgotten it.
	failed bool
}

// sector is the unit in which a disk writes: it is there or not, and never half. 512 bytes is the smallest in use,
// and what is right for it is right for 4 KiB.
const sector = 512

func newDir() *node {
	return &node{dir: true, perm: 0o750, mod: time.Now(), names: map[string]*node{}, stableNames: map[string]*node{}}
}

func newFile(perm fs.FileMode) *node { return &node{perm: perm, mod: time.Now()} }

func (n *node) info(name string) memInfo {
	mode := n.perm.Perm()
	if n.dir {
		mode |= fs.ModeDir
	}
	return memInfo{name: name, size: int64(len(n.data)), mode: mode, mod: n.mod}
}

// write changes the file; the caller has seen to the room.
func (n *node) write(p []byte, at int64) {
	end := at + int64(len(p))
	if gap := end - int64(len(n.data)); gap > 0 {
		n.data = append(n.data, make([]byte, gap)...)
	}
	copy(n.data[at:], p)
	n.note(change{at: at, end: end, data: append([]byte{}, p...)})
}

// resize truncates the file, or makes it longer by zeros.
func (n *node) resize(size int64) {
	old := int64(len(n.data))
	if size > old {
		n.data = append(n.data, make([]byte, size-old)...)
		n.note(change{})
		return
	}
	clear(n.data[size:])
	n.data = n.data[:size]
	n.note(change{at: size, end: old})
}

func (n *node) note(c change) {
	c.size = int64(len(n.data))
	n.pending = append(n.pending, c)
	n.mod = time.Now()
}

// apply does to b what the change did to the file, in the bytes [from, to) only. b is long enough.
func (c *change) apply(b []byte, from, to int64) {
	from, to = max(from, c.at), min(to, c.end)
	if from >= to {
		return
	}
	if c.data == nil {
		clear(b[from:to])
		return
	}
	copy(b[from:to], c.data[from-c.at:])
}

// sectors yields the numbers of the sectors that the change touched.
func (c *change) sectors() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for s := c.at / sector; s*sector < c.end && yield(s); s++ {
		}
	}
}

// within is the part of the change in the bytes [from, to), in a file of that size.
func (c *change) within(from, to, size int64) change {
	part := *c
	part.at, part.end, part.size = max(from, c.at), min(to, c.end), size
	if c.data != nil {
		part.data = c.data[part.at-c.at : part.end-c.at]
	}
	return part
}

// sync makes the pending changes durable, except in sectors where the last word is a change that an earlier failed sync
// has lost.
func (n *node) sync() {
	lost := n.lostSectors()
	n.stable = fit(n.stable, int64(len(n.data)), n.pending)
	var left []change
	for _, c := range n.pending {
		for s := range c.sectors() {
			if !lost[s] {
				c.apply(n.stable, s*sector, (s+1)*sector)
			} else {
				left = append(left, c.within(s*sector, (s+1)*sector, int64(len(n.data))))
			}
		}
	}
	n.stable = n.stable[:len(n.data)]
	n.pending = left
}

// lostSectors are those that a failed sync has lost, and that were not written since.
func (n *node) lostSectors() map[int64]bool {
	lost := map[int64]bool{}
	for _, c := range n.pending {
		for s := range c.sectors() {
			if c.failed {
				lost[s] = true
			} else {
				delete(lost, s)
			}
		}
	}
	return lost
}

// syncFailed is what a sync that fails leaves behind: pages that count as written and are not.
func (n *node) syncFailed() {
	for i := range n.pending {
		n.pending[i].failed = true
	}
}

// fit makes b long enough for size and for every change.
func fit(b []byte, size int64, changes []change) []byte {
	for _, c := range changes {
		size = max(size, c.end, c.size)
	}
	if gap := size - int64(len(b)); gap > 0 {
		b = append(b, make([]byte, gap)...)
	}
	return b
}

// afterCrash returns what a power cut leaves of the file: each sector is at any of its states since the last sync, and
// so is the size.
func (n *node) afterCrash(r *survival) []byte {
	b := fit(append([]byte{}, n.stable...), 0, n.pending)
	until := map[int64]int{} // by sector, how many of the pending changes it has seen
	for i, c := range n.pending {
		for s := range c.sectors() {
			if _, ok := until[s]; !ok {
				until[s] = r.pick(len(n.pending))
			}
			if i < until[s] {
				c.apply(b, s*sector, (s+1)*sector)
			}
		}
	}
	return b[:n.sizeAfterCrash(r)]
}

// sizeAfterCrash is the size after any of the pending changes, or a size in the middle of one.
func (n *node) sizeAfterCrash(r *survival) int64 {
	seen := r.pick(len(n.pending))
	size := int64(len(n.stable))
	if seen > 0 {
		size = n.pending[seen-1].size
	}
	if seen < len(n.pending) && !r.extreme() && r.IntN(4) == 0 {
		if sectors := (n.pending[seen].size - size) / sector; sectors > 0 {
			size += r.Int64N(sectors+1) * sector
		}
	}
	return size
}

// survival decides by seed what outlives a power cut.
type survival struct {
	*rand.Rand
	seed uint64
}

func newSurvival(seed uint64) *survival {
	return &survival{rand.New(rand.NewPCG(seed, 2)), seed}
}

// extreme says that nothing (seed 0) or everything (seed 1) survives.
func (r *survival) extreme() bool { return r.seed < 2 }

// pick returns how many of n changes in a row survive.
func (r *survival) pick(n int) int {
	switch r.seed {
	case 0:
		return 0
	case 1:
		return n
	}
	return r.IntN(n + 1)
}
