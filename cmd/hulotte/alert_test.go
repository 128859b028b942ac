package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// alertServer answers as a server with three alerts, and writes down what it was asked to do.
func alertServer(t *testing.T) (url string, did *[]string) {
	t.Helper()
	did = new([]string)
	const one = `{"fingerprint":"00000000000000aa","labels":{"alertname":"DiskFull","host":"db1","severity":"critical"},"annotations":{"summary":"The disk of\ndb1 \u001b[31mis full"},` +
		`"starts_at":"2026-01-01T00:00:00Z","state":"active","source":"rule"}`
	const two = `{"fingerprint":"00000000000000bb","labels":{"alertname":"DiskFull","host":"db2"},"starts_at":"2026-01-01T00:00:00Z","state":"suppressed","ack":{"by":"ann"}}`
	const verdict = `{"labels":{},"receivers":[{"receiver":"team-db","route":[[],["team=\"db\""]],"group_by":["alertname"],"group_wait":"30s","group_interval":"5m","repeat_interval":"4h",` +
		`"integrations":[{"kind":"email","to":"db@example.org"}],"next":"2026-01-01T04:00:00Z"}],"silenced_by":[{"id":"s1","by":"ann","comment":"new disk"}],"inhibited_by":[],"verdict":"Told to team-db."}`
	mux := http.NewServeMux()
	answer := func(pattern, text string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Method != http.MethodGet {
				*did = append(*did, r.Method+" "+r.URL.Path+" "+string(body))
			}
			if r.URL.Path == "/api/hulotte/v1/alerts" && slices.Contains(r.URL.Query()["matcher"], `alertname="None"`) {
				text := `{"data":{"alerts":[],"total":0,"told":true}}`
				_, _ = io.WriteString(w, text)
				return
			}
			_, _ = io.WriteString(w, text)
		})
	}
	answer("GET /api/hulotte/v1/alerts", `{"data":{"alerts":[`+one+`,`+two+`],"total":3,"told":false}}`)
	answer("GET /api/hulotte/v1/alert", `{"data":{"alert":`+one+`,"explanation":`+verdict+`,"timeline":[{"at":"2026-01-01T00:00:00Z","type":"firing","text":"It began to fire."}]}}`)
	answer("GET /api/hulotte/v1/alert/explain", `{"data":`+verdict+`}`)
	answer("GET /api/hulotte/v1/alerts/noise", `{"data":{"rules":[{"name":"Flap","fired":9,"resolved":8,"flapping":7,"minutes":90,"acted":0,"kind":"flapping"}]}}`)
	answer("POST /api/hulotte/v1/alerts/ack", `{"data":{"alerts":2}}`)
	answer("POST /api/hulotte/v1/alerts/unack", `{"data":{"alerts":1}}`)
	answer("POST /api/hulotte/v1/silences/preview", `{"data":{"alerts":[`+one+`],"total":1}}`)
	answer("POST /api/hulotte/v1/receivers/test", `{"data":{"deliveries":[{"integration":"email","ok":true,"seconds":0.5},{"integration":"webhook","error":"refused"}]}}`)
	answer("GET /api/v2/silences", `[{"id":"s1","matchers":[{"name":"host","value":"a.*","isRegex":true,"isEqual":false}],"endsAt":"2026-01-01T00:00:00Z","createdBy":"ann","comment":"why","status":{"state":"active"}},`+
		`{"id":"old","status":{"state":"expired"}}]`)
	answer("POST /api/v2/silences", `{"silenceID":"s2"}`)
	answer("DELETE /api/v2/silence/s1", ``)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL, did
}

func TestAlertCommands(t *testing.T) {
	server, did := alertServer(t)
	f := func(wantCode int, words string, want ...string) {
		t.Helper()
		*did = nil
		out, errs, code := execute(t, append(append([]string{"alert"}, strings.Split(words, "|")...), "--server", server)...)
		text := out + errs + strings.Join(*did, "\n")
		if code != wantCode {
			t.Errorf("%s: exit code %d: %s", words, code, text)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in\n%s", words, w, text)
			}
		}
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s: what a server says reaches the terminal as it is: %q", words, text)
		}
	}
	f(0, "list", "DiskFull  critical  active", "host=db1", "The disk of db1", "00000000000000aa", "acknowledged by ann", "2 of 3", "Nobody is told of any alert")
	f(0, "list|DiskFull|--json", `"fingerprint":"00000000000000aa"`)
	f(0, "list|None", "no alerts")
	f(1, "list|a=~(", "a=~(")
	f(0, "explain|00000000000000aa", "Told to team-db.", "everything > team=\"db\"", "after 30s, news every 5m, again every 4h", "email db@example.org", "silence", "new disk", "It began to fire.")
	f(0, "explain|None|host=x", "There is no such alert. If there were:", "Told to team-db.")
	f(1, "explain|None|host!=x", "write name=value")
	f(1, "explain", "name an alert")
	f(0, "ack|DiskFull|--comment|mine|--for|1h", "2 alerts", `"fingerprints":["00000000000000aa","00000000000000bb"]`, `"comment":"mine"`, `"until":"`)
	f(0, "ack|00000000000000aa|--comment|mine", `"fingerprints":["00000000000000aa"]`)
	f(1, "ack|00000000000000aa|host=x", "not both at once")
	f(1, "ack|None", "there is no such alert")
	f(0, "unack|00000000000000bb", "POST /api/hulotte/v1/alerts/unack")
	f(0, `silence|DiskFull|host=~"web.*"|--comment|new kernel|--for|2h`, "s2", `{"name":"alertname","value":"DiskFull","isRegex":false,"isEqual":true},{"name":"host","value":"web.*","isRegex":true,"isEqual":true}`, `"comment":"new kernel"`)
	f(1, "silence|DiskFull", "--comment is missing")
	f(1, "silence|00000000000000aa|--comment|x", "conditions on labels")
	f(1, "silence|DiskFull|--comment|x|--start|soon", "--start: write it as")
	f(0, "silence|DiskFull|--try", "POST /api/hulotte/v1/silences/preview", "host=db1")
	f(0, "silence|--list", "s1", `host!~"a.*"`)
	f(0, "silence|--expire|s1", "DELETE /api/v2/silence/s1")
	f(0, "noise|--days|30", "Flap", "flapping", "1h30m")
	f(1, "test|team-db|severity=critical", "email[0]: told (0.50 s)", "webhook[0]: failed: refused", `"severity":"critical"`)
	f(1, "test", "name a receiver")
}
