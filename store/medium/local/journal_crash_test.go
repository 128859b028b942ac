package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// history is what a workload was told: which entries were handed in, which were acknowledged, and up to where it truncated.
type history struct {
	mu        sync.Mutex
	acked     map[string]map[medium.Position]uint64 // by journal and position: the id of the entry
	truncated map[string]medium.Position
	ids       uint64
}

func newHistory() *history {
	return &history{acked: map[string]map[medium.Position]uint64{}, truncated: map[string]medium.Position{}}
}

// testEntry is an entry that tells whether it is whole: its id, its size, noise, and a checksum.
func testEntry(id uint64, size int) []byte {
	b := binary.BigEndian.AppendUint64(nil, id)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	for len(b) < size {
		b = append(b, byte(1+(id+uint64(len(b))*31)%255))
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func parseTestEntry(b []byte) (id uint64, err error) {
	if len(b) < 16 || binary.BigEndian.Uint32(b[len(b)-4:]) != crc32.ChecksumIEEE(b[:len(b)-4]) {
		return 0, fmt.Errorf("an entry of %d bytes is not whole", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

func (h *history) append(j medium.Journal, name string, size int) error {
	h.mu.Lock()
	h.ids++
	id := h.ids
	h.mu.Unlock()
	at, err := j.Append(context.Background(), testEntry(id, size))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.acked[name] == nil {
		h.acked[name] = map[medium.Position]uint64{}
	}
	if other, ok := h.acked[name][at]; ok {
		return fmt.Errorf("BUG: position %d of %s was given to entry %d and to %d", at, name, other, id)
	}
	h.acked[name][at] = id
	return nil
}

// truncate notes that entries may be gone before it asks for it.
func (h *history) truncate(j medium.Journal, name string, before medium.Position) error {
	h.mu.Lock()
	h.truncated[name] = max(before, h.truncated[name])
	h.mu.Unlock()
	return j.Truncate(context.Background(), before)
}

func (h *history) last(name string) medium.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Max(append(slices.Collect(maps.Keys(h.acked[name])), 0))
}

// crashOptions makes rolls frequent.
func crashOptions(fsys vfs.FS, sync SyncPolicy) Options {
	return Options{FS: fsys, Dir: "/data/medium", SegmentBytes: 3000, Sync: sync, SyncInterval: time.Microsecond}
}

// workload appends alone and from several goroutines, rolls, truncates, closes, opens again, and has two journals.
func workload(fsys vfs.FS, sync SyncPolicy, h *history) error {
	m, err := Open(crashOptions(fsys, sync), discard(), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	for round := range 3 {
		if err := workOn(m, h, "n1/events", round); err != nil {
			return err
		}
	}
	return nil
}

func workOn(m *Medium, h *history, name string, round int) error {
	ctx := context.Background()
	j, err := m.Journals().Open(ctx, name, medium.JournalOptions{})
	if err != nil {
		return err
	}
	defer j.Close()
	other, err := m.Journals().Open(ctx, "n1/other", medium.JournalOptions{})
	if err != nil {
		return err
	}
	defer other.Close()
	for i := range 5 {
		if err := h.append(j, name, []int{12, 100, 600, 1500, 40}[i]); err != nil {
			return err
		}
	}
	if err := h.append(other, "n1/other", 30); err != nil {
		return err
	}
	if err := together(4, func(w int) error {
		for i := range 3 {
			if err := h.append(j, name, 20+400*(i+w)%1300); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if round == 1 {
		if err := h.truncate(j, name, h.last(name)-6); err != nil {
			return err
		}
	}
	if err := h.append(j, name, 77); err != nil {
		return err
	}
	if round == 1 {
		if err := h.truncate(other, "n1/other", h.last("n1/other")+1); err != nil {
			return err
		}
	}
	return errors.Join(j.Close(), other.Close())
}

func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// survivors replays a journal and checks that everything in it is whole, in order, and there once.
func survivors(m *Medium, name string) (map[medium.Position]uint64, error) {
	got, seen, last := map[medium.Position]uint64{}, map[uint64]bool{}, medium.Position(0)
	damage, err := m.Journals().Replay(context.Background(), name, 0, func(at medium.Position, b []byte) error {
		id, err := parseTestEntry(b)
		if err != nil || at <= last || seen[id] {
			return fmt.Errorf("position %d after %d, entry %d, seen %v: %w", at, last, id, seen[id], err)
		}
		got[at], seen[id], last = id, true, at
		return nil
	})
	if errors.Is(err, medium.ErrNotFound) {
		return got, nil
	}
	if len(damage) > 0 {
		err = errors.Join(err, fmt.Errorf("damage is reported: %+v", damage))
	}
	return got, err
}

// checkSurvival opens what a crash left. all says that everything acknowledged must be there; otherwise some may be missing, as after a power
// cut with background syncs. In both cases no position is used twice.
func checkSurvival(fsys vfs.FS, sync SyncPolicy, h *history, all bool) error {
	m, err := Open(crashOptions(fsys, sync), discard(), nil)
	if err != nil {
		return err
	}
	defer m.Close()
	for _, name := range []string{"n1/events", "n1/other"} {
		if err := checkJournal(m, name, h, all); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return m.Close()
}

func checkJournal(m *Medium, name string, h *history, all bool) error {
	before, err := survivors(m, name)
	if err != nil {
		return err
	}
	h.mu.Lock()
	acked, truncated := maps.Clone(h.acked[name]), h.truncated[name]
	h.mu.Unlock()
	for at, id := range acked {
		got, ok := before[at]
		if ok && got != id {
			return fmt.Errorf("position %d holds entry %d, and %d was acknowledged there", at, got, id)
		}
		if !ok && all && at >= truncated {
			return fmt.Errorf("entry %d at position %d was acknowledged and is lost", id, at)
		}
	}
	last := h.last(name)
	j, err := m.Journals().Open(context.Background(), name, medium.JournalOptions{})
	if err != nil {
		return err
	}
	defer j.Close()
	opened, err := survivors(m, name)
	if err != nil || !maps.Equal(opened, before) {
		return fmt.Errorf("opening changes what is there from %v to %v, %w", before, opened, err)
	}
	at, err := j.Append(context.Background(), testEntry(1<<40, 50))
	if err != nil || at <= last {
		return fmt.Errorf("the next append gets position %d, %d was used: %w", at, last, err)
	}
	return j.Close()
}

// forEachCrash crashes the workload after each of its mutating operations.
func forEachCrash(t *testing.T, sync SyncPolicy, check func(m *vfs.Mem, h *history, point int) error) int {
	t.Helper()
	whole := vfs.NewMem()
	if err := workload(whole, sync, newHistory()); err != nil {
		t.Fatal(err)
	}
	points := whole.Operations()
	for i := range points {
		m, h := vfs.NewMem(), newHistory()
		m.StopAfter(i)
		if err := workload(m, sync, h); err != nil && strings.Contains(err.Error(), "BUG") {
			t.Fatalf("crash point %d: %v", i, err)
		}
		if err := check(m, h, i); err != nil {
			t.Fatalf("crash point %d of %d: %v", i, points, err)
		}
	}
	return points
}

func TestCrashesLoseNothingAcknowledged(t *testing.T) {
	seeds := uint64(5)
	points := forEachCrash(t, SyncAlways, func(m *vfs.Mem, h *history, point int) error {
		for seed := range seeds {
			if seed > 1 {
				seed += uint64(point) * seeds
			}
			if err := checkSurvival(m.Crash(seed), SyncAlways, h, true); err != nil {
				return fmt.Errorf("power cut with seed %d: %w", seed, err)
			}
		}
		if err := checkSurvival(m.Kill(), SyncAlways, h, true); err != nil {
			return fmt.Errorf("kill: %w", err)
		}
		return nil
	})
	if t.Logf("%d crash points, each with %d power cuts and a kill", points, seeds); points < 200 {
		t.Errorf("only %d crash points: the workload has become too small", points)
	}
}

func TestCrashesWithBackgroundSync(t *testing.T) {
	points := forEachCrash(t, SyncInterval, func(m *vfs.Mem, h *history, point int) error {
		for seed := range uint64(3) {
			if err := checkSurvival(m.Crash(seed+uint64(point)*3), SyncInterval, h, false); err != nil {
				return fmt.Errorf("power cut with seed %d: %w", seed+uint64(point)*3, err)
			}
		}
		if err := checkSurvival(m.Kill(), SyncInterval, h, true); err != nil {
			return fmt.Errorf("kill: %w", err)
		}
		return nil
	})
	t.Logf("%d crash points, each with 3 power cuts and a kill", points)
}

// A crash while the last crash is recovered from, and another one while that is.
func TestCrashesDuringRecovery(t *testing.T) {
	n := 0
	forEachCrash(t, SyncAlways, func(m *vfs.Mem, h *history, point int) error {
		if point%7 != 3 {
			return nil
		}
		rnd := rand.New(rand.NewPCG(uint64(point), 1))
		disk := m.Crash(rnd.Uint64())
		for range 4 {
			disk.StopAfter(rnd.IntN(25))
			_ = checkSurvival(disk, SyncAlways, newHistory(), true) // ends with the crash, or not
			disk = disk.Crash(rnd.Uint64())
			n++
		}
		// What the interrupted checks appended has an id of its own.
		m2, err := Open(crashOptions(disk, SyncAlways), discard(), nil)
		if err != nil {
			return err
		}
		defer m2.Close()
		for name, acked := range h.acked {
			got := map[medium.Position]uint64{}
			damage, err := m2.Journals().Replay(context.Background(), name, 0, func(at medium.Position, b []byte) error {
				id, err := parseTestEntry(b)
				got[at] = id
				return err
			})
			if err != nil || len(damage) > 0 {
				return fmt.Errorf("%s: %w, damage %+v", name, err, damage)
			}
			for at, id := range acked {
				if at >= h.truncated[name] && got[at] != id {
					return fmt.Errorf("%s: entry %d at position %d is lost after crashes in recovery: %d is there", name, id, at, got[at])
				}
			}
		}
		return nil
	})
	t.Logf("%d crashes in recovery", n)
}
