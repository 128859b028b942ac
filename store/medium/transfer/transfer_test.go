package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// openLocal opens the folder /m of a file system.
func openLocal(fsys vfs.FS) (medium.Medium, error) {
	return local.Open(local.Options{FS: fsys, Dir: "/m", SegmentBytes: 4096}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func mustOpen(t testing.TB, fsys vfs.FS) medium.Medium {
	t.Helper()
	m, err := openLocal(fsys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %q with %q", err, want, text)
	}
}

func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func put(ctx context.Context, m medium.Medium, name string, content []byte, expires time.Time) error {
	_, err := m.Blobs().Put(ctx, name, bytes.NewReader(content), medium.PutOptions{Expires: expires})
	return err
}

var expiry = time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)

// fill puts some of everything on a medium.
func fill(ctx context.Context, m medium.Medium) error {
	for _, name := range []string{"n1/events", "n1", "n2/metrics"} {
		j, err := m.Journals().Open(ctx, name, medium.JournalOptions{})
		if err != nil {
			return err
		}
		for i := range 20 {
			if _, err := j.Append(ctx, noise(uint64(i), i*37)); err != nil {
				return err
			}
		}
		if name == "n1" {
			if err := j.Truncate(ctx, 15); err != nil {
				return err
			}
		}
		if err := j.Close(); err != nil {
			return err
		}
	}
	empty, err := m.Journals().Open(ctx, "empty", medium.JournalOptions{Next: 1000})
	if err != nil {
		return err
	}
	if err := empty.Close(); err != nil {
		return err
	}
	for _, kind := range []string{"dashboard", "block/2026-11-22", "block"} {
		for i := range 5 {
			value := fmt.Sprintf(`{"i": %d, "html": "<b>&", "text": "ü"}`, i)
			if i == 3 {
				value = "[1,\n 2]"
			}
			if _, err := m.Documents().Put(ctx, kind, fmt.Sprintf("key %d/ü", i), []byte(value), medium.Absent); err != nil {
				return err
			}
		}
	}
	for i, name := range []string{"t/a", "t/a/b", "t/a-b", "t/ab", "empty", "u/large"} {
		size := i * 1000
		if name == "empty" {
			size = 0
		}
		if name == "u/large" {
			size = 300_000
		}
		expires := time.Time{}
		if i%2 == 1 {
			expires = expiry
		}
		if err := put(ctx, m, name, noise(uint64(i), size), expires); err != nil {
			return err
		}
	}
	return nil
}

// short is a text that tells contents apart.
func short(b []byte) string {
	if len(b) < 100 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b))
}

// content is all that is on a medium, for comparing: a line for each thing.
func content(t testing.TB, m medium.Medium) []string {
	t.Helper()
	ctx := t.Context()
	var all []string
	infos, err := m.Journals().List(ctx)
	check(t, err)
	for _, info := range infos {
		all = append(all, fmt.Sprintf("journal %s next %d", info.Name, info.Next))
		damage, err := m.Journals().Replay(ctx, info.Name, 0, func(at medium.Position, e []byte) error {
			all = append(all, fmt.Sprintf("journal %s entry %d %s", info.Name, at, short(e)))
			return nil
		})
		check(t, err)
		if len(damage) > 0 {
			t.Errorf("journal %s: %+v", info.Name, damage)
		}
	}
	kinds, err := m.Documents().Kinds(ctx)
	check(t, err)
	for _, kind := range kinds {
		for d, err := range m.Documents().List(ctx, kind, "") {
			check(t, err)
			all = append(all, fmt.Sprintf("document %s %q %s", kind, d.Key, short(d.Value)))
		}
	}
	for info, err := range m.Blobs().List(ctx, "") {
		check(t, err)
		b, err := m.Blobs().Open(ctx, info.Name)
		check(t, err)
		data, err := b.Range(ctx, 0, b.Size())
		check(t, err)
		all = append(all, fmt.Sprintf("blob %s %d %s %s", info.Name, info.Size, info.Expires.UTC(), short(data)))
		check(t, b.Close())
	}
	return all
}

