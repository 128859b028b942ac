package logql

import "math/bits"

// eachBit calls f with the positions of the bits that are set, of the first n.
func eachBit(set []uint64, n int, f func(i int)) {
	for w, word := range set {
		if w*64 >= n {
			return
		}
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if i >= n {
				return
			}
			f(i)
		}
	}
}

// countBits counts the bits that are set from lo on and before hi.
func countBits(set []uint64, lo, hi int) int {
	if lo >= hi {
		return 0
	}
	first, last := lo/64, (hi-1)/64
	head := ^uint64(0) << (lo % 64)
	tail := ^uint64(0) >> (63 - (hi-1)%64)
	if first == last {
		return bits.OnesCount64(set[first] & head & tail)
	}
	n := bits.OnesCount64(set[first]&head) + bits.OnesCount64(set[last]&tail)
	for w := first + 1; w < last; w++ {
		n += bits.OnesCount64(set[w])
	}
	return n
}

func clearBit(set []uint64, i int) { set[i/64] &^= 1 << (i % 64) }

// eachBitIn calls f with the positions of the bits that are set from lo on and before hi.
func eachBitIn(set []uint64, lo, hi int, f func(i int)) {
	for i := lo; i < hi; {
		word := set[i/64] >> (i % 64)
		if word == 0 {
			i = (i/64 + 1) * 64
			continue
		}
		if i += bits.TrailingZeros64(word); i < hi {
			f(i)
		}
		i++
	}
}

// eachBitBetween is eachBitIn until f returns an error.
func eachBitBetween(set []uint64, lo, hi int, f func(i int) error) (err error) {
	eachBitIn(set, lo, hi, func(i int) {
		if err == nil {
			err = f(i)
		}
	})
	return err
}

// countCodes counts the codes of the rows that are set from lo on and before hi.
func countCodes(counts []int, codes []uint32, set []uint64, lo, hi int) {
	if countBits(set, lo, hi) == hi-lo {
		for _, c := range codes[lo:hi] {
			counts[c]++
		}
		return
	}
	eachBitIn(set, lo, hi, func(i int) { counts[codes[i]]++ })
}
