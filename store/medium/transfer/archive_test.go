package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// writeArchive writes what is on a medium, and two files.
func writeArchive(ctx context.Context, s Sink, m medium.Medium) (Report, error) {
	w, err := NewArchiveWriter(s, Manifest{Product: "1.2.3", Medium: "local"})
	if err != nil {
		return Report{}, err
	}
	report, err := w.AddMedium(ctx, m, BackupOptions{})
	if err != nil && !errors.Is(err, ErrDamaged) {
		return report, errors.Join(err, w.Abort())
	}
	for name, content := range map[string]string{"metrics/one": "first file", "metrics/two": ""} {
		if err := w.AddFile(ctx, name, int64(len(content)), strings.NewReader(content)); err != nil {
			return report, err
		}
	}
	return report, errors.Join(err, w.Close())
}

func tarOf(t testing.TB, m medium.Medium, compress bool) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := TarSink(&b, compress)
	check(t, err)
	_, err = writeArchive(t.Context(), s, m)
	check(t, err)
	return b.Bytes()
}

func restoreTar(ctx context.Context, b []byte, to medium.Medium, o RestoreOptions) (Report, error) {
	s, err := TarSource(bytes.NewReader(b))
	if err != nil {
		return Report{}, err
	}
	return ReadArchive(ctx, s, to, o)
}

func TestArchiveRoundTrip(t *testing.T) {
	from, _ := filled(t)
	f := func(what string, restore func(to medium.Medium, o RestoreOptions) (Report, error)) {
		t.Helper()
		to := mustOpen(t, vfs.NewMem())
		files := map[string]string{}
		var m Manifest
		report, err := restore(to, RestoreOptions{
			Manifest: func(got Manifest) error { m = got; return nil },
			File: func(name string, size int64, r io.Reader) error {
				b, err := io.ReadAll(r)
				if int64(len(b)) != size {
					t.Errorf("%s: file %s has %d bytes of %d", what, name, len(b), size)
				}
				files[name] = string(b)
				return err
			},
		})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		wantSame(t, to, from)
		if len(files) != 2 || files["metrics/one"] != "first file" {
			t.Errorf("%s: files %q", what, files)
		}
		if m.Format != 1 || m.Product != "1.2.3" || m.Medium != "local" || m.ID == "" || m.Time.IsZero() {
			t.Errorf("%s: manifest %+v", what, m)
		}
		if c := report.Copied; c.Journals != 4 || c.Documents != 15 || c.Blobs != 6 {
			t.Errorf("%s: copied %+v", what, c)
		}
		check(t, Unfinished(t.Context(), to))
		if verified, err := restore(nil, RestoreOptions{}); err != nil || verified.Copied != (Counts{}) {
			t.Errorf("%s: verifying only: %+v, %v", what, verified, err)
		}
	}
	for _, compress := range []bool{false, true} {
		b := tarOf(t, from, compress)
		f(fmt.Sprintf("tar, compressed: %v", compress), func(to medium.Medium, o RestoreOptions) (Report, error) {
			return restoreTar(t.Context(), b, to, o)
		})
	}
	disk := vfs.NewMem()
	sink, err := FolderSink(disk, "/backup")
	check(t, err)
	_, err = writeArchive(t.Context(), sink, from)
	check(t, err)
	f("folder", func(to medium.Medium, o RestoreOptions) (Report, error) {
		s, err := FolderSource(disk.Crash(0), "/backup") // all of it was synced
		check(t, err)
		disk = disk.Crash(0)
		return ReadArchive(t.Context(), s, to, o)
	})
	_, err = FolderSink(disk, "/backup")
	wantError(t, err, errNotEmptyFolder, "choose a new folder")
}

