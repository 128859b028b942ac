package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// ArchiveWriter writes an archive: AddMedium, then AddFile for each file, then Close. After an error of any of them, but not after
// ErrDamaged, the archive stays incomplete.
type ArchiveWriter struct {
	sink    Sink
	job     *job
	sums    []entrySum
	files   map[string]bool // true: a file; false: a folder above one
	section section
	failed  error
}

type entrySum struct {
	path string
	sum  [sha256.Size]byte
}

// NewArchiveWriter begins an archive. Format, and ID and Time where they are empty, are filled in.
func NewArchiveWriter(s Sink, m Manifest) (*ArchiveWriter, error) {
	m.Format = archiveFormat
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Time.IsZero() {
		m.Time = time.Now().UTC().Truncate(time.Second)
	}
	w := &ArchiveWriter{sink: s, job: newJob(nil), files: map[string]bool{}}
	content, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = w.whole(manifestPath, append(content, '\n'))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot begin the archive: %w", err)
	}
	return w, nil
}

// BackupOptions is how to write what is on a medium into an archive.
type BackupOptions struct {
	// Progress may be nil; as in Options.
	Progress func(Progress)
	// Hold, when the medium is in use, is of the medium's Holdable, and makes AddMedium fail when it was lost meanwhile.
	Hold *Hold
}

var errOrder = model.NewError(model.Internal, "the parts of an archive are written in the wrong order")

// AddMedium writes what is on the medium: journals first, then documents, then blobs. So the archive is whole although the
// medium is in use, as long as whoever moves entries of a journal into a blob puts the blob, then writes the document that
// names it, then truncates the journal, and no blob that a document has named is deleted before the end (see Holdable). What is
// in the journal and in a blob at once is in both.
func (w *ArchiveWriter) AddMedium(ctx context.Context, from medium.Medium, o BackupOptions) (Report, error) {
	w.job = newJob(o.Progress)
	b := &backup{ArchiveWriter: w, job: w.job, ctx: ctx, from: from}
	err := w.failed
	if err == nil && w.section != manifestSection {
		err = errOrder
	}
	if err == nil {
		err = b.run()
	}
	if err == nil && o.Hold != nil {
		err = o.Hold.Err()
	}
	if err != nil {
		w.failed = err
	} else {
		err = w.job.report.err()
	}
	if err != nil {
		err = fmt.Errorf("cannot back up everything: %w", err)
	}
	return w.job.report, err
}

// AddFile writes a file that is not on the medium. content has to yield exactly size bytes.
func (w *ArchiveWriter) AddFile(ctx context.Context, name string, size int64, content io.Reader) error {
	err := w.failed
	if err == nil {
		err = w.addFile(ctx, name, size, content)
	}
	if err != nil {
		return fmt.Errorf("cannot add the file %q to the archive: %w", name, err)
	}
	return nil
}

func (w *ArchiveWriter) addFile(ctx context.Context, name string, size int64, content io.Reader) error {
	if err := medium.ValidName(name); err != nil {
		return err
	}
	if size < 0 || size > maxFile {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", medium.ErrTooLarge, size, int64(maxFile))
	}
	if err := w.placeFile(name); err != nil {
		return err
	}
	w.job.phase("files")
	w.job.working(name)
	err := w.entry(filePath(name), size, func(to io.Writer) error {
		in := &countingReader{r: &contextReader{ctx, content}, job: w.job}
		n, err := io.Copy(to, io.LimitReader(in, size))
		if err != nil {
			return err
		}
		if more, _ := io.CopyN(io.Discard, in, 1); in.err != nil || more == 0 && n == size {
			return in.err
		}
		return fmt.Errorf("it has other than the %d bytes that were announced", size)
	})
	w.job.done(Counts{Files: 1})
	return err
}

var errFileName = model.NewError(model.Conflict, "the name is in use, as a file or as a folder")

