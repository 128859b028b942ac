package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

func TestOptions(t *testing.T) {
	ok := func(o Options) {
		t.Helper()
		if _, err := o.withDefaults(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	bad := func(o Options, want string) {
		t.Helper()
		_, err := Open(o, discard(), nil)
		if model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an invalid with %q", o, err, want)
		}
	}
	ok(Options{Dir: "x"})
	ok(Options{Dir: "x", Sync: SyncInterval, SyncInterval: time.Minute, SegmentBytes: 1, QueueBytes: 1})
	bad(Options{}, "Dir is empty")
	bad(Options{Dir: "x", Sync: "never"}, `Sync is "never", not "always" or "interval"`)
	bad(Options{Dir: "x", SyncInterval: time.Hour}, "SyncInterval is 1h0m0s")
	bad(Options{Dir: "x", SegmentBytes: -1}, "SegmentBytes is -1")
}

func TestFolderFormat(t *testing.T) {
	f := func(content string, kind model.Kind, want string) {
		t.Helper()
		mem := vfs.NewMem()
		openTest(t, Options{FS: mem, Dir: "/m"}).Close()
		if err := vfs.WriteFile(mem, "/m/medium.json", []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		for _, readOnly := range []bool{false, true} {
			m, err := Open(Options{FS: mem, Dir: "/m", ReadOnly: readOnly}, discard(), nil)
			if err == nil {
				m.Close()
			}
			if model.KindOf(err) != kind || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%q, read-only %v: %v, want kind %q with %q", content, readOnly, err, kind, want)
			}
		}
	}
	f(`{"format":1}`, "", "")
	f(`{"format":1,"future":true}`, "", "")
	f(`{"format":2}`, model.Invalid, "medium.json says 2, this program reads 1 to 1")
	f(`{"format":-1}`, model.Invalid, "says -1")
	f(``, model.Corrupt, "medium.json does not hold")
	f(`{}`, model.Corrupt, "medium.json does not hold")
	f(strings.Repeat("x", maxFormatFile+1), model.Unavailable, "too large")
}

func FuzzFolderFormat(f *testing.F) {
	f.Add([]byte(`{"format":1,"note":"x"}`))
	f.Add([]byte(`{"format":99}`))
	f.Add([]byte(`{"format":1e400}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		mem := vfs.NewMem()
		if err := vfs.WriteFile(mem, "/medium.json", content, 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := readFormat(mem, "/")
		if err == nil && (got.Format < oldestFormat || got.Format > newestFormat) {
			t.Fatalf("format %d is taken", got.Format)
		}
	})
}

func TestSegmentOfANewerFormatIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	m, h := openTest(t, Options{FS: mem, Dir: "/m"}), newHistory()
	defer func() { m.Close() }()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 2, 20)
	path := m.journals.opened("a").snapshot()[0].path
	j.Close()
	b, err := vfs.ReadFile(mem, path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b[8] = 2
	copy(b[60:], []byte{0, 0, 0, 0})
	crc := crc32c(b[:60])
	b[60], b[61], b[62], b[63] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
	if err := vfs.WriteFile(mem, path, b, 0o640); err != nil {
		t.Fatal(err)
	}
	f := func(err error) {
		t.Helper()
		if model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("error %v, want an invalid that names the file and the version", err)
		}
	}
	_, err = m.Journals().Open(context.Background(), "a", medium.JournalOptions{})
	f(err)
	_, err = m.Journals().Replay(context.Background(), "a", 0, nil)
	f(err)
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	m := openTest(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir}, discard(), nil)
	wantErr(t, err, medium.ErrInUse, dir, "stop the process")
	reader := openTest(t, Options{Dir: dir, ReadOnly: true})
	if err := errors.Join(reader.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	openTest(t, Options{Dir: dir}).Close()
}

// tree returns every file below dir with its content.
func tree(t *testing.T, fsys vfs.FS, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := fsys.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			all[path] = "folder"
			for k, v := range tree(t, fsys, path) {
				all[k] = v
			}
			continue
		}
		b, err := vfs.ReadFile(fsys, path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(b)
	}
	return all
}

// Reading what a killed process has left, torn and damaged, changes nothing on the disk.
func TestReadOnlyChangesNothing(t *testing.T) {
	ctx, mem := context.Background(), vfs.NewMem()
	m, h := openTest(t, Options{FS: mem, Dir: "/m", SegmentBytes: 1000}), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 20, 100)
	last := m.journals.opened("a").snapshot()[2]
	disk := mem.Kill()
	flip(t, disk, segmentPath("/m/journal/a", 1), 64+40)
	f, err := disk.OpenFile(last.path, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("the beginning of a record"), last.counts); err != nil {
		t.Fatal(err)
	}
	f.Close()

	before, operations := tree(t, disk, "/"), disk.Operations()
	r := openTest(t, Options{FS: disk, Dir: "/m", ReadOnly: true})
	n := 0
	damage, err := r.Journals().Replay(ctx, "a", 0, func(medium.Position, []byte) error { n++; return nil })
	if err != nil || n != 19 || len(damage) != 1 || damage[0].Kept != "" || damage[0].Before != 2 {
		t.Errorf("replay yields %d entries, damage %+v, %v", n, damage, err)
	}
	list, err := r.Journals().List(ctx)
	if err != nil || len(list) != 1 || list[0].Next <= 20 {
		t.Errorf("list %+v, %v", list, err)
	}
	_, err = r.Journals().Open(ctx, "a", medium.JournalOptions{})
	wantErr(t, err, medium.ErrReadOnly)
	wantErr(t, r.Journals().Delete(ctx, "a"), medium.ErrReadOnly)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n := disk.Operations() - operations; n != 0 {
		t.Errorf("%d operations on the disk", n)
	}
	if after := tree(t, disk, "/"); len(after) != len(before) {
		t.Errorf("files %v, before %v", after, before)
	} else {
		for path, content := range before {
			if after[path] != content {
				t.Errorf("%s has changed", path)
			}
		}
	}
	_, err = Open(Options{FS: disk, Dir: "/none", ReadOnly: true}, discard(), nil)
	wantErr(t, err, medium.ErrNotFound, "/none")
}

func TestClosedMedium(t *testing.T) {
	ctx, m := context.Background(), openTest(t, Options{FS: vfs.NewMem(), Dir: "/m"})
	j := openJournal(t, m, "a")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := j.Append(ctx, nil)
	wantErr(t, err, medium.ErrClosed)
	_, err = m.Journals().Open(ctx, "a", medium.JournalOptions{})
	wantErr(t, err, medium.ErrClosed)
	_, err = m.Journals().List(ctx)
	wantErr(t, err, medium.ErrClosed)
	_, err = m.Journals().Replay(ctx, "a", 0, nil)
	wantErr(t, err, medium.ErrClosed)
	if err := errors.Join(j.Close(), m.Close()); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestMetricsOfJournals(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := Open(Options{FS: vfs.NewMem(), Dir: "/m"}, discard(), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	h := newHistory()
	mustAppend(t, h, openJournal(t, m, "a"), "a", 3, 100)
	mustAppend(t, h, openJournal(t, m, "b"), "b", 1, 100)
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	want := strings.NewReader(`
		# HELP hulotte_journal_appends_total Entries that were appended and acknowledged.
		# TYPE hulotte_journal_appends_total counter
		hulotte_journal_appends_total 4
		# HELP hulotte_journal_append_bytes_total Bytes that were written for acknowledged entries, with their framing.
		# TYPE hulotte_journal_append_bytes_total counter
		hulotte_journal_append_bytes_total 528
		# HELP hulotte_journal_open Journals that are open for appending.
		# TYPE hulotte_journal_open gauge
		hulotte_journal_open 2
		# HELP hulotte_journal_segments Files of the journals that are open for appending.
		# TYPE hulotte_journal_segments gauge
		hulotte_journal_segments 2
		# HELP hulotte_journal_queue_bytes Bytes of entries that wait to be written or are being written, in all journals.
		# TYPE hulotte_journal_queue_bytes gauge
		hulotte_journal_queue_bytes 0
	`)
	err = testutil.GatherAndCompare(reg, want, "hulotte_journal_appends_total", "hulotte_journal_append_bytes_total",
		"hulotte_journal_open", "hulotte_journal_segments", "hulotte_journal_queue_bytes")
	if err != nil {
		t.Error(err)
	}
}

// A journal whose name looks like a file of ours does not meet it.
func TestJournalNamesThatLookLikeFiles(t *testing.T) {
	ctx, m, h := context.Background(), openTest(t, Options{Dir: t.TempDir()}), newHistory()
	defer m.Close()
	names := []string{"a", "a/00000000000000000001.log", "a/00000000000000000001.log/b", "a/00000000000000000001.log.tmp-0", "a/x.log", "LOCK", "a.log"}
	for i, name := range names {
		j := openJournal(t, m, name)
		mustAppend(t, h, j, name, i+1, 20)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		wantAll(t, m, h, name)
		openJournal(t, m, name).Close()
		wantAll(t, m, h, name)
	}
	list, err := m.Journals().List(ctx)
	var got []string
	for _, i := range list {
		got = append(got, i.Name)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(got, names) {
		t.Errorf("list %q, %v; want %q", got, err, names)
	}
	for _, name := range names {
		if err := m.Journals().Delete(ctx, name); err != nil {
			t.Error(err)
		}
	}
	if left := tree(t, vfs.OS{}, m.journals.dir); len(left) != 0 {
		t.Errorf("left after all were deleted: %v", left)
	}
}