// TestArchiveIsForOtherProgramsToo: tar unpacks a stream into a folder that is an archive, and sha256sum verifies it.
func TestArchiveIsForOtherProgramsToo(t *testing.T) {
	for _, program := range []string{"tar", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	from, _ := filled(t)
	dir := t.TempDir()
	name := filepath.Join(t.TempDir(), "b.tar")
	check(t, os.WriteFile(name, tarOf(t, from, false), 0o640))
	for _, args := range [][]string{{"tar", "-xf", name, "-C", dir}, {"sha256sum", "--quiet", "--strict", "-c", "checksums"}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	s, err := FolderSource(nil, dir)
	check(t, err)
	to := mustOpen(t, vfs.NewMem())
	_, err = ReadArchive(t.Context(), s, to, RestoreOptions{})
	check(t, err)
	wantSame(t, to, from)
}

func TestLargeJournalsAndDocumentsComeInParts(t *testing.T) {
	from := mustOpen(t, vfs.NewMem())
	j, err := from.Journals().Open(t.Context(), "j", medium.JournalOptions{Next: 7})
	check(t, err)
	for i := range 4 {
		_, err := j.Append(t.Context(), noise(uint64(i), 5<<20))
		check(t, err)
	}
	_, err = j.Append(t.Context(), noise(99, medium.MaxEntry))
	check(t, err)
	check(t, j.Close())
	for i := range 10 {
		_, err := from.Documents().Put(t.Context(), "k", fmt.Sprint(i), []byte(`"`+strings.Repeat("x", medium.MaxDocument-2)+`"`), medium.Absent)
		check(t, err)
	}
	b := tarOf(t, from, true)
	to := mustOpen(t, vfs.NewMem())
	_, err = restoreTar(t.Context(), b, to, RestoreOptions{})
	check(t, err)
	wantSame(t, to, from)
}

// smallTar is a small archive with all sections.
func smallTar(t testing.TB) (archive []byte, from medium.Medium) {
	t.Helper()
	from = mustOpen(t, vfs.NewMem())
	j, err := from.Journals().Open(t.Context(), "j", medium.JournalOptions{})
	check(t, err)
	_, err = j.Append(t.Context(), []byte("entry"))
	check(t, err)
	check(t, j.Close())
	_, err = from.Documents().Put(t.Context(), "k", "key", []byte("{}"), medium.Absent)
	check(t, err)
	check(t, put(t.Context(), from, "b", []byte("blob"), expiry))
	return tarOf(t, from, false), from
}

// lastByte is the end of the last entry's content in a tar stream; padding follows.
func lastByte(b []byte) int { return len(bytes.TrimRight(b, "\x00")) }

func TestArchiveThatWasCutIsRecognised(t *testing.T) {
	whole, from := smallTar(t)
	step := 1
	if testing.Short() {
		step = 41
	}
	for n := 0; n < lastByte(whole); n += step {
		_, err := restoreTar(t.Context(), whole[:n], nil, RestoreOptions{})
		if !errors.Is(err, ErrIncomplete) && !errors.Is(err, ErrArchive) {
			t.Fatalf("the first %d bytes of %d: %v", n, len(whole), err)
		}
	}
	compressed := tarOf(t, from, true)
	for n := 0; n < len(compressed); n += step {
		if _, err := restoreTar(t.Context(), compressed[:n], nil, RestoreOptions{}); model.KindOf(err) != model.Corrupt {
			t.Fatalf("the first %d bytes of %d, compressed: %v", n, len(compressed), err)
		}
	}
	// A medium that a part was restored to says so.
	to := mustOpen(t, vfs.NewMem())
	_, err := restoreTar(t.Context(), whole[:lastByte(whole)-1], to, RestoreOptions{})
	wantError(t, err, ErrIncomplete, "")
	wantError(t, Unfinished(t.Context(), to), ErrUnfinished, "the restore was begun at")
	// The same archive, whole, goes on.
	report, err := restoreTar(t.Context(), whole, to, RestoreOptions{})
	check(t, err)
	if report.Copied != (Counts{}) {
		t.Errorf("copied again: %+v", report.Copied)
	}
	wantSame(t, to, from)
}

// TestArchiveWithFlippedBits flips a bit in each byte. What is not in the padding of tar, nor in header fields that mean
// nothing here, is noticed, and nothing wrong is ever restored.
func TestArchiveWithFlippedBits(t *testing.T) {
	whole, from := smallTar(t)
	want := content(t, from)
	step := 1
	if testing.Short() {
		step = 23
	}
	var ignored int
	for i := 0; i < lastByte(whole); i += step {
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		to, err := openLocal(vfs.NewMem())
		check(t, err)
		_, err = restoreTar(t.Context(), bad, to, RestoreOptions{})
		got := content(t, to)
		switch {
		case err == nil && !slices.Equal(got, want):
			t.Fatalf("bit in byte %d flipped: not noticed, and restored: %q", i, got)
		case err == nil:
			ignored++
		case model.KindOf(err) != model.Corrupt && model.KindOf(err) != model.Invalid:
			t.Fatalf("bit in byte %d flipped: %v", i, err)
		}
		for _, line := range got {
			if !strings.HasPrefix(line, "document transfer ") && !slices.Contains(want, line) && !strings.HasPrefix(line, "journal j next") {
				t.Fatalf("bit in byte %d flipped: restored %q (%v)", i, line, err)
			}
		}
		check(t, to.Close())
	}
	t.Logf("%d of %d bytes are padding of tar", ignored, lastByte(whole)/step)
}

func TestFolderThatWasChangedIsRefusedBeforeAnythingIsRestored(t *testing.T) {
	from, _ := filled(t)
	f := func(what string, change func(disk *vfs.Mem) error, want error, text string) {
		t.Helper()
		disk := vfs.NewMem()
		sink, err := FolderSink(disk, "/b")
		check(t, err)
		_, err = writeArchive(t.Context(), sink, from)
		check(t, err)
		if err := change(disk); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		s, err := FolderSource(disk, "/b")
		check(t, err)
		to := mustOpen(t, vfs.NewMem())
		_, err = ReadArchive(t.Context(), s, to, RestoreOptions{})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q with %q", what, err, want, text)
		}
		if got := content(t, to); len(got) > 0 {
			t.Errorf("%s: restored %q", what, got)
		}
	}
	flip := func(path string) func(disk *vfs.Mem) error {
		return func(disk *vfs.Mem) error { return vfs.Flip(disk, "/b/"+path, 100) }
	}
	write := func(path, content string) func(disk *vfs.Mem) error {
		return func(disk *vfs.Mem) error { return vfs.WriteFile(disk, "/b/"+path, []byte(content), 0o640) }
	}
	f("a blob", flip("blobs/u/large@blob"), ErrArchive, "the checksum of blobs/u/large@blob differs")
	f("a journal", flip("journals/n2/metrics@00000000000000000001"), ErrArchive, "journals/n2/metrics@")
	f("documents", flip("documents/block@000001"), ErrArchive, "documents/block@000001")
	f("a file", write("files/metrics/one", "other file"), ErrArchive, "files/metrics/one")
	f("the manifest", flip("manifest.json"), ErrArchive, "manifest.json")
	f("the list of damage", write("damaged.json", "[ ]"), ErrArchive, "damaged.json")
	f("the checksums", flip("checksums"), ErrArchive, "")
	f("no checksums", func(disk *vfs.Mem) error { return disk.Remove("/b/checksums") }, ErrIncomplete, "has no checksums")
	f("empty checksums", write("checksums", ""), ErrIncomplete, "end mark")
	f("a missing blob", func(disk *vfs.Mem) error { return disk.Remove("/b/blobs/t/a@blob") }, ErrArchive, "blobs/t/a@blob is missing")
	f("a stranger", write("blobs/t/new@blob", "x"), ErrArchive, "no archive has such an entry")
	f("another stranger", write("note.txt", "x"), ErrArchive, "note.txt")
	f("a path that leads outside", func(disk *vfs.Mem) error {
		b, err := vfs.ReadFile(disk, "/b/checksums", 1<<20)
		return errors.Join(err, write("checksums", strings.Replace(string(b), "*blobs/t/a@blob", "*blobs/../../x@blob", 1))(disk))
	}, ErrArchive, "no archive has such an entry")
}

// tarWith is a tar stream of entries, for archives that no writer of ours writes.
func tarWith(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: entries[i], Size: int64(len(entries[i+1])), Mode: 0o600}))
		_, err := io.WriteString(w, entries[i+1])
		check(t, err)
	}
	check(t, w.Close())
	return b.Bytes()
}

