package rowgroup

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// lineMaker makes lines of one kind. What it makes is meant to be hard: values that are almost what a coding takes.
type lineMaker struct {
	r *rand.Rand
	i int
}

func (m *lineMaker) pick(texts ...string) string { return texts[m.r.IntN(len(texts))] }

func (m *lineMaker) json() string {
	if m.r.IntN(20) == 0 {
		return m.pick(`{"level":"info"`, `{"a":1,"a":2}`, `{"a\u0041":1}`, "{\"x\":\"\x01\"}", `{}`, `{"a":{}}`, ` { "a" : [1 , {"b":null}] } `, `{"a":01}`, `{"deep":`+strings.Repeat(`{"d":`, 12)+"1"+strings.Repeat("}", 13), `[1]`, `{"a":"é","b":"\ud83d\ude00"}`, "{\"a\":\"\xff\"}", `{"a":tru}`, `{"":1}`)
	}
	m.i++
	text := fmt.Sprintf(`{"ts":"2026-01-01T12:00:%02d.%03dZ","level":%q,"n":%s,"user":{"id":%q,"ok":%v},"trace_id":"%016x"`,
		m.i/100%60, m.r.IntN(1000), m.pick("info", "warn", "ERROR"), m.pick("1", "2.50", "-3", "1e5", "0.0", "-0", "12345678901234567890", "null", `"7"`),
		m.pick("u1", "u2", `a\"b`, `x\\y`, "", "é", `\u00e9`), m.pick("true", "false"), m.r.Uint64())
	if m.r.IntN(2) == 0 {
		text += fmt.Sprintf(`,"msg":"took %dms for /api/%d"`, m.r.IntN(1000), m.r.IntN(20))
	}
	if m.r.IntN(5) == 0 {
		text += `,"tags":["a", "b"]`
	}
	return text + "}"
}

func (m *lineMaker) access() string {
	return fmt.Sprintf(`10.0.%d.%d - - [01/Jan/2026:12:00:%02d +0000] "GET /p/%d?q=%s HTTP/1.1" %d %d "-" "Mozilla/5.0 (%s)" rt=0.%03d`,
		m.r.IntN(300), m.r.IntN(256), m.r.IntN(60), m.r.IntN(50), m.pick("a", "%20", "x=y", "\"", "\\\""), 200+m.r.IntN(4)*100, m.r.IntN(100000), m.pick("X11", "Mac; 007"), m.r.IntN(1000))
}

func (m *lineMaker) syslog() string {
	return fmt.Sprintf("%s %2d 12:00:%02d host%d app[%d]: %s id=%08x ip=%d.%d.1.%03d", m.pick("Jan", "Feb"), 1+m.r.IntN(28), m.r.IntN(60), m.r.IntN(3), m.r.IntN(40000),
		m.pick("connection reset by peer", "started in 1.5s", "port 8080 open", "ünïcode ok"), m.r.Uint32(), m.r.IntN(260), m.r.IntN(256), m.r.IntN(256))
}

func (m *lineMaker) text() string {
	return m.pick("", " ", "a", "\x00", "\xff\xfe", "nul \x00 1 inside", "a=1 b=\"c d\" e=", strings.Repeat("long ", 100), "ABCDEF12", "abcdef12", "0", "00", "007", "-1", "1.", ".5", "1.50", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
		"2026-01-01T12:00:00Z", "2026-01-01 12:00:00", "2026-02-30T12:00:00Z", "1767268800", "1767268800123", "192.168.1.1", "192.168.01.1", "256.1.1.1", "123e4567-e89b-12d3-a456-426614174000", "line\nwith\nbreaks", "\r\n", "{", "}", "{{}}")
}

// clean makes lines whose every value is what a coding is for.
func (m *lineMaker) clean() string {
	m.i++
	return fmt.Sprintf(`{"n":%d,"id":%d,"latency":%s,"price":%d.%02d,"padded":"%05d","at":%d,"ms":%d,"ip":"10.%d.%d.%d","trace":"%032x","ID":"%08X","took":"%dms","delta":%d,"t":"2026-01-01T12:%02d:%02d.%03dZ","again":%d}`,
		m.i, m.r.IntN(1e9)-5e8, m.pick("1", "2.5", "0.125", "33.25"), m.r.IntN(100), m.r.IntN(100), m.r.IntN(100000), 1767268800+m.i, 1767268800000+int64(m.i)*7,
		m.r.IntN(256), m.r.IntN(256), m.r.IntN(256), m.r.Uint64(), m.r.Uint32(), m.r.IntN(5000), -m.i, m.i/60%60, m.i%60, m.r.IntN(1000), m.i)
}

