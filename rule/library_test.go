package rule

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// node is a Library on a medium, and what it told last.
type node struct {
	*Library
	mu   sync.Mutex
	seen []Document // guarded by mu
}

func newNode(t *testing.T, docs medium.Documents) *node {
	n := &node{}
	n.Library = NewLibrary(LibraryOptions{
		Documents: func() (medium.Documents, error) { return docs, nil },
		Wait:      func(context.Context) medium.Documents { return docs },
		Parsers:   map[Language]parser.Parser{PromQL: parser.NewParser(parser.Options{})},
		Changed: func(all []Document) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.seen = all
			return nil
		},
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return n
}

// told waits until the node evaluates documents that f accepts.
func (n *node) told(t *testing.T, f func([]Document) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		n.mu.Lock()
		ok := f(n.seen)
		n.mu.Unlock()
		if ok {
			return
		}
	}
	t.Fatalf("not told; it has %+v", n.All())
}

func openDocuments(t *testing.T) medium.Documents {
	t.Helper()
	m, err := local.Open(local.Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m.Documents()
}

func TestEveryNodeHearsOfAnEdit(t *testing.T) {
	docs := openDocuments(t)
	a, b := newNode(t, docs), newNode(t, docs)
	v, err := a.Put(t.Context(), Document{Name: "shop", YAML: groupAlone, By: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.All(); len(got) != 1 || got[0].By != "alice" || got[0].Language != PromQL || got[0].At.IsZero() {
		t.Errorf("right after it was put: %+v", got)
	}
	b.told(t, func(d []Document) bool { return len(d) == 1 && d[0].Version == v })
	text := strings.Replace(groupAlone, "50", "40", 1)
	if _, err := b.Put(t.Context(), Document{Name: "shop", YAML: text, By: "bob", Version: v}); err != nil {
		t.Fatal(err)
	}
	a.told(t, func(d []Document) bool { return len(d) == 1 && d[0].By == "bob" && d[0].YAML == text })
	if err := a.Delete(t.Context(), "shop", 0); err != nil {
		t.Fatal(err)
	}
	b.told(t, func(d []Document) bool { return len(d) == 0 })
	late := newNode(t, docs)
	late.told(t, func(d []Document) bool { return len(d) == 0 })
}

func TestEditsAreRefused(t *testing.T) {
	n := newNode(t, openDocuments(t))
	f := func(kind model.Kind, d Document, want string) {
		t.Helper()
		_, err := n.Put(t.Context(), d)
		if model.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v of kind %s, want %q of kind %s", err, model.KindOf(err), want, kind)
		}
	}
	f(model.Invalid, Document{YAML: groupAlone}, `"name" is empty`)
	f(model.Invalid, Document{Name: strings.Repeat("x", 201), YAML: groupAlone}, "200 bytes")
	f(model.Invalid, Document{Name: "a\x00", YAML: groupAlone}, "printed")
	f(model.Invalid, Document{Name: "a", Language: "sql", YAML: groupAlone}, "promql or logql")
	f(model.Invalid, Document{Name: "a", Language: LogQL, YAML: groupAlone}, "not evaluated")
	f(model.Invalid, Document{Name: "a", YAML: "name: a\nrules: [{expr: b}]"}, "must be set")
	f(model.Invalid, Document{Name: "a", YAML: strings.Repeat("#", maxDocumentYAML+1)}, "bytes")
	v, err := n.Put(t.Context(), Document{Name: "a", YAML: groupAlone})
	if err != nil {
		t.Fatal(err)
	}
	f(model.Conflict, Document{Name: "a", YAML: groupAlone}, "changed by somebody else")
	f(model.Conflict, Document{Name: "a", YAML: groupAlone, Version: v + 7}, "changed by somebody else")
	if err := n.Delete(t.Context(), "b", 0); model.KindOf(err) != model.NotFound {
		t.Errorf("deleting what is not there: %v", err)
	}
}

func TestUnreadableDocumentIsLeftOut(t *testing.T) {
	docs := openDocuments(t)
	for key, value := range map[string]string{"a": `{"name":"b"}`, "c": `[1]`, "d": `{"name":"d","language":"basic"}`} {
		if _, err := docs.Put(t.Context(), documentKind, key, []byte(value), medium.Absent); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode(t, docs)
	if _, err := n.Put(t.Context(), Document{Name: "shop", YAML: groupAlone}); err != nil {
		t.Fatal(err)
	}
	n.told(t, func(d []Document) bool { return len(d) == 1 && d[0].Name == "shop" })
}
