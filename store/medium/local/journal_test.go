package local

import (
	"log/slog"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openTest opens the journals of a folder.
func openTest(t testing.TB, o Options) *Medium {
	t.Helper()
	m, err := Open(o, discard(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestJournalsConform(t *testing.T) {
	f := func(name string, o Options) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o.Dir == "" {
				o.Dir = t.TempDir()
			}
			mediumtest.Journals(t, func(t *testing.T) (medium.Journals, func() error) {
				m := openTest(t, o)
				return m.Journals(), m.Close
			}, mediumtest.Options{})
		})
	}
	f("disk", Options{})
	f("disk, interval", Options{Sync: SyncInterval, SyncInterval: time.Millisecond})
	f("disk, small segments", Options{SegmentBytes: 1000})
	f("memory", Options{FS: vfs.NewMem(), Dir: "/data/medium"})
	f("memory, small segments, interval", Options{FS: vfs.NewMem(), Dir: "/data/medium", SegmentBytes: 1000, Sync: SyncInterval, SyncInterval: time.Microsecond})
}
