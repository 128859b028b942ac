package block

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

var ctx = context.Background()

func openMedium(t *testing.T) medium.Medium {
	t.Helper()
	m, err := local.Open(local.Options{FS: vfs.NewMem(), Dir: "/m"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func openCatalogue(t *testing.T, m medium.Medium) *Catalogue {
	t.Helper()
	c, err := Open(ctx, Options{Engine: "test"}, m, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var day = Partition{"tenant", "2026-01-02"}

// write writes the blob of a block.
func write(t *testing.T, c *Catalogue, text string) Entry {
	t.Helper()
	e := Entry{ID: NewID(time.Now()), Min: 10, Max: 20, Records: 1, Node: "local"}
	var err error
	if e.Bytes, err = c.Write(ctx, day, e.ID, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return e
}

func add(t *testing.T, c *Catalogue, text string) Entry {
	t.Helper()
	e := write(t, c, text)
	if err := c.Add(ctx, day, []Entry{e}, nil); err != nil {
		t.Fatal(err)
	}
	return e
}

// contents returns what the blocks that a snapshot has hold.
func contents(t *testing.T, c *Catalogue) (out []string) {
	t.Helper()
	for _, b := range c.Snapshot(day.Tenant, 0, 100, nil) {
		out = append(out, content(t, b))
		b.Release()
	}
	slices.Sort(out)
	return out
}

func content(t *testing.T, b *Block) string {
	t.Helper()
	n, err := b.Size(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := b.Range(ctx, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes)
}

func wantContents(t *testing.T, c *Catalogue, want ...string) {
	t.Helper()
	if got := contents(t, c); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func blobs(t *testing.T, m medium.Medium) (n int) {
	t.Helper()
	for _, err := range m.Blobs().List(ctx, "test/") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestLife(t *testing.T) {
	m := openMedium(t)
	c := openCatalogue(t, m)
	written := write(t, c, "a")
	wantContents(t, c) // a blob is no block
	switched := false
	if err := c.Add(ctx, day, []Entry{written}, func() { switched = true }); err != nil || !switched {
		t.Fatal(err, switched)
	}
	b := add(t, c, "b")
	wantContents(t, c, "a", "b")
	wantContents(t, openCatalogue(t, m), "a", "b")
	if got := c.Snapshot(day.Tenant, 21, 100, nil); len(got) != 0 {
		t.Errorf("%d blocks outside of their time", len(got))
	}
	held := c.Acquire(day, written.ID)
	merged := write(t, c, "ab")
	if err := c.Replace(ctx, day, []string{written.ID, b.ID}, merged); err != nil {
		t.Fatal(err)
	}
	wantContents(t, c, "ab")
	later := time.Now().Add(time.Hour)
	c.DeleteReplaced(ctx, later)
	if got := content(t, held[0]); got != "a" {
		t.Errorf("a block that is read while it is replaced has %q", got)
	}
	if n := blobs(t, m); n != 2 {
		t.Errorf("%d blobs, want the new one and the one that is read", n)
	}
	held[0].Release()
	c.DeleteReplaced(ctx, later)
	if n := blobs(t, m); n != 1 {
		t.Errorf("%d blobs, want 1", n)
	}
	if err := c.Replace(ctx, day, []string{merged.ID}); err != nil {
		t.Fatal(err)
	}
	c.DeleteReplaced(ctx, later)
	if n := blobs(t, m); n != 0 || len(c.Partitions("")) != 0 {
		t.Errorf("%d blobs, days %v after everything was deleted", n, c.Partitions(""))
	}
	if d, err := m.Documents().Get(ctx, c.kind(day.Tenant), day.Day); !errors.Is(err, medium.ErrNotFound) {
		t.Errorf("the day's document is still there: %s, %v", d.Value, err)
	}
}

// TestTwoNodes merges on one node what another has merged already.
func TestTwoNodes(t *testing.T) {
	m := openMedium(t)
	one := openCatalogue(t, m)
	x, y := add(t, one, "x"), add(t, one, "y")
	two := openCatalogue(t, m)
	late := write(t, two, "late")
	if err := one.Replace(ctx, day, []string{x.ID, y.ID}, write(t, one, "xy")); err != nil {
		t.Fatal(err)
	}
	if err := two.Replace(ctx, day, []string{x.ID, y.ID}, late); !errors.Is(err, ErrReplaced) {
		t.Fatalf("the second merge of the same blocks: %v", err)
	}
	two.Abandon(ctx, day, late.ID)
	if err := two.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	wantContents(t, two, "xy")
}

func TestOrphans(t *testing.T) {
	m := openMedium(t)
	c := openCatalogue(t, m)
	add(t, c, "kept")
	write(t, c, "writing")
	after := openCatalogue(t, m) // as after a restart: nobody is writing any more
	f := func(c *Catalogue, at time.Time, want int) {
		t.Helper()
		if err := c.DeleteOrphans(ctx, at); err != nil {
			t.Fatal(err)
		}
		if n := blobs(t, m); n != want {
			t.Errorf("%d blobs are left, want %d", n, want)
		}
	}
	f(c, time.Now().Add(24*time.Hour), 2)
	f(after, time.Now(), 2)
	f(after, time.Now().Add(24*time.Hour), 1)
	wantContents(t, after, "kept")
}

func TestMissingBlob(t *testing.T) {
	m := openMedium(t)
	c := openCatalogue(t, m)
	e := add(t, c, "a")
	if err := m.Blobs().Delete(ctx, c.blobName(day, e.ID)); err != nil {
		t.Fatal(err)
	}
	b := openCatalogue(t, m).Acquire(day, e.ID)[0]
	defer b.Release()
	if _, err := b.Size(ctx); !errors.Is(err, medium.ErrCorrupt) || !strings.Contains(err.Error(), e.ID) {
		t.Errorf("a missing blob is %v", err)
	}
}

// TestOpenBounded reads more blocks than blobs may stay open.
func TestOpenBounded(t *testing.T) {
	m := openMedium(t)
	c, err := Open(ctx, Options{Engine: "test", MaxOpen: 3}, m, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 8 {
		want = append(want, fmt.Sprint(i))
		add(t, c, want[i])
	}
	for range 2 {
		wantContents(t, c, want...)
		if n := c.open.count(); n > 3 {
			t.Errorf("%d blobs stay open", n)
		}
	}
}

func TestBadManifests(t *testing.T) {
	id := NewID(time.Now())
	f := func(text string, corrupt bool) {
		t.Helper()
		_, err := decodeManifest([]byte(text))
		if (err != nil) != corrupt || err != nil && model.KindOf(err) != model.Corrupt {
			t.Errorf("%s: %v, corrupt: %v", text, err, corrupt)
		}
	}
	entry := func(more string) string { return `{"id":"` + id + `","min":1,"max":2` + more + `}` }
	f(`{"v":1,"blocks":[`+entry("")+`]}`, false)
	f(`{"v":1,"blocks":[`+entry("")+`,`+entry("")+`]}`, true)
	f(`{"v":2}`, true)
	f(`{"v":1,"blocks":[`+entry(`,"records":-1`)+`]}`, true)
	f(`{"v":1,"blocks":[{"id":"../../etc","min":1,"max":2}]}`, true)
	f(`{`, true)
}

// TestDamagedDay opens a catalogue of which one day cannot be read.
func TestDamagedDay(t *testing.T) {
	m := openMedium(t)
	c := openCatalogue(t, m)
	add(t, c, "a")
	if _, err := m.Documents().Put(ctx, c.kind(day.Tenant), "2026-01-03", []byte(`{"v":1,"blocks":7}`), medium.Absent); err != nil {
		t.Fatal(err)
	}
	wantContents(t, openCatalogue(t, m), "a")
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"v":1,"blocks":[{"id":"` + NewID(time.UnixMilli(1)) + `","min":1,"max":2,"covers":[{"journal":"a","from":1,"to":2}],"applied":["x"]}]}`))
	f.Add([]byte(`{"v":1,"blocks":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeManifest(b)
		if err != nil || len(entries) > maxBlocks {
			return
		}
		value, err := encodeManifest(slices.Clone(entries))
		if err != nil {
			return // too large
		}
		again, err := decodeManifest(value)
		if err != nil || len(again) != len(entries) {
			t.Fatalf("%q becomes %q: %v", b, value, err)
		}
	})
}
