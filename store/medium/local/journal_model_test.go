package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// naive is a journal as the contract has it, in memory.
type naive struct {
	entries   map[medium.Position]uint64
	truncated medium.Position // entries below may be gone
	last      medium.Position
	exact     bool // the next position is last + 1: there was no crash since
}

// modelRun does random operations on journals and on naive ones.
type modelRun struct {
	rnd  *rand.Rand
	mem  *vfs.Mem
	o    Options
	m    *Medium
	open map[string]medium.Journal
	want map[string]*naive
	id   uint64
}

var modelNames = []string{"a", "a/b", "c"}

func TestRandomOperationsAgainstAModel(t *testing.T) {
	start := uint64(time.Now().UnixNano())
	for i := range uint64(60) {
		seed := start + i
		r := newModelRun(seed)
		for step := range 150 {
			if what, err := r.step(); err != nil {
				t.Fatalf("seed %d, step %d, %s: %v", seed, step, what, err)
			}
		}
		if err := r.m.Close(); err != nil {
			t.Fatalf("seed %d: close: %v", seed, err)
		}
	}
	t.Logf("seeds from %d on", start)
}

func newModelRun(seed uint64) *modelRun {
	r := &modelRun{rnd: rand.New(rand.NewPCG(seed, 0)), mem: vfs.NewMem(), open: map[string]medium.Journal{}, want: map[string]*naive{}}
	r.o = Options{Dir: "/m", SegmentBytes: 1 + r.rnd.Int64N(5000)}
	if r.rnd.IntN(3) == 0 {
		r.o.Sync, r.o.SyncInterval = SyncInterval, time.Hour>>r.rnd.IntN(30)
		r.o.SyncInterval = min(r.o.SyncInterval, maxSyncInterval)
	}
	return r
}

func (r *modelRun) step() (string, error) {
	if r.m == nil {
		return "open", r.restart()
	}
	name := modelNames[r.rnd.IntN(len(modelNames))]
	switch k := r.rnd.IntN(100); {
	case k < 60:
		return "append to " + name, r.append(name)
	case k < 65:
		return "append far away to " + name, r.appendAt(name)
	case k < 72:
		return "truncate " + name, r.truncate(name)
	case k < 84:
		return "replay " + name, r.replay(name, r.position(name))
	case k < 90:
		return "list", r.list()
	case k < 94:
		return "close " + name, r.close(name)
	case k < 95:
		return "delete " + name, r.delete(name)
	case k < 97:
		return "close all", r.closeAll()
	case k < 98 && r.o.Sync != SyncInterval:
		r.mem = r.mem.Crash(r.rnd.Uint64())
		return "power cut", r.crashed()
	default:
		r.mem = r.mem.Kill()
		return "kill", r.crashed()
	}
}

func (r *modelRun) restart() (err error) {
	r.o.FS = r.mem
	r.open = map[string]medium.Journal{}
	if r.m, err = Open(r.o, discard(), nil); err != nil {
		return err
	}
	for _, name := range modelNames {
		if err := r.replay(name, 0); err != nil {
			return err
		}
	}
	return nil
}

func (r *modelRun) crashed() error {
	_ = r.m.Close() // of a dead disk
	for _, n := range r.want {
		n.exact = false
	}
	return r.restart()
}

func (r *modelRun) closeAll() error {
	err := r.m.Close()
	if err != nil {
		return err
	}
	return r.restart()
}

func (r *modelRun) journal(name string) (medium.Journal, error) {
	if j, ok := r.open[name]; ok {
		return j, nil
	}
	j, err := r.m.Journals().Open(context.Background(), name, medium.JournalOptions{})
	if err != nil {
		return nil, err
	}
	r.open[name] = j
	if r.want[name] == nil {
		r.want[name] = &naive{entries: map[medium.Position]uint64{}, exact: true}
	}
	return j, nil
}

func (r *modelRun) position(name string) medium.Position {
	if n := r.want[name]; n != nil && n.last > 0 {
		return n.last + 2 - medium.Position(r.rnd.Uint64N(min(uint64(n.last), 20)+2))
	}
	return medium.Position(r.rnd.IntN(3))
}

