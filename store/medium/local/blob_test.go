package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

func TestBlobsOnDisk(t *testing.T) {
	dir := t.TempDir()
	mediumtest.Blobs(t, func(t *testing.T) (medium.Blobs, func() error) {
		b := mustOpenBlobs(t, vfs.OS{}, filepath.Join(dir, "blob"))
		return b, b.close
	}, mediumtest.Options{})
}

func TestBlobsInMemory(t *testing.T) {
	m := vfs.NewMem()
	mediumtest.Blobs(t, func(t *testing.T) (medium.Blobs, func() error) {
		b := mustOpenBlobs(t, m, "/blob")
		return b, b.close
	}, mediumtest.Options{LargeBlob: 5 << 20})
}

func mustOpenBlobs(t testing.TB, fsys vfs.FS, dir string) *blobs {
	t.Helper()
	b, err := openBlobs(fsys, dir, false, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(ctx context.Context, b *blobs, name string, content []byte) error {
	_, err := b.Put(ctx, name, bytes.NewReader(content), medium.PutOptions{})
	return err
}

func mustPut(t testing.TB, b *blobs, name string, content []byte) {
	t.Helper()
	if err := put(t.Context(), b, name, content); err != nil {
		t.Fatal(err)
	}
}

// readBlob returns a copy of the whole blob.
func readBlob(ctx context.Context, b *blobs, name string) ([]byte, error) {
	blob, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	all, err := blob.Range(ctx, 0, blob.Size())
	return bytes.Clone(all), err
}

func wantBlob(t *testing.T, b *blobs, name string, want []byte) {
	t.Helper()
	got, err := readBlob(t.Context(), b, name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("blob %q: %d bytes, %v; want %d bytes", name, len(got), err, len(want))
	}
}

func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func listBlobs(ctx context.Context, b *blobs, prefix string) (names []string, err error) {
	for info, err := range b.List(ctx, prefix) {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

// TestBlobListIsInOrderOfNames compares the walk with sorting, on names that are made to be hard.
func TestBlobListIsInOrderOfNames(t *testing.T) {
	b := mustOpenBlobs(t, vfs.NewMem(), "/blob")
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "a-", "a-b", "a.", "a.b", "a0", "ab", "A", "(", "!", "a!", "_", "z", "a*", "a'", "b-"}
	all := map[string]bool{}
	for len(all) < 400 {
		var name []string
		for range 1 + random.IntN(4) {
			name = append(name, parts[random.IntN(len(parts))])
		}
		all[strings.Join(name, "/")] = true
	}
	var names []string
	for name := range all {
		names = append(names, name)
		mustPut(t, b, name, []byte(name))
	}
	slices.Sort(names)
	f := func(prefix string) {
		t.Helper()
		var want []string
		for _, n := range names {
			if strings.HasPrefix(n, prefix) {
				want = append(want, n)
			}
		}
		if got, err := listBlobs(t.Context(), b, prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("the list of %q is %q, %v; want %q", prefix, got, err, want)
		}
	}
	for _, n := range names[:100] {
		f(n)
		f(n + "/")
		f(n[:1+random.IntN(len(n))])
	}
	for _, prefix := range []string{"", "/", "..", "../", "a//", "a/../a", "@", "@tmp/", "a@blob", strings.Repeat("a", 1000)} {
		f(prefix)
	}
}

func TestBlobFilesThatAreNoBlobsAreNotListed(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "a/b", []byte("x"))
	for _, path := range []string{"/blob/note.txt", "/blob/a/b", "/blob/a/ü@blob", "/blob/@blob", "/blob/a/c@tmp"} {
		if err := vfs.WriteFile(m, path, []byte("x"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/blob/ü", "/blob/a/d@blob"} {
		if err := vfs.MkdirAll(m, path, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := listBlobs(t.Context(), b, ""); err != nil || !slices.Equal(got, []string{"a/b"}) {
		t.Errorf("the list is %q, %v", got, err)
	}
	var strangers []string
	err := b.walk(t.Context(), "", func(blobFile) error { return nil }, func(path string) error {
		strangers = append(strangers, path)
		return nil
	})
	want := []string{"/blob/@blob", "/blob/note.txt", "/blob/ü", "/blob/a/b", "/blob/a/c@tmp", "/blob/a/d@blob", "/blob/a/ü@blob"}
	if err != nil || !slices.Equal(strangers, want) {
		t.Errorf("strangers %q, %v; want %q", strangers, err, want)
	}
}

func TestEmptyFoldersOfBlobsAreRemoved(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "a/b/c/d", []byte("x"))
	mustPut(t, b, "a/e", []byte("x"))
	if err := b.Delete(t.Context(), "a/b/c/d"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Stat("/blob/a/b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	mustPut(t, b, "a/b/c/d", []byte("y"))
	wantBlob(t, b, "a/b/c/d", []byte("y"))
	wantBlob(t, b, "a/e", []byte("x"))
}

func TestFoldersOfBlobsComeAndGo(t *testing.T) {
	b := mustOpenBlobs(t, vfs.OS{}, filepath.Join(t.TempDir(), "blob"))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprintf("a/b/c/%d", i)
			for range 50 {
				if err := put(t.Context(), b, name, []byte(name)); err != nil {
					t.Error(err)
				}
				wantBlob(t, b, name, []byte(name))
				if err := b.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := os.ReadDir(b.dir); err != nil || len(got) != 1 || got[0].Name() != blobTempDir {
		t.Errorf("the folder holds %v, %v; want only %s", got, err, blobTempDir)
	}
}

func TestOpenBlobsSweepsWhatACrashLeft(t *testing.T) {
	m := vfs.NewMem()
	if err := vfs.MkdirAll(m, "/blob/@tmp", 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1", "27", "half"} {
		if err := vfs.WriteFile(m, "/blob/@tmp/"+name, []byte("half a blob"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	reading, err := openBlobs(m, "/blob", true, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := m.ReadDir("/blob/@tmp"); len(left) != 3 || reading.close() != nil {
		t.Errorf("opened for reading, it left %d files of 3", len(left))
	}
	b := mustOpenBlobs(t, m, "/blob")
	if left, _ := m.ReadDir("/blob/@tmp"); len(left) != 0 {
		t.Errorf("%d files left", len(left))
	}
	if got := testutil.ToFloat64(b.metrics.swept); got != 3 {
		t.Errorf("%v files counted, want 3", got)
	}
}

func TestBlobsForReadingOnly(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "a/b", []byte("x"))
	before := m.Operations()
	for _, dir := range []string{"/blob", "/nothing"} {
		r, err := openBlobs(m, dir, true, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		if dir == "/blob" {
			wantBlob(t, r, "a/b", []byte("x"))
		}
		if err := put(t.Context(), r, "c", nil); !errors.Is(err, medium.ErrReadOnly) {
			t.Errorf("put: %v", err)
		}
		if err := r.Delete(t.Context(), "a/b"); !errors.Is(err, medium.ErrReadOnly) {
			t.Errorf("delete: %v", err)
		}
		if _, err := listBlobs(t.Context(), r, ""); err != nil {
			t.Errorf("list: %v", err)
		}
		if err := r.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if n := m.Operations() - before; n != 0 {
		t.Errorf("%d operations changed something", n)
	}
	// Another process replaces the blob while it is open here.
	r, err := openBlobs(m, "/blob", true, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	old, err := r.Open(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := b.Delete(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "a/b", []byte("new"))
	wantBlob(t, r, "a/b", []byte("new"))
}

func TestBlobsClosed(t *testing.T) {
	b := mustOpenBlobs(t, vfs.OS{}, filepath.Join(t.TempDir(), "blob"))
	mustPut(t, b, "a", []byte("still there"))
	open, err := b.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	if got, err := open.Range(t.Context(), 0, 5); err != nil || string(got) != "still" {
		t.Errorf("an open blob reads %q, %v after the medium was closed", got, err)
	}
	if err := open.Close(); err != nil || open.Close() != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := open.Range(t.Context(), 0, 1); !errors.Is(err, medium.ErrClosed) {
		t.Errorf("range of a closed blob: %v", err)
	}
	if got := testutil.ToFloat64(b.metrics.mappedBytes); got != 0 {
		t.Errorf("%v bytes are still mapped", got)
	}
	for _, err := range []error{put(t.Context(), b, "b", nil), b.Delete(t.Context(), "a"), errOf(b.Open(t.Context(), "a")), errOf(listBlobs(t.Context(), b, ""))} {
		if !errors.Is(err, medium.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestBlobMappingsAreBounded(t *testing.T) {
	b := mustOpenBlobs(t, vfs.OS{}, filepath.Join(t.TempDir(), "blob"))
	b.maps.maxIdle = 3
	for i := range 10 {
		name := fmt.Sprint(i)
		mustPut(t, b, name, []byte(name))
		wantBlob(t, b, name, []byte(name))
	}
	mapped := func(want float64) {
		t.Helper()
		if got := testutil.ToFloat64(b.metrics.mapped); got != want {
			t.Errorf("%v mappings, want %v", got, want)
		}
	}
	mapped(3)
	before := testutil.ToFloat64(b.metrics.checkedBytes)
	wantBlob(t, b, "7", []byte("7"))
	if got := testutil.ToFloat64(b.metrics.checkedBytes); got != before {
		t.Error("a blob that was still mapped was checked again")
	}
	wantBlob(t, b, "0", []byte("0"))
	wantBlob(t, b, "7", []byte("7")) // used again before: 8 had to go
	mapped(3)
	if b.maps.byName["8"] != nil || b.maps.byName["9"] == nil {
		t.Error("not the one that was not used for longest has gone")
	}
	var open []medium.Blob
	for i := range 10 {
		blob, err := b.Open(t.Context(), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, blob)
	}
	mapped(10)
	if err := b.Delete(t.Context(), "5"); err != nil {
		t.Fatal(err)
	}
	mapped(10)
	for _, blob := range open {
		blob.Close()
	}
	mapped(3)
	if err := b.Delete(t.Context(), "9"); err != nil {
		t.Fatal(err)
	}
	mapped(2)
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	mapped(0)
}

// TestOpenAfterPutIsNotServedAnOlderMiss lets two Opens and a Put meet: whoever comes after the Put sees the blob, although an Open that
// began before it finds nothing.
func TestOpenAfterPutIsNotServedAnOlderMiss(t *testing.T) {
	gate, looked := make(chan struct{}), make(chan struct{})
	var later atomic.Bool
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	load := b.maps.load
	b.maps.load = func(name string) (vfs.Mapping, blobFooter, string, error) {
		mapping, footer, path, err := load(name)
		if !later.Swap(true) {
			close(looked)
			<-gate
		}
		return mapping, footer, path, err
	}
	early := make(chan error)
	go func() { early <- errOf(b.Open(t.Context(), "a")) }()
	<-looked
	mustPut(t, b, "a", []byte("x"))
	late := make(chan error)
	go func() { late <- errOf(b.Open(t.Context(), "a")) }()
	close(gate)
	if err := <-early; !errors.Is(err, medium.ErrNotFound) {
		t.Errorf("the early one: %v", err)
	}
	if err := <-late; err != nil {
		t.Errorf("the late one: %v", err)
	}
}

// TestOpenAfterDeleteIsNotServedTheOldFile is the same for a Delete and a Put while an Open has the old file in hand.
func TestOpenAfterDeleteIsNotServedTheOldFile(t *testing.T) {
	gate, looked := make(chan struct{}), make(chan struct{})
	var later atomic.Bool
	b := mustOpenBlobs(t, vfs.NewMem(), "/blob")
	mustPut(t, b, "a", []byte("old"))
	load := b.maps.load
	b.maps.load = func(name string) (vfs.Mapping, blobFooter, string, error) {
		mapping, footer, path, err := load(name)
		if !later.Swap(true) {
			close(looked)
			<-gate
		}
		return mapping, footer, path, err
	}
	early := make(chan medium.Blob)
	go func() {
		blob, err := b.Open(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		early <- blob
	}()
	<-looked
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "a", []byte("new"))
	wantBlob(t, b, "a", []byte("new"))
	close(gate)
	old := <-early
	if got, err := old.Range(t.Context(), 0, 3); err != nil || string(got) != "old" {
		t.Errorf("the early one reads %q, %v", got, err)
	}
	old.Close()
	wantBlob(t, b, "a", []byte("new"))
}

func TestPutOnAFullDisk(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "old", noise(1, 100_000))
	used := m.Used()
	for _, room := range []int64{0, 1, 50_000, 99_999, 100_000, 100_010} {
		m.SetCapacity(used + room)
		err := put(t.Context(), b, "new/one", noise(2, 100_000))
		if !errors.Is(err, medium.ErrNoSpace) || model.KindOf(err) != model.Unavailable {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
		if left, _ := m.ReadDir("/blob/@tmp"); len(left) != 0 {
			t.Errorf("%d temporary files are left", len(left))
		}
		wantBlob(t, b, "old", noise(1, 100_000))
	}
	m.SetCapacity(0)
	mustPut(t, b, "new/one", noise(2, 100_000))
	wantBlob(t, b, "new/one", noise(2, 100_000))
}

func TestPutOnADiskThatFails(t *testing.T) {
	f := func(rule vfs.Rule, want error) {
		t.Helper()
		faults := vfs.NewFaults(vfs.NewMem())
		b := mustOpenBlobs(t, faults, "/blob")
		mustPut(t, b, "old", []byte("x"))
		rule.Err = syscall.EIO
		faults.Add(rule)
		err := put(t.Context(), b, "new/one", noise(2, 100_000))
		if !errors.Is(err, syscall.EIO) || !errors.Is(err, want) {
			t.Errorf("put with %+v: %v, want %v", rule, err, want)
		}
		faults.Clear()
		if _, err := b.Open(t.Context(), "new/one"); !errors.Is(err, medium.ErrNotFound) {
			t.Errorf("after a put that failed at %+v it opens: %v", rule, err)
		}
		if left, _ := faults.ReadDir("/blob/@tmp"); len(left) != 0 {
			t.Errorf("after %+v %d temporary files are left", rule, len(left))
		}
		mustPut(t, b, "new/one", []byte("again"))
		wantBlob(t, b, "new/one", []byte("again"))
		wantBlob(t, b, "old", []byte("x"))
	}
	f(vfs.Rule{Op: vfs.OpOpen, Path: "/blob/@tmp/*", Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpWrite, Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpWrite, After: 1, Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpSync, Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpRename, Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpMkdir, Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpSyncDir, Times: 1}, errDisk)
	f(vfs.Rule{Op: vfs.OpSyncDir, After: 1, Times: 1}, errDisk)
}

func TestReadOnADiskThatFails(t *testing.T) {
	faults := vfs.NewFaults(vfs.NewMem())
	b := mustOpenBlobs(t, faults, "/blob")
	mustPut(t, b, "a", noise(1, 1000))
	faults.Add(vfs.Rule{Op: vfs.OpRead, Err: syscall.EIO})
	_, err := readBlob(t.Context(), b, "a")
	if !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), "a@blob") {
		t.Errorf("read: %v", err)
	}
	faults.Clear()
	wantBlob(t, b, "a", noise(1, 1000))
}

// TestBlobTooLarge would need 16 GiB; the writer alone does not.
func TestBlobTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("checksums of 16 GiB")
	}
	b := mustOpenBlobs(t, vfs.NewMem(), "/blob")
	f := func(n int64, want error) {
		t.Helper()
		footer, err := b.writeBlob(t.Context(), io.Discard, "a", io.LimitReader(zeros{}, n), time.Time{})
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
		if err == nil && footer.size != n {
			t.Errorf("size %d, want %d", footer.size, n)
		}
	}
	f(medium.MaxBlob, nil)
	f(medium.MaxBlob+1, medium.ErrTooLarge)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestPutOfAReaderThatNeverEnds(t *testing.T) {
	b := mustOpenBlobs(t, vfs.NewMem(), "/blob")
	_, err := b.Put(t.Context(), "a", silent{}, medium.PutOptions{})
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("put: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }
