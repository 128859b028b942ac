package eventstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Opened is an implementation under test, empty.
type Opened struct {
	store.Events
	// Settle moves what was appended to where it rests in the end (out of memory, into blocks); nil when there is no such
	// place. Every case runs with and without it.
	Settle func(t *testing.T)
}

// Test runs the suite that every implementation of store.Events passes. open is called for each case; what it opens ends
// with the test. names chooses some of the cases, where each takes long.
func Test(t *testing.T, open func(t *testing.T) Opened, names ...string) {
	for _, c := range cases {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, world{open(t), false}) })
		t.Run(c.name+"/settled", func(t *testing.T) {
			o := open(t)
			if o.Settle == nil {
				t.Skip("nothing to settle")
			}
			c.run(t, world{o, true})
		})
	}
}

var cases = []struct {
	name string
	run  func(*testing.T, world)
}{
	{"empty", testEmpty},
	{"matchers", testMatchers},
	{"range of time", testRange},
	{"bytes", testBytes},
	{"fields", testFields},
	{"filters", testFilters},
	{"order", testOrder},
	{"parsed", testParsed},
	{"streams", testStreams},
	{"late records", testLate},
	{"buffers used again", testBuffers},
	{"ends", testEnds},
	{"follow", testFollow},
	{"deletion", testDeletion},
	{"many writers", testWriters},
	{"random", testRandom},
}

// world is what a case runs in.
type world struct {
	Opened
	settle bool
}

func (w world) append(t *testing.T, streams ...model.Stream) {
	t.Helper()
	refused, err := w.AppendRecords(context.Background(), streams)
	if err != nil || len(refused) > 0 {
		t.Fatalf("AppendRecords = %v, %v", refused, err)
	}
}

func (w world) settled(t *testing.T) {
	t.Helper()
	if w.settle {
		w.Settle(t)
	}
}

const second = int64(1e9)

// base is a time of day at which nothing special happens: 2026-01-01 12:00 UTC.
const base = 1767268800 * second

func stream(pairs string, records ...model.Record) model.Stream {
	s := model.Stream{Records: records}
	for pair := range strings.SplitSeq(pairs, ",") {
		name, value, _ := strings.Cut(pair, "=")
		s.Labels = append(s.Labels, model.Field{Name: name, Value: value})
	}
	s.Labels = model.SortFields(s.Labels)
	return s
}

func record(t int64, line string, pairs ...string) model.Record {
	r := model.Record{Time: t, Line: line}
	for pair := range slices.Chunk(pairs, 2) {
		r.Fields = append(r.Fields, model.Field{Name: pair[0], Value: pair[1]})
	}
	r.Fields = model.SortFields(r.Fields)
	return r
}

// found is a record as text, with everything that it consists of.
func found(l labels.Labels, r model.Record) string {
	return fmt.Sprintf("%s %d %q %s", l, r.Time-base, r.Line, model.FormatLabels(r.Fields))
}

// everything is a query for all records.
func everything() store.EventQuery {
	return store.EventQuery{Start: -1 << 62, End: 1 << 62}
}

// read returns what a Select yields, as sorted text, and checks what holds for every batch.
func read(t *testing.T, e store.EventReader, q store.EventQuery) []string {
	t.Helper()
	var mu sync.Mutex
	var out []string
	stats, err := e.Select(context.Background(), q, func(_ int, b store.EventBatch) error {
		mu.Lock()
		defer mu.Unlock()
		out = append(out, batchText(t, b)...)
		return nil
	})
	if err != nil {
		t.Fatalf("Select: %v", err)
	}
	if stats.RecordsYielded != int64(len(out)) {
		t.Errorf("the statistics say %d records, %d came", stats.RecordsYielded, len(out))
	}
	slices.Sort(out)
	return out
}

