package explain

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/notify"
)

const config = `
route:
  receiver: pages
  group_by: [alertname]
  routes:
  - matchers: [team="db"]
    receiver: team-db
    routes:
    - matchers: [severity="info"]
      receiver: day
      mute_time_intervals: [night]
  - {matchers: [team="web"], receiver: web, continue: true, group_by: ['...'], group_wait: 10s}
  - {matchers: ['team=~"web|api"'], receiver: api, repeat_interval: 1h}
inhibit_rules:
- {source_matchers: [alertname="HostDown"], target_matchers: [severity=~".+"], equal: [host]}
time_intervals:
- {name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}
receivers:
- name: pages
- name: team-db
  email_configs: [{to: db@example.org, from: a@example.org, smarthost: 'mail:25'}]
- name: day
  slack_configs: [{channel: '#day', api_url: 'https://hooks.example.org/SECRET'}]
- name: web
  webhook_configs: [{url: 'http://u:SECRET@hook.example.org/SECRET'}, {url_file: x}]
- name: api
  telegram_configs: [{chat_id: 42, bot_token: SECRET}]
  ntfy_configs: [{topic: up, server: 'https://ntfy.example.org'}]
- name: unused
  discord_configs: [{webhook_url: 'https://discord.example.org/SECRET'}]
`

// line is a receiver that takes what it is told, or is out of order.
type line struct{ fail *error }

func (l line) Notify(context.Context, ...*amalert.Alert) (bool, error) { return true, *l.fail }

type always struct{}

func (always) SendResolved() bool { return true }

