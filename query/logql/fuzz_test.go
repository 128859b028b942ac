package logql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// FuzzPipeline: any stages over any lines give the same by columns, by batches, and record by record; nothing panics.
func FuzzPipeline(f *testing.F) {
	for i, q := range equivalenceQueries {
		_, stages, _ := strings.Cut(q, "}")
		f.Add(stages, `{"level":"error","n":1,"pod":"x","user":{"id":"u1"}}`, `level=warn n=2 msg="a \"b\""`, fmt.Sprint("p", i%3))
	}
	f.Add(` | json | line_format "{{ range $k, $v := . }}{{ $k }}{{ $v | upper | printf \"%5s\" }}{{ end }}"`, `{"a":"\u00e9\n","b":[{"c":1}]}`, "{", "")
	f.Add(` | logfmt --strict | a > 1KB or b < 5m | json x="y[0].z"`, `a=1KB b=1h`, `{"y":[{"z":"q"}]}`, "1")
	f.Add(` |> "<_>a<_>" !~ "(?i)k|ſ" | decolorize | drop level="error" | keep n, pod=~"p.*"`, "\x1b[31ma\x1b[0m", "Kelvin K", "p1")
	f.Fuzz(func(t *testing.T, stages, line1, line2, pod string) {
		if len(stages)+len(line1)+len(line2) > 2000 {
			return
		}
		query := "{}" + stages
		log, err := ParseLog(query)
		if err != nil || strings.Contains(stages, "now") {
			return
		}
		m := &eventstest.Memory{}
		s := model.Stream{Labels: []model.Field{{Name: "app", Value: "web"}}}
		for i, line := range []string{line1, line2, line1 + line2, line1, ""} {
			r := model.Record{Time: int64(i), Line: line}
			if pod != "" && i%2 == 0 {
				r.Fields = []model.Field{{Name: "pod", Value: pod}}
			}
			s.Records = append(s.Records, r)
		}
		one := model.Stream{Labels: []model.Field{{Name: "app", Value: "one"}}, Records: s.Records[:1]}
		if _, err := m.AppendRecords(t.Context(), []model.Stream{s, one}); err != nil {
			t.Fatal(err)
		}
		for _, n := range []need{{Line: true, All: true}, {Labels: []string{"level", "pod"}}} {
			want := naive(t, m, query, n)
			for name, from := range map[string]store.EventReader{"plain": m, "parsed": parsedBatches{m}} {
				if got := passing(t, from, query, n); !slices.Equal(got, want) {
					t.Fatalf("%s (%s):\n%s\nwant\n%s", log, name, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	})
}

// FuzzHints: records that pass fulfil the hints as the store's contract has them.
func FuzzHints(f *testing.F) {
	f.Add(`level`, "error", int8(0), `{"level":"error","n":1}`)
	f.Add(`user_id`, "u1", int8(1), `{"user":{"id":"u1"},"user.id":"u2"}`)
	f.Add(`n`, "5", int8(2), `n=5 n=6`)
	f.Fuzz(func(t *testing.T, name, value string, kind int8, line string) {
		if !isPlainName(name) || isErrorLabel(name) {
			return
		}
		parser := []string{"json", "logfmt"}[int(uint8(kind))%2]
		log, err := ParseLog(fmt.Sprintf("{} | %s | %s=%q", parser, name, value))
		if err != nil {
			return
		}
		p, err := compile(log, need{All: true})
		if err != nil {
			t.Fatal(err)
		}
		r := p.runner()
		err = r.eachRecord(labels.FromStrings("app", "web"), []model.Record{{Line: line}}, func(x *record) error {
			for _, h := range p.hints {
				v, ok := x.get(h.Name)
				if !ok || !slices.Contains(h.Any, v) {
					t.Fatalf("hint %+v, record %+v", h, x.parsed)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
