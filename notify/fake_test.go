package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/client_golang/prometheus"
	promodel "github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// got is a request that a service got.
type got struct {
	method, path, query string
	header              http.Header
	body                string
}

// service stands for a service: it keeps what it gets, and answers as it is told.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []got
	answer func(got) (int, string)
}

func serve(t *testing.T, answer func(got) (int, string)) *service {
	t.Helper()
	s := &service{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func always(status int, body string) func(got) (int, string) {
	return func(got) (int, string) { return status, body }
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g := got{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header, string(body)}
	s.mu.Lock()
	s.calls = append(s.calls, g)
	status, text := s.answer(g)
	s.mu.Unlock()
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (s *service) all() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// only is the one request there was.
func (s *service) only(t *testing.T) got {
	t.Helper()
	calls := s.all()
	if len(calls) != 1 {
		t.Fatalf("%d requests, want one: %v", len(calls), calls)
	}
	return calls[0]
}

// json reads the body.
func (g got) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(g.body), &m); err != nil {
		t.Fatalf("the body is no JSON: %v: %s", err, g.body)
	}
	return m
}

// want compares what a service got, as text, with what it must be.
func want(t *testing.T, what string, have, want any) {
	t.Helper()
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("%s is %v, want %v", what, have, want)
	}
}

func newNotifier(t *testing.T, o Options) (*Notifier, *bytes.Buffer) {
	t.Helper()
	var b bytes.Buffer
	n, err := New(o, slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return n, &b
}

var readTemplates = sync.OnceValues(func() (*template.Template, error) { return template.FromGlobs(nil) })

func templates(t *testing.T) *template.Template {
	t.Helper()
	tmpl, err := readTemplates()
	if err != nil {
		t.Fatal(err)
	}
	tmpl.ExternalURL = &url.URL{Scheme: "https", Host: "hulotte.example"}
	return tmpl
}

// extra reads an entry.
func extra(t *testing.T, kind, text string) Extra {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return Extra{Kind: kind, Node: *doc.Content[0]}
}

// integration builds one, wrapped.
func integration(t *testing.T, n *Notifier, kind, text string) *amnotify.Integration {
	t.Helper()
	all, err := n.Build("team", []Extra{extra(t, kind, text)}, templates(t))
	if err != nil {
		t.Fatal(err)
	}
	i := n.Wrap("team", all[0])
	return &i
}

func group(ctx context.Context, key string) context.Context {
	ctx = amnotify.WithReceiverName(ctx, "team")
	ctx = amnotify.WithGroupKey(ctx, key)
	ctx = amnotify.WithGroupLabels(ctx, promodel.LabelSet{"alertname": "Down"})
	ctx = amnotify.WithNotificationReason(ctx, amnotify.ReasonFirstNotification)
	return amnotify.WithNow(ctx, time.Now())
}

func raised(host, severity, summary string) *amalert.Alert {
	return &amalert.Alert{Alert: promodel.Alert{
		Labels:      promodel.LabelSet{"alertname": "Down", "host": promodel.LabelValue(host), "severity": promodel.LabelValue(severity)},
		Annotations: promodel.LabelSet{"summary": promodel.LabelValue(summary), "description": "It does not answer."},
		StartsAt:    time.Now().Add(-time.Minute), EndsAt: time.Now().Add(time.Hour), GeneratorURL: "https://hulotte.example/g",
	}}
}

func over(a *amalert.Alert) *amalert.Alert {
	c := *a
	c.EndsAt = time.Now().Add(-time.Second)
	return &c
}

// tell sends what must arrive.
func tell(t *testing.T, i *amnotify.Integration, alerts ...*amalert.Alert) {
	t.Helper()
	if len(alerts) == 0 {
		alerts = []*amalert.Alert{raised("web1", "critical", "web1 is down")}
	}
	if retry, err := i.Notify(group(t.Context(), "g"), alerts...); err != nil || retry {
		t.Fatalf("retry %t, %v", retry, err)
	}
}

// shelf is documents in memory: as much of medium.Documents as is used here.
type shelf struct {
	medium.Documents

	mu      sync.Mutex
	docs    map[string]medium.Document
	next    medium.Version
	away    bool
	changed chan struct{}
}

func newShelf() *shelf {
	return &shelf{docs: map[string]medium.Document{}, changed: make(chan struct{})}
}

func (s *shelf) get() (medium.Documents, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errNothingKept
	}
	return s, nil
}

func (s *shelf) Get(_ context.Context, kind, key string) (medium.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.docs[kind+"/"+key]
	if !ok {
		return d, medium.ErrNotFound
	}
	return d, nil
}

func (s *shelf) Put(_ context.Context, kind, key string, value []byte, expected medium.Version) (medium.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := medium.ValidDocument(kind, key, value); err != nil {
		return 0, err
	}
	if s.docs[kind+"/"+key].Version != expected {
		return 0, medium.ErrConflict
	}
	s.next++
	s.docs[kind+"/"+key] = medium.Document{Kind: kind, Key: key, Version: s.next, Value: value}
	close(s.changed)
	s.changed = make(chan struct{})
	return s.next, nil
}

func (s *shelf) Delete(_ context.Context, kind, key string, expected medium.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.docs[kind+"/"+key]; !ok || d.Version != expected {
		return medium.ErrConflict
	}
	delete(s.docs, kind+"/"+key)
	return nil
}

func (s *shelf) all(kind string) (out []medium.Document, changed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(s.docs)) {
		if s.docs[k].Kind == kind {
			out = append(out, s.docs[k])
		}
	}
	return out, s.changed
}

func (s *shelf) List(_ context.Context, kind, prefix string) iter.Seq2[medium.Document, error] {
	return func(yield func(medium.Document, error) bool) {
		docs, _ := s.all(kind)
		for _, d := range docs {
			if strings.HasPrefix(d.Key, prefix) && !yield(d, nil) {
				return
			}
		}
	}
}

func (s *shelf) Watch(ctx context.Context, kind string) iter.Seq2[medium.Change, error] {
	return func(yield func(medium.Change, error) bool) {
		for {
			docs, changed := s.all(kind)
			for _, d := range docs {
				if !yield(medium.Change{Type: medium.Put, Document: d}, nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(medium.Change{}, ctx.Err())
				return
			}
		}
	}
}
