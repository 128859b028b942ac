package rowgroup

import "strings"

// A text is taken apart into literals and slots. Its shape is the literals with a mark where each slot is: the kind of the slot
// behind a NUL, which neither a text that is taken apart nor JSON contains. Texts of one shape share a template.

// slotKind is what a slot holds. Numbers are stored.
type slotKind uint8

const (
	slotPlain  slotKind = 1 // a whole text that was not taken apart
	slotText   slotKind = 2 // a piece of a text
	slotString slotKind = 3 // JSON: what is between the quotes, escaped as it came
	slotBare   slotKind = 4 // JSON: a number, true, false or null
	slotOpaque slotKind = 5 // JSON: an array, or an object that is empty or too deep
	slotPacked slotKind = 6 // all stored fields of a record
)

const slotMark = 0

// The limits of what is taken apart; what goes beyond is kept as it is. More slots make more columns than they save bytes,
// and damaged or hostile lines must not make thousands of them.
const (
	maxSlots   = 200     // of one template
	maxShape   = 8 << 10 // bytes of one template's literals
	maxScanned = 16 << 10
)

// shape is a text that was taken apart.
type shape struct {
	key    []byte // literals and marks
	values []string
}

func (s *shape) reset() {
	s.key, s.values = s.key[:0], s.values[:0]
}

func (s *shape) literal(text string) { s.key = append(s.key, text...) }

func (s *shape) slot(kind slotKind, value string) {
	s.key = append(s.key, slotMark, byte(kind))
	s.values = append(s.values, value)
}

func (s *shape) ok() bool { return len(s.values) <= maxSlots && len(s.key) <= maxShape }

// The classes of bytes.
const (
	classToken = 1 << iota // letters, digits, _ and whatever is not ASCII: what tokens of the filters are made of
	classWord              // token, or one of . - between them: what a slot is made of
	classDigit
	classEnd // ends a value behind =
)

var classes = func() (c [256]uint8) {
	for i := range 256 {
		b := byte(i)
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if letter || isDigit(b) || b == '_' || b >= 0x80 {
			c[i] |= classToken | classWord
		}
		if b == '.' || b == '-' {
			c[i] |= classWord
		}
		if isDigit(b) {
			c[i] |= classDigit
		}
		if strings.IndexByte(" \t\r\n,;&\"')]}>|", b) >= 0 {
			c[i] |= classEnd
		}
	}
	return c
}()

func isToken(c byte) bool { return classes[c]&classToken != 0 }

// scanText takes a text apart: times, words with a digit in them, what is between double quotes and what is behind = are
// slots. A slot begins and ends where a token does, so that the tokens of a text are those of its literals and slots.
func scanText(text string, s *shape) bool {
	s.reset()
	if len(text) == 0 || len(text) > maxScanned || strings.IndexByte(text, slotMark) >= 0 {
		return false
	}
	lit := 0 // where the literal before i begins
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case classes[c]&classWord != 0:
			if i == 0 || !isToken(text[i-1]) {
				if n := timeAt(text[i:]); n > 0 && (i+n == len(text) || !isToken(text[i+n])) {
					s.literal(text[lit:i])
					s.slot(slotText, text[i:i+n])
					i += n
					lit = i
					continue
				}
			}
			from, to, end, digit := word(text, i)
			if digit {
				s.literal(text[lit:from])
				s.slot(slotText, text[from:to])
				lit = to
			}
			i = end
		case c == '"' && (i == 0 || !isToken(text[i-1])):
			end := quoted(text, i+1)
			if end < 0 {
				i++
				continue
			}
			s.literal(text[lit : i+1])
			s.slot(slotText, text[i+1:end])
			lit = end
			i = end + 1
		case c == '=' && i > 0 && isToken(text[i-1]) && i+1 < len(text) && text[i+1] != '"' && classes[text[i+1]]&classEnd == 0:
			end := i + 1
			for end < len(text) && classes[text[end]]&classEnd == 0 {
				end++
			}
			s.literal(text[lit : i+1])
			s.slot(slotText, text[i+1:end])
			lit, i = end, end
		default:
			i++
		}
	}
	s.literal(text[lit:])
	return s.ok()
}

// word finds the word that begins at i, without dots and dashes around it, its whole end, and whether it has a digit.
func word(text string, i int) (from, to, end int, digit bool) {
	end = i
	var seen uint8
	for end < len(text) && classes[text[end]]&classWord != 0 {
		seen |= classes[text[end]]
		end++
	}
	if seen&classDigit == 0 {
		return i, i, end, false
	}
	from, to = i, end
	for !isToken(text[from]) {
		from++
	}
	for !isToken(text[to-1]) {
		to--
	}
	return from, to, end, true
}

// quoted is where the quote is that ends what begins at i, or -1. No token may go on behind it.
func quoted(text string, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			if i+1 < len(text) && isToken(text[i+1]) {
				return -1
			}
			return i
		case '\n':
			return -1
		}
	}
	return -1
}
