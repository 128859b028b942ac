package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

func openJournal(t testing.TB, m *Medium, name string) medium.Journal {
	t.Helper()
	j, err := m.Journals().Open(context.Background(), name, medium.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// mustAppend appends n entries of so many bytes.
func mustAppend(t testing.TB, h *history, j medium.Journal, name string, n, size int) {
	t.Helper()
	for range n {
		if err := h.append(j, name, size); err != nil {
			t.Fatal(err)
		}
	}
}

func wantAll(t testing.TB, m *Medium, h *history, name string) {
	t.Helper()
	got, err := survivors(m, name)
	if err != nil || !maps.Equal(got, h.acked[name]) {
		t.Fatalf("replay yields %d entries, %v; want the %d that were acknowledged", len(got), err, len(h.acked[name]))
	}
}

func wantErr(t testing.TB, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v lacks %q", err, text)
		}
	}
}

func TestFailedSyncFailsTheAppendAndNothingElse(t *testing.T) {
	mem := vfs.NewMem()
	faults := vfs.NewFaults(mem)
	m, h := openTest(t, Options{FS: faults, Dir: "/m"}), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 3, 100)
	faults.Add(vfs.Rule{Op: vfs.OpSync, Path: "*.log*", Times: 1, Err: syscall.EIO})
	err := h.append(j, "a", 100)
	wantErr(t, err, medium.ErrUncertain, "cannot sync")
	wantErr(t, err, syscall.EIO)
	if model.KindOf(err) != model.Unavailable {
		t.Errorf("kind %q", model.KindOf(err))
	}
	wantAll(t, m, h, "a")
	mustAppend(t, h, j, "a", 3, 100)
	wantAll(t, m, h, "a")
	if n := len(m.journals.opened("a").snapshot()); n != 2 {
		t.Errorf("%d segments: the one that could not be synced is written to again", n)
	}
	for seed := range uint64(20) { // whatever came of the failed entry on the disk, it does not come back
		again := openTest(t, Options{FS: mem.Crash(seed), Dir: "/m"})
		wantAll(t, again, h, "a")
		again.Close()
	}
}

func TestDiskThatFailsForGood(t *testing.T) {
	mem := vfs.NewMem()
	faults := vfs.NewFaults(mem)
	m, h := openTest(t, Options{FS: faults, Dir: "/m"}), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 3, 100)
	for _, op := range []vfs.Op{vfs.OpSync, vfs.OpWrite, vfs.OpPreallocate} {
		faults.Add(vfs.Rule{Op: op, Err: syscall.EIO})
	}
	for range 3 {
		err := h.append(j, "a", 100)
		wantErr(t, err, syscall.EIO)
		if model.KindOf(err) != model.Unavailable {
			t.Errorf("kind %q", model.KindOf(err))
		}
		wantAll(t, m, h, "a")
	}
	faults.Clear()
	mustAppend(t, h, j, "a", 3, 100)
	wantAll(t, m, h, "a")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = openTest(t, Options{FS: mem, Dir: "/m"})
	defer m.Close()
	wantAll(t, m, h, "a")
}

// Every kind of operation fails at every place of a workload. What was acknowledged is there, and what Replay has said of the
// entries whose append failed stays so after a power cut.
func TestInjectedErrorsLoseNothing(t *testing.T) {
	ops := []vfs.Op{vfs.OpSync, vfs.OpWrite, vfs.OpPreallocate, vfs.OpTruncate, vfs.OpRename, vfs.OpSyncDir, vfs.OpOpen, vfs.OpRemove}
	errs := []error{syscall.EIO, syscall.ENOSPC}
	runs := 0
	for _, op := range ops {
		for after := range 25 {
			for times := 1; times <= 3; times++ {
				rnd := rand.New(rand.NewPCG(uint64(after), uint64(times)))
				rule := vfs.Rule{Op: op, Path: "/m/journal/*/*", After: after, Times: times, Err: errs[rnd.IntN(2)]}
				if op == vfs.OpWrite {
					rule.Bytes = rnd.Int64N(300)
				}
				if err := runWithFault(rule, rnd); err != nil {
					t.Fatalf("%s fails %d times with %v after %d: %v", op, times, rule.Err, after, err)
				}
				runs++
			}
		}
	}
	t.Logf("%d faults", runs)
}

