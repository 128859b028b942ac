package patterns

import "strings"

// varies says whether a word varies by its nature: a number with or without a unit, a time, an address, a size, an
// identifier in hexadecimal, a UUID. Words that merely have digits in them (eth0, HTTP/1.1, main.go:12) do not.
func varies(w string) bool {
	if len(w) == 0 {
		return false
	}
	digits := 0
	for i := range len(w) {
		if w[i] >= '0' && w[i] <= '9' {
			digits++
		}
	}
	if digits == 0 {
		return false
	}
	return isNumeric(w) || isHexID(w, digits)
}

// isNumeric says whether w is digits and what numbers, times, dates, versions and addresses have between them, with at
// most a short unit behind each run of digits: 12, -3.5ms, 10:15:02.123, 2024-01-02T03:04:05Z, 10.0.0.1:80, 50%, 1h2m3s, $5.
func isNumeric(w string) bool {
	letters := 0
	for i := range len(w) {
		c := w[i]
		switch {
		case c >= '0' && c <= '9':
			letters = 0
		case isLetter(c):
			// A unit stands behind digits: the first letter must not open the word, unless it is the 0x of a number.
			if letters++; letters > 3 || i == 0 {
				return false
			}
		case strings.IndexByte("+-.,:/%$#_@*~", c) >= 0 || c >= 0x80:
			letters = 0
		default:
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// minHexID is how many digits make a hexadecimal word an identifier: shorter ones may be words (face, beef).
const minHexID = 6

// isHexID says whether w is an identifier: hexadecimal digits, also in groups with - or : between them (UUIDs, MAC and IPv6
// addresses), or a long word that mixes letters and digits (base 36, ULID, container and request ids).
func isHexID(w string, digits int) bool {
	w = strings.TrimPrefix(w, "0x")
	hex, others := 0, 0
	for i := range len(w) {
		c := w[i]
		switch {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'f':
			hex++
		case c == '-', c == ':', c == '.', c == '/', c == '_':
		case isLetter(c):
			others++
		default:
			return false
		}
	}
	if others == 0 {
		return hex >= minHexID
	}
	return len(w) >= minMixedID && digits >= len(w)/4 && !strings.ContainsAny(w, "./:")
}

// minMixedID is from where a word with a quarter of digits is no name any more: ULIDs have 26, short ids of requests 16.
const minMixedID = 16
