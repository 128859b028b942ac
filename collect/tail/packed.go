package tail

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// packedSuffixes are those of compressed files.
var packedSuffixes = []string{".gz", ".zst", ".bz2", ".xz", ".Z", ".lz4", ".zip", ".7z", ".tgz"}

func isPacked(path string) bool {
	for _, s := range packedSuffixes {
		if strings.HasSuffix(path, s) {
			return true
		}
	}
	return false
}

// unpackMemory bounds what a decompressor may take: a crafted file could ask for gigabytes.
const unpackMemory = 64 << 20

// unpack returns the content of a compressed file.
func unpack(path string, r io.Reader) (io.Reader, func(), error) {
	r = bufio.NewReaderSize(r, 64<<10)
	nothing := func() {}
	switch filepath.Ext(path) {
	case ".gz":
		z, err := gzip.NewReader(r)
		return z, nothing, err
	case ".bz2":
		return bzip2.NewReader(r), nothing, nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(unpackMemory), zstd.WithDecoderMaxWindow(unpackMemory))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	}
	return nil, nothing, fmt.Errorf("%s cannot be unpacked: .gz, .zst and .bz2 can", filepath.Ext(path))
}

// packedFile reads a compressed file as if it were a plain one, from the beginning to the end. Going back further than what
// was read last begins again.
type packedFile struct {
	path   string
	f      *os.File
	r      io.Reader
	close  func()
	window []byte // what was unpacked last
	at     int64  // where the window begins
	end    bool
	err    error
}

func openPacked(path string) (*packedFile, error) {
	p := &packedFile{path: path, close: func() {}}
	return p, p.begin()
}

func (p *packedFile) begin() error {
	p.Close()
	f, err := os.OpenFile(p.path, openFlags, 0)
	if err != nil {
		return err
	}
	p.f, p.window, p.at, p.end, p.err = f, nil, 0, false, nil
	p.r, p.close, err = unpack(p.path, f)
	return err
}

// ReadAt is io.ReaderAt. A damaged file ends, with an error, where the damage is.
func (p *packedFile) ReadAt(b []byte, off int64) (int, error) {
	if off < p.at {
		if err := p.begin(); err != nil {
			return 0, err
		}
	}
	const piece = 64 << 10
	for !p.end && p.at+int64(len(p.window)) < off+int64(len(b)) {
		if skip := min(off-p.at, int64(len(p.window))); skip > 0 {
			p.window = append(p.window[:0], p.window[skip:]...)
			p.at += skip
		}
		start := len(p.window)
		p.window = append(p.window, make([]byte, piece)...)
		n, err := p.r.Read(p.window[start:])
		p.window = p.window[:start+n]
		if err != nil {
			p.end = true
			if !errors.Is(err, io.EOF) {
				p.err = fmt.Errorf("cannot unpack %s: %w", p.path, err)
			}
		}
	}
	skip := off - p.at
	if skip > int64(len(p.window)) {
		return 0, io.EOF
	}
	n := copy(b, p.window[skip:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// packedSettles is how long a compressed file must not have changed before a sudden end of it is taken for damage: until then
// somebody may still be writing it.
const packedSettles = 30 * time.Second

// young says whether the file may still be written.
func (p *packedFile) young(now time.Time) bool {
	if p.f == nil {
		return false
	}
	info, err := p.f.Stat()
	return err == nil && now.Sub(info.ModTime()) < packedSettles
}

// finished says whether the end was unpacked; what is behind off is then all there is.
func (p *packedFile) finished() bool { return p.end }

func (p *packedFile) size() int64 { return p.at + int64(len(p.window)) }

func (p *packedFile) Close() {
	if p.close != nil {
		p.close()
	}
	if p.f != nil {
		_ = p.f.Close()
	}
	p.f = nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
