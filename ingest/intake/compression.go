package intake

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a body is compressed.
type Compression string

// The compressions that are taken. SnappyBlock is the one without frames that Loki's and Prometheus' protocols have.
const (
	Plain       Compression = ""
	SnappyBlock Compression = "snappy"
	SnappyFrame Compression = "x-snappy-framed"
	Gzip        Compression = "gzip"
	Deflate     Compression = "deflate"
	Zstd        Compression = "zstd"
)

func compressionOf(h http.Header, otherwise Compression) (Compression, error) {
	return parseCompression(h.Get("Content-Encoding"), otherwise)
}

func parseCompression(name string, otherwise Compression) (Compression, error) {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "", "identity":
		return otherwise, nil
	case "gzip", "x-gzip":
		return Gzip, nil
	case "deflate", "zlib":
		return Deflate, nil
	case "snappy", "x-snappy-framed", "zstd":
		return Compression(name), nil
	default:
		return "", Errorf(http.StatusUnsupportedMediaType, "the content encoding %.60q is not taken: use gzip, deflate, zstd, snappy or none", name)
	}
}

// Unpack sets Data to what is packed in data, a part of the body: for protocols that have compressed messages within. Snappy
// has frames there.
func (b *Body) Unpack(name string, data []byte) error {
	c, err := parseCompression(name, Plain)
	if err != nil {
		return err
	}
	if c == SnappyBlock {
		c = SnappyFrame
	}
	return b.decompress(c, data)
}

// decompress sets Data to the decompressed data.
func (b *Body) decompress(c Compression, data []byte) error {
	switch c {
	case Plain:
		b.Data = data
		return nil
	case SnappyBlock:
		return b.snappy(data)
	}
	src, release, err := b.in.reader(c, bytes.NewReader(data))
	if err != nil {
		return Malformed(err)
	}
	defer release()
	return b.drain(src, len(data))
}

func (b *Body) snappy(data []byte) error {
	n, err := s2.DecodedLen(data)
	if err != nil {
		return Malformed(err)
	}
	if limit := b.in.limits.MaxUncompressed; int64(n) > limit {
		return tooLarge("the push has %d bytes unpacked, at most %d are taken (ingest.logs.max_uncompressed_size)", n, limit)
	}
	if err := b.Reserve(int64(n)); err != nil {
		return err
	}
	b.buf.data = grow(b.buf.data[:0], int64(n))
	b.Data, err = s2.Decode(b.buf.data[:cap(b.buf.data)], data)
	return Malformed(err)
}

// maxWindow bounds the memory that a zstd frame may ask for besides its content: what the format recommends to support.
const maxWindow = 8 << 20

// reader returns a decompressing reader and how to give it back.
func (in *Intake) reader(c Compression, src *bytes.Reader) (io.Reader, func(), error) {
	switch c {
	case Gzip:
		z, ok := in.gzips.Get().(*gzip.Reader)
		if !ok {
			z = new(gzip.Reader)
		}
		return z, func() { in.gzips.Put(z) }, z.Reset(src)
	case Zstd:
		z, ok := in.zstds.Get().(*zstd.Decoder)
		if !ok {
			var err error
			if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true)); err != nil {
				return nil, nil, err
			}
		}
		return z, func() { in.zstds.Put(z) }, z.Reset(src)
	case Deflate:
		// HTTP's deflate is zlib's format, and many send the bare one.
		if z, err := zlib.NewReader(src); err == nil {
			return z, func() {}, nil
		}
		_, _ = src.Seek(0, io.SeekStart) // a reader of bytes can
		return flate.NewReader(src), func() {}, nil
	}
	return s2.NewReader(src, s2.ReaderMaxBlockSize(1<<20)), func() {}, nil
}

// drain reads all of src, which has packed bytes before it is unpacked, into buf.data.
func (b *Body) drain(src io.Reader, packed int) error {
	limit := b.in.limits.MaxUncompressed
	b.buf.data = b.buf.data[:0]
	for taken := int64(0); ; {
		if int64(len(b.buf.data)) >= taken {
			step := max(taken, 4*int64(packed), readStep)
			step = min(step, limit+1-taken)
			if err := b.Reserve(step); err != nil {
				return err
			}
			taken += step
			b.buf.data = grow(b.buf.data, taken)
		}
		n, err := src.Read(b.buf.data[len(b.buf.data):taken])
		b.buf.data = b.buf.data[:len(b.buf.data)+n]
		switch {
		case int64(len(b.buf.data)) > limit:
			return tooLarge("the push has more than %d bytes unpacked (ingest.logs.max_uncompressed_size)", limit)
		case errors.Is(err, io.EOF):
			b.Data = b.buf.data
			return nil
		case err != nil:
			return Malformed(err)
		}
	}
}
