package notify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	amnotify "github.com/prometheus/alertmanager/notify"
)

// rota is who is on call in a test.
type rota struct {
	people []Recipient
	err    error
	asked  []Ask
}

func (r *rota) Recipients(_ context.Context, ask Ask) ([]Recipient, error) {
	r.asked = append(r.asked, ask)
	return r.people, r.err
}

func TestOncall(t *testing.T) {
	s := serve(t, nil)
	down := ""
	s.answer = func(g got) (int, string) {
		if down != "" && strings.Contains(g.path+g.body, down) {
			return http.StatusBadGateway, "no"
		}
		return http.StatusOK, "ok"
	}
	r := &rota{people: []Recipient{
		{Contact: "Anna", AckURL: "https://hulotte.example/ack/S3CR3T-anna", Methods: []Method{{"sms", "+1"}, {"ntfy", s.URL + "/anna"}, {"gotify", "S3CR3T-token"}}},
		{Contact: "Bob", Methods: []Method{{"sms", "+2"}}},
	}}
	n, log := newNotifier(t, Options{People: r})
	i := integration(t, n, "oncall", `
team: web
via:
  sms: {url: '`+s.URL+`/sms', headers: {X-Key: S3CR3T-sms}}
  http: {url: '`+s.URL+`/http/{{ .To }}'}
`)
	down = "+2"
	a, b := raised("web1", "critical", "web1 is down"), over(raised("web2", "critical", "x"))
	retry, err := i.Notify(group(t.Context(), "g"), a, b)
	if !retry || err == nil || !strings.Contains(err.Error(), "Bob is not told: sms: to +2: 127.0.0.1") || strings.Contains(err.Error(), "Anna") {
		t.Errorf("retry %t, %v", retry, err)
	}
	ask := r.asked[0]
	want(t, "the question", ask.Team+" "+ask.GroupKey+" "+strings.Join(ask.Firing, ",")+" "+strings.Join(ask.Resolved, ","), "web g "+a.Fingerprint().String()+" "+b.Fingerprint().String())
	d := n.Deliveries(Filter{})[0]
	want(t, "who was told", d.People, []string{"Anna"})
	for _, says := range []string{"Anna, sms: told: ok", "Anna, ntfy: told: ok", "Anna, gotify: its settings are missing below via: ", "url is missing", "Bob, sms: to +2"} {
		if !strings.Contains(d.Answer, says) {
			t.Errorf("the log has %q, not %q", d.Answer, says)
		}
	}
	var sms, push string
	for _, c := range s.all() {
		if c.path == "/sms" && strings.Contains(c.body, "+1") {
			sms = c.json(t)["message"].(string)
		}
		if c.path == "/" {
			actions, _ := json.Marshal(c.json(t)["actions"])
			push = c.json(t)["topic"].(string) + " " + string(actions)
		}
	}
	want(t, "the short message", sms, "FIRING: web1 is down; RESOLVED: x Ack: https://hulotte.example/ack/S3CR3T-anna")
	want(t, "the push message", push, `anna [{"action":"view","label":"Acknowledge","url":"https://hulotte.example/ack/S3CR3T-anna"}]`)

	down = ""
	before := len(s.all())
	tell(t, i, a, b)
	want(t, "requests of the second try", len(s.all())-before, 1) // Bob's
	text, _ := json.Marshal(n.Deliveries(Filter{}))
	if strings.Contains(string(text)+log.String()+err.Error(), "S3CR3T") {
		t.Errorf("%s\n%s\n%v", text, log, err)
	}

	f := func(people []Recipient, failed error, want string) {
		t.Helper()
		r.people, r.err = people, failed
		if _, err := i.Notify(group(t.Context(), "g2"), a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(nil, nil, "nobody is on call")
	f(nil, errors.New("nobody is on call for web until 09:00"), "until 09:00")
	f([]Recipient{{Contact: "Cy"}}, nil, "Cy has no way to be reached")
	f([]Recipient{{Contact: "Cy", Methods: []Method{{"pigeon", "x"}}}}, nil, "pigeon: this is no way to reach a person")
	f([]Recipient{{Contact: "Cy", Methods: []Method{{"ntfy", "{{ .X }}"}}}}, nil, "the address is a template")
	f([]Recipient{{Contact: "Cy", Methods: []Method{{"google_chat", "S3CR3T"}}}}, nil, "google_chat: url is no URL")
	r.people, r.err = nil, nil
	tell(t, i, b) // it is over, and nobody was told

	r.people = []Recipient{{Contact: "Cy", Methods: []Method{{"http", "cy"}}}}
	n.Test(t.Context(), "team", nil, nil)
	all := n.Test(t.Context(), "team", nil, nil)
	want(t, "a receiver that tells nobody", len(all), 0)
	if out := n.Test(t.Context(), "team", []amnotify.Integration{*i}, nil); !out[0].OK || !r.asked[len(r.asked)-1].Test {
		t.Errorf("a test: %+v", out)
	}
	calls := s.all()
	want(t, "the address in a template", calls[len(calls)-1].path, "/http/cy")
}

func TestOncallErrors(t *testing.T) {
	n, _ := newNotifier(t, Options{People: &rota{}})
	f := func(text, want string) {
		t.Helper()
		if _, err := n.Build("team", []Extra{extra(t, "oncall", text)}, templates(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant %s", text, err, want)
		}
	}
	f("{}", "team is missing: set it, or escalation")
	f("{team: a, escalation: b}", "escalation is set besides team")
	f("team: a\nvia: {pigeon: {}}\n", "line 2: oncall_configs: via has pigeon, which is no way to reach a person")
	f("team: a\nvia:\n  sms:\n    url: http://x\n    foo: y\n", "via line 5: sms_configs: field foo is not known")
	f("team: a\nvia:\n  signal: {url: http://x}\n", "via line 3: signal_configs: number is missing")
	f("team: a\nvia:\n  sms: {url: http://x, max_per_hour: 3}\n", "max_per_hour belongs to the entry of oncall_configs")
	f("team: a\nvia:\n  email: {from: a@b.example}\n", "smarthost is missing, and global.smtp_smarthost too")
	f("team: a\nvia:\n  email: {smarthost: 'x:25', from: a@b.example, too: x}\n", "field too is not known")
}

// The mail server is Alertmanager's, unless via says another.
func TestOncallMailSettings(t *testing.T) {
	n, _ := newNotifier(t, Options{People: &rota{}})
	e := extra(t, "oncall", "{team: web}")
	g := amconfig.DefaultGlobalConfig()
	g.SMTPSmarthost, g.SMTPFrom, g.SMTPAuthUsername = amconfig.HostPort{Host: "mail.example", Port: "587"}, "hulotte@x.example", "u"
	e.Global = &g
	built, err := n.build(target{"team", "oncall", 0}, e, templates(t))
	if err != nil {
		t.Fatal(err)
	}
	m := built.entry.(*oncall).bases["email"].to("anna@x.example").(*mail)
	want(t, "the mail", m.Conf.Smarthost.String()+" "+m.Conf.From+" "+m.Conf.To+" "+m.Conf.AuthUsername, "mail.example:587 hulotte@x.example anna@x.example u")
	if !*m.Conf.RequireTLS {
		t.Error("TLS is not required")
	}
}
