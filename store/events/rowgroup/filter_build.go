package rowgroup

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// skipInfo is what Meta says of the texts of a group, beside the filters: which tokens the filters do not have, and how long
// tokens are. By the lengths a search knows whether a word that it looks for can be part of a longer one.
type skipInfo struct {
	lengths   [4]uint64 // by tokenClass: bit n: there is a token of n bytes; bit 63: or of more
	maxDigits int       // of a run of digits in a number column
	hasTimes  bool
	hasHex    bool     // the vocabulary does not have the letters of ids
	affixes   []string // of number columns: the token characters beside the number, before and behind, in lower case, with a 0 between
}

// tokenClass tells tokens apart by what they are made of.
type tokenClass int

const (
	classLetters tokenClass = iota // no digit
	classDigits                    // digits alone
	classMixed
	classID // of an id column: hexadecimal digits
)

// The size of the token filter. A token that is not there is found to be possible by 2 % of the groups, whose columns are
// then looked at: that costs less than more bits for every token.
const (
	bloomBits   = 8 // a token
	bloomHashes = 5
	maxWords    = 4096 // of a vocabulary; with more there is none
	minWord     = 3    // letters
)

// filterBuilder collects the tokens and words of a group.
type filterBuilder struct {
	skip   skipInfo
	set    []uint64 // open addressing; 0 is free
	count  int
	words  map[string]struct{}
	full   bool // too many words
	lower  []byte
	affix  map[string]bool
	bloom  []byte
	sorted []string
	vocab  []byte
}

func (b *filterBuilder) reset() {
	b.skip = skipInfo{affixes: b.skip.affixes[:0]}
	if b.words == nil || b.full {
		b.words, b.affix = map[string]struct{}{}, map[string]bool{}
	}
	clear(b.words)
	clear(b.affix)
	if len(b.set) < 1024 || len(b.set) > 1<<20 {
		b.set = make([]uint64, 1<<14)
	}
	clear(b.set)
	b.count, b.full = 0, false
}

// literals adds the texts between slots. Slots begin and end where tokens do.
func (b *filterBuilder) literals(texts []string) {
	for _, t := range texts {
		b.text(t)
	}
}

// column adds the tokens of a column's values, or what makes them unnecessary.
func (b *filterBuilder) column(c *column, v *values, sum *summary) {
	switch c.kind {
	case kindConst, kindDict, kindText:
		for _, t := range sum.distinct {
			b.text(t)
		}
	case kindHex:
		b.skip.hasHex = true
		for _, t := range sum.distinct {
			b.id(t)
		}
	case kindIPv4:
		b.skip.maxDigits = max(b.skip.maxDigits, 3)
	case kindNumber:
		b.number(&c.num, sum)
	case kindTime:
		b.skip.hasTimes = true
		b.skip.maxDigits = max(b.skip.maxDigits, 9)
		if c.time.format.layout != layoutISO {
			for m := range 12 {
				b.text(monthNames[3*m : 3*m+3])
			}
		}
	}
}

func (b *filterBuilder) number(f *numberForm, sum *summary) {
	b.skip.maxDigits = max(b.skip.maxDigits, sum.maxLen-len(f.prefix)-len(f.suffix))
	b.text(f.prefix)
	b.text(f.suffix)
	from, to := len(f.prefix), 0
	for from > 0 && isToken(f.prefix[from-1]) {
		from--
	}
	for to < len(f.suffix) && isToken(f.suffix[to]) {
		to++
	}
	if from < len(f.prefix) || to > 0 {
		b.affix[lowerASCII(f.prefix[from:])+"0"+lowerASCII(f.suffix[:to])] = true
	}
}

// text adds the tokens of a text.
func (b *filterBuilder) text(s string) {
	for i := 0; i < len(s); {
		if !isToken(s[i]) {
			i++
			continue
		}
		start := i
		var upper, digits, letters bool
		for i < len(s) && isToken(s[i]) {
			c := s[i]
			digit := isDigit(c)
			digits = digits || digit
			letters = letters || !digit
			upper = upper || c-'A' < 26
			i++
		}
		class := classMixed
		switch {
		case !digits:
			class = classLetters
		case !letters:
			class = classDigits
		}
		b.token(s[start:i], class, upper)
	}
}

