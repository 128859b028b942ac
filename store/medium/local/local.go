// Package local is the medium of one machine: journals, blobs and documents as files in a folder.
//
// Below the folder are
//
//	medium.json           the version of this layout
//	LOCK                  held by the process that has the medium open for writing
//	journal/<name>/...    segments of journals (frame.go, journal.go)
//	blob/...              blobs
//	document/...          documents: a snapshot, and logs of what has changed since (documents.go)
//	damaged/...           copies of bytes that were found damaged
//
// Journals and the logs of documents share one framing (frame.go). Documents are not in an embedded database such as bbolt: it has no
// checksums on its data and panics on damage, its file cannot lie on a simulated disk, and each of its writes costs two
// syncs of its own; see documents.go.
//
// All access to files goes through internal/vfs, whose simulated disk cuts the power after every single operation in the tests.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// SyncPolicy says when a journal acknowledges an entry.
type SyncPolicy string

const (
	// SyncAlways acknowledges what is on the disk.
	SyncAlways SyncPolicy = "always"
	// SyncInterval acknowledges what the kernel has, and brings it to the disk within Options.SyncInterval. The death of the
	// process loses nothing; a power cut, or the death of the kernel, loses up to that interval of what was acknowledged.
	SyncInterval SyncPolicy = "interval"
)

// Options is how to open a folder as a medium. Only Dir is needed.
type Options struct {
	// FS is where Dir is; nil is the operating system's.
	FS vfs.FS
	// Dir is made when it is missing. It is for one process.
	Dir string
	// Sync is SyncAlways when empty. SyncInterval is 100 ms when 0, and at most a minute.
	Sync         SyncPolicy
	SyncInterval time.Duration
	// SegmentBytes is the size at which a journal begins a new file; 0 is 64 MiB. Room comes back in whole files.
	SegmentBytes int64
	// QueueBytes bounds the entries of one journal that wait or are being written; 0 is 32 MiB, which is the most, and the largest entry
	// always has room.
	QueueBytes int64
	// MaxDocumentBytes bounds all documents together, which are in memory; 0 is 256 MiB.
	MaxDocumentBytes int64
	// ReadOnly opens what is there, also beside a process that writes to it, and changes nothing on the disk: nothing is made, cut off
	// or set aside. Writes are ErrReadOnly.
	ReadOnly bool
}

const (
	defaultSyncInterval = 100 * time.Millisecond
	maxSyncInterval     = time.Minute // with unseen, it bounds how many positions a power cut can take
	defaultSegmentBytes = 64 << 20
	maxSegmentBytes     = 4 << 30
	defaultQueueBytes   = 2 * medium.MaxEntry // one entry of the largest size fills while another is written
	leastQueueBytes     = medium.MaxEntry + recordHeaderSize
)

var errBadOption = model.NewError(model.Invalid, "bad option")

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Sync == "" {
		o.Sync = SyncAlways
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = defaultSyncInterval
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = defaultQueueBytes
	}
	o.QueueBytes = min(max(o.QueueBytes, leastQueueBytes), defaultQueueBytes)
	switch {
	case o.Dir == "":
		return o, fmt.Errorf("%w: Dir is empty", errBadOption)
	case o.Sync != SyncAlways && o.Sync != SyncInterval:
		return o, fmt.Errorf("%w: Sync is %q, not %q or %q", errBadOption, o.Sync, SyncAlways, SyncInterval)
	case o.SyncInterval < 0 || o.SyncInterval > maxSyncInterval:
		return o, fmt.Errorf("%w: SyncInterval is %s, not between 0 and %s", errBadOption, o.SyncInterval, maxSyncInterval)
	case o.MaxDocumentBytes < 0:
		return o, fmt.Errorf("%w: MaxDocumentBytes is %d, which is below 0", errBadOption, o.MaxDocumentBytes)
	case o.SegmentBytes < 0 || o.SegmentBytes > maxSegmentBytes:
		return o, fmt.Errorf("%w: SegmentBytes is %d, not between 0 and %d", errBadOption, o.SegmentBytes, int64(maxSegmentBytes))
	}
	return o, nil
}

func (o Options) journals() journalOptions {
	return journalOptions{sync: o.Sync, interval: o.SyncInterval, segmentBytes: o.SegmentBytes, queueBytes: o.QueueBytes, readOnly: o.ReadOnly}
}

func (o Options) documents() documentOptions {
	return documentOptions{maxBytes: o.MaxDocumentBytes, readOnly: o.ReadOnly}
}

// Medium is an open folder.
type Medium struct {
	dir       string
	lock      io.Closer // nil when opened for reading only
	journals  *journals
	blobs     *blobs
	documents *documents
	closing   sync.Once
	closeErr  error // of the first Close
}

// Open opens the folder. ErrInUse: another process has it.
func Open(o Options, log *slog.Logger, reg prometheus.Registerer) (*Medium, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("cannot open the local medium: %w", err)
	}
	m, err := open(o, log, reg)
	if err != nil {
		return nil, fmt.Errorf("cannot open the local medium in %s: %w", o.Dir, err)
	}
	return m, nil
}

