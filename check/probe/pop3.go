package probe

import (
	"context"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// pop3Options are those of the kind pop3.
type pop3Options struct{ mailboxOptions }

func pop3Kind() check.Kind {
	return newService[pop3Options]("pop3", "Asks a POP3 server: greeting, STLS, login, how many messages wait.", 110, 995)
}

func (o *pop3Options) talk(ctx context.Context, s *session, rep *report) error {
	greeting, err := s.pop3("")
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	rep.hello("POP3 OK, %s", printable(greeting, 100))
	if o.StartTLS {
		if _, err := s.pop3("STLS"); err != nil {
			return fmt.Errorf("STLS: %w", err)
		}
		if err := s.startTLS(ctx, &o.tlsOptions); err != nil {
			return err
		}
	}
	if o.Username != "" {
		if err := o.login(s, rep); err != nil {
			return err
		}
	}
	_, _ = s.pop3("QUIT") // it has said all that is asked
	return nil
}

func (o *pop3Options) login(s *session, rep *report) error {
	if s.secured == nil && !o.PlainLogin {
		return errNotAsked{errPlainLogin}
	}
	password, err := o.secret()
	if err != nil {
		return err
	}
	if _, err = s.pop3("USER " + o.Username); err == nil {
		_, err = s.pop3("PASS " + password)
	}
	if err != nil {
		return fmt.Errorf("login of %s: %w", o.Username, err)
	}
	rep.fact("%s logged in", o.Username)
	stat, err := s.pop3("STAT")
	if err != nil {
		return fmt.Errorf("STAT: %w", err)
	}
	if words := strings.Fields(stat); len(words) > 0 {
		rep.fact("%s messages", printable(words[0], 20))
	}
	return nil
}

// pop3 sends a command, unless it is empty, and reads an answer of one line (RFC 1939, 3).
func (s *session) pop3(command string) (string, error) {
	if command != "" {
		if err := s.sendLine("%s", command); err != nil {
			return "", err
		}
	}
	line, err := s.line()
	if err != nil {
		return "", err
	}
	text, ok := strings.CutPrefix(line, "+OK")
	if !ok {
		return "", fmt.Errorf("the answer is %q", printable(line, 100))
	}
	return strings.TrimSpace(text), nil
}
