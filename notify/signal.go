package notify

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// signal tells people by Signal through a signal-cli-rest-api server, POST /v2/send:
// https://bbernhard.github.io/signal-cli-rest-api/#/Messages/post_v2_send.
type signal struct {
	settings `yaml:",inline"`

	URL        string   `yaml:"url"`
	Number     string   `yaml:"number"`     // the account that sends
	Recipients []string `yaml:"recipients"` // numbers, user names, groups as "group.…"

	Message string `yaml:"message"`
	Styled  bool   `yaml:"styled"` // *italic*, **bold**, ~strikethrough~, ||spoiler||, `monospace`
}

const (
	signalMaxMessage = 2000 // bytes: of a longer one phones show the beginning, and fetch the rest as a file
	signalMessage    = defaultTitle + "\n" + defaultMessage
)

func newSignal() addressed { return &signal{settings: defaults(), Message: signalMessage} }

func (s *signal) check() error {
	switch {
	case s.URL == "":
		return badField("url", "is missing: where signal-cli-rest-api answers")
	case s.Number == "":
		return badField("number", "is missing: the account that sends, such as +33612345678")
	case len(s.Recipients) == 0 || slices.Contains(s.Recipients, ""):
		return badField("recipients", "are missing: numbers such as +33612345678, or groups")
	}
	return checkURL("url", s.URL)
}

func (s *signal) to(address string) addressed {
	c := *s
	c.Recipients = []string{address}
	return &c
}

func (s *signal) send(ctx context.Context, p *page) (bool, error) {
	var recipients []string
	for _, r := range s.Recipients {
		recipients = append(recipients, p.line(r))
	}
	mode := "normal"
	if s.Styled {
		mode = "styled"
	}
	_, retry, err := s.askJSON(ctx, p, http.MethodPost, strings.TrimSuffix(p.line(s.URL), "/")+"/v2/send", nil, map[string]any{
		"message": p.body(s.Message, signalMaxMessage), "number": p.line(s.Number), "recipients": recipients, "text_mode": mode,
	})
	return retry, err
}
