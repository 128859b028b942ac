package patterns

import (
	"hash/maphash"
	"strings"
	"unicode"
)

// role is what a part of a line is.
type role uint8

const (
	word    role = iota
	gap          // what stands between words
	key          // a word before = or ":
	wild         // varies
	message      // a word of the value that is the message
	sign         // a word without letters, such as -
)

// part is a piece of a line. A line is its parts one behind the other.
type part struct {
	text string
	role role
}

// line is a line in parts; its memory is used again for the next one.
type line struct {
	parts []part
	first [depth]string // of the last call of leading
}

// isGap tells what separates words: spaces, and the punctuation of logfmt, JSON, access logs and prose that stands at
// words' ends. What stands inside of words (. - _ / : @ # % + * & ~) does not.
var isGap = func() (table [256]bool) {
	for _, c := range " \t\r\n=,;()[]{}\"'<>|!?`\\" {
		table[c] = true
	}
	return table
}()

// split cuts text into parts. Words that vary by their nature become wild.
func (l *line) split(text string, maxBytes, maxWords int) {
	l.parts = l.parts[:0]
	cut := len(text) > maxBytes
	if cut {
		text = text[:maxBytes]
	}
	words := 0
	inMessage := false
	for i := 0; i < len(text); {
		if words == maxWords {
			cut = true
			break
		}
		from := i
		if isGap[text[i]] {
			for i < len(text) && isGap[text[i]] {
				i++
			}
			g := text[from:i]
			inMessage = l.opens(g, inMessage)
			l.parts = append(l.parts, part{g, gap})
			continue
		}
		for i < len(text) && !isGap[text[i]] {
			i++
		}
		words++
		from = l.ends(text, from, &i)
		l.add(text[from:i], text[i:], inMessage)
	}
	if cut {
		l.cutOff()
	}
}

// ends lets go of a colon, dot or comma at a word's end: it belongs to the gap. It returns where the word begins.
func (l *line) ends(text string, from int, end *int) int {
	for *end-1 > from && (text[*end-1] == ':' || text[*end-1] == '.') {
		*end--
	}
	if text[from] == ':' && *end-from > 1 {
		// {"a":1 has its colon in the gap: "\":" ends before the value.
		l.parts = append(l.parts, part{text[from : from+1], gap})
		return from + 1
	}
	return from
}

// add appends a word in the role that it has; rest is what follows.
func (l *line) add(w, rest string, inMessage bool) {
	if w == ":" || w == "." { // nothing but the end of the word before
		l.parts = append(l.parts, part{w, gap})
		return
	}
	switch {
	case isKey(rest) && !varies(w):
		l.parts = append(l.parts, part{w, key})
	case varies(w):
		l.parts = append(l.parts, part{w, wild})
	case !strings.ContainsFunc(w, unicode.IsLetter):
		l.parts = append(l.parts, part{w, sign})
	case inMessage:
		l.parts = append(l.parts, part{w, message})
	default:
		l.parts = append(l.parts, part{w, word})
	}
}

// isKey says whether what follows makes the word before it a key: =value or ": value.
func isKey(rest string) bool {
	if len(rest) == 0 {
		return false
	}
	if rest[0] == '=' {
		return len(rest) == 1 || rest[1] != '='
	}
	return len(rest) > 1 && rest[0] == '"' && rest[1] == ':'
}

// messageKeys are the keys whose value is the message of a structured line.
var messageKeys = map[string]bool{"msg": true, "message": true, "log": true, "error": true, "err": true, "event": true, "text": true, "body": true, "MESSAGE": true}

// opens says whether words behind the gap g belong to the message: they do from the gap behind its key on until the quote
// that ends its value, or the next key.
func (l *line) opens(g string, inMessage bool) bool {
	n := len(l.parts)
	switch {
	case n > 0 && l.parts[n-1].role == key:
		return messageKeys[l.parts[n-1].text]
	case !inMessage:
		return false
	case l.parts[n-1].text == ":" && n > 2 && l.parts[n-3].role == key:
		return true // the colon of JSON is a gap of its own
	}
	return !strings.Contains(strings.ReplaceAll(g, `\"`, ""), `"`)
}

// cutOff makes what was not looked at a wild part.
func (l *line) cutOff() {
	if n := len(l.parts); n > 0 && l.parts[n-1].role != gap {
		l.parts[n-1].role = wild // the word may be cut in the middle
		return
	}
	l.parts = append(l.parts, part{Wildcard, wild})
}

// shape hashes what lines of one pattern have in common for sure: how many parts there are, and their keys.
func (l *line) shape(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for i := range l.parts {
		p := &l.parts[i]
		if p.role == key {
			_, _ = h.WriteString(p.text)
			_ = h.WriteByte(0)
		} else if p.role != gap {
			_ = h.WriteByte(1)
		}
	}
	return h.Sum64()
}

// leading are the words by which the tree is gone down: the first of the message, else the first of the line. They are
// valid until the next call.
func (l *line) leading() []string {
	n := l.firstOf(message)
	if n == 0 {
		n = l.firstOf(word)
	}
	return l.first[:n]
}

func (l *line) firstOf(r role) int {
	n := 0
	for i := range l.parts {
		if l.parts[i].role != r {
			continue
		}
		l.first[n] = l.parts[i].text
		if n++; n == depth {
			break
		}
	}
	return n
}