func TestStrangeArchivesAreRefused(t *testing.T) {
	f := func(b []byte, want error, text string) {
		t.Helper()
		to := mustOpen(t, vfs.NewMem())
		_, err := restoreTar(t.Context(), b, to, RestoreOptions{})
		wantError(t, err, want, text)
		for _, line := range content(t, to) {
			if !strings.HasPrefix(line, "document transfer ") {
				t.Errorf("restored %q", line)
			}
		}
	}
	const manifest = `{"format": 1, "id": "x"}`
	f(nil, ErrIncomplete, "it is empty")
	f([]byte("no tar at all"), ErrIncomplete, "")
	f(bytes.Repeat([]byte("no tar at all"), 1000), ErrArchive, "")
	f(tarWith(t, "other.json", manifest), ErrArchive, "does not begin with manifest.json")
	f(tarWith(t, "manifest.json", "{"), ErrArchive, "manifest.json")
	f(tarWith(t, "manifest.json", `{"format": 2, "id": "x", "time": 5}`), ErrNewer, "its format is 2")
	f(tarWith(t, "manifest.json", `{"format": 0, "id": "x"}`), ErrArchive, "the format 0")
	f(tarWith(t, "manifest.json", `{"format": 1}`), ErrArchive, "id")
	f(tarWith(t, "manifest.json", manifest), ErrIncomplete, "has no checksums")
	f(tarWith(t, "manifest.json", manifest, "../x", ""), ErrArchive, "no archive has such an entry")
	f(tarWith(t, "manifest.json", manifest, "/etc/passwd", ""), ErrArchive, "no archive has such an entry")
	f(tarWith(t, "manifest.json", manifest, "blobs/../x@blob", ""), ErrArchive, "no archive has such an entry")
	f(tarWith(t, "manifest.json", manifest, "blobs/x@other", ""), ErrArchive, "no archive has such an entry")
	f(tarWith(t, "manifest.json", manifest, "blobs/x@blob", "short"), ErrArchive, "it has no head")
	f(tarWith(t, "manifest.json", manifest, "blobs/x@blob", `{"blob":"x","size":99}`+"\n"), ErrArchive, "gives a size of 99 bytes")
	f(tarWith(t, "manifest.json", manifest, "blobs/x@blob", `{"blob":"y","size":0}`+"\n"), ErrArchive, `it is the blob "y"`)
	f(tarWith(t, "manifest.json", manifest, "journals/j@00000000000000000001", ""), ErrArchive, "it has no trailer")
	f(tarWith(t, "manifest.json", manifest, "journals/j@1", ""), ErrArchive, "no archive has such an entry")
	f(tarWith(t, "manifest.json", manifest, "checksums", "# end of archive: 1 entries\n"), ErrArchive, "damaged.json is missing")
	f(tarWith(t, "manifest.json", manifest, "files/a", "", "files/a/b", ""), ErrArchive, "in use")
	f(tarWith(t, "manifest.json", manifest, "damaged.json", "[]", "files/a", ""), ErrArchive, "in the wrong place")
	f(tarWith(t, "manifest.json", manifest, "damaged.json", "[]", "checksums", "# end of archive: 2 entries\n"), ErrArchive, "")
	f(tarWith(t, "manifest.json", manifest, "documents/transfer@000001", string(partOf(t, documentHead{"transfer"}, `{"key":"unfinished","value":{}}`))), ErrArchive, "never in an archive")
	f(tarWith(t, "manifest.json", manifest, "journals/j@00000000000000000002", string(partOf(t, journalHead{Journal: "j", Next: 9}, string(appendJournalEntry(nil, 1, nil))))), ErrArchive, "wrong place")
	f(tarWith(t, "manifest.json", manifest, "journals/j@00000000000000000001", string(partOf(t, journalHead{Journal: "j"}, "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"))), ErrArchive, "which cannot be")
	huge := tarWith(t, "manifest.json", manifest, "documents/k@000001", "")
	f(bytes.Replace(huge, []byte("00000000000\x00"), []byte("77777777777\x00"), 2), ErrArchive, "")
}