func begin(t *testing.T, fail *error) (*manager.Manager, *Explainer, func()) {
	t.Helper()
	m, err := manager.New(manager.Options{
		Wrap: func(receiver string, i amnotify.Integration) amnotify.Integration {
			return amnotify.NewIntegration(line{fail}, &i, i.Name(), i.Index(), receiver)
		},
		Build: func(receiver string, extras []notify.Extra, _ *template.Template) ([]amnotify.Integration, error) {
			return []amnotify.Integration{amnotify.NewIntegration(line{fail}, always{}, extras[0].Kind, 0, receiver)}, nil
		},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, err := manager.ReadConfig([]byte(config), "/x")
	if err == nil {
		err = m.Apply(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	return m, &Explainer{Source: m, Now: func() time.Time { return time.Now().UTC() }}, func() { cancel(); <-done }
}

func set(pairs ...string) map[string]string {
	out := map[string]string{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		out[name] = value
	}
	return out
}

func raise(t *testing.T, m *manager.Manager, pairs ...string) {
	t.Helper()
	if err := m.Put(t.Context(), alert.FromRule, alert.Alert{Labels: set(pairs...), EndsAt: time.Now().Add(1000 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// The clock begins at midnight of 2000-01-01, UTC.
func TestVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail error
		m, e, end := begin(t, &fail)
		defer end()
		f := func(want string, pairs ...string) {
			t.Helper()
			synctest.Wait()
			if x := e.Explain(set(pairs...)); x.Verdict != want {
				t.Errorf("%s: %v\n is: %s\nwant %s", e.Now().Format(time.TimeOnly), pairs, x.Verdict, want)
			}
		}
		f(`Nobody would be told: the route's receiver "pages" has no integrations.`, "alertname=X")
		f(`It would be told to team-db by email 30s after it fires, and every 4h while it lasts.`, "alertname=X", "team=db")
		f(`It would be told to web by webhook 10s after it fires, and every 4h while it lasts; and to api by telegram and ntfy 30s after it fires, and every 1h while it lasts.`, "alertname=X", "team=web")
		f(`Nobody would be told: the time interval "night" keeps the route to day quiet.`, "alertname=X", "team=db", "severity=info")

		x := e.Explain(set("alertname=X", "team=db"))
		e.Waiting(&x, e.Now(), 5*time.Minute)
		if want := "It waits: its condition is true since 00:00, and it fires at 00:05 if that lasts. It would be told to team-db by email 30s"; !strings.HasPrefix(x.Verdict, want) {
			t.Errorf("of one that waits: %s", x.Verdict)
		}
		raise(t, m, "alertname=X")
		f(`Nobody is told: the route's receiver "pages" has no integrations.`, "alertname=X", "empty=")
		db := []string{"alertname=Slow", "team=db", "severity=page", "host=db1"}
		raise(t, m, db...)
		f("team-db is told by email at 00:00.", db...)
		time.Sleep(time.Minute)
		f("Told to team-db by email at 00:00; again at 04:05 if it is still firing.", db...)
		raise(t, m, "alertname=Slow", "team=db", "host=db2")
		if x := e.Explain(set("alertname=Slow", "team=db", "host=db2")); !x.Receivers[0].LastTold.IsZero() || x.Receivers[0].Next.Sub(e.Now()) != 4*time.Minute+30*time.Second {
			t.Errorf("another one of a group that was told: %+v", x.Receivers)
		}
		time.Sleep(4*time.Hour + 10*time.Minute)
		f("Told to team-db by email at 04:10; again at 08:15 if it is still firing.", db...) // with db2 at 00:05, and 4 h later

		raise(t, m, "alertname=HostDown", "host=db1")
		f("Told to team-db by email at 04:10; not again: inhibited by HostDown, which fires too ({alertname=\"HostDown\"} inhibits {severity=~\".+\"} with equal host).", db...)
		if x := e.Explain(set(db...)); len(x.InhibitedBy) != 1 || x.InhibitedBy[0].Name != "HostDown" || !x.Receivers[0].Next.IsZero() {
			t.Errorf("inhibited: %+v", x)
		}
		if _, err := m.SetSilence(t.Context(), manager.Silence{
			Matchers: []manager.Matcher{{Name: "team", Value: "db|x", Regexp: true}}, Start: time.Now(), End: time.Now().Add(30 * time.Hour), CreatedBy: "ann", Comment: "new disks",
		}); err != nil {
			t.Fatal(err)
		}
		f("Told to team-db by email at 04:10; not again: silenced by ann until 2000-01-02 10:11 (new disks).", db...)
		f("Nobody would be told: silenced by ann until 2000-01-02 10:11 (new disks).", "alertname=Y", "team=db")

		api := []string{"alertname=Slow", "team=api"}
		fail = errors.New("it rings")
		raise(t, m, api...)
		time.Sleep(2 * time.Minute)
		e.Deliveries = func(f Filter) []alert.Delivery {
			if f.Receiver != "api" {
				return nil
			}
			return []alert.Delivery{{At: time.Now().Add(-time.Minute), Receiver: "api", Integration: "telegram", Error: "it rings"}}
		}
		f("api could not be told by telegram: the try at 04:12 failed (it rings); the next one is before 04:16.", api...)
		e.Deliveries = nil
		fp := manager.Fingerprint(set(api...))
		if err := m.Acknowledge(t.Context(), []string{fp}, alert.Ack{By: "bob", Comment: "I look"}); err != nil {
			t.Fatal(err)
		}
		f("Nobody is told: acknowledged by bob until it resolves (I look).", api...)
		fail = nil
	})
}

func TestStepsOfTheRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail error
		_, e, end := begin(t, &fail)
		defer end()
		x := e.Explain(set("alertname=X", "team=web", "host=a"))
		if len(x.Receivers) != 2 || x.Raised {
			t.Fatalf("%+v", x)
		}
		web, api := x.Receivers[0], x.Receivers[1]
		if !reflect.DeepEqual(web.Route, [][]string{{}, {`team="web"`}}) || !slices.Equal(web.GroupBy, []string{"..."}) || len(web.GroupLabels) != 3 || len(web.Integrations) != 2 {
			t.Errorf("web: %+v", web)
		}
		if !reflect.DeepEqual(api.Route, [][]string{{}, {`team=~"web|api"`}}) || !reflect.DeepEqual(api.GroupLabels, set("alertname=X")) || time.Duration(api.RepeatInterval) != time.Hour || !api.Active {
			t.Errorf("api: %+v", api)
		}
		day := e.Explain(set("team=db", "severity=info")).Receivers[0]
		if len(day.Route) != 3 || day.Active || !slices.Equal(day.MutedBy, []string{"night"}) {
			t.Errorf("day: %+v", day)
		}
	})
}

func TestReceiversAndRouting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail error
		m, e, end := begin(t, &fail)
		defer end()
		e.Failing = func() []Failing {
			return []Failing{{Receiver: "web", Integration: "webhook", Index: 1, Error: "refused"}}
		}
		e.Deliveries = func(f Filter) []alert.Delivery {
			return []alert.Delivery{{ID: "1", Receiver: f.Receiver, Integration: "webhook", Index: 1}}
		}
		var got []string
		for _, r := range e.Receivers() {
			for _, i := range r.Integrations {
				text := r.Name + " " + i.Kind + " " + i.To
				if i.Failing {
					text += " fails: " + i.Error
				}
				if i.Last != nil {
					text += " last " + i.Last.ID
				}
				if !r.Used {
					text += " unused"
				}
				got = append(got, text)
			}
		}
		want := []string{"team-db email db@example.org", "day slack #day", "web webhook hook.example.org", "web webhook  fails: refused last 1", "api telegram 42", "api ntfy ntfy.example.org", "unused discord discord.example.org unused"}
		if !slices.Equal(got, want) {
			t.Errorf("the receivers are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		raise(t, m, "team=web")
		r := e.Routing()
		if !r.Told || r.Route.Receiver != "pages" || len(r.Route.Routes) != 3 || r.Route.Routes[1].Alerts != 1 || r.Route.Routes[2].Alerts != 1 || r.Route.Alerts != 0 || len(r.InhibitRules) != 1 || len(r.TimeIntervals) != 1 || !r.TimeIntervals[0].Active {
			t.Errorf("the routing is %+v", r)
		}
	})
}

func TestTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail error
		m, e, end := begin(t, &fail)
		defer end()
		began := time.Now()
		labels := []string{"alertname=Slow", "team=db"}
		raise(t, m, labels...)
		fp := manager.Fingerprint(set(labels...))
		time.Sleep(time.Minute)
		if err := m.Acknowledge(t.Context(), []string{fp}, alert.Ack{By: "bob", Comment: "I look"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := m.Unacknowledge(t.Context(), []string{fp}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		e.Deliveries = func(Filter) []alert.Delivery {
			return []alert.Delivery{
				{At: began.Add(31 * time.Second), Receiver: "team-db", Integration: "email", OK: true, Attempt: 2, Alerts: []alert.Told{{Fingerprint: fp, Status: "firing"}, {}}},
				{At: began.Add(30 * time.Second), Receiver: "team-db", Integration: "email", Error: "busy.", Attempt: 1},
			}
		}
		a, ok := m.Alert(fp)
		if !ok {
			t.Fatal("it is not there")
		}
		f := func(spans []Span, want ...string) {
			t.Helper()
			var got []string
			for _, ev := range e.Timeline(&a, spans) {
				got = append(got, strings.TrimSpace(ev.At.Sub(began).String()+" "+ev.Type+" "+ev.Text+" "+ev.By))
			}
			if !slices.Equal(got, want) {
				t.Errorf("the timeline is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		people := []string{
			"2m0s unack The acknowledgement ended.", "1m0s ack Acknowledged: I look bob", "31s told Told to team-db by email as firing (together with 1 more), try 2.",
			"30s failed team-db could not be told by email: busy.",
		}
		f(nil, append(slices.Clone(people), "0s firing It began to fire.")...)
		f([]Span{
			{State: alert.Pending, Start: began.Add(-20 * time.Minute), End: began.Add(-15 * time.Minute)},
			{State: alert.Pending, Start: began.Add(-5 * time.Minute), End: began},
			{State: alert.Active, Start: began, End: began.Add(10 * time.Second)},
		}, append(slices.Clone(people), "10s resolved It resolved.", "0s firing It began to fire.", "-5m0s pending Its condition became true.",
			"-15m0s resolved Its condition was over before it fired.", "-20m0s pending Its condition became true.")...)
	})
}

func TestNoise(t *testing.T) {
	from := time.Unix(1_000_000_000, 0)
	to := from.Add(24 * time.Hour)
	span := func(begin, end time.Duration) Span {
		s := Span{State: alert.Active, Start: from.Add(begin)}
		if end > 0 {
			s.End = from.Add(end)
		}
		return s
	}
	h := time.Hour
	tally := NewTally(from, to, []Alerting{{Name: "Quiet"}, {Name: "Default", Standby: true}, {Name: "Watchdog", Meant: true}, {Name: "Once"}})
	tally.Add("Watchdog", []Span{span(0, 0)})
	tally.Add("Disk", []Span{span(0, 0)})
	tally.Add("Once", []Span{span(h, 2*h)})
	tally.Add("Link", []Span{span(h, h+60e9), span(h+120e9, h+180e9), span(h+240e9, h+300e9), span(h+360e9, h+420e9)})
	for range 6 {
		tally.Add("Mail", []Span{span(3*h, 4*h)})
		tally.Add("Handled", []Span{span(3*h, 4*h)})
	}
	tally.Act([]manager.Silence{
		{Start: from.Add(h), Matchers: []manager.Matcher{{Name: "host", Value: "a"}, {Name: "alertname", Value: "Hand.*", Regexp: true}}},
		{Start: from.Add(-h), Matchers: []manager.Matcher{{Name: "alertname", Value: "Mail"}}},
	})
	var got []string
	for _, n := range tally.Report() {
		got = append(got, strings.TrimSpace(strings.Join([]string{n.Kind, n.Name, time.Duration(n.Minutes * float64(time.Minute)).String()}, " ")))
		if n.Name == "Link" && (n.Fired != 4 || n.Flapping != 3 || n.Resolved != 4) || n.Name == "Handled" && n.Acted != 1 || n.Name == "Disk" && n.Resolved != 0 {
			t.Errorf("%+v", n)
		}
	}
	want := []string{"flapping Link 4m0s", "always Disk 24h0m0s", "ignored Mail 6h0m0s", "Handled 6h0m0s", "Watchdog 24h0m0s", "Once 1h0m0s", "Default 0s", "never Quiet 0s"}
	if !slices.Equal(got, want) {
		t.Errorf("the report is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMatchers(t *testing.T) {
	f := func(text string, labels map[string]string, want bool) {
		t.Helper()
		matches, err := Matchers([]string{text})
		if err != nil || matches(labels) != want {
			t.Errorf("%s on %v: %v, want %t", text, labels, err, want)
		}
	}
	f(`a=b`, set("a=b"), true)
	f(`a="b c"`, set("a=b c"), true)
	f(`a!=b`, set("a=b"), false)
	f(`a=~"b|c"`, set("a=c"), true)
	f(`a!~b.*`, set("a=bx"), false)
	f(`"a b"=c`, set("a b=c"), true)
	for _, bad := range []string{"", "a", "a=~(", "=b", strings.Repeat("a", 20000) + "=b"} {
		if _, err := Matchers([]string{bad}); err == nil {
			t.Errorf("%.20q is taken", bad)
		}
	}
	no := false
	if matches, err := MatchAll([]Matcher{{Name: "a", Value: "b"}, {Name: "c", Value: "d.*", IsRegex: true, IsEqual: &no}}); err != nil || !matches(set("a=b")) || matches(set("a=b", "c=dd")) {
		t.Errorf("matchers of the API: %v", err)
	}
	for _, bad := range [][]Matcher{{{Value: "x"}}, {{Name: "a", Value: "(", IsRegex: true}}} {
		if _, err := MatchAll(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// FuzzMatchers: whatever people type is read or refused.
func FuzzMatchers(f *testing.F) {
	for _, s := range []string{`a=b`, `"a b"=~"c|d"`, `{a!~b}`, `a="\"`, `a,b=c`} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if matches, err := Matchers([]string{text}); err == nil {
			matches(map[string]string{"a": "b"})
		}
	})
}
