package notify

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// call is an HTTP request whose parts are templates.
type call struct {
	Method      string                      `yaml:"method"`
	URL         commoncfg.Secret            `yaml:"url"` // a template
	URLFile     string                      `yaml:"url_file"`
	Headers     map[string]commoncfg.Secret `yaml:"headers"` // templates
	ContentType string                      `yaml:"content_type"`
	Body        commoncfg.Secret            `yaml:"body"` // a template
}

var callMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func (c *call) check() error {
	if err := oneOf("url", c.URL, c.URLFile); err != nil {
		return err
	}
	if !slices.Contains(callMethods, c.Method) {
		return badField("method", "is %q: one of %s", c.Method, strings.Join(callMethods, ", "))
	}
	for name := range c.Headers {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) {
			return badField("headers", "have the name %q, which is none", name)
		}
	}
	if c.URL == "" {
		return nil
	}
	return checkURL("url", string(c.URL))
}

// perform makes the call.
func (c *call) perform(ctx context.Context, s *settings, p *page) (bool, error) {
	address, err := s.secret(p, c.URL, c.URLFile)
	if err != nil {
		return true, err
	}
	filled := strings.TrimSpace(p.text(address))
	if filled != address {
		p.secrets.add(filled) // errors show parts of it
	}
	r := request{method: c.Method, url: filled, header: http.Header{}}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		value := p.line(string(c.Headers[name]))
		p.secrets.add(value)
		r.header.Set(name, value)
	}
	if c.Method != http.MethodGet {
		r.contentType, r.body = c.ContentType, []byte(p.text(string(c.Body)))
	}
	if p.err == nil && checkURL("url", filled) != nil {
		return false, fmt.Errorf("the url, filled in, is none that begins with http:// or https://")
	}
	_, retry, err := s.ask(ctx, p, r)
	return retry, err
}

// webhook calls any URL with any headers and body.
type webhook struct {
	settings `yaml:",inline"`
	call     `yaml:",inline"`

	Message string `yaml:"message"` // what .Message is in url, headers and body
	address string // of one person: what .To is, or the URL itself
	direct  bool   // it is the URL
}

func newHTTP() addressed {
	return &webhook{settings: defaults(), call: call{Method: http.MethodPost, ContentType: "application/json", Body: "{{ . | toJson }}"}, Message: defaultMessage}
}

func (w *webhook) check() error { return w.call.check() }

// to takes a URL, or what .To is in the templates.
func (w *webhook) to(address string) addressed {
	c := *w
	c.address, c.direct = address, w.direct || w.URL == "" && w.URLFile == ""
	if c.direct {
		c.URL = commoncfg.Secret(address)
	}
	return &c
}

func (w *webhook) send(ctx context.Context, p *page) (bool, error) {
	message := p.body(w.Message, maxMessageBytes)
	p.To, p.Message, p.whole = w.address, message, true
	return w.perform(ctx, &w.settings, p)
}

const maxMessageBytes = 64 << 10

// sms sends short messages through any gateway that takes them over HTTP, one request for each number.
type sms struct {
	settings `yaml:",inline"`
	call     `yaml:",inline"`

	To        []string `yaml:"to"`
	Message   string   `yaml:"message"`
	MaxLength int      `yaml:"max_length"` // characters
}

const (
	// smsLength is what three parts hold of the small alphabet (GSM 03.38, 153 characters each).
	smsLength    = 459
	smsMaxLength = 10_000
	smsBody      = `{"to":{{ .To | toJson }},"message":{{ .Message | toJson }}}`
)

func newSMS() addressed {
	return &sms{settings: defaults(), call: call{Method: http.MethodPost, ContentType: "application/json", Body: smsBody}, Message: plainMessage, MaxLength: smsLength}
}

func (s *sms) check() error {
	switch {
	case len(s.To) == 0 || slices.Contains(s.To, ""):
		return badField("to", "is missing: numbers such as +33612345678")
	case s.MaxLength < 20 || s.MaxLength > smsMaxLength:
		return badField("max_length", "is %d: 20 to %d characters", s.MaxLength, smsMaxLength)
	}
	return s.call.check()
}

func (s *sms) to(address string) addressed {
	c := *s
	c.To = []string{address}
	return &c
}

func (s *sms) send(ctx context.Context, p *page) (bool, error) {
	text, end := strings.Join(strings.Fields(p.text(s.Message)), " "), ""
	if p.AckURL != "" {
		end = " Ack: " + p.AckURL
	}
	if len([]rune(text))+len(end) > s.MaxLength {
		const dots = "..." // not in one character, for the small alphabet
		text = string([]rune(text)[:max(0, s.MaxLength-len(dots)-len(end))]) + dots
	}
	var numbers []string
	for _, number := range s.To {
		numbers = append(numbers, strings.Fields(strings.ReplaceAll(p.text(number), ",", " "))...)
	}
	if len(numbers) == 0 && p.err == nil {
		return false, fmt.Errorf("to, filled in, has no number")
	}
	return p.each(numbers, func(p *page, number string) (bool, error) {
		p.To, p.Message, p.whole = number, text+end, true
		retry, err := s.perform(ctx, &s.settings, p)
		if err != nil {
			return retry, fmt.Errorf("to %s: %w", number, err)
		}
		return false, nil
	})
}
