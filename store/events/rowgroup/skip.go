package rowgroup

import (
	"bytes"
	"context"
	"strings"
)

// needle is a text that is looked for, with what tells that a group does not have it.
type needle struct {
	tokens []needleToken
	words  []needleWord
}

// needleToken is a run of token characters. Where it is open, at the beginning or the end of the needle, the token in the group may
// go on.
type needleToken struct {
	text       string // in lower case
	hash       uint64
	open       [2]bool
	anyDigit   bool
	onlyDigits bool
	onlyHex    bool
	onlyTime   bool // digits, t and z
}

// needleWord is a run of letters, as it is looked for in a vocabulary.
type needleWord struct {
	pattern []byte
	onlyHex bool
}

// prepareNeedle takes a needle apart. whole says that it is a whole value, so that nothing is open.
func prepareNeedle(text string, whole bool) needle {
	var out needle
	lower := lowerASCII(text)
	for i := 0; i < len(lower); {
		start := i
		for i < len(lower) && isToken(lower[i]) {
			i++
		}
		if i > start {
			t := newNeedleToken(lower[start:i])
			t.open = [2]bool{start == 0 && !whole, i == len(lower) && !whole}
			out.tokens = append(out.tokens, t)
		}
		if i == start {
			i++
		}
	}
	for i := 0; i < len(lower); {
		start := i
		for i < len(lower) && isLetter(lower[i]) {
			i++
		}
		if i-start >= minWord {
			out.words = append(out.words, newNeedleWord(lower[start:i], start == 0 && !whole, i == len(lower) && !whole))
		}
		if i == start {
			i++
		}
	}
	return out
}

func newNeedleToken(s string) needleToken {
	t := needleToken{text: s, hash: tokenHash(s), onlyDigits: true, onlyHex: true, onlyTime: true}
	for i := range len(s) {
		c := s[i]
		t.anyDigit = t.anyDigit || isDigit(c)
		t.onlyDigits = t.onlyDigits && isDigit(c)
		t.onlyHex = t.onlyHex && isHex(c)
		t.onlyTime = t.onlyTime && (isDigit(c) || c == 't' || c == 'z')
	}
	return t
}

func newNeedleWord(s string, openLeft, openRight bool) needleWord {
	w := needleWord{onlyHex: true}
	if !openLeft {
		w.pattern = append(w.pattern, '\n')
	}
	w.pattern = append(w.pattern, s...)
	if !openRight {
		w.pattern = append(w.pattern, '\n')
	}
	for i := range len(s) {
		w.onlyHex = w.onlyHex && isHex(s[i])
	}
	return w
}

// whole says whether the token, though open, can only be a whole one: no token of the group that could have it in it is longer.
func (t *needleToken) whole(s *skipInfo) bool {
	if !t.open[0] && !t.open[1] {
		return true
	}
	possible := s.lengths[classMixed]
	if !t.anyDigit {
		possible |= s.lengths[classLetters]
	}
	if t.onlyDigits {
		possible |= s.lengths[classDigits]
	}
	if t.onlyHex {
		possible |= s.lengths[classID]
	}
	// Bit 63 is all that are longer still.
	return len(t.text) < 63 && possible>>(len(t.text)+1) == 0
}

// number says whether the token may be one, or a part of one, that the filter does not have because it is in a column of
// numbers or times.
func (t *needleToken) number(s *skipInfo) bool {
	if !t.anyDigit {
		return t.letters(s)
	}
	if t.onlyTime && s.hasTimes {
		return true
	}
	if t.onlyDigits && len(t.text) <= s.maxDigits {
		return true
	}
	for _, a := range s.affixes {
		if a == anyAffix || t.affixed(a, s.maxDigits) {
			return true
		}
	}
	return false
}

// letters says whether a token without digits may be a part of a number with letters beside it.
func (t *needleToken) letters(s *skipInfo) bool {
	if s.hasTimes && (t.text == "t" || t.text == "z") {
		return true
	}
	for _, a := range s.affixes {
		if a == anyAffix {
			return true
		}
		before, behind, _ := strings.Cut(a, "0")
		if t.open[1] && strings.HasSuffix(before, t.text) && (t.open[0] || before == t.text) ||
			t.open[0] && strings.HasPrefix(behind, t.text) && (t.open[1] || behind == t.text) ||
			t.open[0] && t.open[1] && (strings.Contains(before, t.text) || strings.Contains(behind, t.text)) {
			return true
		}
	}
	return false
}

// affixed says whether the token may be the letters of affix with digits between, or a part of that where it is open. It may
// say so too often.
func (t *needleToken) affixed(affix string, maxDigits int) bool {
	// The affixes themselves may have digits only in forged bytes: then everything is possible.
	before, behind, _ := strings.Cut(affix, "0")
	i := 0
	for !isDigit(t.text[i]) {
		i++
	}
	k := len(t.text)
	for !isDigit(t.text[k-1]) {
		k--
	}
	for _, c := range []byte(t.text[i:k]) {
		if !isDigit(c) {
			return strings.ContainsAny(behind, "0123456789")
		}
	}
	if k-i > maxDigits {
		return strings.ContainsAny(behind, "0123456789")
	}
	left, right := t.text[:i], t.text[k:]
	return (left == before || t.open[0] && strings.HasSuffix(before, left)) && (right == behind || t.open[1] && strings.HasPrefix(behind, right)) ||
		strings.ContainsAny(behind, "0123456789")
}

// skipper looks at the filters of one group, which it reads when they are needed.
type skipper struct {
	g     *Group
	ctx   context.Context
	s     *Scratch
	bloom []byte
	vocab []byte
	err   error
	read  int64
}

// mayHave says whether the group may have a text that contains the needle.
func (k *skipper) mayHave(n *needle) bool {
	skip := &k.g.parts.skip
	for i := range n.tokens {
		t := &n.tokens[i]
		if !t.whole(skip) || t.number(skip) {
			continue
		}
		if k.bloom == nil && k.g.parts.bloom.size > 0 && k.err == nil {
			k.bloom, k.err = k.g.part(k.ctx, k.g.parts.bloom, "token filter")
			k.read += int64(k.g.parts.bloom.size)
		}
		if k.err == nil && !bloomHas(k.bloom, t.hash) {
			return false
		}
	}
	if k.err != nil || len(n.words) == 0 || k.g.parts.vocabLen == 0 {
		return true
	}
	if k.vocab == nil {
		k.vocab, k.err = k.g.stream(k.ctx, k.s, k.g.parts.vocab, k.g.parts.vocabLen, "vocabulary")
		k.read += int64(k.g.parts.vocab.size)
	}
	for i := range n.words {
		w := &n.words[i]
		if w.onlyHex && skip.hasHex {
			continue
		}
		if k.err == nil && !bytes.Contains(k.vocab, w.pattern) {
			return false
		}
	}
	return true
}

// mayPass says whether a record of the group may pass the filters.
func (k *skipper) mayPass(filters []filter) bool {
	for i := range filters {
		f := &filters[i]
		if f.Not {
			continue
		}
		for _, any := range f.skip {
			found := false
			for j := range any {
				if k.mayHave(&any[j]) {
					found = true
					break
				}
			}
			if !found {
				return false
			}
		}
	}
	return true
}
