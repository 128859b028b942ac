package logql

import (
	"errors"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

func TestParse(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		e, err := Parse(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if got := e.String(); got != want {
			t.Fatalf("%s:\n got %s\nwant %s", query, got, want)
		}
		again, err := Parse(want)
		if err != nil {
			t.Fatalf("the canonical form of %s cannot be read: %v", query, err)
		}
		if again.String() != want {
			t.Fatalf("%s:\n is %s in the second reading", want, again)
		}
	}
	same := func(query string) {
		t.Helper()
		f(query, query)
	}

	same(`{}`)
	same(`{app="mysql", name!="mysql-backup"}`)
	f(`{ app = "mysql" , name=~"mysql.+", }`, `{app="mysql", name=~"mysql.+"}`)
	f("{a=`\\w+`}#comment |= \"x\"\n|= \"y\" # last", "{a=`\\w+`} |= \"y\"")
	f(`({a="b"} |= "c")`, `{a="b"} |= "c"`)
	same(`{a="b"} |= "error" != "timeout" |~ "a+" !~ "b+" |> "<_>x<_>" !> "y<_>"`)
	same(`{a="b"} |= "error" or "warn" or ip("10.0.0.0/8")`)
	same(`{a="b"} |= any("x") != any("y") |~ any("z+")`)
	same(`{a="b"} | json | logfmt | unpack | decolorize`)
	f(`{a="b"} | json first="a.b[0]", second`, `{a="b"} | json first="a.b[0]", second="second"`)
	f(`{a="b"} | logfmt --strict --keep-empty host, fwd="fwd"`, `{a="b"} | logfmt --strict --keep-empty host="host", fwd="fwd"`)
	same("{a=\"b\"} | regexp `(?P<x>\\w+)` | pattern \"<ip> <_>\"")
	same("{a=\"b\"} | line_format `{{.a}} \"x\"` | label_format x=y, z=\"{{.w}}\"")
	same(`{a="b"} | drop x, y="z" | keep u, v=~"w+"`)
	f(`{a="b"} | x=1, y>2 z<3 | w="4"`, `{a="b"} | x == 1 and (y > 2 and z < 3) | w="4"`)
	f(`{a="b"} | duration >= 20ms or method="GET" and size <= 20KB`, `{a="b"} | duration >= 20ms or method="GET" and size <= 20KB`)
	f(`{a="b"} | (duration >= 20ms or method="GET") and size <= 20KB`, `{a="b"} | (duration >= 20ms or method="GET") and size <= 20KB`)
	f(`{a="b"} | x > -1.5 and y == -5m`, `{a="b"} | x > -1.5 and y == -5m`)
	same(`{a="b"} | addr = ip("192.168.4.5/16") or addr != ip("::1")`)
	same(`{a="b"} | json="x" | drop="y"`)
	f(`{a="b"} | d > 1h30m and e > 1.5h and f > 1d and g>1w and h>90s`, `{a="b"} | d > 1h30m and e > 1h30m and f > 1d and g > 7d and h > 1m30s`)
	f(`{a="b"} | d > 1KiB and e > 1.5MB and f > 1000B and g>0B`, `{a="b"} | d > 1KiB and e > 1500KB and f > 1KB and g > 0B`)

	same(`rate({a="b"} [5m])`)
	f(`rate({a="b"}[5m]|="x")`, `rate({a="b"} |= "x" [5m])`)
	f(`rate(({a="b"}|="x")[5m] offset 1h)`, `rate({a="b"} |= "x" [5m] offset 1h)`)
	f(`count_over_time({a="b"}[1h] offset -5m)`, `count_over_time({a="b"} [1h] offset -5m)`)
	same("quantile_over_time(0.99, {a=\"b\"} | json | unwrap duration(x) | __error__=\"\" [1m]) by (path)")
	same(`sum by (a, b) (rate({a="b"} [5m]))`)
	f(`sum(rate({a="b"}[5m])) without(c)`, `sum without (c) (rate({a="b"} [5m]))`)
	same(`topk(10, sum by (a) (rate({a="b"} [5m])))`)
	same(`approx_topk(10, rate({a="b"} [5m]))`)
	same(`sort_desc(rate({a="b"} [5m]))`)
	same(`vector(1) + vector(1)`)
	same(`1 + 2 * 3 ^ 4 ^ 5`)
	f(`(1 + 2) * 3`, `(1 + 2) * 3`)
	f(`1 - (2 - 3) - 4`, `1 - (2 - 3) - 4`)
	f(`(2 ^ 3) ^ 4`, `(2 ^ 3) ^ 4`)
	f(`vector(1) or vector(2) and vector(3) unless vector(4)`, `vector(1) or vector(2) and vector(3) unless vector(4)`)
	same(`vector(1) > bool 2`)
	same(`vector(1) / on (a, b) group_left (c) vector(2)`)
	f(`vector(1) / ignoring(a) group_right vector(2)`, `vector(1) / ignoring (a) group_right () vector(2)`)
	same("label_replace(rate({a=\"b\"} [1m]), \"foo\", \"$1\", \"service\", `(.*):\\d+`)")
	f(`-1 + +2 - 1e3 / .5`, `-1 + 2 - 1000 / 0.5`)
}

func TestParseErrors(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		_, err := Parse(query)
		if err == nil {
			t.Fatalf("%s: no error", shorten(query))
		}
		if got := err.Error(); got != want {
			t.Fatalf("%s:\n got %s\nwant %s", shorten(query), got, want)
		}
		var parse *ParseError
		if model.KindOf(err) != model.Invalid || !errors.As(err, &parse) {
			t.Fatalf("%s: the error has the kind %s", query, model.KindOf(err))
		}
	}
	f(``, `parse error at line 1, col 1: syntax error: unexpected $end`)
	f(`foo`, `parse error at line 1, col 1: syntax error: unexpected IDENTIFIER`)
	f(`{a}`, `parse error at line 1, col 3: syntax error: unexpected }, expecting = or =~ or != or !~`)
	f(`{a=b}`, `parse error at line 1, col 4: syntax error: unexpected IDENTIFIER, expecting STRING`)
	f(`{a="b"`, `parse error at line 1, col 7: syntax error: unexpected $end, expecting } or ,`)
	f(`{a="b}`, `parse error at line 1, col 4: literal not terminated: the string that starts here has no closing "`)
	f("{a=\"b\"}\n  |= é", `parse error at line 2, col 6: syntax error: unexpected character 'é'`)
	f("{a=\"é\"} |= 5", `parse error at line 1, col 12: syntax error: unexpected NUMBER, expecting STRING`)
	f(`{a=~"("}`, "parse error at line 1, col 5: invalid regular expression \"(\": missing closing ): `(`")
	f(`{a="b"} |~ "("`, "parse error at line 1, col 9: invalid regular expression \"(\": missing closing ): `(`")
	f(`{a="b"} | json |`, `parse error at line 1, col 17: syntax error: unexpected $end, expecting a stage such as json, logfmt, pattern, line_format or a label filter`)
	f(`{a="b"} | foo`, `parse error at line 1, col 14: syntax error: unexpected $end, expecting = or == or != or =~ or !~ or > or >= or < or <=`)
	f(`{a="b"} | unwrap x`, `parse error at line 1, col 11: unwrap is only possible in a range aggregation such as sum_over_time({...} | unwrap x [5m])`)
	f(`{a="b"} | label_format x=y, x=z`, `parse error at line 1, col 29: multiple label name 'x' not allowed in a single format operation`)
	f(`rate({a="b"})`, `parse error at line 1, col 13: syntax error: unexpected ), expecting [ or |`)
	f(`rate({a="b"}[5])`, `parse error at line 1, col 14: syntax error: unexpected NUMBER, expecting DURATION`)
	f(`rate({a="b"}[0s])`, `parse error at line 1, col 14: the range must be longer than nothing`)
	f(`sum_over_time({a="b"}[5m])`, `parse error at line 1, col 1: invalid aggregation sum_over_time without unwrap`)
	f(`count_over_time({a="b"}|unwrap x[5m])`, `parse error at line 1, col 1: invalid aggregation count_over_time with unwrap`)
	f(`rate({a="b"}[5m]) by (x)`, `parse error at line 1, col 1: grouping not allowed for rate aggregation`)
	f(`topk(rate({a="b"}[5m]))`, `parse error at line 1, col 1: parameter required for operation topk: topk(5, ...)`)
	f(`topk(0, rate({a="b"}[5m]))`, `parse error at line 1, col 1: invalid parameter (must be greater than 0) topk(0`)
	f(`sum(5, rate({a="b"}[5m]))`, `parse error at line 1, col 1: unsupported parameter for operation sum`)
	f(`{a="b"} + 1`, `parse error at line 1, col 9: unexpected type for left leg of binary operation (+): it is a log query, wrap it in a range aggregation such as rate({...}[5m])`)
	f(`1 and vector(1)`, `parse error at line 1, col 3: unexpected literal for left leg of logical/set binary operation (and): 1`)
	f(`1 + bool 2`, `parse error at line 1, col 5: bool modifier can only be used on comparison operators`)
	f(`{a="b"} | addr = ip("x")`, `parse error at line 1, col 16: ip: invalid pattern "x": it is an address, a range (a-b) or a CIDR (a/n)`)
	f(strings.Repeat("(", 100_000), `parse error at line 1, col 501: the query is nested deeper than 500 levels`)
	f(strings.Repeat("(", 1_000_000), `parse error at line 1, col 1: input size too long: the query has more than 131072 bytes`)
	f(`{a="b"} | `+strings.Repeat("(", 100_000), `parse error at line 1, col 510: the query is nested deeper than 500 levels`)
	f("1"+strings.Repeat("+1", 5000), `parse error at line 1, col 2002: the query has more than 1000 operators`)
}

