package rowgroup

import (
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep objects are taken apart; deeper ones are not, nor are lines that have them.
const maxDepth = 8

// jsonScanner takes lines apart that are whole, valid JSON objects. Each value is a slot; keys, braces and spaces are
// literals. Lines that are valid but odd in a way that a column cannot tell (keys with escapes, a key twice) are refused, and
// kept as texts.
type jsonScanner struct {
	shape
	text string
	i    int
	path []byte
	keys []string // of the slots, joined by _; only while scanning a new shape
}

// scan says whether line is such an object.
func (j *jsonScanner) scan(line string) bool {
	j.reset()
	j.keys = j.keys[:0]
	j.path = j.path[:0]
	if len(line) > MaxBytes {
		return false
	}
	j.text, j.i = line, 0
	lit := 0
	j.space()
	if j.i >= len(line) || line[j.i] != '{' {
		return false
	}
	if !j.object(&lit, 1) {
		return false
	}
	j.space()
	if j.i != len(line) {
		return false
	}
	j.literal(line[lit:])
	return j.ok()
}

func (j *jsonScanner) space() {
	for j.i < len(j.text) {
		switch j.text[j.i] {
		case ' ', '\t', '\r', '\n':
			j.i++
		default:
			return
		}
	}
}

func (j *jsonScanner) peek() byte {
	if j.i < len(j.text) {
		return j.text[j.i]
	}
	return 0
}

// object scans from { to }. lit is where the literal begins that is not written yet.
func (j *jsonScanner) object(lit *int, depth int) bool {
	j.i++
	j.space()
	if j.peek() == '}' {
		j.i++
		return true
	}
	for {
		j.space()
		if j.peek() != '"' {
			return false
		}
		start := j.i + 1
		end := stringEnd(j.text, start)
		if end <= start || strings.IndexByte(j.text[start:end], '\\') >= 0 {
			return false
		}
		j.i = end + 1
		j.space()
		if j.peek() != ':' {
			return false
		}
		j.i++
		j.space()
		above := len(j.path)
		if above > 0 {
			j.path = append(j.path, '_')
		}
		j.path = append(j.path, j.text[start:end]...)
		if !j.value(lit, depth) {
			return false
		}
		j.path = j.path[:above]
		j.space()
		switch j.peek() {
		case ',':
			j.i++
		case '}':
			j.i++
			return true
		default:
			return false
		}
	}
}

func (j *jsonScanner) value(lit *int, depth int) bool {
	switch j.peek() {
	case '{':
		return depth < maxDepth && j.object(lit, depth+1)
	case '[':
		end := skipArray(j.text, j.i, depth)
		if end < 0 {
			return false
		}
		j.take(lit, slotOpaque, j.i, end)
		j.i = end
	case '"':
		end := stringEnd(j.text, j.i+1)
		if end < 0 {
			return false
		}
		j.take(lit, slotString, j.i+1, end)
		j.i = end + 1
	default:
		end := bareEnd(j.text, j.i)
		if end < 0 {
			return false
		}
		j.take(lit, slotBare, j.i, end)
		j.i = end
	}
	return j.ok()
}

func (j *jsonScanner) take(lit *int, kind slotKind, from, to int) {
	j.literal(j.text[*lit:from])
	j.slot(kind, j.text[from:to])
	j.keys = append(j.keys, string(j.path))
	*lit = to
}

// stringEnd is where the quote is that ends the JSON string that begins at i, or -1 when it is not valid: control
// characters, unknown escapes, or bytes that are not UTF-8.
func stringEnd(s string, i int) int {
	n := strings.IndexByte(s[i:], '"')
	if n < 0 {
		return -1
	}
	if plain(s[i : i+n]) {
		return i + n
	}
	return oddStringEnd(s, i)
}

// plain says whether s has nothing but ASCII that needs no escape. It looks at eight bytes at once.
func plain(s string) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for len(s) >= 8 {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		slash := x ^ '\\'*ones
		// A byte that is below 0x20, equal to the backslash, or above 0x7f leaves its high bit; neighbours may leave one by
		// mistake, which only costs the slow way.
		if (x|(x-0x20*ones)|(slash-ones))&highs != 0 {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

func oddStringEnd(s string, i int) int {
	start, high := i, false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if high && !utf8.ValidString(s[start:i]) {
				return -1
			}
			return i
		case c < 0x20:
			return -1
		case c >= 0x80:
			high = true
		case c == '\\':
			i++
			if i >= len(s) {
				return -1
			}
			if s[i] == 'u' {
				if i+4 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) || !isHex(s[i+3]) || !isHex(s[i+4]) {
					return -1
				}
				i += 4
			} else if strings.IndexByte(`"\/bfnrt`, s[i]) < 0 {
				return -1
			}
		}
	}
	return -1
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// bareEnd is the end of the number, true, false or null at i, or -1.
func bareEnd(s string, i int) int {
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s[i:], word) {
			return bareEnds(s, i+len(word))
		}
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i >= len(s) || !isDigit(s[i]) {
		return -1
	}
	if s[i] == '0' {
		i++
	} else {
		i = digitsEnd(s, i)
	}
	if i < len(s) && s[i] == '.' {
		if i = digits1(s, i+1); i < 0 {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if i = digits1(s, i); i < 0 {
			return -1
		}
	}
	return bareEnds(s, i)
}

// bareEnds checks that a bare value may end at i.
func bareEnds(s string, i int) int {
	if i < len(s) && strings.IndexByte(",}] \t\r\n", s[i]) < 0 {
		return -1
	}
	return i
}

func digitsEnd(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

// digits1 is digitsEnd for at least one digit, else -1.
func digits1(s string, i int) int {
	end := digitsEnd(s, i)
	if end == i {
		return -1
	}
	return end
}

// skipArray is the end of the valid array at i, or -1.
func skipArray(s string, i, depth int) int {
	if depth > 2*maxDepth {
		return -1
	}
	i = spaceEnd(s, i+1)
	if i < len(s) && s[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(s, spaceEnd(s, i), depth+1); i < 0 {
			return -1
		}
		i = spaceEnd(s, i)
		if i >= len(s) {
			return -1
		}
		if s[i] == ']' {
			return i + 1
		}
		if s[i] != ',' {
			return -1
		}
		i++
	}
}

func skipObject(s string, i, depth int) int {
	if depth > 2*maxDepth {
		return -1
	}
	i = spaceEnd(s, i+1)
	if i < len(s) && s[i] == '}' {
		return i + 1
	}
	for {
		i = spaceEnd(s, i)
		if i >= len(s) || s[i] != '"' {
			return -1
		}
		if i = stringEnd(s, i+1); i < 0 {
			return -1
		}
		i = spaceEnd(s, i+1)
		if i >= len(s) || s[i] != ':' {
			return -1
		}
		if i = skipValue(s, spaceEnd(s, i+1), depth+1); i < 0 {
			return -1
		}
		i = spaceEnd(s, i)
		if i >= len(s) {
			return -1
		}
		if s[i] == '}' {
			return i + 1
		}
		if s[i] != ',' {
			return -1
		}
		i++
	}
}

func skipValue(s string, i, depth int) int {
	if i >= len(s) {
		return -1
	}
	switch s[i] {
	case '{':
		return skipObject(s, i, depth)
	case '[':
		return skipArray(s, i, depth)
	case '"':
		end := stringEnd(s, i+1)
		if end < 0 {
			return -1
		}
		return end + 1
	}
	return bareEnd(s, i)
}

func spaceEnd(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// scanAs takes a line apart by a template that it probably has, which is much faster than scan; it answers false when
// the line has another.
func (s *shape) scanAs(line string, t *jsonTemplate) bool {
	s.values = s.values[:0]
	i := 0
	for k, kind := range t.kinds {
		lit := t.literals[k]
		if !strings.HasPrefix(line[i:], lit) {
			return false
		}
		i += len(lit)
		var end int
		switch kind {
		case slotString:
			end = stringEnd(line, i)
		case slotBare:
			end = bareEnd(line, i)
		default:
			if i >= len(line) || line[i] != '[' {
				return false
			}
			end = skipArray(line, i, maxDepth)
		}
		if end < 0 {
			return false
		}
		s.values = append(s.values, line[i:end])
		i = end
	}
	return line[i:] == t.literals[len(t.kinds)]
}

// jsonTemplate is a shape split up, for scanAs.
type jsonTemplate struct {
	literals []string // one more than kinds
	kinds    []slotKind
}

func splitShape(key string) jsonTemplate {
	var t jsonTemplate
	start := 0
	for i := 0; i < len(key); i++ {
		if key[i] == slotMark {
			t.literals = append(t.literals, key[start:i])
			t.kinds = append(t.kinds, slotKind(key[i+1]))
			start = i + 2
			i++
		}
	}
	t.literals = append(t.literals, key[start:])
	return t
}
