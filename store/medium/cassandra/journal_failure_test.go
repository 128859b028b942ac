package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// TestJournalWriteFailures lets the writing of rows fail in the ways that a cluster has: before it, after it, and with the row arriving
// only after the segment was decided. Each Append hears of it, the journal goes on by itself, and whatever Replay says once it says again.
func TestJournalWriteFailures(t *testing.T) {
	m := open(t, inSoundKeyspace)
	js := m.journals
	ctx := t.Context()
	broken := model.NewError(model.Unavailable, "broken for the test")
	var mode atomic.Value
	var late sync.WaitGroup
	release := make(chan struct{})
	js.insert = func(ctx context.Context, r request) error {
		switch mode.Load() {
		case "before":
			return broken
		case "after":
			return errors.Join(broken, medium.ErrUncertain, m.session.write(ctx, r))
		case "late":
			late.Go(func() { <-release; check(t, m.session.write(context.Background(), r)) })
			return errors.Join(broken, medium.ErrUncertain)
		}
		return m.session.write(ctx, r)
	}
	j, err := m.Journals().Open(ctx, "failures", medium.JournalOptions{})
	check(t, err)
	acknowledged := map[medium.Position]bool{}
	add := func(wantErr bool) {
		t.Helper()
		at, err := j.Append(ctx, []byte("x"))
		if (err != nil) != wantErr || wantErr && (!errors.Is(err, broken) || model.KindOf(err) != model.Unavailable) {
			t.Errorf("mode %v: append returns %v", mode.Load(), err)
		}
		if err == nil {
			acknowledged[at] = true
		}
	}
	set := func(s string) { mode.Store(s) }
	set("")
	add(false)
	add(false)
	total := 2
	for _, how := range []string{"before", "after", "late"} {
		set(how)
		add(true)
		set("")
		add(false) // in a new segment
		add(false)
		total += 2
		if how == "after" {
			total++
		}
	}
	first := fmt.Sprint(positionsOf(t, m, "failures", acknowledged, total))
	close(release)
	late.Wait()
	if again := fmt.Sprint(positionsOf(t, m, "failures", acknowledged, total)); again != first {
		t.Errorf("a row that arrived late changes the replay from %s to %s", first, again)
	}
	check(t, j.Close())
	if again := fmt.Sprint(positionsOf(t, m, "failures", acknowledged, total)); again != first {
		t.Errorf("closing changes the replay from %s to %s", first, again)
	}
	h, _, err := js.readHead(ctx, "failures")
	check(t, err)
	if len(h.state.segments) != 4 {
		t.Errorf("four segments were written, the state is %+v", h.state)
	}
}

func positionsOf(t *testing.T, m *Medium, name string, acknowledged map[medium.Position]bool, total int) []medium.Position {
	t.Helper()
	var all []medium.Position
	n := 0
	damage, err := m.Journals().Replay(t.Context(), name, 0, func(at medium.Position, _ []byte) error {
		all = append(all, at)
		if acknowledged[at] {
			n++
		}
		return nil
	})
	check(t, err)
	if len(damage) > 0 || n != len(acknowledged) || len(all) != total {
		t.Fatalf("replay yields %v with damage %+v; acknowledged were %v, and %d are wanted", all, damage, acknowledged, total)
	}
	return all
}

