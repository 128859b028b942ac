package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// memory is a sink that keeps everything. fail, when it is not nil, decides about each push before it is kept.
type memory struct {
	mu      sync.Mutex
	fail    func(streams []model.Stream) (model.Refusals, error)
	records []kept
	bytes   int
	discard bool // only count
	count   int
}

type kept struct {
	labels map[string]string
	model.Record
}

func (m *memory) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var refused model.Refusals
	if m.fail != nil {
		r, err := m.fail(streams)
		if err != nil {
			return nil, err
		}
		refused = r
	}
	for _, s := range streams {
		labels := map[string]string{}
		for _, l := range s.Labels {
			labels[l.Name] = l.Value
		}
		for _, r := range s.Records {
			m.count++
			m.bytes += len(r.Line)
			if m.discard {
				continue
			}
			m.records = append(m.records, kept{labels, model.Record{Time: r.Time, Line: strings.Clone(r.Line), Fields: slices.Clone(r.Fields)}})
		}
	}
	return refused, nil
}

func (m *memory) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]string, len(m.records))
	for i := range m.records {
		out[i] = m.records[i].Line
	}
	return out
}

func (m *memory) all() []kept {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

func (k kept) field(name string) string {
	for _, f := range k.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// quick are options under which nothing takes long.
func quick(t *testing.T) Options {
	t.Helper()
	return Options{
		Dir: filepath.Join(t.TempDir(), "positions"), Instance: "here",
		PollEvery: 5 * time.Millisecond, ScanEvery: 20 * time.Millisecond, FlushAfter: 30 * time.Millisecond,
		renamedIdle: 300 * time.Millisecond, removedIdle: 100 * time.Millisecond, Zone: time.UTC,
	}
}

func follow(paths ...string) []FileInput { return []FileInput{{Paths: paths}} }

// start follows until the test ends or stop is called.
func start(t *testing.T, o Options, sink Sink) (tailer *Tailer, stop func()) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	tailer, err := New(o, sink, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tailer.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return tailer, stop
}

// wait waits for a condition; a test that hangs is better than one that guesses how long things take, so that the limit is large.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// expect waits until exactly these lines are there, in this order.
func expect(t *testing.T, m *memory, want ...string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the lines are %q", m.lines())
		}
	}()
	wait(t, fmt.Sprintf("%d lines", len(want)), func() bool { return len(m.lines()) >= len(want) })
	if got := m.lines(); !slices.Equal(got, want) {
		t.Fatalf("got %q\nwant %q", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\ntwo\n")
	o := quick(t)
	o.Files = []FileInput{{Paths: []string{path}, Labels: map[string]string{"team": "a"}}}
	start(t, o, m)
	expect(t, m, "one", "two")
	write(t, path, "thr")
	write(t, path, "ee\r\nfour\n")
	expect(t, m, "one", "two", "three", "four")
	labels := m.all()[0].labels
	for name, want := range map[string]string{"filename": path, "instance": "here", "job": "files", "team": "a"} {
		if labels[name] != want {
			t.Errorf("label %s is %q, want %q", name, labels[name], want)
		}
	}
	if labels["service_name"] == "" {
		t.Error("service_name is missing")
	}
}

func TestRotationByRename(t *testing.T) {
	m := &memory{}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, "1\n")
	o := quick(t)
	o.renamedIdle = time.Minute // however busy the machine is, the old file is still read
	o.Files = follow(path)
	start(t, o, m)
	expect(t, m, "1")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	must(t, os.Rename(path, path+".1"))
	_, err = f.WriteString("2, to the old file\n")
	must(t, err)
	expect(t, m, "1", "2, to the old file")
	write(t, path, "3, to the new file\n")
	expect(t, m, "1", "2, to the old file", "3, to the new file")
	_, err = f.WriteString("4, to the old file again\n")
	must(t, errors.Join(err, f.Close()))
	expect(t, m, "1", "2, to the old file", "3, to the new file", "4, to the old file again")
}

// While nobody looks, the file is written to, rotated twice, and written to again.
func TestRotationWhileStopped(t *testing.T) {
	m := &memory{}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, "1\n")
	o := quick(t)
	o.Files = follow(path)
	_, stop := start(t, o, m)
	expect(t, m, "1")
	stop()
	write(t, path, "2\n")
	must(t, os.Rename(path, path+".1"))
	write(t, path, "3\n")
	start(t, o, m)
	wait(t, "three lines", func() bool { return len(m.lines()) >= 3 })
	got := m.lines()
	slices.Sort(got)
	if !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("got %q", got)
	}
}

