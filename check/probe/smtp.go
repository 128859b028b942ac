package probe

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// loginOptions are those of mail and file protocols with a user and a password.
type loginOptions struct {
	Username     string `json:"username,omitempty" doc:"user to log in as"`
	Password     string `json:"password,omitempty" doc:"its password"`
	PasswordFile string `json:"password_file,omitempty" doc:"file with the password"`
}

func (o *loginOptions) validateLogin() error {
	if o.Password != "" && o.PasswordFile != "" {
		return errors.New("password and password_file: declare one of them")
	}
	if o.Username == "" && (o.Password != "" || o.PasswordFile != "") {
		return errors.New("username: declare it with the password")
	}
	if strings.ContainsAny(o.Username+o.Password, "\r\n\x00") {
		return errors.New("username and password: they hold a line break")
	}
	return nil
}

func (o *loginOptions) secret() (string, error) {
	return secret(o.Password, o.PasswordFile, "password_file")
}

// errPlainLogin keeps secrets from being sent where all can read them.
var errPlainLogin = errors.New("no login without TLS: declare tls or starttls, or plain_login to send the password all the same")

// smtpOptions are those of the kind smtp.
type smtpOptions struct {
	serviceOptions
	loginOptions
	StartTLS   bool   `json:"starttls,omitempty" doc:"continue in TLS with STARTTLS; CRITICAL when the server does not offer it"`
	PlainLogin bool   `json:"plain_login,omitempty" doc:"log in without TLS too"`
	LMTP       bool   `json:"lmtp,omitempty" doc:"speak LMTP"`
	Helo       string `json:"helo,omitempty" doc:"name to say in EHLO; this machine's when nothing is declared"`
	From       string `json:"from,omitempty" doc:"sender for a test of to"`
	To         string `json:"to,omitempty" doc:"recipient that the server must accept; no mail is sent"`
	Expect     string `json:"expect,omitempty" doc:"text that the greeting must contain"`
}

func smtpKind() check.Kind {
	return newService[smtpOptions]("smtp", "Asks a mail server: greeting, EHLO, STARTTLS, login, whether it takes mail for an address.", 25, 465)
}

func (o *smtpOptions) prepare() error {
	if o.TLS && o.StartTLS {
		return errors.New("tls and starttls: declare one of them")
	}
	if strings.ContainsAny(o.From+o.To+o.Helo, "\r\n<> ") {
		return errors.New("from, to and helo: write plain addresses and names")
	}
	if o.Helo == "" {
		o.Helo, _ = os.Hostname()
		if o.Helo == "" {
			o.Helo = "localhost"
		}
	}
	return o.validateLogin()
}

func (o *smtpOptions) talk(ctx context.Context, s *session, rep *report) error {
	greeting, err := s.command(220, "")
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if o.Expect != "" && !strings.Contains(strings.Join(greeting, "\n"), o.Expect) {
		rep.problem(model.Critical, "the greeting is %q, without %q", printable(greeting[0], 100), o.Expect)
	}
	rep.hello("SMTP OK, %s", printable(greeting[0], 100))
	hello := "EHLO"
	if o.LMTP {
		hello = "LHLO"
	}
	abilities, err := s.command(250, "%s %s", hello, o.Helo)
	if err != nil {
		return fmt.Errorf("%s: %w", hello, err)
	}
	if o.StartTLS {
		if !slices.ContainsFunc(abilities, func(a string) bool { return strings.EqualFold(a, "STARTTLS") }) {
			return errors.New("the server does not offer STARTTLS")
		}
		if _, err := s.command(220, "STARTTLS"); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
		if err := s.startTLS(ctx, &o.tlsOptions); err != nil {
			return err
		}
		if abilities, err = s.command(250, "%s %s", hello, o.Helo); err != nil {
			return fmt.Errorf("%s in TLS: %w", hello, err)
		}
	}
	rep.detail("offers %s", strings.Join(abilities[1:], ", "))
	if err := o.login(s, abilities, rep); err != nil {
		return err
	}
	if err := o.offer(s, rep); err != nil {
		return err
	}
	_ = s.sendLine("QUIT") // it has said all that is asked
	_, _, _ = s.reply()
	return nil
}

func (o *smtpOptions) login(s *session, abilities []string, rep *report) error {
	if o.Username == "" {
		return nil
	}
	if s.secured == nil && !o.PlainLogin {
		return errNotAsked{errPlainLogin}
	}
	password, err := o.secret()
	if err != nil {
		return err
	}
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	offered := strings.ToUpper(strings.Join(abilities, "\n"))
	if strings.Contains(offered, "LOGIN") && !strings.Contains(offered, "PLAIN") {
		if _, err = s.command(334, "AUTH LOGIN"); err == nil {
			if _, err = s.command(334, "%s", encode(o.Username)); err == nil {
				_, err = s.command(235, "%s", encode(password))
			}
		}
	} else {
		_, err = s.command(235, "AUTH PLAIN %s", encode("\x00"+o.Username+"\x00"+password))
	}
	if err != nil {
		return fmt.Errorf("login of %s: %w", o.Username, err)
	}
	rep.fact("%s logged in", o.Username)
	return nil
}

// offer asks whether the server takes mail, and takes the question back.
func (o *smtpOptions) offer(s *session, rep *report) error {
	if o.To == "" {
		return nil
	}
	if _, err := s.command(250, "MAIL FROM:<%s>", o.From); err != nil {
		return fmt.Errorf("MAIL FROM %s: %w", o.From, err)
	}
	if _, err := s.command(2, "RCPT TO:<%s>", o.To); err != nil {
		return fmt.Errorf("RCPT TO %s: %w", o.To, err)
	}
	rep.fact("takes mail for %s", o.To)
	_, err := s.command(250, "RSET")
	return err
}
