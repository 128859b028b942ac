package fields

import (
	"math"
	"math/bits"
)

// exactValues is up to how many values are told apart one by one: 8 KB of hashes.
const exactValues = 1000

// registers of the estimate: 2^11 bytes give a standard error of 1.04/sqrt(2^11) = 2.3 %.
const registerBits = 11

// cardinality counts different values by their hashes: exactly as long as they are few, then by HyperLogLog (Flajolet,
// Fusy, Gandouet, Meunier, 2007), whose correction for few values is not needed here.
type cardinality struct {
	exact     map[uint64]struct{}
	registers []uint8 // nil while exact
}

func (c *cardinality) add(hash uint64) {
	if c.registers != nil {
		c.register(hash)
		return
	}
	if c.exact == nil {
		c.exact = map[uint64]struct{}{}
	}
	c.exact[hash] = struct{}{}
	if len(c.exact) <= exactValues {
		return
	}
	c.registers = make([]uint8, 1<<registerBits)
	for h := range c.exact {
		c.register(h)
	}
	c.exact = nil
}

func (c *cardinality) register(hash uint64) {
	at := hash >> (64 - registerBits)
	rank := bits.LeadingZeros64(hash<<registerBits|1<<(registerBits-1)) + 1
	c.registers[at] = max(c.registers[at], uint8(rank)) //nolint:gosec // at most 54
}

// estimate returns the number of different values, and whether it is exact.
func (c *cardinality) estimate() (int64, bool) {
	if c.registers == nil {
		return int64(len(c.exact)), true
	}
	m := float64(len(c.registers))
	sum, zeros := 0.0, 0.0
	for _, r := range c.registers {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		e = m * math.Log(m/zeros) // linear counting
	}
	return int64(e), false
}