func (m *lineMaker) line(kind int) string {
	switch kind {
	case 0:
		return m.json()
	case 1:
		return m.access()
	case 2:
		return m.syslog()
	case 3:
		return m.text()
	case 5:
		return m.clean()
	}
	return m.line(m.r.IntN(4))
}

// madeUpNames says whether the rows of a seed have thousands of names of fields.
func madeUpNames(seed uint64) bool { return seed%20 == 14 }

// hardRows makes rows of one kind of lines, or of several.
func hardRows(seed uint64) Rows {
	r := rand.New(rand.NewPCG(seed, 7))
	m := &lineMaker{r: r}
	kind := int(seed % 6)
	n := 1 + r.IntN(600)
	if seed%60 >= 54 {
		n = 2500 // enough for values not to be counted
	}
	if madeUpNames(seed) {
		n = 150 // more names than have columns
	}
	var out Rows
	stream, time := uint32(0), int64(1767268800e9)
	unit := []int64{1, 1e3, 1e6, 1e9}[r.IntN(4)]
	for range n {
		if r.IntN(80) == 0 {
			stream += 1 + uint32(r.IntN(2))
			time = int64(1767268800e9) + r.Int64N(1000)*unit
		}
		time += r.Int64N(50) * unit
		out.Streams, out.Times = append(out.Streams, stream), append(out.Times, time)
		out.Lines = append(out.Lines, m.line(kind))
		var fields []model.Field
		if seed%3 > 0 {
			if kind == 5 {
				fields = []model.Field{{Name: "client", Value: fmt.Sprintf("10.1.%d.%d", r.IntN(256), r.IntN(256))}, {Name: "n", Value: fmt.Sprint(r.IntN(100000))}}
			}
			for _, name := range []string{"detected_level", "n", "odd name-1", "trace_id"} {
				if kind == 5 {
					break
				}
				if value := m.pick("info", "warn", "1", "2.5", "17", "abc", fmt.Sprintf("%032x", r.Uint64()), m.text()); r.IntN(3) > 0 && value != "" {
					fields = append(fields, model.Field{Name: name, Value: value})
				}
			}
		}
		for range 10 * flag(madeUpNames(seed), 1) {
			fields = append(fields, model.Field{Name: fmt.Sprintf("r%d", r.IntN(1<<20)), Value: m.pick("info", "7", "x y", m.line(2))})
		}
		out.Fields = append(out.Fields, model.SortFields(fields))
	}
	if seed%3 == 0 {
		out.Fields = nil
	}
	return out
}

func TestRoundTripOfHardLines(t *testing.T) {
	for _, codec := range []Codec{Zstd, S2} {
		e, err := NewEncoder(Options{Codec: codec})
		if err != nil {
			t.Fatal(err)
		}
		s := NewScratch()
		for seed := range uint64(120) {
			rows := hardRows(seed)
			out, err := e.Encode(rows)
			if err != nil {
				t.Fatal(err)
			}
			got, err := open(t, out).Rows(context.Background(), s)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			wantSameRows(t, got, rows)
		}
	}
}

// needleOf takes a piece out of the rows, or something that may not be there.
func needleOf(r *rand.Rand, rows *Rows) string {
	i := r.IntN(rows.Len())
	text := rows.Lines[i]
	if fields := rows.fields(i); len(fields) > 0 && r.IntN(3) == 0 {
		text = fields[r.IntN(len(fields))].Value
	}
	if len(text) == 0 || r.IntN(10) == 0 {
		return []string{"info", "absent", "e", "0.", "12:00:0", "T", "é", "9999"}[r.IntN(8)]
	}
	from := r.IntN(len(text))
	to := min(len(text), from+1+r.IntN(20))
	if r.IntN(5) == 0 {
		to = len(text)
	}
	needle := text[from:to]
	if r.IntN(8) == 0 {
		needle += "x"
	}
	return needle
}