// TestJournalQueueIsBounded fills the queue of a journal whose rows do not get through: Append waits for room, its
// context ends the wait, and when the rows get through all that waited is there.
func TestJournalQueueIsBounded(t *testing.T) {
	m := open(t, inSoundKeyspace)
	js := m.journals
	js.limits.queueBytes = 64 << 10
	gate := make(chan struct{})
	js.insert = func(ctx context.Context, r request) error {
		<-gate
		return m.session.write(ctx, r)
	}
	j, err := m.Journals().Open(t.Context(), "queue", medium.JournalOptions{})
	check(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	results := make(chan error, 100)
	for range cap(results) {
		go func() {
			_, err := j.Append(ctx, make([]byte, 2<<10))
			results <- err
		}()
	}
	// 28 entries fit; all the others wait for room.
	for i := 0; countWaits(js) < float64(cap(results)-28); i++ {
		if i > 10_000 {
			t.Fatalf("%v appends wait for room", countWaits(js))
		}
		check(t, pause(t.Context(), time.Millisecond))
	}
	left := errors.New("left")
	cancel(left)
	for range cap(results) {
		wantIs(t, <-results, left)
	}
	close(gate)
	at, err := j.Append(t.Context(), []byte("x"))
	check(t, err)
	if at > 30 {
		t.Errorf("position %d after a queue with room for 28", at)
	}
	check(t, j.Close())
}

func countWaits(js *journals) float64 { return testutil.ToFloat64(js.metrics.waits) }

// TestJournalAppendGivesUp lets a row never be answered: the Append that waits for it ends by itself, and says that it may come yet.
func TestJournalAppendGivesUp(t *testing.T) {
	m := open(t, func(o *Options) {
		inSoundKeyspace(o)
		o.Timeout, o.GiveUpAfter = time.Second, time.Second
	})
	gate := make(chan struct{})
	m.journals.insert = func(ctx context.Context, r request) error {
		<-gate
		return m.session.write(ctx, r)
	}
	j, err := m.Journals().Open(t.Context(), "gives-up", medium.JournalOptions{})
	check(t, err)
	_, err = j.Append(t.Context(), []byte("x"))
	wantIs(t, err, medium.ErrUncertain)
	if model.KindOf(err) != model.Unavailable {
		t.Errorf("error %v of kind %s", err, model.KindOf(err))
	}
	close(gate)
	_, err = j.Append(t.Context(), []byte("y"))
	check(t, err)
	check(t, j.Close())
}

// TestJournalSegments rolls over many small segments, with pieces of large entries in them, and truncates them.
func TestJournalSegments(t *testing.T) {
	m := open(t, inSoundKeyspace)
	m.journals.limits.segmentBytes = 1 << 20
	m.journals.limits.segmentRows = 20
	j, err := m.Journals().Open(t.Context(), "segments", medium.JournalOptions{})
	check(t, err)
	var want []medium.Position
	for i := range 120 {
		n := 10
		if i%40 == 20 {
			n = 3 << 20
		}
		at, err := j.Append(t.Context(), make([]byte, n))
		check(t, err)
		want = append(want, at)
	}
	read := func(from medium.Position) []medium.Position {
		t.Helper()
		var got []medium.Position
		damage, err := m.Journals().Replay(t.Context(), "segments", from, func(at medium.Position, _ []byte) error {
			got = append(got, at)
			return nil
		})
		if err != nil || len(damage) > 0 {
			t.Fatalf("replay: %v, %+v", err, damage)
		}
		return got
	}
	if got := read(0); !slices.Equal(got, want) {
		t.Errorf("replay yields %v, want %v", got, want)
	}
	check(t, j.Truncate(t.Context(), want[70]))
	got := read(0)
	if i := slices.Index(want, got[0]); i < 30 || i > 70 || !slices.Equal(got, want[i:]) {
		t.Errorf("truncated below %d, replay begins at %d", want[70], got[0])
	}
	check(t, j.Close())
	h, _, err := m.journals.readHead(t.Context(), "segments")
	check(t, err)
	if n := len(h.state.segments); n < 3 || n > 8 || h.owner != "" {
		t.Errorf("the state is %+v", h)
	}
	// The rows of what was let go of are gone.
	found := 0
	check(t, m.session.read(t.Context(), request{table: "journal_rows", cql: "SELECT DISTINCT id, segment FROM journal_rows"}, func(scan func(...any) error) error {
		var id gocql.UUID
		err := scan(&id, nil)
		if id == h.id {
			found++
		}
		return err
	}))
	if found != len(h.state.segments) {
		t.Errorf("%d partitions have rows, the state has %d segments", found, len(h.state.segments))
	}
}
