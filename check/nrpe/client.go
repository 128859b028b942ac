// Package nrpe speaks NRPE, the protocol by which Nagios asks a machine to run plugins, both ways: the kind nrpe asks, Server
// answers. Versions 2, 3 and 4, in the clear and over TLS.
package nrpe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/model"
)

// CheckOptions are those of a check of the kind nrpe.
type CheckOptions struct {
	Command     string   `json:"command" doc:"Name of the command in the other side's nrpe.cfg."`
	Arguments   []string `json:"arguments" doc:"Arguments of the command ($ARG1$, …); the other side must allow them (dont_blame_nrpe=1)."`
	Address     string   `json:"address" doc:"Whom to ask; the host's address by default."`
	Port        int      `json:"port" doc:"5666 by default."`
	Version     int      `json:"version" doc:"Version of the packets: 2, 3 or 4; by default the newest that the other side answers."`
	NoTLS       bool     `json:"no_tls" doc:"Ask in the clear (nrpe -n)."`
	CAFile      string   `json:"ca_file" doc:"Certificates of the authorities that the other side's certificate must come from; without it any is taken, as check_nrpe does."`
	CertFile    string   `json:"cert_file" doc:"Certificate to show when the other side asks for one."`
	KeyFile     string   `json:"key_file" doc:"Its private key."`
	ServerName  string   `json:"server_name" doc:"Name that the other side's certificate must have; with ca_file. By default no name is compared, as certificates of NRPE seldom have the right one."`
	NoAnonymous bool     `json:"no_anonymous" doc:"Refuse daemons without a certificate; with ca_file they are refused anyway."`
	PayloadSize int      `json:"payload_size" doc:"Size of the text of version 2 packets, for NSClient++ with another payload length; 1024 by default."`
}

// Kinds are the kinds of this package.
func Kinds() []check.Kind {
	return []check.Kind{{
		Name:    "nrpe",
		Doc:     "Asks an NRPE daemon, or NSClient++, to run one of its commands.",
		Options: &CheckOptions{},
		New:     func(p check.Params) (check.Prober, error) { return newClient(p) },
	}}
}

type client struct {
	address string
	query   string
	payload int
	version int16 // 0 to find out
	tls     *tls.Config
	// works is the version that was answered last; 0 for none yet.
	works atomic.Int32
	// anonymous is whether a daemon without a certificate may be spoken to, bare whether the one asked last was one.
	anonymous bool
	bare      atomic.Bool
}

func newClient(p check.Params) (*client, error) {
	var o CheckOptions
	if err := check.Decode(p.Options, &o); err != nil {
		return nil, err
	}
	if o.Command == "" {
		return nil, errors.New("command: missing; name a command of the other side's nrpe.cfg, such as check_load (_NRPE_CHECK asks for its version)")
	}
	c := &client{query: strings.Join(append([]string{o.Command}, o.Arguments...), "!"), payload: defaultPayload}
	switch o.Version {
	case 0, 2, 3, 4:
		c.version = int16(o.Version) //nolint:gosec // at most 4
	default:
		return nil, fmt.Errorf("version: %d is none; use 2, 3 or 4", o.Version)
	}
	if o.PayloadSize != 0 {
		if o.PayloadSize < 64 || o.PayloadSize > maxPayload {
			return nil, fmt.Errorf("payload_size: %d is not between 64 and %d", o.PayloadSize, maxPayload)
		}
		c.payload = o.PayloadSize
		if c.version == 0 {
			c.version = 2
		}
	}
	limit := maxPayload
	if c.version == 2 {
		limit = c.payload
	}
	switch {
	case strings.Contains(o.Command, "!"):
		return nil, errors.New("command: it has a !, which separates arguments; use arguments")
	case strings.ContainsRune(c.query, 0) || len(c.query) >= limit:
		return nil, fmt.Errorf("arguments: the command and its arguments are longer than a packet (%d bytes)", limit)
	case o.Port < 0 || o.Port > 65535:
		return nil, fmt.Errorf("port: %d is none", o.Port)
	}
	if o.Port == 0 {
		o.Port = 5666
	}
	if o.Address == "" {
		o.Address = p.Address
	}
	c.address = net.JoinHostPort(o.Address, strconv.Itoa(o.Port))
	if o.NoTLS {
		return c, nil
	}
	c.anonymous = !o.NoAnonymous && o.CAFile == ""
	var err error
	c.tls, err = o.clientTLS()
	return c, err
}