func randomFilters(r *rand.Rand, rows *Rows) (out []store.RecordFilter) {
	for range r.IntN(3) {
		f := store.RecordFilter{AnyField: r.IntN(2) == 0, Fold: r.IntN(3) == 0, Not: r.IntN(4) == 0}
		for range 1 + r.IntN(2) {
			var any []string
			for range 1 + r.IntN(2) {
				n := needleOf(r, rows)
				if f.Fold && r.IntN(2) == 0 {
					n = strings.ToUpper(n)
				}
				any = append(any, n)
			}
			f.Needles = append(f.Needles, any)
		}
		if r.IntN(4) == 0 {
			re := regexp.MustCompile([]string{"[0-9]{3}", "(?i)e", "^.{0,40}$", `\bid\b`}[r.IntN(4)])
			f.Match = func(text string) bool { return matchAll(&f, text) && re.MatchString(text) }
			if r.IntN(2) == 0 {
				f.Needles = nil
				f.Match = re.MatchString
			}
		}
		out = append(out, f)
	}
	return out
}

// matchAll is the meaning of the needles.
func matchAll(f *store.RecordFilter, text string) bool {
	for _, any := range f.Needles {
		if !slices.ContainsFunc(any, func(n string) bool {
			if f.Fold {
				return strings.Contains(lowerASCII(text), lowerASCII(n))
			}
			return strings.Contains(text, n)
		}) {
			return false
		}
	}
	return true
}

