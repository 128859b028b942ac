package traceql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

func pickOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomTrace returns a trace whose structure may be anything: cycles, absent parents, ids twice, spans that are their own parents.
func randomTrace(r *rand.Rand) *model.Trace {
	t := &model.Trace{ID: model.TraceID{1}}
	n := 1 + r.IntN(12)
	id := func() model.SpanID { return model.SpanID{7: byte(1 + r.IntN(n+2))} }
	g := model.SpanGroup{Resource: &model.Resource{}, Scope: &model.Scope{}}
	for i := range n {
		s := model.Span{TraceID: t.ID, ID: model.SpanID{7: byte(1 + i)}, Name: pickOf(r, "a", "b", "c"), Start: int64(r.IntN(20)), Duration: int64(r.IntN(9))}
		if r.IntN(8) == 0 {
			s.ID = id()
		}
		switch r.IntN(4) {
		case 0:
			s.Parent = id()
		case 1, 2:
			s.Parent = model.SpanID{7: byte(r.IntN(i + 1))} // one before, or none
		}
		g.Spans = append(g.Spans, s)
	}
	t.Groups = []model.SpanGroup{g}
	return t
}

// naiveRelation is the definition: b is in the relation to a.
func naiveRelation(v *view, relation string, below [][]bool, a, b int) bool {
	x, y := v.rows[a].span, v.rows[b].span
	child := func(parent, kid *model.Span) bool {
		return !kid.Parent.IsZero() && kid.Parent == parent.ID && kid.Parent != kid.ID
	}
	switch relation {
	case ">":
		return child(x, y)
	case "<":
		return child(y, x)
	case ">>":
		return below[a][b]
	case "<<":
		return below[b][a]
	}
	return a != b && x.Parent == y.Parent && hasParent(x) && hasParent(y)
}

func TestStructureAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	relations := []string{">", ">>", "<", "<<", "~"}
	related := 0
	for range 1500 {
		v := newView(randomTrace(r))
		n := len(v.rows)
		below := make([][]bool, n)
		for a := range below {
			below[a] = make([]bool, n)
			for b := range below[a] {
				below[a][b] = naiveRelation(v, ">", nil, a, b)
			}
		}
		for k := range n {
			for a := range n {
				for b := range n {
					below[a][b] = below[a][b] || below[a][k] && below[k][b]
				}
			}
		}
		set := func(name string) (out spanset) {
			for i := range v.rows {
				if v.rows[i].span.Name == name {
					out = append(out, int32(i))
				}
			}
			return out
		}
		left, right := set(pickOf(r, "a", "b")), set(pickOf(r, "a", "b", "c"))
		for _, relation := range relations {
			var in, out, both spanset
			for _, b := range right {
				if slices.ContainsFunc(left, func(a int32) bool { return naiveRelation(v, relation, below, int(a), int(b)) }) {
					in = append(in, b)
				} else {
					out = append(out, b)
				}
			}
			both = slices.Clone(in)
			for _, a := range left {
				if slices.ContainsFunc(right, func(b int32) bool { return naiveRelation(v, relation, below, int(a), int(b)) }) {
					both = append(both, a)
				}
			}
			slices.Sort(both)
			both = slices.Compact(both)
			related += len(in)
			for op, want := range map[string]spanset{relation: in, "!" + relation: out, "&" + relation: both} {
				if got := v.combine(op, left, right); !slices.Equal(got, want) {
					t.Fatalf("%v %s %v: got %v, want %v\n%+v", left, op, right, got, want, v.trace)
				}
			}
		}
		checkNumbers(t, v, below)
	}
	if related < 500 {
		t.Errorf("only %d spans in relation: the traces are too simple", related)
	}
}

// checkNumbers: nested sets enclose those of children, and tell roots.
func checkNumbers(t *testing.T, v *view, below [][]bool) {
	t.Helper()
	seen := map[int32]bool{}
	for i, x := range v.numbers() {
		if (x.parent == -1) != v.rows[i].span.Parent.IsZero() {
			t.Fatalf("span %d has the nested set %v: -1 is for roots\n%+v", i, x, v.trace)
		}
		if x.left == 0 {
			continue
		}
		if seen[x.left] || seen[x.right] || x.left >= x.right {
			t.Fatalf("nested set %v", x)
		}
		seen[x.left], seen[x.right] = true, true
		for k, y := range v.numbers() {
			if y.left > x.left && y.right < x.right && !below[i][k] {
				t.Fatalf("span %d is in the nested set of %d and no descendant\n%+v", k, i, v.trace)
			}
		}
	}
}

