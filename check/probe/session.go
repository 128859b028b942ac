package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// maxTalk is how many bytes a dialogue may bring: enough for any hello with its capabilities, too little to fill memory.
const maxTalk = 1 << 20

// maxLine is how long one line of a text protocol may be. The longest that is met is an IMAP greeting with its capabilities.
const maxLine = 16 << 10

var errTooMuch = fmt.Errorf("the other side sent more than %s", size(maxTalk))

// session is a dialogue over a connection: it ends with its context and reads a bounded number of bytes.
type session struct {
	net.Conn
	in      *bufio.Reader
	rep     *report
	host    string // for TLS
	address string // host:port
	stop    func() bool
	secured *tls.Conn
	idle    func() error // what a held session does until it ends; nil: reads and forgets
}

// bounded ends with an error when more than left bytes were read.
type bounded struct {
	net.Conn
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.Conn.Read(p)
	b.left -= int64(n)
	return n, err
}

// open connects, with TLS when there are options for it.
func open(ctx context.Context, t *target, secure *tlsOptions, rep *report) (*session, error) {
	start := time.Now()
	c, err := t.dial(ctx, rep)
	if err != nil {
		return nil, err
	}
	rep.log.Debug("Connected", "address", c.RemoteAddr().String(), "seconds", time.Since(start).Seconds())
	s := newSession(ctx, c, t.host, rep)
	s.address = t.String()
	if t.socket != "" {
		s.address, s.host = "localhost", "localhost"
	}
	if secure != nil { // from the start
		if err := s.startTLS(ctx, secure); err != nil {
			s.end()
			return nil, err
		}
	}
	return s, nil
}

// newSession takes over a connection.
func newSession(ctx context.Context, c net.Conn, host string, rep *report) *session {
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	b := &bounded{Conn: c, left: maxTalk}
	s := &session{Conn: b, rep: rep, host: host, in: bufio.NewReader(b)}
	s.stop = context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return s
}

// end closes the connection. TLS is not said goodbye to: the peer may not read any more.
func (s *session) end() {
	s.stop()
	s.Close()
}

// startTLS continues the dialogue in TLS.
func (s *session) startTLS(ctx context.Context, o *tlsOptions, protos ...string) error {
	if s.in.Buffered() > 0 {
		return errors.New("the other side sent something before TLS began")
	}
	secured, err := o.handshake(ctx, s.Conn, s.host, s.rep, protos...)
	if err != nil {
		return err
	}
	s.secured = secured
	s.in.Reset(secured)
	return nil
}

// out is where to write.
func (s *session) out() net.Conn {
	if s.secured != nil {
		return s.secured
	}
	return s.Conn
}

// send writes.
func (s *session) send(data []byte) error {
	s.rep.log.Debug("Sending", "bytes", len(data))
	_, err := s.out().Write(data)
	return err
}

// sendLine writes a line with CRLF.
func (s *session) sendLine(format string, args ...any) error {
	return s.send([]byte(fmt.Sprintf(format, args...) + "\r\n"))
}

// line reads a line, without its end (LF or CRLF).
func (s *session) line() (string, error) {
	line, err := readLine(s.in, maxLine)
	if err == nil {
		s.rep.log.Debug("Received line", "line", printable(line, maxSentence))
	}
	return line, err
}

// readLine reads up to LF, and at most limit bytes.
func readLine(in *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return "", fmt.Errorf("the other side sent a line of more than %s", size(int64(limit)))
		}
		line = append(line, part...)
		switch {
		case err == nil:
			line = line[:len(line)-1]
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			return string(line), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return "", fmt.Errorf("the other side closed the connection in the middle of a line (%q): %w", printable(string(line), 80), io.ErrUnexpectedEOF)
			}
			return "", err
		}
	}
}

// read reads exactly n bytes; n comes from outside and is bounded by limit.
func (s *session) read(n, limit int) ([]byte, error) { return readExactly(s.in, n, limit) }

func readExactly(in io.Reader, n, limit int) ([]byte, error) {
	if n < 0 || n > limit {
		return nil, fmt.Errorf("the other side announced %d bytes, more than the %d that this answer may have", n, limit)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, err
	}
	return data, nil
}
