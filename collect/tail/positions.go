package tail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// fileID is what stays the same when a file is renamed.
type fileID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

const (
	positionsName    = "positions.json"
	positionsVersion = 1
	// headBytes is how much of a file's beginning identifies it, together with its inode, which the system gives away again.
	headBytes = 1024
	// maxPositions bounds the file; those that were not seen for longest go first.
	maxPositions     = 20_000
	maxPositionsFile = 64 << 20
	// forgetAfter is how long the position of a file that is gone is kept.
	forgetAfter = 30 * 24 * time.Hour
	saveEvery   = time.Second
)

// position is how far a file was delivered.
type position struct {
	fileID
	Path   string `json:"path"`
	Offset int64  `json:"offset"`           // everything before it was acknowledged
	Head   string `json:"head,omitempty"`   // hash of the first HeadLen bytes
	Len    int    `json:"length,omitempty"` // of what Head is about
	Packed bool   `json:"packed,omitempty"` // Offset counts bytes as they are unpacked
	Done   bool   `json:"done,omitempty"`   // a packed file that was read to its end
	Seen   int64  `json:"seen"`             // seconds since the epoch
}

func hashHead(head []byte) string {
	if len(head) == 0 {
		return ""
	}
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:16])
}

// is says whether a file with this beginning is the one of the position.
func (p *position) is(head []byte) bool {
	return len(head) >= p.Len && (p.Len == 0 || hashHead(head[:p.Len]) == p.Head)
}

// positions keeps what was delivered, in memory and, a second later at most, in a file.
type positions struct {
	fs   vfs.FS
	name string
	log  *slog.Logger

	mu      sync.Mutex // guards what follows; no I/O under it
	files   map[fileID]*position
	byPath  map[string]map[fileID]*position
	byHead  map[headKey]map[fileID]*position
	heads   [headBytes + 1]int // positions by Len
	cursors map[string]string  // of journals and containers
	dirty   bool
	fresh   bool // there was no file: this is the first start
	saving  sync.Mutex
}

type positionsFile struct {
	Version int               `json:"version"`
	Files   []*position       `json:"files"`
	Cursors map[string]string `json:"cursors,omitempty"`
}

func newPositions(fsys vfs.FS, name string, log *slog.Logger) *positions {
	return &positions{
		fs: fsys, name: name, log: log, cursors: map[string]string{},
		files: map[fileID]*position{}, byPath: map[string]map[fileID]*position{}, byHead: map[headKey]map[fileID]*position{},
	}
}

// openPositions reads the file. One that is damaged is put aside: following goes on as at the first start.
func openPositions(fsys vfs.FS, dir string, log *slog.Logger) (*positions, error) {
	if err := vfs.MkdirAll(fsys, dir, 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the positions in logs: %w", err)
	}
	p := newPositions(fsys, filepath.Join(dir, positionsName), log)
	text, err := vfs.ReadFile(fsys, p.name, maxPositionsFile)
	if errors.Is(err, fs.ErrNotExist) {
		p.fresh = true
		return p, nil
	}
	if err == nil {
		err = p.decode(text)
		if err == nil {
			return p, nil
		}
		log.Error("the positions in logs are damaged and put aside: files are begun again", "file", p.name, "err", err)
		p = newPositions(fsys, p.name, log)
		p.fresh = true
		return p, fsys.Rename(p.name, p.name+".damaged")
	}
	return nil, fmt.Errorf("cannot read the positions in logs: %w", err)
}

// decode reads the file's text.
func (p *positions) decode(text []byte) error {
	var file positionsFile
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	if file.Version != positionsVersion {
		return fmt.Errorf("version %d is unknown: %d is the only one", file.Version, positionsVersion)
	}
	for _, e := range file.Files[:min(len(file.Files), 2*maxPositions)] {
		if e == nil || e.Offset < 0 || e.Len < 0 || e.Len > headBytes || e.Path == "" {
			return errors.New("an entry makes no sense")
		}
		p.putLocked(e)
	}
	for k, v := range file.Cursors {
		p.cursors[k] = v
	}
	return nil
}

// headKey is what a file begins with.
type headKey struct {
	length int
	hash   string
}

func (p *position) head() headKey { return headKey{p.Len, p.Head} }

