package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/query/logql"
)

func deleteCall(h http.Handler, method, params string) (int, string) {
	r := httptest.NewRequest(method, "/loki/api/v1/delete?"+params, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSuffix(w.Body.String(), "\n")
}

func withAdmin(o *Options) { o.AdminAPI = true }

func TestLokiDelete(t *testing.T) {
	h := newLogsAPI(t, withAdmin, someLines...)
	entries := func() string {
		t.Helper()
		_, body := get(t, h, "/loki/api/v1/index/stats?query=%7B%7D")
		return regexp.MustCompile(`"entries":(\d+)`).FindStringSubmatch(body)[1]
	}
	f := func(method, params string, wantCode int, want, left string) {
		t.Helper()
		if code, body := deleteCall(h, method, params); code != wantCode || body != want {
			t.Errorf("%s %s\n got %d %s\nwant %d %s", method, params, code, body, wantCode, want)
		}
		if got := entries(); got != left {
			t.Errorf("%s %s: %s entries are left, want %s", method, params, got, left)
		}
	}
	q := func(query string) string { return "query=" + url.QueryEscape(query) }
	f("GET", "", 200, "[]", "5")
	f("POST", q(`{app="web"} |= "GET" != "/b"`)+"&start=1767225500&end=1767225600", 204, "", "3")
	f("PUT", q(`{app="db"}`)+"&start=0", 204, "", "2")
	f("GET", "", 200, `[{"request_id":"2","start_time":0,"end_time":1767225600,"query":"{app=\"db\"}","status":"received","created_at":1767225600},`+
		`{"request_id":"1","start_time":1767225500,"end_time":1767225600,"query":"{app=\"web\"} |= \"GET\" != \"/b\"","status":"received","created_at":1767225600}]`, "2")
	f("DELETE", "request_id=2", 204, "", "3")
	f("DELETE", "request_id=2", 404, `there is no deletion with the id "2"`, "3")
	f("DELETE", "", 400, `invalid parameter "request_id": it is missing or empty`, "3")
	if code, _ := post(t, h, "/loki/api/v1/delete", q(`{app="web"}`)+"&start=0"); code != 204 || entries() != "1" {
		t.Errorf("a form: %d, %s entries are left", code, entries())
	}
}

func TestLokiDeleteErrors(t *testing.T) {
	h := newLogsAPI(t, withAdmin, someLines...)
	f := func(params string, wantCode int, want string) {
		t.Helper()
		if code, body := deleteCall(h, "POST", params); code != wantCode || !strings.HasPrefix(body, want) {
			t.Errorf("%s\n got %d %s\nwant %d %s", params, code, body, wantCode, want)
		}
	}
	q := func(query string) string { return "start=0&query=" + url.QueryEscape(query) }
	f("start=0", 400, `invalid parameter "query": it is missing or empty`)
	f(q(`{app="web"`), 400, "parse error at line 1, col 11: ")
	f(q(`rate({app="web"}[1m])`), 400, `invalid parameter "query": only log queries`)
	f(q(`{}`), 400, `invalid parameter "query": a deletion needs a matcher that does not match the empty string`)
	f(q(`{app=~".*"} |= "x"`), 400, `invalid parameter "query": a deletion needs a matcher`)
	f(q(`{app="web"} | json | level="error"`), 400, `invalid parameter "query": records can be deleted by labels and by the line filters |= != |~ !~: take away | json`)
	f(q(`{app="web"} |= ip("10.0.0.0/8")`), 400, `invalid parameter "query": records can be deleted by labels and by the line filters |= != |~ !~ with a text: take away |= ip(`)
	f(q(`{app="web"} |> "<_> x"`), 400, `invalid parameter "query": records can be deleted by labels`)
	f("query="+url.QueryEscape(`{app="web"}`), 400, `invalid parameter "start": it is missing`)
	f(q(`{app="web"}`)+"&end=2100-01-01T00:00:00Z", 400, `invalid parameter "end": it is in the future`)
	f(q(`{app="web"}`)+"&end=0", 400, `end timestamp must not be before or equal to start time`)

	h = newLogsAPI(t, nil, someLines...)
	f(q(`{app="web"}`), 403, "deletion is not available: set server.admin_api")
	if code, body := deleteCall(h, "GET", ""); code != 200 || body != "[]" {
		t.Errorf("the list without the setting: %d %s", code, body)
	}
	r := httptest.NewRequest(http.MethodPost, "/loki/api/v1/delete?"+q(`{app="web"}`), nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "another site") {
		t.Errorf("another site: %d %s", w.Code, w.Body)
	}
}

func TestDeletionSelection(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		e, err := logql.ParseLog(query)
		if err != nil {
			t.Fatal(err)
		}
		s, err := deletionSelection(e)
		if got := fmt.Sprint(s); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", query, got, err, want)
		}
	}
	f(`{a="b",c!="d",e=~"f|g",h!~"i"}`, "{[{a = b} {c != d} {e =~ f|g} {h !~ i}] []}")
	f(`{a="b"} |= "x" |~ "y+" != "z" !~ "w."`, "{[{a = b}] [{|= x} {|~ y+} {!= z} {!~ w.}]}")
	f(`{a="b"} |= "x." or "y"`, `{[{a = b}] [{|~ (?:x\.)|(?:y)}]}`)
	f(`{a="b"} |~ "x." or "y"`, `{[{a = b}] [{|~ (?:x.)|(?:y)}]}`)
	f(`{a="b"} != "x." or "y"`, `{[{a = b}] [{!= x.} {!= y}]}`)
	f(`{a="b"} !~ "x." or "y"`, `{[{a = b}] [{!~ x.} {!~ y}]}`)
}
