package local

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// CertificateOptions are those of a check of the kind certificate.
type CertificateOptions struct {
	Path     string         `json:"path" doc:"A file (PEM, DER or PKCS #12), or a pattern: /etc/letsencrypt/live/*/fullchain.pem."`
	Password string         `json:"password" doc:"Password of PKCS #12 files."`
	Warning  check.Duration `json:"warning" doc:"WARNING when less than this is left; 21d by default."`
	Critical check.Duration `json:"critical" doc:"CRITICAL when less than this is left; 7d by default."`
}

// Bounds of a file of certificates. The list of a distribution's authorities has some 150.
const (
	maxCertFile = 8 << 20
	maxCerts    = 2000
)

func (o Options) newCertificate(p check.Params) (check.Prober, error) {
	c := CertificateOptions{Warning: check.Duration(21 * 24 * time.Hour), Critical: check.Duration(7 * 24 * time.Hour)}
	if err := check.Decode(p.Options, &c); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(c.Path) {
		return nil, fmt.Errorf("path: %q is no whole path; write it from / on", c.Path)
	}
	if _, err := filepath.Match(c.Path, ""); err != nil {
		return nil, fmt.Errorf("path: %q is no pattern: %w", c.Path, err)
	}
	if c.Critical > c.Warning {
		return nil, errors.New("critical: it is longer than warning")
	}
	return probe(func(ctx context.Context) model.CheckResult {
		answer, err := o.Waiter.Do(ctx, "certificates "+c.Path, func() (any, error) { return c.read() })
		if err != nil {
			return unknown("CERTIFICATE", err)
		}
		return c.judge(answer.([]certFile), time.Now())
	}), nil
}

// certFile is what a file holds.
type certFile struct {
	path  string
	certs []*x509.Certificate
	err   error
}

func (c *CertificateOptions) read() ([]certFile, error) {
	paths := []string{c.Path}
	if strings.ContainsAny(c.Path, `*?[`) {
		var err error
		if paths, err = filepath.Glob(c.Path); err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("there is no file %s", c.Path)
		}
		if len(paths) > maxCerts {
			return nil, fmt.Errorf("there are more than %d files %s", maxCerts, c.Path)
		}
	}
	out := []certFile{}
	for _, p := range paths {
		f := certFile{path: p}
		data, err := readRegular(p, maxCertFile)
		if err == nil {
			f.certs, err = parseCertificates(data, c.Password)
		}
		f.err = err
		out = append(out, f)
	}
	return out, nil
}

// readRegular reads a regular file. A pipe or device is not waited for.
func readRegular(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > limit {
		return nil, fmt.Errorf("%s is no file of at most %d MiB", path, limit>>20)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// parseCertificates reads PEM with any text and keys between, DER, or PKCS #12.
func parseCertificates(data []byte, password string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	rest, isPEM := data, false
	for len(certs) < maxCerts {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		isPEM = true
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		list, err := x509.ParseCertificates(block.Bytes)
		if err != nil {
			if len(certs) > 0 { // authorities of old make certificates that are refused today; the others count
				continue
			}
			return nil, err
		}
		certs = append(certs, list...)
	}
	if isPEM {
		if len(certs) == 0 {
			return nil, errors.New("the file has no certificate")
		}
		return certs, nil
	}
	if list, err := x509.ParseCertificates(data); err == nil && len(list) > 0 {
		return list, nil
	}
	return parsePKCS12(data, password)
}

// parsePKCS12 keeps what the library makes of strange files from becoming a panic.
func parsePKCS12(data []byte, password string) (certs []*x509.Certificate, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file is neither PEM, DER nor PKCS #12: %v", r)
		}
	}()
	_, cert, chain, err := pkcs12.DecodeChain(data, password)
	if err == nil {
		return append([]*x509.Certificate{cert}, chain...), nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, errors.New("the password of the PKCS #12 file is wrong: set password")
	}
	if list, err := pkcs12.DecodeTrustStore(data, password); err == nil && len(list) > 0 {
		return list, nil
	}
	return nil, fmt.Errorf("the file is neither PEM, DER nor PKCS #12: %w", err)
}

func (c *CertificateOptions) judge(list []certFile, now time.Time) model.CheckResult {
	var r report
	var first *x509.Certificate // the one that expires first
	count := 0
	for _, f := range list {
		if f.err != nil {
			r.fail(model.Critical, "%s: %v", f.path, f.err)
			continue
		}
		for _, cert := range f.certs {
			count++
			left := cert.NotAfter.Sub(now)
			name := certName(cert)
			if count <= 50 {
				r.lines = append(r.lines, fmt.Sprintf("%s: %s until %s (%s)", f.path, name, cert.NotAfter.UTC().Format(time.DateTime), age(left)))
			}
			switch {
			case now.Before(cert.NotBefore):
				r.fail(model.Critical, "%s is not valid before %s", name, cert.NotBefore.UTC().Format(time.DateTime))
			case left < 0:
				r.fail(model.Critical, "%s expired %s ago", name, age(-left))
			case left < time.Duration(c.Critical):
				r.fail(model.Critical, "%s expires in %s", name, age(left))
			case left < time.Duration(c.Warning):
				r.fail(model.Warning, "%s expires in %s", name, age(left))
			}
			if first == nil || cert.NotAfter.Before(first.NotAfter) {
				first = cert
			}
		}
	}
	if first == nil {
		return r.result("CERTIFICATE", "")
	}
	left := first.NotAfter.Sub(now)
	days := func(d check.Duration) string { return fmt.Sprintf("%g:", time.Duration(d).Hours()/24) }
	r.perf = append(r.perf, model.Perf{Label: "days", Value: float64(int64(left.Hours()/24*100)) / 100, Warn: days(c.Warning), Crit: days(c.Critical)})
	return r.result("CERTIFICATE", fmt.Sprintf("%d certificates, %s is the first to expire, in %s", count, certName(first), age(left)))
}

func certName(c *x509.Certificate) string {
	name := c.Subject.CommonName
	if name == "" && len(c.DNSNames) > 0 {
		name = c.DNSNames[0]
	}
	return cutText(strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, firstOf(name, c.Subject.String(), "a certificate without a name")), 100)
}
