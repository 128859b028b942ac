package series

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"

	"github.com/hulotte-dev/hulotte/store"
)

// seriesCopy returns the copy of the default tenant's series, in a folder as a store has it.
func seriesCopy(t *testing.T, s store.Series) string {
	t.Helper()
	dir, remove, err := s.(store.SeriesCopier).CopySeries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "series")
	if err := os.CopyFS(filepath.Join(to, "default"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
	return to
}

// The copy of a store in use opens elsewhere with everything: samples of blocks and of the head, late ones, metadata.
func TestCopyHoldsEverything(t *testing.T) {
	db := openTest(t, Options{})
	w := writer(t, db, "default")
	mustWrite(t, w, start, 1, labels.FromStrings("__name__", "a"))
	mustWrite(t, w, start+2*3600_000, 2, labels.FromStrings("__name__", "a"))
	mustWrite(t, w, start+1000, 1.5, labels.FromStrings("__name__", "a")) // late
	w.(store.MetadataAppender).AppendMetadata("a", metadata.Metadata{Type: "counter", Help: "What a is."})
	dir := seriesCopy(t, w)

	mustWrite(t, w, start+3*3600_000, 3, labels.FromStrings("__name__", "a")) // after it
	wantSamples(t, w, "a", 1, 1.5, 2, 3)

	other := openTest(t, Options{Dir: dir})
	copied := reader(t, other, "default")
	wantSamples(t, copied, "a", 1, 1.5, 2)
	if md := copied.(store.MetadataReader).Metadata("a", 0, 0); len(md) != 1 || md[0].Help != "What a is." {
		t.Errorf("metadata of the copy: %+v", md)
	}
}

func TestCopyOfAnEmptyTenant(t *testing.T) {
	db := openTest(t, Options{})
	dir := seriesCopy(t, writer(t, db, "default"))
	wantSamples(t, reader(t, openTest(t, Options{Dir: dir}), "default"), "a")
}

// A copy that a process left behind when it died goes at the next start; what people have asked for stays.
func TestCopiesLeftBehindAreRemoved(t *testing.T) {
	dir := t.TempDir()
	left, asked := filepath.Join(dir, "default", snapshotsDir, copyPrefix+"x"), filepath.Join(dir, "default", snapshotsDir, "20261122T000000Z-x")
	for _, d := range []string{left, asked} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	openTest(t, Options{Dir: dir})
	if _, err := os.Stat(left); err == nil {
		t.Error("the copy is still there")
	}
	if _, err := os.Stat(asked); err != nil {
		t.Errorf("the snapshot is gone: %v", err)
	}
}

// verified returns what VerifyDir finds, one "file: problem" each.
func verified(t *testing.T, dir string, live bool) []string {
	t.Helper()
	var found []string
	var files int64
	err := VerifyDir(t.Context(), dir, live, func(where, problem, effect string) {
		if effect == "" {
			t.Errorf("%s: %s: no word on what it means", where, problem)
		}
		found = append(found, where+": "+problem)
	}, func(_ string, n, _ int64) { files = n })
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Error("no file was read")
	}
	return found
}

// Every flipped byte of a block's index or chunks, or of a log, is found, and its file named; the files are sound before.
func TestVerifyFindsFlippedBytes(t *testing.T) {
	db := openTest(t, Options{})
	w := writer(t, db, "default")
	for i := range int64(300) {
		mustWrite(t, w, start+i*60_000, float64(i*i%97), labels.FromStrings("__name__", "a", "x", "1"), labels.FromStrings("__name__", "b"))
	}
	if found, err := []string(nil), db.Verify(t.Context(), func(where, problem, _ string) { t.Errorf("a store in use: %s: %s", where, problem) }, func(string, int64, int64) {}); err != nil {
		t.Errorf("%v %v", found, err)
	}
	dir := seriesCopy(t, w)
	mustClose(t, db)
	if err := os.CopyFS(filepath.Join(dir, "default", "wal"), os.DirFS(filepath.Join(db.opts.Dir, "default", "wal"))); err != nil {
		t.Fatal(err)
	}
	if found := verified(t, dir, false); len(found) > 0 {
		t.Fatalf("a sound store: %v", found)
	}
	files := 0
	for _, pattern := range []string{"0*/index", "0*/chunks/0*", "wal/0*", "0*/meta.json"} {
		paths, err := filepath.Glob(filepath.Join(dir, "default", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		files += len(paths)
		for _, p := range paths {
			flipAndLook(t, dir, p)
		}
	}
	if files < 4 {
		t.Errorf("only %d files were tried", files)
	}
}

// flipAndLook flips a bit at several places of a file, one after another, and looks whether the file is named.
func flipAndLook(t *testing.T, dir, path string) {
	t.Helper()
	sound, err := os.ReadFile(path)
	if err != nil || len(bytes.TrimRight(sound, "\x00")) == 0 {
		return // a log that holds nothing
	}
	last := len(bytes.TrimRight(sound, "\x00"))
	missed := 0
	for _, at := range []int{0, last / 5, last / 3, last / 2, 2 * last / 3, last - 2} {
		broken := slices.Clone(sound)
		broken[at] ^= 0x04 // in the type of a log's record, whose upper bits mean nothing, this one does
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		found := verified(t, dir, false)
		rel, _ := filepath.Rel(filepath.Dir(dir), path)
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, rel) }) {
			missed++
			t.Logf("%s: the flipped byte %d of %d is not found: %v", rel, at, last, found)
		}
	}
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if most := map[bool]int{true: 6, false: 0}[strings.HasSuffix(path, "meta.json")]; missed > most { // meta.json has no checksum
		t.Errorf("%s: %d flipped bytes were not found", path, missed)
	}
}
