package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// journals keeps each journal in a folder of its own, as a chain of segments: files of the format in frame.go, each named
// for the least position that it may hold. Only the last one is written to, and only by whoever made it: opening a
// journal begins a new segment, whose header says for good how much of the one before it counts.
//
// The folder belongs to one process (see Open in local.go), so that who has a journal open is known in memory.
type journals struct {
	o       journalOptions
	fsys    vfs.FS
	dir     string // of the journals
	log     *slog.Logger
	metrics *journalMetrics
	aside   *aside
	calls   gate
	waiters sync.Pool    // *waiter
	queued  atomic.Int64 // bytes in the queues of all journals

	mu   sync.Mutex // no I/O under it
	open map[string]*journal
	// busy are the names that are being opened or deleted.
	busy map[string]struct{}

	// folders is held while folders are made or removed, so that one is not removed while another is made in it.
	folders sync.Mutex
}

type journalOptions struct {
	sync         SyncPolicy
	interval     time.Duration
	segmentBytes int64
	queueBytes   int64
	readOnly     bool
}

// openJournals opens the journals below dir/journal. dir must exist and belong to this process alone, unless readOnly.
func openJournals(fsys vfs.FS, dir string, o journalOptions, aside *aside, log *slog.Logger, reg prometheus.Registerer) *journals {
	s := &journals{o: o, fsys: fsys, dir: filepath.Join(dir, "journal"), log: log, aside: aside,
		open: map[string]*journal{}, busy: map[string]struct{}{}}
	s.metrics = newJournalMetrics(reg, s)
	return s
}

// Open makes the journal's folder when it is missing, finds the end of its last segment and cuts what is torn behind it,
// and begins a new segment.
func (s *journals) Open(ctx context.Context, name string, o medium.JournalOptions) (medium.Journal, error) {
	j, err := s.openOne(ctx, name, o)
	if err != nil {
		return nil, fmt.Errorf("cannot open the journal %q: %w", name, err)
	}
	return j, nil
}

func (s *journals) openOne(ctx context.Context, name string, o medium.JournalOptions) (*journal, error) {
	if err := s.begin(ctx, name); err != nil {
		return nil, err
	}
	defer s.calls.end()
	if s.o.readOnly {
		return nil, medium.ErrReadOnly
	}
	if o.Next > maxSequence {
		return nil, errPositionTooHigh
	}
	if err := s.claim(name); err != nil {
		return nil, err
	}
	j, err := s.load(ctx, name, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, name)
	if err != nil {
		return nil, err
	}
	s.open[name] = j
	j.start()
	return j, nil
}

var errPositionTooHigh = model.NewError(model.Invalid, fmt.Sprintf("the position is above %d, the highest that there is", uint64(maxSequence)))

// begin starts a call about a journal; the caller ends it with s.calls.end.
func (s *journals) begin(ctx context.Context, name string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := medium.ValidName(name); err != nil {
		return err
	}
	return s.calls.begin()
}

// claim marks the name as busy, unless somebody has it.
func (s *journals) claim(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, busy := s.busy[name]
	if _, open := s.open[name]; open || busy {
		return medium.ErrInUse
	}
	s.busy[name] = struct{}{}
	return nil
}

// load reads what there is of the journal and makes it ready to be appended to.
func (s *journals) load(ctx context.Context, name string, o medium.JournalOptions) (*journal, error) {
	dir := s.path(name)
	if err := s.makeFolder(dir); err != nil {
		return nil, diskError(err)
	}
	if err := vfs.RemoveTemps(s.fsys, dir); err != nil {
		return nil, diskError(err)
	}
	segs, err := s.segments(dir)
	if err != nil {
		return nil, err
	}
	end, err := s.recover(ctx, name, segs)
	if err != nil {
		return nil, err
	}
	j := newJournal(s, name, dir)
	j.segs = end.segs
	j.next = max(1, end.next, uint64(o.Next))
	j.free = j.next
	err = j.begin()
	if errors.Is(err, medium.ErrNoSpace) && len(j.segs) > 0 {
		// The first append that finds room begins the segment.
		s.log.Warn("there is no room for a new segment of a journal: it cannot be appended to for now", "journal", name, "error", err)
		err = nil
	}
	return j, err
}

func (s *journals) makeFolder(dir string) error {
	s.folders.Lock()
	defer s.folders.Unlock()
	return vfs.MkdirAll(s.fsys, dir, folderMode)
}

// folderMode and fileMode let the group read, for backups.
const (
	folderMode = 0o750
	fileMode   = 0o640
)

// Delete removes the segments from the oldest on, so that an interrupted Delete is a Truncate.
func (s *journals) Delete(ctx context.Context, name string) error {
	if err := s.delete(ctx, name); err != nil {
		return fmt.Errorf("cannot delete the journal %q: %w", name, err)
	}
	return nil
}

func (s *journals) delete(ctx context.Context, name string) error {
	if err := s.begin(ctx, name); err != nil {
		return err
	}
	defer s.calls.end()
	if s.o.readOnly {
		return medium.ErrReadOnly
	}
	if err := s.claim(name); err != nil {
		return err
	}
	defer s.release(name)
	dir := s.path(name)
	firsts, err := s.segmentFirsts(dir)
	if errors.Is(err, medium.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, first := range firsts {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := s.removeSegment(dir, first); err != nil {
			return err
		}
	}
	s.removeEmptyFolders(dir)
	return nil
}

// removeSegment removes one file for good before anything else is removed, so that after a power cut no older one is
// there without those behind it.
func (s *journals) removeSegment(dir string, first uint64) error {
	err := s.fsys.Remove(segmentPath(dir, first))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	return diskError(s.fsys.SyncDir(dir))
}

// removeEmptyFolders removes dir and those above it that are empty. It is tidiness: that they stay harms nobody.
func (s *journals) removeEmptyFolders(dir string) {
	s.folders.Lock()
	defer s.folders.Unlock()
	for ; dir != s.dir; dir = filepath.Dir(dir) {
		if s.fsys.Remove(dir) != nil { // it is not empty
			return
		}
	}
}

// release ends a claim.
func (s *journals) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, name)
}

// waiter returns a waiter that nobody uses.
func (s *journals) waiter() *waiter {
	if w, ok := s.waiters.Get().(*waiter); ok {
		return w
	}
	return &waiter{done: make(chan error, 1)}
}

// closed takes a journal out of those that are open.
func (s *journals) closed(j *journal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[j.name] == j {
		delete(s.open, j.name)
	}
}

// opened returns the journal of this name if it is open.
func (s *journals) opened(name string) *journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[name]
}

// close closes what is open and waits for the calls that are under way.
func (s *journals) close() error {
	s.calls.close()
	var errs []error
	for _, j := range s.allOpen() {
		errs = append(errs, j.Close())
	}
	return errors.Join(errs...)
}
