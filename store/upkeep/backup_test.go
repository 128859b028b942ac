package upkeep

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
)

// openLocal opens a medium below a folder.
func openLocal(_ context.Context, dir string) (medium.Medium, error) {
	return local.Open(local.Options{Dir: filepath.Join(dir, "medium")}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// content is a medium with one of each, and one tenant with some files.
func content(t *testing.T) Content {
	t.Helper()
	m, err := openLocal(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	j, err := m.Journals().Open(t.Context(), "n/j", medium.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = j.Append(t.Context(), []byte("entry"))
	_, err2 := m.Blobs().Put(t.Context(), "b/1", strings.NewReader("blob"), medium.PutOptions{})
	_, err3 := m.Documents().Put(t.Context(), "k", "key", []byte(`{"a":1}`), medium.Absent)
	if err := errors.Join(err, err2, err3, j.Close()); err != nil {
		t.Fatal(err)
	}
	tenant := t.TempDir()
	for name, text := range map[string]string{"wal/00000000": "log", "metadata.json": "{}", "clean": "", "snapshots/x/index": "old", "01A.tmp-for-creation/index": "half"} {
		name = filepath.Join(tenant, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o750), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return Content{
		Product: "1.2.3", Type: "local", Medium: m, Tenants: []string{"default"}, Config: []byte("data_dir: /x\n"),
		Copy: func(context.Context, string) (string, func() error, error) {
			return tenant, func() error { return nil }, nil
		},
	}
}

func archive(t *testing.T, c Content) []byte {
	t.Helper()
	var b bytes.Buffer
	sink, err := transfer.TarSink(&b, false)
	if err != nil {
		t.Fatal(err)
	}
	r := BackupTo(Unkept(t.Context(), Backup, nil), sink, c)
	if r.State != Sound || r.Counts.Files != 4 || r.Counts.Documents != 1 || r.Counts.Blobs != 1 || r.Counts.Entries != 1 {
		t.Fatalf("the backup: %+v", r)
	}
	return b.Bytes()
}

func restore(t *testing.T, r Restore, tar []byte) (Restored, error) {
	t.Helper()
	source, err := transfer.TarSource(bytes.NewReader(tar))
	if err != nil {
		return Restored{}, err
	}
	r.Open = openLocal
	return r.Run(t.Context(), source)
}

// wantRestored checks that everything of content is in a data folder.
func wantRestored(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]string{"series/default/wal/00000000": "log", "series/default/metadata.json": "{}", "series/default/clean": "", ConfigFile: "data_dir: /x\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"series/default/snapshots", "series/default/01A.tmp-for-creation", restoring} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	if err := CheckDataDir(dir); err != nil {
		t.Error(err)
	}
	m, err := openLocal(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if err := transfer.Unfinished(t.Context(), m); err != nil {
		t.Error(err)
	}
	d, err := m.Documents().Get(t.Context(), "k", "key")
	if err != nil || string(d.Value) != `{"a":1}` {
		t.Errorf("the document: %s, %v", d.Value, err)
	}
	entries := 0
	_, err = m.Journals().Replay(t.Context(), "n/j", 0, func(_ medium.Position, e []byte) error {
		entries++
		if string(e) != "entry" {
			t.Errorf("the entry: %q", e)
		}
		return nil
	})
	if err != nil || entries != 1 {
		t.Errorf("%d entries, %v", entries, err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	tar := archive(t, content(t))
	dir := t.TempDir()
	out, err := restore(t, Restore{DataDir: dir}, tar)
	if err != nil || out.Manifest.Product != "1.2.3" || out.Aside != "" || out.Config != filepath.Join(dir, ConfigFile) {
		t.Fatalf("%+v, %v", out, err)
	}
	wantRestored(t, dir)

	// Not over what is there, unless forced: and then that is kept.
	if _, err := restore(t, Restore{DataDir: dir}, tar); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("over what is there: %v", err)
	}
	out, err = restore(t, Restore{DataDir: dir, Force: true}, tar)
	if err != nil || out.Aside == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	wantRestored(t, dir)
	wantRestored(t, out.Aside)
}

// A backup that cannot be read changes nothing, wherever it is cut.
func TestRestoreOfACutBackupChangesNothing(t *testing.T) {
	tar := archive(t, content(t))
	for _, end := range []int{0, 100, 512, 1024, len(tar) / 3, len(tar) / 2, len(tar) * 8 / 10, len(tar) - 2*1024} {
		dir := t.TempDir()
		if _, err := restore(t, Restore{DataDir: dir}, tar[:end]); err == nil {
			t.Errorf("%d of %d bytes were restored", end, len(tar))
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%d of %d bytes left %v, %v", end, len(tar), left, err)
		}
	}
}

// While half of a restore is there nobody uses the folder, and the restore can be done again.
func TestUnfinishedRestore(t *testing.T) {
	tar := archive(t, content(t))
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, restoring, "series"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := CheckDataDir(dir); !errors.Is(err, ErrUnfinishedRestore) {
		t.Errorf("CheckDataDir = %v", err)
	}
	if _, err := restore(t, Restore{DataDir: dir}, tar); err != nil {
		t.Fatal(err)
	}
	wantRestored(t, dir)
}

// fullDisk takes so many bytes and no more.
type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, medium.ErrNoSpace
	}
	f.room -= len(p)
	return len(p), nil
}

func TestBackupOntoAFullDiskFails(t *testing.T) {
	for _, room := range []int{0, 600, 3000} {
		sink, err := transfer.TarSink(&fullDisk{room}, false)
		if err != nil {
			t.Fatal(err)
		}
		if r := BackupTo(Unkept(t.Context(), Backup, nil), sink, content(t)); r.State != Failed || !strings.Contains(r.Error, "no space") {
			t.Errorf("%d bytes of room: %+v", room, r)
		}
	}
}

func TestBackupWhoseCallerLeaves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := content(t)
	c.Copy = func(context.Context, string) (string, func() error, error) {
		cancel()
		return "", nil, ctx.Err()
	}
	sink, err := transfer.TarSink(io.Discard, true)
	if err != nil {
		t.Fatal(err)
	}
	if r := BackupTo(Unkept(ctx, Backup, nil), sink, c); r.State != Stopped {
		t.Errorf("%+v", r)
	}
}
