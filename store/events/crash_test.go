package events

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// crashScript appends, cuts, merges and deletes old blocks until the disk fails. It returns the lines that were acknowledged, and those of which
// it is not known.
func crashScript(fs vfs.FS) (known, uncertain []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	m, err := local.Open(local.Options{FS: fs, Dir: "/medium", SegmentBytes: 1 << 20}, log, prometheus.NewRegistry())
	if err != nil {
		return nil, nil
	}
	defer m.Close()
	s, err := Open(ctx, crashOptions, m, log, prometheus.NewRegistry())
	if err != nil {
		return nil, nil
	}
	defer s.Close()
	for round := range 8 {
		for _, tenant := range []string{"a", "b"} {
			e, err := s.EventWriter(tenant)
			if err != nil {
				return known, uncertain
			}
			line := fmt.Sprintf("%s %d", tenant, round)
			at := int64(round%2) * dayLength // two days
			_, err = e.AppendRecords(ctx, []model.Stream{streamOf("app=x", model.Record{Time: at, Line: line})})
			if err != nil {
				return known, append(uncertain, line)
			}
			known = append(known, line)
		}
		if round%2 == 1 {
			if shortly(ctx, s.Flush) != nil {
				return known, uncertain
			}
		}
		if round%4 == 3 {
			if shortly(ctx, func(ctx context.Context) error { return s.Upkeep(ctx, time.Unix(0, 0)) }) != nil {
				return known, uncertain
			}
			s.blocks.DeleteReplaced(ctx, time.Now().Add(time.Hour))
		}
	}
	return known, uncertain
}

// shortly gives up soon: what waits for a disk that is gone would wait for ever.
func shortly(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	return f(ctx)
}

var crashOptions = Options{Limits: Limits{RejectNewer: -1}, Merge: Merge{Blocks: 2}}

// TestCrash cuts the power, or kills the process, at many moments, and again while what is left is opened: what was acknowledged is there
// once, and nothing else but what was on its way.
func TestCrash(t *testing.T) {
	disk := vfs.NewMem()
	crashScript(disk)
	points := disk.Operations()
	step := 7
	if testing.Short() {
		step = 17
	}
	t.Logf("%d moments, every %d.", points, step)
	for first := range 8 {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			for n := first * step; n < points; n += 8 * step {
				disk := vfs.NewMem()
				disk.StopAfter(n)
				known, uncertain := crashScript(disk)
				for seed := range uint64(3) {
					checkAfterCrash(t, disk.Crash(seed), fmt.Sprintf("power cut %d at %d", seed, n), known, uncertain)
				}
				checkAfterCrash(t, disk.Kill(), fmt.Sprintf("kill at %d", n), known, uncertain)
			}
		})
	}
}

// checkAfterCrash opens what is left, twice, the second time after it was cut and merged.
func checkAfterCrash(t *testing.T, disk *vfs.Mem, what string, known, uncertain []string) {
	t.Helper()
	s := &testStore{o: crashOptions, fs: disk, dir: "/medium"}
	for _, again := range []string{"", ", cut", ", opened again"} {
		if again != ", cut" {
			s.open(t)
		} else {
			s.flush(t)
			s.upkeep(t)
		}
		var got []string
		for _, tenant := range []string{"a", "b"} {
			for _, line := range texts(t, s.tenant(t, tenant)) {
				var l string
				if _, err := fmt.Sscanf(line[indexQuote(line, 2):], "%q", &l); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				got = append(got, l)
			}
		}
		slices.Sort(got)
		if twice := len(got) - len(slices.Compact(slices.Clone(got))); twice > 0 {
			t.Errorf("%s%s: %d records are there twice: %q", what, again, twice, got)
		}
		for _, line := range known {
			if !slices.Contains(got, line) {
				t.Errorf("%s%s: %q was acknowledged and is lost", what, again, line)
			}
		}
		for _, line := range got {
			if !slices.Contains(known, line) && !slices.Contains(uncertain, line) {
				t.Errorf("%s%s: %q was never appended", what, again, line)
			}
		}
		if again == ", cut" {
			s.close(t)
		}
	}
	s.close(t)
}

// indexQuote is the place of the quotation mark number n.
func indexQuote(text string, n int) int {
	for i := range text {
		if text[i] == '"' {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return 0
}
