package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// blobStates is what blobs may hold after a crash: for each name the contents that are allowed, nil for none.
type blobStates map[string][][]byte

// cycle puts and deletes a few blobs, some of which share folders, and says after the crash, which ends it, what may be there.
func cycle(ctx context.Context, m vfs.FS, seed uint64) (blobStates, error) {
	states := blobStates{}
	names := []string{"a", "a/b", "a/b/c", "a/b/d", "e/f/g"}
	for _, name := range names {
		states[name] = [][]byte{nil}
	}
	b, err := openBlobs(m, "/data/blob", false, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return states, err
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range 14 {
		name := names[random.IntN(len(names))]
		now := states[name][0]
		if now == nil {
			content := noise(uint64(i), random.IntN(3)*5000+i)
			states[name] = [][]byte{now, content}
			err = put(ctx, b, name, content)
			now = content
		} else {
			states[name] = [][]byte{now, nil}
			err = b.Delete(ctx, name)
			now = nil
		}
		if err != nil {
			return states, err
		}
		states[name] = [][]byte{now}
	}
	return states, nil
}

func wantStates(t *testing.T, m *vfs.Mem, states blobStates, when string) {
	t.Helper()
	b := mustOpenBlobs(t, m, "/data/blob")
	for name, allowed := range states {
		got, err := readBlob(t.Context(), b, name)
		switch {
		case errors.Is(err, medium.ErrNotFound):
			got = nil
		case err != nil:
			t.Fatalf("%s: blob %q: %v", when, name, err)
		case got == nil:
			got = []byte{}
		}
		if !allowedState(allowed, got) {
			t.Fatalf("%s: blob %q has %d bytes (there: %v), which is none of the %d states that may be", when, name, len(got), got != nil, len(allowed))
		}
	}
	listed, err := listBlobs(t.Context(), b, "")
	if err != nil {
		t.Fatalf("%s: list: %v", when, err)
	}
	for _, name := range listed {
		if _, err := readBlob(t.Context(), b, name); err != nil {
			t.Fatalf("%s: listed, but: %v", when, err)
		}
	}
	if left, _ := m.ReadDir("/data/blob/@tmp"); len(left) != 0 {
		t.Fatalf("%s: %d temporary files are left", when, len(left))
	}
	// It goes on working.
	for name := range states {
		if err := b.Delete(t.Context(), name); err != nil {
			t.Fatalf("%s: delete: %v", when, err)
		}
		mustPut(t, b, name, []byte("after"))
		wantBlob(t, b, name, []byte("after"))
	}
}

func allowedState(allowed [][]byte, got []byte) bool {
	for _, a := range allowed {
		if (a == nil) == (got == nil) && bytes.Equal(a, got) {
			return true
		}
	}
	return false
}

// newCrashDisk has the folder that the medium has made, durably, before it opens the blobs.
func newCrashDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := vfs.MkdirAll(m, "/data", 0o750); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBlobsSurviveACrashAtEveryOperation(t *testing.T) {
	points := 0
	for run := range uint64(3) {
		m := newCrashDisk(t)
		before := m.Operations()
		if _, err := cycle(t.Context(), m, run); err != nil {
			t.Fatal(err)
		}
		for i := range m.Operations() - before {
			m := newCrashDisk(t)
			m.StopAfter(before + i)
			states, _ := cycle(t.Context(), m, run) // no error: the crash came while an empty folder was removed
			for seed := range uint64(5) {
				wantStates(t, m.Crash(seed), states, fmt.Sprintf("run %d, power cut after %d operations, seed %d", run, i, seed))
			}
			wantStates(t, m.Kill(), states, fmt.Sprintf("run %d, kill after %d operations", run, i))
			points++
		}
	}
	t.Logf("%d crash points, 6 disks after each", points)
	if points < 60 {
		t.Errorf("only %d crash points", points)
	}
}
