package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

const testMedium = "/medium"

func tryDocuments(fsys vfs.FS, dir string, o documentOptions) (*documents, error) {
	return openDocuments(context.Background(), fsys, dir, o, newAside(fsys, dir), discard(), nil)
}

func mustDocuments(t testing.TB, fsys vfs.FS, dir string, o documentOptions) *documents {
	t.Helper()
	d, err := tryDocuments(fsys, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocumentsConform(t *testing.T) {
	f := func(name string, fsys vfs.FS, dir string, o documentOptions) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if dir == "" {
				dir = t.TempDir()
			}
			mediumtest.Documents(t, func(t *testing.T) (medium.Documents, func() error) {
				d := mustDocuments(t, fsys, dir, o)
				return d, d.close
			}, mediumtest.Options{})
		})
	}
	f("disk", vfs.OS{}, "", documentOptions{})
	f("disk, many snapshots", vfs.OS{}, "", documentOptions{logBytes: 1})
	f("memory", vfs.NewMem(), testMedium, documentOptions{})
}

// TestMediumConforms is about the three parts together.
func TestMediumConforms(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	mediumtest.Medium(t, func(t *testing.T) (medium.Medium, func() error) {
		m := openTest(t, o)
		return m, m.Close
	}, mediumtest.Options{})
}

func putDocument(t testing.TB, d medium.Documents, kind, key, value string, expected medium.Version) medium.Version {
	t.Helper()
	v, err := d.Put(context.Background(), kind, key, []byte(value), expected)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantDocument(t testing.TB, d medium.Documents, kind, key, want string) medium.Version {
	t.Helper()
	doc, err := d.Get(context.Background(), kind, key)
	if want == "" {
		if !errors.Is(err, medium.ErrNotFound) {
			t.Errorf("%s %q is %q, %v; it should not be there", kind, key, doc.Value, err)
		}
	} else if err != nil || string(doc.Value) != want {
		t.Errorf("%s %q is %q, %v, want %q", kind, key, doc.Value, err, want)
	}
	return doc.Version
}

func closeDocuments(t testing.TB, d *documents) {
	t.Helper()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
}

// gatedDisk is a file system whose syncs of logs wait for a token each once it is closed.
type gatedDisk struct {
	*vfs.Faults
	begun chan struct{} // a sync has begun
	go1   chan struct{} // lets one sync go on
}

func newGatedDisk(fsys vfs.FS) *gatedDisk {
	return &gatedDisk{vfs.NewFaults(fsys), make(chan struct{}), make(chan struct{})}
}

// shut lets every sync of a log from now on wait.
func (g *gatedDisk) shut() {
	g.Add(vfs.Rule{Op: vfs.OpSync, Path: "*.log*", Before: func() { g.begun <- struct{}{}; <-g.go1 }})
}

// A change is decided and written, but neither readers nor watchers see it before it is on the disk.
func TestDocumentIsInvisibleBeforeItsSync(t *testing.T) {
	disk := newGatedDisk(vfs.NewMem())
	d := mustDocuments(t, disk, testMedium, documentOptions{})
	defer d.close()
	ctx := t.Context()
	v := putDocument(t, d, "k", "a", "1", medium.Absent)
	disk.shut()
	put := make(chan error)
	go func() {
		_, err := d.Put(ctx, "k", "a", []byte("2"), v)
		put <- err
	}()
	<-disk.begun
	wantDocument(t, d, "k", "a", "1")
	for doc, err := range d.List(ctx, "k", "") {
		if err != nil || string(doc.Value) != "1" {
			t.Errorf("listed %+v, %v", doc, err)
		}
	}
	for c, err := range d.Watch(ctx, "k") {
		if err != nil || c.Type == medium.Put && string(c.Document.Value) != "1" {
			t.Errorf("watched %+v, %v", c, err)
		}
		if c.Type == medium.Synced {
			break
		}
	}
	// Who expects another version is told at once; who expects this one waits for what becomes of the first.
	_, err := d.Put(ctx, "k", "a", []byte("3"), v+7)
	wantErr(t, err, medium.ErrConflict)
	second := make(chan error)
	go func() { second <- d.Delete(ctx, "k", "a", v) }()
	disk.Clear()
	disk.go1 <- struct{}{}
	if err := <-put; err != nil {
		t.Error(err)
	}
	wantErr(t, <-second, medium.ErrConflict)
	wantDocument(t, d, "k", "a", "2")
}

func TestDocumentsShareASync(t *testing.T) {
	disk := newGatedDisk(vfs.NewMem())
	d := mustDocuments(t, disk, testMedium, documentOptions{})
	defer d.close()
	putDocument(t, d, "k", "first", "1", medium.Absent) // makes the log
	disk.shut()
	var all sync.WaitGroup
	put := func(key string) {
		all.Go(func() {
			if _, err := d.Put(t.Context(), "k", key, []byte("1"), medium.Absent); err != nil {
				t.Error(err)
			}
		})
	}
	put("a")
	<-disk.begun
	const waiting = 20
	for i := range waiting {
		put(fmt.Sprint(i))
	}
	waitFor(func() bool { d.mu.RLock(); defer d.mu.RUnlock(); return len(d.filling.changes) == waiting })
	before := disk.Calls(vfs.OpSync)
	disk.go1 <- struct{}{}
	<-disk.begun
	disk.go1 <- struct{}{}
	all.Wait()
	if n := disk.Calls(vfs.OpSync) - before; n != 1 {
		t.Errorf("%d changes that waited together took %d syncs, want 1", waiting, n)
	}
	disk.Clear()
}

func TestPutEndsWithItsContext(t *testing.T) {
	disk := newGatedDisk(vfs.NewMem())
	d := mustDocuments(t, disk, testMedium, documentOptions{})
	defer d.close()
	v := putDocument(t, d, "k", "a", "1", medium.Absent)
	disk.shut()
	cause := errors.New("the caller went away")
	ctx, leave := context.WithCancelCause(t.Context())
	put := make(chan error)
	go func() {
		_, err := d.Put(ctx, "k", "a", []byte("2"), v)
		put <- err
	}()
	<-disk.begun
	leave(cause)
	err := <-put
	wantErr(t, err, cause)
	wantErr(t, err, medium.ErrUncertain)
	disk.Clear()
	disk.go1 <- struct{}{}
	v2, err := d.Put(t.Context(), "k", "a", []byte("3"), v) // waits for the one before, which has taken place
	wantErr(t, err, medium.ErrConflict)
	if v2 != 0 {
		t.Errorf("a refused Put gives version %d", v2)
	}
	wantDocument(t, d, "k", "a", "2")
}

// A watcher that does not read costs no more than there are documents, and sees the last state of each.
func TestWatchOfASlowReader(t *testing.T) {
	d := mustDocuments(t, vfs.NewMem(), testMedium, documentOptions{})
	defer d.close()
	ctx := t.Context()
	kept := putDocument(t, d, "k", "kept", "0", medium.Absent)
	gone := putDocument(t, d, "k", "gone", "0", medium.Absent)
	var seen []string
	for c, err := range d.Watch(ctx, "k") {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fmt.Sprintf("%s %s=%s", c.Type, c.Document.Key, c.Document.Value))
		if c.Type == medium.Synced {
			for i := range 100 {
				kept = putDocument(t, d, "k", "kept", fmt.Sprint(i), kept)
				key := fmt.Sprintf("passing %d", i)
				if err := d.Delete(ctx, "k", key, putDocument(t, d, "k", key, "1", medium.Absent)); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Delete(ctx, "k", "gone", gone); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			for w := range d.kinds["k"].watchers {
				if len(w.dirty) != 2 {
					t.Errorf("%d documents wait for the reader, want 2", len(w.dirty))
				}
			}
			d.mu.Unlock()
			putDocument(t, d, "k", "last", "1", medium.Absent)
		}
		if c.Document.Key == "last" {
			break
		}
	}
	want := "put gone=0, put kept=0, synced =, put kept=99, deleted gone=, put last=1"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("watched\n%s, want\n%s", got, want)
	}
	if len(d.kinds["k"].watchers) != 0 {
		t.Error("the watcher was not let go")
	}
}

