package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// maxAnswer bounds an answer in memory; 256 MiB is some ten million points.
const maxAnswer = 256 << 20

// answer is what the server said.
type answer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Infos     []string `json:"infos"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
	data json.RawMessage // Data as it was sent
}

// refusal is an error that the server gave.
type refusal struct {
	status int
	kind   string
	text   string
}

func (r *refusal) Error() string { return r.text }

// ask sends the query and returns the server's answer.
func ask(ctx context.Context, o options) (*answer, error) {
	// The server is given its time and some more to send what it has.
	ctx, cancel := context.WithTimeout(ctx, o.timeout+30*time.Second)
	defer cancel()
	req, err := newRequest(ctx, o)
	if err != nil {
		return nil, err
	}
	client, err := newClient(o)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return nil, unreachable(o.server, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s: %w", o.server, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d MiB: ask for fewer series or a longer --step", maxAnswer>>20)
	}
	return decode(o.server, res, body)
}

func newRequest(ctx context.Context, o options) (*http.Request, error) {
	base, err := url.Parse(o.server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("--server %q is no URL: write http://HOST:PORT", o.server)
	}
	form := url.Values{"query": {o.expr}, "timeout": {seconds(o.timeout)}}
	path := "api/v1/query"
	if o.isRange {
		path = "api/v1/query_range"
		form.Set("start", unixTime(o.start))
		form.Set("end", unixTime(o.end))
		form.Set("step", seconds(o.step))
	} else {
		form.Set("time", unixTime(o.at))
	}
	if o.limit > 0 {
		form.Set("limit", strconv.Itoa(o.limit))
	}
	// The form goes in the body: expressions can be longer than what a URL may be.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base.JoinPath(path).String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "hulotte-query")
	if o.tenant != "" {
		if err := model.ValidTenant(o.tenant); err != nil {
			return nil, fmt.Errorf("--tenant: %w", err)
		}
		req.Header.Set(model.TenantHeader, o.tenant)
	}
	if o.user != "" {
		req.SetBasicAuth(o.user, o.pass)
	}
	return req, nil
}

func newClient(o options) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.insecure} // asked for by the user
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate", o.caFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: transport}, nil
}

func unreachable(server string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // its text repeats method and URL
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s did not answer in time", server)
	}
	return fmt.Errorf("cannot reach %s: %w", server, err)
}

func decode(server string, res *http.Response, body []byte) (*answer, error) {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var raw struct {
		answer
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &raw); kind != "application/json" || err != nil {
		return nil, notOurs(server, res, body)
	}
	a := raw.answer
	if a.Status != "success" {
		return nil, &refusal{status: res.StatusCode, kind: a.ErrorType, text: firstOf(a.Error, res.Status)}
	}
	a.data = raw.Data
	if err := json.Unmarshal(raw.Data, &a.Data); err != nil {
		return nil, fmt.Errorf("cannot understand the answer of %s: %w", server, err)
	}
	return &a, nil
}

// notOurs explains an answer that is not of Prometheus' API.
func notOurs(server string, res *http.Response, body []byte) error {
	switch res.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("%s wants a user and a password: give --user", server)
	case http.StatusForbidden:
		return fmt.Errorf("%s does not allow this user to query", server)
	case http.StatusOK:
		return fmt.Errorf("%s answers, but not like a Hulotte or a Prometheus: is the URL right?", server)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(body[:min(len(body), 300)])), "\n")
	return fmt.Errorf("%s answers %s: %s", server, res.Status, clean(text))
}

func unixTime(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