func runWithFault(rule vfs.Rule, rnd *rand.Rand) error {
	ctx, mem, h := context.Background(), vfs.NewMem(), newHistory()
	faults := vfs.NewFaults(mem)
	m, err := Open(Options{FS: faults, Dir: "/m", SegmentBytes: 1500}, discard(), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	faults.Add(rule)
	var j medium.Journal
	open := func() (err error) {
		j, err = m.Journals().Open(ctx, "a", medium.JournalOptions{})
		return err
	}
	for open() != nil { // each try uses up faults
	}
	for i := range 12 {
		size := 16 + rnd.IntN(700)
		_ = together(1+i%3, func(w int) error { return h.append(j, "a", size+w) })
		switch i {
		case 6:
			_ = h.truncate(j, "a", h.last("a")-2)
		case 8:
			_ = j.Close()
			for open() != nil {
			}
		}
	}
	faults.Clear()
	if err := h.append(j, "a", 50); err != nil {
		return fmt.Errorf("when the disk is sound again: %w", err)
	}
	before, err := survivors(m, "a")
	if err != nil {
		return err
	}
	for seed := range uint64(3) {
		if err := sameAfter(mem.Crash(seed+rnd.Uint64N(2)*100), h, before); err != nil {
			return fmt.Errorf("power cut %d: %w", seed, err)
		}
	}
	return nil
}

func sameAfter(fsys vfs.FS, h *history, before map[medium.Position]uint64) error {
	m, err := Open(Options{FS: fsys, Dir: "/m", SegmentBytes: 1500}, discard(), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	after, err := survivors(m, "a")
	if err != nil || !maps.Equal(before, after) {
		return fmt.Errorf("replay yielded %v, and now %v: %w", before, after, err)
	}
	return checkJournal(m, "a", h, true)
}

func TestFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	o := Options{FS: mem, Dir: "/m", SegmentBytes: 16 << 10}
	testFullDisk(t, o, func(full bool) {
		if full {
			mem.SetCapacity(mem.Used() + 40<<10)
		} else {
			mem.SetCapacity(0)
		}
	})
}

// testFullDisk fills a disk, and has it work again when segments are truncated, without anybody's help.
func testFullDisk(t *testing.T, o Options, setFull func(bool)) {
	m, h := openTest(t, o), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 5, 3000)
	setFull(true)
	full := 0
	for range 500 {
		err := h.append(j, "a", 3000)
		if err == nil {
			continue
		}
		wantErr(t, err, medium.ErrNoSpace)
		if full++; full == 5 {
			break
		}
	}
	if full != 5 {
		t.Fatal("the disk did not fill")
	}
	wantAll(t, m, h, "a")
	if err := m.Close(); err != nil {
		t.Fatalf("close on a full disk: %v", err)
	}
	m = openTest(t, o)
	j = openJournal(t, m, "a")
	wantAll(t, m, h, "a")

	keep := h.last("a") - 2
	if err := h.truncate(j, "a", keep); err != nil {
		t.Fatalf("truncate on a full disk: %v", err)
	}
	mustAppend(t, h, j, "a", 5, 3000)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	setFull(false)
	m = openTest(t, o)
	defer m.Close()
	if err := checkJournal(m, "a", h, true); err != nil {
		t.Fatal(err)
	}
}

