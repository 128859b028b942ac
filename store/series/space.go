package series

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hulotte-dev/hulotte/store"
)

// space keeps the store alive on a full disk.
//
// tsdb survives a write-ahead log that cannot be written, but panics when a full chunk of the head cannot be
// mapped to its file, which it does once a maintenance interval. So writes stop while there is still room
// (the reserve) for the chunks that are full already; a compaction starts only when its result fits beside the
// reserve; and when something else has eaten the reserve too, maintenance waits until there is room again.
type space struct {
	dir     string
	reserve int64 // bytes; 0: never looked at

	free    atomic.Int64
	isFull  atomic.Bool
	stopped chan struct{}
	stop    sync.Once
}

func newSpace(dir string, reserve int64) *space {
	return &space{dir: dir, reserve: reserve, stopped: make(chan struct{})}
}

// full says whether writes are refused.
func (s *space) full() bool { return s.isFull.Load() }

// noteFull refuses writes until the next check finds room.
func (s *space) noteFull() { s.isFull.Store(true) }

// check looks at the free space, decides whether writes are taken, and returns it in bytes. Where the free space
// cannot be told, writes are taken and fail by themselves.
func (s *space) check() (free int64, known bool) {
	free, err := freeBytes(s.dir)
	known = err == nil
	s.free.Store(free)
	s.isFull.Store(known && free < s.reserve)
	return free, known
}

// waitForRoom blocks while most of the reserve itself is used up, until there is room or the store is closed.
func (s *space) waitForRoom(log *slog.Logger) {
	for first := true; s.exhausted(); first = false {
		if first {
			log.Error("disk full: maintenance of the series waits for space", "dir", s.dir, "free_bytes", s.free.Load())
		}
		select {
		case <-s.stopped:
			return
		case <-time.After(upkeepTick):
		}
	}
}

// exhausted says that a full chunk may not find room in what is left of the reserve.
func (s *space) exhausted() bool {
	free, known := s.check()
	return known && free < s.reserve/4
}

func (s *space) stopWaiting() { s.stop.Do(func() { close(s.stopped) }) }

// newCompactor makes tsdb's compactor, guarded. It is a tsdb.NewCompactorFunc.
func (s *space) newCompactor(ctx context.Context, r prometheus.Registerer, l *slog.Logger, ranges []int64, pool chunkenc.Pool, opts *tsdb.Options) (tsdb.Compactor, error) {
	c, err := tsdb.NewLeveledCompactorWithOptions(ctx, r, l, ranges, pool, tsdb.LeveledCompactorOptions{
		MaxBlockChunkSegmentSize:    opts.MaxBlockChunkSegmentSize,
		EnableOverlappingCompaction: opts.EnableOverlappingCompaction,
		PD:                          opts.PostingsDecoderFactory,
		UseUncachedIO:               opts.UseUncachedIO,
		BlockExcludeFilter:          opts.BlockCompactionExcludeFunc,
		FloatChunkEncoding:          func() chunkenc.Encoding { return opts.FloatChunkEncoding },
	})
	if err != nil {
		return nil, err
	}
	return guardedCompactor{Compactor: c, space: s}, nil
}

// guardedCompactor refuses a compaction whose result may not fit.
type guardedCompactor struct {
	tsdb.Compactor
	space *space
}

// Write makes a block of the head. The block is a fraction of the log and mapped chunks that it comes from.
func (g guardedCompactor) Write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	if err := g.space.fits(b.Size() / 2); err != nil {
		return nil, err
	}
	return g.Compactor.Write(dest, b, mint, maxt, base)
}

// Compact merges blocks. The result is at most as large as they are.
func (g guardedCompactor) Compact(dest string, dirs []string, open []*tsdb.Block) ([]ulid.ULID, error) {
	var size int64
	for _, dir := range dirs {
		size += dirBytes(dir)
	}
	if err := g.space.fits(size); err != nil {
		return nil, err
	}
	return g.Compactor.Compact(dest, dirs, open)
}

func (s *space) fits(size int64) error {
	if s.reserve == 0 {
		return nil
	}
	if free, known := s.check(); known && free < size+s.reserve/2 {
		return fmt.Errorf("cannot compact: about %d bytes are needed, %d are free: %w", size, free, store.ErrNoSpace)
	}
	return nil
}

// dirBytes returns the size of the files in dir and below; what cannot be read counts nothing.
func dirBytes(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, e os.DirEntry, unreadable error) error {
		if unreadable == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}
