package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// tlsOptions says how TLS is spoken and what the certificate must be. Kinds that speak TLS have them.
type tlsOptions struct {
	ServerName string `json:"server_name,omitempty" doc:"name that is asked for (SNI) and that the certificate must be for; otherwise the address"`
	CAFile     string `json:"ca_file,omitempty" doc:"PEM file with the authorities to trust, instead of the system's"`
	CertFile   string `json:"cert_file,omitempty" doc:"PEM file with this side's certificate"`
	KeyFile    string `json:"key_file,omitempty" doc:"PEM file with its key"`
	SkipVerify bool   `json:"insecure_skip_verify,omitempty" doc:"accept any certificate; its end is watched all the same"`
	MinVersion text   `json:"min_tls_version,omitempty" doc:"1.0, 1.1, 1.2 (when nothing is declared) or 1.3: older ones are refused"`
	WarnDays   int    `json:"warn_days,omitempty" doc:"WARNING when a certificate ends in fewer days; 14, or a sixth of its life when that is less; -1 for never"`
	CritDays   int    `json:"crit_days,omitempty" doc:"CRITICAL when a certificate ends in fewer days; 3, or a twentieth of its life when that is less; -1 for never"`
}

// tlsVersions are the versions by the number that people write.
func tlsVersion(v text) (uint16, bool) {
	switch strings.TrimPrefix(strings.ToUpper(strings.ReplaceAll(string(v), " ", "")), "TLS") {
	case "":
		return tls.VersionTLS12, true
	case "1.0", "10":
		return tls.VersionTLS10, true
	case "1.1", "11":
		return tls.VersionTLS11, true
	case "1.2", "12":
		return tls.VersionTLS12, true
	case "1.3", "13":
		return tls.VersionTLS13, true
	}
	return 0, false
}

func (o *tlsOptions) validate() error {
	if _, ok := tlsVersion(o.MinVersion); !ok {
		return fmt.Errorf("min_tls_version: %q is no version: write 1.0, 1.1, 1.2 or 1.3", o.MinVersion)
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return errors.New("cert_file and key_file: declare both or neither")
	}
	return nil
}

// handshakeState is what a handshake showed, also when it failed because of the certificate.
type handshakeState struct {
	state  tls.ConnectionState
	seen   bool // there is a state
	chains [][]*x509.Certificate
	err    error // why the certificate is not accepted
	took   time.Duration
}

