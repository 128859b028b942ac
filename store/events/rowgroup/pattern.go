package rowgroup

import "math/bits"

// pattern finds out whether a needle can lie across the borders of a template's pieces, taking a slot for any text of the
// characters that its column has: what it denies is impossible. It follows all beginnings of the needle at once, a bit each
// (the Shift-And method), for its first 63 bytes.
type pattern struct {
	needle string
	fold   bool
	size   int
	masks  [256]uint64 // bit i+1: the byte may stand at place i
}

func newPattern(needle string, fold bool) *pattern {
	p := &pattern{needle: needle, fold: fold, size: min(len(needle), 63)}
	for i := range p.size {
		c := needle[i]
		p.masks[c] |= 2 << i
		if fold && isLetter(c) {
			p.masks[c^0x20] |= 2 << i
		}
	}
	return p
}

// slotMask is the bits of the places whose byte the column has.
func (p *pattern) slotMask(c *column) uint64 {
	m := uint64(0)
	for i := range p.size {
		if c.chars.may(p.needle[i], p.fold) {
			m |= 2 << i
		}
	}
	return m
}

// spreadSlot goes on from all beginnings through as many characters of a slot as there may be, none included.
func spreadSlot(state, mask uint64) uint64 {
	for {
		next := state | state<<1&mask
		if next == state {
			return state
		}
		state = next
	}
}

func (p *pattern) accepts(state uint64) bool { return state>>p.size&1 == 1 }

// crosses says whether the needle may be found across a border.
func (p *pattern) crosses(t *template, dir *directory) bool {
	// inside: beginnings within this piece; crossed: those from pieces before.
	var crossed uint64
	inside := uint64(1)
	long := p.size < len(p.needle) // its first bytes may lie in one piece, and the others not
	for k := range 2*len(t.slots) + 1 {
		if long && p.accepts(inside) {
			return true
		}
		crossed |= inside &^ (1 | 1<<p.size)
		inside = 1
		if k%2 == 1 {
			m := p.slotMask(&dir.columns[t.slots[k/2]])
			crossed = spreadSlot(crossed, m)
			if p.accepts(crossed) {
				return true
			}
			for i := range p.size { // a beginning may be at any place of the slot
				if m>>(i+1)&1 == 0 {
					break
				}
				inside |= 2 << i
			}
			continue
		}
		lit := t.literals[k/2]
		for i := range len(lit) {
			m := p.masks[lit[i]]
			crossed = crossed << 1 & m
			if p.accepts(crossed) {
				return true
			}
			inside = inside<<1&m | 1
			if long && p.accepts(inside) {
				return true
			}
		}
	}
	return false
}

// window is pieces of a template: even numbers are literals, odd ones slots.
type window struct{ from, to int }

// maxWindows is how many are looked at one by one; more become one.
const maxWindows = 3

// windows finds the pieces across which the needle may be found.
func (p *pattern) windows(t *template, dir *directory) []window {
	var out []window
	last := 2 * len(t.slots)
	if p.size < len(p.needle) {
		return []window{{0, last}} // the end of a long needle is not followed
	}
	for from := range last {
		if to := p.reach(t, dir, from, last); to > from {
			out = append(out, window{from, to})
		}
	}
	if len(out) <= maxWindows {
		return out
	}
	hull := out[0]
	for _, w := range out {
		hull.to = max(hull.to, w.to)
	}
	return []window{hull}
}

// reach is the last piece in which a needle that begins in piece from may end, or from.
func (p *pattern) reach(t *template, dir *directory, from, last int) int {
	state := p.beginnings(t, dir, from) &^ 1
	to := from
	for k := from + 1; k <= last && state != 0; k++ {
		if k%2 == 1 {
			state = spreadSlot(state, p.slotMask(&dir.columns[t.slots[k/2]]))
			if p.accepts(state) {
				to = k
			}
			state &^= 1 << p.size
			continue
		}
		lit := t.literals[k/2]
		for i := range len(lit) {
			state = state << 1 & p.masks[lit[i]]
			if p.accepts(state) {
				to = k
			}
		}
	}
	return to
}

// beginnings are those of the needle with which a piece may end.
func (p *pattern) beginnings(t *template, dir *directory, k int) uint64 {
	state := uint64(1)
	if k%2 == 0 {
		lit := t.literals[k/2]
		for i := range len(lit) {
			state = state<<1&p.masks[lit[i]] | 1
		}
		return state &^ (1 << p.size)
	}
	m := p.slotMask(&dir.columns[t.slots[k/2]])
	run := bits.TrailingZeros64(^(m >> 1))
	return (1<<(run+1) - 1) &^ (1 << p.size)
}