func TestSparseFilesAreRefused(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "files/a", Format: tar.FormatPAX, PAXRecords: map[string]string{"XXX.sparse.major": "1"}}))
	check(t, w.Close())
	_, err := restoreTar(t.Context(), bytes.Replace(b.Bytes(), []byte("XXX."), []byte("GNU."), 1), nil, RestoreOptions{})
	wantError(t, err, ErrArchive, "a sparse file")
	_, err = restoreTar(t.Context(), b.Bytes(), nil, RestoreOptions{})
	wantError(t, err, ErrArchive, "does not begin with manifest.json")
}

// partOf is an entry of journals or documents.
func partOf(t *testing.T, head any, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := TarSink(io.Discard, false)
	check(t, err)
	w := &ArchiveWriter{sink: captureSink{s, &b}, job: newJob(nil)}
	path := "journals/x@00000000000000000001"
	check(t, w.part(path, head, []byte(body)))
	return b.Bytes()
}

type captureSink struct {
	Sink
	b *bytes.Buffer
}

func (c captureSink) entry(_ string, _ int64, write func(io.Writer) error) error { return write(c.b) }

func TestRestoreNeedsAnEmptyMedium(t *testing.T) {
	from, _ := filled(t)
	b := tarOf(t, from, false)
	f := func(text string, use func(m medium.Medium) error) {
		t.Helper()
		to := mustOpen(t, vfs.NewMem())
		check(t, use(to))
		before := content(t, to)
		_, err := restoreTar(t.Context(), b, to, RestoreOptions{})
		wantError(t, err, ErrNotEmpty, text)
		if !slices.Equal(content(t, to), before) {
			t.Error("it was changed")
		}
		_, err = restoreTar(t.Context(), b, to, RestoreOptions{Into: true})
		check(t, err)
		for _, line := range append(before, content(t, from)...) {
			if !slices.Contains(content(t, to), line) {
				t.Errorf("restored into what was there, it lacks %.200s", line)
			}
		}
	}
	f(`journals, the first is "mine"`, func(m medium.Medium) error {
		j, err := m.Journals().Open(t.Context(), "mine", medium.JournalOptions{})
		check(t, err)
		return j.Close()
	})
	f(`documents of the kind "mine"`, func(m medium.Medium) error {
		_, err := m.Documents().Put(t.Context(), "mine", "x", []byte("1"), medium.Absent)
		return err
	})
	f(`blobs, the first is "mine"`, func(m medium.Medium) error { return put(t.Context(), m, "mine", nil, time.Time{}) })
}

