package tail

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// copyOf is a file that was copied from one that is followed: what both hold is read once.
type copyOf struct {
	path string
	of   fileID
}

// found is a path that an input names.
type found struct {
	path string
	in   *input
	id   fileID
	info os.FileInfo
}

// scan looks for files that are not followed yet, and for what became of those that are.
func (t *Tailer) scan() {
	seen := map[fileID]found{}
	taken := map[string]bool{}
	for _, in := range t.inputs {
		for _, glob := range in.Paths {
			expandGlob(glob, func(path string) { t.meet(path, in, seen, taken) })
		}
	}
	if t.containers != nil {
		for _, path := range t.engineNames.extraPaths() {
			t.meet(path, t.containers, seen, taken)
		}
	}
	if t.opts.Auto {
		in := t.openedInput()
		if time.Since(t.openedAt) > openLogsEvery {
			t.openLogs, t.openedAt = openLogs(t.opts.ProcFS, t.opts.RootFS), time.Now()
		}
		for path, service := range t.openLogs {
			t.meet(path, in.of(service), seen, taken)
		}
	}
	t.update(seen)
	for _, f := range seen {
		t.adopt(f)
	}
	t.remember()
	t.mu.Lock()
	t.first = false
	ids := make([]fileID, 0, len(t.files))
	for id := range t.files {
		ids = append(ids, id)
	}
	t.mu.Unlock()
	t.saved.touch(ids)
}

// remember saves the positions of new files before anything is read of them: one that a restart knows nothing of would not be looked for where it was
// rotated to.
func (t *Tailer) remember() {
	t.mu.Lock()
	var fresh []*file
	for _, f := range t.files {
		if !f.remembered {
			fresh = append(fresh, f)
		}
	}
	t.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	if err := t.saved.save(); err != nil {
		t.log.Debug("new log files are read without a saved position", "err", err) // the saving itself tells of it, and tries again
	}
	t.mu.Lock()
	for _, f := range fresh {
		f.remembered = true
	}
	t.mu.Unlock()
	for _, f := range fresh {
		t.enqueue(f)
	}
	select {
	case t.rewatch <- struct{}{}:
	default:
	}
}

// meet notes a path, unless it is not to be followed. The first input that names a file has it.
func (t *Tailer) meet(path string, in *input, seen map[fileID]found, taken map[string]bool) {
	path = filepath.Clean(path)
	if taken[path] || isPacked(path) && !in.Compressed {
		return
	}
	if in.excluded(path) {
		taken[path] = taken[path] || !in.auto // what the user leaves out is left out
		return
	}
	info, err := os.Stat(path)
	if err != nil || !regular(info) {
		return
	}
	id, ok := idOf(info)
	if !ok || t.isOwn(path, id) {
		return
	}
	if in.customize != nil {
		if in = in.customize(path); in == nil {
			return
		}
	}
	taken[path] = true
	if _, twice := seen[id]; !twice {
		seen[id] = found{path: path, in: in, id: id, info: info}
	}
}

// update brings the paths of the followed files up to date.
func (t *Tailer) update(seen map[fileID]found) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, f := range t.files {
		now, ok := seen[id]
		switch {
		case ok && now.path != f.path && !f.opened.Load(): // it may be another file by now, which has its inode
			t.forgetLocked(f)
		case ok && now.path != f.path:
			t.movedLocked(f, now.path)
			f.gone.Store(false)
		case ok:
			f.gone.Store(false)
		case !f.gone.Load():
			info, err := os.Stat(f.path)
			if err == nil {
				if current, same := idOf(info); same && current == id {
					continue // excluded by a glob of the process' open files, or the like: it is still there
				}
			}
			f.gone.Store(true)
			how := "renamed"
			if err != nil {
				how = "removed"
			}
			t.metrics.rotated.WithLabelValues(how).Inc()
		}
	}
}

// forgetLocked drops a file; the scan that goes on finds it again.
func (t *Tailer) forgetLocked(f *file) {
	delete(t.files, f.id)
	if t.byPath[f.path] == f {
		delete(t.byPath, f.path)
	}
}

