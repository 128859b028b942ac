package notify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"
)

// bleemeo calls a webhook as Bleemeo's cloud does, once for each alert, so that what was written for one works with the other:
// https://docs.bleemeo.com/alerting/integrations/webhook.
type bleemeo struct {
	settings `yaml:",inline"`

	URL     commoncfg.Secret `yaml:"url"`
	URLFile string           `yaml:"url_file"`
	Account string           `yaml:"account"` // shown as it is
}

func newBleemeo() addressed { return &bleemeo{settings: defaults()} }

func (b *bleemeo) check() error {
	if err := oneOf("url", b.URL, b.URLFile); err != nil || b.URL == "" {
		return err
	}
	return checkURL("url", string(b.URL))
}

func (b *bleemeo) to(address string) addressed {
	c := *b
	c.URL, c.URLFile = commoncfg.Secret(address), ""
	return &c
}

// bleemeoEvent has the fields of the documentation's example, in its order. What is not known here is null.
type bleemeoEvent struct {
	ID              string            `json:"id"`
	Account         string            `json:"account"`
	Agent           string            `json:"agent"`
	Metric          string            `json:"metric"`
	Status          int               `json:"status"`
	StatusText      string            `json:"status_text"`
	Text            string            `json:"text"`
	Title           string            `json:"title"`
	StatusChangedAt time.Time         `json:"status_changed_at"`
	PreviousChange  *time.Time        `json:"previous_status_changed_at"`
	ChangesLastHour *int              `json:"number_status_change_last_hour"`
	Notified        bool              `json:"has_been_notified"`
	CreatedAt       time.Time         `json:"created_at"`
	CreatedBy       *string           `json:"created_by"`
	ModifiedAt      time.Time         `json:"modified_at"`
	ModifiedBy      *string           `json:"modified_by"`
	HappenedAt      time.Time         `json:"happened_at"`
	Labels          map[string]string `json:"labels"` // ours
}

func (b *bleemeo) send(ctx context.Context, p *page) (bool, error) {
	address, err := b.secret(p, b.URL, b.URLFile)
	if err != nil {
		return true, err
	}
	byKey := make(map[string]template.Alert, len(p.Alerts))
	keys := make([]string, 0, len(p.Alerts))
	for _, a := range p.Alerts {
		keys = append(keys, a.Fingerprint)
		byKey[a.Fingerprint] = a
	}
	return p.each(keys, func(p *page, key string) (bool, error) {
		a := byKey[key]
		_, retry, err := b.askJSON(ctx, p, http.MethodPost, address, nil, b.event(p, &a))
		return retry, err
	})
}

func (b *bleemeo) event(p *page, a *template.Alert) bleemeoEvent {
	status, text, changed := 2, "Critical", a.StartsAt
	switch {
	case a.Status == "resolved":
		status, text, changed = 0, "OK", a.EndsAt
	case a.Labels["severity"] == "warning" || a.Labels["severity"] == "info":
		status, text = 1, "Warning"
	case a.Labels["severity"] == "unknown":
		status, text = 3, "Unknown"
	}
	host := a.Labels["host"]
	if host == "" {
		host = a.Labels["instance"]
	}
	name := strings.TrimPrefix(host+" - "+a.Labels["alertname"], " - ")
	says := a.Annotations["description"]
	if says == "" {
		says = a.Annotations["summary"]
	}
	return bleemeoEvent{
		ID: asUUID("event", a.Fingerprint, a.StartsAt.UTC().String()), Account: b.Account, Agent: asUUID("agent", host), Metric: asUUID("metric", a.Fingerprint),
		Status: status, StatusText: text, Text: says, Title: name + " is " + strings.ToLower(text), StatusChangedAt: changed.UTC(), Notified: true,
		CreatedAt: a.StartsAt.UTC(), ModifiedAt: p.at.UTC(), HappenedAt: changed.UTC(), Labels: a.Labels,
	}
}

// asUUID makes a UUID (RFC 9562, version 8) of names: the same for the same.
func asUUID(names ...string) string {
	b := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
