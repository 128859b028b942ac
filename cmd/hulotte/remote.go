package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/config"
)

// remote is a running server, as commands ask it.
type remote struct {
	url      string
	user     string
	caFile   string
	insecure bool
}

func (r *remote) declare(fs *flag.FlagSet) {
	fs.StringVar(&r.url, "server", "", "`URL` of the running server to ask (default: the one that uses the data folder, if one does)")
	fs.StringVar(&r.user, "user", "", "`NAME[:PASS]` to log in as; the password may be in $HULOTTE_PASSWORD")
	fs.StringVar(&r.caFile, "ca-file", "", "`FILE` of certificate authorities to trust, in PEM")
	fs.BoolVar(&r.insecure, "insecure", false, "do not check the server's certificate")
}

// of returns the server that uses a data folder: where it listens stands in a file there.
func (r remote) of(c *config.Config) (remote, error) {
	text, err := os.ReadFile(filepath.Join(c.DataDir, "listen.addr"))
	if err != nil {
		return r, fmt.Errorf("another process uses the data folder %s, and it does not say where it listens: give --server, or try again when it has started", c.DataDir)
	}
	addr := strings.TrimSpace(string(text))
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return r, fmt.Errorf("the file listen.addr in %s holds %q, which is no address: give --server", c.DataDir, addr)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		addr = net.JoinHostPort("localhost", port)
	}
	scheme := "http"
	if c.Server.TLS.CertFile != "" {
		scheme = "https"
	}
	r.url = scheme + "://" + addr + c.Server.Prefix()
	return r, nil
}

// ask sends a request below /api/hulotte/v1/ and returns an answer of status 200.
func (r remote) ask(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	return r.send(ctx, method, path, query, nil, nil)
}

// send is ask with a body and headers.
func (r remote) send(ctx context.Context, method, path string, query url.Values, body io.Reader, header http.Header) (*http.Response, error) {
	return r.sendAt(ctx, method, "api/hulotte/v1/"+path, query, body, header)
}

// sendAt is send for any path of the server.
func (r remote) sendAt(ctx context.Context, method, path string, query url.Values, body io.Reader, header http.Header) (*http.Response, error) {
	base, err := url.Parse(r.url)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("--server %q is no URL: write http://HOST:PORT", r.url)
	}
	u := base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", "hulotte")
	if r.user != "" {
		name, pass, given := strings.Cut(r.user, ":")
		if !given {
			pass = os.Getenv("HULOTTE_PASSWORD")
		}
		req.SetBasicAuth(name, pass)
	}
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // its text repeats method and URL
		}
		return nil, fmt.Errorf("cannot reach %s: %w", r.url, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, r.refused(res)
	}
	return res, nil
}

func (r remote) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true                                                                   // an archive is not to be packed on the way, nor lines held back
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.insecure} // asked for by the user
	if r.caFile != "" {
		pem, err := os.ReadFile(r.caFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate", r.caFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: transport}, nil
}

// refused explains an answer other than 200.
func (r remote) refused(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("%s answers %s, and then nothing: %w", r.url, res.Status, err)
	}
	if res.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("%s wants a user and a password: give --user", r.url)
	}
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Error != "" {
		return fmt.Errorf("%s refuses: %s", r.url, printable(answer.Error))
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(body[:min(len(body), 300)])), "\n")
	return fmt.Errorf("%s answers %s: %s", r.url, res.Status, printable(text))
}

// printable makes text from outside harmless on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, s)
}
