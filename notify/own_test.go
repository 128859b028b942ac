package notify

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	amnotify "github.com/prometheus/alertmanager/notify"
	commoncfg "github.com/prometheus/common/config"
)

const hidden = "S3CR3T-value"

// samples are entries that work, with a secret wherever one may stand; URL is the service's address.
var samples = map[string]string{
	"bleemeo":     "{url: 'URL/hook/" + hidden + "'}",
	"http":        "{url: 'URL/{{ .Status }}?key=" + hidden + "&x={{ .Message | urlquery }}', headers: {X-Key: '" + hidden + " {{ .Status }}'}, body: '" + hidden + " {{ .Status }}'}",
	"matrix":      "{url: URL, token: " + hidden + ", room: '!r:x.example', join: false}",
	"signal":      "{url: URL, number: '+1', recipients: ['+2'], http_config: {authorization: {credentials: " + hidden + "}}}",
	"sms":         "{url: 'URL/send', to: ['+1'], headers: {Authorization: 'Key " + hidden + "'}}",
	"ntfy":        "{server: URL, topic: up, token: " + hidden + "}",
	"gotify":      "{url: URL, token: " + hidden + "}",
	"google_chat": "{url: 'URL/v1/spaces/A/messages?key=k&token=" + hidden + "'}",
}

func sample(kind string, s *service) string {
	return strings.ReplaceAll(samples[kind], "URL", s.URL)
}

// Trying again helps with what may pass: too many requests, and what goes wrong on the other side.
func TestFailures(t *testing.T) {
	f := func(kind string, status int, retry bool, reason amnotify.Reason) {
		t.Helper()
		s := serve(t, always(status, "it says no"))
		n, _ := newNotifier(t, Options{})
		again, err := integration(t, n, kind, sample(kind, s)).Notify(group(t.Context(), "g"), raised("a", "critical", "x"))
		if err == nil || again != retry || !strings.Contains(err.Error(), "it says no") {
			t.Errorf("%s, %d: retry %t, %v", kind, status, again, err)
		}
		if e, ok := errors.AsType[*amnotify.ErrorWithReason](err); !ok || e.Reason != reason {
			t.Errorf("%s, %d: the reason is not %s: %v", kind, status, reason, err)
		}
		if d := n.Deliveries(Filter{})[0]; d.OK || d.Retry != retry || d.Answer != "it says no" {
			t.Errorf("%s, %d: in the log %+v", kind, status, d)
		}
	}
	for kind := range samples {
		f(kind, http.StatusTooManyRequests, true, amnotify.RateLimitedReason)
		f(kind, http.StatusInternalServerError, true, amnotify.ServerErrorReason)
		f(kind, http.StatusNotFound, false, amnotify.ClientErrorReason)
		f(kind, http.StatusUnauthorized, false, amnotify.AuthErrorReason)
	}
}

// No secret is in an error, a log line or a delivery: not when the service says everything back, nor when nobody answers.
func TestSecretsStay(t *testing.T) {
	for kind := range samples {
		s := serve(t, nil)
		s.answer = func(g got) (int, string) {
			h, _ := json.Marshal(g.header)
			return http.StatusBadRequest, g.path + "?" + g.query + string(h) + g.body
		}
		n, log := newNotifier(t, Options{})
		i := integration(t, n, kind, sample(kind, s))
		_, first := i.Notify(group(t.Context(), "g"), raised("a", "critical", "x"))
		s.Close()
		retry, second := i.Notify(group(t.Context(), "g"), raised("a", "critical", "x"))
		if first == nil || second == nil || !retry || !strings.Contains(second.Error(), "cannot reach 127.0.0.1") {
			t.Fatalf("%s: %v; retry %t, %v", kind, first, retry, second)
		}
		text, _ := json.Marshal(n.Deliveries(Filter{}))
		if all := first.Error() + second.Error() + string(text) + log.String(); strings.Contains(all, "S3CR3T") {
			t.Errorf("%s: %s", kind, all)
		}
	}
}