func wantSame(t testing.TB, got, want medium.Medium) {
	t.Helper()
	g, w := content(t, got), content(t, want)
	if slices.Equal(g, w) {
		return
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			t.Errorf("should not be there: %.200s", line)
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			t.Errorf("is missing: %.200s", line)
		}
	}
}

// filled returns a medium with some of everything, and its file system.
func filled(t testing.TB) (medium.Medium, *vfs.Mem) {
	t.Helper()
	mem := vfs.NewMem()
	m := mustOpen(t, mem)
	check(t, fill(t.Context(), m))
	return m, mem
}

func TestCopyCopiesEverything(t *testing.T) {
	from, _ := filled(t)
	to := mustOpen(t, vfs.NewMem())
	var phases []string
	report, err := Copy(t.Context(), from, to, Options{Check: true, Progress: func(p Progress) {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	}})
	check(t, err)
	wantSame(t, to, from)
	if c := report.Copied; c.Journals != 4 || c.Documents != 15 || c.Blobs != 6 || c.Entries < 40 || c.Bytes < 300_000 {
		t.Errorf("copied %+v", c)
	}
	if want := []string{"counting", "journals", "documents", "blobs", "comparing"}; !slices.Equal(phases, want) {
		t.Errorf("phases %q, want %q", phases, want)
	}
	check(t, Unfinished(t.Context(), to))

	again, err := Copy(t.Context(), from, to, Options{})
	check(t, err)
	if again.Copied != (Counts{}) || again.Skipped != report.Copied {
		t.Errorf("the second time it copied %+v and skipped %+v, want nothing and %+v", again.Copied, again.Skipped, report.Copied)
	}
	wantSame(t, to, from)
}

func TestCopyOfWhatHasGrown(t *testing.T) {
	from, _ := filled(t)
	to := mustOpen(t, vfs.NewMem())
	_, err := Copy(t.Context(), from, to, Options{})
	check(t, err)
	j, err := from.Journals().Open(t.Context(), "n1/events", medium.JournalOptions{})
	check(t, err)
	for i := range 30 {
		_, err := j.Append(t.Context(), noise(uint64(i), 500))
		check(t, err)
	}
	check(t, j.Truncate(t.Context(), 18))
	check(t, j.Close())
	check(t, put(t.Context(), from, "new", []byte("x"), time.Time{}))
	_, err = from.Documents().Put(t.Context(), "dashboard", "new", []byte("1"), medium.Absent)
	check(t, err)
	report, err := Copy(t.Context(), from, to, Options{Check: true})
	check(t, err)
	if want := (Counts{Journals: 1, Entries: 30, Documents: 1, Blobs: 1, Bytes: 30*500 + 2}); report.Copied != want {
		t.Errorf("copied %+v, want %+v", report.Copied, want)
	}
}

func TestCopyKeepsPositionsForWhoAppendsNext(t *testing.T) {
	from, _ := filled(t)
	to := mustOpen(t, vfs.NewMem())
	_, err := Copy(t.Context(), from, to, Options{})
	check(t, err)
	f := func(name string, want medium.Position) {
		t.Helper()
		for _, m := range []medium.Medium{from, to} {
			j, err := m.Journals().Open(t.Context(), name, medium.JournalOptions{})
			check(t, err)
			if at, err := j.Append(t.Context(), nil); err != nil || at < want {
				t.Errorf("journal %s: position %d, %v; want at least %d", name, at, err, want)
			}
			check(t, j.Close())
		}
	}
	f("empty", 1000)
	f("n1", 21)
}