func batchText(t *testing.T, b store.EventBatch) []string {
	t.Helper()
	times, lines, names := b.Times(), b.Lines(), b.FieldNames()
	if b.Len() == 0 || len(times) != b.Len() || len(lines) != b.Len() {
		t.Fatalf("a batch of %d records has %d times and %d lines", b.Len(), len(times), len(lines))
	}
	if oldest, newest := b.TimeRange(); oldest > times[0] || newest < times[len(times)-1] {
		t.Errorf("the times of a batch, %d, are not between %d and %d", times, oldest, newest)
	}
	lengths := b.LineLengths()
	for i, line := range lines {
		if len(lengths) != len(lines) || int(lengths[i]) != len(line) {
			t.Fatalf("the lengths of the lines %q are %d", lines, lengths)
		}
	}
	if !slices.IsSorted(times) {
		t.Errorf("the times of a batch do not ascend: %v", times)
	}
	if !slices.IsSorted(names) {
		t.Errorf("the names of a batch's fields are not sorted: %v", names)
	}
	columns := make([]store.Column, len(names))
	for i, n := range names {
		columns[i] = b.Column(n)
	}
	out := make([]string, b.Len())
	for i := range out {
		r := model.Record{Time: times[i], Line: lines[i]}
		for j := range columns {
			if columns[j].Has(i) {
				r.Fields = append(r.Fields, model.Field{Name: names[j], Value: columns[j].Value(i)})
			}
		}
		out[i] = found(b.Stream(), r)
	}
	return out
}

// expect is what Memory would yield for the same streams and query.
func expect(t *testing.T, q store.EventQuery, streams ...model.Stream) []string {
	t.Helper()
	var m Memory
	if _, err := m.AppendRecords(context.Background(), streams); err != nil {
		t.Fatal(err)
	}
	return read(t, &m, q)
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%s: %d records, want %d\nmissing: %s\ntoo many: %s", what, len(got), len(want), few(without(want, got)), few(without(got, want)))
}

// without returns what a has and b has not, as often as a has it more.
func without(a, b []string) []string {
	counts := map[string]int{}
	for _, x := range b {
		counts[x]++
	}
	var out []string
	for _, x := range a {
		if counts[x]--; counts[x] < 0 {
			out = append(out, x)
		}
	}
	return out
}

func few(texts []string) string {
	var b strings.Builder
	for i, x := range texts {
		if i == 5 {
			fmt.Fprintf(&b, "\n  and %d more", len(texts)-i)
			break
		}
		if len(x) > 300 {
			x = x[:300] + "..."
		}
		b.WriteString("\n  " + x)
	}
	return b.String()
}

func testEmpty(t *testing.T, w world) {
	w.settled(t)
	same(t, "an empty store", read(t, w, everything()), nil)
	infos, err := w.Streams(context.Background(), 0, 1<<62)
	if err != nil || len(infos) > 0 {
		t.Errorf("Streams of an empty store = %v, %v", infos, err)
	}
}

// fleet is a few streams with a few records each.
func fleet() []model.Stream {
	return []model.Stream{
		stream("app=web,env=prod", record(base, "a"), record(base+second, "b"), record(base+2*second, "c")),
		stream("app=web,env=test", record(base+second, "d")),
		stream("app=db,env=prod", record(base+3*second, "e"), record(base+4*second, "f")),
		stream("job=x", record(base+5*second, "g")),
	}
}

func testMatchers(t *testing.T, w world) {
	w.append(t, fleet()...)
	w.settled(t)
	f := func(matchers ...*labels.Matcher) {
		t.Helper()
		q := everything()
		q.Matchers = matchers
		same(t, fmt.Sprint(matchers), read(t, w, q), expect(t, q, fleet()...))
	}
	m := func(typ labels.MatchType, name, value string) *labels.Matcher {
		return labels.MustNewMatcher(typ, name, value)
	}
	f()
	f(m(labels.MatchEqual, "app", "web"))
	f(m(labels.MatchEqual, "app", "web"), m(labels.MatchEqual, "env", "prod"))
	f(m(labels.MatchEqual, "app", "nothing"))
	f(m(labels.MatchEqual, "app", ""))
	f(m(labels.MatchNotEqual, "app", ""))
	f(m(labels.MatchNotEqual, "app", "web"))
	f(m(labels.MatchRegexp, "app", "w.*|db"))
	f(m(labels.MatchRegexp, "app", ".*"))
	f(m(labels.MatchRegexp, "app", ".+"))
	f(m(labels.MatchRegexp, "app", "|db"))
	f(m(labels.MatchNotRegexp, "app", "w.+"))
	f(m(labels.MatchNotRegexp, "app", "w.+|"))
	f(m(labels.MatchEqual, "no", "where"))
	f(m(labels.MatchNotEqual, "no", "where"))
}

