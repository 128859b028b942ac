package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	commoncfg "github.com/prometheus/common/config"
)

// matrix tells a room of Matrix: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid. Rooms
// with encryption show it as not encrypted.
type matrix struct {
	settings `yaml:",inline"`

	URL       string           `yaml:"url"` // of the homeserver
	Token     commoncfg.Secret `yaml:"token"`
	TokenFile string           `yaml:"token_file"`
	Room      string           `yaml:"room"` // !id:server or #alias:server

	Title   string `yaml:"title"`
	Message string `yaml:"message"`
	HTML    string `yaml:"html"`
	Type    string `yaml:"type"` // text, which makes a sound, or notice
	// Join enters a room that the account is invited to, or that is open, when it is not in it.
	Join bool `yaml:"join"`
}

const (
	// matrixMax is of a whole event, of which the server adds some: https://spec.matrix.org/latest/client-server-api/#size-limits.
	matrixMax     = 65_536
	matrixMaxText = 12_000 // the text stands there twice, once with escapes
	defaultHTML   = `<strong>{{ template "__subject" . }}</strong>{{ range .Alerts }}<br>{{ if eq .Status "resolved" }}✔{{ else }}✘{{ end }} ` +
		`{{ with .Annotations.summary }}{{ . }}{{ else }}{{ .Labels.SortedPairs }}{{ end }}{{ with .Annotations.description }}<br>{{ . }}{{ end }}` +
		`{{ with .Annotations.runbook_url }} <a href="{{ . }}">Runbook</a>{{ end }}{{ end }}<br><a href="{{ .ExternalURL }}/alerts">Open</a>`
)

func newMatrix() addressed {
	return &matrix{settings: defaults(), Title: defaultTitle, Message: defaultMessage, HTML: defaultHTML, Type: "text", Join: true}
}

func (m *matrix) check() error {
	switch {
	case m.URL == "":
		return badField("url", "is missing: the homeserver's address")
	case m.Room == "":
		return badField("room", "is missing: !id:server or #alias:server")
	case !strings.Contains(m.Room, "{{") && m.Room[0] != '!' && m.Room[0] != '#':
		return badField("room", "is %q: !id:server or #alias:server", m.Room)
	case m.Type != "text" && m.Type != "notice":
		return badField("type", "is %q: text or notice", m.Type)
	}
	if err := checkURL("url", m.URL); err != nil {
		return err
	}
	return oneOf("token", m.Token, m.TokenFile)
}

func (m *matrix) to(address string) addressed {
	c := *m
	c.Room = address
	return &c
}

func (m *matrix) send(ctx context.Context, p *page) (bool, error) {
	token, err := m.secret(p, m.Token, m.TokenFile)
	if err != nil {
		return true, err
	}
	base, header := strings.TrimSuffix(p.line(m.URL), "/")+"/_matrix/client/v3/", bearer(token)
	event := map[string]string{"msgtype": "m." + m.Type, "body": p.line(m.Title) + "\n" + p.body(m.Message, matrixMaxText)}
	if m.HTML != "" {
		html := strings.TrimSpace(p.html(m.HTML))
		if p.AckURL != "" {
			html += p.htmlLink(p.AckURL, "Acknowledge")
		}
		if body, err := encode(html); err == nil && len(body) <= matrixMax-3*matrixMaxText { // else the plain text says it
			event["format"], event["formatted_body"] = "org.matrix.custom.html", html
		}
	}
	room := p.line(m.Room)
	if p.err != nil {
		return false, p.err
	}
	if strings.HasPrefix(room, "#") {
		alias := room
		var retry bool
		if room, retry, err = m.resolve(ctx, p, base, header, alias); err != nil {
			return retry, fmt.Errorf("the room %s: %w", alias, err)
		}
	}
	put := base + "rooms/" + url.PathEscape(room) + "/send/m.room.message/" + p.id()
	_, retry, err := m.askJSON(ctx, p, http.MethodPut, put, header, event)
	if m.Join && hasStatus(err, http.StatusForbidden) {
		if _, retry, err := m.askJSON(ctx, p, http.MethodPost, base+"join/"+url.PathEscape(room), header, struct{}{}); err != nil {
			return retry, fmt.Errorf("cannot join the room: %w", err)
		}
		_, retry, err = m.askJSON(ctx, p, http.MethodPut, put, header, event)
	}
	return retry, err
}

// resolve finds a room's ID: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3directoryroomroomalias.
func (m *matrix) resolve(ctx context.Context, p *page, base string, header http.Header, alias string) (string, bool, error) {
	answer, retry, err := m.ask(ctx, p, request{method: http.MethodGet, url: base + "directory/room/" + url.PathEscape(alias), header: header, quiet: true})
	if err != nil {
		return "", retry, err
	}
	var found struct {
		RoomID string `json:"room_id"`
	}
	if err := json.Unmarshal(answer, &found); err != nil || found.RoomID == "" {
		return "", false, fmt.Errorf("the homeserver does not say its ID")
	}
	return found.RoomID, false, nil
}