func TestCopyReportsConflicts(t *testing.T) {
	prepare := func() (from, to medium.Medium) {
		from, _ = filled(t)
		to = mustOpen(t, vfs.NewMem())
		_, err := to.Documents().Put(t.Context(), "dashboard", "key 1/ü", []byte(`"mine"`), medium.Absent)
		check(t, err)
		check(t, put(t.Context(), to, "t/a/b", []byte("mine"), time.Time{}))
		check(t, put(t.Context(), to, "u/large", noise(77, 300_000), time.Time{}))
		j, err := to.Journals().Open(t.Context(), "n1/events", medium.JournalOptions{})
		check(t, err)
		_, err = j.Append(t.Context(), []byte("mine"))
		check(t, err)
		check(t, j.Close())
		return from, to
	}
	names := func(r Report) (names []string) {
		for _, c := range r.Conflicts {
			names = append(names, c.Area+" "+c.Name)
		}
		slices.Sort(names)
		return names
	}
	from, to := prepare()
	report, err := Copy(t.Context(), from, to, Options{})
	wantError(t, err, ErrConflicts, "and 3 more")
	if model.KindOf(err) != model.Conflict {
		t.Errorf("kind %s", model.KindOf(err))
	}
	want := []string{"blob t/a/b", "blob u/large", "document dashboard/key 1/ü", "journal n1/events"}
	if got := names(report); !slices.Equal(got, want) || report.ConflictsTotal != 4 {
		t.Errorf("conflicts %q, want %q", got, want)
	}
	if report.Copied.Blobs != 4 || report.Copied.Documents != 14 || report.Copied.Journals != 3 {
		t.Errorf("the rest: copied %+v", report.Copied)
	}
	d, err := to.Documents().Get(t.Context(), "dashboard", "key 1/ü")
	if err != nil || string(d.Value) != `"mine"` {
		t.Errorf("the document is %q, %v", d.Value, err)
	}
	report, err = Copy(t.Context(), from, to, Options{Check: true})
	wantError(t, err, ErrDifferent, "")
	if report.DifferencesTotal != 4 {
		t.Errorf("differences %+v", report.Differences)
	}
	report, err = Copy(t.Context(), from, to, Options{Overwrite: true})
	wantError(t, err, ErrConflicts, `journal "n1/events"`)
	if report.ConflictsTotal != 1 || report.Copied.Blobs != 2 || report.Copied.Documents != 1 {
		t.Errorf("overwriting: conflicts %+v, copied %+v", report.Conflicts, report.Copied)
	}
	check(t, to.Journals().Delete(t.Context(), "n1/events"))
	_, err = Copy(t.Context(), from, to, Options{Check: true})
	check(t, err)
	wantSame(t, to, from)
}

func TestCheckFindsWhatIsMissing(t *testing.T) {
	from, _ := filled(t)
	to := mustOpen(t, vfs.NewMem())
	_, err := Copy(t.Context(), from, to, Options{})
	check(t, err)
	check(t, to.Blobs().Delete(t.Context(), "t/a"))
	check(t, to.Journals().Delete(t.Context(), "n2/metrics"))
	d, err := to.Documents().Get(t.Context(), "block", "key 2/ü")
	check(t, err)
	check(t, to.Documents().Delete(t.Context(), "block", d.Key, d.Version))
	c := &copier{job: newJob(nil), from: from, o: Options{Parallel: 1}, broken: &sync.Map{}}
	check(t, c.compare(t.Context(), to))
	if c.report.DifferencesTotal != 3 {
		t.Errorf("differences %+v", c.report.Differences)
	}
}