func (t *Tailer) movedLocked(f *file, path string) {
	if t.byPath[f.path] == f {
		delete(t.byPath, f.path)
	}
	f.path = path
	t.byPath[path] = f
}

// adopt begins to follow a file that is not followed yet.
func (t *Tailer) adopt(n found) {
	t.mu.Lock()
	_, known := t.files[n.id]
	full := len(t.files) >= t.opts.MaxFiles
	first := t.first && t.saved.fresh
	t.mu.Unlock()
	if known || full {
		t.noteFull(full && !known)
		return
	}
	head, err := headOf(n.path, n.id)
	if err != nil {
		return // it is tried again at the next scan
	}
	packed := isPacked(n.path)
	if n.in.auto && looksBinary(head) {
		return
	}
	if p, ok := t.saved.get(n.id); ok && p.is(head) && p.Packed == packed {
		if !p.Done {
			t.rescueRotated(n)
			h := how{packed: packed}
			if filepath.Dir(p.Path) == filepath.Dir(n.path) && rotatedName(filepath.Base(p.Path), filepath.Base(n.path)) {
				h.name = p.Path
			}
			t.follow(n, p.Offset, head[:p.Len], h)
		}
		return
	}
	if t.isGrowingCopy(n, head) {
		return
	}
	if hold, offset, ok := t.origin(n, head); hold {
		return
	} else if ok {
		t.rescueRotated(n)
		t.follow(n, offset, head, how{})
		return
	}
	offset, align := n.in.start(n.info.Size(), first)
	if packed {
		offset, align = 0, false
	}
	t.rescueRotated(n)
	t.follow(n, offset, head, how{align: align, packed: packed})
}

// noteFull counts and logs that a file is left out.
func (t *Tailer) noteFull(full bool) {
	if !full {
		return
	}
	t.metrics.errors.WithLabelValues("too_many_files").Inc()
	if !t.full {
		t.full = true
		t.log.Warn("too many log files: some are not followed", "most", t.opts.MaxFiles, "fix", "raise logs.max_files, or exclude some with logs.exclude")
	}
}

// headOf reads the beginning of the file at a path, if it is still that file.
func headOf(path string, id fileID) ([]byte, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if now, ok := idOf(info); !ok || now != id {
		return nil, errMoved
	}
	return readHead(f)
}

// how says what is special about following a file.
type how struct {
	align  bool   // begin behind the first end of line
	packed bool   // it is compressed, and read once
	gone   bool   // it was rotated away: read it to its end
	old    *file  // what it is the rest of
	name   string // under which it was met first; "" is its path
}

// follow adds a file.
func (t *Tailer) follow(n found, offset int64, head []byte, h how) {
	if h.name == "" {
		h.name = n.path
	}
	f := &file{t: t, in: n.in, id: n.id, name: h.name, path: n.path, head: bytes.Clone(head), align: h.align, unpack: h.packed, grown: time.Now()}
	f.offset.Store(offset)
	f.seenSize.Store(n.info.Size())
	f.gone.Store(h.gone)
	f.setLabels()
	if h.old != nil {
		f.encoding, f.format, f.sample, f.labels = h.old.encoding, h.old.format, h.old.sample, h.old.labels
	}
	t.mu.Lock()
	if t.files[n.id] != nil {
		t.mu.Unlock()
		return
	}
	t.files[n.id] = f
	t.byPath[n.path] = f
	delete(t.copies, n.id)
	t.mu.Unlock()
	t.saved.put(position{fileID: n.id, Path: h.name, Offset: offset, Head: hashHead(head), Len: len(head), Packed: h.packed})
	t.log.Debug("following a log file", "file", n.path, "from", offset)
}

// setLabels makes the labels of the file's streams.
func (f *file) setLabels() {
	path := f.shownPath()
	base := []model.Field{{Name: "instance", Value: f.t.opts.Instance}}
	service, job := serviceOf(f.in, path), "files"
	if f.in.container != "" { // its path has an identifier that changes with every new container of the name
		service, job, path = "", "containers", ""
	}
	base = append(base, model.Field{Name: "filename", Value: path})
	base = append(base, model.Field{Name: "job", Value: job}, model.Field{Name: "service_name", Value: service})
	base = append(base, f.in.labels...)
	base = f.t.withLabels(base)
	for output, name := range [outputs]string{stdout: "stdout", stderr: "stderr"} {
		labels := append([]model.Field(nil), base...)
		if name != "" {
			labels = append(labels, model.Field{Name: "stream", Value: name})
		}
		f.labels[output] = model.SortFields(labels)
	}
}

