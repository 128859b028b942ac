package series

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
)

// copyOf returns a folder as a killed process would leave dir now.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestLateSamplesSurviveUncleanEnds(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir})
	// Each life has series of its own, whose chunks are fewer bytes than the buffer in front of their file (256 KiB),
	// so that what a life replays of the ones before reaches the file in part.
	const perLife, n = 200, 100
	for life := range 4 {
		var series []labels.Labels
		for i := range perLife {
			series = append(series, labels.FromStrings("__name__", "late", "n", fmt.Sprint(i), "life", fmt.Sprint(life)))
		}
		for i := range int64(n) {
			mustWrite(t, writer(t, db, "default"), start-i*1000, float64(i)+0.123456789*float64(i*i), series...)
		}
		dir = copyOf(t, dir)
		db = openTest(t, Options{Dir: dir})
		missing := perLife * n * (life + 1)
		for _, got := range samples(t, reader(t, db, "default"), "late") {
			missing -= len(got)
		}
		if missing != 0 {
			t.Fatalf("after %d unclean ends %d of %d samples are missing", life+1, missing, perLife*n*(life+1))
		}
	}
	mustClose(t, db)
	db = openTest(t, Options{Dir: dir})
	if got := samples(t, reader(t, db, "default"), "late"); len(got) != 4*perLife {
		t.Errorf("after a clean end there are %d series, want %d", len(got), 4*perLife)
	}
}

// A log that is damaged is cut at the damage: the store opens, says so, and works.
func TestCorruptLogsAreCutAndReported(t *testing.T) {
	f := func(log string, min, max int, late bool) {
		t.Helper()
		dir := t.TempDir()
		db := openTest(t, Options{Dir: dir})
		w := writer(t, db, "default")
		up := labels.FromStrings("__name__", "up")
		mustWrite(t, w, start, 0, up)
		for i := range int64(3000) {
			at := start + i
			if late {
				at = start - i*100
			}
			mustWrite(t, w, at, float64(i)*1.37, up)
		}
		dir = copyOf(t, dir)
		name := filepath.Join(dir, "default", log, "00000000")
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		copy(raw[len(raw)/2:], "damaged damaged damaged")
		if err := os.WriteFile(name, raw, 0o640); err != nil {
			t.Fatal(err)
		}
		reg := prometheus.NewRegistry()
		db, err = Open(Options{Dir: dir}, slog.New(slog.DiscardHandler), reg)
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, db)
		if got := len(samples(t, reader(t, db, "default"), "up")[up.String()]); got < min || got > max {
			t.Errorf("%s: %d samples are left, want %d to %d", log, got, min, max)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		repairs := 0.0
		for _, m := range families {
			if m.GetName() == "hulotte_store_series_wal_repairs_total" {
				repairs = m.GetMetric()[0].GetCounter().GetValue()
			}
		}
		if repairs != 1 {
			t.Errorf("%s: %v repairs are reported, want 1", log, repairs)
		}
		mustWrite(t, writer(t, db, "default"), start+10_000, 5, up)
		if n, err := testutil.GatherAndCount(reg, "prometheus_tsdb_head_series"); n != 1 || err != nil {
			t.Errorf("tsdb's own metrics are shown %d times, %v; want once", n, err)
		}
	}
	f("wal", 1000, 2000, false)
	f("wbl", 1000, 2000, true)
}