// id adds the token or tokens of an id.
func (b *filterBuilder) id(s string) {
	for len(s) > 0 {
		n := strings.IndexByte(s, '-')
		if n < 0 {
			n = len(s)
		}
		b.skip.lengths[classID] |= 1 << min(n, 63)
		b.add(b.hash(s[:n], true))
		s = s[min(n+1, len(s)):]
	}
}

func (b *filterBuilder) token(s string, class tokenClass, upper bool) {
	if !b.add(b.hash(s, upper)) {
		return
	}
	b.skip.lengths[class] |= 1 << min(len(s), 63)
	if class != classDigits {
		b.letters(s)
	}
}

// letters adds the runs of letters in a token to the vocabulary.
func (b *filterBuilder) letters(s string) {
	for i := 0; i < len(s) && !b.full; {
		start := i
		for i < len(s) && isLetter(s[i]) {
			i++
		}
		if i-start >= minWord {
			b.word(s[start:i])
		}
		if i == start {
			i++
		}
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func (b *filterBuilder) word(s string) {
	b.lower = appendLower(b.lower[:0], s)
	if _, ok := b.words[string(b.lower)]; ok {
		return
	}
	if len(b.words) >= maxWords {
		b.full = true
		return
	}
	b.words[string(b.lower)] = struct{}{}
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, lowerByte(s[i]))
	}
	return dst
}

func (b *filterBuilder) hash(s string, fold bool) uint64 {
	if !fold {
		return tokenHash(s)
	}
	b.lower = appendLower(b.lower[:0], s)
	return max(xxhash.Sum64(b.lower), 1)
}

// tokenHash is stored, as bits: it must stay. It is never 0.
func tokenHash(lower string) uint64 { return max(xxhash.Sum64String(lower), 1) }

// add answers whether the hash is new.
func (b *filterBuilder) add(h uint64) bool {
	if b.count*2 >= len(b.set) {
		b.grow()
	}
	mask := uint64(len(b.set) - 1)
	at := h & mask
	for b.set[at] != 0 {
		if b.set[at] == h {
			return false
		}
		at = (at + 1) & mask
	}
	b.set[at] = h
	b.count++
	return true
}

func (b *filterBuilder) grow() {
	old := b.set
	b.set = make([]uint64, 2*len(old))
	b.count = 0
	for _, h := range old {
		if h != 0 {
			b.add(h)
		}
	}
}

// build makes the token filter and the vocabulary: the words, sorted, with a line break before each and at the end; empty
// when there are too many.
func (b *filterBuilder) build() (bloom, vocab []byte) {
	size := (b.count*bloomBits + 7) / 8
	b.bloom = slices.Grow(b.bloom[:0], size)[:size]
	clear(b.bloom)
	for _, h := range b.set {
		if h != 0 {
			bloomSet(b.bloom, h)
		}
	}
	b.vocab = b.vocab[:0]
	if !b.full {
		b.sorted = b.sorted[:0]
		for w := range b.words {
			b.sorted = append(b.sorted, w)
		}
		slices.Sort(b.sorted)
		b.vocab = append(b.vocab, '\n')
		for _, w := range b.sorted {
			b.vocab = append(append(b.vocab, w...), '\n')
		}
	}
	for a := range b.affix {
		b.skip.affixes = append(b.skip.affixes, a)
	}
	slices.Sort(b.skip.affixes)
	if len(b.skip.affixes) > 100 {
		b.skip.affixes = append(b.skip.affixes[:0], anyAffix)
	}
	return b.bloom, b.vocab
}

// anyAffix stands for too many different ones.
const anyAffix = "*"

// bloomProbe is the i-th of the bits of a token, of n.
func bloomProbe(h uint64, i, n int) uint64 {
	x := h + uint64(i)*(bits.RotateLeft64(h, 32)|1)
	hi, _ := bits.Mul64(x, uint64(n))
	return hi
}

func bloomSet(b []byte, h uint64) {
	for i := range bloomHashes {
		p := bloomProbe(h, i, 8*len(b))
		b[p/8] |= 1 << (p % 8)
	}
}

func bloomHas(b []byte, h uint64) bool {
	if len(b) == 0 {
		return false
	}
	for i := range bloomHashes {
		p := bloomProbe(h, i, 8*len(b))
		if b[p/8]>>(p%8)&1 == 0 {
			return false
		}
	}
	return true
}