// placeFile keeps a name from being a file and a folder.
func (w *ArchiveWriter) placeFile(name string) error {
	if _, ok := w.files[name]; ok {
		return errFileName
	}
	for i, r := range name {
		if r != '/' {
			continue
		}
		if w.files[name[:i]] {
			return errFileName
		}
		w.files[name[:i]] = false
	}
	w.files[name] = true
	return nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Close writes the end of the archive. Only then it is complete.
func (w *ArchiveWriter) Close() error {
	err := w.failed
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return fmt.Errorf("cannot complete the archive: %w", errors.Join(err, w.sink.abort()))
	}
	w.failed = errOrder
	return nil
}

func (w *ArchiveWriter) end() error {
	damaged := w.job.report.Damaged
	if damaged == nil {
		damaged = []medium.Finding{}
	}
	content, err := json.MarshalIndent(damaged, "", "  ")
	if err != nil {
		return err
	}
	if err := w.whole(damagedPath, append(content, '\n')); err != nil {
		return err
	}
	var sums strings.Builder
	for _, s := range w.sums {
		sums.WriteString(checksumLine(s.path, s.sum))
	}
	sums.WriteString(endLine(len(w.sums)))
	if err := w.whole(checksumsPath, []byte(sums.String())); err != nil {
		return err
	}
	w.job.tellNow()
	return w.sink.close()
}

// Abort gives everything back instead of Close; the archive stays incomplete.
func (w *ArchiveWriter) Abort() error {
	w.failed = errOrder
	return w.sink.abort()
}

// whole writes an entry that is in memory.
func (w *ArchiveWriter) whole(path string, content []byte) error {
	return w.entry(path, int64(len(content)), func(to io.Writer) error {
		_, err := to.Write(content)
		return err
	})
}

// entry writes an entry and notes its checksum.
func (w *ArchiveWriter) entry(path string, size int64, write func(io.Writer) error) error {
	err := w.sumEntry(path, size, write)
	if err != nil {
		w.failed = err
	}
	return err
}

func (w *ArchiveWriter) sumEntry(path string, size int64, write func(io.Writer) error) error {
	p, err := parsePath(path)
	switch {
	case err != nil:
		return err
	case p.section < w.section:
		return errOrder
	case len(w.sums) >= maxEntries:
		return fmt.Errorf("%w: an archive has at most %d entries", medium.ErrTooLarge, maxEntries)
	case size > p.limit():
		return fmt.Errorf("%w: the entry %s has %d bytes, at most %d are allowed", medium.ErrTooLarge, path, size, p.limit())
	}
	w.section = p.section
	sum := sha256.New()
	err = w.sink.entry(path, size, func(to io.Writer) error { return write(&summingWriter{to, sum}) })
	if vfs.IsNoSpace(err) {
		err = fmt.Errorf("%w: %w", medium.ErrNoSpace, err)
	}
	if err != nil {
		return fmt.Errorf("entry %s: %w", path, err)
	}
	w.sums = append(w.sums, entrySum{path, [sha256.Size]byte(sum.Sum(nil))})
	return nil
}

// summingWriter knows the checksum of what was written so far, which the trailer of an entry is.
type summingWriter struct {
	io.Writer
	sum hash.Hash
}

func (w *summingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.sum.Write(p[:n])
	return n, err
}

func (w *summingWriter) trailer(sound bool) error {
	_, err := w.Write(appendTrailer(nil, [sha256.Size]byte(w.sum.Sum(nil)), sound))
	return err
}

// backup is one AddMedium.
type backup struct {
	*ArchiveWriter
	*job
	ctx  context.Context
	from medium.Medium
}