// A service that never stops answering, or redirects to where secrets must not go, is a failure.
func TestBadServices(t *testing.T) {
	elsewhere := serve(t, always(http.StatusOK, ""))
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1), http.StatusTemporaryRedirect)
	})
	n, _ := newNotifier(t, Options{})
	if _, err := integration(t, n, "gotify", sample("gotify", s)).Notify(group(t.Context(), "g"), raised("a", "critical", "x")); err == nil || !strings.Contains(err.Error(), "redirects to another host") {
		t.Error(err)
	}
	want(t, "requests elsewhere", len(elsewhere.all()), 0)

	s = serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	tell(t, integration(t, n, "gotify", sample("gotify", s)))

	hangs := make(chan struct{})
	s = serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs })
	defer close(hangs)
	retry, err := integration(t, n, "gotify", "{url: '"+s.URL+"', token: x, timeout: 20ms}").Notify(group(t.Context(), "g"), raised("a", "critical", "x"))
	if !retry || err == nil || !strings.Contains(err.Error(), "no answer within 20ms (timeout)") {
		t.Errorf("retry %t, %v", retry, err)
	}
}

func TestMaxPerHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := newNotifier(t, Options{})
		tg := target{"team", "sms", 0}
		send := func() error {
			note := &note{}
			err := n.allow(t.Context(), tg, 2, note)
			if err != nil {
				return err
			}
			n.told.add(deliveredAt(tg, time.Now()), false)
			note.finish()
			return nil
		}
		f := func(ok bool) {
			t.Helper()
			if err := send(); (err == nil) != ok {
				t.Errorf("after %s: %v", time.Since(time.Time{}), err)
			} else if err != nil && !strings.Contains(err.Error(), "2 were sent within the last hour, as many as max_per_hour allows; the next one may be sent at 01:00:00 UTC") {
				t.Error(err)
			}
		}
		f(true)
		time.Sleep(30 * time.Minute)
		f(true)
		f(false)
		time.Sleep(29 * time.Minute)
		f(false)
		time.Sleep(time.Minute)
		f(true)
		note := &note{}
		time.Sleep(2 * time.Hour)
		if n.allow(t.Context(), tg, 1, note) != nil || n.allow(t.Context(), tg, 1, note) == nil {
			t.Error("what is under way does not count")
		}
	})
}