func testRange(t *testing.T, w world) {
	w.append(t, fleet()...)
	w.settled(t)
	f := func(start, end int64) {
		t.Helper()
		q := store.EventQuery{Start: start, End: end}
		same(t, fmt.Sprintf("[%d, %d)", start-base, end-base), read(t, w, q), expect(t, q, fleet()...))
	}
	f(base, base+1)
	f(base, base)
	f(base+1, base)
	f(base+1, base+second)
	f(base+second, base+3*second)
	f(base-second, base+100*second)
	f(base+5*second+1, 1<<62)
	f(-1<<62, base)
}

func testBytes(t *testing.T, w world) {
	lines := []string{
		"", " ", "\n", "\x00", "\xff\xfe\xfd", "a\xc3", "tab\there\r\n", strings.Repeat("x", 1<<20), strings.Repeat("é", 70_000),
		`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a": 1}`, `{ "a":1 }`, `{"a":1}x`, `{"a":`, `{"a":{"b":[1,2,{"c":null}]},"d":true}`, `{"a":"\u00e9\n\""}`, `{"a":1.0,"b":1e5,"c":-0,"d":00}`,
		`{"ts":"2026-01-01T12:00:00Z","level":"info"}`, `{"ts":"2026-01-01T12:00:00.123456789Z","level":"info"}`,
		`level=info msg="a b" n=1`, `10.0.0.1 - - [01/Jan/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5`,
		`Jan  1 12:00:00 host app[12]: text`, "java.lang.X: y\n\tat a.b(C.java:1)\n\tat d.e(F.java:2)", "0", "00", "-1", "1.50", "deadbeefdeadbeef", "DEADbeef",
	}
	s := stream("app=x")
	for i, l := range lines {
		for j := range 3 { // so that there is something to share
			s.Records = append(s.Records, record(base+int64(i*3+j)*second, l))
		}
	}
	w.append(t, s)
	w.settled(t)
	same(t, "odd lines", read(t, w, everything()), expect(t, everything(), s))
}

