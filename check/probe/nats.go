package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// natsOptions are those of the kind nats.
type natsOptions struct {
	serviceOptions
	loginOptions
	Token     string `json:"token,omitempty" doc:"token to log in with"`
	TokenFile string `json:"token_file,omitempty" doc:"file with the token"`
}

func natsKind() check.Kind {
	return newService[natsOptions]("nats", "Asks a NATS server: INFO, login, PING; continues in TLS when the server wants that.", 4222, 0)
}

func (o *natsOptions) prepare() error {
	if o.Token != "" && o.TokenFile != "" {
		return errors.New("token and token_file: declare one of them")
	}
	return o.validateLogin()
}

// natsInfo is what the server says of itself (docs.nats.io/reference/reference-protocols/nats-protocol).
type natsInfo struct {
	Version   string `json:"version"`
	Name      string `json:"server_name"`
	Auth      bool   `json:"auth_required"`
	TLS       bool   `json:"tls_required"`
	JetStream bool   `json:"jetstream"`
	LameDuck  bool   `json:"ldm"`
}

func (o *natsOptions) talk(ctx context.Context, s *session, rep *report) error {
	info, err := o.begin(ctx, s)
	if err != nil {
		return err
	}
	rep.hello("NATS %s OK, %s, PONG", printable(info.Version, 40), printable(info.Name, 80))
	if info.LameDuck {
		return errors.New("the server is about to stop (lame duck mode)")
	}
	if info.Auth && o.Username == "" && o.Token == "" && o.TokenFile == "" {
		rep.hello("NATS %s OK, %s, asks for a login", printable(info.Version, 40), printable(info.Name, 80))
		return nil
	}
	return o.login(s)
}

// begin reads INFO, and begins TLS when the server wants that. With the option tls it was there from the start (handshake_first).
func (o *natsOptions) begin(ctx context.Context, s *session) (natsInfo, error) {
	info, err := s.natsInfo()
	if err == nil && info.TLS && s.secured == nil {
		err = s.startTLS(ctx, &o.tlsOptions)
	}
	return info, err
}

func (s *session) natsInfo() (natsInfo, error) {
	var info natsInfo
	line, err := s.line()
	if err != nil {
		return info, err
	}
	text, ok := strings.CutPrefix(line, "INFO ")
	if !ok {
		return info, fmt.Errorf("the server began with %q, not with INFO", printable(line, 80))
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return info, fmt.Errorf("the server's INFO cannot be read: %w", err)
	}
	return info, nil
}

func (o *natsOptions) login(s *session) error {
	password, err := o.secret()
	if err != nil {
		return err
	}
	token, err := secret(o.Token, o.TokenFile, "token_file")
	if err != nil {
		return err
	}
	connect, err := json.Marshal(map[string]any{"verbose": false, "pedantic": false, "name": "hulotte", "lang": "go", "version": "1", "protocol": 1,
		"user": o.Username, "pass": password, "auth_token": token, "tls_required": s.secured != nil})
	if err != nil {
		return err
	}
	if err := s.sendLine("CONNECT %s\r\nPING", connect); err != nil {
		return err
	}
	for {
		line, err := s.line()
		switch {
		case err != nil:
			return err
		case line == "PONG":
			return nil
		case strings.HasPrefix(line, "-ERR"):
			return fmt.Errorf("the server says %s", printable(strings.TrimPrefix(line, "-ERR "), 100))
		}
	}
}

// keep logs in, and then answers the server's PINGs: who does not is thrown out.
func (o *natsOptions) keep(ctx context.Context, s *session) error {
	info, err := o.begin(ctx, s)
	if err != nil {
		return err
	}
	if info.Auth && o.Username == "" && o.Token == "" && o.TokenFile == "" {
		return errors.New("the server asks for a login, and does not let others stay")
	}
	if err := o.login(s); err != nil {
		return err
	}
	s.idle = func() error {
		line, err := s.line()
		if err == nil && line == "PING" {
			err = s.sendLine("PONG")
		}
		return err
	}
	return nil
}