// A write that a full disk cuts in two leaves nothing behind which later entries would be lost.
func TestShortWrite(t *testing.T) {
	for allowed := range int64(140) {
		mem := vfs.NewMem()
		faults := vfs.NewFaults(mem)
		m, h := openTest(t, Options{FS: faults, Dir: "/m"}), newHistory()
		j := openJournal(t, m, "a")
		mustAppend(t, h, j, "a", 2, 100)
		faults.Add(vfs.Rule{Op: vfs.OpWrite, Bytes: allowed, Times: 1, Err: syscall.ENOSPC})
		err := h.append(j, "a", 110)
		if allowed < 100 {
			wantErr(t, err, medium.ErrNoSpace)
			seg := m.journals.opened("a").snapshot()[0]
			if info, err := mem.Stat(seg.path); err != nil || info.Size() != seg.counts {
				t.Errorf("the file has %d bytes, of which %d count: %v", info.Size(), seg.counts, err)
			}
		}
		mustAppend(t, h, j, "a", 2, 20)
		wantAll(t, m, h, "a")
		again := openTest(t, Options{FS: mem.Crash(uint64(allowed)), Dir: "/m"})
		wantAll(t, again, h, "a")
		again.Close()
	}
}

// With background syncs, an entry is acknowledged before a sync fails; what can still be read is read, and new entries go to a new file.
func TestFailedBackgroundSync(t *testing.T) {
	failed := make(chan struct{}, 1)
	faults := vfs.NewFaults(vfs.NewMem())
	m, h := openTest(t, Options{FS: faults, Dir: "/m", Sync: SyncInterval, SyncInterval: time.Microsecond}), newHistory()
	j := openJournal(t, m, "a")
	faults.Add(vfs.Rule{Op: vfs.OpSync, Times: 1, Err: syscall.EIO, Before: func() { failed <- struct{}{} }})
	mustAppend(t, h, j, "a", 1, 100)
	<-failed
	for len(m.journals.opened("a").snapshot()) < 2 { // until the journal has learned of it
		mustAppend(t, h, j, "a", 1, 100)
	}
	wantAll(t, m, h, "a")
	if n := testutil.ToFloat64(m.journals.metrics.failedSyncs); n != 1 {
		t.Errorf("%v failed syncs are counted", n)
	}
	if err := m.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Close says so when the last background sync fails: what was acknowledged may be lost.
func TestCloseTellsOfAFailedSync(t *testing.T) {
	faults := vfs.NewFaults(vfs.NewMem())
	m, h := openTest(t, Options{FS: faults, Dir: "/m", Sync: SyncInterval, SyncInterval: time.Minute}), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 1, 100)
	faults.Add(vfs.Rule{Op: vfs.OpSync, Times: 1, Err: syscall.EIO})
	wantErr(t, j.Close(), syscall.EIO, `cannot close the journal "a"`)
	wantAll(t, m, h, "a")
}

// After a kill the kernel still has what was acknowledged. Opening brings it to the disk before it is shown to anybody.
func TestKillThenPowerCut(t *testing.T) {
	for _, sync := range []SyncPolicy{SyncAlways, SyncInterval} {
		forEachCrash(t, sync, func(m *vfs.Mem, h *history, _ int) error {
			disk := m.Kill()
			if err := checkSurvival(disk, sync, h, true); err != nil {
				return fmt.Errorf("kill: %w", err)
			}
			again, err := Open(crashOptions(disk.Crash(0), sync), discard(), nil)
			if err != nil {
				return err
			}
			defer again.Close()
			for name, acked := range h.acked {
				got, err := survivors(again, name)
				if err != nil {
					return err
				}
				for at, id := range acked {
					if at >= h.truncated[name] && got[at] != id {
						return fmt.Errorf("%s: entry %d at position %d is gone after kill, opening, power cut", name, id, at)
					}
				}
			}
			return nil
		})
	}
}

// Entries that wait while a sync is under way share the next one.
func TestGroupCommit(t *testing.T) {
	started, gate := make(chan struct{}), make(chan struct{})
	faults := vfs.NewFaults(vfs.NewMem())
	m, h := openTest(t, Options{FS: faults, Dir: "/m"}), newHistory()
	defer m.Close()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 1, 20)
	faults.Add(vfs.Rule{Op: vfs.OpSync, Times: 1, Before: func() { close(started); <-gate }})
	before := faults.Calls(vfs.OpSync)
	done := make(chan error)
	go func() { done <- h.append(j, "a", 20) }()
	<-started
	const n = 50
	go func() { done <- together(n, func(int) error { return h.append(j, "a", 20) }) }()
	waitFor(func() bool { return m.journals.opened("a").waiting() == n }) // all in the group that is filling
	close(gate)
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if n := faults.Calls(vfs.OpSync) - before; n != 2 {
		t.Errorf("%d syncs, want one for the first entry and one for the others", n)
	}
	wantAll(t, m, h, "a")
}