func TestWatchEndsWhenDocumentsAreClosed(t *testing.T) {
	d := mustDocuments(t, vfs.NewMem(), testMedium, documentOptions{})
	ended := make(chan error)
	synced := make(chan struct{})
	go func() {
		var last error
		for c, err := range d.Watch(context.Background(), "k") {
			if c.Type == medium.Synced {
				close(synced)
			}
			last = err
		}
		ended <- last
	}()
	<-synced
	closeDocuments(t, d)
	wantErr(t, <-ended, medium.ErrClosed)
	_, err := d.Get(context.Background(), "k", "a")
	wantErr(t, err, medium.ErrClosed)
	_, err = d.Put(context.Background(), "k", "a", []byte("1"), medium.Absent)
	wantErr(t, err, medium.ErrClosed)
}

func TestDocumentsHaveALimit(t *testing.T) {
	d := mustDocuments(t, vfs.NewMem(), testMedium, documentOptions{maxBytes: 10_000})
	defer d.close()
	value := `"` + strings.Repeat("x", 4000) + `"`
	a := putDocument(t, d, "k", "a", value, medium.Absent)
	putDocument(t, d, "k", "b", value, medium.Absent)
	_, err := d.Put(t.Context(), "k", "c", []byte(value), medium.Absent)
	if model.KindOf(err) != model.Limit || !strings.Contains(err.Error(), "storage.medium.local.max_documents_size") {
		t.Errorf("error %v, want one of the kind limit that names the setting", err)
	}
	wantDocument(t, d, "k", "c", "")
	a = putDocument(t, d, "k", "a", value[:4001]+`"`, a) // no larger than before
	a = putDocument(t, d, "k", "a", "1", a)
	putDocument(t, d, "k", "c", value, medium.Absent)
	if err := d.Delete(t.Context(), "k", "a", a); err != nil {
		t.Error(err)
	}
}

