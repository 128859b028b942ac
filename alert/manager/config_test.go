package manager

import (
	"strings"
	"testing"
)

func TestReadConfig(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		c, err := ReadConfig([]byte(text), "/etc/am")
		if err != nil {
			t.Errorf("%s\ngives %v", text, err)
			return
		}
		var got []string
		for _, r := range c.Alertmanager.Receivers {
			for _, e := range c.Extras[r.Name] {
				got = append(got, r.Name+" "+e.Kind+" "+e.Node.Content[1].Value)
			}
			for _, w := range r.WebhookConfigs {
				got = append(got, r.Name+" webhook "+string(w.URL)+w.URLFile)
			}
			for _, w := range r.SlackConfigs {
				got = append(got, r.Name+" slack "+w.Channel)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\ngives\n%s\nwant\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f(DefaultConfig)
	f("route: {receiver: a}\nreceivers:\n- name: a\n  ntfy_configs:\n  - topic: up\n    server: x\n  # about the next\n  webhook_configs:\n  - url_file: u\n- name: b\n", "a ntfy up", "a webhook u")
	f("route: {receiver: a}\nreceivers:\n- ntfy_configs:\n  - topic: up\n  name: a\n  webhook_configs: [{url_file: u}]\n", "a ntfy up", "a webhook u")
	f("route: {receiver: a}\nreceivers: [{name: a, gotify_configs: [{url: g}, {url: h}], webhook_configs: [{url_file: u}]}]\n", "a gotify g", "a gotify h", "a webhook u")
	f("route: {receiver: a}\nreceivers:\n  - name: a\n    oncall_configs:\n      - team: web\n", "a oncall web")
}

func TestReadConfigErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadConfig([]byte(text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v, want %q", text, err, want)
		}
	}
	f("", "no route provided")
	f("route: {receiver: a}\n", `undefined receiver "a"`)
	f("route: {receiver: a}\nreceivers:\n- name: a\n  ntfy_configs:\n  - topic: x\n  webhoook_configs: []\n", "line 6: field webhoook_configs not found")
	f("route: {receiver: a}\nreceivers:\n- name: a\n  ntfy_configs: {topic: x}\n", "line 4: ntfy_configs of the receiver \"a\" is no list")
	f("route: {receiver: a}\nreceivers:\n- ntfy_configs: [{topic: x}]\n", "line 3: receivers[0] has no name")
	f("route: [", "yaml")
}

// FuzzReadConfig: whatever a file holds is read or refused.
func FuzzReadConfig(f *testing.F) {
	f.Add([]byte(DefaultConfig))
	f.Add([]byte("route: {receiver: a}\nreceivers:\n- name: a\n  ntfy_configs:\n  - topic: up\n  webhook_configs:\n  - url_file: u\n"))
	f.Add([]byte("route: {receiver: a}\nreceivers: [{name: a, gotify_configs: [{url: g}]}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := ReadConfig(text, "/x"); err == nil {
			c.Tells()
		}
	})
}
