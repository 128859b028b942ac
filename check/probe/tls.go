package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/check"
)

// tlsKindOptions are those of the kind tls.
type tlsKindOptions struct {
	serviceOptions
	StartTLS string   `json:"starttls,omitempty" doc:"protocol in whose way TLS begins: smtp, imap, pop3, ftp, ldap or postgresql"`
	ALPN     []string `json:"alpn,omitempty" doc:"application protocols to offer, such as h2; CRITICAL when the other side takes none"`
}

// upgrades: the handshake is in talk.
func (o *tlsKindOptions) upgrades() {}

func tlsKind() check.Kind {
	return newService[tlsKindOptions]("tls", "Asks for a TLS handshake: certificates, their names, chain and ends, version.", 443, 0)
}

func (o *tlsKindOptions) prepare() error {
	switch o.StartTLS {
	case "", "smtp", "imap", "pop3", "ftp", "ldap", "postgresql":
		return nil
	}
	return fmt.Errorf("starttls: %q: write smtp, imap, pop3, ftp, ldap or postgresql", o.StartTLS)
}

func (o *tlsKindOptions) talk(ctx context.Context, s *session, rep *report) error {
	if err := o.begin(ctx, s); err != nil {
		return err
	}
	state := s.secured.ConnectionState()
	rep.hello("TLS OK, %s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	if len(o.ALPN) > 0 {
		if state.NegotiatedProtocol == "" {
			return errors.New("the other side takes none of the application protocols that were offered")
		}
		rep.fact("speaks %s", state.NegotiatedProtocol)
	}
	_ = s.secured.CloseWrite() // says goodbye, so that the other side logs no broken connection
	return nil
}

func (o *tlsKindOptions) begin(ctx context.Context, s *session) error {
	var err error
	switch o.StartTLS {
	case "smtp":
		if _, err = s.command(220, ""); err == nil {
			if _, err = s.command(250, "EHLO localhost"); err == nil {
				_, err = s.command(220, "STARTTLS")
			}
		}
	case "ftp":
		if _, err = s.command(220, ""); err == nil {
			_, err = s.command(234, "AUTH TLS")
		}
	case "imap":
		if _, err = s.line(); err == nil {
			_, err = s.imap("a1", "STARTTLS")
		}
	case "pop3":
		if _, err = s.pop3(""); err == nil {
			_, err = s.pop3("STLS")
		}
	case "ldap":
		return s.ldapStartTLS(ctx, &o.tlsOptions, o.ALPN...)
	case "postgresql":
		return (&postgresqlOptions{sqlOptions{serviceOptions: o.serviceOptions}}).requestTLS(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("before TLS: %w", err)
	}
	return s.startTLS(ctx, &o.tlsOptions, o.ALPN...)
}
