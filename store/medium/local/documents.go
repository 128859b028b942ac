package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// All documents are in memory, and on the disk as a snapshot and the logs of what has changed since. It is not bbolt, or another
// embedded database, for three reasons: bbolt has no checksums on its pages of data and panics on a damaged one; it maps a file of
// the operating system, so that no test can cut its power; and each compare-and-set costs it two syncs of its own, where
// here all writers that wait share one.
//
// A change goes this way:
//  1. It is compared with what is visible. While another change of the same document is on its way it waits for that to end,
//     so nothing is ever decided by something that a crash may undo.
//  2. Its record joins the group that fills while the group before it is written (documents_commit.go). Its sequence number is
//     the document's new version, so versions grow over all documents and are never used twice.
//  3. The group is written and synced. Only then it becomes visible to readers and watchers, and then its callers return.
//
// So whatever somebody has seen is on the disk. A write that fails before the sync is taken back. When a sync fails, or taking back
// does, nobody knows what is on the disk: documents can be read from then on and not written, until they are opened again.
//
// When the logs have grown beyond a multiple of what is live, a new snapshot is written beside the writers
// (documents_snapshot.go). A start reads the snapshot and the logs (documents_load.go).

// documentOptions is how to open the documents; its zero value works.
type documentOptions struct {
	// maxBytes bounds all documents together, with their names and documentOverhead each; 0 is 256 MiB. They are all in memory.
	maxBytes int64
	// logBytes is how large the logs may grow before a snapshot is written, beside twice of what is live; 0 is 4 MiB.
	logBytes int64
	readOnly bool
}

const (
	defaultDocumentBytes = 256 << 20
	// defaultLogBytes is read in some 20 ms at a start, and lets small stores write a snapshot seldom.
	defaultLogBytes = 4 << 20
	// documentOverhead is what a document takes in memory beside its bytes, so that many empty ones are bounded too.
	documentOverhead = 200
)

var (
	errDocumentsFull = model.NewError(model.Limit, "the documents have reached their size")
	errDocumentLost  = model.NewError(model.Corrupt, "damaged on the disk")
	errDocumentsHalt = model.NewError(model.Unavailable, "documents can only be read since the disk failed: mend it and start again")
)

// documents is medium.Documents in a folder.
type documents struct {
	fsys    vfs.FS
	dir     string
	o       documentOptions
	log     *slog.Logger
	aside   *aside
	metrics *documentMetrics
	calls   gate
	closing chan struct{} // closed by close, for those who watch

	// mu guards what follows. No I/O under it.
	mu       sync.RWMutex
	kinds    map[string]*kind
	count    int64
	bytes    int64  // of all documents
	reserved int64  // by which the changes on their way let bytes grow
	next     uint64 // sequence number of the next change
	filling  *documentGroup
	pending  map[documentName]*documentGroup // the documents with a change on its way
	halted   error                           // why nothing can be written any more
	damage   []medium.Damage                 // found at the start
	logs     []segment                       // closed ones that the snapshot does not cover; counts is their size
	current  segment                         // the log that is written to; no path when there is none
	snapshot uint64                          // the number of the snapshot, 0 when there is none

	wake      chan struct{} // has room for one; closed by close
	committed chan struct{} // closed when the committer has ended
	active    *documentLog  // the committer's; current is what of it is known to others
	snapshots snapshotter
	files     sync.RWMutex // held for reading by who reads the files, for writing by who removes some; taken before mu
}

// documentName is a document's.
type documentName struct{ kind, key string }

func (n documentName) String() string { return fmt.Sprintf("%s %q", n.kind, n.key) }

// stored is a document as it is in memory. It never changes.
type stored struct {
	version uint64
	value   []byte // nil when the bytes of this version were found damaged
}

func (s *stored) lost() bool { return s.value == nil }

// openDocuments opens the documents of the medium in dir, and makes the folder when there is none.
func openDocuments(ctx context.Context, fsys vfs.FS, dir string, o documentOptions, keep *aside, log *slog.Logger, reg prometheus.Registerer) (*documents, error) {
	if o.maxBytes == 0 {
		o.maxBytes = defaultDocumentBytes
	}
	if o.logBytes == 0 {
		o.logBytes = defaultLogBytes
	}
	d := &documents{
		fsys: fsys, dir: documentDir(dir), o: o, log: log, aside: keep,
		closing: make(chan struct{}), wake: make(chan struct{}, 1), committed: make(chan struct{}),
		kinds: map[string]*kind{}, next: 1, filling: newDocumentGroup(), pending: map[documentName]*documentGroup{},
	}
	d.metrics = newDocumentMetrics(reg, d)
	if err := d.load(ctx); err != nil {
		return nil, fmt.Errorf("cannot open the documents in %s: %w", d.dir, err)
	}
	go d.commitLoop()
	return d, nil
}

