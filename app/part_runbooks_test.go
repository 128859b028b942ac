package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/config"
)

func TestDefaultRulesNameTheirRunbooks(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "Mine.md"), []byte("# My own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, config.Both, fmt.Sprintf("global: {evaluation_interval: 100ms}\nalerting: {default_rules: [databases, web], runbooks: [%s]}\nserver: {external_url: 'https://owl.example/w/', route_prefix: /}\n", folder))
	var answer struct {
		Data struct {
			Groups []struct {
				File  string
				Rules []struct {
					Name        string
					Annotations map[string]string
				}
			}
		}
	}
	_, text := p.ask(t, "GET", "/api/v1/rules")
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatal(err, text)
	}
	rules := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			rules++
			if want := "https://owl.example/w/runbooks?id=" + r.Name; r.Annotations["runbook_url"] != want {
				t.Errorf("%s of %s: %v", r.Name, g.File, r.Annotations)
			}
		}
	}
	if rules < 50 {
		t.Errorf("%d rules", rules)
	}
	if _, text := p.ask(t, "GET", "/api/hulotte/v1/runbook?id=Mine"); !strings.Contains(text, `"title":"My own","source":"file"`) {
		t.Error(text)
	}
	p.stepsAreInTheTimeline(t)
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

// stepsAreInTheTimeline does a step for the alert that fires always.
func (p *testApp) stepsAreInTheTimeline(t *testing.T) {
	t.Helper()
	type raised struct {
		Fingerprint string
		Labels      map[string]string
	}
	var listed struct{ Data struct{ Alerts []raised } }
	p.eventually(t, func() error {
		_, text := p.ask(t, "GET", "/api/hulotte/v1/alerts")
		if err := json.Unmarshal([]byte(text), &listed); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		if len(listed.Data.Alerts) == 0 {
			return fmt.Errorf("no alert: %s", text)
		}
		return nil
	})
	i := slices.IndexFunc(listed.Data.Alerts, func(a raised) bool { return a.Labels["alertname"] == "Watchdog" })
	if i < 0 {
		t.Fatalf("%+v", listed)
	}
	fingerprint := listed.Data.Alerts[i].Fingerprint
	body := fmt.Sprintf(`{"fingerprint":%q,"runbook":"Watchdog","step":1,"comment":"all well"}`, fingerprint)
	res, err := http.Post(p.url+"/api/hulotte/v1/runbook/step", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	_, text := p.ask(t, "GET", "/api/hulotte/v1/alert?fingerprint="+fingerprint)
	for _, want := range []string{`"type":"step","text":"Did: Give its route`, `(all well)","by":"web"`, `"runbook":{"id":"Watchdog"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nwant %s", text, want)
		}
	}
}
