package local

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// blobMaps shares the mappings of blobs: all who have a blob open use one, and some that nobody has open are kept for
// the next reader, who then needs neither system calls nor a second look at the checksums. Linux allows 65,530
// mappings to a process, so that not every blob can have one for good.
type blobMaps struct {
	load    func(name string) (m vfs.Mapping, f blobFooter, path string, err error)
	metrics *blobMetrics
	maxIdle int
	// shared is false when another process may delete a blob and put another one under its name: then each opening
	// looks for itself.
	shared bool

	mu     sync.Mutex // no I/O under it
	byName map[string]*blobMap
	idle   *list.List // of *blobMap without references, the last used in front
	closed bool
}

// maxIdleMaps is how many mappings are kept that nobody has open. They cost some kernel memory each, not that of their bytes.
const maxIdleMaps = 512

func newBlobMaps(load func(string) (vfs.Mapping, blobFooter, string, error), metrics *blobMetrics, maxIdle int, shared bool) *blobMaps {
	return &blobMaps{load: load, metrics: metrics, maxIdle: maxIdle, shared: shared, byName: map[string]*blobMap{}, idle: list.New()}
}

// blobMap is a blob that is mapped, or about to be.
type blobMap struct {
	name string

	// ready is closed by the goroutine that loads, once err and what follows are set; these do not change any more.
	ready   chan struct{}
	err     error
	path    string
	footer  blobFooter
	mapping vfs.Mapping
	checked []atomic.Uint64 // a bit for each chunk that was verified since it was mapped

	// The rest is under blobMaps.mu.
	refs   int
	inIdle *list.Element
	lost   bool // no longer in byName: unmapped with the last reference
}

// acquire returns the mapping of a blob, with a reference that release gives back.
func (t *blobMaps) acquire(ctx context.Context, name string) (*blobMap, error) {
	for {
		m, mine := t.reference(name)
		if mine {
			return t.fill(m)
		}
		select {
		case <-m.ready:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), t.release(m))
		}
		if m.err == nil {
			return m, nil
		}
		// The other's failure need not be ours: it may have looked before the blob was put, and we came after that.
		if err := t.release(m); err != nil {
			return nil, err
		}
	}
}

// reference returns the entry of a name with one more reference. When it is new, the caller has to fill it.
func (t *blobMaps) reference(name string) (m *blobMap, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.byName[name]; m != nil {
		m.refs++
		if m.inIdle != nil {
			t.idle.Remove(m.inIdle)
			m.inIdle = nil
		}
		return m, false
	}
	// It is in the table before the file is opened. A Delete meanwhile takes it out again, so that nobody who comes
	// after the Delete gets the file of before.
	m = &blobMap{name: name, ready: make(chan struct{}), refs: 1, lost: !t.shared}
	if t.shared {
		t.byName[name] = m
	}
	return m, true
}

func (t *blobMaps) fill(m *blobMap) (*blobMap, error) {
	m.mapping, m.footer, m.path, m.err = t.load(m.name)
	if m.err != nil {
		t.mu.Lock()
		t.loseLocked(m)
		t.mu.Unlock()
		close(m.ready)
		return nil, m.err
	}
	m.checked = make([]atomic.Uint64, (m.footer.chunks()+63)/64)
	t.metrics.mapped.Inc()
	t.metrics.mappedBytes.Add(float64(len(m.mapping.Bytes())))
	close(m.ready)
	return m, nil
}

// loseLocked takes an entry out of the table.
func (t *blobMaps) loseLocked(m *blobMap) {
	if t.byName[m.name] == m {
		delete(t.byName, m.name)
	}
	m.lost = true
}

// release gives a reference back.
func (t *blobMaps) release(m *blobMap) error {
	t.mu.Lock()
	var unmap []*blobMap
	m.refs--
	switch {
	case m.refs > 0:
	case m.lost || t.closed:
		t.loseLocked(m)
		unmap = append(unmap, m)
	default:
		m.inIdle = t.idle.PushFront(m)
		unmap = t.trimLocked(t.maxIdle)
	}
	t.mu.Unlock()
	return t.unmap(unmap)
}

// trimLocked takes out of the table what was not used for longest, until at most n idle ones are left.
func (t *blobMaps) trimLocked(n int) (unmap []*blobMap) {
	for t.idle.Len() > n {
		m := t.idle.Remove(t.idle.Back()).(*blobMap)
		m.inIdle = nil
		t.loseLocked(m)
		unmap = append(unmap, m)
	}
	return unmap
}

// forget takes the name of a blob that was deleted out of the table; those who have it open keep it.
func (t *blobMaps) forget(name string) {
	t.mu.Lock()
	m := t.byName[name]
	var unmap []*blobMap
	if m != nil {
		t.loseLocked(m)
		if m.inIdle != nil {
			t.idle.Remove(m.inIdle)
			m.inIdle = nil
			unmap = append(unmap, m)
		}
	}
	t.mu.Unlock()
	_ = t.unmap(unmap) // a mapping that cannot be given back is no reason not to delete
}

// unmap gives mappings back to which nobody has a reference.
func (t *blobMaps) unmap(maps []*blobMap) error {
	var errs []error
	for _, m := range maps {
		if m.mapping == nil { // loading failed
			continue
		}
		t.metrics.mapped.Dec()
		t.metrics.mappedBytes.Sub(float64(len(m.mapping.Bytes())))
		errs = append(errs, m.mapping.Close())
	}
	return errors.Join(errs...)
}

// close gives back what nobody has open; the rest goes with its last reference.
func (t *blobMaps) close() error {
	t.mu.Lock()
	t.closed = true
	unmap := t.trimLocked(0)
	t.mu.Unlock()
	return t.unmap(unmap)
}
