package plugin

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

func num(v float64) *float64 { return &v }

func TestParsePerf(t *testing.T) {
	f := func(in string, want ...model.Perf) {
		t.Helper()
		got := ParsePerf(in)
		if len(got) == 0 && len(want) == 0 {
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("ParsePerf(%q)\n got %+v\nwant %+v", in, got, want)
		}
	}
	f("load1=0.060;5.000;4.000;0; load5=0.050", model.Perf{Label: "load1", Value: .06, Warn: "5.000", Crit: "4.000", Min: num(0)}, model.Perf{Label: "load5", Value: .05})
	f("'/var log'=2643MB;5948;5958;0;5968", model.Perf{Label: "/var log", Value: 2643, Unit: "MB", Warn: "5948", Crit: "5958", Min: num(0), Max: num(5968)})
	f("'it''s'=1c", model.Perf{Label: "it's", Value: 1, Unit: "c"})
	f("'a=b'=1 c=2", model.Perf{Label: "a=b", Value: 1}, model.Perf{Label: "c", Value: 2})
	f("time=0,123s;;;0", model.Perf{Label: "time", Value: .123, Unit: "s", Min: num(0)})
	f("a=1, b=2%;@10:20;~:5", model.Perf{Label: "a", Value: 1}, model.Perf{Label: "b", Value: 2, Unit: "%", Warn: "@10:20", Crit: "~:5"})
	f("x=-1.5e3B y=5E z=+.5", model.Perf{Label: "x", Value: -1500, Unit: "B"}, model.Perf{Label: "y", Value: 5, Unit: "E"}, model.Perf{Label: "z", Value: .5})
	f("x=1;2;3;4ms;5ms", model.Perf{Label: "x", Value: 1, Warn: "2", Crit: "3", Min: num(4), Max: num(5)})
	f("broken a= =5 'open=3 'x'y=3 good=1", model.Perf{Label: "good", Value: 1})
	f("a=inf b=nan c=1e999 d=x")
	f("")
	if got := ParsePerf("a=U;1;2"); len(got) != 1 || !math.IsNaN(got[0].Value) || got[0].Warn != "1" {
		t.Errorf("U is %+v", got)
	}
	if got := ParsePerf(strings.Repeat("a=1 ", 5*maxPerf)); len(got) != maxPerf {
		t.Errorf("%d items are taken, not %d", len(got), maxPerf)
	}
}

func TestFormatPerf(t *testing.T) {
	f := func(want string, in ...model.Perf) {
		t.Helper()
		if got := FormatPerf(in); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	f("a=1", model.Perf{Label: "a", Value: 1})
	f("'it''s here'=0.5s;;5;0", model.Perf{Label: "it's here", Value: .5, Unit: "s", Crit: "5", Min: num(0)})
	f("a=U b=12345678901;~:5;;;100", model.Perf{Label: "a", Value: math.NaN()}, model.Perf{Label: "b", Value: 12345678901, Warn: "~:5", Max: num(100)})
}

func TestParse(t *testing.T) {
	f := func(exit int, in string, status model.Status, output, long string, labels ...string) {
		t.Helper()
		r := Parse(exit, []byte(in))
		var got []string
		for _, p := range r.Perf {
			got = append(got, p.Label)
		}
		if r.Status != status || r.Output != output || r.Long != long || !reflect.DeepEqual(got, labels) {
			t.Errorf("Parse(%d, %q) = %v %q %q %q", exit, in, r.Status, r.Output, r.Long, got)
		}
	}
	// The examples of the Nagios Plugin API.
	f(0, "DISK OK - free space: / 3326 MB (56%);", model.OK, "DISK OK - free space: / 3326 MB (56%);", "")
	f(1, "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n", model.Warning, "DISK OK - free space: / 3326 MB (56%);", "", "/")
	f(2, "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n/boot 68 MB (69%);\n/home 69357 MB (27%);\n"+
		"/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414 \n/var/log=818MB;970;975;0;980\n",
		model.Critical, "DISK OK - free space: / 3326 MB (56%);", "/ 15272 MB (77%);\n/boot 68 MB (69%);\n/home 69357 MB (27%);\n/var/log 819 MB (84%);", "/", "/boot", "/home", "/var/log")
	f(3, "", model.Unknown, "(no output)", "")
	f(127, "sh: not found", model.Unknown, "exit code 127 is none of a plugin: sh: not found", "")
	f(0, "\n\nOK\r\nmore\r\n", model.OK, "OK", "more")
	f(0, "\x1b[31mred\x00 \xff\xfe é\u009b\n\x07bell\n", model.OK, "[31mred  é", "bell")
	f(0, "| a=1", model.OK, "(no output)", "", "a")
	if r := Parse(0, []byte(strings.Repeat("é", 10000)+"\n"+strings.Repeat("x\n", 100000))); len(r.Output) > maxLine || len(r.Long) > maxLong {
		t.Errorf("too long: %d, %d", len(r.Output), len(r.Long))
	}
}

func TestSplit(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		got, err := Split(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	f("check_http -H example.org  -u '/a b' -s \"x \\\" y\"", "check_http", "-H", "example.org", "-u", "/a b", "-s", `x " y`)
	f(`a\ b '' "|"`, "a b", "", "|")
	f(`check $HOSTADDRESS$ -e '^a$|b'`, "check", "$HOSTADDRESS$", "-e", "^a$|b")
	for _, bad := range []string{"a | b", "a; b", "a > /x", "a `b`", "a $(b)", `a "$(b)"`, "a & b"} {
		if _, err := Split(bad); !errors.Is(err, ErrShell) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{"'a", `"a`, `a\`} {
		if _, err := Split(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(0, []byte("DISK OK | /=2643MB;5948;5958;0;5968\nlong\nmore | 'a b'=1;@1:2\nc=U"))
	f.Add(2, []byte("x|'it''s'=1,5ms;;;0;10 y=1e5% z=-.5E"))
	f.Add(99, []byte("\x1b[0m\xff|=|'=' ''=1 a=1e5.3 b=1e"))
	f.Fuzz(func(t *testing.T, exit int, data []byte) {
		r := Parse(exit, data)
		if len(r.Perf) > maxPerf || len(r.Long) > maxLong || strings.ContainsAny(r.Output, "\n\r\x00") || r.Status < model.OK || r.Status > model.Unknown {
			t.Fatalf("%+v", r)
		}
		text := FormatPerf(r.Perf)
		again := FormatPerf(ParsePerf(text))
		if text != again {
			t.Fatalf("performance data does not come back:\n%s\n%s", text, again)
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add(`check_http -H "a \" b" 'c d' e\ f`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := Split(text)
		if err != nil {
			return
		}
		for _, w := range words {
			if again, err := Split("'" + strings.ReplaceAll(w, "'", `'\''`) + "'"); err != nil || len(again) != 1 || again[0] != w {
				t.Fatalf("%q: %q, %v", w, again, err)
			}
		}
	})
}
