package runbook

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

func openDocuments(t *testing.T) medium.Documents {
	t.Helper()
	m, err := local.Open(local.Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m.Documents()
}

// newNode is a Library that follows a medium until the test ends.
func newNode(t *testing.T, docs medium.Documents) *Library {
	l := NewLibrary(Options{
		Documents: func() (medium.Documents, error) { return docs, nil },
		Wait:      func(context.Context) medium.Documents { return docs },
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return l
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestEveryNodeSeesAnEdit(t *testing.T) {
	docs := openDocuments(t)
	a, b := newNode(t, docs), newNode(t, docs)
	title := func(l *Library) string { r, _ := l.Get("HostDiskFull"); return r.Title }
	was := title(a)
	v, err := a.Put(t.Context(), "HostDiskFull", "# Call Anna\n", "bob", 0)
	if err != nil || title(a) != "Call Anna" {
		t.Fatal(err, title(a))
	}
	eventually(t, "the other node sees it", func() bool { return title(b) == "Call Anna" })
	if r, _ := b.Get("HostDiskFull"); r.By != "bob" || r.Version != v || r.Source != FromDocument || !b.Hides("HostDiskFull") {
		t.Errorf("%+v", r)
	}
	if _, err := b.Put(t.Context(), "HostDiskFull", "text", "eve", 0); model.KindOf(err) != model.Conflict {
		t.Errorf("%v, want a conflict", err)
	}
	if err := b.Delete(t.Context(), "HostDiskFull", 0); err != nil || title(b) != was {
		t.Error(err, title(b))
	}
	eventually(t, "the default one is back", func() bool { return title(a) == was })
	if err := a.Delete(t.Context(), "HostDiskFull", 0); model.KindOf(err) != model.Invalid {
		t.Errorf("%v, want that it is not edited here", err)
	}
	if err := a.Delete(t.Context(), "none", 0); model.KindOf(err) != model.NotFound {
		t.Error(err)
	}
}

func TestUnreadableDocumentIsLeftOut(t *testing.T) {
	docs := openDocuments(t)
	for key, value := range map[string]string{"a": `{"id":"b","text":"x"}`, "c": `{"id":"c"}`, "d": `{"id":"d","text":"fine"}`} {
		if _, err := docs.Put(t.Context(), documentKind, key, []byte(value), medium.Absent); err != nil {
			t.Fatal(err)
		}
	}
	l := newNode(t, docs)
	eventually(t, "the good one is seen", func() bool { _, ok := l.Get("d"); return ok })
	for _, id := range []string{"a", "b", "c"} {
		if _, ok := l.Get(id); ok {
			t.Errorf("%s is there", id)
		}
	}
}

func TestWhichRunbookIsForAnAlert(t *testing.T) {
	l := NewLibrary(Options{}, slog.New(slog.DiscardHandler))
	for id, text := range map[string]string{
		"general":  "---\nmatch: {severity: critical}\n---\ntext",
		"storage":  "---\nmatch: ['severity=critical', 'mountpoint=~\"/srv.*\"']\n---\ntext",
		"our-disk": "---\nmatch: {alertname: HostDiskFull, instance: db1}\n---\ntext",
		"other":    "---\nmatch: {severity: page}\n---\ntext",
	} {
		r, err := Parse(id, text)
		if err != nil {
			t.Fatal(err)
		}
		r.Source = FromDocument
		l.docs[id] = r
	}
	f := func(url, want string, labels ...string) {
		t.Helper()
		set := map[string]string{}
		for _, l := range labels {
			name, value, _ := strings.Cut(l, "=")
			set[name] = value
		}
		var got []string
		for _, r := range l.For(set, url) {
			got = append(got, r.ID)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%v: %s, want %s", labels, g, want)
		}
	}
	f("", "HostDiskFull", "alertname=HostDiskFull")
	f("", "", "alertname=Mine")
	f("", "our-disk HostDiskFull storage general", "alertname=HostDiskFull", "severity=critical", "mountpoint=/srv/a", "instance=db1")
	f("", "HostDiskFull general", "alertname=HostDiskFull", "severity=critical", "mountpoint=/", "instance=db2")
	f("https://owl.example/w/runbooks?id=HostDiskFull", "our-disk HostDiskFull", "alertname=HostDiskFull", "instance=db1")
	f("https://owl.example/w/runbooks?id=other", "other HostDiskFull", "alertname=HostDiskFull")
	f("https://wiki.example/ops/HOSTSWAPPING.md", "HostSwapping", "alertname=Mine")
	f("https://wiki.example/", "", "alertname=Mine")
	f("://", "", "alertname=Mine")
}

const print1, print2 = "00112233445566aa", "ffffffffffffffff"

func TestSteps(t *testing.T) {
	docs := openDocuments(t)
	now := time.Unix(1_800_000_000, 0).UTC()
	l := NewLibrary(Options{Documents: func() (medium.Documents, error) { return docs, nil }, Now: func() time.Time { return now }}, slog.New(slog.DiscardHandler))
	if _, err := l.Put(t.Context(), "book", "- [ ] one\n- [ ] two\n- [ ] three\n", "bob", 0); err != nil {
		t.Fatal(err)
	}
	do := func(step int, done bool, by string) {
		t.Helper()
		now = now.Add(time.Minute)
		if _, err := l.Do(t.Context(), print1, Done{Runbook: "book", Step: step, Done: done, By: by}); err != nil {
			t.Fatal(err)
		}
	}
	do(0, true, "anna")
	do(1, true, "bob")
	do(1, false, "anna")
	do(2, true, "bob")
	state := func() string {
		t.Helper()
		log, err := l.Log(t.Context(), print1, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		r, _ := l.Get("book")
		text := ""
		for _, d := range r.State(log) {
			text += d.Text + " " + map[bool]string{true: "done", false: "open"}[d.Done] + " " + d.By + "; "
		}
		return text
	}
	if got := state(); got != "one done anna; two open anna; three done bob; " {
		t.Error(got)
	}
	if _, err := l.Put(t.Context(), "book", "- [ ] three\n- [ ] zero\n- [ ] one\n", "bob", 1); err != nil {
		r, _ := l.Get("book")
		if _, err := l.Put(t.Context(), "book", "- [ ] three\n- [ ] zero\n- [ ] one\n", "bob", r.Version); err != nil {
			t.Fatal(err)
		}
	}
	if got := state(); got != "three done bob; one done anna; " {
		t.Errorf("%s, after the text was changed", got)
	}
	if log, err := l.Log(t.Context(), print1, now); err != nil || len(log) != 1 {
		t.Error(err, log)
	}
	if log, err := l.Log(t.Context(), print2, time.Time{}); err != nil || len(log) != 0 {
		t.Error(err, log)
	}
	refuse := func(alert string, d Done, kind model.Kind) {
		t.Helper()
		if _, err := l.Do(t.Context(), alert, d); model.KindOf(err) != kind {
			t.Errorf("%v, want %s", err, kind)
		}
	}
	refuse("../x", Done{Runbook: "book"}, model.Invalid)
	refuse(print1, Done{Runbook: "none"}, model.NotFound)
	refuse(print1, Done{Runbook: "book", Step: 3}, model.Invalid)
	refuse(print1, Done{Runbook: "book", Step: -1}, model.Invalid)
	refuse(print1, Done{Runbook: "book", Comment: strings.Repeat("x", 3000)}, model.Invalid)
	now = now.Add(keepSteps + time.Hour)
	l.cleanSteps(t.Context())
	if got := state(); got != "" {
		t.Errorf("%s, after half a year", got)
	}
}

func TestManyPeopleAtOnce(t *testing.T) {
	docs := openDocuments(t)
	l := NewLibrary(Options{Documents: func() (medium.Documents, error) { return docs, nil }}, slog.New(slog.DiscardHandler))
	errs := make(chan error)
	for range 5 {
		go func() {
			_, err := l.Do(t.Context(), print1, Done{Runbook: "HostDiskFull", Step: 1, Done: true})
			errs <- err
		}()
	}
	for range 5 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if log, err := l.Log(t.Context(), print1, time.Time{}); err != nil || len(log) != 5 {
		t.Errorf("%v, %d entries", err, len(log))
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := NewLibrary(Options{
			Documents: func() (medium.Documents, error) { return nil, model.NewError(model.Unavailable, "away") },
			Wait:      func(context.Context) medium.Documents { return nil },
		}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		l.SetFolders([]string{dir})
		if err := writeFile(dir+"/Mine.md", "text"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(filePause + time.Second)
		if r, ok := l.Get("Mine"); !ok || r.Path != dir+"/Mine.md" {
			t.Error("the new file is not seen")
		}
		if _, err := l.Put(ctx, "x", "text", "bob", 0); model.KindOf(err) != model.Unavailable {
			t.Error(err)
		}
		l.SetFolders(nil)
		if _, ok := l.Get("Mine"); ok {
			t.Error("a folder that is not named any more is still used")
		}
		cancel()
		<-done
	})
}

func TestURL(t *testing.T) {
	if got := URL("https://owl.example/w/", "a b&c"); got != "https://owl.example/w/runbooks?id=a+b%26c" {
		t.Error(got)
	}
}
