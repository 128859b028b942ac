package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// upkeepAt is upkeep at another time.
func (s *testStore) upkeepAt(t *testing.T, at time.Time) {
	t.Helper()
	if err := s.Upkeep(context.Background(), at); err != nil {
		t.Fatal(err)
	}
}

// manyRows is a stream with so many records that they make groups of their own.
func manyRows(app string, from int64, n int) model.Stream {
	s := streamOf("app=" + app)
	for i := range n {
		s.Records = append(s.Records, model.Record{Time: from + int64(i)*1e6, Line: fmt.Sprintf("%s line %d of %d", app, i, from)})
	}
	return s
}

// TestMerge merges blocks of full groups, which are copied, and of small ones, which are encoded anew.
func TestMerge(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, Merge: Merge{Blocks: 3}})
	for round := range 3 {
		from := int64(round) * 60e9
		appendTo(t, s.tenant(t, "a"), manyRows("big", from, rowgroup.MaxRows+100), manyRows("small", from, 10), manyRows("other", from, 7))
		s.flush(t)
	}
	want := texts(t, s.tenant(t, "a"))
	if n := len(entries(s, "a")); n != 3 {
		t.Fatalf("%d blocks, want 3", n)
	}
	s.upkeep(t)
	list := entries(s, "a")
	if len(list) != 1 || list[0].Level != 1 || list[0].Records != int64(len(want)) || len(list[0].Covers) != 0 {
		t.Fatalf("after the merge: %+v", list)
	}
	if got := texts(t, s.tenant(t, "a")); !slices.Equal(got, want) {
		t.Errorf("%d records after the merge, want %d", len(got), len(want))
	}
	s.close(t)
	s.open(t)
	if got := texts(t, s.tenant(t, "a")); !slices.Equal(got, want) {
		t.Errorf("%d records after a restart, want %d", len(got), len(want))
	}
}

// TestMergeBounded encodes what a merge has in memory before there is too much of it.
func TestMergeBounded(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	m, err := newMerger(s.Store, nil)
	if err != nil {
		t.Fatal(err)
	}
	fields := []model.Field{{Name: "app", Value: "x"}}
	m.table.add(s.seed, appendLabels(nil, fields), fields)
	line := strings.Repeat("x", 1<<20)
	for i := range 3 {
		m.take(rowgroup.Rows{Streams: []uint32{0}, Times: []int64{int64(2 - i)}, Lines: []string{line}, Fields: make([][]model.Field, 1)}, 0, 1, 0, 0, nil)
	}
	if m.looseBytes < 3<<20 {
		t.Fatalf("%d bytes are counted", m.looseBytes)
	}
	if err := m.encode(); err != nil {
		t.Fatal(err)
	}
	if m.looseBytes != 0 || len(m.loose) != 0 || len(m.worker.out) == 0 || m.worker.buffer.rows.Len() != 0 {
		t.Errorf("%d bytes, %d pieces, %d groups, %d rows after encoding", m.looseBytes, len(m.loose), len(m.worker.out), m.worker.buffer.rows.Len())
	}
}

// TestMergeDamaged merges a block whose groups are copied and cannot be read: it stays, and is not tried for ever.
func TestMergeDamaged(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, Merge: Merge{Blocks: 2}})
	for round := range 2 {
		appendTo(t, s.tenant(t, "a"), manyRows("x", int64(round)*60e9, 20))
		s.flush(t)
	}
	broken := blockNames(s)[0]
	s.close(t)
	path := findBlob(t, s, broken)
	flip(t, s, path, fileSize(t, s, path)-footerSize)
	s.openQuiet(t)
	s.upkeep(t)
	for _, e := range entries(s, "a") {
		if e.ID == broken != (e.Broken != "") {
			t.Errorf("%+v", e)
		}
	}
	if n := len(texts(t, s.tenant(t, "a"))); n != 20 {
		t.Errorf("%d records are found beside the broken block, want 20", n)
	}
	s.upkeep(t)
}

