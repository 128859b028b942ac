package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/coder/websocket"

	"github.com/hulotte-dev/hulotte/check"
)

// websocketOptions are those of the kind websocket.
type websocketOptions struct {
	serviceOptions
	Vhost        string            `json:"vhost,omitempty" doc:"name of the site, for the Host header and TLS, when it is not the address"`
	Path         string            `json:"path,omitempty" doc:"path and query; / when nothing is declared"`
	Headers      map[string]string `json:"headers,omitempty" doc:"headers to send"`
	Origin       string            `json:"origin,omitempty" doc:"Origin header, where the server wants one"`
	Subprotocols []string          `json:"subprotocols,omitempty" doc:"subprotocols to offer; CRITICAL when the server takes none"`
	Send         string            `json:"send,omitempty" doc:"text message to send"`
	Expect       string            `json:"expect,omitempty" doc:"regular expression; messages are read until one matches"`
	Username     string            `json:"username,omitempty" doc:"user for basic authentication"`
	Password     string            `json:"password,omitempty" doc:"its password"`
	Token        string            `json:"bearer_token,omitempty" doc:"bearer token"`

	expect *regexp.Regexp
}

func websocketKind() check.Kind {
	return newService[websocketOptions]("websocket", "Opens a WebSocket; can send a message and wait for one.", 80, 443)
}

func (o *websocketOptions) prepare() error {
	if o.Username != "" && o.Token != "" {
		return errors.New("username and bearer_token: declare one of them")
	}
	if o.Vhost != "" && o.ServerName == "" {
		o.ServerName, _, _ = strings.Cut(o.Vhost, ":")
	}
	if o.Expect == "" {
		return nil
	}
	var err error
	if o.expect, err = regexp.Compile(o.Expect); err != nil {
		return fmt.Errorf("expect: %w", err)
	}
	return nil
}

func (o *websocketOptions) talk(ctx context.Context, s *session, rep *report) error {
	conn, code, err := o.dial(ctx, s)
	upgraded := 0.0
	if err == nil {
		upgraded = 1
	}
	rep.metric("probe_websocket_status_code", "Response HTTP status code", float64(code))
	rep.metric("probe_websocket_connection_upgraded", "Indicates if the websocket connection was successfully upgraded", upgraded)
	if err != nil {
		if code != 0 && code != http.StatusSwitchingProtocols {
			return fmt.Errorf("the server does not open a WebSocket: HTTP %d %s", code, http.StatusText(code))
		}
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	rep.hello("WebSocket OK")
	if len(o.Subprotocols) > 0 {
		if conn.Subprotocol() == "" {
			return errors.New("the server takes none of the subprotocols")
		}
		rep.hello("WebSocket OK, %s", conn.Subprotocol())
	}
	failed := 0.0
	err = o.converse(ctx, conn, rep)
	if errors.As(err, new(errExpected)) {
		failed = 1
	}
	rep.metric("probe_websocket_failed_due_to_regex", helpRegex, failed)
	if err == nil {
		_ = s.send([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}) // a close frame with code 1000; its answer is not waited for
	}
	return err
}

func (o *websocketOptions) dial(ctx context.Context, s *session) (*websocket.Conn, int, error) {
	used := false
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders, DialContext: func(context.Context, string, string) (net.Conn, error) {
		if used {
			return nil, errors.New("the server leads elsewhere (a redirect)")
		}
		used = true
		return newSpeaksFirst(&talking{Conn: s.out(), in: s.in}), nil
	}}
	header := http.Header{"User-Agent": {"Hulotte"}}
	for name, value := range o.Headers {
		header.Set(name, value)
	}
	if o.Origin != "" {
		header.Set("Origin", o.Origin)
	}
	if o.Token != "" {
		header.Set("Authorization", "Bearer "+o.Token)
	}
	host := o.Vhost
	if host == "" {
		host = s.address
	}
	path := o.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	url := "ws://" + host + path // TLS is there already
	if o.Username != "" {
		r := http.Request{Header: header}
		r.SetBasicAuth(o.Username, o.Password)
	}
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header, Subprotocols: o.Subprotocols, HTTPClient: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}})
	if err != nil {
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			err = inner
		}
	}
	code := 0
	if resp != nil {
		code = resp.StatusCode
		if err != nil && resp.Body != nil { // else it is the connection
			resp.Body.Close()
		}
	}
	return conn, code, err
}

func (o *websocketOptions) converse(ctx context.Context, conn *websocket.Conn, rep *report) error {
	conn.SetReadLimit(256 << 10)
	if o.Send != "" {
		if err := conn.Write(ctx, websocket.MessageText, []byte(o.Send)); err != nil {
			return err
		}
	}
	last := ""
	for range maxPackets {
		if o.expect == nil {
			return nil
		}
		_, message, err := conn.Read(ctx)
		if err != nil {
			return notExpected(err, fmt.Sprintf("no message matched %q", o.expect), last)
		}
		if o.expect.Match(message) {
			rep.fact("message %q came", printable(string(message), 80))
			return nil
		}
		last = string(message)
	}
	return notExpected(errors.New("too many messages came"), fmt.Sprintf("no message matched %q", o.expect), last)
}
