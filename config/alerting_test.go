package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAlerting(t *testing.T) {
	dir := t.TempDir()
	am := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(am, []byte("route: {receiver: team}\nreceivers:\n- name: team\n  webhook_configs: [{url_file: secrets/hook}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(text string, env ...string) (*Config, error) {
		file := filepath.Join(dir, "hulotte.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(Sources{File: file, Env: env})
	}
	good := func(text, receiver string, extras int, env ...string) {
		t.Helper()
		c, err := load(text, env...)
		if err != nil {
			t.Errorf("%s\ngives %v", text, err)
			return
		}
		a := c.Alerting.Config
		if got := a.Alertmanager.Route.Receiver; got != receiver || len(a.Extras[receiver]) != extras {
			t.Errorf("%s\ngoes to %q with %d of our kinds, want %q with %d", text, got, len(a.Extras[got]), receiver, extras)
		}
	}
	good("", "pages", 0)
	good("alerting: {config: alertmanager.yml}\n", "team", 0)
	good("alerting:\n  route: {receiver: a}\n  receivers:\n  - name: a\n    ntfy_configs: [{topic: up}]\n", "a", 1)
	good("alerting:\n  default_rules: false\n  receivers:\n    - name: a\n  # who hears\n  route:\n    receiver: a\n\n    group_by: [host]\n", "a", 0)
	good("alerting: {route: {receiver: a}, receivers: [{name: a}]}\n", "a", 0)
	good("alerting:\n  receivers: [{name: a}]\n", "a", 0, "HULOTTE_ALERTING_ROUTE={receiver: a}")

	bad := func(text string, want ...string) {
		t.Helper()
		_, err := load(text)
		if err == nil {
			t.Errorf("%s\nis taken, want %q", text, want)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s\ngives %v, want %q", text, err, w)
			}
		}
	}
	bad("alerting:\n  config: alertmanager.yml\n  route: {receiver: a}\n", "hulotte.yml:2", "choose one")
	bad("alerting:\n  config: none.yml\n", "none.yml", "no such file")
	bad("log: {format: text}\nalerting:\n  route: {receiver: a}\n  receivers:\n  - name: a\n    webhok_configs: []\n", "hulotte.yml:6: alerting: field webhok_configs not found")
	bad("alerting:\n  receivers: [{name: a}]\n", "no route")
	bad("alerting:\n  route: {receiver: b}\n  receivers: [{name: a}]\n", `undefined receiver "b"`)
	bad("alerting: {watchdog: {url: 'http://x/', interval: 10ms}}\n", "at least 1s")
}