func TestRotationToPackedWhileStopped(t *testing.T) {
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "1\n")
	o := quick(t)
	o.Files = follow(path)
	_, stop := start(t, o, m)
	expect(t, m, "1")
	stop()
	write(t, path, "2\n")
	text, err := os.ReadFile(path)
	must(t, err)
	writeGzip(t, path+".1.gz", string(text))
	must(t, os.Remove(path))
	write(t, path, "3\n")
	start(t, o, m)
	wait(t, "three lines", func() bool { return len(m.lines()) >= 3 })
	got := m.lines()
	slices.Sort(got)
	if !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("got %q", got)
	}
}

func TestCopyTruncate(t *testing.T) {
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "1\n2\n")
	o := quick(t)
	o.Files = follow(path + "*") // the copy is followed too
	start(t, o, m)
	expect(t, m, "1", "2")
	for i := range 3 {
		text, err := os.ReadFile(path)
		must(t, err)
		copied := fmt.Sprintf("%s.%d", path, i+1)
		write(t, copied, string(text))
		// The copy is there for a while: nothing of it may come twice.
		write(t, path, fmt.Sprintf("in the file only %d\n", i))
		wait(t, "what came after the copy", func() bool { return slices.Contains(m.lines(), fmt.Sprintf("in the file only %d", i)) })
		must(t, os.Truncate(path, 0))
		write(t, path, fmt.Sprintf("new %d\n", i))
		wait(t, "the new line", func() bool { return slices.Contains(m.lines(), fmt.Sprintf("new %d", i)) })
	}
	want := []string{"1", "2", "in the file only 0", "new 0", "in the file only 1", "new 1", "in the file only 2", "new 2"}
	expect(t, m, want...)
}

// The sink takes nothing while the file is copied and truncated: what was not read of the file is read in the copy.
func TestCopyTruncateWhileBusy(t *testing.T) {
	busy, refused := true, 0
	m := &memory{}
	tries := func() int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return refused
	}
	m.fail = func(streams []model.Stream) (model.Refusals, error) {
		for _, s := range streams {
			for _, r := range s.Records {
				if busy && r.Line == "3" {
					refused++
					return nil, model.NewError(model.Unavailable, "busy")
				}
			}
		}
		return nil, nil
	}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "1\n2\n")
	o := quick(t)
	o.Files = follow(path)
	start(t, o, m)
	expect(t, m, "1", "2")
	write(t, path, "3\n")
	wait(t, "a push that waits", func() bool { return tries() > 0 })
	write(t, path, "4\n")
	text, err := os.ReadFile(path)
	must(t, err)
	write(t, path+".1", string(text))
	must(t, os.Truncate(path, 0))
	write(t, path, "5\n")
	m.mu.Lock()
	busy = false
	m.mu.Unlock()
	wait(t, "five lines", func() bool { return len(m.lines()) >= 5 })
	got := m.lines()
	slices.Sort(got)
	if !slices.Equal(slices.Compact(got), []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("got %q", got)
	}
}

func TestHoleAfterTruncation(t *testing.T) {
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	f, err := os.Create(path) // without O_APPEND: it goes on where it was
	must(t, err)
	defer f.Close()
	long := strings.Repeat("x", 10_000)
	_, err = f.WriteString(long + "\n")
	must(t, err)
	o := quick(t)
	o.Files = follow(path)
	start(t, o, m)
	expect(t, m, long)
	must(t, os.Truncate(path, 0))
	_, err = f.WriteString("behind a hole\n")
	must(t, err)
	expect(t, m, long, "behind a hole")
}

