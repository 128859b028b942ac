package notify

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/alert"
)

func deliveredAt(t target, at time.Time) *alert.Delivery {
	return &alert.Delivery{ID: newID(), At: at, Receiver: t.receiver, Integration: t.integration, Index: t.index, OK: true}
}

func parseExtra(kind, text string) (Extra, bool) {
	var doc yaml.Node
	if yaml.Unmarshal([]byte(text), &doc) != nil || len(doc.Content) == 0 {
		return Extra{}, false
	}
	return Extra{Kind: kind, Node: *doc.Content[0]}, true
}

// https://docs.ntfy.sh/publish/#publish-as-json and https://docs.ntfy.sh/publish/#limitations
func TestNtfy(t *testing.T) {
	s := serve(t, always(http.StatusOK, `{"id":"sPs71M8A2T","event":"message","topic":"up"}`))
	n, _ := newNotifier(t, Options{})
	tell(t, integration(t, n, "ntfy", "{server: '"+s.URL+"', topic: up, token: tk_x}"))
	g := s.only(t)
	want(t, "the request", g.method+" "+g.path, "POST /")
	want(t, "the type", g.header.Get("Content-Type"), "application/json")
	want(t, "the authorization", g.header.Get("Authorization"), "Bearer tk_x")
	m := g.json(t)
	want(t, "the body", m, map[string]any{
		"topic": "up", "title": "[FIRING:1] Down web1 (critical)", "message": "✘ web1 is down\nIt does not answer.", "priority": 5, "tags": []string{"rotating_light"},
		"click": "https://hulotte.example/alerts",
	})
	if d := n.Deliveries(Filter{})[0]; !d.OK || !strings.Contains(d.Answer, "sPs71M8A2T") {
		t.Errorf("in the log: %+v", d)
	}

	s.answer = always(http.StatusOK, `{"id":"x","topic":"ops-9fA2"}`)
	tell(t, integration(t, n, "ntfy", "{server: '"+s.URL+"', topic: ops-9fA2}")) // a topic that nothing else protects
	want(t, "the log", n.Deliveries(Filter{})[0].Answer, `{"id":"x","topic":"<secret>"}`)
	s.calls = nil
	i := integration(t, n, "ntfy", `
server: `+s.URL+`/base/
topic: 'alerts-{{ .CommonLabels.severity }}'
username: phil
password: secret
title: ' {{ .CommonLabels.host }}
  !'
message: '{{ .CommonAnnotations.summary }}'
priority: '{{ if eq .Status "resolved" }}min{{ else }}high{{ end }}'
tags: [skull, '{{ .Status }}', '']
click: ''
icon: https://x.example/i.png
markdown: true
email: a@b.example
delay: 30m
actions:
- {action: view, label: Open, url: '{{ .ExternalURL }}', clear: true}
- {action: http, label: Restart, url: https://r.example, method: PUT, headers: {Authorization: Bearer zzAv7}, body: '{{ .Status }}'}
`)
	long := strings.Repeat("€", 3000)
	tell(t, i, over(raised("web1", "warning", long)))
	g = s.only(t)
	want(t, "the path", g.path, "/base/")
	want(t, "the authorization", g.header.Get("Authorization"), "Basic cGhpbDpzZWNyZXQ=")
	m = g.json(t)
	message := m["message"].(string)
	if len(message) > 4096 || len(message) < 4090 || !utf8.ValidString(message) || !strings.HasSuffix(message, "€…") {
		t.Errorf("the message has %d bytes: …%s", len(message), message[len(message)-10:])
	}
	delete(m, "message")
	want(t, "the body", m, map[string]any{
		"topic": "alerts-warning", "title": "web1 !", "priority": 1, "tags": []string{"skull", "resolved"}, "icon": "https://x.example/i.png", "markdown": true,
		"email": "a@b.example", "delay": "30m", "actions": []any{
			map[string]any{"action": "view", "label": "Open", "url": "https://hulotte.example", "clear": true},
			map[string]any{"action": "http", "label": "Restart", "url": "https://r.example", "method": "PUT", "headers": map[string]any{"Authorization": "Bearer zzAv7"}, "body": "resolved"},
		},
	})
}

