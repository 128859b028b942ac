package mediumtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Journals is the suite of medium.Journals.
func Journals(t *testing.T, place Place[medium.Journals], o Options) {
	s := &journals{newSuite(t, place, o)}
	s.run(t, "empty", s.empty)
	s.run(t, "order and reopening", s.order)
	s.run(t, "sizes", s.sizes)
	s.run(t, "callers may reuse their bytes", s.reuse)
	s.run(t, "many writers", s.manyWriters)
	s.run(t, "replay while writing", s.replayWhileWriting)
	s.run(t, "replay stops", s.replayStops)
	s.run(t, "cancelled", s.cancelled)
	s.run(t, "one writer", s.oneWriter)
	s.run(t, "truncate", s.truncate)
	s.run(t, "positions are not used twice", s.positionsNotReused)
	s.run(t, "positions of another medium", s.appendAt)
	s.run(t, "list and delete", s.listAndDelete)
	s.run(t, "side by side", s.sideBySide)
	s.run(t, "closed", s.closed)
	s.run(t, "names", s.names)
}

type journals struct{ *suite[medium.Journals] }

type entry struct {
	at   medium.Position
	data []byte
}

func (s *journals) open(ctx context.Context, t *testing.T, name string) medium.Journal {
	t.Helper()
	j, err := s.opened.Open(ctx, name, medium.JournalOptions{})
	check(t, err)
	return j
}

// replay returns everything from a position on, and fails the test on damage or disorder.
func (s *journals) replay(ctx context.Context, t *testing.T, name string, from medium.Position) []entry {
	t.Helper()
	all, err := s.tryReplay(ctx, name, from)
	check(t, err)
	return all
}

func (s *journals) tryReplay(ctx context.Context, name string, from medium.Position) ([]entry, error) {
	var all []entry
	damage, err := s.opened.Replay(ctx, name, from, func(at medium.Position, data []byte) error {
		if at < from {
			return fmt.Errorf("replay from %d yields %d", from, at)
		}
		if n := len(all); n > 0 && at <= all[n-1].at {
			return fmt.Errorf("replay yields position %d after %d", at, all[n-1].at)
		}
		all = append(all, entry{at, bytes.Clone(data)})
		return nil
	})
	if len(damage) > 0 {
		err = errors.Join(err, fmt.Errorf("replay found damage: %+v", damage))
	}
	return all, err
}

func (s *journals) want(ctx context.Context, t *testing.T, name string, want []entry) {
	t.Helper()
	got := s.replay(ctx, t, name, 0)
	if !slices.EqualFunc(got, want, func(a, b entry) bool { return a.at == b.at && bytes.Equal(a.data, b.data) }) {
		t.Fatalf("replay yields %d entries that differ from the %d appended ones: first difference %s", len(got), len(want), difference(got, want))
	}
}

func difference(got, want []entry) string {
	for i := range min(len(got), len(want)) {
		if got[i].at != want[i].at || !bytes.Equal(got[i].data, want[i].data) {
			return fmt.Sprintf("number %d: position %d with %d bytes, want position %d with %d bytes", i, got[i].at, len(got[i].data), want[i].at, len(want[i].data))
		}
	}
	return "in their number"
}

// appendAll appends n small entries and returns them.
func appendAll(ctx context.Context, t *testing.T, j medium.Journal, seed, n int) []entry {
	t.Helper()
	var all []entry
	for i := range n {
		data := noise(uint64(seed*1000+i), 10+i)
		at, err := j.Append(ctx, data)
		check(t, err)
		all = append(all, entry{at, data})
	}
	return all
}

func (s *journals) info(ctx context.Context, t *testing.T, name string) medium.JournalInfo {
	t.Helper()
	list, err := s.opened.List(ctx)
	check(t, err)
	i := slices.IndexFunc(list, func(i medium.JournalInfo) bool { return i.Name == name })
	if i < 0 {
		t.Fatalf("the list %+v has no journal %q", list, name)
	}
	return list[i]
}

func (s *journals) empty(ctx context.Context, t *testing.T, name string) {
	_, err := s.opened.Replay(ctx, name, 0, func(medium.Position, []byte) error { return nil })
	wantError(t, err, medium.ErrNotFound)
	j := s.open(ctx, t, name)
	s.want(ctx, t, name, nil)
	if next := s.info(ctx, t, name).Next; next > 1 {
		t.Errorf("the next position of an empty journal is %d", next)
	}
	check(t, j.Close())
	s.reopen(t)
	s.want(ctx, t, name, nil)
}

