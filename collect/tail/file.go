package tail

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// The sequences of records in one file: its own, or the two outputs of a container, which are mixed in it.
const (
	plainOutput = iota
	stdout
	stderr
	outputs
)

// file is one that is followed.
type file struct {
	t  *Tailer
	in *input
	id fileID
	// name is the path under which it was met first. What rotation calls it later changes neither its labels nor under which path its
	// position is found.
	name string

	// Under Tailer.mu.
	path         string
	queued, busy bool
	remembered   bool // its position was saved once: nothing is read of a file that a restart would know nothing of

	offset   atomic.Int64 // everything before it is acknowledged
	seenSize atomic.Int64
	opened   atomic.Bool
	gone     atomic.Bool // no path leads to it any more: it is read to its end, and closed when that does not move

	mu       sync.Mutex // held while it is read; guards what follows
	fd       *os.File
	unpack   bool // it is compressed
	packed   *packedFile
	head     []byte // its beginning, up to headBytes
	encoding encoding
	scanned  int64     // bytes from offset on without an end of line
	grown    time.Time // when its size changed last
	looked   time.Time // when it was read last
	lastSize int64
	failed   bool // it is left alone until retryAfter
	warned   bool // the last try to read it was an error, and is logged
	align    bool // begin behind the first end of line
	// restarted says that it was truncated: a hole may be at its beginning.
	restarted bool

	// done is up to where records of each output are acknowledged: the offset stays behind when one output has an open record while
	// the other goes on.
	done [outputs]int64

	format *logformat.Format
	sample int // records by which the format was found
	misses int // records in a row that did not fit it
	labels [outputs][]model.Field
	clock  [outputs]clock
}

// clock keeps records of one output in their order: of several with the same time each is a nanosecond behind the one before.
type clock struct{ told, given int64 }

func (c *clock) next(t int64) int64 {
	if t == c.told && c.given >= t {
		c.given++
		return c.given
	}
	c.told, c.given = t, t
	return t
}

// idleLocked says whether nothing is lost when the file is closed: it is read to its end and did not grow for a while.
func (f *file) idleLocked(now time.Time) bool {
	return f.fd != nil && !f.gone.Load() && f.offset.Load() >= f.lastSize && now.Sub(f.grown) > closeAfter
}

// closeAfter is how long a file must not have grown to be closed when too many are open.
const closeAfter = 5 * time.Second

// closeIdle closes the file if it is idle; it does not wait for one that is being read.
func (f *file) closeIdle(now time.Time) {
	if f.mu.TryLock() {
		if f.idleLocked(now) {
			f.closeLocked()
		}
		f.mu.Unlock()
	}
}

// retryAfter is how long a file that cannot be read is left alone.
const retryAfter = 10 * time.Second

// changed says whether the file has something to do. It does not wait for one that is being read.
func (f *file) changed(now time.Time) bool {
	if !f.mu.TryLock() {
		return false
	}
	defer f.mu.Unlock()
	if f.failed {
		return now.Sub(f.grown) > retryAfter
	}
	if f.unpack {
		return true
	}
	size, err := f.statLocked()
	if err != nil {
		return true // read finds out why
	}
	f.seenSize.Store(size)
	if size != f.lastSize {
		return true
	}
	idle := now.Sub(f.grown)
	if f.gone.Load() {
		return size > f.offset.Load() && idle > f.t.opts.FlushAfter || idle > f.t.opts.removedIdle
	}
	// The last record has waited long enough, and that was not seen yet.
	return size > f.offset.Load() && f.scanned == 0 && idle > f.t.opts.FlushAfter && f.looked.Sub(f.grown) <= f.t.opts.FlushAfter
}

func (f *file) statLocked() (int64, error) {
	if f.fd == nil {
		info, err := os.Stat(f.pathNow())
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	info, err := f.fd.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// shownPath is its name as the machine itself knows it, when its root folder is mounted elsewhere.
func (f *file) shownPath() string {
	path := f.name
	if root := strings.TrimSuffix(f.t.opts.RootFS, "/"); root != "" && strings.HasPrefix(path, root+"/") {
		return path[len(root):]
	}
	return path
}

func (f *file) pathNow() string {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	return f.path
}

// openLocked opens the file, by its path, when it is not open.
func (f *file) openLocked() error {
	if f.fd != nil || f.packed != nil {
		return nil
	}
	path := f.pathNow()
	if f.unpack {
		p, err := openPacked(path)
		if err != nil {
			return err
		}
		f.packed = p
		return nil
	}
	fd, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return err
	}
	info, err := fd.Stat()
	if err == nil {
		if id, ok := idOf(info); !ok || id != f.id {
			err = errMoved
		}
	}
	if err != nil {
		_ = fd.Close()
		return err
	}
	f.fd = fd
	f.opened.Store(true)
	return nil
}

var errMoved = errors.New("another file has taken its name")

func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closeLocked()
}

func (f *file) closeLocked() {
	if f.fd != nil {
		_ = f.fd.Close()
	}
	if f.packed != nil {
		f.packed.Close()
	}
	f.fd, f.packed = nil, nil
	f.opened.Store(false)
}

func (f *file) readAt(b []byte, off int64) (int, error) {
	if f.packed != nil {
		return f.packed.ReadAt(b, off)
	}
	return f.fd.ReadAt(b, off)
}

// checkHeadLocked says whether the file still begins as it did; if so it takes in what was added to its beginning. It is called
// after reading: what was read before a truncation is then still good.
func (f *file) checkHeadLocked() (same bool, err error) {
	if f.packed != nil {
		return true, nil
	}
	var buf [headBytes]byte
	n, err := f.fd.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if !bytes.HasPrefix(buf[:n], f.head) {
		return false, nil
	}
	if n > len(f.head) {
		f.head = bytes.Clone(buf[:n])
	}
	return true, nil
}

// restartLocked begins the file again, after it was truncated.
func (f *file) restartLocked() {
	f.offset.Store(0)
	f.head, f.scanned, f.lastSize, f.align = nil, 0, 0, false
	f.done = [outputs]int64{}
	f.encoding, f.restarted = encodingUnknown, true
	f.format, f.sample, f.misses = nil, 0, 0
	f.setLabels()
	f.save()
}

// save remembers the position.
func (f *file) save() {
	f.t.saved.put(position{
		fileID: f.id, Path: f.name, Offset: f.offset.Load(), Head: hashHead(f.head), Len: len(f.head),
		Packed: f.unpack,
	})
}