// close waits for the changes that are under way, and ends the log in good order.
func (d *documents) close() error {
	close(d.closing)
	d.calls.close()
	close(d.wake)
	<-d.committed
	d.snapshots.wait()
	if err := d.endLog(); err != nil {
		return fmt.Errorf("cannot close the documents in %s: %w", d.dir, err)
	}
	return nil
}

// Get returns the document. When its bytes were found damaged, the error is of the kind Corrupt, and the document has the
// version with which it can be deleted or written anew.
func (d *documents) Get(ctx context.Context, kind, key string) (medium.Document, error) {
	doc, err := d.get(ctx, documentName{kind, key})
	if err != nil {
		err = fmt.Errorf("cannot get the document %s %q: %w", kind, key, err)
	}
	return doc, err
}

func (d *documents) get(ctx context.Context, name documentName) (medium.Document, error) {
	if err := name.check(); err != nil {
		return medium.Document{}, err
	}
	if err := d.begin(ctx); err != nil {
		return medium.Document{}, err
	}
	defer d.calls.end()
	s := d.find(name)
	if s == nil {
		return medium.Document{}, medium.ErrNotFound
	}
	doc := name.document(s)
	if s.lost() {
		return doc, d.lostError(name, s)
	}
	return doc, nil
}

func (n documentName) check() error {
	if err := medium.ValidName(n.kind); err != nil {
		return fmt.Errorf("kind of a document: %w", err)
	}
	return medium.ValidKey(n.key)
}

func (n documentName) document(s *stored) medium.Document {
	return medium.Document{Kind: n.kind, Key: n.key, Version: medium.Version(s.version), Value: s.value}
}

func (d *documents) lostError(name documentName, s *stored) error {
	return fmt.Errorf("%w: document %s at version %d; what was found is in the folder %s of the medium; delete it, or write it anew, at this version",
		errDocumentLost, name, s.version, damagedDir)
}

// begin lets a call in.
func (d *documents) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return d.calls.begin()
}

func (d *documents) find(name documentName) *stored {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.findLocked(name)
}

func (d *documents) findLocked(name documentName) *stored {
	if k := d.kinds[name.kind]; k != nil {
		return k.documents[name.key]
	}
	return nil
}

// Put writes the document.
func (d *documents) Put(ctx context.Context, kind, key string, value []byte, expected medium.Version) (medium.Version, error) {
	if err := medium.ValidDocument(kind, key, value); err != nil {
		return 0, fmt.Errorf("cannot put a document: %w", err)
	}
	c := &documentChange{name: documentName{kind, key}, value: bytes.Clone(value)}
	if err := d.change(ctx, c, uint64(expected)); err != nil {
		return 0, fmt.Errorf("cannot put the document %s: %w", c.name, err)
	}
	return medium.Version(c.version), nil
}

// Delete removes the document.
func (d *documents) Delete(ctx context.Context, kind, key string, expected medium.Version) error {
	c := &documentChange{name: documentName{kind, key}}
	err := c.name.check()
	if err == nil {
		err = d.change(ctx, c, uint64(expected))
	}
	if err != nil {
		return fmt.Errorf("cannot delete the document %s: %w", c.name, err)
	}
	return nil
}

// List yields the sound documents, and then an error when there are damaged ones that should be among them.
func (d *documents) List(ctx context.Context, kind, prefix string) iter.Seq2[medium.Document, error] {
	return func(yield func(medium.Document, error) bool) {
		keys, err := d.keys(ctx, kind, prefix)
		for _, key := range keys {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
				break
			}
			name := documentName{kind, key}
			s := d.find(name)
			switch {
			case s == nil: // deleted meanwhile
			case s.lost():
				err = errors.Join(err, d.lostError(name, s))
			case !yield(name.document(s), nil):
				return
			}
		}
		if err != nil {
			yield(medium.Document{}, fmt.Errorf("cannot list the documents of the kind %s: %w", kind, err))
		}
	}
}

// keys returns the keys of a kind that begin with prefix, in order.
func (d *documents) keys(ctx context.Context, kind, prefix string) ([]string, error) {
	if err := medium.ValidName(kind); err != nil {
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		return nil, err
	}
	defer d.calls.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.kinds[kind]
	if k == nil {
		return nil, nil
	}
	all := k.sortedKeys()
	from, _ := slices.BinarySearch(all, prefix)
	to := from
	for to < len(all) && strings.HasPrefix(all[to], prefix) {
		to++
	}
	return all[from:to], nil
}

// Kinds returns the kinds that have documents.
func (d *documents) Kinds(ctx context.Context) ([]string, error) {
	if err := d.begin(ctx); err != nil {
		return nil, fmt.Errorf("cannot list the kinds of documents: %w", err)
	}
	defer d.calls.end()
	d.mu.RLock()
	defer d.mu.RUnlock()
	var names []string
	for name, k := range d.kinds {
		if len(k.documents) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
