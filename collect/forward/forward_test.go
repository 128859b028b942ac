package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/ingest/loki"
	"github.com/hulotte-dev/hulotte/model"
)

func newForwarder(t *testing.T, o Options) *Forwarder {
	t.Helper()
	f, err := New(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// keep is a sink that keeps what it gets.
type keep struct{ streams []model.Stream }

func (k *keep) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	for _, s := range streams {
		c := model.Stream{Labels: cloneFields(s.Labels)}
		for _, r := range s.Records {
			c.Records = append(c.Records, model.Record{Time: r.Time, Line: strings.Clone(r.Line), Fields: cloneFields(r.Fields)})
		}
		k.streams = append(k.streams, c)
	}
	return nil, nil
}

func cloneFields(fields []model.Field) []model.Field {
	var out []model.Field
	for _, f := range fields {
		out = append(out, model.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
	}
	return out
}

// What is sent is what our own way in for Loki's protocol reads.
func TestRoundTrip(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	sink := &keep{}
	var header http.Header
	h := loki.New(intake.New(intake.Limits{}, prometheus.NewRegistry()), sink, log, prometheus.NewRegistry())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	f := newForwarder(t, Options{URL: s.URL, Header: http.Header{"X-Scope-Orgid": {"me"}}, Labels: map[string]string{"site": "x", "job": "not this"}})
	streams := []model.Stream{
		{Labels: []model.Field{{Name: "a", Value: "quote \" back \\ line \n ä"}, {Name: "job", Value: "b"}}, Records: []model.Record{
			{Time: 1_767_348_000_123_456_789, Line: "a\x00\xff\nb", Fields: []model.Field{{Name: "detected_level", Value: "error"}, {Name: "x", Value: "y"}}},
			{Time: 1, Line: "old"},
		}},
		{Labels: []model.Field{{Name: "job", Value: "empty"}}},
	}
	refused, err := f.Push(t.Context(), streams)
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	want := []model.Stream{{Labels: []model.Field{streams[0].Labels[0], {Name: "job", Value: "b"}, {Name: "site", Value: "x"}}, Records: streams[0].Records}}
	if !reflect.DeepEqual(sink.streams, want) {
		t.Errorf("got %+v\nwant %+v", sink.streams, want)
	}
	if header.Get("X-Scope-OrgID") != "me" {
		t.Errorf("header is %v", header)
	}
	if len(streams[0].Labels) != 2 {
		t.Errorf("the caller's labels were changed: %v", streams[0].Labels)
	}
}

func TestAnswers(t *testing.T) {
	f := func(status int, retryAfter, body string, wantKind model.Kind, wantRefused int, wantAfter time.Duration) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		defer s.Close()
		fwd := newForwarder(t, Options{URL: s.URL})
		refused, err := fwd.Push(t.Context(), []model.Stream{{Labels: []model.Field{{Name: "a", Value: "b"}}, Records: []model.Record{{Line: "x"}}}})
		if (err != nil) != (wantKind != model.Kind("")) || err != nil && model.KindOf(err) != wantKind {
			t.Errorf("%d: %v", status, err)
		}
		n := 0
		for _, r := range refused {
			n += r.Count
		}
		if n != wantRefused {
			t.Errorf("%d: %d refused", status, n)
		}
		var after interface{ RetryAfter() time.Duration }
		if got := errors.As(err, &after); got && after.RetryAfter() != wantAfter || !got && wantAfter != 0 {
			t.Errorf("%d: %v", status, err)
		}
	}
	f(204, "", "", "", 0, 0)
	f(200, "", "ok", "", 0, 0)
	f(400, "", "3 of 10 entries are refused, the others are kept:\n", "", 3, 0)
	f(400, "", "entry too old", "", 1, 0)
	f(413, "", "too large", model.Invalid, 0, 0)
	f(429, "7", "slow down", model.Unavailable, 0, 7*time.Second)
	f(503, "", "busy", model.Unavailable, 0, 0)
	f(500, "99999", "", model.Unavailable, 0, 0)
	f(401, "", "who are you", model.Unavailable, 0, 0) // somebody may repair the password
	f(404, "", "", model.Unavailable, 0, 0)
}

func TestServerIsAway(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	f := newForwarder(t, Options{URL: s.URL})
	_, err := f.Push(t.Context(), []model.Stream{{Records: []model.Record{{Line: "x"}}}})
	if model.KindOf(err) != model.Unavailable {
		t.Error(err)
	}
	if refused, err := f.Push(t.Context(), nil); err != nil || refused != nil {
		t.Error(refused, err)
	}
}
