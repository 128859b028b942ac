package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// verify reads every blob from its file, past the mappings, and looks for what does not belong there.
func (b *blobs) verify(ctx context.Context, v *verification) error {
	err := b.walk(ctx, "", func(file blobFile) error { return b.verifyFile(ctx, v, file) }, func(path string) error {
		return v.stranger(b.fsys, path, "blob")
	})
	if err != nil {
		return err
	}
	return b.verifyTemps(v)
}

func (b *blobs) verifyFile(ctx context.Context, v *verification, file blobFile) error {
	if err := b.calls.begin(); err != nil {
		return err
	}
	defer b.calls.end()
	f, err := vfs.Open(b.fsys, file.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return diskError(err)
	}
	defer f.Close()
	v.sum.Blobs++
	footer, err := readBlobFooter(f, file.name)
	if errors.Is(err, medium.ErrCorrupt) {
		v.find(medium.Finding{Area: "blob", Name: file.name, Where: file.path, Problem: withoutPrefix(err), Effect: "the blob cannot be read"})
		return nil
	}
	if err != nil {
		return err
	}
	c := &blobCheck{verification: v, file: f, footer: footer}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("blob %q: %w", file.name, err)
	}
	v.report()
	return nil
}

// withoutPrefix is the text of an error without its "damaged: ", which a finding need not say.
func withoutPrefix(err error) string {
	return strings.ReplaceAll(err.Error(), medium.ErrCorrupt.Error()+": ", "")
}

// blobCheck compares all chunks of one file with its table.
type blobCheck struct {
	*verification
	file   vfs.File
	footer blobFooter

	bad      run // the damaged chunks that lie together before the current one
	findings int
}

// run is a stretch of damaged chunks.
type run struct {
	from, to int64
	problem  string
}

// maxBlobFindings is how many damaged stretches of one blob are told apart.
const maxBlobFindings = 100

func (c *blobCheck) run(ctx context.Context) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	chunk := make([]byte, c.footer.chunkSize)
	for i := range c.footer.chunks() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		start := i * c.footer.chunkSize
		data := chunk[:min(c.footer.chunkSize, c.footer.size-start)]
		problem, err := c.chunk(data, start, binary.LittleEndian.Uint32(table[4*i:]))
		if err != nil {
			return err
		}
		c.note(start, start+int64(len(data)), problem)
		c.sum.BlobBytes += int64(len(data))
		if i%256 == 255 { // every 16 MiB
			c.report()
		}
	}
	c.note(c.footer.size, c.footer.size, "")
	return nil
}

// table reads the table; what the disk cannot read of it is zeros, and shows in the chunks.
func (c *blobCheck) table() ([]byte, error) {
	table := make([]byte, 4*c.footer.chunks())
	if _, err := readAll(c.file, table, c.footer.size); err != nil {
		return nil, err
	}
	return table, nil
}

// chunk says what is wrong with a chunk, or "".
func (c *blobCheck) chunk(data []byte, start int64, want uint32) (problem string, err error) {
	ok, err := readAll(c.file, data, start)
	if err != nil {
		return "", err
	}
	if !ok {
		return "the disk cannot read it, or the file was cut", nil
	}
	if got := crc32c(data); got != want {
		return fmt.Sprintf("the checksum is %08x, not %08x", got, want), nil
	}
	return "", nil
}

// note adds a chunk to the damaged stretch before it, or reports that stretch when the chunk is sound.
func (c *blobCheck) note(from, to int64, problem string) {
	if problem != "" {
		if c.bad.problem == "" {
			c.bad = run{from: from, problem: problem}
		}
		c.bad.to = to
		return
	}
	if c.bad.problem == "" {
		return
	}
	c.findings++
	if c.findings <= maxBlobFindings {
		f := medium.Finding{Area: "blob", Name: c.footer.name, Where: fmt.Sprintf("%s: bytes %d to %d", c.file.Name(), c.bad.from, c.bad.to),
			Problem: c.bad.problem, Effect: fmt.Sprintf("%d bytes of the blob cannot be read", c.bad.to-c.bad.from)}
		if c.findings == maxBlobFindings {
			f.Problem += "; more damage of this blob is not listed"
		}
		c.find(f)
	}
	c.bad = run{}
}

// readAll fills p from offset on; false, and zeros, when the disk fails there or the file ends before.
func readAll(f vfs.File, p []byte, offset int64) (bool, error) {
	n, err := f.ReadAt(p, offset)
	if n == len(p) {
		return true, nil
	}
	clear(p[n:])
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) {
		return false, nil
	}
	return false, diskError(err)
}

// verifyTemps looks for temporary files that nobody writes any more.
func (b *blobs) verifyTemps(v *verification) error {
	entries, err := b.fsys.ReadDir(b.tempDir())
	if isGone(err) {
		return nil
	}
	if err != nil {
		return diskError(err)
	}
	for _, e := range entries {
		path := filepath.Join(b.tempDir(), e.Name())
		if b.writing(path) {
			continue
		}
		if err := v.leftover(b.fsys, path, "blob", b.readOnly); err != nil {
			return err
		}
	}
	return nil
}

// writing says whether a Put of this process has the file.
func (b *blobs) writing(path string) bool {
	_, ok := b.unfinished.Load(path)
	return ok
}

// leftoverAge is how long nobody must have written to a temporary file before it is believed to be left over, when another
// process may be writing it.
const leftoverAge = time.Hour
