package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// googleChat tells a space of Google Chat by an incoming webhook: https://developers.google.com/workspace/chat/quickstart/webhooks.
type googleChat struct {
	settings `yaml:",inline"`

	URL     commoncfg.Secret `yaml:"url"`
	URLFile string           `yaml:"url_file"`

	Title   string `yaml:"title"`
	Message string `yaml:"message"`
	Click   string `yaml:"click"`
	// Thread puts what is told of a group into one thread.
	Thread bool `yaml:"thread"`
}

// googleChatMax is of a whole message:
// https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create
const googleChatMax = 32_000

func newGoogleChat() addressed {
	return &googleChat{settings: defaults(), Title: defaultTitle, Message: defaultMessage, Click: defaultLink, Thread: true}
}

func (g *googleChat) check() error {
	if err := oneOf("url", g.URL, g.URLFile); err != nil || g.URL == "" {
		return err
	}
	return checkURL("url", string(g.URL))
}

// to takes the address of a webhook.
func (g *googleChat) to(address string) addressed {
	c := *g
	c.URL, c.URLFile = commoncfg.Secret(address), ""
	return &c
}

func (g *googleChat) send(ctx context.Context, p *page) (bool, error) {
	address, err := g.secret(p, g.URL, g.URLFile)
	if err != nil {
		return true, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return false, badField("url", "is no URL")
	}
	m := map[string]any{}
	if g.Thread {
		q := u.Query()
		q.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
		u.RawQuery = q.Encode()
		sum := sha256.Sum256([]byte(p.GroupKey))
		m["thread"] = map[string]string{"threadKey": hex.EncodeToString(sum[:16])}
	}
	title, end := chatText(cutRunes(p.line(g.Title), maxTitle)), ""
	if click := p.link(g.Click); click != "" {
		end = "\n<" + click + "|Open>"
	}
	if p.AckURL != "" {
		end += "\n<" + p.AckURL + "|Acknowledge>"
	}
	message := strings.TrimSpace(p.text(g.Message))
	for room := googleChatMax; ; {
		m["text"] = "*" + title + "*\n" + cutBytes(message, room) + end
		body, err := encode(m)
		if err != nil {
			return false, err
		}
		if over := len(body) - googleChatMax; over > 0 && room > 0 { // escapes count
			message = cutBytes(message, room)
			room = max(0, len(message)-max(over/2, 1))
			continue
		}
		_, retry, err := g.ask(ctx, p, request{method: http.MethodPost, url: u.String(), contentType: "application/json; charset=UTF-8", body: body})
		return retry, err
	}
}

// chatText takes out what would end a bold text.
func chatText(s string) string { return strings.ReplaceAll(s, "*", "∗") }
