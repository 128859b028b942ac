package fields

import (
	"strconv"
	"strings"
)

// pair is a key with its value.
type pair struct{ key, value string }

// addLogfmt reads a line in logfmt. Prose with a single a=b in it is none: a line needs two pairs, or one and nothing else.
func (d *Detector) addLogfmt(r *Record, line string) {
	if len(line) > maxLineBytes || strings.IndexByte(line, '=') < 0 {
		return
	}
	pairs, others := logfmtPairs(line, nil)
	if len(pairs) < 2 && others > 0 {
		return
	}
	for _, p := range pairs {
		d.found(r, Logfmt, string(appendName(nil, p.key)), p.value, nil)
	}
}

// logfmtPairs returns the pairs of a line, and how many words are none.
func logfmtPairs(line string, pairs []pair) (_ []pair, others int) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return pairs, others
		}
		end := strings.IndexAny(line, " \t=")
		if end <= 0 || line[end] != '=' || !isLogfmtKey(line[:end]) {
			others++
			line = afterWord(line)
			continue
		}
		key := line[:end]
		var value string
		value, line = logfmtValue(line[end+1:])
		pairs = append(pairs, pair{key, value})
	}
}

// afterWord skips to the next space.
func afterWord(line string) string {
	if at := strings.IndexAny(line, " \t"); at >= 0 {
		return line[at:]
	}
	return ""
}

// logfmtValue returns the value that a line begins with, unquoted, and what is behind it.
func logfmtValue(line string) (value, rest string) {
	if !strings.HasPrefix(line, `"`) {
		rest = afterWord(line)
		return line[:len(line)-len(rest)], rest
	}
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			text := line[:i+1]
			if s, err := strconv.Unquote(text); err == nil {
				return s, line[i+1:]
			}
			return text[1:i], line[i+1:]
		}
	}
	return line[1:], "" // the quote is not closed
}

// isLogfmtKey refuses what is rather a URL, a type or a sentence.
func isLogfmtKey(key string) bool {
	if len(key) > maxNameBytes || key[0] >= '0' && key[0] <= '9' {
		return false
	}
	for _, c := range key {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		case c == '_' || c == '-' || c == '.' || c == '@':
		default:
			return false
		}
	}
	return true
}
