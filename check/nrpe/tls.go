package nrpe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"time"
)

// tls is the server's side; nil for none.
func (o *ServerOptions) tls() (*tls.Config, error) {
	if o.NoTLS {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file of the NRPE server: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	} else {
		pair, err := selfSigned()
		if err != nil {
			return nil, fmt.Errorf("cannot make a certificate for the NRPE server: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if o.ClientCerts == 0 {
		return c, nil
	}
	if o.CAFile == "" {
		return nil, fmt.Errorf("ca_file of the NRPE server: missing; it has the authorities of the clients' certificates (client_certs is %d)", o.ClientCerts)
	}
	pem, err := readPEM("ca_file of the NRPE server", o.CAFile)
	if err != nil {
		return nil, err
	}
	c.ClientCAs = x509.NewCertPool()
	c.ClientCAs.AppendCertsFromPEM(pem)
	c.ClientAuth = tls.VerifyClientCertIfGiven
	if o.ClientCerts >= 2 {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// selfSigned makes a certificate for this run. check_nrpe verifies certificates only when it is told an authority.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return tls.Certificate{}, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "hulotte"
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
