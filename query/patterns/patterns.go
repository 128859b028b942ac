// Package patterns finds the patterns that log lines follow: what a program prints with one format string becomes one
// pattern, whose parts that vary are written <_>. It is Drain (He, Zhu, Zheng, Lyu: "Drain: An Online Log Parsing
// Approach with Fixed Depth Tree", ICWS 2017) with three changes for lines that are more than prose:
//
//   - A line is cut into words and what stands between them, at spaces and at the punctuation of logfmt, JSON and access
//     logs, and nothing is thrown away: a pattern, read as LogQL's pattern filter, matches every line that it counts.
//   - What varies by its nature (numbers, addresses, times, identifiers) is told by its form, before lines are compared.
//   - Keys (before = or ":) are the shape of a line rather than words of it: lines with other keys never share a pattern,
//     and equal keys do not make two lines similar. The message among the values counts more than the other values.
//
// Memory is bounded: when there are too many patterns, those that were seen least are forgotten, and counted as such.
package patterns

import (
	"hash/maphash"
	"slices"
	"strings"
)

// Wildcard stands for a part that varies, as in LogQL.
const Wildcard = "<_>"

// Options bound a Miner. The zero value means the defaults.
type Options struct {
	// MaxPatterns is how many patterns are kept at a time, 2,000.
	MaxPatterns int
	// MaxWords is how many words of a line are looked at, 120; what is behind them is one part that varies.
	MaxWords int
	// MaxLineBytes is how much of a line is looked at, 4 KiB.
	MaxLineBytes int
	// Similarity is the part of the words, by weight, that must be equal for two lines to share a pattern, 0.5.
	Similarity float64
	// MaxChildren is how many different words a node of the tree tells apart, 100.
	MaxChildren int
}

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.MaxPatterns, 2000)
	def(&o.MaxWords, 120)
	def(&o.MaxLineBytes, 4<<10)
	def(&o.MaxChildren, 100)
	if o.Similarity == 0 {
		o.Similarity = 0.5
	}
	return o
}

// Miner sorts lines into patterns. It is for one goroutine.
type Miner struct {
	options Options
	seed    maphash.Seed
	roots   map[uint64]*node // by the shape of the line
	kept    []*Pattern
	next    int
	lost    int64
	line    line // of the call of Add
}

// depth is how many words lead to a leaf: the paper's trees have a depth of 4, of which the root and the level of
// lengths (here: of shapes) are two.
const depth = 2

// maxLeaf is how many patterns a leaf has before lines join the one that is most similar, however little: each line is
// compared with all of its leaf.
const maxLeaf = 64

// node is an inner node of the tree, or a leaf with patterns. Only the values of children differ: the tree is depth+1 high.
type node struct {
	children map[string]*node
	patterns []*Pattern
}

// Pattern is a pattern that lines follow. Its text changes while lines are added.
type Pattern struct {
	ID    int   // in order of appearance
	Count int64 // of lines
	parts []part
	leaf  *node
	// Data is the caller's.
	Data any
}

// New returns a Miner without patterns.
func New(o Options) *Miner {
	return &Miner{options: o.withDefaults(), seed: maphash.MakeSeed(), roots: map[uint64]*node{}}
}

// Add finds or makes the pattern of a line and counts the line. The text is not kept.
func (m *Miner) Add(text string) *Pattern {
	m.line.split(text, m.options.MaxLineBytes, m.options.MaxWords)
	leaf := m.leaf()
	if p := m.best(leaf); p != nil {
		p.merge(m.line.parts)
		p.Count++
		return p
	}
	if len(m.kept) >= m.options.MaxPatterns {
		m.forget()
	}
	p := &Pattern{ID: m.next, Count: 1, parts: cloneParts(m.line.parts), leaf: leaf}
	m.next++
	leaf.patterns = append(leaf.patterns, p)
	m.kept = append(m.kept, p)
	return p
}

// leaf goes down the tree: by the shape of the line, then by its first words that do not vary.
func (m *Miner) leaf() *node {
	shape := m.line.shape(m.seed)
	n := m.roots[shape]
	if n == nil {
		n = &node{}
		m.roots[shape] = n
	}
	for _, w := range m.line.leading() {
		n = n.child(w, m.options.MaxChildren)
	}
	return n
}

// child is the node of a word; words with digits, paths and those that come too late share one.
func (n *node) child(word string, most int) *node {
	if word[0] == '/' || strings.ContainsAny(word, "0123456789") {
		word = Wildcard
	}
	if c := n.children[word]; c != nil {
		return c
	}
	if len(n.children) >= most {
		word = Wildcard
		if c := n.children[word]; c != nil {
			return c
		}
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	c := &node{}
	n.children[strings.Clone(word)] = c
	return c
}

// best is the leaf's most similar pattern; of equally similar ones the first that has the fewest wildcards.
func (m *Miner) best(leaf *node) *Pattern {
	var best *Pattern
	score, wild := m.options.Similarity, 0
	if len(leaf.patterns) >= maxLeaf {
		score = 0
	}
	for _, p := range leaf.patterns {
		s, w, ok := similarity(p.parts, m.line.parts)
		if ok && (s > score || s == score && (best == nil || w < wild)) {
			best, score, wild = p, s, w
		}
	}
	return best
}

// forget drops the quarter of the patterns that was seen least.
func (m *Miner) forget() {
	slices.SortFunc(m.kept, func(a, b *Pattern) int { return int(min(max(b.Count-a.Count, -1), 1)) })
	keep := len(m.kept) - max(len(m.kept)/4, 1)
	for _, p := range m.kept[keep:] {
		m.lost += p.Count
		at := slices.Index(p.leaf.patterns, p)
		p.leaf.patterns = slices.Delete(p.leaf.patterns, at, at+1)
	}
	clear(m.kept[keep:])
	m.kept = m.kept[:keep]
	m.prune()
}

// prune takes nodes without patterns away, so that the tree is no larger than what it leads to.
func (m *Miner) prune() {
	for key, n := range m.roots {
		if n.prune() {
			delete(m.roots, key)
		}
	}
}

// prune returns whether the node is empty.
func (n *node) prune() bool {
	for key, c := range n.children {
		if c.prune() {
			delete(n.children, key)
		}
	}
	return len(n.children) == 0 && len(n.patterns) == 0
}

// Forgotten is how many lines had a pattern that was forgotten.
func (m *Miner) Forgotten() int64 { return m.lost }

// Patterns returns the patterns that are kept, those of most lines first.
func (m *Miner) Patterns() []*Pattern {
	out := slices.Clone(m.kept)
	slices.SortFunc(out, func(a, b *Pattern) int {
		if a.Count != b.Count {
			return int(min(max(b.Count-a.Count, -1), 1))
		}
		return a.ID - b.ID
	})
	return out
}
