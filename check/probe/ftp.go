package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/check"
)

// ftpOptions are those of the kind ftp.
type ftpOptions struct {
	serviceOptions
	loginOptions
	StartTLS   bool `json:"starttls,omitempty" doc:"continue in TLS with AUTH TLS"`
	PlainLogin bool `json:"plain_login,omitempty" doc:"log in without TLS too; anonymous always may"`
}

func ftpKind() check.Kind {
	return newService[ftpOptions]("ftp", "Asks an FTP server: greeting, AUTH TLS, login.", 21, 990)
}

func (o *ftpOptions) prepare() error {
	if o.TLS && o.StartTLS {
		return errors.New("tls and starttls: declare one of them")
	}
	return o.validateLogin()
}

func (o *ftpOptions) talk(ctx context.Context, s *session, rep *report) error {
	greeting, err := s.command(220, "")
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	rep.hello("FTP OK, %s", printable(greeting[0], 100))
	if o.StartTLS {
		if _, err := s.command(234, "AUTH TLS"); err != nil {
			return fmt.Errorf("AUTH TLS: %w", err)
		}
		if err := s.startTLS(ctx, &o.tlsOptions); err != nil {
			return err
		}
	}
	if err := o.login(s, rep); err != nil {
		return err
	}
	_ = s.sendLine("QUIT") // it has said all that is asked
	_, _, _ = s.reply()
	return nil
}

func (o *ftpOptions) login(s *session, rep *report) error {
	if o.Username == "" {
		return nil
	}
	if s.secured == nil && !o.PlainLogin && o.Username != "anonymous" {
		return errNotAsked{errPlainLogin}
	}
	password, err := o.secret()
	if err != nil {
		return err
	}
	if err := s.sendLine("USER %s", o.Username); err != nil {
		return err
	}
	code, lines, err := s.reply()
	if err != nil {
		return err
	}
	if code == 331 {
		_, err = s.command(230, "PASS %s", password)
	} else if code != 230 {
		err = errReply{code, lines[0]}
	}
	if err != nil {
		return fmt.Errorf("login of %s: %w", o.Username, err)
	}
	rep.fact("%s logged in", o.Username)
	return nil
}