func TestFormat(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		got, err := Format(query)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%s:\n got\n%s\nwant\n%s", query, got, want)
		}
		if again, err := Format(got); err != nil || again != got {
			t.Fatalf("formatted again it is\n%s\n%v", again, err)
		}
	}
	f(`{foo=   "bar"}`, `{foo="bar"}`)
	f(`sum by(a)(rate({a="b"}|="c"[5m]))`, `sum by (a) (rate({a="b"} |= "c" [5m]))`)
	f(`{app="a-rather-long-name"} |= "some text" | json | level="error" | line_format "{{.message}}"`, `{app="a-rather-long-name"}
  |= "some text"
  | json
  | level="error"
  | line_format "{{.message}}"`)
	f(`topk(10,sum by(path)(rate({app="a-rather-long-name"} |= "some text" | json | level="error"[5m])))/2`, `topk(
  10,
  sum by (path) (
    rate({app="a-rather-long-name"} |= "some text" | json | level="error" [5m])
  )
)
/
2`)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{a="b"} |= "c" or ip("10.0.0.0/8") | json x="a.b[0]" | y > 5ms or z=~"w" | line_format "{{.a}}" # comment`,
		`sum by (a) (rate({a="b"} | logfmt --strict [5m] offset 1h)) / on (b) group_left (c) vector(2) ^ -1.5e3`,
		"quantile_over_time(0.9, {a=`b`} | unwrap bytes(x) | __error__=\"\" [1d2h]) by (d) > bool 5",
		`label_replace(topk(3, count_over_time({} | drop a, b="c" [1h])), "a", "$1", "b", "(.*)")`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		e, err := Parse(query)
		if err != nil {
			return
		}
		text := e.String()
		again, err := Parse(text)
		if err != nil && len(text) <= maxQuerySize {
			t.Fatalf("%q is written as %q, which cannot be read: %v", query, text, err)
		}
		if err == nil && again.String() != text {
			t.Fatalf("%q is written as %q, which is read as %q", query, text, again)
		}
		pretty, err := Format(query)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(pretty); err == nil && again.String() != text || err != nil && len(pretty) <= maxQuerySize {
			t.Fatalf("%q is formatted as %q, which is read as %q: %v", query, pretty, again, err)
		}
	})
}