func TestConfigErrors(t *testing.T) {
	n, _ := newNotifier(t, Options{})
	f := func(kind, text, want string) {
		t.Helper()
		_, err := n.Build("team", []Extra{extra(t, kind, text)}, templates(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s\ngives %v\nwant %s", kind, text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "S3CR3T") {
			t.Errorf("a secret: %v", err)
		}
	}
	f("nfty", "{}", "line 1: nfty_configs is not known")
	f("ntfy", "x", "line 1: ntfy_configs: an entry is a mapping")
	f("ntfy", "server: https://x\ntopik: up\n", "line 2: ntfy_configs: field topik is not known; it may have actions, ")
	f("ntfy", "server: https://x\n", "line 1: ntfy_configs: topic is missing")
	f("ntfy", "topic: x\nmarkdown:\n  yes please\n", "line 3: ntfy_configs: markdown: cannot unmarshal")
	f("ntfy", "topic: x\nactions:\n- action: view\n  labbel: x\n", "line 4: ntfy_configs.actions: field labbel is not known")
	f("ntfy", "topic: x\nhttp_config:\n  tls_config:\n    ca: x\n    insecure: true\n", "line 5: ntfy_configs.http_config.tls_config: field insecure is not known")
	f("ntfy", "topic: x\nhttp_config: {proxy_url: 'http://x', bearer: y}\n", "field bearer is not known")
	f("ntfy", "topic: x\nhttp_config: {bearer_token: a, bearer_token_file: b}\n", "at most one of bearer_token & bearer_token_file")
	f("ntfy", "topic: x\n\nhttp_config: {tls_config: {ca_file: /not/there}}\n", "line 3: ntfy_configs: http_config cannot be used")
	f("ntfy", "topic: x\npriority: loud\n", `line 2: ntfy_configs: priority is "loud": min, low`)
	f("ntfy", "topic: x\nserver: ftp://x\n", "line 2: ntfy_configs: server is no URL that begins with http")
	f("ntfy", "topic: x\ntoken: S3CR3T\nusername: u\n", "line 3: ntfy_configs: username is set besides a token")
	f("ntfy", "topic: x\ntitle: '{{ .Foo'\n", "line 2: ntfy_configs: title is no template that works")
	f("ntfy", "topic: x\ntitle: '{{ template \"nope\" . }}'\n", `line 2: ntfy_configs: title is no template that works: there is no template "nope"`)
	f("ntfy", "topic: x\nmax_per_hour: -1\n", "line 2: ntfy_configs: max_per_hour is -1")
	f("ntfy", "topic: x\ntimeout: 0s\n", "line 2: ntfy_configs: timeout is not above 0")
	f("gotify", "{url: 'http://x'}", "token is missing: set it, or token_file")
	f("gotify", "{url: 'http://x', token: a, token_file: b}", "token_file is set besides token")
	f("google_chat", "{url: '://S3CR3T'}", "url is no URL")
	f("matrix", "{url: 'http://x', token: a}", "room is missing")
	f("matrix", "{url: 'http://x', token: a, room: lobby}", `room is "lobby": !id:server or #alias:server`)
	f("matrix", "{url: 'http://x', token: a, room: '!x:y', type: loud}", `type is "loud"`)
	f("signal", "{url: 'http://x', number: '+1'}", "recipients are missing")
	f("signal", "{url: 'http://x', recipients: ['+1']}", "number is missing")
	f("sms", "{url: 'http://x'}", "to is missing")
	f("sms", "{url: 'http://x', to: ['+1'], method: FETCH}", `method is "FETCH"`)
	f("sms", "{url: 'http://x', to: ['+1'], headers: {'a b': c}}", `headers have the name "a b", which is none`)
	f("sms", "{url: 'http://x', to: ['+1'], max_length: 3}", "max_length is 3")
	f("http", "{url: 'http://x/{{ .Foo ', body: x}", "url is no template that works")
	f("http", "{body: x}", "url is missing: set it, or url_file")
	f("bleemeo", "{url: S3CR3T}", "url is no URL")
	f("email", "{to: a@b.example}", "email_configs is not known")
	f("web_push", "{ttl: 90d}", "ttl is 90d")
	f("web_push", "{contact: me}", `contact is "me"`)
	f("oncall", "{team: web}", "line 1: oncall_configs: nobody can be on call here: this server has no schedules")
	f("google_chat", "{}", "url is missing: set it, or url_file")
}

func TestConfigsThatWork(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "token"), []byte("fromfile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, always(http.StatusOK, "{}"))
	n, _ := newNotifier(t, Options{})
	e := extra(t, "gotify", "base: &b {title: a}\nentry: {<<: *b, url: '"+s.URL+"', token_file: token, title: '{{ define \"x\" }}in {{ end }}{{ template \"x\" . }}{{ .CommonLabels.host }}'}")
	e.Node = *e.Node.Content[3]
	e.Folder = folder
	e.Global = &amconfig.GlobalConfig{HTTPConfig: &commoncfg.HTTPClientConfig{
		Authorization: &commoncfg.Authorization{Type: "Bearer", Credentials: "global"}, FollowRedirects: true,
	}}
	all, err := n.Build("team", []Extra{e, e}, templates(t))
	if err != nil {
		t.Fatal(err)
	}
	if all[1].Name() != "gotify" || all[1].Index() != 1 || !all[1].SendResolved() {
		t.Errorf("it is %v", all[1])
	}
	tell(t, &all[1])
	g := s.only(t)
	want(t, "the token", g.header.Get("X-Gotify-Key"), "fromfile")
	want(t, "the global http_config", g.header.Get("Authorization"), "Bearer global")
	want(t, "the title", g.json(t)["title"], "in web1")
}

// FuzzBuild: whatever an entry holds is taken or refused.
func FuzzBuild(f *testing.F) {
	for kind, text := range samples {
		f.Add(kind, strings.ReplaceAll(text, "URL", "http://127.0.0.1:1"))
	}
	f.Add("ntfy", "&a {<<: *a, topic: x}")
	f.Add("ntfy", "{topic: '{{ . }}', http_config: {tls_config: {ca: x}}}")
	f.Fuzz(func(t *testing.T, kind, text string) {
		e, ok := parseExtra(kind, text)
		if !ok {
			return
		}
		n, _ := newNotifier(t, Options{})
		_, _ = n.Build("team", []Extra{e}, templates(t))
	})
}
