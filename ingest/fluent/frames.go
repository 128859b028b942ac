package fluent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// frames cuts a stream into MessagePack values (https://github.com/msgpack/msgpack/blob/master/spec.md).
type frames struct {
	src      io.Reader
	most     int // bytes of a value
	intake   *intake.Intake
	patience time.Duration

	buf      []byte
	from, to int // of what is read and not given out
	held     int64
}

// freeBytes is what a connection may use without asking.
const freeBytes = 16 << 10

func newFrames(src io.Reader, most int, in *intake.Intake, patience time.Duration) *frames {
	return &frames{src: src, most: most, intake: in, patience: patience, buf: make([]byte, freeBytes)}
}

// next returns the next value, which is valid until the next call; io.EOF at the end.
func (f *frames) next(ctx context.Context) ([]byte, error) {
	f.shrink()
	s := scanner{open: 1}
	for {
		done, err := s.scan(f.buf[f.from:f.to])
		if err != nil {
			return nil, err
		}
		if done {
			out := f.buf[f.from : f.from+s.at]
			f.from += s.at
			return out, nil
		}
		if s.at > f.most {
			return nil, fmt.Errorf("a message has more than %d bytes (ingest.fluent.max_message_size): send smaller chunks", f.most)
		}
		if err := f.read(ctx, s.at); err != nil {
			return nil, err
		}
	}
}

// read reads more of a value of which at least want bytes are needed.
func (f *frames) read(ctx context.Context, want int) error {
	if f.from > 0 {
		f.to = copy(f.buf, f.buf[f.from:f.to])
		f.from = 0
	}
	if f.to == len(f.buf) {
		if err := f.grow(ctx, min(max(2*len(f.buf), want+1), f.most+freeBytes)); err != nil {
			return err
		}
	}
	n, err := f.src.Read(f.buf[f.to:])
	f.to += n
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	case errors.Is(err, io.EOF) && f.to > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *frames) grow(ctx context.Context, size int) error {
	n := int64(size - len(f.buf))
	if err := intake.Retry(ctx, f.patience, func() error { return f.intake.Hold(n) }); err != nil {
		return err
	}
	f.held += n
	buf := make([]byte, size)
	copy(buf, f.buf[:f.to])
	f.buf = buf
	return nil
}

// shrink gives a large buffer back when nothing is in it.
func (f *frames) shrink() {
	if f.held == 0 || f.from < f.to {
		return
	}
	f.close()
	f.buf, f.from, f.to = make([]byte, freeBytes), 0, 0
}

func (f *frames) close() {
	f.intake.Release(f.held)
	f.held = 0
}

// scanner finds the end of a value without going into it, so that nesting costs nothing, and goes on where the bytes ended.
type scanner struct {
	at   int // of the next byte; beyond those that are there when a text is longer
	open int // values that are still to come
}

var errType = errors.New("0xc1 is no value of MessagePack: is the sender speaking Fluentd's forward protocol?")

// scan says whether b holds the whole value. Of the bytes it only ever looks at the headers of values.
func (s *scanner) scan(b []byte) (bool, error) {
	for s.open > 0 {
		if s.at >= len(b) {
			return false, nil
		}
		size, inner, ok := header(b[s.at:])
		switch {
		case size < 0:
			return false, errType
		case !ok:
			return false, nil
		}
		s.at += size
		s.open += inner - 1
	}
	return s.at <= len(b), nil
}

// header returns how many bytes the value at the start of b has, without those that it contains, and how many values it
// contains; ok is false when b is too short to tell, and size -1 when it is no value.
func header(b []byte) (size, inner int, ok bool) {
	c := b[0]
	switch {
	case c <= 0x7f || c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
		return 1, 0, true
	case c <= 0x8f:
		return 1, 2 * int(c&0x0f), true
	case c <= 0x9f:
		return 1, int(c & 0x0f), true
	case c <= 0xbf:
		return 1 + int(c&0x1f), 0, true
	case c == 0xc1:
		return -1, 0, true
	}
	h := headers[c-0xc0]
	if len(b) < 1+h.width {
		return 0, 0, false
	}
	n := 0
	switch h.width {
	case 1:
		n = int(b[1])
	case 2:
		n = int(binary.BigEndian.Uint16(b[1:]))
	case 4:
		n = int(binary.BigEndian.Uint32(b[1:]))
	}
	return 1 + h.width + h.fixed + n*h.each, n * h.inner, true
}

// headers are the values 0xc0 to 0xdf: how wide the number behind the first byte is, how many bytes follow whatever it is, how
// many bytes and values for each it counts.
var headers = [32]struct{ width, fixed, each, inner int }{
	0x04: {width: 1, each: 1}, 0x05: {width: 2, each: 1}, 0x06: {width: 4, each: 1}, // bin
	0x07: {width: 1, fixed: 1, each: 1}, 0x08: {width: 2, fixed: 1, each: 1}, 0x09: {width: 4, fixed: 1, each: 1}, // ext
	0x0a: {fixed: 4}, 0x0b: {fixed: 8}, // float
	0x0c: {fixed: 1}, 0x0d: {fixed: 2}, 0x0e: {fixed: 4}, 0x0f: {fixed: 8}, // uint
	0x10: {fixed: 1}, 0x11: {fixed: 2}, 0x12: {fixed: 4}, 0x13: {fixed: 8}, // int
	0x14: {fixed: 2}, 0x15: {fixed: 3}, 0x16: {fixed: 5}, 0x17: {fixed: 9}, 0x18: {fixed: 17}, // fixext
	0x19: {width: 1, each: 1}, 0x1a: {width: 2, each: 1}, 0x1b: {width: 4, each: 1}, // str
	0x1c: {width: 2, inner: 1}, 0x1d: {width: 4, inner: 1}, // array
	0x1e: {width: 2, inner: 2}, 0x1f: {width: 4, inner: 2}, // map
}