func TestRestoreIntoReportsConflicts(t *testing.T) {
	from, _ := filled(t)
	b := tarOf(t, from, false)
	to := mustOpen(t, vfs.NewMem())
	check(t, put(t.Context(), to, "u/large", noise(50, 300_000), time.Time{}))
	check(t, put(t.Context(), to, "t/ab", noise(3, 3000), expiry))
	_, err := to.Documents().Put(t.Context(), "block", "key 1/ü", []byte("1"), medium.Absent)
	check(t, err)
	report, err := restoreTar(t.Context(), b, to, RestoreOptions{Into: true})
	wantError(t, err, ErrConflicts, "and 1 more")
	if report.ConflictsTotal != 2 || report.Skipped.Blobs != 1 || report.Copied.Blobs != 4 {
		t.Errorf("report %+v", report)
	}
	_, err = restoreTar(t.Context(), b, to, RestoreOptions{Into: true, Overwrite: true})
	check(t, err)
	wantSame(t, to, from)
}

// TestRestoreIsResumedAfterEveryStep cuts the power of the medium that is restored to after each operation.
func TestRestoreIsResumedAfterEveryStep(t *testing.T) {
	from, _ := filled(t)
	b := tarOf(t, from, false)
	restore := func(m *vfs.Mem) error {
		to, err := openLocal(m)
		if err != nil {
			return err
		}
		_, err = restoreTar(t.Context(), b, to, RestoreOptions{})
		return errors.Join(err, to.Close())
	}
	whole := vfs.NewMem()
	check(t, restore(whole))
	step := 1
	if testing.Short() {
		step = 17
	}
	for i := 0; i < whole.Operations(); i += step {
		m := vfs.NewMem()
		m.StopAfter(i)
		_ = restore(m) // it may even have finished
		for _, disk := range []*vfs.Mem{m.Crash(uint64(i)), m.Kill()} {
			to, err := openLocal(disk)
			check(t, err)
			if Unfinished(t.Context(), to) == nil {
				if got := content(t, to); len(got) > 0 && !slices.Equal(got, content(t, from)) {
					t.Fatalf("after %d operations it holds a part, and does not say so: %.300q", i, got)
				}
				check(t, to.Close())
				continue
			}
			if _, err := restoreTar(t.Context(), b, to, RestoreOptions{}); err != nil {
				t.Fatalf("again after %d operations: %v", i, err)
			}
			wantSame(t, to, from)
			check(t, to.Close())
		}
	}
}