func TestStoredDocumentsBeyondTwiceTheLimit(t *testing.T) {
	m := vfs.NewMem()
	d := mustDocuments(t, m, testMedium, documentOptions{})
	for i := range 10 {
		putDocument(t, d, "k", fmt.Sprint(i), `"`+strings.Repeat("x", 1000)+`"`, medium.Absent)
	}
	closeDocuments(t, d)
	if _, err := tryDocuments(m, testMedium, documentOptions{maxBytes: 5000}); model.KindOf(err) != model.Limit {
		t.Errorf("error %v, want one of the kind limit", err)
	}
	d = mustDocuments(t, m, testMedium, documentOptions{maxBytes: 8000}) // they are readable, and can get fewer
	defer d.close()
	_, err := d.Put(t.Context(), "k", "more", []byte("1"), medium.Absent)
	wantErr(t, err, errDocumentsFull)
	if err := d.Delete(t.Context(), "k", "1", wantDocument(t, d, "k", "1", `"`+strings.Repeat("x", 1000)+`"`)); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyDocuments(t *testing.T) {
	m := vfs.NewMem()
	empty := mustDocuments(t, m, testMedium, documentOptions{readOnly: true})
	closeDocuments(t, empty)
	d := mustDocuments(t, m, testMedium, documentOptions{})
	v := putDocument(t, d, "k", "a", "1", medium.Absent)
	before := m.Operations()
	r := mustDocuments(t, m, testMedium, documentOptions{readOnly: true}) // beside the writer
	wantDocument(t, r, "k", "a", "1")
	_, err := r.Put(t.Context(), "k", "a", []byte("2"), v)
	wantErr(t, err, medium.ErrReadOnly)
	wantErr(t, r.Delete(t.Context(), "k", "a", v), medium.ErrReadOnly)
	closeDocuments(t, r)
	if m.Operations() != before {
		t.Errorf("reading changed something on the disk, %d times", m.Operations()-before)
	}
	closeDocuments(t, d)
}

// Versions go on behind what was ever used, also when only a snapshot is left, and it holds nothing.
func TestVersionsSurviveSnapshots(t *testing.T) {
	m := vfs.NewMem()
	var last medium.Version
	for range 5 {
		d := mustDocuments(t, m, testMedium, documentOptions{logBytes: 1})
		for range 5 {
			v := putDocument(t, d, "k", "a", "1", medium.Absent)
			if v <= last {
				t.Fatalf("version %d follows %d", v, last)
			}
			last = v + 1 // the deletion's
			if err := d.Delete(t.Context(), "k", "a", v); err != nil {
				t.Fatal(err)
			}
		}
		closeDocuments(t, d)
	}
}

// The logs stay within the bound that their snapshots give them, while many write.
func TestSnapshotsBoundTheLogs(t *testing.T) {
	m := vfs.NewMem()
	o := documentOptions{logBytes: 10_000}
	d := mustDocuments(t, m, testMedium, o)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			key := fmt.Sprint(w)
			var v medium.Version
			for i := range 500 {
				v = putDocument(t, d, "k", key, fmt.Sprintf(`"%0100d"`, i), v)
			}
		})
	}
	all.Wait()
	closeDocuments(t, d)
	d = mustDocuments(t, m, testMedium, o)
	defer d.close()
	for w := range 4 {
		wantDocument(t, d, "k", fmt.Sprint(w), fmt.Sprintf(`"%0100d"`, 499))
	}
	if logs, live := d.sizes(); logs > 10*(o.logBytes+live) {
		t.Errorf("the logs have %d bytes for %d that are live", logs, live)
	}
	found, err := d.readFolder()
	if err != nil || len(found.snapshots) != 1 {
		t.Errorf("%d snapshots are left, %v", len(found.snapshots), err)
	}
}

func TestFailedSyncHaltsDocuments(t *testing.T) {
	for _, truncates := range []bool{true, false} {
		testFailedSync(t, truncates)
	}
}

