package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// logLine is one line with what is known of it.
type logLine struct {
	at     int64 // nanoseconds since the epoch
	line   string
	labels map[string]string // of its stream, stored with it and found in it
}

// logStream is a stream as Loki's API gives it.
type logStream struct {
	Stream map[string]string `json:"stream"`
	Values []logValue        `json:"values"`
}

// logValue is ["ns", "line"] or ["ns", "line", {"structuredMetadata": {...}, "parsed": {...}}].
type logValue struct {
	at     int64
	line   string
	labels map[string]string
}

// UnmarshalJSON reads both forms.
func (v *logValue) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) < 2 {
		return errors.New("a value is not a pair of time and line")
	}
	var at string
	if err := errors.Join(json.Unmarshal(parts[0], &at), json.Unmarshal(parts[1], &v.line)); err != nil {
		return err
	}
	var err error
	if v.at, err = strconv.ParseInt(at, 10, 64); err != nil {
		return fmt.Errorf("%q is no time in nanoseconds", at)
	}
	if len(parts) == 2 {
		return nil
	}
	var more struct{ StructuredMetadata, Parsed map[string]string }
	if err := json.Unmarshal(parts[2], &more); err != nil {
		return err
	}
	v.labels = more.StructuredMetadata
	if v.labels == nil {
		v.labels = more.Parsed
		return nil
	}
	maps.Copy(v.labels, more.Parsed)
	return nil
}

// linesOf returns the lines of the streams, each stream in its order.
func linesOf(streams []logStream) []logLine {
	var out []logLine
	for _, s := range streams {
		for _, v := range s.Values {
			l := s.Stream
			if len(v.labels) > 0 {
				l = maps.Clone(s.Stream)
				if l == nil {
					l = map[string]string{}
				}
				maps.Copy(l, v.labels)
			}
			out = append(out, logLine{v.at, v.line, l})
		}
	}
	return out
}

// page asks for at most limit lines from start on and before end.
func (l *logsRun) page(ctx context.Context, start, end int64, limit int, forward bool) (*answer, error) {
	direction := "backward"
	if forward {
		direction = "forward"
	}
	form := url.Values{
		"query": {l.o.expr}, "start": {strconv.FormatInt(start, 10)}, "end": {strconv.FormatInt(end, 10)},
		"limit": {strconv.Itoa(limit)}, "direction": {direction}, "step": {seconds(l.o.step)},
	}
	return l.ask(ctx, "loki/api/v1/query_range", form)
}

func (l *logsRun) ask(ctx context.Context, path string, form url.Values) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.timeout)
	defer cancel()
	base, err := l.o.base()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base.JoinPath(path).String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := l.o.setHeaders(req.Header); err != nil {
		return nil, err
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil, unreachable(l.o.server, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s: %w", l.o.server, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d MiB: search a shorter time", maxAnswer>>20)
	}
	if res.StatusCode != http.StatusOK && !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		return nil, plainRefusal(l.o.server, res, body)
	}
	return decode(l.o.server, res, body)
}

// plainRefusal is an error of Loki's API, which is plain text.
func plainRefusal(server string, res *http.Response, body []byte) error {
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		return notOurs(server, res, body)
	}
	text := strings.TrimSpace(string(body[:min(len(body), 2000)]))
	return &refusal{status: res.StatusCode, text: firstOf(text, res.Status)}
}

func (o *options) base() (*url.URL, error) {
	base, err := url.Parse(o.server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("--addr %q is no URL: write http://HOST:PORT", o.server)
	}
	return base, nil
}

func (o *options) setHeaders(h http.Header) error {
	h.Set("User-Agent", "hulotte-logs")
	if o.tenant != "" {
		if err := model.ValidTenant(o.tenant); err != nil {
			return fmt.Errorf("--tenant: %w", err)
		}
		h.Set(model.TenantHeader, o.tenant)
	}
	if o.user != "" {
		(&http.Request{Header: h}).SetBasicAuth(o.user, o.pass)
	}
	return nil
}

func nanoTime(ns int64) time.Time { return time.Unix(0, ns) }
