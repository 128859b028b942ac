package series

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/hulotte-dev/hulotte/model"
)

// Verify reads every block and log of all tenants and checks every checksum; see VerifyDir.
func (db *DB) Verify(ctx context.Context, found func(where, problem, effect string), read func(file string, files, bytes int64)) error {
	return VerifyDir(ctx, db.opts.Dir, true, found, read)
}

// VerifyDir reads every block and log below the folder of a store and checks every checksum. found is called for
// each thing that is wrong, with the file, what is wrong with it and what cannot be read because of it; read is
// called with what was gone through so far. live tells that a store is open there: blocks may then go away while
// they are read, and the newest file of a log may end in the middle of a record. Nothing is changed.
//
// The files of mapped chunks in chunks_head are left out: what is in them is in the write-ahead log as well.
func VerifyDir(ctx context.Context, dir string, live bool, found func(where, problem, effect string), read func(file string, files, bytes int64)) error {
	tenants, err := tenantsOnDisk(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot verify the series: %w", err)
	}
	v := &verifier{dir: dir, live: live, found: found, read: read}
	for _, tenant := range tenants {
		if err := v.tenant(ctx, filepath.Join(dir, tenant)); err != nil {
			return fmt.Errorf("cannot verify the series of tenant %q: %w", tenant, err)
		}
	}
	return nil
}

type verifier struct {
	dir          string
	live         bool
	found        func(where, problem, effect string)
	read         func(file string, files, bytes int64)
	files, bytes int64
}

func (v *verifier) tenant(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		path := filepath.Join(dir, e.Name())
		switch _, err := ulid.ParseStrict(e.Name()); {
		case err == nil && e.IsDir():
			v.block(ctx, path)
		case e.Name() == "wal", e.Name() == wlog.WblDirName:
			v.log(path, v.live)
		case e.Name() == metadataFile:
			v.metadata(path)
		}
	}
	return context.Cause(ctx)
}

// note counts a file that was read.
func (v *verifier) note(path string) {
	if info, err := os.Stat(path); err == nil {
		v.files++
		v.bytes += info.Size()
	}
	v.read(v.name(path), v.files, v.bytes)
}

// name is the path as people see it: below the folder of the store.
func (v *verifier) name(path string) string {
	if rel, err := filepath.Rel(filepath.Dir(v.dir), path); err == nil {
		return rel
	}
	return path
}

func (v *verifier) report(path string, err error, effect string) {
	if v.live && errors.Is(err, fs.ErrNotExist) {
		return // merged or expired meanwhile
	}
	v.found(v.name(path), err.Error(), effect)
}

const blockEffect = "samples of this block cannot be read; the other blocks can"

// block checks a block: its index, section by section, and every chunk that the index names.
func (v *verifier) block(ctx context.Context, dir string) {
	for _, check := range []struct {
		file  string
		check func(string) error
	}{
		{"meta.json", checkBlockMeta},
		{"tombstones", func(string) error { return checkTombstones(dir) }},
	} {
		path := filepath.Join(dir, check.file)
		if err := check.check(path); err != nil {
			v.report(path, err, blockEffect)
		}
		v.note(path)
	}
	v.indexAndChunks(ctx, dir)
}

func checkBlockMeta(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var meta tsdb.BlockMeta
	if err := json.Unmarshal(raw, &meta); err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	if want := filepath.Base(filepath.Dir(path)); meta.ULID.String() != want {
		return fmt.Errorf("names the block %s", meta.ULID)
	}
	return nil
}

func checkTombstones(dir string) error {
	r, _, err := tombstones.ReadTombstones(dir)
	if err != nil {
		return err
	}
	return r.Close()
}

func (v *verifier) indexAndChunks(ctx context.Context, dir string) {
	indexFile := filepath.Join(dir, "index")
	ir, err := index.NewFileReader(indexFile, index.DecodePostingsRaw)
	if err != nil {
		v.report(indexFile, err, blockEffect)
		v.note(indexFile)
		return
	}
	defer func() { _ = ir.Close() }() // it was only read
	cr, err := chunks.NewDirReader(filepath.Join(dir, "chunks"), nil)
	if err != nil {
		v.report(unreadableSegment(filepath.Join(dir, "chunks")), err, blockEffect)
		return
	}
	defer func() { _ = cr.Close() }()
	if err := guarded(func() error { return v.walk(ctx, ir, cr, dir) }); err != nil && ctx.Err() == nil {
		v.report(indexFile, err, blockEffect)
	}
	v.note(indexFile)
	segments, err := filepath.Glob(filepath.Join(dir, "chunks", "*"))
	if err != nil {
		return // the pattern is sound
	}
	for _, s := range segments {
		v.note(s)
	}
}

