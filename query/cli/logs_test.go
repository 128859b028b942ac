package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// logServer is a Loki with some lines: query_range answers from them, tail sends them and then what is given to it.
type logServer struct {
	*httptest.Server
	lines []logLine // ascending
	most  int       // lines in an answer

	mu    sync.Mutex
	forms []url.Values
	auth  string

	tails  chan []logLine // frames of the tail, each of some lines; closed: the connection ends
	starts []string       // of tails
}

func newLogServer(t *testing.T, lines ...logLine) *logServer {
	s := &logServer{lines: lines, most: 1 << 20, tails: make(chan []logLine)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /loki/api/v1/query_range", s.query)
	mux.HandleFunc("GET /loki/api/v1/tail", s.tail)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *logServer) query(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forms = append(s.forms, r.PostForm)
	s.auth = r.Header.Get("Authorization")
	switch {
	case strings.HasPrefix(r.PostForm.Get("query"), "sum"):
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"app":"a"},"values":[[1769860800,"5"]]}]}}`)
		return
	case strings.HasPrefix(r.PostForm.Get("query"), "bad"):
		http.Error(w, "parse error at line 1, col 4: syntax error: unexpected $end", http.StatusBadRequest)
		return
	}
	start, _ := strconv.ParseInt(r.PostForm.Get("start"), 10, 64)
	end, _ := strconv.ParseInt(r.PostForm.Get("end"), 10, 64)
	limit, _ := strconv.Atoi(r.PostForm.Get("limit"))
	found := slices.DeleteFunc(slices.Clone(s.lines), func(l logLine) bool { return l.at < start || l.at >= end })
	if r.PostForm.Get("direction") == "backward" {
		slices.Reverse(found)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(streamsJSON(found[:min(len(found), limit, s.most)]))
}

func streamsJSON(lines []logLine) []byte {
	streams := []map[string]any{}
	for _, l := range lines {
		streams = append(streams, map[string]any{"stream": l.labels, "values": [][]any{{strconv.FormatInt(l.at, 10), l.line}}})
	}
	text, _ := json.Marshal(map[string]any{"status": "success", "data": map[string]any{"resultType": "streams", "result": streams}, "streams": streams})
	return text
}

func (s *logServer) tail(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.starts = append(s.starts, r.URL.Query().Get("start")+" "+r.URL.Query().Get("limit"))
	s.mu.Unlock()
	for lines := range s.tails {
		if lines == nil { // the connection is lost
			_ = conn.CloseNow()
			return
		}
		_ = conn.Write(r.Context(), websocket.MessageText, streamsJSON(lines))
	}
	_ = conn.Close(websocket.StatusPolicyViolation, "no more")
}

// lineAt is a line so many seconds before noon.
func lineAt(seconds int, app, line string) logLine {
	return logLine{noon.UnixNano() - int64(seconds)*1e9, line, map[string]string{"app": app}}
}

func logsCommand(t *testing.T, s *logServer, args ...string) (int, string, string) {
	t.Helper()
	return logsOn(t, s, screen{width: 100}, args...)
}

func logsOn(t *testing.T, s *logServer, scr screen, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := runLogs(t.Context(), args, strings.NewReader(`{app="stdin"}`), &out, &errs, logsEnvironment(s, scr))
	return code, out.String(), errs.String()
}

func logsEnvironment(s *logServer, scr screen) environment {
	e := environment{screen: scr}
	e.now = noonNow
	e.getenv = func(name string) string {
		return map[string]string{"HULOTTE_URL": s.URL, "HULOTTE_PASSWORD": "secret"}[name]
	}
	return e
}

func TestLogsOrders(t *testing.T) {
	s := newLogServer(t, lineAt(5000, "a", "too old"), lineAt(4, "a", "one"), lineAt(3, "b", "two"), lineAt(2, "a", "three"), lineAt(1, "b", "four"))
	f := func(want string, args ...string) {
		t.Helper()
		code, out, errs := logsCommand(t, s, append([]string{"{}", "-o", "raw"}, args...)...)
		if got := strings.Join(strings.Fields(out), " "); code != 0 || got != want {
			t.Errorf("%v: %d %q %s, want %q", args, code, got, errs, want)
		}
	}
	f("one two three four")
	f("three four", "--limit", "2")
	f("four three", "--limit", "2", "--backward")
	f("one two", "--limit", "2", "--forward")
	f("one two three four", "--limit", "0")
	f("four three two one", "--limit", "0", "--backward")
	f("three four", "--since", "2s")
	f("one two", "--from", "now-4s", "--to", "now-2s")
}

func TestLogsPages(t *testing.T) {
	var lines []logLine
	var want []string
	for i := range 5000 {
		text := fmt.Sprint("line-", i)
		// Many at one instant: more than a page of the same time in the middle.
		seconds := 3000 - i/7
		if i > 1000 && i < 2600 {
			seconds = 3000 - 1001/7
		}
		lines = append(lines, lineAt(seconds, fmt.Sprint(i%3), text))
		want = append(want, text)
	}
	slices.SortStableFunc(lines, func(a, b logLine) int { return int(a.at - b.at) })
	s := newLogServer(t, lines...)
	for _, order := range []string{"--forward", "--backward", "--limit=5000"} {
		code, out, errs := logsCommand(t, s, "{}", "--limit", "0", "-o", "raw", order)
		got := strings.Fields(out)
		slices.Sort(got)
		slices.Sort(want)
		if code != 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %d, %d lines (%s), want %d", order, code, len(got), errs, len(want))
		}
	}
}

func TestLogsForms(t *testing.T) {
	s := newLogServer(t, logLine{noon.UnixNano() - 1e9 + 1, "text <\x1b[2J>", map[string]string{"app": "a", "level": "error"}})
	f := func(want string, scr screen, args ...string) {
		t.Helper()
		code, out, errs := logsOn(t, s, scr, append([]string{"{}"}, args...)...)
		if code != 0 || out != want {
			t.Errorf("%v: %d %q %s, want %q", args, code, out, errs, want)
		}
	}
	file, terminal := screen{}, screen{terminal: true, colors: true}
	f("2026-01-31T11:59:59.000Z {app=\"a\", level=\"error\"} text <\x1b[2J>\n", file)
	f("2026-01-31T11:59:59.000Z text <\x1b[2J>\n", file, "--no-labels")
	f("text <\x1b[2J>\n", file, "-o", "raw")
	f(`{"timestamp":"2026-01-31T11:59:59.000000001Z","labels":{"app":"a","level":"error"},"line":"text <\u001b[2J>"}`+"\n", file, "-o", "jsonl")
	code, out, _ := logsOn(t, s, terminal, "{}", "--no-labels")
	if code != 0 || strings.Contains(out, "\x1b[2J") || !strings.Contains(out, "\x1b[31m") {
		t.Errorf("on a terminal: %d %q", code, out)
	}
	if code, out, _ = logsOn(t, s, terminal, "{}", "--no-color"); code != 0 || strings.Contains(out, "\x1b") {
		t.Errorf("without colours: %d %q", code, out)
	}
	s.lines[0].labels = nil
	f(`{"timestamp":"2026-01-31T11:59:59.000000001Z","labels":{},"line":"text <\u001b[2J>"}`+"\n", file, "-o", "jsonl")
}

func TestLogsOfAMetricQueryIsATable(t *testing.T) {
	code, out, errs := logsCommand(t, newLogServer(t), `sum by (app) (rate({}[1m]))`, "--user", "me")
	if code != 0 || !strings.Contains(out, "app") || !strings.Contains(out, "5") {
		t.Errorf("%d %q %s", code, out, errs)
	}
}

func TestLogsErrors(t *testing.T) {
	s := newLogServer(t)
	f := func(want string, code int, args ...string) {
		t.Helper()
		got, _, errs := logsCommand(t, s, args...)
		if got != code || !strings.Contains(errs, want) {
			t.Errorf("%v: %d %q, want %q", args, got, errs, want)
		}
	}
	f("the expression is missing", 2)
	f("there is no flag --nope", 2, "{}", "--nope")
	f("--output \"csv\": use default, raw or jsonl", 2, "{}", "-o", "csv")
	f("two orders", 2, "{}", "--forward", "--backward")
	f("leave --to out", 2, "{}", "--tail", "--to", "now")
	f("leave --forward and --backward out", 2, "{}", "--tail", "--forward")
	f("say the same", 2, "{}", "--since", "1h", "--from", "now-1h")
	f("--limit -1 is negative", 2, "{}", "--limit", "-1")
	f("the range is empty", 2, "{}", "--from", "now", "--to", "now-1h")
	f("more than can be turned around", 1, "{}", "--limit", "2000000")
	f("parse error at line 1, col 4: syntax error: unexpected $end", 1, "bad")
	f("is no URL", 1, "{}", "--addr", "nowhere")
	f("cannot reach", 1, "{}", "--addr", "http://127.0.0.1:1")
	f("404", 1, "{}", "--addr", s.URL+"/elsewhere")
	f("404", 1, "{}", "--addr", s.URL+"/elsewhere", "--tail")
}

func TestLogsTailGoesOnAfterALostConnection(t *testing.T) {
	s := newLogServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs bytes.Buffer
	ended := make(chan int)
	go func() {
		ended <- runLogs(ctx, []string{"{}", "--tail", "-o", "raw"}, nil, &out, &errs, logsEnvironment(s, screen{}))
	}()
	s.tails <- []logLine{lineAt(3, "a", "one"), lineAt(2, "a", "two")}
	s.tails <- nil
	s.tails <- []logLine{lineAt(2, "a", "two"), lineAt(2, "b", "two-b"), lineAt(1, "a", "three")}
	close(s.tails)
	if code := <-ended; code != 1 {
		t.Errorf("exit %d", code)
	}
	if got := strings.Join(strings.Fields(out.String()), " "); got != "one two two-b three" {
		t.Errorf("%q", got)
	}
	if !strings.Contains(errs.String(), "lost the connection") || !strings.Contains(errs.String(), "no more") {
		t.Errorf("%q", errs.String())
	}
	want := []string{
		fmt.Sprint(noon.UnixNano()-3600e9) + " 10",
		fmt.Sprint(noon.UnixNano()-2e9) + " 1000",
	}
	if !slices.Equal(s.starts, want) {
		t.Errorf("%v, want %v", s.starts, want)
	}
}
