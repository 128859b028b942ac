package traceql

import (
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// spanset is rows of a view, ascending.
type spanset []int32

func union(a, b spanset) spanset {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// combine applies an operator of spansets.
func (v *view) combine(op string, left, right spanset) spanset {
	switch op {
	case "||":
		return union(left, right)
	case "&&":
		if len(left) == 0 || len(right) == 0 {
			return nil
		}
		return union(left, right)
	}
	if relation, ok := strings.CutPrefix(op, "!"); ok {
		return v.related(relation, left, right, false)
	}
	relation, both := strings.CutPrefix(op, "&")
	found := v.related(relation, left, right, true)
	if !both {
		return found
	}
	return union(found, v.related(inverse(relation), right, left, true))
}

// inverse is the relation seen from the other side.
func inverse(relation string) string {
	return strings.NewReplacer("<", ">", ">", "<").Replace(relation)
}

// related returns the spans of right that are (or are not) in relation to some span of left: children (>), descendants (>>), parents (<),
// ancestors (<<) or siblings (~).
func (v *view) related(relation string, left, right spanset, want bool) spanset {
	var in func(i int32) bool
	switch relation {
	case ">":
		in = v.childrenOf(left)
	case ">>":
		in = v.descendantsOf(left)
	case "<":
		in = v.parentsOf(left)
	case "<<":
		in = v.ancestorsOf(left)
	default:
		in = v.siblingsOf(left)
	}
	var out spanset
	for _, i := range right {
		if in(i) == want {
			out = append(out, i)
		}
	}
	return out
}

func (v *view) idsOf(rows spanset) map[model.SpanID]bool {
	ids := make(map[model.SpanID]bool, len(rows))
	for _, i := range rows {
		ids[v.rows[i].span.ID] = true
	}
	return ids
}

func (v *view) parentIDsOf(rows spanset) map[model.SpanID]bool {
	ids := make(map[model.SpanID]bool, len(rows))
	for _, i := range rows {
		if s := v.rows[i].span; hasParent(s) {
			ids[s.Parent] = true
		}
	}
	return ids
}

func (v *view) childrenOf(rows spanset) func(int32) bool {
	ids := v.idsOf(rows)
	return func(i int32) bool {
		s := v.rows[i].span
		return hasParent(s) && ids[s.Parent]
	}
}

func (v *view) parentsOf(rows spanset) func(int32) bool {
	ids := v.parentIDsOf(rows)
	return func(i int32) bool { return ids[v.rows[i].span.ID] }
}

// descendantsOf walks down from the rows; each id is left once.
func (v *view) descendantsOf(rows spanset) func(int32) bool {
	v.index()
	seen := v.idsOf(rows)
	queue := make([]model.SpanID, 0, len(seen))
	for id := range seen {
		queue = append(queue, id)
	}
	below := make([]bool, len(v.rows))
	for len(queue) > 0 {
		id := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, i := range v.children[id] {
			below[i] = true
			if own := v.rows[i].span.ID; !seen[own] {
				seen[own] = true
				queue = append(queue, own)
			}
		}
	}
	return func(i int32) bool { return below[i] }
}

// ancestorsOf walks up from the rows; each id is reached once.
func (v *view) ancestorsOf(rows spanset) func(int32) bool {
	v.index()
	above := v.parentIDsOf(rows)
	queue := make([]model.SpanID, 0, len(above))
	for id := range above {
		queue = append(queue, id)
	}
	for len(queue) > 0 {
		id := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, i := range v.byID[id] {
			if s := v.rows[i].span; hasParent(s) && !above[s.Parent] {
				above[s.Parent] = true
				queue = append(queue, s.Parent)
			}
		}
	}
	return func(i int32) bool { return above[v.rows[i].span.ID] }
}

// siblingsOf knows how many of the rows each parent has: a span is no sibling of itself.
func (v *view) siblingsOf(rows spanset) func(int32) bool {
	count := map[model.SpanID]int{}
	own := make(map[int32]bool, len(rows))
	for _, i := range rows {
		if s := v.rows[i].span; hasParent(s) {
			count[s.Parent]++
			own[i] = true
		}
	}
	return func(i int32) bool {
		s := v.rows[i].span
		n := count[s.Parent]
		if own[i] {
			n--
		}
		return hasParent(s) && n > 0
	}
}
