package notify

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// gotify tells by a server of Gotify: https://gotify.net/docs/pushmsg and https://gotify.net/docs/msgextras.
type gotify struct {
	settings `yaml:",inline"`

	URL       string           `yaml:"url"`
	Token     commoncfg.Secret `yaml:"token"` // an application's
	TokenFile string           `yaml:"token_file"`

	Title    string `yaml:"title"`
	Message  string `yaml:"message"`
	Priority string `yaml:"priority"` // by severity when empty
	Click    string `yaml:"click"`
	Markdown bool   `yaml:"markdown"`
}

const gotifyMaxMessage = 64 << 10 // ours: phones keep messages

func newGotify() addressed {
	return &gotify{settings: defaults(), Title: defaultTitle, Message: defaultMessage, Click: defaultLink}
}

func (g *gotify) check() error {
	if g.URL == "" {
		return badField("url", "is missing: where the server is")
	}
	if err := checkURL("url", g.URL); err != nil {
		return err
	}
	if _, err := gotifyPriority(g.Priority); err != nil && !strings.Contains(g.Priority, "{{") {
		return badField("priority", "%w", err)
	}
	return oneOf("token", g.Token, g.TokenFile)
}

// gotifyPriority reads 0 to 10; empty is -1.
func gotifyPriority(text string) (int, error) {
	if text = strings.TrimSpace(text); text == "" {
		return -1, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 10 {
		return n, nil
	}
	return 0, fmt.Errorf("is %q: 0 to 10", text)
}

// to takes the token of an application.
func (g *gotify) to(address string) addressed {
	c := *g
	c.Token, c.TokenFile = commoncfg.Secret(address), ""
	return &c
}

func (g *gotify) send(ctx context.Context, p *page) (bool, error) {
	token, err := g.secret(p, g.Token, g.TokenFile)
	if err != nil {
		return true, err
	}
	priority, err := gotifyPriority(p.line(g.Priority))
	if err != nil {
		return false, fmt.Errorf("priority %w", err)
	}
	if priority < 0 {
		priority = bySeverity(p, 8, 5, 4) // from 8 on Android vibrates, below 4 it is silent
	}
	display := "text/plain"
	if g.Markdown {
		display = "text/markdown"
	}
	extras := map[string]any{"client::display": map[string]string{"contentType": display}}
	click := p.link(g.Click)
	if p.AckURL != "" {
		click = p.AckURL
	}
	if click != "" {
		extras["client::notification"] = map[string]any{"click": map[string]string{"url": click}}
	}
	_, retry, err := g.askJSON(ctx, p, http.MethodPost, strings.TrimSuffix(p.line(g.URL), "/")+"/message", http.Header{"X-Gotify-Key": {token}}, map[string]any{
		"title": cutRunes(p.line(g.Title), maxTitle), "message": p.body(g.Message, gotifyMaxMessage), "priority": priority, "extras": extras,
	})
	return retry, err
}