// randomCondition writes a condition on what spanstest.Random makes; with trace, also on what only a whole trace tells.
func randomCondition(r *rand.Rand, depth int, trace bool) string {
	if depth > 0 {
		a, b := randomCondition(r, depth-1, trace), randomCondition(r, depth-1, trace)
		switch r.IntN(5) {
		case 0:
			return "(" + a + " && " + b + ")"
		case 1:
			return "(" + a + " || " + b + ")"
		case 2:
			return "!(" + a + ")"
		}
	}
	scope := pickOf(r, ".", "span.", "resource.", "event.", "link.", "instrumentation.")
	key := pickOf(r, "http.status_code", "http.url", "ratio", "retry", "id", "odd", "service.name")
	op := pickOf(r, "=", "!=", "<", "<=", ">", ">=")
	if trace && r.IntN(3) == 0 {
		return pickOf(r,
			fmt.Sprintf("childCount %s %d", op, r.IntN(3)), fmt.Sprintf("traceDuration %s %dm", op, r.IntN(60)), "rootName = `GET /`", "rootServiceName =~ `service-[12]`",
			fmt.Sprintf("parent.duration %s %dms", op, r.IntN(900)), "parent.name = `SELECT`", "parent.http.status_code = .http.status_code", "parent.service.name = nil",
			fmt.Sprintf("nestedSetParent %s %d", op, r.IntN(4)-1), "nestedSetRight - nestedSetLeft > 2")
	}
	switch r.IntN(12) {
	case 0:
		return fmt.Sprintf("duration %s %dms", op, r.IntN(1000))
	case 1:
		return "name " + pickOf(r, "= `GET /`", "=~ `GET.*|SEL.*`", "!~ `S.*`", "!= `SELECT`")
	case 2:
		return "status " + pickOf(r, "=", "!=") + pickOf(r, " ok", " error", " unset")
	case 3:
		return "kind " + pickOf(r, "=", "!=") + pickOf(r, " server", " client", " unspecified")
	case 4:
		return scope + key + pickOf(r, " = nil", " != nil")
	case 5:
		return fmt.Sprintf("%shttp.status_code %s %d", scope, op, pickOf(r, 200, 404, 500))
	case 6:
		return "resource.service.name = `service-" + fmt.Sprint(r.IntN(5)) + "`"
	case 7:
		return scope + "retry"
	case 8:
		return fmt.Sprintf("%s%s * 2 %s %s%s + %d", pickOf(r, "span.", "resource.", ".", "event."), pickOf(r, "http.status_code", "ratio"), op, scope, pickOf(r, "http.status_code", "ratio"), r.IntN(900))
	case 9:
		return fmt.Sprintf("event:timeSinceStart %s %dms", op, r.IntN(800))
	case 10:
		return pickOf(r, "event:name = `retry`", "event:name != `retry`", "nestedSetParent < 0", "statusMessage != nil", "instrumentation:name = `http`", "link:spanID = `0200000000000000`", "span:id = `0100000000000003`", "true", "false")
	}
	return fmt.Sprintf("%sodd %s %s", scope, pickOf(r, "=", "!="), pickOf(r, "`x`", "1", "true"))
}

func randomSpanset(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return "{ " + randomCondition(r, 1+r.IntN(2), true) + " }"
	}
	op := pickOf(r, "&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~")
	return "(" + randomSpanset(r, depth-1) + " " + op + " " + randomSpanset(r, depth-1) + ")"
}

func randomSearch(r *rand.Rand) string {
	q := randomSpanset(r, r.IntN(3))
	for range r.IntN(3) {
		q += " | " + pickOf(r, "count() > 1", "{ kind != server }", "by(kind)", "by(.http.status_code, status)", "avg(duration) > 300ms", "count() >= 2", "coalesce()", "select(.odd)", "max(.ratio) < 1", "count() = 1")
	}
	return q
}

func mustParse(t testing.TB, text string) *Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

const randomBase = int64(1_750_000_000e9)

