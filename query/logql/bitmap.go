package logql

import "math/bits"

// bitmap is a set of rows: bit i%64 of word i/64.
type bitmap struct{ words []uint64 }

// fill makes it the rows before n.
func (b *bitmap) fill(n int) {
	b.words = b.words[:0]
	for ; n >= 64; n -= 64 {
		b.words = append(b.words, ^uint64(0))
	}
	if n > 0 {
		b.words = append(b.words, 1<<n-1)
	}
}

// clear makes it empty, with room for n rows.
func (b *bitmap) clear(n int) {
	b.words = append(b.words[:0], make([]uint64, (n+63)/64)...)
}

func (b *bitmap) set(i int) { b.words[i/64] |= 1 << (i % 64) }

func (b *bitmap) has(i int) bool { return b.words[i/64]>>(i%64)&1 != 0 }

func (b *bitmap) count() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b *bitmap) empty() bool {
	for _, w := range b.words {
		if w != 0 {
			return false
		}
	}
	return true
}

// filter keeps the rows for which keep is true.
func (b *bitmap) filter(keep func(i int) bool) {
	for at, w := range b.words {
		for left := w; left != 0; left &= left - 1 {
			bit := bits.TrailingZeros64(left)
			if !keep(at*64 + bit) {
				w &^= 1 << bit
			}
		}
		b.words[at] = w
	}
}

// each calls f with the rows, in their order or from behind, until it returns an error.
func (b *bitmap) each(backward bool, f func(i int) error) error {
	for k := range b.words {
		at := k
		if backward {
			at = len(b.words) - 1 - k
		}
		for w := b.words[at]; w != 0; {
			bit := bits.TrailingZeros64(w)
			if backward {
				bit = 63 - bits.LeadingZeros64(w)
			}
			w &^= 1 << bit
			if err := f(at*64 + bit); err != nil {
				return err
			}
		}
	}
	return nil
}
