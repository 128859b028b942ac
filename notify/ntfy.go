package notify

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// ntfy tells by a server of ntfy, with the JSON form of https://docs.ntfy.sh/publish/#publish-as-json.
type ntfy struct {
	settings `yaml:",inline"`

	Server       string           `yaml:"server"`
	Topic        string           `yaml:"topic"`
	Token        commoncfg.Secret `yaml:"token"`
	TokenFile    string           `yaml:"token_file"`
	Username     string           `yaml:"username"`
	Password     commoncfg.Secret `yaml:"password"`
	PasswordFile string           `yaml:"password_file"`

	Title    string       `yaml:"title"`
	Message  string       `yaml:"message"`
	Priority string       `yaml:"priority"` // by severity when empty
	Tags     []string     `yaml:"tags"`
	Click    string       `yaml:"click"`
	Icon     string       `yaml:"icon"`
	Attach   string       `yaml:"attach"`
	Markdown bool         `yaml:"markdown"`
	Email    string       `yaml:"email"`
	Call     string       `yaml:"call"`
	Delay    string       `yaml:"delay"`
	Actions  []ntfyAction `yaml:"actions"`
}

// ntfyAction is a button: https://docs.ntfy.sh/publish/#action-buttons.
type ntfyAction struct {
	Action  string                      `yaml:"action" json:"action"`
	Label   string                      `yaml:"label" json:"label"`
	URL     string                      `yaml:"url" json:"url,omitempty"`
	Method  string                      `yaml:"method" json:"method,omitempty"`
	Headers map[string]commoncfg.Secret `yaml:"headers" json:"-"`
	Header  map[string]string           `yaml:"-" json:"headers,omitempty"`
	Body    string                      `yaml:"body" json:"body,omitempty"`
	Intent  string                      `yaml:"intent" json:"intent,omitempty"`
	Extras  map[string]string           `yaml:"extras" json:"extras,omitempty"`
	Clear   bool                        `yaml:"clear" json:"clear,omitempty"`
}

const (
	ntfyMaxMessage = 4096 // bytes; a longer one becomes an attachment, which a phone does not show
	ntfyMaxActions = 3
)

func newNtfy() addressed {
	return &ntfy{settings: defaults(), Server: "https://ntfy.sh", Title: defaultTitle, Message: defaultMessage, Click: defaultLink}
}

func (n *ntfy) check() error {
	if n.Topic == "" {
		return badField("topic", "is missing")
	}
	if err := checkURL("server", n.Server); err != nil {
		return err
	}
	switch {
	case n.Token != "" && n.TokenFile != "":
		return badField("token_file", "is set besides token: only one of them")
	case n.Password != "" && n.PasswordFile != "":
		return badField("password_file", "is set besides password: only one of them")
	case (n.Token != "" || n.TokenFile != "") && n.Username != "":
		return badField("username", "is set besides a token: only one of them")
	case n.Username == "" && (n.Password != "" || n.PasswordFile != ""):
		return badField("username", "is missing, while there is a password")
	case len(n.Actions) > ntfyMaxActions:
		return badField("actions", "are %d: ntfy shows at most %d", len(n.Actions), ntfyMaxActions)
	}
	if _, err := ntfyPriority(n.Priority); err != nil && !strings.Contains(n.Priority, "{{") {
		return badField("priority", "%w", err)
	}
	for i, a := range n.Actions {
		switch {
		case a.Action != "view" && a.Action != "http" && a.Action != "broadcast":
			return badField("actions", "[%d].action is %q: view, http or broadcast", i, a.Action)
		case a.Label == "":
			return badField("actions", "[%d].label is missing", i)
		case a.URL == "" && a.Action != "broadcast":
			return badField("actions", "[%d].url is missing", i)
		}
	}
	return nil
}