func TestRetention(t *testing.T) {
	at := time.Now()
	day := func(n int) int64 { return at.Add(time.Duration(n) * 24 * time.Hour).UnixNano() }
	f := func(name string, r Retention, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			for i, tenant := range []string{"a", "b"} {
				for n := -5; n <= 0; n++ {
					appendTo(t, s.tenant(t, tenant), streamOf("app=x", model.Record{Time: day(n), Line: fmt.Sprint(n)}), streamOf("app=debug", model.Record{Time: day(n), Line: fmt.Sprint(n)}))
					if i == 0 {
						s.flush(t)
					}
				}
				s.flush(t)
			}
			s.close(t)
			s.o.Retention = r
			s.open(t)
			s.upkeepAt(t, at.Add(time.Second))
			var got []string
			for _, tenant := range []string{"a", "b"} {
				for _, app := range []string{"debug", "x"} {
					n := len(texts(t, s.tenant(t, tenant), labels.MustNewMatcher(labels.MatchEqual, "app", app)))
					got = append(got, fmt.Sprintf("%s/%s:%d", tenant, app, n))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			s.upkeepAt(t, at.Add(time.Second)) // and nothing more
			if n := len(texts(t, s.tenant(t, "a"))) + len(texts(t, s.tenant(t, "b"))); fmt.Sprint(n) != fmt.Sprint(sumOf(got)) {
				t.Errorf("%d records after the second time, %d after the first", n, sumOf(got))
			}
		})
	}
	f("for ever", Retention{}, "a/debug:6", "a/x:6", "b/debug:6", "b/x:6")
	f("time", Retention{Time: 60 * time.Hour}, "a/debug:3", "a/x:3", "b/debug:3", "b/x:3")
	f("tenant", Retention{Time: 60 * time.Hour, Tenants: map[string]time.Duration{"b": 0}}, "a/debug:3", "a/x:3", "b/debug:6", "b/x:6")
	f("stream", Retention{Streams: []StreamRetention{{[]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "app", "debug")}, 36 * time.Hour}}},
		"a/debug:2", "a/x:6", "b/debug:2", "b/x:6")
	f("size", Retention{Size: 1}, "a/debug:0", "a/x:0", "b/debug:0", "b/x:0")
}

func sumOf(list []string) (sum int) {
	for _, x := range list {
		var n int
		_, _ = fmt.Sscan(x[strings.Index(x, ":")+1:], &n)
		sum += n
	}
	return sum
}