// TestBackupIsCutAfterEveryStep cuts the power of the disk that a folder is written to.
func TestBackupIsCutAfterEveryStep(t *testing.T) {
	_, from := smallTar(t)
	backup := func(m *vfs.Mem) error {
		s, err := FolderSink(m, "/b")
		if err != nil {
			return err
		}
		_, err = writeArchive(t.Context(), s, from)
		return err
	}
	whole := vfs.NewMem()
	check(t, backup(whole))
	for i := range whole.Operations() {
		m := vfs.NewMem()
		m.StopAfter(i)
		done := backup(m)
		for seed := range uint64(4) {
			disk := m.Crash(seed)
			s, err := FolderSource(disk, "/b")
			if errors.Is(err, os.ErrNotExist) && done != nil {
				continue
			}
			check(t, err)
			if _, err = ReadArchive(t.Context(), s, nil, RestoreOptions{}); err != nil && (done == nil || model.KindOf(err) != model.Corrupt) {
				t.Fatalf("cut after %d operations (%v): %v", i, done, err)
			}
		}
	}
}

func TestBackupOfADamagedMedium(t *testing.T) {
	from, mem := filled(t)
	check(t, from.Close())
	check(t, vfs.Flip(mem, "/m/blob/u/large@blob", 70_000*8))
	check(t, vfs.Flip(mem, "/m/blob/t/ab@blob", 3005*8)) // the table
	check(t, vfs.Flip(mem, "/m/journal/n2/metrics/00000000000000000001.log", 1500*8))
	from = mustOpen(t, mem)
	var b bytes.Buffer
	s, err := TarSink(&b, false)
	check(t, err)
	report, err := writeArchive(t.Context(), s, from)
	wantError(t, err, ErrDamaged, "and 2 more")
	if report.DamagedTotal != 3 || report.Copied.Blobs != 4 || report.Copied.Documents != 15 {
		t.Errorf("report %+v", report)
	}
	to := mustOpen(t, vfs.NewMem())
	report, err = restoreTar(t.Context(), b.Bytes(), to, RestoreOptions{})
	wantError(t, err, ErrDamaged, "and 2 more")
	if report.DamagedTotal != 3 || report.Copied.Blobs != 4 || report.Copied.Documents != 15 {
		t.Errorf("report %+v", report)
	}
	check(t, Unfinished(t.Context(), to))
	if _, err := to.Blobs().Open(t.Context(), "u/large"); !errors.Is(err, medium.ErrNotFound) {
		t.Errorf("a damaged blob was restored: %v", err)
	}
	// Its sound part is in the archive, for a person.
	large := noise(5, 300_000)
	if !bytes.Contains(b.Bytes(), large[:65536]) || !bytes.Contains(b.Bytes(), large[131072:]) || bytes.Contains(b.Bytes(), large[65536:66000]) {
		t.Error("the archive does not have the sound part of the damaged blob, and nothing else of it")
	}
}