func (r *modelRun) append(name string) error {
	j, err := r.journal(name)
	if err != nil {
		return err
	}
	r.id++
	at, err := j.Append(context.Background(), testEntry(r.id, 12+r.rnd.IntN(1+r.rnd.IntN(2000))))
	n := r.want[name]
	if err != nil || at <= n.last || n.exact && at != n.last+1 {
		return fmt.Errorf("position %d after %d: %w", at, n.last, err)
	}
	n.entries[at], n.last, n.exact = r.id, at, true
	return nil
}

func (r *modelRun) appendAt(name string) error {
	j, err := r.journal(name)
	if err != nil {
		return err
	}
	r.id++
	n := r.want[name]
	at := n.last + medium.Position(r.rnd.IntN(1000))
	err = j.AppendAt(context.Background(), at, testEntry(r.id, 40))
	if errors.Is(err, errPositionUsed) && (at <= n.last || !n.exact) {
		return nil
	}
	if err != nil || at <= n.last {
		return fmt.Errorf("position %d after %d: %w", at, n.last, err)
	}
	n.entries[at], n.last, n.exact = r.id, at, true
	return nil
}

func (r *modelRun) truncate(name string) error {
	j, err := r.journal(name)
	if err != nil {
		return err
	}
	at := r.position(name)
	r.want[name].truncated = max(at, r.want[name].truncated)
	return j.Truncate(context.Background(), at)
}

func (r *modelRun) close(name string) error {
	j, ok := r.open[name]
	if !ok {
		return nil
	}
	delete(r.open, name)
	return j.Close()
}

func (r *modelRun) delete(name string) error {
	err := r.m.Journals().Delete(context.Background(), name)
	if _, open := r.open[name]; open {
		if !errors.Is(err, medium.ErrInUse) {
			return fmt.Errorf("delete of an open journal: %w", err)
		}
		return nil
	}
	delete(r.want, name)
	return err
}

func (r *modelRun) list() error {
	list, err := r.m.Journals().List(context.Background())
	if err != nil {
		return err
	}
	var got []string
	for _, i := range list {
		got = append(got, i.Name)
		if n := r.want[i.Name]; n != nil && i.Next <= n.last {
			return fmt.Errorf("next position of %s is %d, %d was used", i.Name, i.Next, n.last)
		}
	}
	if want := slices.Sorted(maps.Keys(r.want)); !slices.Equal(got, want) {
		return fmt.Errorf("list is %q, want %q", got, want)
	}
	return nil
}

func (r *modelRun) replay(name string, from medium.Position) error {
	n := r.want[name]
	seen, last := map[medium.Position]bool{}, medium.Position(0)
	damage, err := r.m.Journals().Replay(context.Background(), name, from, func(at medium.Position, b []byte) error {
		id, err := parseTestEntry(b)
		if err != nil || at <= last || at < from || n.entries[at] != id {
			return fmt.Errorf("position %d after %d holds entry %d: %w", at, last, id, err)
		}
		seen[at], last = true, at
		return nil
	})
	if n == nil && errors.Is(err, medium.ErrNotFound) {
		return nil
	}
	if err != nil || len(damage) > 0 {
		return fmt.Errorf("damage %+v: %w", damage, err)
	}
	for at := range n.entries {
		if at >= max(from, n.truncated) && !seen[at] {
			return fmt.Errorf("replay from %d lacks position %d", from, at)
		}
	}
	return nil
}

// FuzzJournalFile: whatever is in a segment's file, reading it is no harm, opening the journal changes nothing of what is read, and
// what is appended then is read too, behind all the rest. edits changes the content, so that checksums are met.
func FuzzJournalFile(f *testing.F) {
	for _, content := range segmentSamples(f) {
		f.Add(content, []byte{})
		f.Add(content, []byte{0, 0, 20, 1})
		f.Add(content, []byte{0, 0, 150, 1, 1, 1, 10, 90})
		f.Add(content, []byte{2, 1, 100, 0})
		f.Add(content, []byte{3, 0, 64, 200, 0, 1, 30, 9})
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, content, edits []byte) { fuzzJournal(t, edit(content, edits)) })
}

