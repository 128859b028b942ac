package local

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// blobs keeps each blob in a file of its own. The file is written under blobTempDir, synced, renamed to its place, and the folder synced:
// whoever finds a file in its place finds all of it.
//
// Names are paths, with blobSuffix at their end: names cannot have an @, so that the blob "a" (file a@blob) and the blob "a/b"
// (file b@blob in the folder a) do not meet, and nothing else in the tree is taken for a blob.
type blobs struct {
	fsys     vfs.FS
	dir      string
	readOnly bool
	log      *slog.Logger
	metrics  *blobMetrics
	calls    gate
	maps     *blobMaps
	seed     maphash.Seed
	temps    atomic.Uint64 // numbers the temporary files
	buffers  sync.Pool     // *[]byte of blobWriteSize
	// unfinished has the paths of the temporary files that are being written.
	unfinished sync.Map

	// names are locked by Put and Delete while they change the folder, so that of two Puts of one name one finds the other's
	// file: a rename would replace it. I/O happens under them; the order is names, then tree.
	names [64]sync.Mutex

	// tree is held for reading from when a Put makes its folder until the file is in it, and for writing when an empty
	// folder is removed.
	tree sync.RWMutex
	// durable has the folders that are known to survive a crash, with all above them. At most maxDurableFolders.
	durable durableFolders
}

const (
	blobSuffix  = "@blob"
	blobTempDir = "@tmp"
)

// openBlobs opens the blobs below dir, which need not exist. The folder is the caller's alone, unless readOnly: temporary
// files in it are then those of a process that was killed, and are removed.
func openBlobs(fsys vfs.FS, dir string, readOnly bool, log *slog.Logger, reg prometheus.Registerer) (*blobs, error) {
	b := &blobs{fsys: fsys, dir: dir, readOnly: readOnly, log: log, metrics: newBlobMetrics(reg), seed: maphash.MakeSeed()}
	b.buffers.New = newBlobBuffer
	b.maps = newBlobMaps(b.load, b.metrics, maxIdleMaps, !readOnly)
	if readOnly {
		return b, nil
	}
	if err := b.sweep(); err != nil {
		return nil, fmt.Errorf("cannot remove what interrupted writes left in %s: %w", b.tempDir(), diskError(err))
	}
	return b, nil
}

func (b *blobs) tempDir() string { return filepath.Join(b.dir, blobTempDir) }

func (b *blobs) path(name string) string {
	return filepath.Join(b.dir, filepath.FromSlash(name)+blobSuffix)
}

// sweep removes the temporary files that are left.
func (b *blobs) sweep() error {
	left, err := b.fsys.ReadDir(b.tempDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := b.fsys.Remove(filepath.Join(b.tempDir(), e.Name())); err != nil {
			return err
		}
		b.metrics.swept.Inc()
	}
	if len(left) > 0 {
		b.log.Info("removed what interrupted writes of blobs left behind", "files", len(left), "folder", b.tempDir())
	}
	return nil
}

// close waits for the calls that are under way. What is open stays readable until it is closed.
func (b *blobs) close() error {
	b.calls.close()
	return b.maps.close()
}

// begin starts a call; the caller ends it with b.calls.end.
func (b *blobs) begin(ctx context.Context, name string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := medium.ValidName(name); err != nil {
		return err
	}
	return b.calls.begin()
}

// Delete removes the file; whoever has the blob open goes on reading it.
func (b *blobs) Delete(ctx context.Context, name string) error {
	if err := b.begin(ctx, name); err != nil {
		return fmt.Errorf("cannot delete blob %q: %w", name, err)
	}
	defer b.calls.end()
	if b.readOnly {
		return fmt.Errorf("cannot delete blob %q: %w", name, medium.ErrReadOnly)
	}
	if err := b.remove(name); err != nil {
		return fmt.Errorf("cannot delete blob %q: %w", name, diskError(err))
	}
	return nil
}

func (b *blobs) remove(name string) error {
	lock := b.nameLock(name)
	lock.Lock()
	defer lock.Unlock()
	path := b.path(name)
	err := b.fsys.Remove(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		b.metrics.deletes.Inc()
	}
	b.maps.forget(name)
	// Also when there was no file: an earlier Delete may have failed between removing and syncing.
	if err := b.fsys.SyncDir(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.removeEmptyFolders(filepath.Dir(path))
	return nil
}

func (b *blobs) nameLock(name string) *sync.Mutex {
	return &b.names[maphash.String(b.seed, name)%uint64(len(b.names))]
}

// removeEmptyFolders removes dir and the folders above it as long as they are empty. It is tidiness: that they stay, or come
// back after a crash, harms nobody.
func (b *blobs) removeEmptyFolders(dir string) {
	b.tree.Lock()
	defer b.tree.Unlock()
	for ; dir != b.dir; dir = filepath.Dir(dir) {
		b.durable.remove(dir)
		if b.fsys.Remove(dir) != nil { // it is not empty
			return
		}
	}
}

// makeFolder makes the folder and those above it, durably. It needs tree.
func (b *blobs) makeFolder(dir string) error {
	if b.durable.has(dir) {
		return nil
	}
	if dir == b.dir {
		if err := vfs.MkdirAll(b.fsys, dir, folderMode); err != nil {
			return err
		}
		b.durable.add(dir)
		return nil
	}
	parent := filepath.Dir(dir)
	if err := b.makeFolder(parent); err != nil {
		return err
	}
	if err := b.fsys.Mkdir(dir, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also when it was there: another Put may have made it and not synced it yet.
	if err := b.fsys.SyncDir(parent); err != nil {
		return err
	}
	b.durable.add(dir)
	return nil
}

// maxDurableFolders bounds the memory that known folders take, to some 10 MiB. A folder that is forgotten costs some syncs.
const maxDurableFolders = 65_536

type durableFolders struct {
	mu   sync.Mutex // no I/O under it
	dirs map[string]struct{}
}

func (d *durableFolders) has(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.dirs[dir]
	return ok
}

func (d *durableFolders) add(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dirs == nil || len(d.dirs) >= maxDurableFolders {
		d.dirs = map[string]struct{}{}
	}
	d.dirs[dir] = struct{}{}
}

func (d *durableFolders) remove(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.dirs, dir)
}