func (b *backup) run() error {
	if err := Unfinished(b.ctx, b.from); err != nil {
		return fmt.Errorf("the medium is not whole: %w", err)
	}
	if err := count(b.ctx, b.job, b.from, ownDocuments); err != nil {
		return fmt.Errorf("cannot count what is on the medium: %w", err)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{{"journals", b.journals}, {"documents", b.documents}, {"blobs", b.blobs}} {
		b.phase(step.name)
		if err := step.do(); err != nil {
			return err
		}
	}
	b.tellNow()
	return nil
}

func (b *backup) journals() error {
	infos, err := b.from.Journals().List(b.ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if err := b.journal(info); err != nil {
			return fmt.Errorf("journal %q: %w", info.Name, err)
		}
	}
	return nil
}

func (b *backup) journal(info medium.JournalInfo) error {
	b.working(info.Name)
	p := &journalPart{backup: b, name: info.Name, next: info.Next}
	damage, err := b.from.Journals().Replay(b.ctx, info.Name, 0, p.add)
	b.journalDamage(info.Name, damage)
	if errors.Is(err, medium.ErrNotFound) && p.first == 0 {
		return nil // deleted meanwhile
	}
	if p.failed == nil {
		err = b.tolerate(err, "journal", info.Name, "the entries behind this place are missing")
	}
	if err == nil {
		err = p.flush(true)
	}
	if err == nil {
		b.copied(Counts{Journals: 1})
		b.done(Counts{Journals: 1})
	}
	return err
}

// journalPart is the part of a journal that is being filled.
type journalPart struct {
	*backup
	name   string
	next   medium.Position
	first  medium.Position // of this part; 0 as long as it has no entry
	body   []byte
	failed error // of writing
}

func (p *journalPart) add(at medium.Position, entry []byte) error {
	if p.first != 0 && len(p.body) >= partSize {
		if p.failed = p.flush(false); p.failed != nil {
			return p.failed
		}
	}
	if len(p.body) == 0 {
		p.first = at
	}
	p.body = appendJournalEntry(p.body, at, entry)
	p.next = max(p.next, at+1)
	count := Counts{Entries: 1, Bytes: int64(len(entry))}
	p.copied(count)
	p.done(count)
	return nil
}

// flush writes the part. The last one of a journal is written also when it is empty: it keeps the next position.
func (p *journalPart) flush(last bool) error {
	if len(p.body) == 0 {
		p.first = p.next
	}
	err := p.part(journalPath(p.name, p.first), journalHead{Journal: p.name, Next: p.next, Last: last}, p.body)
	p.body = p.body[:0]
	return err
}

func appendJournalEntry(dst []byte, at medium.Position, entry []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(entry)))
	return append(dst, entry...)
}

// part writes an entry with head and trailer.
func (w *ArchiveWriter) part(path string, head any, body []byte) error {
	line, err := headLine(head)
	if err != nil {
		return err
	}
	return w.entry(path, int64(len(line)+len(body)+trailerSize), func(to io.Writer) error {
		if _, err := to.Write(line); err != nil {
			return err
		}
		if _, err := to.Write(body); err != nil {
			return err
		}
		return to.(*summingWriter).trailer(true)
	})
}

func headLine(head any) ([]byte, error) {
	line, err := json.Marshal(head)
	return append(line, '\n'), err
}

func (b *backup) documents() error {
	kinds, err := b.from.Documents().Kinds(b.ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if ownDocuments(kind) {
			continue
		}
		if err := b.kind(kind); err != nil {
			return fmt.Errorf("documents of the kind %s: %w", kind, err)
		}
	}
	return nil
}

