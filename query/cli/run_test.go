package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func noonNow() time.Time { return noon }

// server answers every request with body and remembers the last form.
type server struct {
	*httptest.Server
	status int
	body   string
	form   url.Values
	header http.Header
	path   string
}

func newServer(t *testing.T, body string) *server {
	s := &server{status: http.StatusOK, body: body}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.form, s.header, s.path = r.PostForm, r.Header, r.URL.Path
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

// query runs the command at noon in UTC with a screen of the width, and returns exit code, output and errors.
func query(t *testing.T, s *server, width int, args ...string) (int, string, string) {
	t.Helper()
	env := environment{
		now: func() time.Time { return noon },
		getenv: func(name string) string {
			return map[string]string{"HULOTTE_URL": s.URL, "HULOTTE_PASSWORD": "secret"}[name]
		},
		screen: screen{width: width},
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader("up{job=\"stdin\"}\n"), &out, &errs, env)
	return code, out.String(), errs.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

const vectorAnswer = `{"status":"success","data":{"resultType":"vector","result":[
{"metric":{"__name__":"up","job":"node","instance":"web-1:9100"},"value":[1769860800,"1"]},
{"metric":{"__name__":"up","job":"node","instance":"web-2:9100"},"value":[1769860800,"0.25"]},
{"metric":{"__name__":"up","job":"日本語","instance":"a\u001b[31m\nb"},"value":[1769860800,"+Inf"]},
{"metric":{"__name__":"rpc","job":"x"},"histogram":[1769860800.5,{"count":"3","sum":"1.5","buckets":[[0,"1","2","3"]]}]}
]},"warnings":["PromQL warning: beware (1:3)"],"infos":["PromQL info: by the way"]}`

func TestForms(t *testing.T) {
	s := newServer(t, vectorAnswer)
	for _, form := range []string{"table", "csv", "json"} {
		code, out, errs := query(t, s, 100, "up", "-o", form)
		if code != 0 || errs != "warning: beware (1:3)\ninfo: by the way\n" {
			t.Errorf("%s: code %d, errors %q", form, code, errs)
		}
		golden(t, "vector."+form, out)
	}
	_, out, _ := query(t, s, 30, "up")
	golden(t, "vector-narrow.table", out)
	s.body = `{"status":"success","data":{"resultType":"scalar","result":[1769860800,"1.5"]}}`
	_, out, _ = query(t, s, 80, "1.5")
	if out != "1.5\n" {
		t.Errorf("scalar: %q", out)
	}
	s.body = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	code, out, _ := query(t, s, 80, "nothing")
	if out != "nothing found\n" || code != 0 {
		t.Errorf("nothing: %d %q", code, out)
	}
	_, out, _ = query(t, s, 80, "nothing", "-o", "csv")
	if out != "time,value\n" {
		t.Errorf("nothing as CSV: %q", out)
	}
}

// waves are two sines, one with a gap, and a flat line, over an hour.
func waves(n int) string {
	var rows []string
	for i := range n {
		var values []string
		for p := range 241 {
			if i == 1 && p > 60 && p < 120 {
				continue
			}
			v := math.Sin(float64(p)/30+float64(i))*40 + 50
			if i == 2 {
				v = 20
			}
			values = append(values, fmt.Sprintf(`[%d,"%g"]`, noon.Unix()-3600+int64(p)*15, v))
		}
		rows = append(rows, fmt.Sprintf(`{"metric":{"__name__":"wave","n":"%d"},"values":[%s]}`, i, strings.Join(values, ",")))
	}
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(rows, ",") + `]}}`
}

func TestPlots(t *testing.T) {
	f := func(name string, answer string, width int, args ...string) {
		t.Helper()
		s := newServer(t, answer)
		code, out, errs := query(t, s, width, append([]string{"wave", "--range", "1h", "--step", "15s", "-o", "plot"}, args...)...)
		if code != 0 || errs != "" {
			t.Errorf("%s: code %d, errors %q", name, code, errs)
		}
		for line := range strings.Lines(out) {
			if textWidth(strings.TrimRight(line, "\n")) > width {
				t.Errorf("%s: a line is wider than %d: %q", name, width, line)
			}
		}
		golden(t, name, out)
	}
	f("one.plot", waves(1), 100)
	f("narrow.plot", waves(1), 50)
	f("three.plot", waves(3), 80)
	f("many.plot", waves(15), 80)
	flat := `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[` + fmt.Sprint(noon.Unix()-60) + `,"0"],[` + fmt.Sprint(noon.Unix()) + `,"NaN"]]}]}}`
	f("flat.plot", flat, 60)
}

func TestColorsOfAPlot(t *testing.T) {
	s := newServer(t, waves(2))
	env := environment{now: func() time.Time { return noon }, getenv: func(string) string { return "" }, screen: screen{terminal: true, width: 80, colors: true}}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--server", s.URL, "wave", "--range=1h"}, nil, &out, &errs, env); code != 0 {
		t.Fatal(errs.String())
	}
	if !strings.Contains(out.String(), "\x1b[32m") || !strings.Contains(out.String(), "\x1b[34m") {
		t.Error("two lines on a terminal have no two colours")
	}
	out.Reset()
	run(t.Context(), []string{"--server", s.URL, "wave", "--range=1h", "--no-color"}, nil, &out, &errs, env)
	if strings.Contains(out.String(), "\x1b") {
		t.Error("--no-color has colours")
	}
}

func TestRangeForms(t *testing.T) {
	s := newServer(t, `{"status":"success","data":{"resultType":"matrix","result":[
{"metric":{"__name__":"a.b","x":"1"},"values":[[1769860800,"1"],[1769860815.5,"20"]]},
{"metric":{},"values":[[1769860800,"2"]],"histograms":[[1769860790,{"count":"3","sum":"1.5"}]]}]}}`)
	for _, form := range []string{"table", "csv"} {
		_, out, _ := query(t, s, 80, "x", "--range", "1h", "-o", form)
		golden(t, "matrix."+form, out)
	}
}

func TestRequests(t *testing.T) {
	s := newServer(t, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	f := func(want string, args ...string) {
		t.Helper()
		code, _, errs := query(t, s, 80, args...)
		if got := s.path + "?" + s.form.Encode(); code != 0 || got != want {
			t.Errorf("%q: code %d %s\n got %s\nwant %s", args, code, errs, got, want)
		}
	}
	f("/api/v1/query?query=up&time=1769860800.000&timeout=120", "up")
	f("/api/v1/query?query=-up&time=1769860800.000&timeout=120", "--", "-up")
	f("/api/v1/query?query=-up&time=1769860800.000&timeout=5", "--timeout", "5s", "--", "-up")
	f("/api/v1/query?query=up%7Bjob%3D%22stdin%22%7D%0A&time=1769860800.000&timeout=120", "-")
	f("/api/v1/query?limit=3&query=up&time=1769857200.000&timeout=120", "--limit=3", "--time", "now-1h", "up")
	f("/api/v1/query_range?end=1769860800.000&query=up&start=1769857200.000&step=15&timeout=120", "up", "--range", "1h", "--step", "15s")
	f("/api/v1/query_range?end=1769860800.000&query=up&start=1769774400.000&step=600&timeout=120", "up", "--range", "1d")
	f("/api/v1/query_range?end=1769860800.000&query=up&start=1769817600.000&step=300&timeout=120", "up", "--start", "2026-01-31", "--step", "5m")
	f("/api/v1/query_range?end=1769860800.500&query=up&start=100.000&step=0.5&timeout=120", "up", "--start=100", "--end", "2026-01-31T12:00:00.5Z", "--step", "0.5")

	query(t, s, 80, "up", "--tenant", "red", "--user", "alice")
	if user, pass, _ := (&http.Request{Header: s.header}).BasicAuth(); user != "alice" || pass != "secret" || s.header.Get("X-Scope-OrgID") != "red" {
		t.Errorf("header: %v", s.header)
	}
	query(t, s, 80, "up", "--user", "alice:p:q")
	if user, pass, _ := (&http.Request{Header: s.header}).BasicAuth(); user != "alice" || pass != "p:q" {
		t.Errorf("header: %v", s.header)
	}
	query(t, s, 80, "up", "--server", s.URL+"/hulotte/")
	if s.path != "/hulotte/api/v1/query" {
		t.Errorf("below a path: %s", s.path)
	}
}

func TestUsageErrors(t *testing.T) {
	s := newServer(t, "")
	f := func(want string, args ...string) {
		t.Helper()
		code, out, errs := query(t, s, 80, args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) || !strings.Contains(errs, "--help") {
			t.Errorf("%q: code %d, %q, want %q", args, code, errs, want)
		}
	}
	f("the expression is missing")
	f("the expression is empty", " ")
	f("put quotes around", "up", "down")
	f("there is no flag --rnge", "up", "--rnge", "1h")
	f("behind --", "-up")
	f("use table, plot, csv or json", "up", "-o", "xml")
	f("a plot needs --range", "up", "-o", "plot")
	f("--end and --step need", "up", "--step", "1m")
	f("--time is of one moment", "up", "--time", "now", "--range", "1h")
	f("say the same", "up", "--start", "now-2h", "--range", "1h")
	f("the range is empty", "up", "--start", "now", "--end", "now-1h")
	f("is no duration", "up", "--range", "long")
	f("not longer than nothing", "up", "--range", "0")
	f("is no time", "up", "--time", "noon")
	f("is negative", "up", "--limit", "-1")
}

func TestServerErrors(t *testing.T) {
	s := newServer(t, "")
	f := func(status int, body, want string, args ...string) {
		t.Helper()
		s.status, s.body = status, body
		code, out, errs := query(t, s, 80, args...)
		if code != exitFailed || out != "" || errs != want {
			t.Errorf("code %d\n got %q\nwant %q", code, errs, want)
		}
	}
	refused := func(kind, text string) string {
		b, _ := json.Marshal(map[string]string{"status": "error", "errorType": kind, "error": text})
		return string(b)
	}
	f(400, refused("bad_data", `invalid parameter "query": 1:5: parse error: unexpected end of input`),
		"  sum(\n      ^\nparse error: unexpected end of input\n", "sum(")
	f(400, refused("bad_data", `invalid parameter "query": 2:5: parse error: oh`),
		"  \té +\n  \t  ^\nparse error: oh\n", "sum(\n\té +") // columns count bytes, and é has two
	f(400, refused("bad_data", `invalid parameter "query": 9:99: parse error: oh`),
		"hulotte query: bad_data: 9:99: parse error: oh\n", "up")
	f(422, refused("execution", "many\x1b[2Jto one"), "hulotte query: execution: many\\x1b[2Jto one\n", "up")
	f(503, refused("timeout", "query timed out"), "hulotte query: timeout: query timed out\n", "up")
	f(401, "no", fmt.Sprintf("hulotte query: %s wants a user and a password: give --user\n", s.URL), "up")
	f(200, "<html>", fmt.Sprintf("hulotte query: %s answers, but not like a Hulotte or a Prometheus: is the URL right?\n", s.URL), "up")
	f(502, "<b>\x1b\nno", fmt.Sprintf("hulotte query: %s answers 502 Bad Gateway: <b>\\x1b\n", s.URL), "up")
	s.Close()
	code, _, errs := query(t, s, 80, "up")
	if code != exitFailed || !strings.Contains(errs, "cannot reach "+s.URL) || strings.Contains(errs, "Post") {
		t.Errorf("unreachable: %d %q", code, errs)
	}
	code, _, errs = query(t, s, 80, "up", "--server", "localhost:9070")
	if code != exitFailed || !strings.Contains(errs, "is no URL") {
		t.Errorf("no URL: %d %q", code, errs)
	}
}

func TestHelp(t *testing.T) {
	code, out, _ := query(t, newServer(t, ""), 80, "--help")
	if code != 0 || out != usage {
		t.Errorf("code %d", code)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(vectorAnswer))
	f.Add([]byte(waves(2)))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[0,"1e308"],[1,"-1e308"],[2,"NaN"],[1e300,"5"]]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"}}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := decode("server", &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}}, body)
		if err != nil {
			return
		}
		for _, form := range []string{"table", "csv", "plot", "json"} {
			o := options{zone: time.UTC, output: form, start: noon.Add(-time.Hour), end: noon, step: time.Minute}
			_ = print(io.Discard, o, a, screen{width: 80}) // an error is fine, a panic is not
		}
	})
}

func FuzzFlags(f *testing.F) {
	f.Add("now-1h", "1h", "15s")
	f.Add("1e10", "-5", "1e-3")
	f.Fuzz(func(t *testing.T, at, length, step string) {
		var o options
		if err := o.setTimes(noon, at, "", "", "", ""); err == nil && o.at.IsZero() {
			t.Error("no time and no error")
		}
		if err := o.setTimes(noon, "", "", at, length, step); err == nil && o.isRange && (o.step <= 0 || !o.start.Before(o.end)) {
			t.Errorf("range %v to %v, step %v", o.start, o.end, o.step)
		}
	})
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs bytes.Buffer
	if code := Run(ctx, []string{"up", "--server", "http://127.0.0.1:1"}, nil, io.Discard, &errs); code != exitFailed {
		t.Errorf("code %d %s", code, errs.String())
	}
}
