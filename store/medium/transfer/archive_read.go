package transfer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// RestoreOptions is how to read an archive; its zero value works.
type RestoreOptions struct {
	// Into restores into a medium that holds something already. What it holds and the archive does not stays.
	Into bool
	// Overwrite, with Into, replaces documents and blobs that are there with other content. Journals are never replaced.
	Overwrite bool
	// Progress may be nil; as in Options.
	Progress func(Progress)
	// Manifest may be nil. It is called first, and its error ends the restore.
	Manifest func(Manifest) error
	// File gets the files that the application had added. It may be nil. What it gets is verified only when ReadArchive
	// returns, and must not be put to use before.
	File func(name string, size int64, content io.Reader) error
}

// ReadArchive restores an archive into a medium, or verifies it only when to is nil. An archive that is cut, damaged or strange is
// refused: one in a folder before anything is restored; of a stream everything is restored that comes before the damage, Unfinished then
// tells of it, and the medium should be emptied. When it was interrupted it is done again with the same archive, and goes on. The error is
// ErrDamaged when the archive is sound and whole, but what it was made of was damaged: the report has what is missing.
func ReadArchive(ctx context.Context, s Source, to medium.Medium, o RestoreOptions) (Report, error) {
	defer s.close()
	r := &archiveReader{job: newJob(o.Progress), ctx: ctx, src: s, to: to, o: o, files: &ArchiveWriter{files: map[string]bool{}}}
	err := r.run()
	if err == nil {
		err = r.report.err()
	}
	what := "restore"
	if to == nil {
		what = "verify"
	}
	if err != nil {
		err = fmt.Errorf("cannot %s everything: %w", what, err)
	}
	return r.report, err
}

type archiveReader struct {
	*job
	ctx context.Context
	src Source
	to  medium.Medium // nil to verify only
	o   RestoreOptions

	dest    *destination // nil to verify only
	sums    []entrySum
	last    place // of the entry before
	files   *ArchiveWriter
	damages bool // damaged.json was read

	journal     *journal // that is being restored
	journalName string   // whose last part did not come yet; "" for none
	position    medium.Position
}

func (r *archiveReader) run() (err error) {
	if err := r.src.verify(r.ctx, r.job); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	defer func() {
		if r.journal != nil {
			err = errors.Join(err, r.journal.close())
		}
	}()
	for r.last.section != checksumSection {
		if err := r.entry(); err != nil {
			return err
		}
	}
	if _, _, _, err := r.src.next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fmt.Errorf("%w: something follows its end", ErrArchive)
		}
		return err
	}
	r.tellNow()
	if r.to == nil {
		return nil
	}
	return finish(r.ctx, r.to)
}

// begin reads the manifest and makes sure of the destination.
func (r *archiveReader) begin() error {
	p, size, content, err := r.src.next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty", ErrIncomplete)
	}
	if err != nil {
		return err
	}
	if p != manifestPath || size > maxManifest {
		return fmt.Errorf("%w: it does not begin with %s", ErrArchive, manifestPath)
	}
	e := newEntryReader(content, size)
	b, err := e.all()
	if err != nil {
		return r.src.explain(err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return err
	}
	r.sums = append(r.sums, entrySum{p, e.checksum()})
	if r.o.Manifest != nil {
		if err := r.o.Manifest(m); err != nil {
			return err
		}
	}
	if r.to == nil {
		return nil
	}
	return r.prepare(m)
}

func parseManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		// A newer format may have other fields; its number is all that counts here.
		var format struct {
			Format int `json:"format"`
		}
		if json.Unmarshal(b, &format) != nil || format.Format <= archiveFormat {
			return m, fmt.Errorf("%w: %s: %w", ErrArchive, manifestPath, err)
		}
		m.Format = format.Format
	}
	switch {
	case m.Format > archiveFormat:
		return m, fmt.Errorf("%w: its format is %d, this program (which reads up to %d) is too old for it", ErrNewer, m.Format, archiveFormat)
	case m.Format < oldestArchive:
		return m, fmt.Errorf("%w: %s gives the format %d", ErrArchive, manifestPath, m.Format)
	case m.ID == "" || len(m.ID) > 200:
		return m, fmt.Errorf("%w: %s gives no usable id", ErrArchive, manifestPath)
	}
	return m, nil
}

func (r *archiveReader) prepare(m Manifest) error {
	u, _, err := readUnfinished(r.ctx, r.to)
	if err != nil {
		return err
	}
	resumes := u.What == "restore" && u.ID == m.ID
	if !r.o.Into && !resumes {
		if err := mustBeEmpty(r.ctx, r.to); err != nil {
			return err
		}
	}
	if _, err := begin(r.ctx, r.to, "restore", m.ID); err != nil {
		return err
	}
	r.dest, err = newDestination(r.ctx, r.job, r.to)
	if err == nil {
		r.dest.overwrite, r.dest.resumed, r.dest.once = r.o.Into && r.o.Overwrite, resumes, true
	}
	return err
}

