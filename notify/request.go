package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	amnotify "github.com/prometheus/alertmanager/notify"
)

// request is one to a service.
type request struct {
	method, url string
	header      http.Header
	contentType string
	body        []byte
	// quiet: the answer is not for the log
	quiet bool
}

const (
	maxAnswerBytes = 64 << 10 // of an answer that are read
	maxErrorAnswer = 512      // of an answer that are in an error
)

// ask sends a request. An answer that is not a success is an error; of 5xx, 408, 429 and whatever the network does, trying again may help.
func (s *settings) ask(ctx context.Context, p *page, r request) (answer []byte, retry bool, err error) {
	if p.err != nil {
		return nil, false, p.err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, false, errors.New("the URL, as the templates make it, is none")
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if r.contentType != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	return s.do(ctx, p, req, r.quiet)
}

// do sends a request that is made.
func (s *settings) do(ctx context.Context, p *page, req *http.Request, quiet bool) (answer []byte, retry bool, err error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, true, unreachable(ctx, req.URL, err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	shown := p.secrets.redact(printable(answer)) // before it is cut: a part of a secret is one too
	if !quiet {
		p.note.answered(shown)
	}
	if resp.StatusCode/100 == 2 { // what it says after that does not matter
		return answer, false, nil
	}
	text := fmt.Sprintf("%s answers %s", req.URL.Host, resp.Status)
	if said := cutBytes(shown, maxErrorAnswer); said != "" {
		text += ": " + said
	}
	if err != nil {
		text += fmt.Sprintf(" (and breaks off: %v)", err)
	}
	retry = resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout
	return answer, retry, amnotify.NewErrorWithReason(amnotify.GetFailureReasonFromStatusCode(resp.StatusCode), &statusError{resp.StatusCode, text})
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// hasStatus says whether an error is an answer with one of some statuses.
func hasStatus(err error, statuses ...int) bool {
	reason, ok := errors.AsType[*amnotify.ErrorWithReason](err) // which does not unwrap
	if !ok {
		return false
	}
	e, ok := errors.AsType[*statusError](reason.Err)
	return ok && slices.Contains(statuses, e.status)
}

// unreachable says why there is no answer, without the address' path.
func unreachable(ctx context.Context, u *url.URL, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("cannot reach %s: %w", u.Host, err)
}

// askJSON sends a value as JSON.
func (s *settings) askJSON(ctx context.Context, p *page, method, address string, header http.Header, value any) ([]byte, bool, error) {
	if p.err != nil {
		return nil, false, p.err
	}
	body, err := encode(value)
	if err != nil {
		return nil, false, err
	}
	return s.ask(ctx, p, request{method: method, url: address, header: header, contentType: "application/json", body: body})
}

// encode is JSON as people write it: without escapes for HTML, which count in services' limits.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// printable is text from outside, fit for a log.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, string(b)))
}

// bearer is the header of a token; none without one.
func bearer(token string) http.Header {
	if token == "" {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}
