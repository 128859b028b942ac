package logformat

// The lengths of card numbers (ISO/IEC 7812).
const (
	minCard = 13
	maxCard = 19
)

// maskCards replaces the numbers of cards: 13 to 19 digits, in one piece or in groups with single spaces or dashes, that begin as
// those of a scheme do, have the length of that scheme and whose last digit is the right one (Luhn).
func maskCards(line string) string {
	var out []byte
	kept := 0 // the line before it is in out
	// A number covers at least minCard bytes, all of them digits, spaces and dashes: it is enough to look at every so many.
	for i := minCard - 1; i < len(line); {
		if !cardByte(line[i]) {
			i += minCard
			continue
		}
		start, end := i, i+1
		for start > kept && cardByte(line[start-1]) {
			start--
		}
		for end < len(line) && cardByte(line[end]) {
			end++
		}
		for _, c := range cardsIn(line[start:end]) {
			out = append(append(out, line[kept:start+c[0]]...), "****"...)
			kept = start + c[1]
		}
		i = end + minCard - 1
	}
	if out == nil {
		return line
	}
	return string(append(out, line[kept:]...))
}

func cardByte(c byte) bool { return c >= '0' && c <= '9' || c == ' ' || c == '-' }

// cardsIn finds the cards in a run of digits, spaces and dashes: a number ends where two of those stand together.
func cardsIn(run string) (found [][2]int) {
	var buf [maxCard]byte
	n, start, last := 0, 0, -2
	flush := func(end int) {
		if n <= maxCard && isCard(buf[:min(n, maxCard)]) {
			found = append(found, [2]int{start, end})
		}
		n = 0
	}
	for i := range len(run) {
		c := run[i]
		if c < '0' || c > '9' {
			continue
		}
		if n > 0 && i-last > 2 {
			flush(last + 1)
		}
		if n == 0 {
			start = i
		}
		if n < maxCard {
			buf[n] = c
		}
		n++
		last = i
	}
	flush(last + 1)
	return found
}

// isCard checks length, beginning and check digit.
func isCard(d []byte) bool {
	if len(d) < minCard {
		return false
	}
	two := int(d[0]-'0')*10 + int(d[1]-'0')
	four := two*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	known := false
	switch {
	case d[0] == '4': // Visa
		known = len(d) == 13 || len(d) == 16 || len(d) == 19
	case two >= 51 && two <= 55 || four >= 2221 && four <= 2720: // Mastercard
		known = len(d) == 16
	case two == 34 || two == 37: // American Express
		known = len(d) == 15
	case two == 36 || two == 38 || four >= 3000 && four <= 3059: // Diners Club
		known = len(d) == 14
	case four == 6011 || two == 65 || two == 62 || four >= 6440 && four <= 6499 || four >= 3528 && four <= 3589: // Discover, UnionPay, JCB
		known = len(d) >= 16
	}
	return known && luhn(d)
}

// luhn checks the last digit (ISO/IEC 7812-1, annex B).
func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}