func (s *journals) order(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	want := appendAll(ctx, t, j, 1, 40)
	if want[0].at != 1 {
		t.Errorf("the first position is %d, want 1", want[0].at)
	}
	s.want(ctx, t, name, want)
	check(t, j.Close())
	s.want(ctx, t, name, want)

	s.reopen(t)
	s.want(ctx, t, name, want)
	j = s.open(ctx, t, name)
	want = append(want, appendAll(ctx, t, j, 2, 5)...)
	s.want(ctx, t, name, want)
	if next := s.info(ctx, t, name).Next; next <= want[44].at {
		t.Errorf("the list's next position is %d, after an entry at %d", next, want[44].at)
	}
	for _, from := range []int{0, 1, 39, 40, 44} {
		if got := s.replay(ctx, t, name, want[from].at); len(got) != len(want)-from {
			t.Errorf("replay from the %dth of %d yields %d", from, len(want), len(got))
		}
	}
	if got := s.replay(ctx, t, name, want[44].at+1); len(got) != 0 {
		t.Errorf("replay from behind the last yields %d", len(got))
	}
	check(t, j.Close())
}

func (s *journals) sizes(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	var want []entry
	for i, n := range []int{0, 1, 0, 511, 512, 513, 65535, 65537, 1 << 20, 1<<20 + 1, 3<<20 + 17, medium.MaxEntry, 5} {
		data := noise(uint64(i), n)
		at, err := j.Append(ctx, data)
		check(t, err)
		want = append(want, entry{at, data})
	}
	_, err := j.Append(ctx, make([]byte, medium.MaxEntry+1))
	wantError(t, err, medium.ErrTooLarge)
	zeros := make([]byte, 100_000) // looks like a file that was never written
	at, err := j.Append(ctx, zeros)
	check(t, err)
	want = append(want, entry{at, zeros})
	s.want(ctx, t, name, want)
	check(t, j.Close())
	s.reopen(t)
	s.want(ctx, t, name, want)
}

func (s *journals) reuse(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	var want []entry
	buf := make([]byte, 100)
	for i := range 20 {
		copy(buf, noise(uint64(i), 100))
		at, err := j.Append(ctx, buf)
		check(t, err)
		want = append(want, entry{at, bytes.Clone(buf)})
		clear(buf)
	}
	check(t, j.Close())
	s.want(ctx, t, name, want)
}

// manyWriters checks that concurrent appends all arrive, once each, and that one writer's keep their order.
func (s *journals) manyWriters(ctx context.Context, t *testing.T, name string) {
	const writers = 16
	j := s.open(ctx, t, name)
	acknowledged := make([][]entry, writers)
	parallel(t, writers, func(w int) error {
		for i := range s.Rounds {
			data := binary.BigEndian.AppendUint32(noise(uint64(w), i%300), uint32(w*1_000_000+i))
			at, err := j.Append(ctx, data)
			if err != nil {
				return err
			}
			if mine := acknowledged[w]; len(mine) > 0 && at <= mine[len(mine)-1].at {
				return fmt.Errorf("writer %d got position %d after %d", w, at, mine[len(mine)-1].at)
			}
			acknowledged[w] = append(acknowledged[w], entry{at, data})
		}
		return nil
	})
	want := slices.Concat(acknowledged...)
	slices.SortFunc(want, func(a, b entry) int { return int(a.at) - int(b.at) })
	s.want(ctx, t, name, want)
	check(t, j.Close())
	s.reopen(t)
	s.want(ctx, t, name, want)
}

