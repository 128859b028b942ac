package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// damagedDisk returns a disk with a snapshot of the documents 0 to 4 and a log that changes 2, deletes 3 and adds 5 and 6.
func damagedDisk(t *testing.T, orderly bool) (m *vfs.Mem, snapshot, log string, want map[string]string) {
	t.Helper()
	m = vfs.NewMem()
	d := mustDocumentsOf(t, m)
	want = map[string]string{}
	versions := map[string]medium.Version{}
	put := func(key, value string) {
		t.Helper()
		versions[key] = putDocument(t, d, "kind", key, value, versions[key])
		want[key] = value
	}
	for i := range 5 {
		put(fmt.Sprint(i), fmt.Sprintf(`{"old":%d}`, i))
	}
	if err := d.endLog(); err != nil {
		t.Fatal(err)
	}
	entries, number := d.snapshotEntries()
	if err := d.writeSnapshot(entries, number); err != nil {
		t.Fatal(err)
	}
	put("2", `{"new":2}`)
	if err := d.Delete(t.Context(), "kind", "3", versions["3"]); err != nil {
		t.Fatal(err)
	}
	delete(want, "3")
	put("5", `{"new":5}`)
	put("6", `{"new":6}`)
	log = d.current.path
	end := d.current.counts
	if orderly {
		closeDocuments(t, d)
	}
	m = m.Kill()
	if !orderly { // some of the room that is set aside is enough
		f, err := m.OpenFile(log, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(end+600), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return m, snapshotPath(documentDir(testMedium), number), log, want
}

func mustDocumentsOf(t testing.TB, m *vfs.Mem) *documents {
	t.Helper()
	return mustDocuments(t, m, testMedium, documentOptions{})
}

// TestEveryFlipInDocumentsIsFound flips a bit of each byte of a snapshot and a log in turn. Whatever it hits is reported with its place and
// set aside, never read as if it were sound, and every other document is as it was.
func TestEveryFlipInDocumentsIsFound(t *testing.T) {
	for _, orderly := range []bool{true, false} {
		m, snapshot, log, want := damagedDisk(t, orderly)
		for _, path := range []string{snapshot, log} {
			m = m.Kill()
			info, err := m.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			flips, unknown := 0, 0
			for at := range info.Size() {
				bit := 8*at + at%8
				flips++
				lost, err := flipDocuments(m.Kill(), path, bit, want)
				if err != nil {
					t.Fatalf("%s, bit %d of byte %d, orderly %v: %v", filepath.Base(path), bit%8, bit/8, orderly, err)
				}
				if lost {
					unknown++
				}
			}
			t.Logf("%s of %d bytes, orderly %v: %d flips, %d of which left a document older than it was, reported", filepath.Base(path), info.Size(), orderly, flips, unknown)
		}
	}
}

// flipDocuments flips a bit and opens the documents. older says that a document is as it was before the change that was hit, because nothing
// tells whose change it was.
func flipDocuments(m *vfs.Mem, path string, bit int64, want map[string]string) (older bool, err error) {
	if err := vfs.Flip(m, path, bit); err != nil {
		return false, err
	}
	d, err := tryDocuments(m, testMedium, documentOptions{})
	if err != nil {
		return false, err
	}
	defer d.close()
	wrong := 0
	for i := range 7 {
		key := fmt.Sprint(i)
		doc, err := d.Get(context.Background(), "kind", key)
		got := string(doc.Value)
		switch {
		case model.KindOf(err) == model.Corrupt:
			wrong++
			if !strings.Contains(err.Error(), `"`+key+`"`) || got != "" {
				return false, fmt.Errorf("the error %w does not name %q, or %q comes with it", err, key, got)
			}
		case err != nil && !errors.Is(err, medium.ErrNotFound):
			return false, err
		case got != want[key]:
			wrong++
			older = true
			if got != "" && got != fmt.Sprintf(`{"old":%d}`, i) {
				return false, fmt.Errorf("document %q is %q, which it never was", key, got)
			}
		}
	}
	if wrong > 1 {
		return older, fmt.Errorf("one flip has cost %d documents", wrong)
	}
	if wrong == 1 && len(d.damage) == 0 {
		return older, fmt.Errorf("a document is lost and nothing was reported")
	}
	for _, dam := range d.damage {
		if !strings.Contains(dam.Where, path) || dam.Problem == "" {
			return older, fmt.Errorf("damage %+v does not name the file and what is wrong", dam)
		}
		if kept, err := vfs.ReadFile(m, dam.Kept, 1<<20); err != nil || int64(len(kept)) != dam.Bytes {
			return older, fmt.Errorf("the %d bytes were not set aside: %d, %w", dam.Bytes, len(kept), err)
		}
	}
	return older, nil
}

// Every flip within what counts is reported, also where it costs nothing.
func TestFlipsAreReported(t *testing.T) {
	m, snapshot, log, want := damagedDisk(t, true)
	for _, path := range []string{snapshot, log} {
		m = m.Kill()
		info, err := m.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		silent := 0
		for at := range info.Size() {
			after := m.Kill()
			if err := vfs.Flip(after, path, at*8+at%8); err != nil {
				t.Fatal(err)
			}
			d := mustDocumentsOf(t, after)
			if len(d.damage) == 0 {
				silent++
				if at < info.Size()-recordHeaderSize {
					t.Errorf("a flip at byte %d of the %d of %s is not reported", at, info.Size(), path)
				}
				for key, value := range want {
					wantDocument(t, d, "kind", key, value)
				}
			}
			closeDocuments(t, d)
		}
		t.Logf("%s: %d of %d flips, in the closing record, look like an interrupted end", filepath.Base(path), silent, info.Size())
	}
}

func TestDamagedDocument(t *testing.T) {
	m, _, log, want := damagedDisk(t, true)
	at := indexIn(t, m, log, want["2"])
	if err := vfs.Flip(m, log, 8*at); err != nil {
		t.Fatal(err)
	}
	d := mustDocumentsOf(t, m)
	if len(d.damage) != 1 || !strings.Contains(d.damage[0].Problem, `document kind "2"`) {
		t.Fatalf("damage %+v does not name the document", d.damage)
	}
	for range 2 { // it stays so behind the snapshot that the start has written
		doc, err := d.Get(t.Context(), "kind", "2")
		if !errors.Is(err, errDocumentLost) {
			t.Fatalf("the document is %+v, %v", doc, err)
		}
		var sound int
		var last error
		for _, err := range d.List(t.Context(), "kind", "") {
			if last = err; err == nil {
				sound++
			}
		}
		wantErr(t, last, errDocumentLost)
		if sound != len(want)-1 {
			t.Errorf("%d documents are listed, want %d", sound, len(want)-1)
		}
		sound = 0
		for c, err := range d.Watch(t.Context(), "kind") {
			if last = err; c.Type == medium.Put {
				sound++
			}
		}
		wantErr(t, last, errDocumentLost)
		if sound != len(want)-1 {
			t.Errorf("%d documents are watched, want %d", sound, len(want)-1)
		}
		var findings []medium.Finding
		if _, _, err := d.check(t.Context(), func(f medium.Finding) { findings = append(findings, f) }); err != nil {
			t.Fatal(err)
		}
		if len(findings) != 1 || findings[0].Name != "kind/2" {
			t.Errorf("findings %+v", findings)
		}
		closeDocuments(t, d)
		d = mustDocumentsOf(t, m)
		if doc.Version == medium.Absent {
			t.Error("the damaged document has no version")
		}
		if len(d.damage) != 0 {
			t.Errorf("damage is reported again: %+v", d.damage)
		}
	}
	doc, _ := d.Get(t.Context(), "kind", "2")
	v := putDocument(t, d, "kind", "2", `{"mended":2}`, doc.Version)
	wantDocument(t, d, "kind", "2", `{"mended":2}`)
	if err := d.Delete(t.Context(), "kind", "2", v); err != nil {
		t.Error(err)
	}
	closeDocuments(t, d)
}

func indexIn(t testing.TB, fsys vfs.FS, path, text string) int64 {
	t.Helper()
	b, err := vfs.ReadFile(fsys, path, 1<<20)
	at := strings.Index(string(b), text)
	if err != nil || at < 0 {
		t.Fatalf("%q is not in %s: %v", text, path, err)
	}
	return int64(at)
}

func TestMissingFilesOfDocuments(t *testing.T) {
	f := func(what string, remove func(m *vfs.Mem, snapshot, log string) error) {
		t.Helper()
		m, snapshot, log, _ := damagedDisk(t, true)
		d := mustDocumentsOf(t, m) // one more log behind
		v := putDocument(t, d, "kind", "late", "1", medium.Absent)
		closeDocuments(t, d)
		if err := remove(m, snapshot, log); err != nil {
			t.Fatal(err)
		}
		d = mustDocumentsOf(t, m)
		if len(d.damage) == 0 {
			t.Errorf("nothing is reported when %s is missing", what)
		}
		wantDocument(t, d, "kind", "late", "1")
		if again := putDocument(t, d, "kind", "later", "1", medium.Absent); again <= v {
			t.Errorf("version %d follows %d", again, v)
		}
		closeDocuments(t, d)
	}
	f("the snapshot", func(m *vfs.Mem, snapshot, _ string) error { return m.Remove(snapshot) })
	f("a log", func(m *vfs.Mem, _, log string) error { return m.Remove(log) })
	f("the end of the snapshot", func(m *vfs.Mem, snapshot, _ string) error { return truncate(m, snapshot, recordHeaderSize) })
	f("much of the snapshot", func(m *vfs.Mem, snapshot, _ string) error { return truncate(m, snapshot, 100) })
	f("the end of a log", func(m *vfs.Mem, _, log string) error { return truncate(m, log, 100) })
	f("all of the snapshot's content", func(m *vfs.Mem, snapshot, _ string) error { return truncate(m, snapshot, 1<<40) })
}

// truncate takes n bytes off a file's end, or all there are.
func truncate(m *vfs.Mem, path string, n int64) error {
	f, err := m.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Truncate(max(0, info.Size()-n))
}

func TestDocumentRecords(t *testing.T) {
	f := func(name documentName, value string) {
		t.Helper()
		b := appendDocument(nil, name, []byte(value))
		got, v, err := parseDocument(b)
		if err != nil || got != name || string(v) != value {
			t.Errorf("%s = %q becomes %s = %q, %v", name, value, got, v, err)
		}
	}
	f(documentName{"k", "a"}, "1")
	f(documentName{"k/l", "ü"}, `{"a":[]}`)
	f(documentName{strings.Repeat("k", 200), strings.Repeat("k", medium.MaxName)}, "")
}

func TestBadDocumentRecords(t *testing.T) {
	f := func(b []byte, want string) {
		t.Helper()
		if _, _, err := parseDocument(b); !errors.Is(err, errDocumentRecord) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	good := appendDocument(nil, documentName{"kind", "key"}, []byte("1"))
	f(nil, "0 bytes")
	f(good[:7], "7 bytes")
	f(good[:14], "its name ends at 15 of 14 bytes")
	f(append([]byte{9}, good[1:]...), "ends at 20")
	f(append([]byte{5}, good[1:]...), "checksum of its name")
	f(appendDocument(nil, documentName{"", "a"}, nil), "empty")
	f(appendDocument(nil, documentName{"..", "a"}, nil), "not allowed")
	f(appendDocument(nil, documentName{"a", "\n"}, nil), "control")
	f(appendDocument(nil, documentName{"a", "a"}, make([]byte, medium.MaxDocument+1)), "its value has")
}

func FuzzDocumentRecord(f *testing.F) {
	f.Add(appendDocument(nil, documentName{"kind", "key"}, []byte(`{"a":1}`)))
	f.Add(appendDocument(nil, documentName{"kind/of", "ü"}, nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		name, value, err := parseDocument(b)
		if err != nil {
			return
		}
		if again := appendDocument(nil, name, value); string(again) != string(b) {
			t.Errorf("%x becomes %x", b, again)
		}
	})
}

// FuzzDocumentFiles opens a folder with any bytes as its snapshot and its log: whatever they are, it can be written to afterwards and
// read again.
func FuzzDocumentFiles(f *testing.F) {
	var snapshot strings.Builder
	if err := fillSnapshot(&snapshot, []snapshotEntry{{documentName{"kind", "a"}, &stored{1, []byte("1")}}, {documentName{"kind", "b"}, &stored{2, nil}}}, 3); err != nil {
		f.Fatal(err)
	}
	log := appendFileHeader(nil, fileHeader{kind: documentFrames, mark: 0x01020304, first: 3})
	for i, value := range []string{"2", "3"} {
		log = appendRecord(log, recordHeader{mark: 0x01020304, kind: putRecord, sequence: uint64(3 + i)}, appendDocument(nil, documentName{"kind", "c"}, []byte(value)))
	}
	log = appendRecord(log, recordHeader{mark: 0x01020304, kind: deleteRecord, sequence: 5}, appendDocument(nil, documentName{"kind", "c"}, nil))
	f.Add([]byte(snapshot.String()), log)
	f.Add([]byte(snapshot.String()), []byte{})
	f.Add([]byte{}, appendRecord(log, recordHeader{mark: 0x01020304, kind: closeRecord, sequence: 6}, nil))
	f.Fuzz(func(t *testing.T, snapshot, log []byte) {
		m := vfs.NewMem()
		dir := documentDir(testMedium)
		err := errors.Join(vfs.MkdirAll(m, dir, folderMode), vfs.WriteFile(m, snapshotPath(dir, 3), snapshot, fileMode), vfs.WriteFile(m, segmentPath(dir, 3), log, fileMode))
		if err != nil {
			t.Fatal(err)
		}
		d, err := tryDocuments(m, testMedium, documentOptions{})
		if errors.Is(err, errFrameVersion) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Put(t.Context(), "other", "new", []byte("1"), medium.Absent); err != nil {
			t.Fatal(err)
		}
		closeDocuments(t, d)
		d = mustDocumentsOf(t, m)
		if len(d.damage) > 0 {
			t.Errorf("damage is found again: %+v", d.damage)
		}
		wantDocument(t, d, "other", "new", "1")
		closeDocuments(t, d)
	})
}
