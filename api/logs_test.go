package api

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestLogHistogram(t *testing.T) {
	h := newLogsAPI(t, nil, someLines...)
	f := func(params string, want ...string) {
		t.Helper()
		code, body := get(t, h, "/api/hulotte/v1/logs/histogram?"+params)
		if code != 200 {
			t.Fatalf("%s: %d %s", params, code, body)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: no %s in %s", params, w, body)
			}
		}
	}
	all := "query=" + url.QueryEscape(`{}`)
	f(all+"&since=1m&step=15", `"start":1767225540,"end":1767225600,"step":15,"by":"detected_level"`,
		`"series":[{"value":"error","counts":[0,1,0,0]},{"value":"warn","counts":[0,0,1,0]},{"value":"info","counts":[1,0,0,1]},{"value":"unknown","counts":[0,0,1,0]}],"total":5`)
	f(all+"&since=1m&step=15&by=app", `"series":[{"value":"web","counts":[1,1,1,1]},{"value":"db","counts":[0,0,1,0]}]`)
	f(all+"&since=1m&buckets=7", `"step":10,`)
	f("query="+url.QueryEscape(`{app="web"} |= "/b"`)+"&since=1m&step=30", `"series":[{"value":"error","counts":[1,0]}],"total":1`)
	// A record at the very start or end of a step belongs to the later one.
	f(all+"&start=1767225550&end=1767225560&step=10", `"total":1`, `"counts":[1]`)
	f(all+"&start=1767225555&end=1767225565&step=10", `"start":1767225550,"end":1767225570`)
}

func TestLogHistogramErrors(t *testing.T) {
	h := newLogsAPI(t, nil)
	f := func(params, want string) {
		t.Helper()
		if code, body := get(t, h, "/api/hulotte/v1/logs/histogram?"+params); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", params, code, body)
		}
	}
	f("query={", `"error":"parse error at line 1, col 2: syntax error: unexpected end of input"`)
	f("query=vector(1)%2Bvector(1)", "only log queries")
	f("query={}&step=1ms", "3600000 steps: at most 2000")
	f("query={}&step=1us", "at least 1ms")
	f("query={}&by=a)b", "a name has letters")
	f("query={}&buckets=9999", "buckets")
}

func TestRoundStep(t *testing.T) {
	f := func(in, want time.Duration) {
		t.Helper()
		if got := roundStep(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	f(0, time.Millisecond)
	f(time.Second, time.Second)
	f(36*time.Second, time.Minute)
	f(31*24*time.Hour, 60*24*time.Hour)
}