func (s *journals) replayWhileWriting(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	last := make(chan medium.Position, 1)
	done := make(chan error, 1)
	go func() {
		defer close(last)
		done <- appendUntil(ctx, j, last)
	}()
	for range 10 {
		at := <-last
		got, err := s.tryReplay(ctx, name, 0)
		check(t, err)
		if len(got) == 0 || got[len(got)-1].at < at {
			t.Fatalf("replay ends before position %d, which was acknowledged before it began", at)
		}
	}
	stop()
	for range last { //nolint:revive // empties what the writer still says
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	check(t, j.Close())
}

// appendUntil appends until ctx ends, and tells last of acknowledged positions when somebody listens.
func appendUntil(ctx context.Context, j medium.Journal, last chan<- medium.Position) error {
	for i := uint64(0); ; i++ {
		at, err := j.Append(ctx, noise(i, 200))
		if err != nil {
			return err
		}
		select {
		case last <- at:
		default:
		}
	}
}

func (s *journals) replayStops(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	appendAll(ctx, t, j, 1, 10)
	enough := errors.New("enough")
	n := 0
	_, err := s.opened.Replay(ctx, name, 0, func(medium.Position, []byte) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	wantError(t, err, enough)
	if n != 3 {
		t.Errorf("replay went on to entry %d after the third was refused", n)
	}
	gone, cause := cancelled(ctx)
	_, err = s.opened.Replay(gone, name, 0, func(medium.Position, []byte) error { return nil })
	wantError(t, err, cause)
	check(t, j.Close())
}

// cancelled checks that a caller who goes away does no harm, and that what came of their entry stays so.
func (s *journals) cancelled(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	before := appendAll(ctx, t, j, 1, 1)
	gone, cause := cancelled(ctx)
	_, err := j.Append(gone, []byte("perhaps"))
	wantError(t, err, cause)
	parallel(t, 8, func(i int) error {
		ctx, cancel := context.WithCancel(ctx)
		go cancel()
		_, err := j.Append(ctx, []byte("perhaps"))
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("append %d: %w", i, err)
		}
		return nil
	})
	after := appendAll(ctx, t, j, 2, 1)
	first := s.replay(ctx, t, name, 0)
	if len(first) < 2 || first[0].at != before[0].at || first[len(first)-1].at != after[0].at {
		t.Fatalf("replay yields %d entries, not those before and after the cancelled ones", len(first))
	}
	for _, e := range first[1 : len(first)-1] {
		if string(e.data) != "perhaps" {
			t.Errorf("a cancelled append left %q", e.data)
		}
	}
	check(t, j.Close())
	s.reopen(t)
	s.want(ctx, t, name, first)
}

func (s *journals) oneWriter(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	_, err := s.opened.Open(ctx, name, medium.JournalOptions{})
	wantError(t, err, medium.ErrInUse)
	wantError(t, s.opened.Delete(ctx, name), medium.ErrInUse)
	want := appendAll(ctx, t, j, 1, 3)
	check(t, j.Close())
	j = s.open(ctx, t, name)
	want = append(want, appendAll(ctx, t, j, 2, 3)...)
	check(t, j.Close())
	s.want(ctx, t, name, want)
}

func (s *journals) truncate(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	want := appendAll(ctx, t, j, 1, 30)
	before := want[17].at
	check(t, j.Truncate(ctx, before))
	check(t, j.Truncate(ctx, before)) // again does nothing
	check(t, j.Truncate(ctx, 0))
	s.wantFrom(ctx, t, name, want, 17)
	want = append(want, appendAll(ctx, t, j, 2, 3)...)
	check(t, j.Close())
	s.reopen(t)
	s.wantFrom(ctx, t, name, want, 17)
}

// wantFrom wants everything from number i on, and of what is before it nothing that was not appended.
func (s *journals) wantFrom(ctx context.Context, t *testing.T, name string, all []entry, i int) {
	t.Helper()
	got := s.replay(ctx, t, name, 0)
	old := len(got) - (len(all) - i)
	if old < 0 || old > i {
		t.Fatalf("replay yields %d entries, want the last %d and at most %d before them", len(got), len(all)-i, i)
	}
	for k, e := range got {
		if want := all[i-old+k]; e.at != want.at || !bytes.Equal(e.data, want.data) {
			t.Fatalf("replay yields position %d with %d bytes, want position %d with %d bytes", e.at, len(e.data), want.at, len(want.data))
		}
	}
}

func (s *journals) positionsNotReused(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	used := appendAll(ctx, t, j, 1, 20)[19].at
	for range 3 {
		check(t, j.Truncate(ctx, used+1))
		check(t, j.Close())
		s.reopen(t)
		j = s.open(ctx, t, name)
		check(t, j.Truncate(ctx, used+1))
		if next := s.info(ctx, t, name).Next; next <= used {
			t.Errorf("the next position is %d, %d was used already", next, used)
		}
		at, err := j.Append(ctx, []byte("x"))
		check(t, err)
		if at <= used {
			t.Fatalf("position %d is used again: %d was given already", at, used)
		}
		used = at
	}
	check(t, j.Close())
}

func (s *journals) appendAt(ctx context.Context, t *testing.T, name string) {
	j, err := s.opened.Open(ctx, name, medium.JournalOptions{Next: 100})
	check(t, err)
	var want []entry
	put := func(at medium.Position) {
		t.Helper()
		data := noise(uint64(at), 50)
		check(t, j.AppendAt(ctx, at, data))
		want = append(want, entry{at, data})
	}
	put(103)
	put(104)
	put(70_000)
	wantKind(t, j.AppendAt(ctx, 70_000, nil), model.Invalid)
	wantKind(t, j.AppendAt(ctx, 5, nil), model.Invalid)
	put(1 << 40)
	s.want(ctx, t, name, want)
	check(t, j.Close())
	s.reopen(t)
	j = s.open(ctx, t, name)
	at, err := j.Append(ctx, []byte("x"))
	check(t, err)
	if at <= 1<<40 {
		t.Errorf("the position after %d is %d", 1<<40, at)
	}
	check(t, j.Close())
	s.want(ctx, t, name, append(want, entry{at, []byte("x")}))

	j, err = s.opened.Open(ctx, name+"/empty", medium.JournalOptions{Next: 500})
	check(t, err)
	check(t, j.Close())
	s.reopen(t)
	j = s.open(ctx, t, name+"/empty")
	at, err = j.Append(ctx, nil)
	check(t, err)
	if at < 500 {
		t.Errorf("the first position is %d, the journal was opened to go on at 500", at)
	}
	check(t, j.Close())
}

func (s *journals) listAndDelete(ctx context.Context, t *testing.T, name string) {
	names := []string{name + "/a", name + "/a-b", name + "/a/b", name + "/ab", name + "/z"}
	for i, n := range names {
		j := s.open(ctx, t, n)
		appendAll(ctx, t, j, i, i)
		check(t, j.Close())
	}
	listed := func() []string {
		t.Helper()
		list, err := s.opened.List(ctx)
		check(t, err)
		var all, mine []string
		for _, i := range list {
			all = append(all, i.Name)
			if slices.Contains(names, i.Name) {
				mine = append(mine, i.Name)
			}
		}
		if !slices.IsSorted(all) {
			t.Errorf("the list is not in order: %q", all)
		}
		return mine
	}
	if got := listed(); !slices.Equal(got, names) {
		t.Fatalf("the list is %q, want %q", got, names)
	}
	check(t, s.opened.Delete(ctx, names[0]))
	check(t, s.opened.Delete(ctx, names[0]))
	if got := listed(); !slices.Equal(got, names[1:]) {
		t.Fatalf("the list after a delete is %q, want %q", got, names[1:])
	}
	_, err := s.opened.Replay(ctx, names[0], 0, func(medium.Position, []byte) error { return nil })
	wantError(t, err, medium.ErrNotFound)
	s.reopen(t)
	if got := listed(); !slices.Equal(got, names[1:]) {
		t.Fatalf("the list after a restart is %q, want %q", got, names[1:])
	}
}

func (s *journals) sideBySide(ctx context.Context, t *testing.T, name string) {
	const n = 6
	want := make([][]entry, n)
	parallel(t, n, func(i int) error {
		j, err := s.opened.Open(ctx, fmt.Sprintf("%s/%d", name, i), medium.JournalOptions{})
		if err != nil {
			return err
		}
		for k := range 30 {
			data := noise(uint64(i*100+k), 100)
			at, err := j.Append(ctx, data)
			if err != nil {
				return err
			}
			want[i] = append(want[i], entry{at, data})
		}
		return j.Close()
	})
	for i := range n {
		s.want(ctx, t, fmt.Sprintf("%s/%d", name, i), want[i])
	}
}

func (s *journals) closed(ctx context.Context, t *testing.T, name string) {
	j := s.open(ctx, t, name)
	want := appendAll(ctx, t, j, 1, 2)
	check(t, j.Close())
	_, err := j.Append(ctx, []byte("late"))
	wantError(t, err, medium.ErrClosed)
	wantError(t, j.AppendAt(ctx, 1000, []byte("late")), medium.ErrClosed)
	wantError(t, j.Truncate(ctx, 2), medium.ErrClosed)
	s.want(ctx, t, name, want)
}

func (s *journals) names(ctx context.Context, t *testing.T, _ string) {
	for _, name := range badNames {
		_, err := s.opened.Open(ctx, name, medium.JournalOptions{})
		wantKind(t, err, model.Invalid)
		_, err = s.opened.Replay(ctx, name, 0, func(medium.Position, []byte) error { return nil })
		wantKind(t, err, model.Invalid)
		wantKind(t, s.opened.Delete(ctx, name), model.Invalid)
	}
}
