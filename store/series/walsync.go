package series

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// walSync brings a tenant's write-ahead logs to the disk. tsdb writes each commit to the operating system, which
// survives the death of the process, but syncs a segment of the log only when it is full: a power cut would lose
// up to 128 MiB of acknowledged samples.
//
// Syncing the newest segment through a descriptor of its own is enough: tsdb syncs the ones before it.
type walSync struct {
	dirs  []string
	log   *slog.Logger
	stats *dbMetrics

	// mu guards what follows; the sync itself happens without it.
	mu      sync.Mutex
	cond    *sync.Cond
	started uint64 // syncs begun
	done    uint64 // syncs ended
	err     error  // of the last sync ended
	running bool
	stopped bool

	// synced is the size of each folder's newest segment at the last sync. Only the one who runs a sync uses it.
	synced map[string]segment
}

type segment struct {
	name string
	size int64
}

func newWALSync(dir string, log *slog.Logger, stats *dbMetrics) *walSync {
	w := &walSync{
		dirs:   []string{filepath.Join(dir, "wal"), filepath.Join(dir, "wbl")}, // in order, out of order
		log:    log,
		stats:  stats,
		synced: make(map[string]segment),
	}
	w.cond = sync.NewCond(&w.mu)
	return w
}

// wait returns once everything written before the call is on the disk. Callers at the same time share a sync.
func (w *walSync) wait() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A sync that is running may have begun before our write: only one that begins from now on will do.
	want := w.started + 1
	for w.done < want {
		switch {
		case w.stopped:
			return errClosed
		case w.running:
			w.cond.Wait()
		default:
			w.runLocked()
		}
	}
	return w.err
}

// syncLogged runs a sync, unless one runs already, and logs its failure.
func (w *walSync) syncLogged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running || w.stopped {
		return
	}
	failed := w.err != nil
	if w.runLocked(); w.err != nil && !failed {
		w.log.Error("cannot sync the write-ahead log: a power cut would lose the latest samples", "err", w.err)
	}
}

// stop makes the waiting return and refuses more.
func (w *walSync) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.cond.Broadcast()
	for w.running {
		w.cond.Wait()
	}
}

// runLocked runs one sync, giving mu up meanwhile.
func (w *walSync) runLocked() {
	w.running = true
	w.started++
	w.mu.Unlock()
	err := w.sync()
	w.mu.Lock()
	w.running = false
	w.done++
	w.err = err
	w.cond.Broadcast()
}

func (w *walSync) sync() error {
	var errs []error
	for _, dir := range w.dirs {
		if err := w.syncDir(dir); err != nil {
			errs = append(errs, fmt.Errorf("cannot sync %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// syncDir syncs the newest segment in dir when it has grown since the last time.
func (w *walSync) syncDir(dir string) error {
	newest, err := newestSegment(dir)
	if err != nil || newest.name == "" || newest == w.synced[dir] {
		return err
	}
	begin := time.Now()
	if err := vfs.SyncFile(vfs.OS{}, filepath.Join(dir, newest.name)); err != nil {
		w.stats.syncFailures.Inc()
		return err
	}
	if newest.name != w.synced[dir].name { // a new file: its name must last too
		if err := (vfs.OS{}).SyncDir(dir); err != nil {
			w.stats.syncFailures.Inc()
			return err
		}
	}
	w.stats.syncSeconds.Observe(time.Since(begin).Seconds())
	w.synced[dir] = newest
	return nil
}

// newestSegment returns the last segment file in dir, empty when there is none.
func newestSegment(dir string) (segment, error) {
	entries, err := os.ReadDir(dir) // sorted by name, and segments are numbered with leading zeros
	if errors.Is(err, fs.ErrNotExist) {
		return segment{}, nil
	}
	if err != nil {
		return segment{}, err
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.Type().IsRegular() && isNumber(e.Name()) {
			info, err := e.Info()
			if err != nil {
				return segment{}, err
			}
			return segment{name: e.Name(), size: info.Size()}, nil
		}
	}
	return segment{}, nil
}

func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
