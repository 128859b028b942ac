package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// forwardClient posts remote write 2.0 requests.
type forwardClient struct {
	opts ForwardOptions
}

// forwardResult is how a request ended. err is nil when all of it was taken.
type forwardResult struct {
	err        error
	refused    bool // for good: sending it again is useless
	written    int  // samples and histograms taken, when refused
	retryAfter time.Duration
}

func newForwardClient(opts ForwardOptions) (*forwardClient, error) {
	u, err := url.Parse(opts.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the URL %q is not a http:// or https:// one", opts.URL)
	}
	return &forwardClient{opts: opts}, nil
}

// post sends one request.
func (c *forwardClient) post(ctx context.Context, body []byte, try int) forwardResult {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.URL, bytes.NewReader(body))
	if err != nil {
		return forwardResult{err: err}
	}
	for name, values := range c.opts.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	req.Header.Set("User-Agent", "hulotte")
	if try > 0 {
		req.Header.Set("Retry-Attempt", strconv.Itoa(try))
	}
	res, err := c.opts.Client.Do(req)
	if err != nil {
		return forwardResult{err: err}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	return resultOf(res, text)
}

// resultOf reads the answer. Only what says that these very samples are wrong ends their way: a wrong password or
// path is put right by somebody, and the samples are still wanted then.
func resultOf(res *http.Response, text []byte) forwardResult {
	if res.StatusCode/100 == 2 {
		return forwardResult{}
	}
	r := forwardResult{err: fmt.Errorf("the server answered %s: %w", res.Status, errors.New(strings.TrimSpace(string(text))))}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		r.refused = true
		r.written = headerInt(res.Header, "X-Prometheus-Remote-Write-Samples-Written") +
			headerInt(res.Header, "X-Prometheus-Remote-Write-Histograms-Written")
	}
	r.retryAfter = time.Duration(headerInt(res.Header, "Retry-After")) * time.Second
	return r
}

func headerInt(h http.Header, name string) int {
	n, err := strconv.Atoi(h.Get(name))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