// config makes the configuration for one handshake with a host, which fills what it is given. Files are read each time, so that renewed ones count.
func (o *tlsOptions) config(host string, into *handshakeState) (*tls.Config, error) {
	version, _ := tlsVersion(o.MinVersion)
	c := &tls.Config{MinVersion: version, ServerName: host}
	var roots *x509.CertPool
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, notAsked("ca_file: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, notAsked("ca_file: %s holds no certificate in PEM form", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, notAsked("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	// The certificate is verified below, not by the package: so the end and names of one that is refused are known too.
	c.InsecureSkipVerify = true //nolint:gosec // VerifyConnection verifies
	name := c.ServerName
	c.VerifyConnection = func(state tls.ConnectionState) error {
		into.state, into.seen = state, true
		into.chains, into.err = verifyChain(state, name, roots)
		if o.SkipVerify {
			return nil
		}
		return into.err
	}
	return c, nil
}

func verifyChain(state tls.ConnectionState, name string, roots *x509.CertPool) ([][]*x509.Certificate, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, errors.New("the other side has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	return state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name})
}

// handshake speaks TLS over a connection and reports it. The connection stays the caller's to close.
func (o *tlsOptions) handshake(ctx context.Context, c net.Conn, host string, rep *report, protos ...string) (*tls.Conn, error) {
	var hs handshakeState
	if o.ServerName != "" {
		host = o.ServerName
	}
	config, err := o.config(host, &hs)
	if err != nil {
		return nil, err
	}
	config.NextProtos = protos
	secured := tls.Client(c, config)
	start := time.Now()
	err = secured.HandshakeContext(ctx)
	hs.took = time.Since(start)
	if err == nil {
		hs.state = secured.ConnectionState()
	}
	o.report(rep, &hs)
	if err != nil {
		if hs.err != nil && !o.SkipVerify {
			return nil, errCertificate{hs.err}
		}
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// errCertificate is a certificate that is not accepted.
type errCertificate struct{ error }

func (e errCertificate) Unwrap() error { return e.error }

// Error says what is wrong with it, in an operator's words.
func (e errCertificate) Error() string {
	var invalid x509.CertificateInvalidError
	if errors.As(e.error, &invalid) && invalid.Reason == x509.Expired {
		if now := time.Now(); invalid.Cert.NotBefore.After(now) {
			return fmt.Sprintf("certificate of %s is valid only from %s", commonName(invalid.Cert), invalid.Cert.NotBefore.UTC().Format(time.DateTime))
		}
		return fmt.Sprintf("certificate of %s ended %s", commonName(invalid.Cert), ago(time.Since(invalid.Cert.NotAfter)))
	}
	return explain(e.error)
}

// report tells of certificates, version and cipher, and watches when the first certificate ends.
func (o *tlsOptions) report(rep *report, hs *handshakeState) {
	if !hs.seen || len(hs.state.PeerCertificates) == 0 {
		return
	}
	reportTLS(rep, &hs.state, hs.chains)
	first := earliest(hs.state.PeerCertificates)
	left := time.Until(first.NotAfter)
	warn, crit := o.ends(first)
	rep.perf = append(rep.perf, model.Perf{Label: "certificate_days", Value: math.Round(left.Hours()/24*100) / 100, Warn: warn.String(), Crit: crit.String()})
	status := check.Rate(left.Hours()/24, warn, crit)
	switch {
	case left <= 0:
		if hs.err == nil || o.SkipVerify { // otherwise the handshake's error says it
			rep.problem(max(status, model.OK), "certificate of %s ended %s", commonName(first), ago(-left))
		}
	case status != model.OK:
		rep.problem(status, "certificate of %s ends in %s", commonName(first), days(left))
	default:
		rep.fact("certificate ends in %s", days(left))
	}
	for i, c := range hs.state.PeerCertificates {
		rep.detail("certificate %d: %s, from %s, issued by %s, %s", i+1, c.Subject, c.NotBefore.UTC().Format(time.DateOnly)+" to "+c.NotAfter.UTC().Format(time.DateOnly), c.Issuer, names(c))
	}
	if hs.err != nil && o.SkipVerify {
		rep.detail("not verified: %s", errCertificate{hs.err}.Error())
	}
}

// ends are the thresholds in days for a certificate.
func (o *tlsOptions) ends(c *x509.Certificate) (warn, crit check.Range) {
	life := c.NotAfter.Sub(c.NotBefore).Hours() / 24
	limit := func(declared int, usual, share float64) check.Range {
		switch {
		case declared < 0:
			return check.Range{}
		case declared > 0:
			return check.Below(float64(declared))
		}
		return check.Below(math.Min(usual, math.Round(life/share*10)/10))
	}
	return limit(o.WarnDays, 14, 6), limit(o.CritDays, 3, 20)
}

// days is "52 days", or hours when there are few.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func ago(d time.Duration) string { return days(d) + " ago" }

func commonName(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return c.Subject.String()
}

func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "for no name"
	}
	return "for " + strings.Join(all, ", ")
}

// earliest is the certificate that ends first.
func earliest(all []*x509.Certificate) *x509.Certificate {
	first := all[0]
	for _, c := range all[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	return first
}

// lastChain is when the chain that lasts longest ends: the time until which the peer can be verified somehow.
func lastChain(chains [][]*x509.Certificate) time.Time {
	var last time.Time
	for _, chain := range chains {
		if end := earliest(chain).NotAfter; end.After(last) {
			last = end
		}
	}
	return last
}

// reportTLS gives blackbox_exporter's series of a TLS connection.
func reportTLS(rep *report, state *tls.ConnectionState, chains [][]*x509.Certificate) {
	leaf := state.PeerCertificates[0]
	rep.metric("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", float64(earliest(state.PeerCertificates).NotAfter.Unix()))
	rep.metric("probe_ssl_last_chain_expiry_timestamp_seconds", "Returns last SSL chain expiry in timestamp", float64(lastChain(chains).Unix()))
	fingerprint := sha256.Sum256(leaf.Raw)
	rep.metric("probe_ssl_last_chain_info", "Contains SSL leaf certificate information", 1,
		"fingerprint_sha256", hex.EncodeToString(fingerprint[:]), "issuer", label(leaf.Issuer.String()), "serialnumber", fmt.Sprintf("%x", leaf.SerialNumber.Bytes()),
		"subject", label(leaf.Subject.String()), "subjectalternative", label(strings.Join(leaf.DNSNames, ",")))
	rep.metric("probe_tls_version_info", "Returns the TLS version used or NaN when unknown", 1, "version", tls.VersionName(state.Version))
	rep.metric("probe_tls_cipher_info", "Returns the TLS cipher negotiated during handshake", 1, "cipher", tls.CipherSuiteName(state.CipherSuite))
}

// label bounds what a peer can put into a label: a certificate may hold thousands of names.
func label(text string) string { return printable(text, 4096) }
