package services

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	// maxAnswerBytes is what one gather may read from a service: several times the largest answers seen (an Elasticsearch with
	// thousands of indices), and little enough to hold.
	maxAnswerBytes = 16 << 20
	maxLineBytes   = 64 << 10
)

var errTooLong = errors.New("the answer is too long")

// conn is a connection that ends with its context and gives at most so many bytes. Close it with close.
type conn struct {
	net.Conn
	r    *bufio.Reader
	left int64
	stop func() bool
}

// dial connects to an address as Target has it.
func dial(ctx context.Context, address string) (*conn, error) {
	c, err := dialPlain(ctx, address)
	if err != nil {
		return nil, err
	}
	return bound(ctx, c, maxAnswerBytes), nil
}

// dialPlain is dial without the limits.
func dialPlain(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	network, address := splitAddress(address)
	return d.DialContext(ctx, network, address)
}

// splitAddress tells sockets from host:port.
func splitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", strings.TrimPrefix(path, "//")
	}
	if strings.HasPrefix(address, "/") {
		return "unix", address
	}
	return "tcp", address
}

// bound gives a connection the limits of a gather.
func bound(ctx context.Context, c net.Conn, limit int64) *conn {
	b := &conn{Conn: c, left: limit}
	b.r = bufio.NewReader(b)
	b.stop = context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // whatever waits now returns
	return b
}

// Read implements io.Reader within the limit.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// close ends the connection and what watched its context.
func (c *conn) close() {
	c.stop()
	_ = c.Close() // what was read is whole or was refused
}

// line reads one line without its end.
func (c *conn) line() (string, error) { return readLine(c.r) }

// readLine reads one line without its end; a line of more than maxLineBytes is refused.
func readLine(r *bufio.Reader) (string, error) {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && long == nil {
			return strings.TrimRight(string(part), "\r\n"), nil
		}
		if len(long)+len(part) > maxLineBytes {
			return "", fmt.Errorf("a line of more than %d bytes: %w", maxLineBytes, errTooLong)
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return strings.TrimRight(string(long), "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
	}
}

// readAll reads to the end, and refuses more than limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("more than %d bytes: %w", limit, errTooLong)
	}
	return text, nil
}

// excerpt is the beginning of what a service said, for an error.
func excerpt(text string) string {
	if len(text) > 120 {
		text = text[:120] + "..."
	}
	return fmt.Sprintf("%q", text)
}

// startTLS speaks TLS over a connection. The handshake happens with the first byte.
func startTLS(c net.Conn, network, address string, anyCertificate bool) net.Conn {
	host := "localhost"
	if network != "unix" {
		if h, _, err := net.SplitHostPort(address); err == nil {
			host = h
		}
	}
	return tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: anyCertificate}) //nolint:gosec // asked for
}
