package transfer

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// FuzzTar reads tar streams. Whatever it is given, it returns, and never with a medium that says it is whole and is not.
func FuzzTar(f *testing.F) {
	whole, small := smallTar(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(tarOf(f, small, true))
	f.Add(tarOf(f, mustOpen(f, vfs.NewMem()), false))
	f.Fuzz(func(t *testing.T, b []byte) {
		to, err := openLocal(vfs.NewMem())
		check(t, err)
		defer to.Close()
		_, err = restoreTar(t.Context(), b, to, RestoreOptions{File: func(_ string, _ int64, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}})
		if err == nil {
			again, err := restoreTar(t.Context(), b, nil, RestoreOptions{})
			if err != nil {
				t.Fatalf("restored, and then does not verify: %v (%+v)", err, again)
			}
			return
		}
		if kind := model.KindOf(err); kind != model.Corrupt && kind != model.Invalid {
			t.Fatalf("kind %s: %v", kind, err)
		}
	})
}

// FuzzEntries puts one entry of each section, with sound checksums, into an archive, so that what is behind the checksums is tried.
func FuzzEntries(f *testing.F) {
	f.Add("journals/j@00000000000000000001", []byte(`{"journal":"j","next":2,"last":true}`+"\n"+string(appendJournalEntry(nil, 1, []byte("x")))), true)
	f.Add("documents/k@000001", []byte(`{"kind":"k"}`+"\n"+`{"key":"a","value":{"b":1}}`+"\n"), true)
	f.Add("documents/k@000001", []byte(`{"kind":"k"}`+"\n"+`{"key":"a","bytes":"e30="}`+"\n"), true)
	f.Add("blobs/b@blob", []byte(`{"blob":"b","size":3,"expires":"2100-01-01T00:00:00Z"}`+"\nabc"), true)
	f.Add("blobs/b@blob", []byte(`{"blob":"b","size":3}`+"\nabc"), false)
	f.Add("files/a/b", []byte("x"), true)
	f.Fuzz(func(t *testing.T, path string, body []byte, sound bool) {
		entry := body
		if !strings.HasPrefix(path, filesDir) {
			entry = appendTrailer(bytes.Clone(body), sha256.Sum256(body), sound)
		}
		var b bytes.Buffer
		s, err := TarSink(&b, false)
		check(t, err)
		w, err := NewArchiveWriter(s, Manifest{})
		check(t, err)
		if w.whole(path, entry) != nil || w.Close() != nil {
			return
		}
		to, err := openLocal(vfs.NewMem())
		check(t, err)
		defer to.Close()
		_, err = restoreTar(t.Context(), b.Bytes(), to, RestoreOptions{})
		if err != nil {
			if kind := model.KindOf(err); kind != model.Corrupt && kind != model.Invalid {
				t.Fatalf("kind %s: %v", kind, err)
			}
			return
		}
		content(t, to) // all of it can be listed, and read
	})
}

func FuzzChecksums(f *testing.F) {
	sum := sha256.Sum256(nil)
	f.Add([]byte(checksumLine("manifest.json", sum) + checksumLine("blobs/a@blob", sum) + endLine(2)))
	f.Add([]byte(endLine(0)))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var lines []string
		n, err := readChecksums(bytes.NewReader(b), func(p string, sum [sha256.Size]byte) error {
			lines = append(lines, checksumLine(p, sum))
			return nil
		})
		if err != nil || n < 0 {
			return
		}
		if n != len(lines) {
			t.Fatalf("%d lines, the end mark counts %d", len(lines), n)
		}
		if again := strings.Join(lines, "") + endLine(n); !strings.EqualFold(again, string(b)) {
			t.Fatalf("%q reads as %q", b, again)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{manifestPath, damagedPath, checksumsPath, journalPath("a/b", 7), documentsPath("k", 1), blobPath("a/b"), filePath("x/y"), "blobs/../x@blob", "/", ""} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		pl, err := parsePath(p)
		if err != nil {
			return
		}
		again := map[section]string{manifestSection: manifestPath, damagedSection: damagedPath, checksumSection: checksumsPath,
			journalSection: journalPath(pl.name, medium.Position(pl.number)), documentSection: documentsPath(pl.name, int(pl.number)),
			blobSection: blobPath(pl.name), fileSection: filePath(pl.name)}[pl.section]
		if again != p || slices.Contains(strings.Split(p, "/"), "..") {
			t.Fatalf("%q is understood as %+v, which is %q", p, pl, again)
		}
	})
}
