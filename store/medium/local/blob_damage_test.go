package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// damagedBlobs has a blob of three chunks, the last of 100 bytes, and one that is never touched.
func damagedBlobs(t *testing.T, fsys vfs.FS, dir string) (b *blobs, content []byte) {
	t.Helper()
	b = mustOpenBlobs(t, fsys, dir)
	content = noise(9, 2*blobChunkSize+100)
	mustPut(t, b, "t/victim", content)
	mustPut(t, b, "t/bystander", content[:1000])
	return b, content
}

// wantOnlyDamaged wants the chunks in bad to be reported, by a name that has where, and all others to be readable.
func wantOnlyDamaged(t *testing.T, b *blobs, content []byte, bad func(chunk int64) bool, where string) {
	t.Helper()
	blob, err := b.Open(t.Context(), "t/victim")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer blob.Close()
	for i := range chunksOf(blob.Size(), blobChunkSize) {
		start, end := i*blobChunkSize, min((i+1)*blobChunkSize, blob.Size())
		got, err := blob.Range(t.Context(), start, end-start)
		switch {
		case !bad(i):
			if err != nil || !bytes.Equal(got, content[start:end]) {
				t.Fatalf("chunk %d, which is sound: %d bytes, %v", i, len(got), err)
			}
		case !errors.Is(err, medium.ErrCorrupt), !strings.Contains(err.Error(), where), !strings.Contains(err.Error(), fmt.Sprintf("offset %d", start)):
			t.Fatalf("chunk %d, which is damaged: %v", i, err)
		}
	}
}

// TestBlobWithAFlippedBit flips a bit in every byte that is not content, and in some of the content.
func TestBlobWithAFlippedBit(t *testing.T) {
	m := vfs.NewMem()
	_, content := damagedBlobs(t, m, "/blob")
	size, table := int64(len(content)), int64(4*3)
	stat, err := m.Stat("/blob/t/victim@blob")
	if err != nil {
		t.Fatal(err)
	}
	f := func(offset int64, check func(b *blobs)) {
		t.Helper()
		bit := offset*8 + offset%8
		for range 2 { // and back
			if err := vfs.Flip(m, "/blob/t/victim@blob", bit); err != nil {
				t.Fatal(err)
			}
			if check != nil {
				b := mustOpenBlobs(t, m, "/blob")
				check(b)
				wantBlob(t, b, "t/bystander", content[:1000])
			}
			check = nil
		}
	}
	inChunk := func(chunk int64) func(b *blobs) {
		return func(b *blobs) {
			t.Helper()
			wantOnlyDamaged(t, b, content, func(i int64) bool { return i == chunk }, "/blob/t/victim@blob")
			if got := testutil.ToFloat64(b.metrics.damaged); got != 1 {
				t.Errorf("%v damaged chunks counted, want 1", got)
			}
		}
	}
	for _, offset := range []int64{0, 1, 511, 512, blobChunkSize - 1, blobChunkSize, 2*blobChunkSize - 1, 2 * blobChunkSize, size - 1} {
		f(offset, inChunk(offset/blobChunkSize))
	}
	for offset := size; offset < size+table; offset++ {
		f(offset, inChunk((offset-size)/4))
	}
	for offset := size + table; offset < stat.Size(); offset++ {
		f(offset, func(b *blobs) {
			t.Helper()
			_, err := b.Open(t.Context(), "t/victim")
			if !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), "/blob/t/victim@blob") {
				t.Fatalf("byte %d of the footer flipped: %v", offset-size-table, err)
			}
			for info, err := range b.List(t.Context(), "t/victim") {
				if err != nil || info.Name != "t/victim" || info.Size != size {
					t.Fatalf("the list has %+v, %v", info, err)
				}
			}
		})
	}
	wantBlob(t, mustOpenBlobs(t, m, "/blob"), "t/victim", content)
}

// TestSmallBlobWithAFlippedBit flips each bit of each byte of a file.
func TestSmallBlobWithAFlippedBit(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "small", []byte("thirteen byte"))
	stat, err := m.Stat("/blob/small@blob")
	if err != nil {
		t.Fatal(err)
	}
	for bit := range stat.Size() * 8 {
		for _, damaged := range []bool{true, false} {
			if err := vfs.Flip(m, "/blob/small@blob", bit); err != nil {
				t.Fatal(err)
			}
			got, err := readBlob(t.Context(), mustOpenBlobs(t, m, "/blob"), "small")
			if damaged && (!errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), "/blob/small@blob")) {
				t.Fatalf("bit %d flipped: %q, %v", bit, got, err)
			}
			if !damaged && (err != nil || string(got) != "thirteen byte") {
				t.Fatalf("bit %d flipped back: %q, %v", bit, got, err)
			}
		}
	}
}

func TestBlobThatWasCut(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "t/whole", noise(4, 300))
	file, err := vfs.ReadFile(m, "/blob/t/whole@blob", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	f := func(file []byte) {
		t.Helper()
		if err := vfs.WriteFile(m, "/blob/t/whole@blob", file, 0o640); err != nil {
			t.Fatal(err)
		}
		b := mustOpenBlobs(t, m, "/blob")
		if _, err := b.Open(t.Context(), "t/whole"); !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), "/blob/t/whole@blob") {
			t.Fatalf("with %d bytes: %v", len(file), err)
		}
		if names, err := listBlobs(t.Context(), b, ""); err != nil || len(names) != 1 {
			t.Fatalf("with %d bytes: the list is %q, %v", len(file), names, err)
		}
	}
	for n := range file {
		f(file[:n])
		f(file[n+1:])
	}
	f(append(bytes.Clone(file), 0))
	f(bytes.Repeat([]byte{0}, len(file)))
}

func TestBlobFileInTheWrongPlace(t *testing.T) {
	m := vfs.NewMem()
	b := mustOpenBlobs(t, m, "/blob")
	mustPut(t, b, "a", []byte("x"))
	if err := m.Rename("/blob/a@blob", "/blob/b@blob"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), "b"); !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), `another blob, "a"`) {
		t.Errorf("open: %v", err)
	}
}

// TestBlobCutWhileItIsMapped is about the real mapping: reading behind the end of the file is a fault.
func TestBlobCutWhileItIsMapped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blob")
	b, content := damagedBlobs(t, vfs.OS{}, dir)
	path := filepath.Join(dir, "t", "victim@blob")
	blob, err := b.Open(t.Context(), "t/victim")
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	if err := os.Truncate(path, blobChunkSize); err != nil {
		t.Fatal(err)
	}
	// Also the first chunk cannot be believed: the table is gone.
	for i := range int64(3) {
		_, err := blob.Range(t.Context(), i*blobChunkSize, 10)
		if !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("chunk %d: %v", i, err)
		}
	}
	wantBlob(t, b, "t/bystander", content[:1000])
}

func TestBlobOverwrittenOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blob")
	b, content := damagedBlobs(t, vfs.OS{}, dir)
	f, err := os.OpenFile(filepath.Join(dir, "t", "victim@blob"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 4096), blobChunkSize+8192); err != nil {
		t.Fatal(err)
	}
	f.Close()
	wantOnlyDamaged(t, b, content, func(i int64) bool { return i == 1 }, "victim@blob")
}
