package traceql

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// row is one span of a view.
type row struct {
	group *model.SpanGroup
	span  *model.Span
}

// view is a trace as expressions see it: its spans ascend in their start. Whatever is asked of its structure terminates whatever the
// structure is: parents may be absent, form cycles, or be several spans of one id.
type view struct {
	trace *model.Trace
	rows  []row

	byID     map[model.SpanID][]int32 // rows of an id
	children map[model.SpanID][]int32 // rows whose parent has the id; a span is no child of itself
	root     int32                    // -1: none
	duration int64
	nested   []nestedSet // nil until it is asked for
}

// nestedSet is a span's place in the tree of its trace: its numbers enclose those of its descendants. The parent is the left number
// of the parent, -1 of a root. All are 0 for spans that do not hang below a root.
type nestedSet struct{ left, right, parent int32 }

func newView(t *model.Trace) *view {
	v := &view{trace: t, rows: make([]row, 0, t.Len()), root: -1}
	for i := range t.Groups {
		g := &t.Groups[i]
		for k := range g.Spans {
			v.rows = append(v.rows, row{g, &g.Spans[k]})
		}
	}
	slices.SortStableFunc(v.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.span.Start, b.span.Start), bytes.Compare(a.span.ID[:], b.span.ID[:]), bytes.Compare(a.span.Parent[:], b.span.Parent[:]),
			cmp.Compare(a.span.Duration, b.span.Duration), cmp.Compare(a.span.Name, b.span.Name))
	})
	if len(v.rows) == 0 {
		return v
	}
	end := v.rows[0].span.Start
	for i := range v.rows {
		s := v.rows[i].span
		end = max(end, s.Start+max(s.Duration, 0))
		if v.root < 0 && s.Parent.IsZero() {
			v.root = int32(i)
		}
	}
	v.duration = end - v.start()
	return v
}

func (v *view) start() int64 { return v.rows[0].span.Start }

// index makes the maps of ids.
func (v *view) index() {
	if v.byID != nil {
		return
	}
	v.byID, v.children = make(map[model.SpanID][]int32, len(v.rows)), map[model.SpanID][]int32{}
	for i := range v.rows {
		s := v.rows[i].span
		v.byID[s.ID] = append(v.byID[s.ID], int32(i))
		if hasParent(s) {
			v.children[s.Parent] = append(v.children[s.Parent], int32(i))
		}
	}
}

// hasParent says whether the span names a parent. One that names itself does not.
func hasParent(s *model.Span) bool { return !s.Parent.IsZero() && s.Parent != s.ID }

// parentOf returns the row of the parent, or -1. Of several spans of that id it is the first that is not the span itself.
func (v *view) parentOf(i int32) int32 {
	v.index()
	s := v.rows[i].span
	if !hasParent(s) {
		return -1
	}
	if rows := v.byID[s.Parent]; len(rows) > 0 {
		return rows[0]
	}
	return -1
}

// numbers returns the nested sets, which are numbered by a walk from the roots, children in the order of their start.
func (v *view) numbers() []nestedSet {
	if v.nested != nil {
		return v.nested
	}
	v.index()
	v.nested = make([]nestedSet, len(v.rows))
	done := make(map[model.SpanID]bool, len(v.rows)) // ids whose children are taken
	next := int32(1)
	type step struct {
		row  int32
		kids []int32
	}
	var stack []step
	enter := func(i, parent int32) {
		v.nested[i] = nestedSet{left: next, parent: parent}
		next++
		id := v.rows[i].span.ID
		var kids []int32
		if !done[id] {
			done[id] = true
			kids = v.children[id]
		}
		stack = append(stack, step{i, kids})
	}
	for i := range v.rows {
		if !v.rows[i].span.Parent.IsZero() {
			continue
		}
		enter(int32(i), -1)
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.kids) == 0 {
				v.nested[top.row].right = next
				next++
				stack = stack[:len(stack)-1]
				continue
			}
			kid := top.kids[0]
			top.kids = top.kids[1:]
			if v.nested[kid].left == 0 {
				enter(kid, v.nested[top.row].left)
			}
		}
	}
	return v.nested
}

// spanAt is a span of a view as a source.
type spanAt struct {
	v *view
	i int32
}

func (x spanAt) passes(f *store.SpanFilter) bool {
	r := &x.v.rows[x.i]
	return f.Passes(r.group, r.span)
}

func (x spanAt) value(f *Field) model.Value {
	if f.Parent {
		parent := x.v.parentOf(x.i)
		if parent < 0 {
			return model.Value{}
		}
		own := *f
		own.Parent = false
		return spanAt{x.v, parent}.value(&own)
	}
	if f.ofTrace() {
		return x.ofTrace(f.Name)
	}
	var out model.Value
	r := &x.v.rows[x.i]
	f.Each(r.group, r.span, func(v model.Value) bool {
		out = v
		return false
	})
	return out
}

func (x spanAt) ofTrace(name string) model.Value {
	v := x.v
	switch name {
	case traceDuration:
		return model.Int64(v.duration)
	case rootName:
		if v.root >= 0 {
			return model.TextValue(v.rows[v.root].span.Name)
		}
	case rootService:
		if v.root >= 0 {
			return model.TextValue(v.rows[v.root].group.Resource.ServiceName())
		}
	case childCount:
		v.index()
		return model.Int64(int64(len(v.children[v.rows[x.i].span.ID])))
	case nestedLeft:
		return model.Int64(int64(v.numbers()[x.i].left))
	case nestedRight:
		return model.Int64(int64(v.numbers()[x.i].right))
	case nestedParent:
		return model.Int64(int64(v.numbers()[x.i].parent))
	}
	return model.Value{}
}
