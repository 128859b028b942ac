package logql

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxExact is how many strings a part of a regular expression may stand for and still be written out; maxLists how many
	// conditions a filter gets: more would cost the store more than they exclude.
	maxExact = 64
	maxLists = 8
)

// literals is what a regular expression says about the strings in a text that it matches.
type literals struct {
	// lists: of each, the text contains at least one string.
	lists [][]string
	// fold: the strings are compared without regard to the case of ASCII letters.
	fold bool
	// decides: the regular expression matches every text that fulfils lists.
	decides bool
}

// regexpLiterals walks a regular expression that looks for a match anywhere in a text. Under (?i) it takes k and s for the
// ASCII letters alone, not for the Kelvin sign and the long s.
func regexpLiterals(pattern string) literals {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return literals{}
	}
	w := literalWalk{}
	x := w.walk(trimAny(re))
	out := literals{fold: w.folded}
	if x.exact != nil && !slices.Contains(x.exact, "") {
		out.lists = [][]string{x.exact}
		out.decides = !w.conditional && (!w.folded || !w.plain && allASCII(x.exact))
	} else {
		out.lists = x.lists
	}
	if out.fold && !out.decides {
		out.lists = asciiParts(out.lists)
	}
	if len(out.lists) > maxLists {
		out.lists, out.decides = out.lists[:maxLists], false
	}
	return out
}

// trimAny takes .* away from both ends, where it changes nothing.
func trimAny(re *syntax.Regexp) *syntax.Regexp {
	if re.Op != syntax.OpConcat {
		return re
	}
	subs := re.Sub
	for len(subs) > 0 && isAny(subs[0]) {
		subs = subs[1:]
	}
	for len(subs) > 0 && isAny(subs[len(subs)-1]) {
		subs = subs[:len(subs)-1]
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: subs}
}

func isAny(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar && (re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL)
}

// literalWalk collects what holds for the whole expression.
type literalWalk struct {
	folded, plain bool // there are literals under (?i), and not under it
	conditional   bool // there are anchors or word boundaries
	depth         int
}

// part is what one node stands for: all its strings (exact is not nil), or conditions.
type part struct {
	exact []string
	lists [][]string
}

func (w *literalWalk) walk(re *syntax.Regexp) part {
	if w.depth++; w.depth > 1000 {
		return part{}
	}
	defer func() { w.depth-- }()
	switch re.Op {
	case syntax.OpLiteral:
		return part{exact: []string{w.literal(re)}}
	case syntax.OpEmptyMatch:
		return part{exact: []string{""}}
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		w.conditional = true
		return part{exact: []string{""}}
	case syntax.OpCharClass:
		return w.class(re)
	case syntax.OpCapture:
		return w.walk(re.Sub[0])
	case syntax.OpConcat:
		return w.concat(re.Sub)
	case syntax.OpAlternate:
		return w.alternate(re.Sub)
	case syntax.OpQuest:
		if x := w.walk(re.Sub[0]); x.exact != nil && len(x.exact) < maxExact {
			return part{exact: append(slices.Clone(x.exact), "")}
		}
	case syntax.OpPlus:
		return part{lists: w.walk(re.Sub[0]).conditions()}
	case syntax.OpRepeat:
		if re.Min > 0 {
			return part{lists: w.walk(re.Sub[0]).conditions()}
		}
	}
	return part{}
}

func (w *literalWalk) literal(re *syntax.Regexp) string {
	s := string(re.Rune)
	if re.Flags&syntax.FoldCase != 0 {
		w.folded = true
		return strings.ToLower(s)
	}
	if strings.IndexFunc(s, func(r rune) bool { return isNameStart(byte(r)) || r >= utf8.RuneSelf }) >= 0 {
		w.plain = true
	}
	return s
}

// class writes a small class of characters out.
func (w *literalWalk) class(re *syntax.Regexp) part {
	var out []string
	for i := 0; i+1 < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			if out = append(out, string(r)); len(out) > 10 {
				return part{}
			}
		}
	}
	if len(out) == 0 {
		return part{}
	}
	w.plain = true
	return part{exact: out}
}

func (w *literalWalk) concat(subs []*syntax.Regexp) part {
	exact := []string{""}
	var lists [][]string
	whole := true
	for _, sub := range subs {
		x := w.walk(sub)
		if x.exact != nil && len(exact)*len(x.exact) <= maxExact {
			exact = product(exact, x.exact)
			continue
		}
		whole = false
		lists = append(lists, part{exact: exact}.conditions()...)
		exact = []string{""}
		if x.exact != nil {
			exact = x.exact
		}
		lists = append(lists, x.lists...)
	}
	if whole {
		return part{exact: exact}
	}
	return part{lists: append(lists, part{exact: exact}.conditions()...)}
}

func product(a, b []string) []string {
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return out
}

func (w *literalWalk) alternate(subs []*syntax.Regexp) part {
	var exact, list []string
	whole := true
	for _, sub := range subs {
		x := w.walk(sub)
		whole = whole && x.exact != nil
		exact = append(exact, x.exact...)
		if best := bestList(x.conditions()); best != nil {
			list = append(list, best...)
		} else {
			list = append(list, "")
		}
	}
	if whole && len(exact) <= maxExact {
		return part{exact: exact}
	}
	if slices.Contains(list, "") || len(list) > maxExact {
		return part{}
	}
	return part{lists: [][]string{list}}
}

// conditions returns the lists that follow from a part.
func (x part) conditions() [][]string {
	if x.exact == nil {
		return x.lists
	}
	if slices.Contains(x.exact, "") {
		return nil
	}
	return [][]string{x.exact}
}

// bestList returns the list whose shortest string is the longest: the one that excludes most.
func bestList(lists [][]string) []string {
	var best []string
	for _, list := range lists {
		if best == nil || shortest(list) > shortest(best) {
			best = list
		}
	}
	return best
}

func shortest(list []string) int {
	n := len(list[0])
	for _, s := range list {
		n = min(n, len(s))
	}
	return n
}

// asciiParts shortens strings to their longest run of ASCII, since that is all whose case the store can ignore.
func asciiParts(lists [][]string) [][]string {
	var out [][]string
	for _, list := range lists {
		short := make([]string, len(list))
		for i, s := range list {
			short[i] = asciiRun(s)
		}
		if !slices.Contains(short, "") {
			out = append(out, short)
		}
	}
	return out
}

func asciiRun(s string) string {
	best := ""
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if len(run) > len(best) {
			best = run
		}
	}
	return best
}

func allASCII(list []string) bool {
	for _, s := range list {
		if asciiRun(s) != s {
			return false
		}
	}
	return true
}