// The same with many random edits of sound files.
func TestJournalFilesWithManyKindsOfDamage(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd, samples := rand.New(rand.NewPCG(seed, 0)), segmentSamples(t)
	for range 500 { // FuzzJournalFile does more
		content, edits := samples[rnd.IntN(len(samples))], make([]byte, 4*(1+rnd.IntN(5)))
		for i := range edits {
			edits[i] = byte(rnd.IntN(256))
		}
		for i := 0; i < len(edits); i += 4 {
			at := rnd.IntN(len(content))
			edits[i+1], edits[i+2] = byte(at>>8), byte(at)
		}
		fuzzJournal(t, edit(content, edits))
		if t.Failed() {
			t.Fatalf("edits %v", edits)
		}
	}
}

// segmentSamples returns the files of a closed journal, of one whose process was killed, and of one with several entries in a group.
func segmentSamples(t testing.TB) [][]byte {
	mem := vfs.NewMem()
	m, h := openTest(t, Options{FS: mem, Dir: "/m"}), newHistory()
	j := openJournal(t, m, "a")
	mustAppend(t, h, j, "a", 3, 100)
	if err := together(8, func(i int) error { return h.append(j, "a", 300*i) }); err != nil {
		t.Fatal(err)
	}
	read := func(n int) []byte {
		b, err := vfs.ReadFile(mem, segmentPath("/m/journal/a", 1), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return b[:min(n, len(b))]
	}
	samples := [][]byte{read(12000), read(2000)}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	samples = append(samples, read(1<<20))
	group := newTestFile(1).add(0, "a")
	unsynced := uint32(0)
	for i := range 5 {
		group.add(unsynced, string(testEntry(uint64(i), 200*i)))
		unsynced += uint32(len(group.bytes)) - uint32(group.offsets[len(group.offsets)-1])
	}
	return append(samples, group.bytes, slices.Clone(group.zeros(2000).bytes))
}

// edit changes bytes as edits says, four bytes each: what to do, where (two bytes), how much.
func edit(content, edits []byte) []byte {
	b := slices.Clone(content)
	for ; len(edits) >= 4 && len(b) > 0; edits = edits[4:] {
		at := (int(edits[1])<<8 | int(edits[2])) % len(b)
		n := int(edits[3])
		end := min(len(b), at+4*n)
		switch edits[0] % 5 {
		case 0:
			b[at] ^= byte(max(1, n))
		case 1:
			clear(b[at:end])
		case 2:
			b = b[:at]
		case 3: // again what was there once
			b = slices.Insert(b, at, b[at:end]...)
		case 4:
			clear(b[at-at%512 : min(len(b), at-at%512+512)])
		}
	}
	return b
}

func fuzzJournal(t *testing.T, content []byte) {
	mem := vfs.NewMem()
	openTest(t, Options{FS: mem, Dir: "/m"}).Close()
	err := errors.Join(vfs.MkdirAll(mem, "/m/journal/a", 0o750), vfs.WriteFile(mem, segmentPath("/m/journal/a", 1), content, 0o640))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseFileHeader(content, journalFrames); errors.Is(err, errFrameVersion) {
		return
	}
	type entry struct {
		at   medium.Position
		data []byte
	}
	replay := func(o Options) (all []entry) {
		t.Helper()
		m := openTest(t, o)
		defer m.Close()
		_, err := m.Journals().Replay(context.Background(), "a", 0, func(at medium.Position, b []byte) error {
			all = append(all, entry{at, bytes.Clone(b)})
			return nil
		})
		if err != nil && !errors.Is(err, medium.ErrCorrupt) {
			t.Fatal(err)
		}
		return all
	}
	before := replay(Options{FS: mem, Dir: "/m", ReadOnly: true})
	m := openTest(t, Options{FS: mem, Dir: "/m"})
	j, err := m.Journals().Open(context.Background(), "a", medium.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := j.Append(context.Background(), []byte("new"))
	if errors.Is(err, errPositionTooHigh) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	after := replay(Options{FS: mem.Crash(0), Dir: "/m"})
	before = append(before, entry{at, []byte("new")})
	if !slices.EqualFunc(before, after, func(a, b entry) bool { return a.at == b.at && bytes.Equal(a.data, b.data) }) {
		t.Fatalf("replay yields %v, want %v", after, before)
	}
	for i := 1; i < len(after); i++ {
		if after[i].at <= after[i-1].at {
			t.Fatalf("positions %v", after)
		}
	}
}