// withLabels puts the labels of all records on those that are missing.
func (t *Tailer) withLabels(labels []model.Field) []model.Field {
	for name, value := range t.opts.Labels {
		if !slices.ContainsFunc(labels, func(l model.Field) bool { return l.Name == name && l.Value != "" }) {
			labels = append(labels, model.Field{Name: name, Value: value})
		}
	}
	return labels
}

// serviceOf names what writes a file: by its place, else by the name of the file or of its folder.
func serviceOf(in *input, path string) string {
	if in.format != nil && in.format.Service != "" {
		return in.format.Service
	}
	for _, f := range logformat.ForFile(path) {
		if f.Service != "" {
			return f.Service
		}
	}
	dir := filepath.Base(filepath.Dir(path))
	switch dir {
	case "log", "logs", ".", "/", "tmp", "data":
	default:
		return dir
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return name
}

// rotatedName says whether name is what rotation calls base: base.1, base-20260102, base.1.gz, and for app.log also app-20260102.log.
func rotatedName(base, name string) bool {
	if name == base {
		return false
	}
	if strings.HasPrefix(name, base) {
		return true
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if ext == "" || stem == "" || !strings.HasPrefix(name, stem) || len(name) <= len(stem) || strings.IndexByte("-._", name[len(stem)]) < 0 {
		return false
	}
	return strings.Contains(name, ext)
}

// isGrowingCopy says whether a file may be a copy that is just being made of one that is followed: it has the name of its rotation, and
// begins like it, as far as it goes.
func (t *Tailer) isGrowingCopy(n found, head []byte) bool {
	if len(head) >= headBytes {
		return false
	}
	for _, path := range rotatedFrom(n.path) {
		t.mu.Lock()
		f := t.byPath[path]
		t.mu.Unlock()
		if f == nil || f.id == n.id {
			continue
		}
		f.mu.Lock()
		same := len(head) < len(f.head) && bytes.HasPrefix(f.head, head)
		f.mu.Unlock()
		if same {
			return true
		}
	}
	return false
}

// rotatedFrom returns the paths that rotation may have made path of: every base of which rotatedName says so.
func rotatedFrom(path string) []string {
	dir, name := filepath.Split(path)
	var out []string
	for i := 1; i < len(name); i++ {
		out = append(out, filepath.Join(dir, name[:i]))
		if strings.IndexByte("-._", name[i]) < 0 {
			continue
		}
		for j := i + 1; j < len(name); j++ {
			if name[j] != '.' {
				continue
			}
			ext, _, _ := strings.Cut(name[j+1:], ".")
			out = append(out, filepath.Join(dir, name[:i]+"."+ext))
		}
	}
	return out
}

// minSameHead is how much of two files must be the same for one to be taken for the other when the name does not tell.
const minSameHead = 256

// origin finds out whether a file that is not known is a copy, or the rest, of one that is. hold says that it is a copy of one
// that is still as it was: it is left alone. ok says that reading goes on at offset.
func (t *Tailer) origin(n found, head []byte) (hold bool, offset int64, ok bool) {
	for _, p := range t.saved.sameHead(head, filepath.Dir(n.path)) {
		if p.fileID == n.id || p.Packed {
			continue
		}
		rotated := rotatedName(filepath.Base(p.Path), filepath.Base(n.path))
		if !rotated && (p.Path != n.path || p.Len < minSameHead) {
			continue
		}
		if t.intact(p) {
			if rotated {
				t.mu.Lock()
				t.copies[n.id] = &copyOf{path: n.path, of: p.fileID}
				t.mu.Unlock()
				return true, 0, false
			}
			continue
		}
		return false, p.Offset, true
	}
	return false, 0, false
}

// intact says whether the file of a position still begins as it did.
func (t *Tailer) intact(p position) bool {
	t.mu.Lock()
	_, followed := t.files[p.fileID]
	t.mu.Unlock()
	if followed {
		return true
	}
	head, err := headOf(p.Path, p.fileID)
	return err == nil && p.is(head)
}

// rescueCopy looks for the copy of a file that was truncated, and reads there what was not read of the file. f.mu is held.
func (t *Tailer) rescueCopy(f *file) {
	offset, head := f.offset.Load(), f.head
	if len(head) == 0 {
		return
	}
	path := f.pathNow()
	for _, n := range t.siblings(path) {
		if n.id == f.id || !t.unknownOrCopy(n.id, f.id) {
			continue
		}
		if isPacked(n.path) {
			n.in = f.in
			if t.rescuePacked(n, position{Path: f.name, Offset: offset, Head: hashHead(head), Len: len(head)}, f) {
				return
			}
			continue
		}
		got, err := headOf(n.path, n.id)
		if err != nil || !bytes.HasPrefix(got, head) && (len(got) == 0 || !bytes.HasPrefix(head, got)) {
			continue
		}
		n.in = f.in
		// A shorter one was copied before the last lines came: all of it was read.
		t.follow(n, min(offset, n.info.Size()), got, how{gone: true, old: f, name: f.name})
		return
	}
}

// unknownOrCopy says whether a file may be the copy of another: it is neither followed nor was read before.
func (t *Tailer) unknownOrCopy(id, of fileID) bool {
	t.mu.Lock()
	c, followed := t.copies[id], t.files[id] != nil
	t.mu.Unlock()
	if followed {
		return false
	}
	if c != nil {
		return c.of == of
	}
	_, read := t.saved.get(id)
	return !read
}

// siblings are the files of a folder that have the name of a rotation of path.
func (t *Tailer) siblings(path string) []found {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []found
	for _, e := range entries {
		if !e.Type().IsRegular() || !rotatedName(base, e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		if id, ok := idOf(info); ok {
			out = append(out, found{path: filepath.Join(dir, e.Name()), id: id, info: info})
		}
	}
	return out
}

// rescueRotated looks for what a path led to before it led to n, when that was rotated while nobody looked: the rest of it is read where it
// is now.
func (t *Tailer) rescueRotated(n found) {
	for _, p := range t.saved.at(n.path) {
		if p.Done {
			continue
		}
		t.mu.Lock()
		_, followed := t.files[p.fileID]
		t.mu.Unlock()
		if followed {
			continue
		}
		if p.fileID == n.id {
			if head, err := headOf(n.path, n.id); err != nil || p.is(head) {
				continue
			}
		}
		for _, s := range t.siblings(n.path) {
			if t.rescue(s, p, n.in) {
				break
			}
		}
	}
}

// rescue reads the rest of a position in a file, if that is the one.
func (t *Tailer) rescue(s found, p position, in *input) bool {
	if s.id != p.fileID && (p.Len == 0 || !t.unknownOrCopy(s.id, p.fileID)) {
		return false
	}
	s.in = in
	if isPacked(s.path) && s.id != p.fileID {
		return t.rescuePacked(s, p, nil)
	}
	head, err := headOf(s.path, s.id)
	if err != nil || !p.is(head) || s.info.Size() < p.Offset && !p.Packed || isPacked(s.path) != p.Packed {
		return false
	}
	t.follow(s, p.Offset, head, how{gone: true, packed: p.Packed, name: p.Path})
	return true
}

// rescuePacked reads the rest of a position in a file that was compressed meanwhile, if that is the one.
func (t *Tailer) rescuePacked(s found, p position, old *file) bool {
	z, err := openPacked(s.path)
	if err != nil || p.Len == 0 {
		z.Close()
		return false
	}
	head := make([]byte, headBytes)
	n, _ := z.ReadAt(head, 0)
	z.Close()
	if !p.is(head[:n]) {
		return false
	}
	packedHead, err := headOf(s.path, s.id)
	if err != nil {
		return false
	}
	t.follow(s, p.Offset, packedHead, how{packed: true, gone: true, old: old, name: p.Path})
	return true
}