// testFailedSync lets a sync fail, and, unless truncates, also the attempt to take back what was written.
func testFailedSync(t *testing.T, truncates bool) {
	mem := vfs.NewMem()
	large := `"` + strings.Repeat("2", 3000) + `"` // over several sectors, so that cutting behind it does not bring it to the disk
	disk := vfs.NewFaults(mem)
	d := mustDocuments(t, disk, testMedium, documentOptions{})
	v := putDocument(t, d, "k", "a", "1", medium.Absent)
	disk.Add(vfs.Rule{Op: vfs.OpSync, Path: "*.log*", Times: 1, Err: syscall.EIO})
	if !truncates {
		disk.Add(vfs.Rule{Op: vfs.OpTruncate, Err: syscall.EIO})
	}
	_, err := d.Put(t.Context(), "k", "a", []byte(large), v)
	wantErr(t, err, medium.ErrUncertain)
	wantErr(t, err, syscall.EIO)
	wantDocument(t, d, "k", "a", "1")
	for range 2 { // also although a sync would work again
		_, err = d.Put(t.Context(), "k", "b", []byte("1"), medium.Absent)
		if !errors.Is(err, errDocumentsHalt) || model.KindOf(err) != model.Unavailable || errors.Is(err, medium.ErrUncertain) {
			t.Errorf("error %v of kind %s, want that documents can only be read", err, model.KindOf(err))
		}
	}
	wantErr(t, d.close(), errDocumentsHalt)
	for seed := range uint64(20) { // killed, read again, and then the power fails: what was seen once stays
		after := mem.Kill()
		d := mustDocuments(t, after, testMedium, documentOptions{})
		doc, err := d.Get(t.Context(), "k", "a")
		if err != nil || string(doc.Value) != "1" && string(doc.Value) != large {
			t.Fatalf("after the restart it is %.20q, %v", doc.Value, err)
		}
		again := mustDocuments(t, after.Crash(seed), testMedium, documentOptions{})
		wantDocument(t, again, "k", "a", string(doc.Value))
		putDocument(t, again, "k", "b", "1", medium.Absent)
		closeDocuments(t, again)
	}
}

func TestDocumentsOnAFullDisk(t *testing.T) {
	m := vfs.NewMem()
	d := mustDocuments(t, m, testMedium, documentOptions{})
	value := func(i int) string { return fmt.Sprintf(`"%03d%s"`, i, strings.Repeat("x", 500)) }
	putDocument(t, d, "k", "first", "1", medium.Absent)
	m.SetCapacity(m.Used() + 20_000)
	n := 0
	for ; n < 1000; n++ {
		_, err := d.Put(t.Context(), "k", fmt.Sprint(n), []byte(value(n)), medium.Absent)
		if err != nil {
			wantErr(t, err, medium.ErrNoSpace)
			if model.KindOf(err) != model.Unavailable || errors.Is(err, medium.ErrUncertain) {
				t.Errorf("error %v of kind %s", err, model.KindOf(err))
			}
			break
		}
	}
	if n == 0 || n == 1000 {
		t.Fatalf("%d documents fitted", n)
	}
	check := func(d *documents) {
		t.Helper()
		wantDocument(t, d, "k", "first", "1")
		for i := range n {
			wantDocument(t, d, "k", fmt.Sprint(i), value(i))
		}
		wantDocument(t, d, "k", fmt.Sprint(n), "")
	}
	check(d)
	restarted := mustDocuments(t, m.Crash(1), testMedium, documentOptions{}) // a start on a full disk reads
	check(restarted)
	_, err := restarted.Put(t.Context(), "k", "more", []byte(value(0)), medium.Absent)
	wantErr(t, err, medium.ErrNoSpace)
	restarted.fsys.(*vfs.Mem).SetCapacity(0)
	putDocument(t, restarted, "k", "more", value(0), medium.Absent) // by itself
	closeDocuments(t, restarted)
	again := mustDocuments(t, restarted.fsys, testMedium, documentOptions{})
	check(again)
	wantDocument(t, again, "k", "more", value(0))
	closeDocuments(t, again)
}

func TestShortWriteOfDocuments(t *testing.T) {
	for n := range 200 {
		m := vfs.NewMem()
		disk := vfs.NewFaults(m)
		d := mustDocuments(t, disk, testMedium, documentOptions{})
		putDocument(t, d, "k", "a", "1", medium.Absent)
		disk.Add(vfs.Rule{Op: vfs.OpWrite, Path: "*.log*", Bytes: int64(n + 1), Err: syscall.ENOSPC})
		_, err := d.Put(t.Context(), "k", "b", []byte(`"`+strings.Repeat("b", 300)+`"`), medium.Absent)
		wantErr(t, err, medium.ErrNoSpace)
		disk.Clear()
		putDocument(t, d, "k", "c", "3", medium.Absent)
		after := mustDocuments(t, m.Crash(uint64(n)), testMedium, documentOptions{})
		wantDocument(t, after, "k", "a", "1")
		wantDocument(t, after, "k", "b", "")
		wantDocument(t, after, "k", "c", "3")
		if len(after.damage) > 0 {
			t.Errorf("damage after a short write of %d bytes: %+v", n+1, after.damage)
		}
		closeDocuments(t, after)
	}
}