// https://gotify.net/docs/pushmsg and https://gotify.net/docs/msgextras
func TestGotify(t *testing.T) {
	s := serve(t, always(http.StatusOK, `{"id":25,"appid":5}`))
	n, _ := newNotifier(t, Options{})
	tell(t, integration(t, n, "gotify", "{url: '"+s.URL+"/', token: AbC}"))
	g := s.only(t)
	want(t, "the request", g.method+" "+g.path, "POST /message")
	want(t, "the token", g.header.Get("X-Gotify-Key"), "AbC")
	want(t, "the body", g.json(t), map[string]any{
		"title": "[FIRING:1] Down web1 (critical)", "message": "✘ web1 is down\nIt does not answer.", "priority": 8,
		"extras": map[string]any{"client::display": map[string]any{"contentType": "text/plain"}, "client::notification": map[string]any{"click": map[string]any{"url": "https://hulotte.example/alerts"}}},
	})
	s.calls = nil
	tell(t, integration(t, n, "gotify", "{url: '"+s.URL+"', token: AbC, priority: '{{ len .Alerts }}', markdown: true, click: ''}"))
	m := s.only(t).json(t)
	want(t, "the priority", m["priority"], 1)
	want(t, "the extras", m["extras"], map[string]any{"client::display": map[string]any{"contentType": "text/markdown"}})
}

// https://developers.google.com/workspace/chat/quickstart/webhooks and, for the size,
// https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create
func TestGoogleChat(t *testing.T) {
	s := serve(t, always(http.StatusOK, `{"name":"spaces/A/messages/B"}`))
	n, _ := newNotifier(t, Options{})
	i := integration(t, n, "google_chat", "{url: '"+s.URL+"/v1/spaces/A/messages?key=k&token=t'}")
	tell(t, i)
	tell(t, i, over(raised("web1", "critical", strings.Repeat("a \"quoted\" line\n", 10_000))))
	calls := s.all()
	g := calls[0]
	want(t, "the request", g.method+" "+g.path+"?"+g.query, "POST /v1/spaces/A/messages?key=k&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&token=t")
	want(t, "the type", g.header.Get("Content-Type"), "application/json; charset=UTF-8")
	m := g.json(t)
	want(t, "the text", m["text"], "*[FIRING:1] Down web1 (critical)*\n✘ web1 is down\nIt does not answer.\n<https://hulotte.example/alerts|Open>")
	again := calls[1].json(t)
	want(t, "the thread", again["thread"], m["thread"])
	if key := m["thread"].(map[string]any)["threadKey"].(string); len(key) != 32 {
		t.Errorf("the thread is %s", key)
	}
	if n := len(calls[1].body); n > 32_000 || n < 30_000 || !strings.HasSuffix(again["text"].(string), "…\n<https://hulotte.example/alerts|Open>") {
		t.Errorf("the long one has %d bytes and ends with %q", n, again["text"].(string)[len(again["text"].(string))-60:])
	}
	s.calls = nil
	tell(t, integration(t, n, "google_chat", "{url: '"+s.URL+"/x', thread: false, click: ''}"))
	want(t, "without a thread", s.only(t).query+s.only(t).body, `{"text":"*[FIRING:1] Down web1 (critical)*\n✘ web1 is down\nIt does not answer."}`)
}

// https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
func TestMatrix(t *testing.T) {
	joined := false
	s := serve(t, nil)
	s.answer = func(g got) (int, string) {
		switch {
		case g.method == http.MethodGet && g.path == "/_matrix/client/v3/directory/room/%23ops:x.example":
			return http.StatusOK, `{"room_id":"!abc:x.example","servers":["x.example"]}`
		case g.method == http.MethodPost && g.path == "/_matrix/client/v3/join/%21abc:x.example":
			joined = true
			return http.StatusOK, `{"room_id":"!abc:x.example"}`
		case g.method == http.MethodPut && !joined:
			return http.StatusForbidden, `{"errcode":"M_FORBIDDEN","error":"User not in room"}`
		case g.method == http.MethodPut:
			return http.StatusOK, `{"event_id":"$e"}`
		}
		return http.StatusNotFound, `{"errcode":"M_UNRECOGNIZED"}`
	}
	n, _ := newNotifier(t, Options{})
	i := integration(t, n, "matrix", "{url: '"+s.URL+"', token: syt_x, room: '#ops:x.example'}")
	ctx := group(t.Context(), "g")
	for range 2 { // as when the first answer was lost
		if retry, err := i.Notify(ctx, raised("web1", "critical", "<web1> is down")); err != nil || retry {
			t.Fatal(retry, err)
		}
	}
	calls := s.all()
	var paths []string
	for _, c := range calls {
		paths = append(paths, c.method+" "+c.path[:min(len(c.path), 40)])
		want(t, "the authorization", c.header.Get("Authorization"), "Bearer syt_x")
	}
	want(t, "the requests", len(calls), 6)
	put := calls[3]
	if !strings.HasPrefix(put.path, "/_matrix/client/v3/rooms/%21abc:x.example/send/m.room.message/") || put.path != calls[1].path || put.path != calls[5].path {
		t.Errorf("the transactions differ: %v", paths)
	}
	m := put.json(t)
	html := m["formatted_body"].(string)
	delete(m, "formatted_body")
	want(t, "the event", m, map[string]any{
		"msgtype": "m.text", "body": "[FIRING:1] Down web1 (critical)\n✘ <web1> is down\nIt does not answer.", "format": "org.matrix.custom.html",
	})
	if !strings.Contains(html, "<strong>[FIRING:1] Down (web1 critical)</strong><br>✘ &lt;web1&gt; is down<br>It does not answer.") {
		t.Errorf("the HTML is %s", html)
	}
	s.calls = nil
	tell(t, integration(t, n, "matrix", "{url: '"+s.URL+"', token: x, room: '!abc:x.example', type: notice}"), raised("web1", "critical", strings.Repeat("\"<é>\n", 20_000)))
	if g := s.only(t); len(g.body) > 64_000 || g.json(t)["msgtype"] != "m.notice" || g.json(t)["formatted_body"] != nil {
		t.Errorf("a long one has %d bytes", len(g.body))
	}
}