// mustBeEmpty returns an error that says what a medium holds.
func mustBeEmpty(ctx context.Context, m medium.Medium) error {
	infos, err := m.Journals().List(ctx)
	if err != nil {
		return err
	}
	if len(infos) > 0 {
		return fmt.Errorf("%w: it has %d journals, the first is %q", ErrNotEmpty, len(infos), infos[0].Name)
	}
	kinds, err := m.Documents().Kinds(ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if !ownDocuments(kind) {
			return fmt.Errorf("%w: it has documents of the kind %q", ErrNotEmpty, kind)
		}
	}
	for info, err := range m.Blobs().List(ctx, "") {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: it has blobs, the first is %q", ErrNotEmpty, info.Name)
	}
	return nil
}

var phases = map[section]string{journalSection: "journals", documentSection: "documents", blobSection: "blobs", fileSection: "files"}

// entry reads one entry.
func (r *archiveReader) entry() error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	p, size, content, err := r.src.next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it has no %s", ErrIncomplete, checksumsPath)
	}
	if err != nil {
		return err
	}
	pl, err := r.place(p, size)
	if err != nil {
		return err
	}
	if name := phases[pl.section]; name != "" && pl.section != r.last.section {
		r.phase(name)
	}
	r.last = pl
	r.working(pl.name)
	e := newEntryReader(content, size)
	if err := r.read(pl, e); err != nil {
		return fmt.Errorf("entry %s: %w", p, r.explain(err))
	}
	if err := e.drain(); err != nil {
		return fmt.Errorf("entry %s: %w", p, r.explain(err))
	}
	r.sums = append(r.sums, entrySum{p, e.checksum()})
	return nil
}

// explain leaves errors alone that are not about reading the archive.
func (r *archiveReader) explain(err error) error {
	var read readError
	if errors.As(err, &read) {
		return r.src.explain(read.error)
	}
	return err
}

// place checks that an entry may stand here.
func (r *archiveReader) place(p string, size int64) (place, error) {
	pl, err := parsePath(p)
	switch {
	case err != nil:
		return pl, fmt.Errorf("%w: entry %.200q: %w", ErrArchive, p, err)
	case size < 0 || size > pl.limit():
		return pl, fmt.Errorf("%w: entry %s has %d bytes, at most %d are allowed", ErrArchive, p, size, pl.limit())
	case !r.follows(pl):
		return pl, fmt.Errorf("%w: entry %s stands in the wrong place", ErrArchive, p)
	case len(r.sums) >= maxEntries:
		return pl, fmt.Errorf("%w: it has more than %d entries", ErrArchive, maxEntries)
	case r.journalName != "" && (pl.section != journalSection || pl.name != r.journalName):
		return pl, fmt.Errorf("%w: the end of the journal %q is missing before %s", ErrArchive, r.journalName, p)
	case pl.section == checksumSection && !r.damages:
		return pl, fmt.Errorf("%w: %s is missing", ErrArchive, damagedPath)
	}
	return pl, nil
}

// follows says whether an entry is behind the last one in the order of archives.
func (r *archiveReader) follows(p place) bool {
	l := r.last
	switch {
	case p.section != l.section:
		return p.section > l.section
	case p.section == fileSection: // in any order
		return true
	case p.section == manifestSection, p.section == damagedSection:
		return false
	case p.name != l.name:
		return p.name > l.name
	}
	return p.number > l.number
}

func (r *archiveReader) read(p place, e *entryReader) error {
	switch p.section {
	case journalSection:
		return r.readJournal(p, e)
	case documentSection:
		return r.readDocuments(p, e)
	case blobSection:
		return r.readBlob(p, e)
	case fileSection:
		return r.readFile(p, e)
	case damagedSection:
		return r.readDamaged(e)
	}
	return r.readChecksums(e)
}