func (b *backup) kind(kind string) error {
	b.working(kind)
	var body []byte
	parts := 0
	flush := func() error {
		if len(body) == 0 {
			return nil
		}
		parts++
		err := b.part(documentsPath(kind, parts), documentHead{kind}, body)
		body = body[:0]
		return err
	}
	for doc, err := range b.from.Documents().List(b.ctx, kind, "") {
		if err := b.tolerate(err, "document", kind, "the documents that it tells of are missing"); err != nil {
			return err
		}
		if err != nil {
			break
		}
		if body, err = appendDocumentLine(body, doc); err != nil {
			return err
		}
		count := Counts{Documents: 1, Bytes: int64(len(doc.Value))}
		b.copied(count)
		b.done(count)
		if len(body) >= partSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// appendDocumentLine writes the value as it is where that gives the same bytes when it is read.
func appendDocumentLine(dst []byte, doc medium.Document) ([]byte, error) {
	line, err := json.Marshal(documentLine{Key: doc.Key, Value: doc.Value})
	if err != nil {
		return dst, err
	}
	if !bytes.HasSuffix(line, append(bytes.Clone(doc.Value), '}')) {
		if line, err = json.Marshal(documentLine{Key: doc.Key, Bytes: doc.Value}); err != nil {
			return dst, err
		}
	}
	dst = append(dst, line...)
	return append(dst, '\n'), nil
}

func (b *backup) blobs() error {
	for info, err := range b.from.Blobs().List(b.ctx, "") {
		if err := b.tolerate(err, "blob", "", "the blobs behind this place of the list are missing"); err != nil {
			return err
		}
		if err != nil {
			break
		}
		if err := b.blob(info); err != nil {
			return fmt.Errorf("blob %q: %w", info.Name, err)
		}
	}
	return nil
}

func (b *backup) blob(info medium.BlobInfo) error {
	b.working(info.Name)
	defer b.done(Counts{Blobs: 1})
	if !info.Expires.IsZero() && info.Expires.Before(time.Now()) {
		b.expired()
		return nil
	}
	blob, err := b.from.Blobs().Open(b.ctx, info.Name)
	if errors.Is(err, medium.ErrNotFound) {
		return nil // deleted, or dropped when it expired, since it was listed
	}
	if err != nil {
		return b.tolerate(err, "blob", info.Name, "the blob is missing")
	}
	info.Size = blob.Size()
	err = b.content(info, blob)
	return errors.Join(err, blob.Close())
}

func (b *backup) content(info medium.BlobInfo, blob medium.Blob) error {
	if info.Expires.Year() > 9999 { // JSON has no such times; it is as good as never
		info.Expires = time.Time{}
	}
	line, err := headLine(blobHead{Blob: info.Name, Size: info.Size, Expires: info.Expires.UTC()})
	if err != nil {
		return err
	}
	r := &patchingReader{ctx: b.ctx, blob: blob}
	err = b.entry(blobPath(info.Name), int64(len(line))+info.Size+int64(trailerSize), func(to io.Writer) error {
		if _, err := to.Write(line); err != nil {
			return err
		}
		if _, err := io.CopyBuffer(to, &countingReader{r: r, job: b.job}, make([]byte, patchStep)); err != nil {
			return err
		}
		return to.(*summingWriter).trailer(r.problem == nil)
	})
	if err != nil {
		return err
	}
	if r.problem == nil {
		b.copied(Counts{Blobs: 1, Bytes: info.Size})
		return nil
	}
	b.damaged(medium.Finding{Area: "blob", Name: info.Name, Problem: r.problem.Error(),
		Effect: fmt.Sprintf("%d bytes of the blob are missing; the rest is in the archive, but is not restored", r.missing)})
	return nil
}

// patchingReader reads a blob and yields zeros in the place of what is damaged.
type patchingReader struct {
	ctx     context.Context
	blob    medium.Blob
	at      int64
	problem error // the first
	missing int64
}

// patchStep is the unit that zeros stand for: that of the checksums of local blobs.
const patchStep = 64 << 10

func (r *patchingReader) Read(p []byte) (int, error) {
	n := min(int64(len(p)), patchStep-r.at%patchStep, r.blob.Size()-r.at)
	if n == 0 {
		return 0, io.EOF
	}
	data, err := r.blob.Range(r.ctx, r.at, n)
	if err == nil {
		_, err = guardedCopy(p[:n], data)
	}
	if err != nil {
		if !isDamage(err) {
			return 0, err
		}
		if r.problem == nil {
			r.problem = err
		}
		r.missing += n
		clear(p[:n])
	}
	r.at += n
	return int(n), nil
}