// TestDeletion hides at once, and leaves nothing once blocks were written anew.
func TestDeletion(t *testing.T) {
	ctx := context.Background()
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	e := s.tenant(t, "a")
	appendTo(t, e, streamOf("app=x", model.Record{Time: 1, Line: "secret one"}, model.Record{Time: 2, Line: "plain"}), streamOf("app=y", model.Record{Time: 1, Line: "secret two"}))
	s.flush(t)
	appendTo(t, e, streamOf("app=x", model.Record{Time: 3, Line: "secret three"}))
	d := e.(store.EventDeleter)
	x := store.EventDeletion{Start: 0, End: 10, Created: time.Now().UnixNano()}
	x.Selection.Matchers = []store.DeletionMatcher{{Name: "app", Type: "=", Value: "x"}}
	x.Selection.Filters = []store.DeletionFilter{{Op: "|=", Text: "secret"}}
	x, err := d.DeleteRecords(ctx, x)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{app="x"} 2 "plain" {}`, `{app="y"} 1 "secret two" {}`}
	for _, step := range []func(){func() {}, func() { s.close(t); s.open(t) }, func() { s.flush(t) }, func() { s.upkeep(t) }, func() { s.upkeep(t) }} {
		step()
		if got := texts(t, s.tenant(t, "a")); !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	d = s.tenant(t, "a").(store.EventDeleter)
	list, err := d.Deletions(ctx)
	if err != nil || len(list) != 1 || !list[0].Done {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := d.CancelDeletion(ctx, x.ID); model.KindOf(err) != model.Conflict {
		t.Errorf("cancelling what is done: %v", err)
	}
	records := int64(0)
	for _, e := range entries(s, "a") {
		records += e.Records
		if len(e.Applied) > 0 {
			t.Errorf("the catalogue still names a deletion that is done: %+v", e)
		}
	}
	if records != 2 {
		t.Errorf("%d records in blocks, want 2", records)
	}
}

func TestCancelDeletion(t *testing.T) {
	ctx := context.Background()
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	e := s.tenant(t, "a")
	appendTo(t, e, streamOf("app=x", model.Record{Time: 1, Line: "x"}))
	x, err := e.(store.EventDeleter).DeleteRecords(ctx, store.EventDeletion{Start: 0, End: 10, Created: 1})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(texts(t, e)); n != 0 {
		t.Errorf("%d records are seen", n)
	}
	if err := e.(store.EventDeleter).CancelDeletion(ctx, x.ID); err != nil {
		t.Fatal(err)
	}
	if n := len(texts(t, e)); n != 1 {
		t.Errorf("%d records are seen after it was cancelled", n)
	}
	if err := e.(store.EventDeleter).CancelDeletion(ctx, "nothing"); model.KindOf(err) != model.NotFound {
		t.Error(err)
	}
}

// TestFullDisk fills the disk: appends are refused, reads go on, and once there is room everything goes on without loss.
func TestFullDisk(t *testing.T) {
	disk := vfs.NewMem()
	s := &testStore{o: Options{Limits: Limits{RejectNewer: -1}, AppendTimeout: 50 * time.Millisecond}, fs: disk, dir: "/medium"}
	s.openQuiet(t)
	t.Cleanup(func() { s.close(t) })
	var want []string
	n := 0
	push := func() error {
		n++
		line := fmt.Sprintf("%d %s", n, strings.Repeat("x", 1000))
		_, err := s.tenant(t, "a").AppendRecords(context.Background(), []model.Stream{streamOf("app=x", model.Record{Time: int64(n), Line: line})})
		if err == nil {
			want = append(want, fmt.Sprintf(`{app="x"} %d %q {}`, n, line))
			slices.Sort(want)
		}
		return err
	}
	same := func(when string) {
		t.Helper()
		if got := texts(t, s.tenant(t, "a")); !slices.Equal(got, want) {
			t.Fatalf("%s: %d records, want %d", when, len(got), len(want))
		}
	}
	for range 10 {
		if err := push(); err != nil {
			t.Fatal(err)
		}
	}
	disk.SetCapacity(disk.Used() + 100)
	var err error
	for err == nil { // what is preallocated is used up first
		for range 100 {
			if err = push(); err != nil {
				break
			}
		}
		if len(want) > 200_000 {
			t.Fatal("the disk is never full")
		}
	}
	if !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("a full disk is %v", err)
	}
	same("full")
	if err := s.Flush(context.Background()); !errors.Is(err, medium.ErrNoSpace) {
		t.Errorf("cutting on a full disk is %v", err)
	}
	same("full, after a cut was tried")
	disk.SetCapacity(0)
	if err := push(); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	s.flush(t)
	same("with room again")
	s.close(t)
	s.openQuiet(t)
	same("opened again")
}

// gatedMedium writes no blob while the gate is closed.
type gatedMedium struct {
	medium.Medium
	gate chan struct{}
}

func (m gatedMedium) Blobs() medium.Blobs { return gatedBlobs{m.Medium.Blobs(), m.gate} }

type gatedBlobs struct {
	medium.Blobs
	gate chan struct{}
}

func (b gatedBlobs) Put(ctx context.Context, name string, content io.Reader, o medium.PutOptions) (medium.BlobInfo, error) {
	select {
	case <-b.gate:
	case <-ctx.Done():
		return medium.BlobInfo{}, context.Cause(ctx)
	}
	return b.Blobs.Put(ctx, name, content, o)
}

// TestBusy appends while blocks cannot be written: memory stays bounded, the appender is told to come again, and then nothing is missing.
func TestBusy(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, CutBytes: 10_000, AppendTimeout: 20 * time.Millisecond})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	s.openOver(t, gatedMedium{s.medium, gate}, slog.New(slog.DiscardHandler))
	e := s.tenant(t, "a")
	var err error
	pushed := 0
	for ; err == nil && pushed < 1000; pushed++ {
		_, err = e.AppendRecords(context.Background(), []model.Stream{manyRows("x", int64(pushed)*60e9, rowgroup.MaxRows)})
	}
	if !errors.Is(err, store.ErrBusy) {
		t.Fatalf("after %d pushes: %v, want ErrBusy", pushed, err)
	}
	taken := pushed - 1
	if n := s.encodedBytes(); n > 100*s.o.CutBytes {
		t.Errorf("%d bytes wait in memory", n)
	}
	close(gate)
	for deadline := time.Now().Add(time.Minute); ; {
		_, err = e.AppendRecords(context.Background(), []model.Stream{streamOf("app=last", model.Record{Time: 1, Line: "x"})})
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrBusy) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	s.flush(t)
	if got, want := len(texts(t, e)), taken*rowgroup.MaxRows+1; got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

func TestDuplicates(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, DropDuplicates: true})
	e := s.tenant(t, "a")
	push := streamOf("app=x", model.Record{Time: 1, Line: "one"}, model.Record{Time: 1, Line: "two"})
	appendTo(t, e, push)
	refused, err := e.AppendRecords(context.Background(), []model.Stream{push})
	if err != nil || len(refused) != 1 || refused[0].Reason != model.Duplicate || refused[0].Count != 2 {
		t.Errorf("the second time: %+v, %v", refused, err)
	}
	appendTo(t, e, streamOf("app=y", push.Records...)) // another stream
	if n := len(texts(t, e)); n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

func TestRefusals(t *testing.T) {
	ahead := time.Now().Add(2 * time.Hour).UnixNano()
	f := func(l Limits, in model.Stream, want model.RefusalReason) {
		t.Helper()
		s := newTestStore(t, Options{Limits: l, Retention: Retention{Time: 24 * time.Hour}})
		refused, err := s.tenant(t, "a").AppendRecords(context.Background(), []model.Stream{in})
		if err != nil {
			t.Fatal(err)
		}
		got := model.RefusalReason("")
		if len(refused) > 0 {
			got = refused[0].Reason
		}
		if got != want || want != "" && (refused[0].Count != len(in.Records) || refused[0].Text == "") {
			t.Errorf("%+v, want %q", refused, want)
		}
	}
	at := time.Now().UnixNano()
	r := model.Record{Time: at, Line: "0123456789", Fields: []model.Field{{Name: "a", Value: "b"}, {Name: "c", Value: "d"}}}
	f(Limits{}, streamOf("app=x", r), "")
	f(Limits{MaxLineBytes: 9}, streamOf("app=x", r), model.LineTooLong)
	f(Limits{MaxLabels: 1}, streamOf("app=x,env=y", r), model.TooManyLabels)
	f(Limits{MaxFields: 1}, streamOf("app=x", r), model.TooManyFields)
	f(Limits{}, streamOf("app=x", model.Record{Time: ahead}), model.TooFarAhead)
	f(Limits{}, streamOf("app=x", model.Record{Time: at - 48*3600e9}), model.TooOld)
	f(Limits{}, streamOf("app=x", model.Record{Time: at, Fields: []model.Field{{Name: "b", Value: "1"}, {Name: "a", Value: "1"}}}), model.BadLabels)
}

// TestFullDiskRetention deletes old blocks although there is no room left: it is how room comes back.
func TestFullDiskRetention(t *testing.T) {
	disk := vfs.NewMem()
	s := &testStore{o: Options{Limits: Limits{RejectNewer: -1}, Retention: Retention{Size: 1}}, fs: disk, dir: "/medium"}
	s.openQuiet(t)
	t.Cleanup(func() { s.close(t) })
	for round := range 3 {
		appendTo(t, s.tenant(t, "a"), manyRows("x", int64(round)*dayLength, 2000))
		s.flush(t)
	}
	disk.SetCapacity(disk.Used())
	before := disk.Used()
	s.upkeep(t)
	s.blocks.DeleteReplaced(context.Background(), time.Now().Add(time.Hour))
	if after := disk.Used(); after >= before {
		t.Errorf("%d bytes are used, %d before", after, before)
	}
	if n := len(entries(s, "a")); n != 0 {
		t.Errorf("%d blocks are left", n)
	}
}
