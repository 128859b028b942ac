package rowgroup

import "math/bits"

// bitmap is a set of numbers: bit i%64 of word i/64.
type bitmap []uint64

func bitmapWords(n int) int { return (n + 63) / 64 }

func (b bitmap) has(i int) bool { return b[i/64]>>(i%64)&1 == 1 }
func (b bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) clear(i int)    { b[i/64] &^= 1 << (i % 64) }

// setRange adds first to end-1.
func (b bitmap) setRange(first, end int) {
	for first < end && first%64 != 0 {
		b.set(first)
		first++
	}
	for ; first+64 <= end; first += 64 {
		b[first/64] = ^uint64(0)
	}
	for ; first < end; first++ {
		b.set(first)
	}
}

func (b bitmap) and(o bitmap) {
	for i := range b {
		b[i] &= o[i]
	}
}

func (b bitmap) or(o bitmap) {
	for i := range b {
		b[i] |= o[i]
	}
}

func (b bitmap) andNot(o bitmap) {
	for i := range b {
		b[i] &^= o[i]
	}
}

func (b bitmap) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

func (b bitmap) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// countRange counts those from first to end-1.
func (b bitmap) countRange(first, end int) int {
	n := 0
	for i := range b.in(first, end) {
		_ = i
		n++
	}
	return n
}

// all yields the numbers, ascending.
func (b bitmap) all(yield func(int) bool) {
	for i, w := range b {
		for w != 0 {
			if !yield(i*64 + bits.TrailingZeros64(w)) {
				return
			}
			w &= w - 1
		}
	}
}

// in yields those from first to end-1.
func (b bitmap) in(first, end int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := first / 64; i*64 < end; i++ {
			w := b[i]
			if i*64 < first {
				w &= ^uint64(0) << (first - i*64)
			}
			for ; w != 0; w &= w - 1 {
				at := i*64 + bits.TrailingZeros64(w)
				if at >= end || !yield(at) {
					return
				}
			}
		}
	}
}