// unreadableSegment finds the file of chunks whose header is wrong, which the library does not name; else it returns the folder.
func unreadableSegment(dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return dir // the pattern is sound
	}
	for _, name := range files {
		head := make([]byte, chunks.SegmentHeaderSize)
		f, err := os.Open(name)
		if err != nil {
			return name
		}
		_, err = io.ReadFull(f, head)
		f.Close()
		if err != nil || binary.BigEndian.Uint32(head) != chunks.MagicChunks || head[chunks.MagicChunksSize] != 1 {
			return name
		}
	}
	return dir
}

// walk reads every list of postings, every series and every chunk. Its error is about the index.
func (v *verifier) walk(ctx context.Context, ir *index.Reader, cr *chunks.Reader, dir string) error {
	if err := walkPostings(ctx, ir); err != nil {
		return err
	}
	name, value := index.AllPostingsKey()
	all, err := ir.Postings(ctx, name, value)
	if err != nil {
		return err
	}
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	for n := 0; all.Next(); n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := ir.Series(all.At(), &builder, &metas); err != nil {
			return fmt.Errorf("series %d: %w", all.At(), err)
		}
		for _, m := range metas {
			v.chunk(cr, m, builder.Labels(), dir)
		}
	}
	return all.Err()
}

func walkPostings(ctx context.Context, ir *index.Reader) error {
	names, err := ir.LabelNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		values, err := ir.SortedLabelValues(ctx, name, nil)
		if err != nil {
			return fmt.Errorf("label %q: %w", name, err)
		}
		for _, value := range values {
			p, err := ir.Postings(ctx, name, value)
			if err == nil {
				err = drain(p)
			}
			if err != nil {
				return fmt.Errorf("postings of %s=%q: %w", name, value, err)
			}
		}
	}
	return nil
}

func drain(p index.Postings) error {
	var last storage.SeriesRef
	for p.Next() {
		if p.At() < last {
			return errors.New("are out of order")
		}
		last = p.At()
	}
	return p.Err()
}

func (v *verifier) chunk(cr *chunks.Reader, m chunks.Meta, lset labels.Labels, dir string) {
	c, _, err := cr.ChunkOrIterable(m)
	if err == nil {
		it := c.Iterator(nil)
		for it.Next() != 0 { // chunkenc.ValNone
		}
		err = it.Err()
	}
	if err == nil {
		return
	}
	segment, offset := chunks.BlockChunkRef(m.Ref).Unpack()
	file := filepath.Join(dir, "chunks", fmt.Sprintf("%06d", segment+1))
	v.found(v.name(file), fmt.Sprintf("chunk at offset %d: %v", offset, err),
		fmt.Sprintf("samples of %s from %d to %d (milliseconds) cannot be read", lset, m.MinTime, m.MaxTime))
}

// log checks the segments of a log and of its checkpoints. growing tells that the newest one may be cut short.
func (v *verifier) log(dir string, growing bool) {
	checkpoints, err := filepath.Glob(filepath.Join(dir, "checkpoint.*"))
	if err != nil {
		return // the pattern is sound
	}
	for _, c := range checkpoints {
		if !strings.HasSuffix(c, ".tmp") {
			v.segments(c, false)
		}
	}
	v.segments(dir, growing)
}

func (v *verifier) segments(dir string, growing bool) {
	first, last, err := wlog.Segments(dir)
	if err != nil {
		v.report(dir, err, "what is in this log cannot be read")
		return
	}
	if last < 0 {
		return
	}
	for i := first; i <= last; i++ {
		path := wlog.SegmentName(dir, i)
		err := guarded(func() error { return checkSegment(path) })
		if err != nil && (!growing || i != last) {
			v.report(path, err, "at the next start the log is cut here: samples behind this place that are in no block yet are lost")
		}
		v.note(path)
	}
}

func checkSegment(path string) error {
	s, err := wlog.OpenReadSegment(path)
	if err != nil {
		return err
	}
	r := wlog.NewSegmentBufReader(s)
	defer r.Close()
	records := wlog.NewReader(r)
	for records.Next() {
	}
	var corrupt *wlog.CorruptionErr
	if err := records.Err(); errors.As(err, &corrupt) {
		return fmt.Errorf("record at offset %d: %w", corrupt.Offset, corrupt.Err)
	} else if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (v *verifier) metadata(path string) {
	m := &metadataLog{path: path}
	if err := m.load(); err != nil {
		v.report(path, err, "types, units and help texts of metrics are missing until they are sent again")
	}
	v.note(path)
}

// guarded turns a panic of the library over damaged bytes into an error: verifying is what finds them.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be read: %v: %w", p, errDamaged)
		}
	}()
	return f()
}

var errDamaged = model.NewError(model.Corrupt, "damaged")
