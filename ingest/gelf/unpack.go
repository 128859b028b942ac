package gelf

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// compressionOf tells the compression by the first bytes, which no JSON begins with.
func compressionOf(data []byte) intake.Compression {
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return intake.Gzip
	case len(data) > 1 && data[0]&0x0f == 8 && (int(data[0])<<8|int(data[1]))%31 == 0: // RFC 1950, 2.2
		return intake.Deflate
	}
	return intake.Plain
}

// unpack returns the JSON of a packet, which its first bytes tell the compression of: gzip, zlib or none.
func unpack(data []byte, most int) ([]byte, error) {
	var src io.Reader
	var err error
	switch compressionOf(data) {
	case intake.Gzip:
		src, err = gzip.NewReader(bytes.NewReader(data))
	case intake.Deflate:
		src, err = zlib.NewReader(bytes.NewReader(data))
	default:
		src = bytes.NewReader(data)
	}
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(src, int64(most)+1))
	if err == nil && len(out) > most {
		err = fmt.Errorf("the message has more than %d bytes (ingest.gelf.max_message_size)", most)
	}
	return out, err
}
