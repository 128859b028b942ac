package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

func mustOpenMedium(t *testing.T, o Options) *Medium {
	t.Helper()
	m, err := Open(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// filledMedium has a journal of 10 entries of 100 bytes, which is closed, and two blobs.
func filledMedium(t *testing.T, fsys vfs.FS) {
	t.Helper()
	m := mustOpenMedium(t, Options{FS: fsys, Dir: "/m"})
	j, err := m.Journals().Open(t.Context(), "n/j", medium.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := j.Append(t.Context(), noise(uint64(i), 100)); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, m.blobs, "t/large", noise(1, 3*blobChunkSize+10))
	mustPut(t, m.blobs, "t/small", []byte("small"))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// verifyAll opens for reading only, verifies, and wants nothing to be changed.
func verifyAll(t *testing.T, mem *vfs.Mem, fsys vfs.FS) ([]medium.Finding, medium.Summary) {
	t.Helper()
	before := mem.Operations()
	m := mustOpenMedium(t, Options{FS: fsys, Dir: "/m", ReadOnly: true})
	defer m.Close()
	var found []medium.Finding
	sum, err := m.Verify(t.Context(), func(f medium.Finding) { found = append(found, f) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Findings != int64(len(found)) {
		t.Errorf("the summary counts %d findings of %d", sum.Findings, len(found))
	}
	if n := mem.Operations() - before; n != 0 {
		t.Errorf("verifying changed something: %d operations", n)
	}
	return found, sum
}

func TestVerifyFindsEachKindOfDamage(t *testing.T) {
	// what is found after damage: area, name, a part of where, of the problem, and of the effect ("" is none).
	f := func(what string, damage func(m *vfs.Mem) error, area, name, where, problem, effect string) {
		t.Helper()
		m := vfs.NewMem()
		filledMedium(t, m)
		if err := damage(m); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		found, sum := verifyAll(t, m, m)
		if len(found) != 1 {
			t.Errorf("%s: %d findings: %+v", what, len(found), found)
			return
		}
		got := found[0]
		if got.Area != area || got.Name != name || !strings.Contains(got.Where, where) || !strings.Contains(got.Problem, problem) ||
			(effect == "") != (got.Effect == "") || !strings.Contains(got.Effect, effect) {
			t.Errorf("%s: found %+v", what, got)
		}
		if sum.Journals != 1 && area != "journal" || sum.Blobs != 2 && area != "blob" {
			t.Errorf("%s: the rest is not counted: %+v", what, sum)
		}
	}
	flip := func(path string, byteAt int64) func(m *vfs.Mem) error {
		return func(m *vfs.Mem) error { return vfs.Flip(m, path, byteAt*8+3) }
	}
	write := func(path, content string) func(m *vfs.Mem) error {
		return func(m *vfs.Mem) error { return vfs.WriteFile(m, path, []byte(content), 0o640) }
	}
	cut := func(path string, size int64) func(m *vfs.Mem) error {
		return func(m *vfs.Mem) error {
			content, err := vfs.ReadFile(m, path, 1<<20)
			return errors.Join(err, vfs.WriteFile(m, path, content[:size], 0o640))
		}
	}
	const large, segment = "/m/blob/t/large@blob", "/m/journal/n/j/00000000000000000001.log"
	size := int64(3*blobChunkSize + 10)

	f("content of a blob", flip(large, blobChunkSize+5), "blob", "t/large", large+": bytes 65536 to 131072", "the checksum is", "65536 bytes of the blob cannot be read")
	f("last chunk of a blob", flip(large, size-1), "blob", "t/large", large+": bytes 196608 to 196618", "the checksum is", "10 bytes")
	f("table of a blob", flip(large, size+1), "blob", "t/large", large+": bytes 0 to 65536", "the checksum is", "65536 bytes")
	f("footer of a blob", flip(large, size+30), "blob", "t/large", large, "footer", "the blob cannot be read")
	f("a blob that was cut", cut(large, 1000), "blob", "t/large", large, "footer", "the blob cannot be read")
	f("an empty file as a blob", cut(large, 0), "blob", "t/large", large, "0 bytes", "the blob cannot be read")
	f("a blob in another's place", func(m *vfs.Mem) error { return m.Rename(large, "/m/blob/t/medium@blob") },
		"blob", "t/medium", "/m/blob/t/medium@blob", `another blob, "t/large"`, "the blob cannot be read")
	f("a file among the blobs", write("/m/blob/t/note.txt", "x"), "blob", "", "/m/blob/t/note.txt", "does not belong here", "")
	f("a folder among the blobs", func(m *vfs.Mem) error { return vfs.MkdirAll(m, "/m/blob/ü", 0o750) }, "blob", "", "/m/blob/ü", "this folder does not belong", "")

	f("an entry of a journal", flip(segment, 500), "journal", "n/j", segment, "checksum", "entries between")
	f("the header of a segment", flip(segment, 3), "journal", "n/j", segment+": bytes 0 to 64", "header", "")
	f("a file among the segments", write("/m/journal/n/j/note.txt", "x"), "journal", "", "/m/journal/n/j/note.txt", "does not belong here", "")
	f("a segment outside a journal", write("/m/journal/00000000000000000001.log", "x"), "journal", "", "/m/journal/00000000000000000001.log", "does not belong here", "")
	f("a folder among the journals", func(m *vfs.Mem) error { return vfs.MkdirAll(m, "/m/journal/ü", 0o750) }, "journal", "", "/m/journal/ü", "does not belong here", "")

	f("a file in the folder", write("/m/note.txt", "x"), "medium", "", "/m/note.txt", "does not belong here", "")
	f("what was set aside", func(m *vfs.Mem) error {
		return errors.Join(vfs.MkdirAll(m, "/m/damaged/journal/x", 0o750), write("/m/damaged/journal/x/1.log@64-96", "12345")(m))
	}, "damaged", "journal/x/1.log@64-96", "/m/damaged/journal/x/1.log@64-96", "5 bytes that were found damaged", "")
}

func TestVerifyFindsNothingInASoundMedium(t *testing.T) {
	m := vfs.NewMem()
	filledMedium(t, m)
	found, sum := verifyAll(t, m, m)
	want := medium.Summary{Journals: 1, Entries: 10, EntryBytes: 1000, Blobs: 2, BlobBytes: 3*blobChunkSize + 10 + 5}
	if len(found) != 0 || sum != want {
		t.Errorf("found %+v, counted %+v; want %+v", found, sum, want)
	}
}

func TestVerifyOfADiskThatCannotRead(t *testing.T) {
	m := vfs.NewMem()
	filledMedium(t, m)
	faults := vfs.NewFaults(m)
	faults.Add(vfs.Rule{Op: vfs.OpRead, Path: "large@blob", After: 3, Times: 1, Err: syscall.EIO}) // footer, table, first chunk
	found, sum := verifyAll(t, m, faults)
	if len(found) != 1 || found[0].Name != "t/large" || !strings.Contains(found[0].Problem, "the disk cannot read it") || sum.Blobs != 2 {
		t.Errorf("found %+v, counted %+v", found, sum)
	}
}

func TestVerifyJoinsDamageThatLiesTogether(t *testing.T) {
	m := vfs.NewMem()
	filledMedium(t, m)
	for _, chunk := range []int64{0, 1, 3} {
		if err := vfs.Flip(m, "/m/blob/t/large@blob", chunk*blobChunkSize*8); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := verifyAll(t, m, m)
	if len(found) != 2 || !strings.HasSuffix(found[0].Where, "bytes 0 to 131072") || !strings.HasSuffix(found[1].Where, "bytes 196608 to 196618") {
		t.Errorf("found %+v", found)
	}
}

// TestVerifyOfLeftovers: a temporary file that this process does not write is left over; one that another may write only
// when it is old.
func TestVerifyOfLeftovers(t *testing.T) {
	mem := vfs.NewMem()
	m := mustOpenMedium(t, Options{FS: mem, Dir: "/m"})
	defer m.Close()
	leftovers := func(m *Medium, want int) {
		t.Helper()
		var found []medium.Finding
		if _, err := m.Verify(t.Context(), func(f medium.Finding) { found = append(found, f) }, nil); err != nil {
			t.Fatal(err)
		}
		if len(found) != want {
			t.Errorf("found %+v, want %d", found, want)
		}
		for _, f := range found {
			if !strings.Contains(f.Problem, "interrupted write") || f.Effect != "" {
				t.Errorf("found %+v", f)
			}
		}
	}
	gate, begun := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := m.Blobs().Put(t.Context(), "slow", &slowContent{begun: begun, gate: gate}, medium.PutOptions{})
		done <- err
	}()
	<-begun
	leftovers(m, 0)
	reader := mustOpenMedium(t, Options{FS: mem, Dir: "/m", ReadOnly: true})
	defer reader.Close()
	leftovers(reader, 0)
	close(gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(mem, "/m/blob/@tmp/77", []byte("half"), 0o640); err != nil {
		t.Fatal(err)
	}
	leftovers(m, 1)
	leftovers(reader, 0)
}

type slowContent struct {
	begun, gate chan struct{}
	n           int
}

func (s *slowContent) Read(p []byte) (int, error) {
	s.n++
	switch s.n {
	case 1:
		return copy(p, "some"), nil
	case 2:
		close(s.begun)
		<-s.gate
	}
	return 0, io.EOF
}

func TestVerifyBesideAWriterFindsNothing(t *testing.T) {
	mem := vfs.NewMem()
	m := mustOpenMedium(t, Options{FS: mem, Dir: "/m", SegmentBytes: 4096})
	defer m.Close()
	reader := mustOpenMedium(t, Options{FS: mem, Dir: "/m", ReadOnly: true})
	defer reader.Close()
	done := make(chan error, 1)
	go func() { done <- busyWriter(t.Context(), m) }()
	for busy := true; busy; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			busy = false
		default:
		}
		for _, m := range []*Medium{m, reader} {
			if _, err := m.Verify(t.Context(), func(f medium.Finding) { t.Errorf("found %+v", f) }, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// busyWriter appends and truncates, puts and deletes.
func busyWriter(ctx context.Context, m *Medium) error {
	j, err := m.Journals().Open(ctx, "n/j", medium.JournalOptions{})
	if err != nil {
		return err
	}
	for i := range 300 {
		at, err := j.Append(ctx, noise(uint64(i), 500))
		if err != nil {
			return err
		}
		if i%50 == 49 {
			if err := j.Truncate(ctx, at-10); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("t/%d/b", i%7)
		if err := m.Blobs().Delete(ctx, name); err != nil {
			return err
		}
		if _, err := m.Blobs().Put(ctx, name, bytes.NewReader(noise(uint64(i), 70_000)), medium.PutOptions{}); err != nil {
			return err
		}
	}
	return j.Close()
}

func TestVerifyTellsOfItsProgress(t *testing.T) {
	mem := vfs.NewMem()
	m := mustOpenMedium(t, Options{FS: mem, Dir: "/m"})
	defer m.Close()
	for i := range 5 {
		mustPut(t, m.blobs, fmt.Sprint(i), noise(uint64(i), 1000))
	}
	var seen []int64
	sum, err := m.Verify(t.Context(), func(medium.Finding) {}, func(s medium.Summary) { seen = append(seen, s.BlobBytes) })
	if err != nil || len(seen) < 6 || seen[0] != 1000 || seen[len(seen)-1] != 5000 || sum.BlobBytes != 5000 {
		t.Errorf("progress %v, the end %+v, %v", seen, sum, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	_, err = m.Verify(ctx, func(medium.Finding) {}, func(medium.Summary) { cancel(cause) })
	if !errors.Is(err, cause) {
		t.Errorf("cancelled in the middle: %v", err)
	}
}
