package httpserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkEvery is how often a handshake looks whether the files have changed: often enough for a renewed
// certificate, seldom enough to cost nothing.
const checkEvery = 5 * time.Second

// certificate is the server's key pair, taken anew from its files when they change. A pair that cannot be used
// leaves the old one in place.
type certificate struct {
	options Options
	log     *slog.Logger
	now     func() time.Time

	mu      sync.Mutex
	checked time.Time   // guarded by mu
	seen    string      // what the files looked like; guarded by mu
	current *tls.Config // guarded by mu; never changed once it stands here
	expiry  time.Time   // of current; guarded by mu
}

// newCertificate returns nil when o has no certificate.
func newCertificate(o Options, log *slog.Logger) (*certificate, error) {
	if o.CertFile == "" {
		return nil, nil
	}
	c := &certificate{options: o, log: log, now: time.Now}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.loadLocked()
}

// config asks for the current pair at every handshake.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.latest(), nil },
	}
}

func (c *certificate) latest() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= checkEvery {
		c.checked = now
		if c.fingerprint() != c.seen {
			c.reloadLocked()
		}
	}
	return c.current
}

func (c *certificate) reloadLocked() {
	if err := c.loadLocked(); err != nil {
		c.log.Error("cannot use the changed certificate: the old one stays in use", "err", err, "expires", c.expiry)
		return
	}
	c.log.Info("changed certificate taken into use", "file", c.options.CertFile, "expires", c.expiry)
}

func (c *certificate) loadLocked() error {
	c.seen = c.fingerprint() // before the files are read: a change meanwhile is seen next time
	pair, err := tls.LoadX509KeyPair(c.options.CertFile, c.options.KeyFile)
	if err != nil {
		return fmt.Errorf("cannot load server.tls.cert_file and server.tls.key_file: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if c.options.ClientCAFile != "" {
		if config.ClientCAs, err = loadPool(c.options.ClientCAFile); err != nil {
			return fmt.Errorf("cannot load server.tls.client_ca_file: %w", err)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current, c.expiry = config, pair.Leaf.NotAfter
	return nil
}

func loadPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return pool, nil
}

// fingerprint changes when a file does. Renewal tools replace the files, so size and time are enough.
func (c *certificate) fingerprint() string {
	s := ""
	for _, name := range []string{c.options.CertFile, c.options.KeyFile, c.options.ClientCAFile} {
		if info, err := os.Stat(name); err == nil {
			s += fmt.Sprintf("%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return s
}

func (c *certificate) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expiry
}