func open(o Options, log *slog.Logger, reg prometheus.Registerer) (*Medium, error) {
	m := &Medium{dir: o.Dir}
	if err := m.prepare(o, log); err != nil {
		return nil, errors.Join(err, m.unlock())
	}
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_medium_free_bytes",
		Help: "Bytes that can still be written to the file system of the local medium; -1 when that is not known."},
		func() float64 { return freeBytes(o.FS, o.Dir) })
	keep := newAside(o.FS, o.Dir)
	m.journals = openJournals(o.FS, o.Dir, o.journals(), keep, log, reg)
	var err error
	m.blobs, err = openBlobs(o.FS, filepath.Join(o.Dir, "blob"), o.ReadOnly, log, reg)
	if err != nil {
		return nil, errors.Join(err, m.journals.close(), m.unlock())
	}
	m.documents, err = openDocuments(context.Background(), o.FS, o.Dir, o.documents(), keep, log, reg)
	if err != nil {
		return nil, errors.Join(err, m.journals.close(), m.blobs.close(), m.unlock())
	}
	return m, nil
}

func freeBytes(fsys vfs.FS, dir string) float64 {
	n, err := fsys.Free(dir)
	if err != nil {
		return -1
	}
	return float64(n)
}

// prepare takes the folder for this process, made when it is missing, and checks its format.
func (m *Medium) prepare(o Options, log *slog.Logger) error {
	if o.ReadOnly {
		_, err := readFormat(o.FS, o.Dir)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: the folder has no %s", medium.ErrNotFound, formatFile)
		}
		return diskError(err)
	}
	if err := vfs.MkdirAll(o.FS, o.Dir, folderMode); err != nil {
		return diskError(err)
	}
	lock, err := o.FS.Lock(filepath.Join(o.Dir, lockFile))
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("%w: stop the process that uses the folder, or choose another folder", medium.ErrInUse)
	}
	if err != nil {
		return diskError(err)
	}
	m.lock = lock
	if err := vfs.RemoveTemps(o.FS, o.Dir); err != nil {
		return diskError(err)
	}
	_, err = readFormat(o.FS, o.Dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return diskError(err)
	}
	if _, err := o.FS.Stat(filepath.Join(o.Dir, "journal")); err == nil {
		log.Warn("the local medium had lost the file that tells its format; it was made anew", "folder", o.Dir, "file", formatFile)
	}
	return diskError(writeFormat(o.FS, o.Dir))
}

func (m *Medium) unlock() error {
	if m.lock == nil {
		return nil
	}
	return m.lock.Close()
}

// Close closes the parts, and lets other processes have the folder.
func (m *Medium) Close() error {
	m.closing.Do(func() {
		m.closeErr = errors.Join(m.journals.close(), m.blobs.close(), m.documents.close(), m.unlock())
	})
	return m.closeErr
}

// Journals returns the journals of the folder.
func (m *Medium) Journals() medium.Journals { return m.journals }

// Blobs returns the blobs of the folder.
func (m *Medium) Blobs() medium.Blobs { return m.blobs }

// Documents returns the documents of the folder.
func (m *Medium) Documents() medium.Documents { return m.documents }

const (
	lockFile   = "LOCK"
	formatFile = "medium.json"
	// maxFormatFile is far above what the file has, and bounds what is read of whatever stands in its place.
	maxFormatFile = 64 << 10

	// The versions of the folder's layout that this program reads; it writes the newest.
	oldestFormat = 1
	newestFormat = 1
)

// folderFormat is the content of formatFile, in JSON.
type folderFormat struct {
	Format int `json:"format"`
	// Note tells people what the folder is.
	Note string `json:"note"`
}

var (
	errFormat  = model.NewError(model.Corrupt, "cannot tell the folder's format")
	errVersion = model.NewError(model.Invalid, "the folder's format is unknown")
)

func readFormat(fsys vfs.FS, dir string) (folderFormat, error) {
	var f folderFormat
	b, err := vfs.ReadFile(fsys, filepath.Join(dir, formatFile), maxFormatFile)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil || f.Format == 0 {
		return f, fmt.Errorf(`%w: %s does not hold {"format": %d}: restore it from a backup, or write this into it if no other version of Hulotte was used here`,
			errFormat, formatFile, newestFormat)
	}
	if f.Format < oldestFormat || f.Format > newestFormat {
		return f, fmt.Errorf("%w: %s says %d, this program reads %d to %d: use the version of Hulotte that wrote it, or a newer one",
			errVersion, formatFile, f.Format, oldestFormat, newestFormat)
	}
	return f, nil
}

func writeFormat(fsys vfs.FS, dir string) error {
	b, err := json.Marshal(folderFormat{Format: newestFormat, Note: "data of Hulotte: do not change anything in this folder by hand"})
	if err != nil {
		return err
	}
	return vfs.WriteFile(fsys, filepath.Join(dir, formatFile), append(b, '\n'), fileMode)
}