// ntfyPriority reads one of https://docs.ntfy.sh/publish/#message-priority. Empty is 0: not set.
func ntfyPriority(text string) (int, error) {
	switch text = strings.ToLower(strings.TrimSpace(text)); text {
	case "":
		return 0, nil
	case "min":
		return 1, nil
	case "low":
		return 2, nil
	case "default":
		return 3, nil
	case "high":
		return 4, nil
	case "max", "urgent":
		return 5, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 5 {
		return n, nil
	}
	return 0, fmt.Errorf("is %q: min, low, default, high, max or 1 to 5", text)
}

// to takes a topic, or the address of one.
func (n *ntfy) to(address string) addressed {
	c := *n
	c.Topic = address
	if i := strings.LastIndex(address, "/"); i >= 0 {
		c.Server, c.Topic = address[:i], address[i+1:]
	}
	return &c
}

type ntfyMessage struct {
	Topic    string       `json:"topic"`
	Title    string       `json:"title,omitempty"`
	Message  string       `json:"message"`
	Priority int          `json:"priority,omitempty"`
	Tags     []string     `json:"tags,omitempty"`
	Click    string       `json:"click,omitempty"`
	Icon     string       `json:"icon,omitempty"`
	Attach   string       `json:"attach,omitempty"`
	Markdown bool         `json:"markdown,omitempty"`
	Email    string       `json:"email,omitempty"`
	Call     string       `json:"call,omitempty"`
	Delay    string       `json:"delay,omitempty"`
	Actions  []ntfyAction `json:"actions,omitempty"`
}

func (n *ntfy) send(ctx context.Context, p *page) (bool, error) {
	header, err := n.auth(p)
	if err != nil {
		return true, err
	}
	topic := p.line(n.Topic)
	if header == nil {
		p.secrets.add(topic) // whoever knows it may read and write: https://docs.ntfy.sh/publish/
	}
	m := ntfyMessage{
		Topic: topic, Title: cutRunes(p.line(n.Title), maxTitle), Message: cutBytes(strings.TrimSpace(p.text(n.Message)), ntfyMaxMessage),
		Click: p.link(n.Click), Icon: p.link(n.Icon), Attach: p.link(n.Attach), Markdown: n.Markdown,
		Email: p.line(n.Email), Call: p.line(n.Call), Delay: p.line(n.Delay), Tags: n.tags(p),
	}
	if m.Priority, err = ntfyPriority(p.line(n.Priority)); err != nil {
		return false, fmt.Errorf("priority %w", err)
	}
	if m.Priority == 0 {
		m.Priority = bySeverity(p, 5, 4, 3)
	}
	for _, a := range n.Actions {
		a.URL, a.Body, a.Label = p.line(a.URL), p.text(a.Body), p.line(a.Label)
		a.Header = make(map[string]string, len(a.Headers))
		for k, v := range a.Headers {
			a.Header[k] = p.text(string(v))
		}
		m.Actions = append(m.Actions, a)
	}
	if p.AckURL != "" && len(m.Actions) < ntfyMaxActions {
		m.Actions = append(m.Actions, ntfyAction{Action: "view", Label: "Acknowledge", URL: p.AckURL})
	}
	_, retry, err := n.askJSON(ctx, p, http.MethodPost, strings.TrimSuffix(p.line(n.Server), "/")+"/", header, m)
	return retry, err
}

func (n *ntfy) auth(p *page) (http.Header, error) {
	if n.Username == "" {
		token, err := n.secret(p, n.Token, n.TokenFile)
		return bearer(token), err
	}
	password, err := n.secret(p, n.Password, n.PasswordFile)
	credentials := base64.StdEncoding.EncodeToString([]byte(n.Username + ":" + password))
	p.secrets.add(credentials)
	return http.Header{"Authorization": {"Basic " + credentials}}, err
}

// tags are those of the entry, or an emoji: https://docs.ntfy.sh/emojis/.
func (n *ntfy) tags(p *page) []string {
	if n.Tags == nil {
		if p.firing() {
			return bySeverity(p, []string{"rotating_light"}, []string{"warning"}, nil)
		}
		return []string{"white_check_mark"}
	}
	var out []string
	for _, t := range n.Tags {
		if t = p.line(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// bySeverity chooses by what is worst; other is also that everything is over.
func bySeverity[T any](p *page, critical, warning, other T) T {
	switch p.severity() {
	case "critical":
		return critical
	case "warning":
		return warning
	}
	return other
}