func (o *CheckOptions) clientTLS() (*tls.Config, error) {
	// Old daemons speak old versions; the certificate is verified below, when there is an authority.
	c := &tls.Config{MinVersion: tls.VersionTLS10, InsecureSkipVerify: true} //nolint:gosec // NRPE's certificates have no names, and most of them no authority
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("cert_file and key_file: give both or none")
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if o.CAFile == "" {
		if o.ServerName != "" {
			return nil, errors.New("server_name: it needs ca_file, as a certificate that anyone could have made proves no name")
		}
		return c, nil
	}
	pem, err := readPEM("ca_file", o.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	name := o.ServerName
	c.VerifyConnection = func(s tls.ConnectionState) error {
		v := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		for _, cert := range s.PeerCertificates[1:] {
			v.Intermediates.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(v)
		return err
	}
	return c, nil
}

// errNoAnswer is what the other side does with a version that it does not know, and with clients that it does not allow.
var errNoAnswer = errors.New("the other side closed the connection without an answer")

// Probe asks once.
func (c *client) Probe(ctx context.Context) model.CheckResult {
	start := time.Now()
	r, err := c.ask(ctx)
	if err != nil {
		r = model.CheckResult{Status: model.Critical, Output: "NRPE: " + explain(err)}
	}
	r.Start, r.Duration = start, time.Since(start)
	return r
}

func (c *client) ask(ctx context.Context) (model.CheckResult, error) {
	versions := []int16{4, 3, 2}
	switch works := int16(c.works.Load()); { //nolint:gosec // at most 4
	case c.version != 0:
		versions = []int16{c.version}
	case works != 0:
		versions = []int16{works, 4, 3, 2}
	}
	if len(c.query) >= c.payload && c.version == 0 {
		versions = versions[:len(versions)-1]
	}
	var err error
	for _, v := range versions {
		var r model.CheckResult
		if r, err = c.askWith(ctx, v); err == nil {
			c.works.Store(int32(v))
			return r, nil
		}
		if !errors.Is(err, errNoAnswer) || ctx.Err() != nil {
			break
		}
	}
	return model.CheckResult{}, err
}

// maxParts bounds the packets of an answer that comes in several.
const maxParts = 64

func (c *client) askWith(ctx context.Context, version int16) (model.CheckResult, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return model.CheckResult{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	q := packet{version: version, kind: query, text: []byte(c.query)}
	if _, err := conn.Write(q.encode(c.payload)); err != nil {
		return model.CheckResult{}, fmt.Errorf("cannot send the question: %w", err)
	}
	var text []byte
	for part := range maxParts {
		a, err := readPacket(conn, c.payload)
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "remote error" { // in TLS 1.3 a client's certificate is judged after the handshake
			return model.CheckResult{}, tlsError{err}
		}
		if part == 0 && (errors.Is(err, io.EOF) || errors.As(err, &op) && ctx.Err() == nil) {
			return model.CheckResult{}, errNoAnswer
		}
		if err != nil {
			return model.CheckResult{}, fmt.Errorf("cannot read the answer: %w", err)
		}
		if a.version != version || a.kind != response && a.kind != responseMore {
			return model.CheckResult{}, fmt.Errorf("the answer is a packet of version %d and type %d, not %d and %d", a.version, a.kind, version, response)
		}
		text = append(text, a.text...)
		if a.kind == response {
			return plugin.Parse(int(a.result), text), nil
		}
	}
	return model.CheckResult{}, fmt.Errorf("the answer comes in more than %d packets", maxParts)
}

func (c *client) connect(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	if c.tls == nil {
		return conn, nil
	}
	if c.bare.Load() {
		a, err := dialAnonymous(ctx, conn)
		if err != nil {
			c.bare.Store(false) // it may have a certificate by now
			return nil, tlsError{err}
		}
		return a, nil
	}
	t := tls.Client(conn, c.tls)
	err = t.HandshakeContext(ctx)
	if err == nil {
		return t, nil
	}
	_ = conn.Close()
	if !c.anonymous || !noCertificate(err) {
		return nil, tlsError{err}
	}
	if conn, err2 := new(net.Dialer).DialContext(ctx, "tcp", c.address); err2 == nil {
		if a, err2 := dialAnonymous(ctx, conn); err2 == nil {
			c.bare.Store(true)
			return a, nil
		}
	}
	return nil, tlsError{err}
}

// noCertificate says whether a handshake failed as it does with a server that has no certificate.
func noCertificate(err error) bool {
	var alert tls.AlertError
	return errors.As(err, &alert) && alert == 40 || strings.Contains(err.Error(), "handshake failure")
}

// tlsError is an error of the handshake.
type tlsError struct{ error }

func (e tlsError) Unwrap() error { return e.error }

// explain says what to do about an error.
func explain(err error) string {
	var t tlsError
	text := err.Error()
	switch {
	case errors.Is(err, errNoAnswer):
		return text + ": it does not know the command's or packets' form, or does not allow this address (its allowed_hosts)"
	case errors.As(err, &t) && strings.Contains(text, "handshake failure"):
		return "the other side has no certificate, or no common encryption; with ca_file or no_anonymous it needs one: set ssl_cert_file and " +
			"ssl_privatekey_file in its nrpe.cfg, or let the kind plugin run check_nrpe (" + text + ")"
	case errors.As(err, &t) && (errors.Is(err, io.EOF) || strings.Contains(text, "reset")):
		return "the other side closed the connection in the TLS handshake: it does not allow this address (its allowed_hosts), or it speaks no TLS (then no_tls: true)"
	case errors.As(err, &t) && strings.Contains(text, "first record does not look like"):
		return "the other side does not speak TLS: set no_tls: true (" + text + ")"
	case errors.As(err, &t) && strings.Contains(text, "certificate required"):
		return "TLS: the other side wants a certificate: set cert_file and key_file (" + text + ")"
	case errors.As(err, &t):
		return "TLS: " + text
	}
	return text
}
