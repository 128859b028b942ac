package events

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// world is a store beside the plain implementation of the same contract, and what is done to both.
type oracle struct {
	s     *testStore
	plain eventstest.Tenants
	r     *rand.Rand
	lines int
}

const oracleStart = int64(1767268800e9)

// append pushes some records, some of them late, some long ago.
func (o *oracle) append(t *testing.T, tenant string) {
	var streams []model.Stream
	for range 1 + o.r.IntN(4) {
		s := streamOf(fmt.Sprintf("app=a%d,env=e%d", o.r.IntN(4), o.r.IntN(2)))
		for range 1 + o.r.IntN(30) {
			at := oracleStart + o.r.Int64N(3600e9)
			if o.r.IntN(10) == 0 {
				at -= o.r.Int64N(4) * 86400e9
			}
			o.lines++
			r := model.Record{Time: at, Line: fmt.Sprintf("line %d of %d %s", o.lines, o.r.IntN(5), []string{"red", "green", "blue"}[o.r.IntN(3)])}
			if o.r.IntN(2) == 0 {
				r.Fields = []model.Field{{Name: "n", Value: fmt.Sprint(o.r.IntN(100))}, {Name: "trace", Value: fmt.Sprintf("%08x", o.r.Uint32())}}
			}
			s.Records = append(s.Records, r)
		}
		streams = append(streams, s)
	}
	appendTo(t, o.s.tenant(t, tenant), streams...)
	appendTo(t, o.plain.Tenant(tenant), streams...)
}

// deletion hides some records of both. Those that come later must not be in its range: the store does not hide them, once what was
// there is gone.
func (o *oracle) delete(t *testing.T, tenant string) {
	d := store.EventDeletion{Start: oracleStart, End: oracleStart + 1800e9, Created: oracleStart}
	d.Selection.Matchers = []store.DeletionMatcher{{Name: "app", Type: "=", Value: fmt.Sprint("a", o.r.IntN(4))}}
	if o.r.IntN(2) == 0 {
		d.Selection.Filters = []store.DeletionFilter{{Op: "|=", Text: "red"}}
	}
	for _, e := range []store.Events{o.s.tenant(t, tenant), o.plain.Tenant(tenant)} {
		if _, err := e.(store.EventDeleter).DeleteRecords(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
}

func (o *oracle) check(t *testing.T, tenant string) {
	t.Helper()
	var matchers []*labels.Matcher
	if o.r.IntN(2) == 0 {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, "app", fmt.Sprint("a", o.r.IntN(4))))
	}
	got, want := texts(t, o.s.tenant(t, tenant), matchers...), texts(t, o.plain.Tenant(tenant), matchers...)
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%d records, not %d; the first that differs is %d:\n%q\n%q", len(got), len(want), i, at(got, i), at(want, i))
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// TestOracle does many things in random order, and compares with the plain implementation after each.
func TestOracle(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			o := &oracle{r: rand.New(rand.NewPCG(seed, 1))}
			o.s = newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, CutBytes: 20_000, Merge: Merge{Blocks: 2 + int(seed%3)}, DirectoryBytes: 1000})
			for range 60 {
				tenant := []string{"a", "b"}[o.r.IntN(2)]
				switch o.r.IntN(12) {
				case 0, 1:
					o.s.flush(t)
				case 2, 3:
					o.s.flush(t)
					o.s.upkeep(t)
				case 4:
					o.s.close(t)
					o.s.open(t)
				case 5:
					if o.lines > 300 { // nothing is appended to the range of a deletion afterwards
						o.deleteOld(t, tenant)
					}
				default:
					o.append(t, tenant)
				}
				o.check(t, tenant)
			}
			o.delete(t, "a")
			o.check(t, "a")
			o.s.flush(t)
			for range 3 {
				o.s.upkeep(t)
				o.check(t, "a")
			}
			for _, tenant := range []string{"a", "b"} {
				list, err := o.s.tenant(t, tenant).(store.EventDeleter).Deletions(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range list {
					if !d.Done {
						t.Errorf("a deletion is not done: %+v", d)
					}
				}
			}
			if err := o.s.blocks.DeleteOrphans(context.Background(), time.Now().Add(24*time.Hour)); err != nil {
				t.Error(err)
			}
			o.s.blocks.DeleteReplaced(context.Background(), time.Now().Add(24*time.Hour))
			o.check(t, "a")
			o.s.close(t)
			o.s.open(t)
			o.check(t, "a")
			o.check(t, "b")
		})
	}
}

// deleteOld deletes what was appended for another day than those that come.
func (o *oracle) deleteOld(t *testing.T, tenant string) {
	d := store.EventDeletion{Start: oracleStart - 9*86400e9, End: oracleStart - 8*86400e9, Created: oracleStart}
	d.Selection.Matchers = []store.DeletionMatcher{{Name: "app", Type: "=~", Value: "a.*"}}
	old := streamOf("app=a1", model.Record{Time: d.Start + o.r.Int64N(1e9), Line: "old red"}, model.Record{Time: d.Start + o.r.Int64N(1e9), Line: "old green"})
	appendTo(t, o.s.tenant(t, tenant), old)
	appendTo(t, o.plain.Tenant(tenant), old)
	d.Selection.Filters = []store.DeletionFilter{{Op: "!=", Text: "green"}}
	for _, e := range []store.Events{o.s.tenant(t, tenant), o.plain.Tenant(tenant)} {
		if _, err := e.(store.EventDeleter).DeleteRecords(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
}
