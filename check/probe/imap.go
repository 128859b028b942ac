package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// mailboxOptions are those of the kinds imap and pop3.
type mailboxOptions struct {
	serviceOptions
	loginOptions
	StartTLS   bool `json:"starttls,omitempty" doc:"continue in TLS with STARTTLS (STLS)"`
	PlainLogin bool `json:"plain_login,omitempty" doc:"log in without TLS too"`
}

func (o *mailboxOptions) prepare() error {
	if o.TLS && o.StartTLS {
		return errors.New("tls and starttls: declare one of them")
	}
	return o.validateLogin()
}

// imapOptions are those of the kind imap.
type imapOptions struct{ mailboxOptions }

func imapKind() check.Kind {
	return newService[imapOptions]("imap", "Asks an IMAP server: greeting, capabilities, STARTTLS, login.", 143, 993)
}

func (o *imapOptions) talk(ctx context.Context, s *session, rep *report) error {
	greeting, err := s.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(greeting, "* OK") && !strings.HasPrefix(greeting, "* PREAUTH") {
		return fmt.Errorf("the greeting is %q", printable(greeting, 100))
	}
	rep.hello("IMAP OK, %s", printable(withoutCode(strings.TrimPrefix(greeting, "* OK")), 100))
	abilities, err := s.imap("a1", "CAPABILITY")
	if err != nil {
		return err
	}
	if o.StartTLS {
		if _, err := s.imap("a2", "STARTTLS"); err != nil {
			return err
		}
		if err := s.startTLS(ctx, &o.tlsOptions); err != nil {
			return err
		}
	}
	rep.detail("offers %s", strings.TrimPrefix(strings.Join(abilities, " "), "* CAPABILITY "))
	if o.Username != "" {
		if err := o.login(s, rep); err != nil {
			return err
		}
	}
	_, _ = s.imap("a9", "LOGOUT") // it has said all that is asked
	return nil
}

// withoutCode drops a response code such as [CAPABILITY ...].
func withoutCode(text string) string {
	text = strings.TrimSpace(text)
	if end := strings.IndexByte(text, ']'); strings.HasPrefix(text, "[") && end > 0 {
		return strings.TrimSpace(text[end+1:])
	}
	return text
}

func (o *imapOptions) login(s *session, rep *report) error {
	if s.secured == nil && !o.PlainLogin {
		return errNotAsked{errPlainLogin}
	}
	password, err := o.secret()
	if err != nil {
		return err
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	if _, err := s.imap("a3", fmt.Sprintf(`LOGIN "%s" "%s"`, quote.Replace(o.Username), quote.Replace(password))); err != nil {
		return fmt.Errorf("login of %s: %w", o.Username, err)
	}
	rep.fact("%s logged in", o.Username)
	return nil
}

// imap sends a command and reads to its end; it returns what came before (RFC 9051, 2.2).
func (s *session) imap(tag, command string) ([]string, error) {
	if err := s.sendLine("%s %s", tag, command); err != nil {
		return nil, err
	}
	var lines []string
	for range maxReplyLines {
		line, err := s.line()
		if err != nil {
			return nil, err
		}
		result, ok := strings.CutPrefix(line, tag+" ")
		if !ok {
			lines = append(lines, line)
			continue
		}
		if !strings.HasPrefix(result, "OK") {
			return nil, fmt.Errorf("the answer to %s is %s", strings.Fields(command)[0], printable(result, 100))
		}
		return lines, nil
	}
	return nil, errors.New("the answer has too many lines")
}