// collect returns what a Select yields as text, and checks the batches.
func collect(t *testing.T, what string, run func(f func(store.EventBatch) error) (store.EventStats, error)) []string {
	t.Helper()
	var out []string
	_, err := run(func(b store.EventBatch) error {
		names := b.FieldNames()
		columns := make([]store.Column, len(names))
		for k, name := range names {
			columns[k] = b.Column(name)
		}
		lengths := b.LineLengths() // before anything else is loaded
		lines, times := b.Lines(), b.Times()
		if oldest, newest := b.TimeRange(); oldest > times[0] || newest < times[len(times)-1] {
			t.Fatalf("%s: the times %d are not between %d and %d", what, times, oldest, newest)
		}
		for i, line := range lines {
			if len(lengths) != len(lines) || int(lengths[i]) != len(line) {
				t.Fatalf("%s: the length of line %d, %q, is %d", what, i, line, lengths[i])
			}
		}
		for i := range b.Len() {
			text := fmt.Sprintf("%s %d %q", b.Stream(), times[i], lines[i])
			for k, name := range names {
				if columns[k].Has(i) {
					text += fmt.Sprintf(" %s=%q", name, columns[k].Value(i))
				}
			}
			out = append(out, text)
		}
		checkParsed(t, what, b)
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return out
}

// checkParsed compares the parsed fields of lines with those that encoding/json finds.
func checkParsed(t *testing.T, what string, b store.EventBatch) {
	t.Helper()
	p, ok := b.Parsed(store.JSON)
	if !ok {
		return
	}
	got := make([]map[string]string, b.Len())
	for i := range got {
		got[i] = map[string]string{}
	}
	for _, name := range p.Names() {
		c := p.Column(name)
		for i := range got {
			if c.Has(i) {
				got[i][name] = c.Value(i)
			}
		}
	}
	for i, line := range b.Lines() {
		want := map[string]string{}
		var v map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: Parsed answers for a line that is no JSON: %q", what, line)
		}
		flattenJSON(want, "", v)
		if fmt.Sprint(got[i]) != fmt.Sprint(want) {
			t.Fatalf("%s: %q\nis parsed as %v\nnot         %v", what, line, got[i], want)
		}
	}
}

func flattenJSON(out map[string]string, prefix string, v map[string]any) {
	for key, x := range v {
		name := prefix + key
		switch x := x.(type) {
		case map[string]any:
			flattenJSON(out, name+"_", x)
		case []any, nil:
		default:
			out[name] = fmt.Sprint(x)
		}
	}
}

// TestSelectIsSelectRows compares searches of encoded groups with those of plain records.
func TestSelectIsSelectRows(t *testing.T) {
	s := NewScratch()
	for seed := range uint64(60) {
		rows := hardRows(seed)
		g := encode(t, rows)
		r := rand.New(rand.NewPCG(seed, 3))
		for k := range 30 {
			streams := tableOf(rows)
			for i := range streams {
				streams[i].Wanted = r.IntN(4) > 0
			}
			q := store.EventQuery{Start: rows.Times[0], End: rows.Times[rows.Len()-1] + 1, Filters: randomFilters(r, &rows)}
			if r.IntN(3) == 0 {
				q.Start = rows.Times[r.IntN(rows.Len())]
				q.End = q.Start + r.Int64N(1e9)
			}
			if r.IntN(5) == 0 {
				hide := Prepare(store.EventQuery{Start: q.Start, End: q.End, Filters: randomFilters(r, &rows)})
				streams[r.IntN(len(streams))].Hide = []*Query{hide}
			}
			prepared := Prepare(q)
			what := fmt.Sprintf("seed %d, query %d: %+v", seed, k, q.Filters)
			want := collect(t, what, func(f func(store.EventBatch) error) (store.EventStats, error) {
				return SelectRows(context.Background(), rows, prepared, streams, f)
			})
			got := collect(t, what, func(f func(store.EventBatch) error) (store.EventStats, error) {
				return g.Select(context.Background(), prepared, streams, s, f)
			})
			if !slices.Equal(got, want) {
				i := 0
				for i < len(got) && i < len(want) && got[i] == want[i] {
					i++
				}
				t.Fatalf("%s:\n%d records, not %d; at %d:\n%s\n%s", what, len(got), len(want), i, textAt(got, i), textAt(want, i))
			}
		}
	}
}

func textAt(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

// TestHintsLeaveNothingOut checks that records for which a hint holds are yielded.
func TestHintsLeaveNothingOut(t *testing.T) {
	s := NewScratch()
	names := []string{"detected_level", "n", "odd_name_1", "odd name-1", "trace_id", "level", "user_id", "user_ok", "msg", "ts", "latency", "delta", "price", "ip", "client", "absent"}
	for seed := range uint64(48) {
		rows := hardRows(seed)
		g := encode(t, rows)
		r := rand.New(rand.NewPCG(seed, 4))
		for range 20 {
			h := store.FieldHint{Source: store.Source(r.IntN(2)), Name: names[r.IntN(len(names))]}
			if r.IntN(2) == 0 {
				h.Min, h.Max = float64(r.IntN(4)), float64(r.IntN(100000))
			} else {
				h.Any = []string{[]string{"info", "warn", "1", "2.5", "17", "u1", `a"b`, "é", "true", "2.50"}[r.IntN(10)], needleOf(r, &rows)}
			}
			streams := tableOf(rows)
			if r.IntN(5) == 0 {
				streams[0].Labels = labels.FromStrings("level", "x", "n", "y")
			}
			q := Prepare(store.EventQuery{Start: -1 << 62, End: 1 << 62, Hints: []store.FieldHint{h}})
			got := map[string]bool{}
			for _, text := range collect(t, fmt.Sprint(h), func(f func(store.EventBatch) error) (store.EventStats, error) {
				return g.Select(context.Background(), q, streams, s, f)
			}) {
				got[text] = true
			}
			all := collect(t, "all", func(f func(store.EventBatch) error) (store.EventStats, error) {
				return SelectRows(context.Background(), rows, Prepare(store.EventQuery{Start: -1 << 62, End: 1 << 62}), streams, f)
			})
			for i, text := range all {
				if !got[text] && hintHolds(&h, &streams[rows.Streams[i]], rows.Lines[i], rows.fields(i)) {
					t.Fatalf("seed %d: %+v holds for %s, which is left out", seed, h, text)
				}
			}
		}
	}
}

// hintHolds is what store.FieldHint says, as plainly as possible.
func hintHolds(h *store.FieldHint, s *Stream, line string, fields []model.Field) bool {
	if s.Labels.Has(h.Name) || s.Labels.Has(sanitize(h.Name)) {
		return true
	}
	x := hint{FieldHint: *h}
	stored := false
	for _, f := range fields {
		if sanitize(f.Name) == sanitize(h.Name) {
			if h.Source == store.Stored {
				return x.value(f.Value)
			}
			stored = true
		}
	}
	if h.Source == store.Stored {
		return false
	}
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || stored {
		return true
	}
	found := map[string]string{}
	flattenJSON(found, "", v)
	for name, value := range found {
		if sanitize(name) == sanitize(h.Name) && x.value(value) {
			return true
		}
	}
	return false
}
