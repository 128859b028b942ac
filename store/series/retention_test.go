package series

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// held returns blocks named by their place in the list, each with an end (hours) and a size.
func held(first byte, endAndSize ...[2]int64) []heldBlock {
	var blocks []heldBlock
	for i, b := range endAndSize {
		blocks = append(blocks, heldBlock{
			id: ulid.ULID{15: first + byte(i)}, maxTime: b[0] * time.Hour.Milliseconds(), size: b[1],
		})
	}
	return blocks
}

func wantDropped(t *testing.T, got map[ulid.ULID]struct{}, want ...byte) {
	t.Helper()
	var ids []byte
	for _, id := range slices.SortedFunc(maps.Keys(got), ulid.ULID.Compare) {
		ids = append(ids, id[15])
	}
	if !slices.Equal(ids, want) {
		t.Errorf("dropped %v, want %v", ids, want)
	}
}

func TestExpiredBlocksCountFromTheNewest(t *testing.T) {
	keep := 10 * time.Hour.Milliseconds()
	wantDropped(t, expired(nil, keep))
	wantDropped(t, expired(held(0, [2]int64{1, 1}), keep)) // the only one stays
	wantDropped(t, expired(held(0, [2]int64{2, 1}, [2]int64{8, 1}, [2]int64{12, 1}), keep), 0)
	wantDropped(t, expired(held(0, [2]int64{3, 1}, [2]int64{12, 1}), keep))
	replaced := held(0, [2]int64{11, 1}, [2]int64{12, 1})
	replaced[0].done = true
	wantDropped(t, expired(replaced, keep), 0)
}

func TestTheOldestBlocksOfAllTenantsGoFirst(t *testing.T) {
	mine := held(0, [2]int64{1, 10}, [2]int64{5, 10}, [2]int64{9, 10})
	others := held(10, [2]int64{3, 10}, [2]int64{7, 10})
	wantDropped(t, overBudget(mine, others, 0, 50))
	wantDropped(t, overBudget(mine, others, 0, 49), 0)
	wantDropped(t, overBudget(mine, others, 0, 30), 0)     // 1 and 3 go: 3 is not mine
	wantDropped(t, overBudget(mine, others, 15, 40), 0, 1) // what is in use counts
	wantDropped(t, overBudget(mine, others, 100, 40), 0, 1, 2)
}

// Two tenants fill blocks of two minutes; the bytes of both stay within the limit, and the time within the retention.
func TestRetentionOfARunningStore(t *testing.T) {
	db := openTest(t, Options{
		BlockDuration: 2 * time.Minute, RetentionTime: 20 * time.Minute, OutOfOrderWindow: -1,
		RetentionBytes: 1, // nothing but the heads fits
	})
	for _, name := range []string{"default", "other"} {
		w := writer(t, db, name)
		for i := range int64(60) {
			mustWrite(t, w, start+i*10_000, float64(i), labels.FromStrings("__name__", "up"))
		}
		tenant := w.(*tenant)
		if err := tenant.tsdb.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(tenant.tsdb.Blocks()); n != 0 {
			t.Errorf("tenant %s keeps %d blocks beyond the size", name, n)
		}
	}

	db = openTest(t, Options{BlockDuration: 2 * time.Minute, RetentionTime: 20 * time.Minute, OutOfOrderWindow: -1})
	w := writer(t, db, "default")
	for i := range int64(240) { // 40 minutes
		mustWrite(t, w, start+i*10_000, float64(i), labels.FromStrings("__name__", "up"))
	}
	tenant := w.(*tenant)
	if err := tenant.tsdb.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := tenant.StartTime()
	if err != nil {
		t.Fatal(err)
	}
	kept := time.Duration(start+239*10_000-first) * time.Millisecond
	if kept < 20*time.Minute || kept > 27*time.Minute {
		t.Errorf("%s are kept, want 20 minutes and the head", kept)
	}
	if got := fmt.Sprint(len(samples(t, w, "up")[`{__name__="up"}`])); got == "240" {
		t.Error("nothing was dropped")
	}
}