func TestRemovedWhileOpen(t *testing.T) {
	m := &memory{}
	path := filepath.Join(t.TempDir(), "app.log")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("1\n")
	must(t, err)
	o := quick(t)
	o.Files = follow(path)
	tailer, _ := start(t, o, m)
	expect(t, m, "1")
	must(t, os.Remove(path))
	_, err = f.WriteString("2\nwithout an end")
	must(t, err)
	expect(t, m, "1", "2", "without an end")
	wait(t, "the file to be closed", func() bool { n, open, _ := tailer.totals(); return n == 0 && open == 0 })
}

// The system gives an inode away again: what another file holds must be read from its beginning.
func TestInodeReuse(t *testing.T) {
	m := &memory{}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, "the first file\n")
	o := quick(t)
	o.Files = follow(filepath.Join(dir, "*.log"))
	_, stop := start(t, o, m)
	expect(t, m, "the first file")
	stop()
	// The same inode with another content, longer than before, under another name.
	must(t, os.Truncate(path, 0))
	write(t, path, "quite another file, longer than the first\nsecond line\n")
	must(t, os.Rename(path, filepath.Join(dir, "other.log")))
	start(t, o, m)
	expect(t, m, "the first file", "quite another file, longer than the first", "second line")
	if got := m.all()[1].labels["filename"]; got != filepath.Join(dir, "other.log") {
		t.Errorf("filename is %s", got)
	}
}

func TestSymlinks(t *testing.T) {
	m := &memory{}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app-1.log"), "in 1\n")
	must(t, os.Symlink("app-1.log", filepath.Join(dir, "current")))
	o := quick(t)
	o.Files = follow(filepath.Join(dir, "current"), filepath.Join(dir, "app-*.log"))
	start(t, o, m)
	expect(t, m, "in 1") // once, by whichever name
	write(t, filepath.Join(dir, "app-2.log"), "in 2\n")
	must(t, os.Remove(filepath.Join(dir, "current")))
	must(t, os.Symlink("app-2.log", filepath.Join(dir, "current")))
	expect(t, m, "in 1", "in 2")
	write(t, filepath.Join(dir, "app-1.log"), "more in 1\n")
	expect(t, m, "in 1", "in 2", "more in 1")
}

func TestBusySinkLosesNothing(t *testing.T) {
	tries := 0
	m := &memory{fail: func([]model.Stream) (model.Refusals, error) {
		if tries++; tries <= 3 {
			return nil, model.NewError(model.Unavailable, "too many records at once")
		}
		return nil, nil
	}}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "1\n2\n")
	o := quick(t)
	o.Files = follow(path)
	start(t, o, m)
	expect(t, m, "1", "2")
}

// One record that is refused as a whole must not hold up those around it.
func TestInvalidRecordIsIsolated(t *testing.T) {
	m := &memory{fail: func(streams []model.Stream) (model.Refusals, error) {
		for _, s := range streams {
			for _, r := range s.Records {
				if r.Line == "bad" {
					return nil, model.NewError(model.Invalid, "it is bad")
				}
			}
		}
		return nil, nil
	}}
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "1\n2\nbad\n3\n4\n")
	o := quick(t)
	o.Files = follow(path)
	start(t, o, m)
	expect(t, m, "1", "2", "3", "4")
}

