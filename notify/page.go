package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/template"
)

// page is what somebody is told, as templates see it: Alertmanager's data, and for some kinds whom it goes to.
type page struct {
	*template.Data

	Version  string `json:"version,omitempty"` // as Alertmanager's webhook has it
	GroupKey string `json:"groupKey,omitempty"`
	To       string `json:"to,omitempty"`      // whom it goes to, where there is one request for each
	Message  string `json:"message,omitempty"` // the kind's `message`, filled in
	AckURL   string `json:"ack_url,omitempty"` // where the person told may acknowledge; empty when nobody is on call

	whole   bool // templates see all of this, and not only Alertmanager's data
	at      time.Time
	test    bool
	flush   *flush
	note    *note
	tmpl    *template.Template
	secrets *secretList
	log     *slog.Logger
	ctx     context.Context // Alertmanager's, for its own receivers
	alerts  []*amalert.Alert
	err     error // the first of a template
}

const (
	eachParallel = 8
	maxEach      = 1000 // requests of one notification
)

// each tells several of something, some at once, and those not again that were told in a try before. The error is about those that were not.
func (p *page) each(keys []string, f func(p *page, key string) (bool, error)) (bool, error) {
	if len(keys) > maxEach {
		return false, fmt.Errorf("this would be %d requests, more than %d: tell of fewer at once, by group_by", len(keys), maxEach)
	}
	if p.err != nil {
		return false, p.err
	}
	errs, again := make([]error, len(keys)), make([]bool, len(keys))
	var wg sync.WaitGroup
	slots := make(chan struct{}, eachParallel)
	for i, key := range keys {
		if p.flush.isDone(key) {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			q := *p
			if again[i], errs[i] = f(&q, key); errs[i] == nil {
				p.flush.isNowDone(key)
			}
		})
	}
	wg.Wait()
	if len(keys) == 1 {
		return again[0], errs[0]
	}
	return slices.Contains(again, true), errors.Join(errs...)
}

func (f *flush) isDone(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done[key]
}

func (f *flush) isNowDone(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[key] = true
}

// body is a text for people, with where to acknowledge at its end, cut to a number of bytes.
func (p *page) body(t string, most int) string {
	text, end := strings.TrimSpace(p.text(t)), ""
	if p.AckURL != "" {
		end = "\n\nAcknowledge: " + p.AckURL
	}
	return cutBytes(text, most-len(end)) + end
}

// id is the same for every try of one notification, so that a service may see that it has it already.
func (p *page) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s", p.GroupKey, p.at.UnixNano(), p.flush.content, p.To))
	return hex.EncodeToString(sum[:16])
}

// text fills a template in. Its error is in p.err.
func (p *page) text(t string) string {
	return p.execute(t, p.tmpl.ExecuteTextString)
}

// html is text with what is not the template's own escaped.
func (p *page) html(t string) string {
	return p.execute(t, p.tmpl.ExecuteHTMLString)
}

func (p *page) execute(t string, f func(string, any) (string, error)) string {
	if p.err != nil || !strings.Contains(t, "{{") {
		return t
	}
	var data any = p
	if !p.whole {
		data = p.Data // so that routeLabels works
	}
	out, err := f(t, data)
	if err != nil {
		p.err = fmt.Errorf("a template cannot be filled in: %w", err)
		return ""
	}
	return out
}

// line is text without blanks around it and line feeds in it.
func (p *page) line(t string) string { return strings.Join(strings.Fields(p.text(t)), " ") }

// link is a template's address; empty unless it is one that people can open.
func (p *page) link(t string) string {
	out := strings.TrimSpace(p.text(t))
	if u, err := url.Parse(out); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return out
}

func (p *page) firing() bool { return p.Status == "firing" }

// severity is the worst of what fires: critical, warning or what the label says; empty when nothing fires.
func (p *page) severity() string {
	worst := ""
	for _, a := range p.Alerts.Firing() {
		switch s := a.Labels["severity"]; {
		case s == "critical" || s == "page" || s == "emergency":
			return "critical"
		case s == "warning" || worst == "":
			worst = s
		}
	}
	return worst
}

// The templates that hold when an entry says nothing. They are made for small screens: what is wrong comes first.
const (
	defaultTitle = `[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] ` +
		`{{ with .CommonLabels.alertname }}{{ . }}{{ else }}{{ .GroupLabels.SortedPairs.Values | join " " }}{{ end }}` +
		`{{ with .CommonLabels.host }} {{ . }}{{ else }}{{ with .CommonLabels.instance }} {{ . }}{{ end }}{{ end }}` +
		`{{ with .CommonLabels.severity }} ({{ . }}){{ end }}`
	defaultMessage = `{{ range $i, $a := .Alerts }}{{ if $i }}
{{ end }}{{ if eq .Status "resolved" }}✔{{ else }}✘{{ end }} {{ with .Annotations.summary }}{{ . }}{{ else }}{{ .Labels.SortedPairs }}{{ end }}{{ with .Annotations.description }}
{{ . }}{{ end }}{{ with .Annotations.runbook_url }}
Runbook: {{ . }}{{ end }}{{ end }}`
	defaultLink = `{{ .ExternalURL }}/alerts`
	// plainMessage has only characters of a short message's small alphabet.
	plainMessage = `{{ .Status | toUpper }}: {{ range $i, $a := .Alerts }}{{ if $i }}; {{ end }}{{ if ne .Status $.Status }}{{ .Status | toUpper }}: {{ end }}` +
		`{{ with .Annotations.summary }}{{ . }}{{ else }}{{ .Labels.SortedPairs }}{{ end }}{{ end }}`
)

const (
	cut      = "…"
	maxTitle = 250 // characters: no service takes fewer
)

// cutBytes shortens a text to at most n bytes of whole characters.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if n < len(cut) {
		return ""
	}
	n -= len(cut)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + cut
}

// cutRunes shortens a text to at most n characters.
func cutRunes(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + cut
}

// secretList are texts that nobody is to see.
type secretList struct {
	mu  sync.Mutex
	all []string
}

const minSecret = 4 // shorter ones would black out half of a text

// add takes a secret. Of an address, the parts that may tell are taken as well: errors show parts.
func (l *secretList) add(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	take := func(s string) {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(form) >= minSecret && !slices.Contains(l.all, form) {
				l.all = append(l.all, form)
			}
		}
	}
	secret = strings.TrimSpace(secret)
	take(secret)
	if u, err := url.Parse(secret); err == nil && u.Host != "" {
		if u.RawQuery != "" {
			take(u.RawQuery)
			for _, values := range u.Query() {
				for _, v := range values {
					take(v)
				}
			}
		}
		if p, ok := u.User.Password(); ok {
			take(p)
		}
		take(strings.TrimSuffix(u.EscapedPath(), "/"))
	}
	slices.SortStableFunc(l.all, func(a, b string) int { return len(b) - len(a) })
}

func (l *secretList) redact(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		text = strings.ReplaceAll(text, s, "<secret>")
	}
	return text
}

func (l *secretList) redactError(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if e, ok := errors.AsType[*url.Error](err); ok {
		text = strings.ReplaceAll(text, e.URL, "<redacted>")
	}
	if text = l.redact(text); text == err.Error() {
		return err
	}
	return &cleanError{text: text, err: err}
}

// htmlLink is a link for an HTML text.
func (p *page) htmlLink(address, text string) string {
	return `<br><a href="` + html.EscapeString(address) + `">` + html.EscapeString(text) + `</a>`
}