func TestArchiveFileErrors(t *testing.T) {
	open := func() *ArchiveWriter {
		t.Helper()
		s, err := TarSink(io.Discard, true)
		check(t, err)
		w, err := NewArchiveWriter(s, Manifest{})
		check(t, err)
		return w
	}
	f := func(add func(w *ArchiveWriter) error, text string, usable bool) {
		t.Helper()
		w := open()
		if err := add(w); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want an error with %q", err, text)
		}
		if err := w.Close(); (err == nil) != usable {
			t.Errorf("close: %v, want none: %v", err, usable)
		}
	}
	f(func(w *ArchiveWriter) error { return w.AddFile(t.Context(), "a", 3, strings.NewReader("four")) }, "other than the 3 bytes", false)
	f(func(w *ArchiveWriter) error { return w.AddFile(t.Context(), "a", 5, strings.NewReader("four")) }, "other than the 5 bytes", false)
	f(func(w *ArchiveWriter) error { return w.AddFile(t.Context(), "../a", 0, strings.NewReader("")) }, "bad name", true)
	f(func(w *ArchiveWriter) error { return w.AddFile(t.Context(), "a", -1, strings.NewReader("")) }, "too large", true)
	f(func(w *ArchiveWriter) error {
		check(t, w.AddFile(t.Context(), "a/b", 0, strings.NewReader("")))
		return w.AddFile(t.Context(), "a", 0, strings.NewReader(""))
	}, "in use", true)
	f(func(w *ArchiveWriter) error {
		check(t, w.AddFile(t.Context(), "a", 0, strings.NewReader("")))
		_, err := w.AddMedium(t.Context(), mustOpen(t, vfs.NewMem()), BackupOptions{})
		return err
	}, "wrong order", false)
}

func TestBackupOnAFullDisk(t *testing.T) {
	from, _ := filled(t)
	m := vfs.NewMem()
	m.SetCapacity(200_000)
	s, err := FolderSink(m, "/b")
	check(t, err)
	_, err = writeArchive(t.Context(), s, from)
	wantError(t, err, medium.ErrNoSpace, "blobs/u/large@blob")
}

// TestBackupWhileWritersRun: whatever was acknowledged before the backup began is in it, in a journal or in the blob that a
// document names, although an engine moves it from one to the other meanwhile.
func TestBackupWhileWritersRun(t *testing.T) {
	m, err := openLocal(vfs.NewMem())
	check(t, err)
	h, err := NewHoldable(t.Context(), m, HoldOptions{})
	check(t, err)
	defer h.Close()
	e := &engine{m: h}
	var writer sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	writer.Go(func() {
		if err := e.run(ctx); err != nil {
			t.Error(err)
		}
	})
	for range 5 {
		before := e.acknowledged(20)
		hold := h.Hold()
		var b bytes.Buffer
		s, err := TarSink(&b, false)
		check(t, err)
		w, err := NewArchiveWriter(s, Manifest{})
		check(t, err)
		_, err = w.AddMedium(t.Context(), hold.Medium(), BackupOptions{Hold: hold})
		check(t, err)
		check(t, hold.Release())
		check(t, w.Close())
		to := mustOpen(t, vfs.NewMem())
		_, err = restoreTar(t.Context(), b.Bytes(), to, RestoreOptions{})
		check(t, err)
		have := map[int]bool{}
		check(t, (&engine{m: to}).read(t.Context(), have))
		for i := 1; i <= before; i++ {
			if !have[i] {
				t.Errorf("value %d of the %d that were acknowledged before is missing", i, before)
			}
		}
	}
	stop()
	writer.Wait()
	// Nothing that waited for a backup is left.
	for info, err := range m.Blobs().List(t.Context(), "") {
		check(t, err)
		if !e.named(t, m, info.Name) {
			t.Errorf("blob %q should have been deleted", info.Name)
		}
	}
}

