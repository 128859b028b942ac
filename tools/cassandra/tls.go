package cassandra

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// TLSMode says how clients connect.
type TLSMode int

const (
	TLSOff    TLSMode = iota
	TLSServer         // clients check the server's certificate
	TLSMutual         // and the server checks theirs
)

// TLSFiles are paths of PEM files that a client of the cluster needs.
type TLSFiles struct {
	CA   string // the authority that signed the nodes' certificate, and the client's
	Cert string // the client's certificate, for TLSMutual
	Key  string // its key
}

// tlsValidFor is longer than anybody keeps a folder; nothing outside it trusts these certificates.
const tlsValidFor = 10 * 365 * 24 * time.Hour

// newTLSFiles writes an authority, the nodes' certificate with its key (server.pem) and a client's into dir, unless they
// are there from an earlier start.
func newTLSFiles(dir string) (TLSFiles, error) {
	f := TLSFiles{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "client.pem"), Key: filepath.Join(dir, "client-key.pem")}
	if _, err := os.Stat(f.Key); err == nil {
		return f, nil
	}
	if err := writeTLSFiles(dir, f); err != nil {
		return TLSFiles{}, fmt.Errorf("cannot make certificates: %w", err)
	}
	return f, nil
}

func writeTLSFiles(dir string, f TLSFiles) error {
	ca, err := newCertificate("Hulotte development authority", nil)
	if err != nil {
		return err
	}
	server, err := newCertificate("cassandra", ca)
	if err != nil {
		return err
	}
	client, err := newCertificate("client", ca)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The client's key comes last: where it is, everything is.
	for _, w := range []struct {
		path    string
		content []byte
	}{
		{f.CA, ca.certPEM},
		{filepath.Join(dir, "server.pem"), append(server.keyPEM, server.certPEM...)},
		{f.Cert, client.certPEM},
		{f.Key, client.keyPEM},
	} {
		if err := os.WriteFile(w.path, w.content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

type certificate struct {
	cert            *x509.Certificate
	key             *ecdsa.PrivateKey
	certPEM, keyPEM []byte
}

// newCertificate makes an authority when parent is nil, else a certificate that parent signs, good for the addresses
// of all nodes.
func newCertificate(name string, parent *certificate) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(tlsValidFor),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.ParseIP(nodeIP(0)), net.ParseIP(nodeIP(1)), net.ParseIP(nodeIP(2))},
	}
	signer, signerKey := template, key
	if parent == nil {
		template.IsCA, template.KeyUsage, template.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		template.DNSNames, template.IPAddresses = nil, nil
	} else {
		signer, signerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &certificate{
		cert: cert, key: key,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, err
}

// clientConfig is what a client with the files connects with.
func (f TLSFiles) clientConfig() (*tls.Config, error) {
	ca, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in " + f.CA)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
