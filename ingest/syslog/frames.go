package syslog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// frames cuts a stream into messages (RFC 6587): "LENGTH SP message" where one begins with a digit, as those with a priority never do,
// else up to a line break or a zero byte. A number is a length only when a priority follows: the lines of a stack trace that a sender
// with line breaks between messages cuts apart may begin with one as well, and would swallow as many bytes of what follows.
type frames struct {
	src      io.Reader
	most     int // bytes of a message
	intake   *intake.Intake
	patience time.Duration

	buf   []byte
	n, at int // bytes in buf, and of them those that were given out
	owed  int // bytes of a counted message that are still to come, when it was cut
	held  int64
}

// freeBytes is what a connection may use without asking.
const freeBytes = 16 << 10

func newFrames(src io.Reader, most int, in *intake.Intake, patience time.Duration) *frames {
	return &frames{src: src, most: most, intake: in, patience: patience, buf: make([]byte, freeBytes)}
}

// read reads more. With an error there may be something new all the same.
func (f *frames) read(ctx context.Context) error {
	if f.n == len(f.buf) {
		n := int64(len(f.buf))
		if err := intake.Retry(ctx, f.patience, func() error { return f.intake.Hold(n) }); err != nil {
			return err
		}
		f.held += n
		buf := make([]byte, 2*len(f.buf))
		copy(buf, f.buf[:f.n])
		f.buf = buf
	}
	n, err := f.src.Read(f.buf[f.n:])
	f.n += n
	if n == 0 && err == nil {
		return io.ErrNoProgress
	}
	return err
}

// maxLengthDigits bounds the length before a message.
const maxLengthDigits = 9

// next returns the next message, or nil when it is not whole yet; one that is longer than it may be comes in pieces. last says that nothing follows.
func (f *frames) next(last bool) (message []byte, cut bool) {
	for {
		rest := f.buf[f.at:f.n]
		if len(rest) == 0 {
			return nil, false
		}
		if f.owed == 0 && rest[0] >= '1' && rest[0] <= '9' {
			size, head := counted(rest)
			switch {
			case head < 0 && !last && len(rest) <= maxLengthDigits:
				return nil, false // the length is not whole yet
			case head > 0 && head == len(rest) && !last:
				return nil, false // whether a priority follows is not known yet
			case head > 0 && head < len(rest) && rest[head] == '<':
				f.at += head
				f.owed = size
				continue
			}
		}
		if f.owed > 0 {
			return f.owing(rest, last)
		}
		return f.line(rest, last)
	}
}

// counted reads "LENGTH SP"; head is -1 when there is none.
func counted(b []byte) (size, head int) {
	for i, c := range b[:min(len(b), maxLengthDigits+1)] {
		if c == ' ' {
			return size, i + 1
		}
		if c < '0' || c > '9' {
			return 0, 0
		}
		size = 10*size + int(c-'0')
	}
	return 0, -1
}

// owing returns a counted message, or a piece of it.
func (f *frames) owing(rest []byte, last bool) ([]byte, bool) {
	want := min(f.owed, f.most)
	if len(rest) < want {
		if !last {
			return nil, false
		}
		want = len(rest)
	}
	f.at += want
	f.owed -= want
	cut := f.owed > 0
	if last && f.at == f.n {
		f.owed = 0
	}
	return trimEnd(rest[:want:want]), cut
}

// line returns what is before a line break or a zero byte, or a piece of it.
func (f *frames) line(rest []byte, last bool) ([]byte, bool) {
	end := bytes.IndexAny(rest[:min(len(rest), f.most+1)], "\n\x00")
	switch {
	case end >= 0:
		f.at += end + 1
		return bytes.TrimSuffix(rest[:end:end], []byte("\r")), false
	case len(rest) > f.most:
		f.at += f.most
		return rest[:f.most:f.most], true
	case last:
		f.at = f.n
		return rest, false
	}
	return nil, false
}

// drop forgets what was given out, and gives a large buffer back when nothing is left in it.
func (f *frames) drop() {
	f.n = copy(f.buf, f.buf[f.at:f.n])
	f.at = 0
	if f.n == 0 && f.held > 0 {
		f.close()
		f.buf = make([]byte, freeBytes)
	}
}

func (f *frames) close() {
	f.intake.Release(f.held)
	f.held = 0
}

// end is the error of a connection that ended.
func (f *frames) end(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