// TestCopyIsResumedAfterEveryStep cuts the destination's power after each of its operations, and copies again.
func TestCopyIsResumedAfterEveryStep(t *testing.T) {
	from, _ := filled(t)
	copyTo := func(m *vfs.Mem) error {
		to, err := openLocal(m)
		if err != nil {
			return err
		}
		_, err = Copy(t.Context(), from, to, Options{Parallel: 1})
		return errors.Join(err, to.Close())
	}
	whole := vfs.NewMem()
	check(t, copyTo(whole))
	total := whole.Operations()
	step := 1
	if testing.Short() {
		step = 17
	}
	unfinished := 0
	for i := 0; i < total; i += step {
		m := vfs.NewMem()
		m.StopAfter(i)
		interrupted := copyTo(m)
		for _, disk := range []*vfs.Mem{m.Crash(uint64(i)), m.Kill()} {
			to, err := openLocal(disk)
			check(t, err)
			if err := Unfinished(t.Context(), to); errors.Is(err, ErrUnfinished) {
				unfinished++
			} else if err != nil {
				t.Fatal(err)
			} else if interrupted != nil {
				started := content(t, to)
				if len(started) > 0 && !slices.Equal(started, content(t, from)) {
					t.Fatalf("after %d operations it holds a part, and does not say so", i)
				}
			}
			report, err := Copy(t.Context(), from, to, Options{Check: true})
			if err != nil {
				t.Fatalf("again after %d operations: %v (%+v)", i, err, report)
			}
			wantSame(t, to, from)
			check(t, to.Close())
		}
	}
	t.Logf("%d operations, %d times unfinished", total, unfinished)
	if unfinished == 0 {
		t.Error("it never was unfinished")
	}
}

func TestCopyOfADamagedSource(t *testing.T) {
	from, mem := filled(t)
	check(t, from.Close())
	check(t, vfs.Flip(mem, "/m/blob/u/large@blob", 70_000*8))
	check(t, vfs.Flip(mem, "/m/blob/t/ab@blob", 3005*8)) // the table
	check(t, vfs.Flip(mem, "/m/journal/n2/metrics/00000000000000000001.log", 1500*8))
	from = mustOpen(t, mem)
	to := mustOpen(t, vfs.NewMem())
	report, err := Copy(t.Context(), from, to, Options{Check: true})
	wantError(t, err, ErrDamaged, "and 2 more")
	if model.KindOf(err) != model.Corrupt || report.DamagedTotal != 3 || report.DifferencesTotal != 0 {
		t.Errorf("kind %s, report %+v", model.KindOf(err), report)
	}
	if report.Copied.Blobs != 4 || report.Copied.Journals != 4 || report.Copied.Documents != 15 {
		t.Errorf("copied %+v", report.Copied)
	}
	check(t, Unfinished(t.Context(), to))
	if _, err := to.Blobs().Open(t.Context(), "u/large"); !errors.Is(err, medium.ErrNotFound) {
		t.Errorf("a damaged blob was copied: %v", err)
	}
}

func TestCopyLeavesOutWhatHasExpired(t *testing.T) {
	from, to := mustOpen(t, vfs.NewMem()), mustOpen(t, vfs.NewMem())
	check(t, put(t.Context(), from, "old", []byte("x"), time.Now().Add(-time.Hour)))
	check(t, put(t.Context(), from, "new", []byte("x"), time.Now().Add(time.Hour)))
	report, err := Copy(t.Context(), from, to, Options{})
	check(t, err)
	if report.Expired != 1 || report.Copied.Blobs != 1 {
		t.Errorf("report %+v", report)
	}
}

func TestCopyNeedsAWholeSourceAndAFreeDestination(t *testing.T) {
	from, _ := filled(t)
	half := mustOpen(t, vfs.NewMem())
	_, err := begin(t.Context(), half, "restore", "abc")
	check(t, err)
	_, err = Copy(t.Context(), half, mustOpen(t, vfs.NewMem()), Options{})
	wantError(t, err, ErrUnfinished, "the source is not whole")
	_, err = Copy(t.Context(), from, half, Options{})
	wantError(t, err, ErrUnfinished, "with the same archive (abc)")
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	_, err = Copy(ctx, from, mustOpen(t, vfs.NewMem()), Options{Progress: func(Progress) { cancel(cause) }})
	wantError(t, err, cause, "")
}

func TestReportIsJSON(t *testing.T) {
	b, err := json.Marshal(Report{Copied: Counts{Blobs: 1}, Damaged: []medium.Finding{{Area: "blob", Name: "x"}}, DamagedTotal: 1})
	if err != nil || !strings.Contains(string(b), `"damaged":[{"area":"blob","name":"x"`) {
		t.Errorf("%s, %v", b, err)
	}
}