// waitFor returns when the condition is met.
func waitFor(met func() bool) {
	for !met() {
		<-time.After(time.Millisecond)
	}
}

func (j *journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.filling.waiters)
}

// Whoever waits, for room or for the disk, goes away with their context; what is handed in stays.
func TestAppendEndsWithItsContext(t *testing.T) {
	started, gate := make(chan struct{}), make(chan struct{})
	faults := vfs.NewFaults(vfs.NewMem())
	o, err := Options{FS: faults, Dir: "/m"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	jo := o.journals()
	jo.queueBytes = 400
	s := openJournals(faults, "/m", jo, newAside(faults, "/m"), discard(), nil)
	m, h := &Medium{journals: s}, newHistory()
	defer s.close()
	j := openJournal(t, m, "a")
	faults.Add(vfs.Rule{Op: vfs.OpSync, Times: 1, Before: func() { close(started); <-gate }})
	first := make(chan error)
	go func() { first <- h.append(j, "a", 100) }()
	<-started

	why := errors.New("the caller went away")
	ctx, cancel := context.WithCancelCause(context.Background())
	second := make(chan error)
	go func() {
		_, err := j.Append(ctx, testEntry(1000, 100))
		second <- err
	}()
	waitFor(func() bool { return s.opened("a").waiting() > 0 })
	third := make(chan error)
	go func() {
		_, err := j.Append(ctx, testEntry(1001, 300))
		third <- err
	}()
	waitFor(func() bool { return testutil.ToFloat64(s.metrics.queueWaits) > 0 })
	cancel(why)
	err = <-second
	wantErr(t, err, why)
	wantErr(t, err, medium.ErrUncertain)
	wantErr(t, <-third, why, "queue of entries is full")
	close(gate)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	mustAppend(t, h, j, "a", 1, 300) // there is room again
	got, err := survivors(m, "a")
	if err != nil || len(got) != 3 || got[2] != 1000 {
		t.Errorf("replay yields %v, %v", got, err)
	}
	if n := s.queued.Load(); n != 0 {
		t.Errorf("%d bytes are counted as waiting", n)
	}
}

// The file of a journal without entries holds its next position. That survives a failure while the file is replaced.
func TestFailedOpenKeepsTheNextPosition(t *testing.T) {
	ctx := context.Background()
	for _, op := range []vfs.Op{vfs.OpOpen, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir} {
		for after := range 6 {
			mem := vfs.NewMem()
			faults := vfs.NewFaults(mem)
			m := openTest(t, Options{FS: faults, Dir: "/m"})
			j, err := m.Journals().Open(ctx, "a", medium.JournalOptions{Next: 500})
			if err := errors.Join(err, j.Close()); err != nil {
				t.Fatal(err)
			}
			faults.Add(vfs.Rule{Op: op, Path: "/m/journal/*", After: after, Err: syscall.EIO})
			faults.Add(vfs.Rule{Op: op, Path: "/m/journal/*/*", After: after, Err: syscall.EIO})
			if j, err := m.Journals().Open(ctx, "a", medium.JournalOptions{}); err == nil {
				j.Close()
			}
			faults.Clear()
			m.Close()
			for seed := range uint64(4) {
				m = openTest(t, Options{FS: mem.Crash(seed), Dir: "/m"})
				at, err := openJournal(t, m, "a").Append(ctx, nil)
				if err != nil || at < 500 {
					t.Errorf("%s failed after %d, power cut %d: the next position is %d, %v; want 500", op, after, seed, at, err)
				}
				m.Close()
			}
		}
	}
}

func TestTornEndIsCutAndCounted(t *testing.T) {
	mem := vfs.NewMem()
	m, h := openTest(t, Options{FS: mem, Dir: "/m"}), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 3, 100)
	seg := m.journals.opened("a").snapshot()[0]
	disk := mem.Kill()
	f, err := disk.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("half a record"), seg.counts); err != nil {
		t.Fatal(err)
	}
	f.Close()
	var logged strings.Builder
	m, err = Open(Options{FS: disk, Dir: "/m"}, slog.New(slog.NewTextHandler(&logged, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	openJournal(t, m, "a")
	wantAll(t, m, h, "a")
	if n, b := testutil.ToFloat64(m.journals.metrics.tornTails), testutil.ToFloat64(m.journals.metrics.tornBytes); n != 1 || b != 13 {
		t.Errorf("%v torn tails of %v bytes are counted, want 1 of 13", n, b)
	}
	if info, err := disk.Stat(seg.path); err != nil || info.Size() != seg.counts {
		t.Errorf("the file has %d bytes, want %d, %v", info.Size(), seg.counts, err)
	}
	for _, want := range []string{"level=WARN", "cut off", "journal=a", seg.path, "bytes=13"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log lacks %q: %s", want, logged.String())
		}
	}
}

func TestTruncateGivesRoomBack(t *testing.T) {
	m, h := openTest(t, Options{FS: vfs.NewMem(), Dir: "/m", SegmentBytes: 10_000}), newHistory()
	defer m.Close()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 50, 1000)
	info := func() medium.JournalInfo {
		t.Helper()
		list, err := m.Journals().List(context.Background())
		if err != nil || len(list) != 1 {
			t.Fatalf("list %v, %v", list, err)
		}
		return list[0]
	}
	full := info()
	if full.Bytes < 50_000 || full.Next != 51 {
		t.Errorf("info %+v of 50 entries of 1000 bytes", full)
	}
	if err := j.Truncate(context.Background(), 31); err != nil {
		t.Fatal(err)
	}
	if b := info().Bytes; b > 35_000 {
		t.Errorf("%d bytes after 30 of 50 entries were let go", b)
	}
	if err := j.Truncate(context.Background(), 51); err != nil {
		t.Fatal(err)
	}
	if got := info(); got.Bytes > 100 || got.Next != 51 {
		t.Errorf("info %+v after everything was let go", got)
	}
}

