package rowgroup

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// The methods of a stream. Numbers are stored: never change one.
const (
	methodRaw   = 0
	methodSame  = 1 // one byte, repeated
	methodHuff  = 2 // Huffman codes alone: bytes without repetitions, such as the low bytes of numbers
	methodZstd  = 3
	methodS2    = 4
	minCompress = 24      // fewer bytes are kept as they are: the headers would eat what is won
	maxHuff     = 1 << 16 // longer streams are for zstd
	shortHuff   = 1024    // fewer bytes are one stream of codes, more are four that are decoded at once
)

// compressor writes streams.
type compressor struct {
	codec Codec
	zstd  *zstd.Encoder
	huff  huff0.Scratch
	buf   []byte
}

// appendStream writes
//
//	1 byte   method
//	uvarint  length
//	methodSame: 1 byte, the value
//	methodRaw:  the bytes
//	others:     uvarint compressed length; the compressed bytes
//
// repeats says that there may be repetitions, which Huffman codes do not see.
func (c *compressor) appendStream(dst, raw []byte, repeats bool) []byte {
	if same(raw) && len(raw) > 0 {
		dst = binary.AppendUvarint(append(dst, methodSame), uint64(len(raw)))
		return append(dst, raw[0])
	}
	method, packed := byte(methodRaw), raw
	if len(raw) >= minCompress {
		if len(raw) <= maxHuff {
			if out := c.huffman(raw); out != nil {
				method, packed = methodHuff, out
			}
		}
		if repeats || method == methodRaw && len(raw) > maxHuff {
			m, out := c.general(raw)
			if len(out)+len(out)/64 < len(packed) {
				method, packed = m, out
			}
		}
	}
	dst = binary.AppendUvarint(append(dst, method), uint64(len(raw)))
	if method != methodRaw {
		dst = binary.AppendUvarint(dst, uint64(len(packed)))
	}
	return append(dst, packed...)
}

func same(b []byte) bool {
	for _, x := range b {
		if x != b[0] {
			return false
		}
	}
	return true
}

// huffman returns nil when it does not pay.
func (c *compressor) huffman(raw []byte) []byte {
	c.huff.Reuse = huff0.ReusePolicyNone
	compress := huff0.Compress4X
	if len(raw) < shortHuff {
		compress = huff0.Compress1X
	}
	out, _, err := compress(raw, &c.huff)
	if err != nil || len(out) > len(raw)-len(raw)/32 {
		return nil
	}
	return out
}

func (c *compressor) general(raw []byte) (byte, []byte) {
	if c.codec == S2 {
		c.buf = s2.Encode(c.buf[:cap(c.buf)], raw)
		return methodS2, c.buf
	}
	c.buf = c.zstd.EncodeAll(raw, c.buf[:0])
	return methodZstd, c.buf
}

// stream reads what appendStream wrote, into memory of the scratch; the raw ones stay where they are. It is at most
// limit bytes long.
func (s *Scratch) stream(d *decoder, limit int) []byte {
	method := d.byte()
	n := int(d.number(uint64(limit)))
	if d.bad {
		return nil
	}
	switch method {
	case methodRaw:
		return d.take(n)
	case methodSame:
		value := d.byte()
		out := s.bytes.take(n)
		for i := range out {
			out[i] = value
		}
		return out
	}
	packed := d.take(int(d.number(uint64(len(d.b)))))
	if d.bad {
		return nil
	}
	out, err := s.decompress(method, packed, n)
	if err != nil || len(out) != n {
		d.fail()
		return nil
	}
	return out
}

// decompress takes no more memory than n bytes, however packed was damaged.
func (s *Scratch) decompress(method byte, packed []byte, n int) ([]byte, error) {
	switch method {
	case methodHuff:
		return s.unhuff(packed, n)
	case methodZstd:
		z, err := s.decoder()
		if err != nil {
			return nil, err
		}
		var h zstd.Header
		if err := h.Decode(packed); err != nil || !h.HasFCS || h.FrameContentSize != uint64(n) {
			return nil, fmt.Errorf("a frame of another length: %w", err)
		}
		return z.DecodeAll(packed, s.bytes.take(n)[:0])
	case methodS2:
		if got, err := s2.DecodedLen(packed); err != nil || got != n {
			return nil, fmt.Errorf("a block of another length: %w", err)
		}
		return s2.Decode(s.bytes.take(n), packed)
	}
	return nil, corrupt("a stream has the unknown method %d", method)
}

func (s *Scratch) unhuff(packed []byte, n int) ([]byte, error) {
	if n > maxHuff {
		return nil, corrupt("a stream of %d Huffman codes", n)
	}
	s.huff.MaxDecodedSize = maxHuff
	_, rest, err := huff0.ReadTable(packed, &s.huff)
	if err != nil {
		return nil, err
	}
	out := s.bytes.take(n)[:0]
	if n < shortHuff {
		return s.huff.Decoder().Decompress1X(out, rest)
	}
	return s.huff.Decoder().Decompress4X(out[:0:n], rest)
}
