package fields

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// show writes what was found, a field a line.
func show(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s %s %s count=%d card=%d", f.Source, f.Name, f.Type, f.Count, f.Cardinality)
		if !f.Exact {
			b.WriteString(" about")
		}
		if f.Type.numeric() {
			fmt.Fprintf(&b, " %g..%g", f.Min, f.Max)
		}
		for _, v := range f.Values[:min(len(f.Values), 3)] {
			fmt.Fprintf(&b, " %s:%d", v.Value, v.Count)
		}
		if len(f.JSONPath) > 0 {
			fmt.Fprintf(&b, " at %s", strings.Join(f.JSONPath, "/"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestLines(t *testing.T) {
	f := func(lines string, want string) {
		t.Helper()
		d := New(Options{})
		for l := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
			d.Add(Record{Line: l})
		}
		if got := strings.TrimSpace(show(d.Fields())); got != strings.TrimSpace(want) {
			t.Errorf("%s\ngot\n%s\nwant\n%s", lines, got, want)
		}
	}
	f(`{"level":"info","took":12,"ok":true,"req":{"path":"/a","size-kb":"3KB"},"list":[1],"no":null,"d":"3ms","f":1.5}
{"level":"error","took":7,"ok":false,"req":{"path":"/a","size-kb":"1.5MB"},"d":"1h2m","f":2}`, `
json d duration count=2 card=2 0.003..3720 1h2m:1 3ms:1 at d
json f float count=2 card=2 1.5..2 1.5:1 2:1 at f
json level string count=2 card=2 error:1 info:1 at level
json ok boolean count=2 card=2 false:1 true:1 at ok
json req_path string count=2 card=1 /a:2 at req/path
json req_size_kb bytes count=2 card=2 3000..1.5e+06 1.5MB:1 3KB:1 at req/size-kb
json took int count=2 card=2 7..12 12:1 7:1 at took`)
	f(`level=info msg="a \"b\" c" took=3ms n=1
level=warn msg=x took=4ms n=x 7=8 http://x?a=b`, `
logfmt level string count=2 card=2 info:1 warn:1
logfmt msg string count=2 card=2 a "b" c:1 x:1
logfmt n string count=2 card=2 1:1 x:1
logfmt took duration count=2 card=2 0.003..0.004 3ms:1 4ms:1`)
	f(`it took a=b here`, ``)
	f(`a=b`, `logfmt a string count=1 card=1 b:1`)
	f(`{"a":1} trailing`, ``)
	f(`{"a":1`, ``)
	f(`{"a":1,"b":}`, ``)
	f(`[1,2]`, ``)
	f(`{"1a":1,"é":2}`, "json _ int count=1 card=1 2..2 2:1 at é\njson _1a int count=1 card=1 1..1 1:1 at 1a")
	f(`GET /a?b=c&d=e 200`, ``)
}

func TestSources(t *testing.T) {
	d := New(Options{})
	d.Add(Record{
		Stream: labels.FromStrings("app", "web"), Line: `{"app":"x","trace_id":"y","status":200,"read":1}`,
		Metadata: labels.FromStrings("trace_id", "abc"), Parsed: labels.FromStrings("read", "1"),
	})
	want := `label app string count=1 card=1 web:1
metadata trace_id string count=1 card=1 abc:1
parsed read int count=1 card=1 1..1 1:1
json app_extracted string count=1 card=1 x:1 at app
json status int count=1 card=1 200..200 200:1 at status
json trace_id_extracted string count=1 card=1 y:1 at trace_id
`
	if got := show(d.Fields()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestBounds(t *testing.T) {
	d := New(Options{MaxFields: 3, MaxValues: 10})
	for i := range 20_000 {
		v := "often"
		if i%2 == 0 {
			v = fmt.Sprint("rare", i)
		}
		d.Add(Record{Line: fmt.Sprintf("a=%s b=%d c%d=x d=y", v, i, i)})
	}
	got := d.Fields()
	if len(got) != 3 || d.Missed() == 0 {
		t.Fatalf("%d fields, %d missed", len(got), d.Missed())
	}
	for _, f := range got {
		if len(f.Values) > 10 {
			t.Errorf("%s has %d values", f.Name, len(f.Values))
		}
		if f.Name == "a" && (f.Values[0].Value != "often" || f.Exact || f.Cardinality < 9_000 || f.Cardinality > 11_000) {
			t.Errorf("%+v", f)
		}
		if f.Name == "b" && (f.Cardinality < 18_500 || f.Cardinality > 21_500) {
			t.Errorf("%d values of 20,000", f.Cardinality)
		}
	}
	d = New(Options{Only: "b"})
	d.Add(Record{Line: "a=1 b=2 c=3"})
	if got := d.Fields(); len(got) != 1 || got[0].Name != "b" {
		t.Error(got)
	}
}

func TestTypes(t *testing.T) {
	f := func(in string, want Type, number float64) {
		t.Helper()
		if got, n := typeOf(in); got != want || n != number {
			t.Errorf("%s: %s %g, want %s %g", in, got, n, want, number)
		}
	}
	f("1", Int, 1)
	f("-12", Int, -12)
	f("1.5", Float, 1.5)
	f("1e3", Float, 1000)
	f("99999999999999999999", Float, 1e20)
	f("true", Boolean, 0)
	f("1.5s", Duration, 1.5)
	f("10µs", Duration, 1e-5)
	f("10KB", Bytes, 10_000)
	f("1.5MiB", Bytes, 1.5*(1<<20))
	f("12 B", String, 0)
	for _, s := range []string{"", "NaN", "Inf", "0x10", "1_000", "10.0.0.1", "12a", "2024-01-01", "1.2.3MB", "a1", strings.Repeat("1", 50)} {
		f(s, String, 0)
	}
}

// No line makes the detector panic, and what it finds has a valid name.
func FuzzAdd(f *testing.F) {
	f.Add(`{"a":{"b":[1,{"c":2}],"d":"\u00e9\ud800"},"":1}`)
	f.Add(`a=b c="d \" e" f= =g "h"=i j`)
	f.Add(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100))
	f.Fuzz(func(t *testing.T, line string) {
		d := New(Options{MaxFields: 20, MaxValues: 3})
		d.Add(Record{Line: line})
		d.Add(Record{Line: line})
		for _, x := range d.Fields() {
			if x.Name == "" || strings.ContainsFunc(x.Name, func(c rune) bool {
				return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
			}) || x.Name[0] >= '0' && x.Name[0] <= '9' {
				t.Errorf("name %q", x.Name)
			}
			if x.Count%2 != 0 && x.Source == JSON && x.Count < 2 {
				t.Errorf("%+v is found once of twice", x)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	line := `{"ts":"2024-03-30T23:03:12Z","level":"info","msg":"request handled","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","method":"GET","path":"/api/v1/items","status":200,"latency_ms":12.5}`
	d := New(Options{})
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		d.Add(Record{Line: line})
	}
}