// https://bbernhard.github.io/signal-cli-rest-api/#/Messages/post_v2_send
func TestSignal(t *testing.T) {
	s := serve(t, always(http.StatusCreated, `{"timestamp":"1700000000000"}`))
	n, _ := newNotifier(t, Options{})
	tell(t, integration(t, n, "signal", "{url: '"+s.URL+"/', number: '+431212131491291', recipients: ['+4354546464654', group.abc=], styled: true}"))
	g := s.only(t)
	want(t, "the request", g.method+" "+g.path, "POST /v2/send")
	want(t, "the body", g.json(t), map[string]any{
		"message": "[FIRING:1] Down web1 (critical)\n✘ web1 is down\nIt does not answer.", "number": "+431212131491291",
		"recipients": []string{"+4354546464654", "group.abc="}, "text_mode": "styled",
	})
	s.calls = nil
	book := raised("web1", "info", "slow")
	book.Annotations["runbook_url"] = "https://hulotte.example/runbooks/slow"
	tell(t, integration(t, n, "signal", "{url: '"+s.URL+"', number: '+1', recipients: ['+2']}"), book, over(raised("web2", "info", "slow")))
	want(t, "the message", s.only(t).json(t)["message"], "[FIRING:1] Down (info)\n✘ slow\nIt does not answer.\nRunbook: https://hulotte.example/runbooks/slow\n✔ slow\nIt does not answer.")
	s.calls = nil
	tell(t, integration(t, n, "signal", "{url: '"+s.URL+"', number: '+1', recipients: ['+2']}"), raised("a", "critical", strings.Repeat("é", 5000)))
	if m := s.only(t).json(t)["message"].(string); len(m) > 2000 || !strings.HasSuffix(m, "é…") {
		t.Errorf("%d bytes", len(m))
	}
}

// A gateway of short messages: one request for each number. Who has it already does not get it again.
func TestSMS(t *testing.T) {
	down := true
	s := serve(t, nil)
	s.answer = func(g got) (int, string) {
		if down && strings.Contains(g.body, "+2") {
			return http.StatusServiceUnavailable, "busy"
		}
		return http.StatusOK, "queued"
	}
	n, _ := newNotifier(t, Options{})
	i := integration(t, n, "sms", "{url: '"+s.URL+"/send', to: ['+1', '+2, +3'], headers: {X-Key: k}}")
	alerts := raised("web1", "critical", strings.Repeat("down ", 200))
	retry, err := i.Notify(group(t.Context(), "g"), alerts)
	if !retry || err == nil || !strings.Contains(err.Error(), "to +2: 127.0.0.1") || !strings.Contains(err.Error(), "busy") || strings.Contains(err.Error(), "+3") {
		t.Errorf("retry %t, %v", retry, err)
	}
	want(t, "requests", len(s.all()), 3)
	down = false
	tell(t, i, alerts) // the group's next notification
	calls := s.all()
	want(t, "requests", len(calls), 4)
	m := calls[3].json(t)
	if text := m["message"].(string); m["to"] != "+2" || utf8.RuneCountInString(text) != 459 || !strings.HasPrefix(text, "FIRING: down down") || !strings.HasSuffix(text, "...") {
		t.Errorf("the body is %v", m)
	}
	want(t, "the header", calls[3].header.Get("X-Key"), "k")
	tell(t, i, alerts) // it was told as a whole: a reminder goes to all
	want(t, "requests", len(s.all()), 7)

	s.calls = nil
	tell(t, integration(t, n, "sms", `
url: '`+s.URL+`/send?to={{ .To | urlquery }}&text={{ .Message | urlquery }}'
method: GET
to: ['{{ .CommonLabels.phone }}+33 ']
message: '{{ .CommonAnnotations.summary }} & more'
`))
	g := s.only(t)
	want(t, "the request", g.method+" "+g.path+"?"+g.query+g.body, "GET /send?to=%2B33&text=web1+is+down+%26+more")

	s.calls = nil
	tell(t, integration(t, n, "sms", `
url: `+s.URL+`
to: ['+1']
content_type: application/x-www-form-urlencoded
body: 'To={{ .To | urlquery }}&Body={{ .Message | urlquery }}'
http_config: {basic_auth: {username: AC1, password: p}}
`))
	g = s.only(t)
	want(t, "the body", g.body, "To=%2B1&Body=FIRING%3A+web1+is+down")
	want(t, "the headers", g.header.Get("Content-Type")+" "+g.header.Get("Authorization"), "application/x-www-form-urlencoded Basic QUMxOnA=")
}