// part reads an entry of journals or documents, which fits into memory, and verifies it. into gets the head.
func part(e *entryReader, into any) (body []byte, err error) {
	b, err := e.all()
	if err != nil {
		return nil, err
	}
	if len(b) < trailerSize {
		return nil, fmt.Errorf("%w: it has no trailer", ErrArchive)
	}
	b, trailer := b[:len(b)-trailerSize], b[len(b)-trailerSize:]
	want, sound, err := parseTrailer(trailer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	if sha256.Sum256(b) != want || !sound {
		return nil, fmt.Errorf("%w: its checksum differs", ErrArchive)
	}
	head, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(head) > maxHead {
		return nil, fmt.Errorf("%w: it has no head", ErrArchive)
	}
	if err := json.Unmarshal(head, into); err != nil {
		return nil, fmt.Errorf("%w: its head cannot be read: %w", ErrArchive, err)
	}
	return body, nil
}

func (r *archiveReader) readJournal(p place, e *entryReader) error {
	var head journalHead
	body, err := part(e, &head)
	if err != nil {
		return err
	}
	if head.Journal != p.name {
		return fmt.Errorf("%w: it is a part of the journal %.200q", ErrArchive, head.Journal)
	}
	if r.journalName == "" {
		r.journalName, r.position = p.name, 0
		if r.dest != nil {
			if r.journal, err = r.dest.journal(r.ctx, p.name); err != nil {
				return err
			}
		}
	}
	if err := r.readEntries(p, body); err != nil {
		return err
	}
	if !head.Last {
		return nil
	}
	r.journalName = ""
	return r.endJournal(max(head.Next, r.position+1))
}

func (r *archiveReader) endJournal(next medium.Position) error {
	j := r.journal
	r.journal = nil
	if j == nil {
		r.done(Counts{Journals: 1})
		return nil
	}
	return errors.Join(j.end(next), j.close())
}

func (r *archiveReader) readEntries(p place, body []byte) error {
	for first := true; len(body) > 0; first = false {
		if err := context.Cause(r.ctx); err != nil {
			return err
		}
		if len(body) < 12 {
			return fmt.Errorf("%w: half an entry at its end", ErrArchive)
		}
		at, n := medium.Position(binary.LittleEndian.Uint64(body)), int64(binary.LittleEndian.Uint32(body[8:]))
		body = body[12:]
		if n > medium.MaxEntry || n > int64(len(body)) {
			return fmt.Errorf("%w: the journal's entry at position %d has %d bytes, which cannot be", ErrArchive, at, n)
		}
		if at <= r.position || first && uint64(at) != p.number {
			return fmt.Errorf("%w: the journal's position %d stands in the wrong place", ErrArchive, at)
		}
		r.position = at
		if err := r.addEntry(at, body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func (r *archiveReader) addEntry(at medium.Position, entry []byte) error {
	if r.journal == nil {
		r.done(Counts{Entries: 1, Bytes: int64(len(entry))})
		return nil
	}
	return r.journal.add(at, entry)
}

func (r *archiveReader) readDocuments(p place, e *entryReader) error {
	var head documentHead
	body, err := part(e, &head)
	if err != nil {
		return err
	}
	if head.Kind != p.name {
		return fmt.Errorf("%w: it has documents of the kind %.200q", ErrArchive, head.Kind)
	}
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		doc, err := parseDocumentLine(p.name, line)
		if err != nil {
			return err
		}
		if r.dest == nil {
			r.done(Counts{Documents: 1, Bytes: int64(len(doc.Value))})
			continue
		}
		if err := r.dest.document(r.ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

func parseDocumentLine(kind string, line []byte) (medium.Document, error) {
	var l documentLine
	if err := json.Unmarshal(line, &l); err != nil {
		return medium.Document{}, fmt.Errorf("%w: a document cannot be read: %w", ErrArchive, err)
	}
	doc := medium.Document{Kind: kind, Key: l.Key, Value: l.Value}
	if l.Bytes != nil {
		doc.Value = l.Bytes
	}
	if err := medium.ValidDocument(kind, l.Key, doc.Value); err != nil {
		return doc, fmt.Errorf("%w: %w", ErrArchive, err)
	}
	if ownDocuments(kind) {
		return doc, fmt.Errorf("%w: documents of the kind %q are never in an archive", ErrArchive, kind)
	}
	return doc, nil
}

func (r *archiveReader) readBlob(p place, e *entryReader) error {
	line, err := e.line()
	if err != nil {
		return err
	}
	var head blobHead
	if err := json.Unmarshal(line, &head); err != nil {
		return fmt.Errorf("%w: its head cannot be read: %w", ErrArchive, err)
	}
	if head.Blob != p.name {
		return fmt.Errorf("%w: it is the blob %.200q", ErrArchive, head.Blob)
	}
	if head.Size < 0 || head.Size > medium.MaxBlob || e.left != head.Size+int64(trailerSize) {
		return fmt.Errorf("%w: its head gives a size of %d bytes, which cannot be", ErrArchive, head.Size)
	}
	content := &archivedBlob{ctx: r.ctx, e: e, left: head.Size}
	err = r.restoreBlob(medium.BlobInfo{Name: head.Blob, Size: head.Size, Expires: head.Expires}, content)
	if err == nil {
		_, err = io.Copy(io.Discard, content) // what was not wanted is verified all the same
	}
	if errors.Is(err, errBlobDamaged) { // damaged.json tells of it
		return nil
	}
	return err
}

func (r *archiveReader) restoreBlob(info medium.BlobInfo, content io.Reader) error {
	if r.dest != nil {
		return r.dest.blob(r.ctx, info, content)
	}
	_, err := io.Copy(io.Discard, &countingReader{r: content, job: r.job})
	r.done(Counts{Blobs: 1})
	return err
}

// errBlobDamaged says that a blob was damaged already when the archive was made.
var errBlobDamaged = errors.New("it was damaged when the archive was made")

// archivedBlob yields the content of a blob, and its end only after it has compared the checksum: who reads to the end has
// read what was archived, and a Put that gets another error stores nothing.
type archivedBlob struct {
	ctx  context.Context
	e    *entryReader
	left int64
	err  error
}

func (b *archivedBlob) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.err = context.Cause(b.ctx); b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		b.err = b.e.trailer()
		return 0, b.err
	}
	n, err := b.e.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.err = err
	return n, err
}

func (r *archiveReader) readFile(p place, e *entryReader) error {
	if err := r.files.placeFile(p.name); err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	defer r.done(Counts{Files: 1})
	content := &countingReader{r: &contextReader{r.ctx, io.LimitReader(e, e.left)}, job: r.job}
	if r.o.File != nil && r.to != nil {
		if err := r.o.File(p.name, e.left, content); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, content)
	return err
}

func (r *archiveReader) readDamaged(e *entryReader) error {
	b, err := e.all()
	if err != nil {
		return err
	}
	var findings []medium.Finding
	if err := json.Unmarshal(b, &findings); err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	r.damages = true
	for _, f := range findings {
		r.damaged(f)
	}
	return nil
}

func (r *archiveReader) readChecksums(e *entryReader) error {
	n := 0
	complete, err := readChecksums(e, func(p string, sum [sha256.Size]byte) error {
		if n == len(r.sums) {
			return fmt.Errorf("%w: it lists %s, which did not come", ErrArchive, p)
		}
		want := r.sums[n]
		n++
		if p != want.path {
			return fmt.Errorf("%w: it lists %s where %s came", ErrArchive, p, want.path)
		}
		if sum != want.sum {
			return fmt.Errorf("%w: the checksum of %s differs", ErrArchive, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if complete != len(r.sums) {
		return fmt.Errorf("%w: %s ends before its end mark, or the mark counts other than %d entries", ErrIncomplete, checksumsPath, len(r.sums))
	}
	return nil
}

// entryReader reads the content of one entry and sums it up.
type entryReader struct {
	r    *bufio.Reader
	sum  hash.Hash
	left int64
}

func newEntryReader(r io.Reader, size int64) *entryReader {
	return &entryReader{r: bufio.NewReaderSize(r, 16<<10), sum: sha256.New(), left: size}
}

// readError is an error in reading the archive.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

func (e *entryReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.sum.Write(p[:n])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = readError{err}
	}
	return n, err
}

func (e *entryReader) all() ([]byte, error) {
	var b bytes.Buffer // it grows with what comes, not with what is announced
	_, err := io.Copy(&b, e)
	return b.Bytes(), err
}

// line reads the head of an entry.
func (e *entryReader) line() ([]byte, error) {
	var line []byte
	for len(line) < maxHead {
		b := [1]byte{}
		if _, err := io.ReadFull(e, b[:]); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return line, nil
		}
		line = append(line, b[0])
	}
	return nil, fmt.Errorf("%w: it has no head", ErrArchive)
}

// trailer reads the trailer and compares it with what was read before: io.EOF when that is sound.
func (e *entryReader) trailer() error {
	got := [sha256.Size]byte(e.sum.Sum(nil))
	var b [trailerSize]byte
	if _, err := io.ReadFull(e, b[:]); err == io.EOF {
		return fmt.Errorf("%w: it has no trailer", ErrArchive)
	} else if err != nil {
		return err
	}
	want, sound, err := parseTrailer(b[:])
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrArchive, err)
	case want != got:
		return fmt.Errorf("%w: its checksum differs", ErrArchive)
	case !sound:
		return errBlobDamaged
	}
	return io.EOF
}

func (e *entryReader) drain() error {
	_, err := io.Copy(io.Discard, e)
	return err
}

func (e *entryReader) checksum() [sha256.Size]byte { return [sha256.Size]byte(e.sum.Sum(nil)) }
