package cassandra

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"
)

// clusterConfig is what every connection has in common.
func (o Options) clusterConfig(log gocql.StructuredLogger) (*gocql.ClusterConfig, error) {
	var hosts []string
	port := defaultPort
	for _, a := range o.Addresses {
		host, p, err := splitAddress(a)
		if err != nil {
			return nil, invalid("addresses", "%q: %v", a, err)
		}
		hosts, port = append(hosts, host), p
	}
	c := gocql.NewCluster(hosts...)
	c.Port = port
	c.Logger = log
	c.ConnectTimeout = o.ConnectTimeout
	c.Timeout = o.Timeout
	c.NumConns = o.Connections
	c.Consistency, c.SerialConsistency = consistencies[o.Consistency].plain, consistencies[o.Consistency].serial
	c.ReconnectInterval = 2 * time.Second // a node that comes back is used soon; a try costs one connection
	c.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: 100 * time.Millisecond}
	c.MaxWaitSchemaAgreement = agreeInterval // see migrator.agree
	c.Metadata.CacheMode = gocql.KeyspaceOnly
	if o.Username != "" {
		c.AuthProvider = func(*gocql.HostInfo) (gocql.Authenticator, error) { return o.authenticator() }
	}
	if o.TLS.Enabled {
		config, err := o.TLS.config()
		if err != nil {
			return nil, err
		}
		c.SslOpts = &gocql.SslOptions{Config: config, EnableHostVerification: !o.TLS.InsecureSkipVerify}
	}
	return c, nil
}

func (o Options) authenticator() (gocql.Authenticator, error) {
	password := o.Password
	if o.PasswordFile != "" {
		text, err := os.ReadFile(o.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read password_file: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	return gocql.PasswordAuthenticator{Username: o.Username, Password: password}, nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, invalid("tls.ca_file", "cannot be read: %v", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, invalid("tls.ca_file", "%s has no certificate in PEM format", t.CAFile)
		}
	}
	if t.CertFile == "" {
		return c, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		return &pair, err
	}
	if _, err := load(); err != nil {
		return nil, invalid("tls.cert_file", "cannot be used with tls.key_file: %v", err)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return c, nil
}

// connect makes a driver's session. It tries until ctx ends, except when trying again is useless. config is called for every try, since
// the driver does not allow its parts to be used twice.
func connect(ctx context.Context, o Options, log *slog.Logger, config func() (*gocql.ClusterConfig, error)) (*gocql.Session, error) {
	for told := false; ; told = true {
		c, err := config()
		if err != nil {
			return nil, err
		}
		db, err := createSession(ctx, c)
		if err == nil {
			return db, nil
		}
		if useless(err) {
			return nil, fmt.Errorf("cannot connect to Cassandra at %s: %w: %w", strings.Join(o.Addresses, ", "), errRejected, err)
		}
		if !told {
			log.Warn("Cassandra cannot be reached yet, trying again", "addresses", o.Addresses, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot connect to Cassandra at %s: %w: %w: %w", strings.Join(o.Addresses, ", "), errUnavailable, context.Cause(ctx), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// createSession is the driver's, which knows no context.
func createSession(ctx context.Context, config *gocql.ClusterConfig) (*gocql.Session, error) {
	type made struct {
		db  *gocql.Session
		err error
	}
	done := make(chan made, 1)
	go func() {
		db, err := config.CreateSession()
		done <- made{db, err}
	}()
	select {
	case m := <-done:
		return m.db, m.err
	case <-ctx.Done():
		go func() { // it ends by itself, within connect timeouts
			if m := <-done; m.db != nil {
				m.db.Close()
			}
		}()
		return nil, errors.New("no node has answered so far")
	}
}

// errRejected is a connection that the cluster or our own checks refuse: waiting does not help.
var errRejected = model.NewError(model.Invalid, "the connection was refused")

// useless says whether a further try would end the same way. The driver flattens its errors to texts.
func useless(err error) bool {
	var unknownCA x509.UnknownAuthorityError
	if errors.As(err, &unknownCA) {
		return true
	}
	for _, text := range []string{"x509: ", "tls: ", "Provided username", "authentication", "Authentication", "credentials", "password_file"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
