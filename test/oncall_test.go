package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// phones are people's telephones: what each was told, and the link by which it acknowledges.
type phones struct {
	URL string

	mu    sync.Mutex
	calls []string
	links map[string]string
}

func newPhones(t *testing.T) *phones {
	t.Helper()
	p := &phones{links: map[string]string{}}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var message struct {
			Status string
			AckURL string `json:"ack_url"`
		}
		if err := json.Unmarshal(body, &message); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		who := strings.TrimPrefix(r.URL.Path, "/")
		p.calls, p.links[who] = append(p.calls, who+" "+message.Status), message.AckURL
	}))
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

func (p *phones) eventually(t *testing.T, want ...string) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if got := strings.Join(p.calls, ", "); got != strings.Join(want, ", ") {
			return fmt.Errorf("called: %s, want %q", got, want)
		}
		return nil
	})
}

// An alert calls whoever is on call, then the next step while nobody acknowledges, also over a restart; the link of the call stops it.
func TestEscalation(t *testing.T) {
	phones := newPhones(t)
	config := `
host: {enabled: false}
monitoring: {enabled: false}
alerting:
  default_rules: false
  route: {receiver: people, group_wait: 100ms, group_interval: 500ms}
  receivers:
  - name: people
    oncall_configs: [{team: web}]
`
	p := harness.Start(t, harness.Options{Config: config})
	edit := func(method, what, body string) {
		t.Helper()
		req, err := http.NewRequest(method, p.URL+"/api/hulotte/v1/oncall/"+what, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl -d has it
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, what, resp.StatusCode, answer)
		}
	}
	for _, name := range []string{"ann", "bob", "cy"} {
		edit("PUT", "contact", fmt.Sprintf(`{"name": %q, "methods": [{"kind": "http", "to": "%s/%s"}]}`, name, phones.URL, name))
	}
	edit("PUT", "schedule", `{"name": "web", "zone": "Europe/Paris", "layers": [{"participants": ["ann"], "start": "2026-01-05", "handover": "09:00", "days": 7}]}`)
	edit("PUT", "escalation", `{"name": "web", "steps": [{"tell": [{"schedule": "web"}]}, {"after": "5s", "tell": [{"contact": "bob"}]}, {"after": "1s", "tell": [{"contact": "cy"}]}]}`)
	edit("PUT", "team", `{"name": "web", "members": ["ann", "bob"], "escalation": "web"}`)
	edit("POST", "override", fmt.Sprintf(`{"schedule": "web", "contact": "cy", "from": %q, "to": %q}`, time.Now().Add(time.Hour).Format(time.RFC3339), time.Now().Add(2*time.Hour).Format(time.RFC3339)))
	if _, body := p.Get(t, "/api/hulotte/v1/oncall/calendar?schedule=web"); !strings.Contains(body, `"contact":"cy"`) || strings.Count(body, `"contact":"ann"`) != 2 {
		t.Errorf("calendar: %s", body)
	}
	if _, body := p.Get(t, "/api/hulotte/v1/oncall/calendar.ics?schedule=web"); !strings.Contains(body, "SUMMARY:cy is on call (web)\r\n") {
		t.Errorf("calendar.ics: %s", body)
	}
	resp, err := http.Post(p.URL+"/api/v2/alerts", "application/json", strings.NewReader(`[{"labels": {"alertname": "Slow"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	phones.eventually(t, "ann firing")
	time.Sleep(3 * time.Second) // alerts are remembered two seconds after they change
	p.Kill()
	p = harness.Start(t, harness.Options{Config: config, DataDir: p.DataDir})
	phones.eventually(t, "ann firing", "bob firing")
	link, err := url.Parse(phones.links["bob"])
	if err != nil || !strings.HasPrefix(link.Path, "/ack/") {
		t.Fatalf("the link is %q", phones.links["bob"])
	}
	resp, err = http.PostForm(p.URL+link.Path, url.Values{"comment": {"on it"}})
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.Contains(string(page), "Thank you, bob") {
		t.Errorf("the page says %s", page)
	}
	harness.Eventually(t, 20*time.Second, func() error {
		if _, body := p.Get(t, "/api/hulotte/v1/oncall"); !strings.Contains(body, `"acked_by":"bob"`) {
			return fmt.Errorf("on call: %s", body)
		}
		return nil
	})
	phones.eventually(t, "ann firing", "bob firing") // and cy was never called
}
