package gelf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// freeBytes is what a connection may use without asking.
const freeBytes = 16 << 10

// stream reads messages with a zero byte behind each.
type stream struct {
	src      io.Reader
	most     int // bytes of a message
	intake   *intake.Intake
	patience time.Duration

	buf  []byte
	n    int // bytes in buf
	held int64
}

// Connection takes what comes over a connection.
func (s *Server) Connection(ctx context.Context, c net.Conn) error {
	r := &stream{src: c, most: s.options.MaxMessage, intake: s.intake, patience: s.options.Patience, buf: make([]byte, freeBytes)}
	defer r.release()
	for {
		messages, err := r.next(ctx)
		if len(messages) > 0 {
			if err := s.takeStream(ctx, c, messages); err != nil {
				return err
			}
			r.drop(len(messages))
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
}

// takeStream keeps messages that have a zero byte behind each. A malformed one does not keep the others from being kept.
func (s *Server) takeStream(ctx context.Context, c net.Conn, messages []byte) error {
	b := newBatch(s.labels)
	now := time.Now()
	for message := range bytes.SplitSeq(messages, []byte{0}) {
		if len(bytes.TrimSpace(message)) == 0 {
			continue
		}
		s.messages.WithLabelValues("tcp").Inc()
		if err := b.add(message, now); err != nil {
			s.failed.WithLabelValues("tcp", "malformed").Inc()
			s.log.Debug("a message of GELF is malformed", "from", c.RemoteAddr(), "err", err)
		}
	}
	err := s.push(ctx, b, "tcp")
	if err != nil && intake.Again(intake.Status(err)) {
		return err // so that the sender notices
	}
	return nil
}

// next reads until at least one message is whole, and returns all that are; with the error io.EOF what is left at the end.
func (r *stream) next(ctx context.Context) ([]byte, error) {
	for seen := 0; ; {
		if end := bytes.LastIndexByte(r.buf[seen:r.n], 0); end >= 0 {
			return r.buf[:seen+end+1], nil
		}
		seen = r.n
		if r.n > r.most {
			return nil, fmt.Errorf("a message has more than %d bytes (ingest.gelf.max_message_size), or no zero byte behind it", r.most)
		}
		if r.n == len(r.buf) {
			if err := r.grow(ctx); err != nil {
				return nil, err
			}
		}
		n, err := r.src.Read(r.buf[r.n:])
		r.n += n
		if err != nil && n == 0 {
			return r.buf[:r.n], err
		}
	}
}

func (r *stream) grow(ctx context.Context) error {
	n := int64(len(r.buf))
	if err := intake.Retry(ctx, r.patience, func() error { return r.intake.Hold(n) }); err != nil {
		return err
	}
	r.held += n
	buf := make([]byte, 2*len(r.buf))
	copy(buf, r.buf[:r.n])
	r.buf = buf
	return nil
}

// drop forgets the first n bytes, and gives a large buffer back when nothing is left in it.
func (r *stream) drop(n int) {
	r.n = copy(r.buf, r.buf[n:r.n])
	if r.n == 0 && r.held > 0 {
		r.release()
		r.buf = make([]byte, freeBytes)
	}
}

func (r *stream) release() {
	r.intake.Release(r.held)
	r.held = 0
}
