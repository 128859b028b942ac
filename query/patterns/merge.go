package patterns

import (
	"slices"
	"strings"
)

// messageWeight is how many other values a word of the message outweighs.
const messageWeight = 3

// similarity is the weight of the words that are equal, in parts of the weight of all that could be, and the number of
// the pattern's wildcards. It is not ok when the two cannot share a pattern. Words that vary by their nature in both say nothing.
func similarity(pattern, line []part) (score float64, wilds int, ok bool) {
	if len(pattern) != len(line) {
		return 0, 0, false
	}
	var equal, all int
	for i := range pattern {
		p, l := &pattern[i], &line[i]
		switch {
		case p.role == key || l.role == key:
			if p.text != l.text {
				return 0, 0, false
			}
		case p.role == wild:
			wilds++
			if l.role != wild {
				all += weight(l.role)
			}
		default:
			w := weight(l.role)
			if l.role == wild {
				w = weight(p.role)
			}
			all += w
			if p.role == l.role && p.text == l.text {
				equal += w
			}
		}
	}
	if all == 0 {
		return 1, wilds, true
	}
	return float64(equal) / float64(all), wilds, true
}

func weight(r role) int {
	switch r {
	case message:
		return messageWeight
	case gap, sign:
		return 0
	}
	return 1
}

// merge makes what differs in the line a wildcard.
func (p *Pattern) merge(line []part) {
	for i := range p.parts {
		mine := &p.parts[i]
		if mine.role != wild && (mine.text != line[i].text || line[i].role == wild) {
			*mine = part{Wildcard, wild}
		}
	}
}

// cloneParts copies parts out of the text of their line, with one allocation for all of the text.
func cloneParts(parts []part) []part {
	var b strings.Builder
	for _, p := range parts {
		if p.role != wild {
			b.WriteString(p.text)
		}
	}
	text, at := b.String(), 0
	out := slices.Clone(parts)
	for i := range out {
		if out[i].role == wild {
			out[i].text = Wildcard
			continue
		}
		n := len(out[i].text)
		out[i].text, at = text[at:at+n], at+n
	}
	return out
}

// String returns the pattern. Read as LogQL's pattern filter, it matches every line that it counts: wildcards that
// stand side by side are one.
func (p *Pattern) String() string {
	var b strings.Builder
	last := false
	for _, x := range p.parts {
		isWild := x.role == wild
		if !isWild || !last {
			b.WriteString(x.text)
		}
		last = isWild
	}
	return b.String()
}
