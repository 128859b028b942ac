package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

func mustHold(t testing.TB, m medium.Medium, o HoldOptions) *Holdable {
	t.Helper()
	o.Registerer = prometheus.NewRegistry()
	h, err := NewHoldable(t.Context(), m, o)
	check(t, err)
	return h
}

func wantThere(t *testing.T, m medium.Medium, name string, there bool) {
	t.Helper()
	b, err := m.Blobs().Open(t.Context(), name)
	if err == nil {
		check(t, b.Close())
	}
	if (err == nil) != there {
		t.Errorf("blob %q: %v, want it there: %v", name, err, there)
	}
	listed := false
	for info, err := range m.Blobs().List(t.Context(), "") {
		check(t, err)
		listed = listed || info.Name == name
	}
	if listed != there {
		t.Errorf("blob %q is listed: %v, want %v", name, listed, there)
	}
}

func TestHoldPostponesDeletions(t *testing.T) {
	m := mustOpen(t, vfs.NewMem())
	h := mustHold(t, m, HoldOptions{})
	check(t, put(t.Context(), h, "a", []byte("x"), time.Time{}))
	check(t, put(t.Context(), h, "b", []byte("x"), time.Time{}))
	check(t, h.Blobs().Delete(t.Context(), "b"))
	wantThere(t, m, "b", false) // nothing is held back yet

	first, second := h.Hold(), h.Hold()
	check(t, h.Blobs().Delete(t.Context(), "a"))
	check(t, h.Blobs().Delete(t.Context(), "a"))
	check(t, h.Blobs().Delete(t.Context(), "never-there"))
	wantThere(t, h, "a", false)
	wantThere(t, first.Medium(), "a", true)
	if got := testutil.ToFloat64(h.waiting); got != 2 {
		t.Errorf("%v deletions wait, want 2", got)
	}
	check(t, first.Release())
	wantThere(t, second.Medium(), "a", true)
	check(t, second.Err())
	check(t, second.Release())
	wantThere(t, m, "a", false)
	check(t, second.Release()) // once more does no harm
	for d, err := range m.Documents().List(t.Context(), h.kind, "") {
		t.Errorf("the note %+v is left, %v", d, err)
	}
	if got := testutil.ToFloat64(h.waiting); got != 0 {
		t.Errorf("%v deletions wait, want none", got)
	}
}

func TestPostponedDeletionsAreDoneAfterACrash(t *testing.T) {
	mem := vfs.NewMem()
	m := mustOpen(t, mem)
	h := mustHold(t, m, HoldOptions{Node: "n1"})
	check(t, put(t.Context(), h, "a", []byte("x"), time.Time{}))
	hold := h.Hold()
	defer hold.timer.Stop()
	check(t, h.Blobs().Delete(t.Context(), "a"))
	disk := mem.Crash(0)
	m = mustOpen(t, disk)
	wantThere(t, m, "a", true)
	mustHold(t, m, HoldOptions{Node: "n2"}) // not its own
	wantThere(t, m, "a", true)
	mustHold(t, m, HoldOptions{Node: "n1"})
	wantThere(t, m, "a", false)
}

func TestPutUnderANameThatWaitsForItsDeletion(t *testing.T) {
	m := mustOpen(t, vfs.NewMem())
	h := mustHold(t, m, HoldOptions{})
	check(t, put(t.Context(), h, "a", []byte("old"), time.Time{}))
	hold := h.Hold()
	check(t, h.Blobs().Delete(t.Context(), "a"))
	check(t, put(t.Context(), h, "a", []byte("new"), time.Time{}))
	wantThere(t, h, "a", true)
	wantError(t, hold.Err(), errHoldLost, "deleted and put again")
	check(t, hold.Release())
	wantThere(t, h, "a", true)
	if got := testutil.ToFloat64(h.lost); got != 1 {
		t.Errorf("%v holds lost, want 1", got)
	}
}

func TestHoldIsBounded(t *testing.T) {
	t.Run("names", func(t *testing.T) {
		m := mustOpen(t, vfs.NewMem())
		h := mustHold(t, m, HoldOptions{MaxNames: 3})
		hold := h.Hold()
		for i := range 5 {
			name := fmt.Sprint(i)
			check(t, put(t.Context(), h, name, nil, time.Time{}))
			check(t, h.Blobs().Delete(t.Context(), name))
		}
		wantError(t, hold.Err(), errHoldLost, "3 of them waited")
		for i := range 5 {
			wantThere(t, m, fmt.Sprint(i), false)
		}
		var b bytes.Buffer
		s, err := TarSink(&b, false)
		check(t, err)
		w, err := NewArchiveWriter(s, Manifest{})
		check(t, err)
		_, err = w.AddMedium(t.Context(), hold.Medium(), BackupOptions{Hold: hold})
		wantError(t, err, errHoldLost, "")
		wantError(t, w.Close(), errHoldLost, "")
		if _, err := restoreTar(t.Context(), b.Bytes(), nil, RestoreOptions{}); err == nil {
			t.Error("the archive reads as whole")
		}
	})
	t.Run("time", func(t *testing.T) {
		mem := vfs.NewMem()
		synctest.Test(t, func(t *testing.T) {
			m, err := openLocal(mem)
			check(t, err)
			h := mustHold(t, m, HoldOptions{MaxTime: time.Hour})
			check(t, put(t.Context(), h, "a", nil, time.Time{}))
			hold := h.Hold()
			check(t, h.Blobs().Delete(t.Context(), "a"))
			time.Sleep(59 * time.Minute)
			check(t, hold.Err())
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			wantError(t, hold.Err(), errHoldLost, "1h0m0s")
			wantThere(t, m, "a", false)
			check(t, h.Close())
		})
	})
}

func TestDeletionThatCannotBeNoted(t *testing.T) {
	mem := vfs.NewMem()
	faults := vfs.NewFaults(mem)
	m := mustOpen(t, faults)
	h := mustHold(t, m, HoldOptions{})
	check(t, put(t.Context(), h, "a", nil, time.Time{}))
	hold := h.Hold()
	faults.Add(vfs.Rule{Op: vfs.OpWrite, Err: syscall.ENOSPC})
	err := h.Blobs().Delete(t.Context(), "a")
	if !errors.Is(err, medium.ErrNoSpace) || !strings.Contains(err.Error(), "cannot note") {
		t.Errorf("delete: %v", err)
	}
	faults.Clear()
	wantThere(t, h, "a", true)
	check(t, h.Blobs().Delete(t.Context(), "a"))
	check(t, hold.Release())
	wantThere(t, m, "a", false)
}

// TestHoldableIsAMedium runs the suite of blobs with deletions that wait and deletions that do not.
func TestHoldableIsAMedium(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held %v", held), func(t *testing.T) {
			mem := vfs.NewMem()
			mediumtest.Blobs(t, func(t *testing.T) (medium.Blobs, func() error) {
				m, err := openLocal(mem)
				check(t, err)
				h := mustHold(t, m, HoldOptions{})
				if held {
					h.Hold()
				}
				return h.Blobs(), h.Close
			}, mediumtest.Options{LargeBlob: 3 << 20, Rounds: 40})
		})
	}
}