func TestOptions(t *testing.T) {
	f := func(want string, change func(*Options)) {
		t.Helper()
		o := Options{Dir: t.TempDir()}
		change(&o)
		_, err := New(o, &memory{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("Dir is empty", func(o *Options) { o.Dir = "" })
	f("a limit is negative", func(o *Options) { o.MaxLine = -1 })
	f("files[0]: paths is empty", func(o *Options) { o.Files = []FileInput{{}} })
	f("is not a glob", func(o *Options) { o.Files = follow("/var/log/[") })
	f(`did you mean "nginx_access"?`, func(o *Options) { o.Files = []FileInput{{Paths: []string{"/x"}, Format: "nginx_acces"}} })
	f(`encoding "ebcdic" is unknown`, func(o *Options) { o.Files = []FileInput{{Paths: []string{"/x"}, Encoding: "ebcdic"}} })
	f(`start "middle" is unknown`, func(o *Options) { o.Files = []FileInput{{Paths: []string{"/x"}, Start: "middle"}} })
	f("multiline.begin", func(o *Options) { o.Files = []FileInput{{Paths: []string{"/x"}, Multiline: &Multiline{Begin: "("}}} })
	f(`label "a-b"`, func(o *Options) {
		o.Files = []FileInput{{Paths: []string{"/x"}, Labels: map[string]string{"a-b": "c"}}}
	})
	f("exclude", func(o *Options) { o.Exclude = []string{"["} })
}

// The kernel tells of changes where looking would take an hour.
func TestWatch(t *testing.T) {
	m := &memory{}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, `{"level":"info","n":1}`+"\n")
	o := quick(t)
	o.Files = []FileInput{{Paths: []string{filepath.Join(dir, "*.log")}, Format: "json"}} // whose records wait for no further lines
	o.PollEvery, o.ScanEvery = time.Hour, time.Hour
	tailer, _ := start(t, o, m)
	wait(t, "the first line", func() bool { return len(m.lines()) == 1 })
	wait(t, "the folder to be watched", func() bool { return tailer.watching.Load() > 0 })
	write(t, path, `{"level":"info","n":2}`+"\n")
	wait(t, "the second line", func() bool { return len(m.lines()) == 2 })
}

// Without it, looking finds everything.
func TestPollingOnly(t *testing.T) {
	m := &memory{}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, "1\n")
	o := quick(t)
	o.Files, o.NoWatch = follow(filepath.Join(dir, "*.log")), true
	start(t, o, m)
	expect(t, m, "1")
	write(t, path, "2\n")
	expect(t, m, "1", "2")
	write(t, filepath.Join(dir, "other.log"), "3\n")
	expect(t, m, "1", "2", "3")
}

func TestOwnLog(t *testing.T) {
	m := &memory{}
	o := quick(t)
	o.Own = NewOwnLog()
	log := slog.New(slog.NewJSONHandler(o.Own, nil))
	log.Info("before the start")
	start(t, o, m)
	log.Error("it fails")
	wait(t, "two lines", func() bool { return len(m.lines()) >= 2 })
	got := m.all()
	if !strings.Contains(got[0].Line, `"msg":"before the start"`) || got[0].labels["service_name"] != "hulotte" || got[1].field("detected_level") != "error" {
		t.Errorf("got %+v", got)
	}
	full := NewOwnLog()
	for range ownQueue + 10 {
		fmt.Fprintln(full, "x")
	}
	if full.dropped.Load() != 10 {
		t.Errorf("%d were dropped", full.dropped.Load())
	}
}

// Secrets are masked in lines and in the fields that were found in them.
func TestMask(t *testing.T) {
	masker, err := logformat.NewMasker(logformat.MaskOptions{})
	must(t, err)
	m := &memory{}
	path := filepath.Join(t.TempDir(), "access.log")
	const token = "ghp_0123456789abcdefghij0123456789abcdef"
	write(t, path, `203.0.113.9 - - [23/Nov/2026:04:40:02 +0000] "GET /b?t=`+token+` HTTP/1.1" 502 12 "-" "curl/8"`+"\n")
	o := quick(t)
	o.Files, o.Mask = []FileInput{{Paths: []string{path}, Format: "nginx_access"}}, masker
	start(t, o, m)
	wait(t, "the line", func() bool { return len(m.lines()) == 1 })
	got := m.all()[0]
	if strings.Contains(got.Line, token) || !strings.Contains(got.Line, "ghp_***") || got.field("url_original") != "/b?t=ghp_***" {
		t.Errorf("got %+v", got)
	}
}