func testFields(t *testing.T, w world) {
	s := stream("app=x",
		record(base, "a", "trace_id", "0af7651916cd43dd8448eb211c80319c", "n", "1"),
		record(base+1, "b", "trace_id", "0af7651916cd43dd8448eb211c80319d", "n", "2.5", "only", "here"),
		record(base+2, "c", "n", "07"),
		record(base+3, "d"),
		record(base+4, "e", "bytes", "\xff\x00", "long", strings.Repeat("v", 5000), "n", "NaN"),
	)
	for i := range 500 {
		s.Records = append(s.Records, record(base+10+int64(i), "many", "ip", fmt.Sprintf("10.0.%d.%d", i/256, i%256), "k", fmt.Sprint(i*i), "level", []string{"info", "warn"}[i%2]))
	}
	w.append(t, s)
	w.settled(t)
	same(t, "fields", read(t, w, everything()), expect(t, everything(), s))
	_, err := w.Select(context.Background(), everything(), func(_ int, b store.EventBatch) error {
		if c := b.Column("nowhere"); !c.Absent() {
			t.Error("a field that no record has is not absent")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func testFilters(t *testing.T, w world) {
	streams := texts()
	w.append(t, streams...)
	w.settled(t)
	f := func(filters ...store.RecordFilter) {
		t.Helper()
		q := everything()
		q.Filters = filters
		same(t, fmt.Sprintf("%+v", filters), read(t, w, q), expect(t, q, streams...))
	}
	has := func(needles ...string) store.RecordFilter { return store.RecordFilter{Needles: [][]string{needles}} }
	not := func(x store.RecordFilter) store.RecordFilter { x.Not = true; return x }
	fold := func(x store.RecordFilter) store.RecordFilter { x.Fold = true; return x }
	any := func(x store.RecordFilter) store.RecordFilter { x.AnyField = true; return x }
	for _, needle := range []string{
		"connection", "Connection", "onnection rese", "connection reset", `"level":"error"`, `level":"err`, "error", "user_17", "ser_1", "17", "", " ", `"`, `,"`, "}",
		"7f0000000000000011", "nothing like it", "GET /api", "é", "\xff", "10.0.0.1", "0.0.1", "[01/Jan", "-0", "latency_ms\":1",
	} {
		f(has(needle))
		f(not(has(needle)))
		f(fold(has(needle)))
		f(not(fold(has(strings.ToUpper(needle)))))
		f(any(has(needle)))
		f(not(any(has(needle))))
	}
	f(has("error", "warn"))
	f(not(has("error", "warn")))
	f(has("error"), has("user_1"))
	f(has("error"), not(has("user_1")))
	f(store.RecordFilter{Needles: [][]string{{"error", "warn"}, {"user"}}})
	f(store.RecordFilter{Match: func(s string) bool { return len(s)%3 == 0 }})
	f(store.RecordFilter{Needles: [][]string{{"user_"}}, Match: func(s string) bool { return strings.Contains(s, "user_2") }})
	f(not(store.RecordFilter{Needles: [][]string{{"user_"}}, Match: func(s string) bool { return strings.Contains(s, "user_2") }}))
	f(any(store.RecordFilter{Match: func(s string) bool { return s == "abc7" }}))
}

// texts is streams of several formats.
func texts() []model.Stream {
	app, access, odd := stream("app=shop"), stream("app=nginx"), stream("app=odd")
	levels := []string{"info", "warn", "error"}
	messages := []string{"request done", "connection reset by peer", "Connection reset", "cache miss"}
	for i := range 300 {
		at := base + int64(i)*second/7
		app.Records = append(app.Records, record(at, fmt.Sprintf(`{"ts":"2026-01-01T12:%02d:%02dZ","level":"%s","msg":"%s","trace_id":"7f%030x","latency_ms":%d.%d,"user":"user_%d"}`,
			i/60, i%60, levels[i%3], messages[i%4], i, i%200, i%10, i%40), "k", fmt.Sprintf("abc%d", i%9)))
		access.Records = append(access.Records, record(at, fmt.Sprintf(`10.0.%d.%d - - [01/Jan/2026:12:%02d:%02d +0000] "GET /api/%d HTTP/1.1" %d %d "-" "curl/8"`,
			i%3, i%250, i/60, i%60, i, []int{200, 404, 500}[i%3], i*31)))
	}
	for i, line := range []string{"", "é connection", "\xff error", `{"level":"error"`, `{"msg":"a \"quoted\" error"}`, `{"a":{"level":"error"}}`, "ERROR user_17", "plain text", "-0"} {
		odd.Records = append(odd.Records, record(base+int64(i), line, "note", "connection "+fmt.Sprint(i)))
	}
	return []model.Stream{app, access, odd}
}

func testOrder(t *testing.T, w world) {
	streams := texts()
	w.append(t, streams...)
	w.settled(t)
	for _, o := range []store.EventOrder{store.Forward, store.Backward} {
		for _, limit := range []int{1, 10, 250, 10_000} {
			same(t, fmt.Sprintf("order %d, the first %d", o, limit), firstTimes(t, w, o, limit), expectTimes(o, limit, streams))
		}
	}
}

// firstTimes reads the first records in an order, as a reader with a limit does, and returns their times.
func firstTimes(t *testing.T, e store.EventReader, o store.EventOrder, limit int) []string {
	t.Helper()
	var times []int64
	q := everything()
	q.Order = o
	before := func(a, b int64) bool { return a < b && o == store.Forward || a > b && o == store.Backward }
	sorted := func() {
		slices.Sort(times)
		if o == store.Backward {
			slices.Reverse(times)
		}
	}
	q.Enough = func(next int64) bool {
		sorted()
		return len(times) >= limit && before(times[limit-1], next)
	}
	var busy atomic.Int32
	_, err := e.Select(context.Background(), q, func(_ int, b store.EventBatch) error {
		if busy.Add(1) > 1 {
			t.Error("two calls at once in an ordered Select")
		}
		times = append(times, b.Times()...)
		busy.Add(-1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sorted()
	return timeTexts(times, limit)
}

func expectTimes(o store.EventOrder, limit int, streams []model.Stream) []string {
	var times []int64
	for _, s := range streams {
		for _, r := range s.Records {
			times = append(times, r.Time)
		}
	}
	slices.Sort(times)
	if o == store.Backward {
		slices.Reverse(times)
	}
	return timeTexts(times, limit)
}

func timeTexts(times []int64, limit int) []string {
	var out []string
	for _, at := range times[:min(limit, len(times))] {
		out = append(out, fmt.Sprint(at-base))
	}
	return out
}

// testParsed checks the fields of lines where they are offered; an implementation may offer none.
func testParsed(t *testing.T, w world) {
	s := stream("app=json")
	for i := range 100 {
		s.Records = append(s.Records, record(base+int64(i), fmt.Sprintf(`{"level":"info","n":%d,"o":{"p":"q%d","r":null},"l":[1],"ok":true,"text":"a\n\"b\" %d","e":""}`, i, i%5, i)))
	}
	w.append(t, s)
	w.settled(t)
	want := func(name string, i int) (string, bool) {
		switch name {
		case "level":
			return "info", true
		case "n":
			return fmt.Sprint(i), true
		case "o_p":
			return fmt.Sprintf("q%d", i%5), true
		case "ok":
			return "true", true
		case "text":
			return fmt.Sprintf("a\n\"b\" %d", i), true
		case "e":
			return "", true
		}
		return "", false
	}
	offered := false
	_, err := w.Select(context.Background(), everything(), func(_ int, b store.EventBatch) error {
		p, ok := b.Parsed(store.JSON)
		if !ok {
			return nil
		}
		offered = true
		for _, name := range []string{"level", "n", "o_p", "ok", "text", "e", "o_r", "l", "o", "nowhere"} {
			c := p.Column(name)
			for row, at := range b.Times() {
				value, has := want(name, int(at-base))
				if c.Has(row) != has || c.Value(row) != value {
					t.Errorf("%s of record %d is %q (%v), want %q (%v)", name, at-base, c.Value(row), c.Has(row), value, has)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if !offered {
		t.Log("no parsed lines are offered")
	}
}

func testStreams(t *testing.T, w world) {
	w.append(t, fleet()...)
	w.settled(t)
	f := func(start, end int64, want string, matchers ...*labels.Matcher) {
		t.Helper()
		infos, err := w.Streams(context.Background(), start, end, matchers...)
		if err != nil {
			t.Error(err)
			return
		}
		var got []string
		for _, i := range infos {
			if i.Records <= 0 || i.Bytes < 0 || i.Chunks <= 0 {
				t.Errorf("stream %s has %d records, %d bytes, %d chunks", i.Labels, i.Records, i.Bytes, i.Chunks)
			}
			got = append(got, i.Labels.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("Streams(%d, %d, %v) = %s, want %s", start-base, end-base, matchers, got, want)
		}
	}
	f(base, base+100*second, `{app="db", env="prod"} {app="web", env="prod"} {app="web", env="test"} {job="x"}`)
	f(base, base+100*second, `{app="web", env="prod"} {app="web", env="test"}`, labels.MustNewMatcher(labels.MatchEqual, "app", "web"))
	f(base+100*second, base+200*second, ``)
	f(base-100*second, base, ``)
}

func testLate(t *testing.T, w world) {
	newer, older := stream("app=x"), stream("app=x")
	for i := range 50 {
		newer.Records = append(newer.Records, record(base+int64(i)*second, fmt.Sprint("new ", i)))
		older.Records = append(older.Records, record(base-3600*second+int64(49-i)*second, fmt.Sprint("old ", i)))
	}
	w.append(t, newer)
	w.settled(t)
	w.append(t, older)
	same(t, "late records", read(t, w, everything()), expect(t, everything(), newer, older))
	w.settled(t)
	same(t, "late records, settled", read(t, w, everything()), expect(t, everything(), newer, older))
	same(t, "the first 60", firstTimes(t, w, store.Forward, 60), expectTimes(store.Forward, 60, []model.Stream{newer, older}))
	same(t, "the last 60", firstTimes(t, w, store.Backward, 60), expectTimes(store.Backward, 60, []model.Stream{newer, older}))
}

// testBuffers overwrites what was appended.
func testBuffers(t *testing.T, w world) {
	s := stream("app=x")
	want := expect(t, everything(), stream("app=x", record(base, "abcdefgh", "f", "abcdefgh")))
	buffer := []byte("abcdefgh")
	text := unsafe.String(&buffer[0], len(buffer))
	s.Records = []model.Record{{Time: base, Line: text, Fields: []model.Field{{Name: "f", Value: text}}}}
	w.append(t, s)
	copy(buffer, "XXXXXXXX")
	w.settled(t)
	same(t, "after the buffer was used again", read(t, w, everything()), want)
}

func testEnds(t *testing.T, w world) {
	w.append(t, texts()...)
	w.settled(t)
	stop := errors.New("stop")
	for _, o := range []store.EventOrder{store.AnyOrder, store.Forward, store.Backward} {
		q := everything()
		q.Order = o
		if _, err := w.Select(context.Background(), q, func(int, store.EventBatch) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("order %d: Select returns %v, want f's error", o, err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(stop)
		if _, err := w.Select(ctx, q, func(int, store.EventBatch) error { return nil }); !errors.Is(err, stop) {
			t.Errorf("order %d: Select with an ended context returns %v, want its cause", o, err)
		}
	}
}

func testFollow(t *testing.T, w world) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	got := make(chan string, 1000)
	done := make(chan error, 1)
	go func() {
		done <- w.Follow(ctx, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "app", "web")}, func(l labels.Labels, records []model.Record, dropped int) error {
			for _, r := range records {
				got <- found(l, r)
			}
			switch {
			case dropped > 0:
				got <- fmt.Sprint("dropped ", dropped)
			case len(records) == 0:
				got <- "begun"
			}
			return nil
		})
	}()
	w.append(t, stream("app=web,env=before", record(base, "before")))
	for x := <-got; x != "begun"; x = <-got {
		t.Errorf("%s comes before the sign that Follow has begun", x)
	}
	w.append(t, fleet()...)
	var seen []string
	for len(seen) < 4 {
		if x := <-got; !strings.Contains(x, "before") { // it may be followed, and need not
			seen = append(seen, x)
		}
	}
	q := everything()
	q.Matchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "app", "web")}
	slices.Sort(seen)
	same(t, "followed", seen, expect(t, q, fleet()...))
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("Follow returns %v, want the context's cause", err)
	}
}

func testDeletion(t *testing.T, w world) {
	d, ok := w.Events.(store.EventDeleter)
	if !ok {
		t.Skip("it cannot delete")
	}
	w.append(t, stream("app=web", record(base, "a 1"), record(base+1, "b 2"), record(base+2, "a 3"), record(base+3, "a 4")), stream("app=db", record(base+1, "a 5")))
	w.settled(t)
	ctx := context.Background()
	remove := func(matcher store.DeletionMatcher, filter store.DeletionFilter, start, end int64) string {
		t.Helper()
		s := store.DeletionSelection{Matchers: []store.DeletionMatcher{matcher}}
		if filter.Op != "" {
			s.Filters = append(s.Filters, filter)
		}
		out, err := d.DeleteRecords(ctx, store.EventDeletion{Query: "shown", Start: start, End: end, Created: base, Selection: s})
		if err != nil || out.ID == "" || out.Query != "shown" {
			t.Fatalf("DeleteRecords = %+v, %v", out, err)
		}
		return out.ID
	}
	f := func(name, want string) {
		t.Helper()
		var got []string
		for _, r := range read(t, w, everything()) {
			got = append(got, strings.Split(r, `"`)[3]) // {app="web"} 0 "line"
		}
		slices.Sort(got)
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	web := store.DeletionMatcher{Name: "app", Type: "=", Value: "web"}
	f("before", "a 1,a 3,a 4,a 5,b 2")
	remove(web, store.DeletionFilter{Op: "|=", Text: "a"}, base+2, base+3)
	f("a text in a range", "a 1,a 4,a 5,b 2")
	remove(store.DeletionMatcher{Name: "app", Type: "=~", Value: "d."}, store.DeletionFilter{}, base, base+2)
	f("a stream", "a 1,a 4,b 2")
	remove(web, store.DeletionFilter{Op: "!~", Text: "^a"}, base-1, base+9)
	f("what does not match", "a 1,a 4")
	remove(store.DeletionMatcher{Name: "app", Type: "!=", Value: "web"}, store.DeletionFilter{}, base-1, base+9)
	last := remove(web, store.DeletionFilter{Op: "!=", Text: "4"}, base-1, base+9)
	f("without a text", "a 4")
	list, err := d.Deletions(ctx)
	if err != nil || len(list) != 5 || list[0].ID != last || list[0].Selection.Filters[0].Text != "4" || list[0].Start != base-1 {
		t.Errorf("Deletions = %+v, %v", list, err)
	}
	if err := d.CancelDeletion(ctx, last); err == nil {
		f("cancelled", "a 1,a 4")
	} else if model.KindOf(err) != model.Conflict { // it may be done
		t.Errorf("CancelDeletion = %v", err)
	}
	if err := d.CancelDeletion(ctx, "none"); model.KindOf(err) != model.NotFound {
		t.Errorf("CancelDeletion of what is not there = %v", err)
	}
}

func testWriters(t *testing.T, w world) {
	const writers, pushes = 8, 20
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			for j := range pushes {
				s := stream(fmt.Sprintf("app=%d", i), record(base+int64(j)*second, fmt.Sprintf("%d/%d", i, j)))
				if refused, err := w.AppendRecords(context.Background(), []model.Stream{s}); err != nil || len(refused) > 0 {
					t.Errorf("AppendRecords = %v, %v", refused, err)
					return
				}
				q := everything()
				q.Matchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "app", fmt.Sprint(i))}
				if got := read(t, w, q); len(got) != j+1 {
					t.Errorf("writer %d sees %d records after its push number %d", i, len(got), j+1)
				}
			}
		})
	}
	group.Wait()
	w.settled(t)
	if got := read(t, w, everything()); len(got) != writers*pushes {
		t.Errorf("%d records, want %d", len(got), writers*pushes)
	}
}

// testRandom compares random queries over random records with what Memory answers.
func testRandom(t *testing.T, w world) {
	const seed = 42
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable on purpose
	var m Memory
	for round := range 5 {
		streams := randomStreams(r)
		w.append(t, streams...)
		if _, err := m.AppendRecords(context.Background(), streams); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			w.settled(t)
		}
		for range 20 {
			q := randomQuery(r)
			same(t, fmt.Sprintf("round %d, %+v", round, q), read(t, w, q), read(t, &m, q))
		}
	}
}

func randomStreams(r *rand.Rand) []model.Stream {
	var out []model.Stream
	for i := range 1 + r.IntN(5) {
		s := stream(fmt.Sprintf("app=a%d,env=e%d", i, r.IntN(3)))
		for range 1 + r.IntN(200) {
			x := record(base+r.Int64N(100)*second, randomLine(r))
			if r.IntN(3) == 0 {
				x.Fields = []model.Field{{Name: "f", Value: randomWord(r)}}
			}
			s.Records = append(s.Records, x)
		}
		out = append(out, s)
	}
	return out
}

func randomWord(r *rand.Rand) string {
	return []string{"alpha", "beta", "Gamma", "delta_1", "0af7651916cd43dd", "10.1.2.3", "17", "1.5", "é", "a b"}[r.IntN(10)]
}

func randomLine(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf(`{"a":"%s","b":%d,"c":"%s"}`, randomWord(r), r.IntN(100), randomWord(r))
	case 1:
		return fmt.Sprintf(`a=%s b=%d`, randomWord(r), r.IntN(100))
	case 2:
		return fmt.Sprintf(`%s - [%s] %d`, randomWord(r), randomWord(r), r.IntN(1000))
	}
	return strings.Repeat(randomWord(r)+" ", r.IntN(4))
}

func randomQuery(r *rand.Rand) store.EventQuery {
	q := store.EventQuery{Start: base + r.Int64N(100)*second, End: base + r.Int64N(120)*second}
	if r.IntN(2) == 0 {
		q = everything()
	}
	if r.IntN(2) == 0 {
		q.Matchers = append(q.Matchers, labels.MustNewMatcher(labels.MatchType(r.IntN(4)), "env", fmt.Sprintf("e%d", r.IntN(3))))
	}
	for range r.IntN(3) {
		f := store.RecordFilter{Needles: [][]string{{randomNeedle(r)}}, Not: r.IntN(3) == 0, Fold: r.IntN(4) == 0, AnyField: r.IntN(4) == 0}
		if r.IntN(3) == 0 {
			f.Needles[0] = append(f.Needles[0], randomNeedle(r))
		}
		q.Filters = append(q.Filters, f)
	}
	return q
}

// randomNeedle is a word, or a piece of a line.
func randomNeedle(r *rand.Rand) string {
	if r.IntN(2) == 0 {
		return randomWord(r)
	}
	line := randomLine(r)
	from := r.IntN(len(line) + 1)
	return line[from : from+r.IntN(len(line)-from+1)]
}