func (p *positions) putLocked(e *position) {
	p.dropLocked(e.fileID)
	p.files[e.fileID] = e
	addTo(p.byPath, e.Path, e)
	addTo(p.byHead, e.head(), e)
	p.heads[e.Len]++
}

func (p *positions) dropLocked(id fileID) {
	old := p.files[id]
	if old == nil {
		return
	}
	delete(p.files, id)
	removeFrom(p.byPath, old.Path, id)
	removeFrom(p.byHead, old.head(), id)
	p.heads[old.Len]--
}

func addTo[K comparable](index map[K]map[fileID]*position, key K, e *position) {
	if index[key] == nil {
		index[key] = map[fileID]*position{}
	}
	index[key][e.fileID] = e
}

func removeFrom[K comparable](index map[K]map[fileID]*position, key K, id fileID) {
	delete(index[key], id)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

// put remembers a position. It takes effect in the file within saveEvery.
func (p *positions) put(e position) {
	e.Seen = time.Now().Unix()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.putLocked(&e)
	p.dirty = true
}

func (p *positions) get(id fileID) (position, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.files[id]; e != nil {
		return *e, true
	}
	return position{}, false
}

// at returns the positions of the files that had a path when they were read last.
func (p *positions) at(path string) []position {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []position
	for _, e := range p.byPath[path] {
		out = append(out, *e)
	}
	return out
}

// sameHead returns the positions of the files of a folder that begin as head does. Those of which nothing is known are left out.
func (p *positions) sameHead(head []byte, dir string) []position {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []position
	for n := 1; n <= len(head); n++ {
		if p.heads[n] == 0 {
			continue
		}
		for _, e := range p.byHead[headKey{n, hashHead(head[:n])}] {
			if filepath.Dir(e.Path) == dir {
				out = append(out, *e)
			}
		}
	}
	return out
}

func (p *positions) cursor(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cursors[name]
}

func (p *positions) setCursor(name, cursor string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cursor == "" {
		delete(p.cursors, name)
	} else {
		p.cursors[name] = cursor
	}
	p.dirty = true
}

// pause is how long nothing is written: longer with many files, as all of them are written at once.
func (p *positions) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return saveEvery + time.Duration(len(p.files))*saveEvery/2000
}

// keep saves every now and then until ctx ends.
func (p *positions) keep(ctx context.Context) {
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.pause()):
		}
		err := p.save()
		if err != nil && !failed {
			p.log.Error("cannot save how far the logs were read: after a crash some would come twice", "err", err)
		}
		failed = err != nil
	}
}

// save writes the file when something has changed.
func (p *positions) save() error {
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	if !p.dirty {
		p.mu.Unlock()
		return nil
	}
	p.forgetLocked(time.Now())
	file := positionsFile{Version: positionsVersion, Cursors: map[string]string{}}
	for _, e := range p.files {
		c := *e
		file.Files = append(file.Files, &c)
	}
	for k, v := range p.cursors {
		file.Cursors[k] = v
	}
	p.dirty = false
	p.mu.Unlock()

	text, err := json.Marshal(file)
	if err == nil {
		err = vfs.WriteFile(p.fs, p.name, append(text, '\n'), 0o640)
	}
	if err != nil {
		p.mu.Lock()
		p.dirty = true
		p.mu.Unlock()
	}
	return err
}

// forgetLocked drops positions of files that are gone for long, and more when there are too many.
func (p *positions) forgetLocked(now time.Time) {
	oldest := now.Add(-forgetAfter).Unix()
	for len(p.files) > 0 {
		for id, e := range p.files {
			if e.Seen < oldest {
				p.dropLocked(id)
			}
		}
		if len(p.files) <= maxPositions {
			return
		}
		oldest += (now.Unix() - oldest) / 2
		if oldest >= now.Unix()-1 {
			return // all were seen just now
		}
	}
}

// touch notes that files are still there.
func (p *positions) touch(ids []fileID) {
	now := time.Now().Unix()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		if e := p.files[id]; e != nil && now-e.Seen > 3600 {
			e.Seen = now
			p.dirty = true
		}
	}
}

// readHead returns the beginning of a file.
func readHead(f *os.File) ([]byte, error) {
	head := make([]byte, headBytes)
	n, err := f.ReadAt(head, 0)
	if n > 0 || errors.Is(err, fs.ErrClosed) {
		return head[:n:n], nil
	}
	return nil, ignoreEOF(err)
}
