package logql

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// passing returns the records that pass a query's pipeline, with their lines and labels, by the runner's batches.
func passing(t *testing.T, from store.EventReader, query string, n need) []string {
	t.Helper()
	log, err := ParseLog(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	p, err := compile(log, n)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	r := p.runner()
	var out []string
	q := p.query(math.MinInt64, math.MaxInt64)
	q.Order = store.Forward
	_, err = from.Select(context.Background(), q, func(_ int, b store.EventBatch) error {
		x, err := r.batch(b)
		if err != nil {
			return err
		}
		return r.sel.each(false, func(i int) error {
			out = append(out, rowText(x, i, n))
			return nil
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	slices.Sort(out)
	return out
}

func rowText(x *rows, i int, n need) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", x.Times()[i])
	if n.Line {
		fmt.Fprintf(&b, " %q", x.Lines()[i])
	}
	if n.All {
		b.WriteString(x.Labels(i).String())
	}
	for _, name := range append([]string{labelError}, n.Labels...) {
		c := x.Column(name)
		fmt.Fprintf(&b, " %s=%q", name, c.Value(i))
	}
	return b.String()
}

// naive returns the same by steps over single records, without filters of the store, hints or columns.
func naive(t *testing.T, from *eventstest.Memory, query string, n need) []string {
	t.Helper()
	log, _ := ParseLog(query)
	p, err := compile(log, need{Line: true, All: true})
	if err != nil {
		t.Fatal(err)
	}
	r := p.runner()
	var out []string
	_, err = from.Select(context.Background(), store.EventQuery{Start: math.MinInt64, End: math.MaxInt64, Matchers: log.Matchers}, func(_ int, b store.EventBatch) error {
		records := b.(*eventstest.Batch).Records
		return r.eachRecord(b.Stream(), records, func(x *record) error {
			var s strings.Builder
			fmt.Fprintf(&s, "%d", x.time)
			if n.Line {
				fmt.Fprintf(&s, " %q", x.line)
			}
			if n.All {
				s.WriteString(r.intern.of(x.each).String())
			}
			for _, name := range append([]string{labelError}, n.Labels...) {
				v, _ := x.get(name)
				fmt.Fprintf(&s, " %s=%q", name, v)
			}
			out = append(out, s.String())
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func testRecords() *eventstest.Memory {
	m := &eventstest.Memory{}
	at := int64(0)
	add := func(pairs []model.Field, lines ...string) {
		s := model.Stream{Labels: pairs}
		for i, l := range lines {
			at++
			r := model.Record{Time: at, Line: l}
			if i%2 == 0 {
				r.Fields = []model.Field{{Name: "pod", Value: fmt.Sprint("p", i%3)}, {Name: "size", Value: fmt.Sprint(i * 10)}}
			}
			s.Records = append(s.Records, r)
		}
		if _, err := m.AppendRecords(context.Background(), []model.Stream{s}); err != nil {
			panic(err)
		}
	}
	app := func(v string) []model.Field {
		return []model.Field{{Name: "app", Value: v}, {Name: "env", Value: "prod"}}
	}
	var jsons, fmts, mixed []string
	for i := range 70 {
		jsons = append(jsons, fmt.Sprintf(`{"level":%q,"n":%d,"user":{"id":"u%d"},"app":"inner","took":"%dms","empty":"","pod-name":"x%d","ok":%t,"list":[1]}`,
			[]string{"info", "warn", "error"}[i%3], i, i%7, i*13, i%4, i%2 == 0))
		fmts = append(fmts, fmt.Sprintf(`level=%s n=%d msg="say \"%d\"" empty= env=inner took=%dms`, []string{"info", "warn"}[i%2], i, i, i*7))
		mixed = append(mixed, []string{jsons[i], fmts[i], "plain text", "", "{", `{"level":"error"`, `{"n":"no number"}`, "\x1b[31mred\x1b[0m 10.0.0.7"}[i%8])
	}
	add(app("json"), jsons...)
	add(app("logfmt"), fmts...)
	add(app("mixed"), mixed...)
	return m
}

var equivalenceQueries = []string{
	`{}`, `{app="json"}`, `{} |= "error"`, `{} != "error" |~ "u[1-3]"`, `{} |= any("p2")`, `{} != any("p2") |~ any("(?i)ERROR|p1")`,
	`{} | json`, `{} | logfmt`, `{app="json"} | json | level="error"`, `{app="json"} | json | level=~"error|warn" | n > 10`,
	`{app="json"} | json | level="error" or n < 5`, `{app="json"} | json | (level!="error" and n >= 3) or user_id="u1"`,
	`{app="json"} | json | app="json"`, `{app="json"} | json | app_extracted="inner"`, `{app="json"} | json | pod="p2"`,
	`{app="json"} | json | pod_name="x1"`, `{app="json"} | json | took > 100ms`, `{app="json"} | json | level > 5`, `{app="json"} | json | empty=""`,
	`{app="json"} | json | missing=""`, `{app="json"} | json | missing!=""`, `{app="json"} | json | drop level, n`, `{app="json"} | json | keep level`,
	`{app="json"} | json | keep level | level="error"`, `{app="json"} | pod="p2" | json | n > 3`, `{app="json"} | size > 20`, `{} | size > 20 or pod=""`,
	`{app="logfmt"} | logfmt | level="warn"`, `{app="logfmt"} | logfmt | env_extracted="inner"`, `{app="logfmt"} | logfmt | empty=""`,
	`{app="logfmt"} | logfmt --keep-empty`, `{app="logfmt"} | logfmt --strict`, `{app="logfmt"} | logfmt n, took | n = 5`, `{} | logfmt | level="warn" | json`,
	`{} | json | __error__=""`, `{} | json | __error__!=""`, `{} | json | n > 5 | __error__=""`, `{} | json | drop __error__, __error_details__`,
	`{} | json | line_format "{{.level}} {{.n}}"`, `{} | json | label_format lvl=level, x="{{.n}}/{{.app}}"`, `{} | decolorize |= "red 10"`,
	`{} |= ip("10.0.0.0/8")`, `{} |> "<_>level<_>"`, `{} !> "<_>level<_>"`, `{} | pattern "<a>=<b> <_>"`, `{} | regexp "(?P<w>[a-z]+)"`,
	`{app="json"} | json id="user.id", first="list[0]"`, `{} | unpack`, `{} | json | label_format app=level`, `{} | keep app`, `{} | drop app | app=""`,
	`{app="json"} | json | level="error" | line_format "{{.user_id}}" |= "u1"`, `{} | logfmt | n >= 10 | n <= 20`, `{} | app="json" | env="prod"`,
}

func TestColumnsAndRecordsAgree(t *testing.T) {
	m := testRecords()
	for _, query := range equivalenceQueries {
		for _, n := range []need{{}, {Line: true}, {All: true, Line: true}, {Labels: []string{"level", "app"}}, {Labels: []string{"pod", "n", "app_extracted", "user_id"}, Line: true}} {
			want := naive(t, m, query, n)
			for name, from := range map[string]store.EventReader{"plain": m, "parsed": parsedBatches{m}} {
				if got := passing(t, from, query, n); !slices.Equal(got, want) {
					t.Errorf("%s, %+v, %s batches: %d rows, want %d:\n%s\nwant\n%s", query, n, name, len(got), len(want), firstRows(got), firstRows(want))
				}
			}
		}
	}
}

func firstRows(list []string) string { return strings.Join(list[:min(len(list), 4)], "\n") }