// engine appends numbers to a journal, cuts a blob of every ten of them, merges every two blobs into one, and deletes those two.
type engine struct {
	m    medium.Medium
	mu   sync.Mutex
	last int // acknowledged
}

// acknowledged waits until n more numbers are, and returns the last one.
func (e *engine) acknowledged(n int) int {
	e.mu.Lock()
	want := e.last + n
	e.mu.Unlock()
	for {
		e.mu.Lock()
		last := e.last
		e.mu.Unlock()
		if last >= want {
			return last
		}
		time.Sleep(time.Millisecond)
	}
}

func (e *engine) run(ctx context.Context) error {
	j, err := e.m.Journals().Open(context.Background(), "n/values", medium.JournalOptions{})
	if err != nil {
		return err
	}
	var blocks []string
	var head []string
	for i := 1; ctx.Err() == nil; i++ {
		at, err := j.Append(context.Background(), []byte(fmt.Sprint(i)))
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.last = i
		e.mu.Unlock()
		if head = append(head, fmt.Sprint(i)); len(head) < 10 {
			continue
		}
		name := fmt.Sprintf("block/%d", i)
		if err := e.block(name, strings.Join(head, "\n")); err != nil {
			return err
		}
		if err := j.Truncate(context.Background(), at+1); err != nil {
			return err
		}
		head = nil
		if blocks = append(blocks, name); len(blocks) == 2 {
			if err := e.merge(fmt.Sprintf("merged/%d", i), blocks); err != nil {
				return err
			}
			blocks = nil
		}
	}
	return j.Close()
}

// block puts a blob, and then the document that names it.
func (e *engine) block(name, values string) error {
	ctx := context.Background()
	if err := put(ctx, e.m, name, []byte(values), time.Time{}); err != nil {
		return err
	}
	_, err := e.m.Documents().Put(ctx, "catalogue", name, []byte("{}"), medium.Absent)
	return err
}

func (e *engine) merge(name string, blocks []string) error {
	ctx := context.Background()
	var all []string
	for _, b := range blocks {
		values, err := e.blob(ctx, b)
		if err != nil {
			return err
		}
		all = append(all, values)
	}
	if err := e.block(name, strings.Join(all, "\n")); err != nil {
		return err
	}
	for _, b := range blocks {
		d, err := e.m.Documents().Get(ctx, "catalogue", b)
		if err != nil {
			return err
		}
		if err := errors.Join(e.m.Documents().Delete(ctx, "catalogue", b, d.Version), e.m.Blobs().Delete(ctx, b)); err != nil {
			return err
		}
		if _, err := e.m.Blobs().Open(ctx, b); !errors.Is(err, medium.ErrNotFound) {
			return fmt.Errorf("a deleted block opens: %w", err)
		}
	}
	return nil
}

func (e *engine) blob(ctx context.Context, name string) (string, error) {
	b, err := e.m.Blobs().Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer b.Close()
	all, err := b.Range(ctx, 0, b.Size())
	return string(all), err
}

// read collects all numbers that a medium has.
func (e *engine) read(ctx context.Context, have map[int]bool) error {
	note := func(value string) {
		n := 0
		fmt.Sscan(value, &n)
		have[n] = true
	}
	if _, err := e.m.Journals().Replay(ctx, "n/values", 0, func(_ medium.Position, b []byte) error {
		note(string(b))
		return nil
	}); err != nil {
		return err
	}
	for d, err := range e.m.Documents().List(ctx, "catalogue", "") {
		if err != nil {
			return err
		}
		values, err := e.blob(ctx, d.Key)
		if err != nil {
			return err
		}
		for v := range strings.SplitSeq(values, "\n") {
			note(v)
		}
	}
	return nil
}

func (e *engine) named(t *testing.T, m medium.Medium, name string) bool {
	t.Helper()
	_, err := m.Documents().Get(t.Context(), "catalogue", name)
	return err == nil
}
