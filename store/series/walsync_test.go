package series

import (
	"fmt"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
)

// syncs returns how many syncs of a segment there were.
func syncs(t *testing.T, m prometheus.Histogram) uint64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetHistogram().GetSampleCount()
}

func TestCommitsWaitForASyncAndShareIt(t *testing.T) {
	db := openTest(t, Options{SyncCommits: true, SyncInterval: -1})
	w := writer(t, db, "default")
	up := labels.FromStrings("__name__", "up")
	mustWrite(t, w, start, 1, up)
	before := syncs(t, db.stats.syncSeconds)
	if before == 0 {
		t.Fatal("Commit returned without a sync")
	}
	mustWrite(t, w, start+1, 1, up)
	if syncs(t, db.stats.syncSeconds) != before+1 {
		t.Error("the second Commit did not sync")
	}
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			if err := write(w, start, 1, labels.FromStrings("__name__", "up", "n", fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if n := syncs(t, db.stats.syncSeconds) - before; n > 25 {
		t.Errorf("%d syncs for 21 commits", n)
	}
	mustWrite(t, w, start-1000, 1, up) // a late sample goes to the other log too
}

func TestSyncSkipsWhatHasNotGrown(t *testing.T) {
	db := openTest(t, Options{SyncInterval: -1})
	w := writer(t, db, "default").(*tenant)
	mustWrite(t, w, start, 1, labels.FromStrings("__name__", "up"))
	w.wal.syncLogged()
	before := syncs(t, db.stats.syncSeconds)
	w.wal.syncLogged()
	if got := syncs(t, db.stats.syncSeconds); got != before {
		t.Errorf("%d syncs of an unchanged log", got-before)
	}
	mustWrite(t, w, start+1, 1, labels.FromStrings("__name__", "up"))
	w.wal.syncLogged()
	if got := syncs(t, db.stats.syncSeconds); got != before+1 {
		t.Errorf("%d syncs of a log that has grown, want 1", got-before)
	}
}