// A damaged journal: what is wrong is named, set aside once, and everything else is read, from every position on.
func TestDamageIsSetAside(t *testing.T) {
	mem := vfs.NewMem()
	o := Options{FS: mem, Dir: "/m", SegmentBytes: 1000}
	m, h := openTest(t, o), newHistory()
	j := openJournal(t, m, "n/a")
	mustAppend(t, h, j, "n/a", 30, 100)
	m.Close()
	// Records are 132 bytes; the second of the first file, and the last of the second (7 to 13), are hit.
	first, second := segmentPath("/m/journal/n/a", 1), segmentPath("/m/journal/n/a", 8)
	flip(t, mem, first, 64+132+40)
	flip(t, mem, second, 64+6*132+40)
	m = openTest(t, o)
	defer m.Close()
	f := func(from medium.Position, want ...string) {
		t.Helper()
		n := 0
		damage, err := m.Journals().Replay(context.Background(), "n/a", from, func(medium.Position, []byte) error { n++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range damage {
			got = append(got, fmt.Sprintf("%s (%d..%d, %d bytes, kept %s)", d.Where, d.After, d.Before, d.Bytes, d.Kept))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || n != 30-int(max(from, 1))+1-len(want) {
			t.Errorf("from %d: %d entries, damage\n%s\nwant\n%s", from, n, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	one := "/m/journal/n/a/00000000000000000001.log: bytes 196 to 328 (1..3, 132 bytes, kept /m/damaged/journal/n/a/00000000000000000001.log@196-328)"
	two := "/m/journal/n/a/00000000000000000008.log: bytes 856 to 988 (13..15, 132 bytes, kept /m/damaged/journal/n/a/00000000000000000008.log@856-988)"
	for range 2 {
		f(0, one, two)
		f(1, one, two)
		f(2, one, two)
	}
	f(8, two)
	f(14, two)
	f(15)
	original, err := vfs.ReadFile(mem, first, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := vfs.ReadFile(mem, "/m/damaged/journal/n/a/00000000000000000001.log@196-328", 1<<20)
	if err != nil || !bytes.Equal(kept, original[196:328]) {
		t.Errorf("set aside %x, %v", kept, err)
	}
	if n := testutil.ToFloat64(m.journals.metrics.damagedBytes); n != 264 {
		t.Errorf("%v damaged bytes are counted, want each place once: 264", n)
	}
}

func flip(t testing.TB, fsys vfs.FS, path string, at int64) {
	t.Helper()
	if err := vfs.Flip(fsys, path, at*8+3); err != nil {
		t.Fatal(err)
	}
}

func TestMissingSegment(t *testing.T) {
	mem := vfs.NewMem()
	o := Options{FS: mem, Dir: "/m", SegmentBytes: 1000}
	m, h := openTest(t, o), newHistory()
	mustAppend(t, h, openJournal(t, m, "a"), "a", 30, 100)
	m.Close()
	if err := mem.Remove(segmentPath("/m/journal/a", 8)); err != nil {
		t.Fatal(err)
	}
	m = openTest(t, o)
	defer m.Close()
	var got []medium.Position
	damage, err := m.Journals().Replay(context.Background(), "a", 0, func(at medium.Position, _ []byte) error { got = append(got, at); return nil })
	if err != nil || len(got) != 23 || len(damage) != 1 || damage[0].After != 7 || damage[0].Before != 15 || !strings.Contains(damage[0].Problem, "missing, the last of them 00000000000000000008.log") {
		t.Errorf("replay yields %v, %+v, %v", got, damage, err)
	}
	// From behind it on, it does not matter.
	damage, err = m.Journals().Replay(context.Background(), "a", 15, func(medium.Position, []byte) error { return nil })
	if err != nil || len(damage) != 0 {
		t.Errorf("replay behind it: %+v, %v", damage, err)
	}
}

// A file under the name of another segment is reported, and its entries do not come twice or in the wrong place.
func TestRenamedSegment(t *testing.T) {
	for _, name := range []uint64{10, 40} { // between others, and as the last one
		mem := vfs.NewMem()
		o := Options{FS: mem, Dir: "/m", SegmentBytes: 1000}
		m, h := openTest(t, o), newHistory()
		mustAppend(t, h, openJournal(t, m, "a"), "a", 30, 100)
		m.Close()
		b, err := vfs.ReadFile(mem, segmentPath("/m/journal/a", 8), 1<<20)
		if err := errors.Join(err, vfs.WriteFile(mem, segmentPath("/m/journal/a", name), b, 0o640)); err != nil {
			t.Fatal(err)
		}
		m = openTest(t, o)
		check := func(want int) {
			t.Helper()
			var got []medium.Position
			damage, err := m.Journals().Replay(context.Background(), "a", 0, func(at medium.Position, _ []byte) error { got = append(got, at); return nil })
			if err != nil || len(got) != want || !slices.IsSorted(got) || len(damage) != 1 || !strings.Contains(damage[0].Problem, "renamed or copied it: by its header it is 00000000000000000008.log") {
				t.Errorf("copied to %d: replay yields %v, %+v, %v", name, got, damage, err)
			}
		}
		check(30)
		list, err := m.Journals().List(context.Background())
		if err != nil || len(list) != 1 || list[0].Next <= 30 {
			t.Errorf("list %+v, %v", list, err)
		}
		mustAppend(t, h, openJournal(t, m, "a"), "a", 1, 100)
		check(31)
		m.Close()
	}
}

// Another process truncates while the segments are looked through: what has gone was let go, and is not missing.
func TestReplayBesideATruncate(t *testing.T) {
	for _, when := range []int{1, 8, 15} { // the segment at which the reader is
		mem := vfs.NewMem()
		o := Options{FS: mem, Dir: "/m", SegmentBytes: 1000}
		m, h := openTest(t, o), newHistory()
		j := openJournal(t, m, "a")
		mustAppend(t, h, j, "a", 30, 100)
		truncate := func() {
			if err := j.Truncate(context.Background(), 15); err != nil {
				t.Error(err)
			}
		}
		faults := vfs.NewFaults(mem, vfs.Rule{Op: vfs.OpOpen, Path: segmentPath("/m/journal/a", uint64(when)), Times: 1, Before: truncate})
		r := openTest(t, Options{FS: faults, Dir: "/m", ReadOnly: true})
		last := medium.Position(0)
		damage, err := r.Journals().Replay(context.Background(), "a", 0, func(at medium.Position, _ []byte) error { last = at; return nil })
		if err != nil || len(damage) > 0 || last != 30 {
			t.Errorf("truncated when segment %d was read: replay ends at %d, damage %+v, %v", when, last, damage, err)
		}
		if err := errors.Join(r.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	}
}

// One flip in every byte of every file of a journal, closed or left by a process that was killed: it is named, or changes nothing; all
// other entries are read; and no position is used again.
func TestEveryFlipIsFound(t *testing.T) {
	for _, orderly := range []bool{true, false} {
		mem := vfs.NewMem()
		o := Options{FS: mem, Dir: "/m", SegmentBytes: 500}
		m, h := openTest(t, o), newHistory()
		j := openJournal(t, m, "a")
		mustAppend(t, h, j, "a", 9, 90)
		snap := m.journals.opened("a").snapshot()
		if orderly {
			m.Close()
		} else {
			mem = mem.Kill()
			o.FS = mem
		}
		flips, named := 0, 0
		for _, seg := range snap {
			info, err := mem.Stat(seg.path)
			if err != nil {
				t.Fatal(err)
			}
			size := info.Size()
			if !orderly {
				size = seg.counts // behind it are zeros that nobody reads
			}
			for at := range size {
				bit := at*8 + at%8
				if err := vfs.Flip(mem, seg.path, bit); err != nil {
					t.Fatal(err)
				}
				flips++
				if err := checkFlipped(mem, o, h, seg.path, &named); err != nil {
					t.Fatalf("orderly %v, flip at offset %d of %s: %v", orderly, at, seg.path, err)
				}
				if err := vfs.Flip(mem, seg.path, bit); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Logf("orderly %v: %d flips, %d named, the others changed nothing that is read", orderly, flips, named)
	}
}

func checkFlipped(mem *vfs.Mem, o Options, h *history, path string, named *int) error {
	o.ReadOnly = true
	m, err := Open(o, discard(), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	got := map[medium.Position]uint64{}
	damage, err := m.Journals().Replay(context.Background(), "a", 0, func(at medium.Position, b []byte) error {
		id, err := parseTestEntry(b)
		got[at] = id
		return err
	})
	if err != nil {
		return err
	}
	for at, id := range got {
		if h.acked["a"][at] != id {
			return fmt.Errorf("position %d holds entry %d", at, id)
		}
	}
	lost := len(h.acked["a"]) - len(got)
	switch {
	case lost > 1 || len(damage) > 1:
		return fmt.Errorf("%d entries are lost, damage %+v", lost, damage)
	case len(damage) == 1 && !strings.HasPrefix(damage[0].Where, path+": bytes "):
		return fmt.Errorf("the damage is said to be at %s", damage[0].Where)
	case lost == 1 && len(damage) == 0:
		return errors.New("an entry is lost, and nothing is said of it")
	}
	*named += len(damage)
	list, err := m.Journals().List(context.Background())
	if err != nil || len(list) != 1 || list[0].Next <= h.last("a") {
		return fmt.Errorf("list %+v, %w", list, err)
	}
	return nil
}