// searchAll is what Search does, without asking the store for anything but all traces.
func searchAll(t *testing.T, m *spanstest.Memory, q *Query, limit int) *SearchResult {
	ids := map[model.TraceID]bool{}
	if _, err := m.SelectSpans(t.Context(), store.SpanQuery{Start: math.MinInt64, End: math.MaxInt64}, func(_ int, b store.SpanBatch) error {
		for _, run := range b.Traces() {
			ids[run.Trace] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s := &search{e: &Engine{}, r: m, q: q, req: SearchRequest{Start: math.MinInt64, End: math.MaxInt64, Limit: limit, SpansPerSet: -1}, fields: q.shownFields(), looked: map[model.TraceID]bool{}, result: &SearchResult{Complete: true}}
	for id := range ids {
		if err := s.complete(t.Context(), []candidate{{id: id}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s.result
}

func TestSearchAgainstAllTraces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 3 {
		groups := spanstest.Random(r, randomBase, 150)
		m := &spanstest.Memory{}
		if _, err := m.AppendSpans(t.Context(), groups); err != nil {
			t.Fatal(err)
		}
		real := openSpans(t, groups)
		for range 30 {
			text := randomSearch(r)
			q := mustParse(t, text)
			limit := 1 + r.IntN(30)
			want := searchText(searchAll(t, m, q, limit))
			found += len(want)
			for name, reader := range map[string]store.SpanReader{"memory": m, "spans": real} {
				got, err := (&Engine{narrowFrom: 1 + r.IntN(20)}).Search(t.Context(), reader, q, SearchRequest{Limit: limit, SpansPerSet: -1})
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if !slices.Equal(searchText(got), want) {
					t.Fatalf("%s (limit %d) of %s:\n%s", text, limit, name, difference(searchText(got), want))
				}
			}
		}
	}
	if found < 300 {
		t.Errorf("only %d lines found", found)
	}
}

func sameMatrix(a, b *Matrix) bool {
	if !slices.Equal(a.Times, b.Times) || len(a.Series) != len(b.Series) {
		return false
	}
	for i, x := range a.Series {
		y := b.Series[i]
		if compareLabels(x.Labels, y.Labels) != 0 || !slices.Equal(x.Exemplars, y.Exemplars) {
			return false
		}
		for k, v := range x.Values {
			if w := y.Values[k]; v != w && v == v && w == w && math.Abs(v-w) > 1e-9*(math.Abs(v)+math.Abs(w)) || (v != v) != (w != w) {
				return false
			}
		}
	}
	return true
}

// TestRangeByColumnsAndByTraces: columns and whole traces give the same, of both stores.
func TestRangeByColumnsAndByTraces(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	columns := 0
	for range 3 {
		groups := spanstest.Random(r, randomBase, 200)
		m := &spanstest.Memory{}
		if _, err := m.AppendSpans(t.Context(), groups); err != nil {
			t.Fatal(err)
		}
		real := openSpans(t, groups)
		for range 40 {
			text := "{ " + randomCondition(r, r.IntN(3), false) + " } | " +
				pickOf(r, "rate()", "count_over_time()", "min_over_time(duration)", "max_over_time(.ratio)", "avg_over_time(.http.status_code)", "sum_over_time(span.http.status_code)", "quantile_over_time(duration, .5, .9)", "histogram_over_time(duration)", "quantile_over_time(.ratio, .5)", "max_over_time(event:timeSinceStart)") +
				pickOf(r, "", " by(name)", " by(kind, .odd)", " by(resource.service.name)", " by(.ratio)", " by(event:name, status)")
			if r.IntN(6) == 0 {
				text = "{ " + randomCondition(r, r.IntN(2), false) + " } | compare({ " + randomCondition(r, r.IntN(2), false) + " }, 3)"
			}
			q := mustParse(t, text)
			req := RangeRequest{Start: randomBase + r.Int64N(600e9), End: randomBase + 1200e9 + r.Int64N(2400e9), Step: r.Int64N(1000e9), Exemplars: r.IntN(20)}
			want, err := (&Engine{}).QueryRange(t.Context(), m, byTraces(q), req)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			columns += len(want.Series)
			for name, reader := range map[string]store.SpanReader{"memory": m, "spans": real} {
				got, err := (&Engine{}).QueryRange(t.Context(), reader, q, req)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if !sameMatrix(got, want) {
					t.Fatalf("%s of %s:\n%s", text, name, difference(matrixText(got), matrixText(want)))
				}
			}
		}
	}
	if columns < 400 {
		t.Errorf("only %d series", columns)
	}
}

// byTraces returns the query so that it is evaluated over whole traces.
func byTraces(q *Query) *Query {
	out := *q
	out.Pipeline = &Pipeline{Stages: []Stage{&Group{Pipeline: q.Pipeline}}}
	return &out
}

// difference shows the first lines that differ.
func difference(got, want []string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	return fmt.Sprintf("line %d of %d is\n%q\nwant, of %d,\n%q", i, len(got), got[i:min(i+1, len(got))], len(want), want[i:min(i+1, len(want))])
}