func TestHTTP(t *testing.T) {
	s := serve(t, always(http.StatusNoContent, ""))
	n, _ := newNotifier(t, Options{})
	tell(t, integration(t, n, "http", `
url: '`+s.URL+`/{{ .CommonLabels.host }}'
method: PUT
headers: {X-State: "{{ .Status }}\r\n X", Content-Type: text/plain}
body: '{{ range .Alerts }}{{ .Labels.alertname }}={{ .Status }}{{ end }} {{ .GroupKey }}'
`))
	g := s.only(t)
	want(t, "the request", g.method+" "+g.path+" "+g.body, "PUT /web1 Down=firing g")
	want(t, "the headers", g.header.Get("X-State")+" "+g.header.Get("Content-Type"), "firing X text/plain")
	s.calls = nil
	tell(t, integration(t, n, "http", "{url: '"+s.URL+"', message: ''}"))
	m := s.only(t).json(t) // as Alertmanager's webhook
	if m["version"] != "4" || m["groupKey"] != "g" || m["status"] != "firing" || m["receiver"] != "team" || m["alerts"].([]any)[0].(map[string]any)["status"] != "firing" {
		t.Errorf("the body is %v", m)
	}
	s.calls = nil
	retry, err := integration(t, n, "http", "{url: '{{ .CommonLabels.host }}'}").Notify(group(t.Context(), "g"), raised("web1", "critical", "x"))
	if retry || err == nil || !strings.Contains(err.Error(), "the url, filled in, is none") {
		t.Error(retry, err)
	}
	retry, err = integration(t, n, "http", "{url: '"+s.URL+"', body: '{{ index .Alerts 7 }}'}").Notify(group(t.Context(), "g"), raised("web1", "critical", "x"))
	if retry || err == nil || !strings.Contains(err.Error(), "a template cannot be filled in") || len(s.all()) != 0 {
		t.Error(retry, err)
	}
}

// https://docs.bleemeo.com/alerting/integrations/webhook
func TestBleemeo(t *testing.T) {
	s := serve(t, always(http.StatusOK, ""))
	n, _ := newNotifier(t, Options{})
	firing, ended := raised("web1", "warning", "x"), over(raised("web2", "critical", "x"))
	i := integration(t, n, "bleemeo", "{url: '"+s.URL+"/hook', account: acme}")
	tell(t, i, firing, ended)
	tell(t, i, firing)
	byTitle := map[string]map[string]any{}
	ids := map[any]int{}
	for _, c := range s.all() {
		want(t, "the request", c.method+" "+c.path+" "+c.header.Get("Content-Type"), "POST /hook application/json")
		m := c.json(t)
		byTitle[m["title"].(string)] = m
		ids[m["id"]]++
	}
	want(t, "events", len(ids), 2)
	m := byTitle["web1 - Down is warning"]
	id, agent, metric := m["id"].(string), m["agent"].(string), m["metric"].(string)
	for _, u := range []string{id, agent, metric} {
		if len(u) != 36 || u[14] != '8' || strings.Count(u, "-") != 4 {
			t.Errorf("%s is no UUID", u)
		}
	}
	at := firing.StartsAt.UTC().Format(time.RFC3339Nano)
	delete(m, "modified_at")
	want(t, "the event", m, map[string]any{
		"id": id, "account": "acme", "agent": agent, "metric": metric, "status": 1, "status_text": "Warning", "text": "It does not answer.",
		"title": "web1 - Down is warning", "status_changed_at": at, "previous_status_changed_at": nil, "number_status_change_last_hour": nil,
		"has_been_notified": true, "created_at": at, "created_by": nil, "modified_by": nil, "happened_at": at,
		"labels": map[string]any{"alertname": "Down", "host": "web1", "severity": "warning"},
	})
	want(t, "what is over", fmt.Sprint(byTitle["web2 - Down is ok"]["status"], " ", byTitle["web2 - Down is ok"]["status_text"]), "0 OK")
}
