package nrpe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"
)

// scripted is a connection whose other side says what is written here, whatever it hears.
type scripted struct {
	net.Conn
	in io.Reader
}

func (s scripted) Read(p []byte) (int, error) { return s.in.Read(p) }
func (s scripted) Write(p []byte) (int, error) {
	if s.Conn != nil {
		return s.Conn.Write(p)
	}
	return len(p), nil
}
func (s scripted) Close() error                     { return nil }
func (s scripted) SetDeadline(time.Time) error      { return nil }
func (s scripted) SetWriteDeadline(time.Time) error { return nil }

// lengthed writes a number behind its length.
func lengthed(n *big.Int) []byte {
	b := n.Bytes()
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) //nolint:gosec // short
}

// serverSays is a server's part of the handshake up to its Finished, in one record for each message.
func serverSays(suite uint16, p, g, public *big.Int) []byte {
	record := func(kind byte, body []byte) []byte {
		m := append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
		return append([]byte{recordHandshake, 3, 3, byte(len(m) >> 8), byte(len(m))}, m...)
	}
	hello := append([]byte{3, 3}, make([]byte, 32)...)
	hello = append(hello, 0)
	hello = binary.BigEndian.AppendUint16(hello, suite)
	hello = append(hello, 0)
	out := record(messageServerHello, hello)
	out = append(out, record(messageServerKey, bytes.Join([][]byte{lengthed(p), lengthed(g), lengthed(public)}, nil))...)
	out = append(out, record(messageHelloDone, nil)...)
	return append(out, recordChange, 3, 3, 0, 1, 1)
}

func prime(bits uint) *big.Int { // an odd number of that size is enough here
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return n.Add(n, big.NewInt(7))
}

func TestAnonymousServerLies(t *testing.T) {
	f := func(name string, says []byte, want error) {
		t.Helper()
		_, err := dialAnonymous(t.Context(), scripted{in: bytes.NewReader(says)})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	two, five := big.NewInt(2), big.NewInt(5)
	good := serverSays(suite256, prime(1024), two, five)
	f("it stops before Finished", good, io.EOF)
	f("Finished in the clear", append(bytes.Clone(good), recordHandshake, 3, 3, 0, 16, messageFinished, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), errAnonymous)
	f("a suite that was not offered", serverSays(0x1301, prime(1024), two, five), errAnonymous)
	f("a short prime", serverSays(suite256, prime(256), two, five), errAnonymous)
	f("a long prime", serverSays(suite256, prime(16384), two, five), errAnonymous)
	f("a public number of 1", serverSays(suite256, prime(1024), two, big.NewInt(1)), errAnonymous)
	f("a public number beyond the prime", serverSays(suite256, prime(1024), two, prime(1025)), errAnonymous)
	f("a generator of 1", serverSays(suite256, prime(1024), big.NewInt(1), five), errAnonymous)
	f("nothing", nil, io.EOF)
	f("a web server", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), errAnonymous)
	f("a huge message", []byte{recordHandshake, 3, 3, 0, 4, messageServerHello, 0xff, 0xff, 0xff}, errAnonymous)
	f("a huge record", []byte{recordHandshake, 3, 3, 0xff, 0xff}, errAnonymous)
}

// TestAnonymousBothOfOurs has our two sides talk, with every length of data.
func TestAnonymousBothOfOurs(t *testing.T) {
	ours, theirs := net.Pipe()
	done := make(chan error)
	go func() {
		c, suite, err := peekHello(theirs)
		if err == nil && suite != suite256 {
			t.Errorf("suite %#x", suite)
		}
		if err == nil {
			c, err = serveAnonymous(t.Context(), c)
		}
		if err == nil {
			_, err = io.Copy(c, c)
			_ = c.Close()
		}
		done <- err
	}()
	c, err := dialAnonymous(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 1036, maxHandshake, maxHandshake + 1, 100_000} {
		text := bytes.Repeat([]byte{byte(size)}, size)
		go func() { _, _ = c.Write(text) }()
		got := make([]byte, size)
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnonymousRecordChanged(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		c, _, err := peekHello(theirs)
		if err == nil {
			c, err = serveAnonymous(t.Context(), c)
		}
		if err != nil {
			t.Error(err)
			return
		}
		a := c.(*anonymousConn)
		a.write.seq++ // one record was left out
		_, _ = a.Write([]byte("hello"))
	}()
	c, err := dialAnonymous(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 9)); !errors.Is(err, errAnonymous) {
		t.Error(n, err)
	}
	_ = ours.Close()
}

func FuzzAnonymousServer(f *testing.F) {
	var hello recorder
	_, _ = dialAnonymous(f.Context(), scripted{Conn: &hello, in: bytes.NewReader(nil)})
	f.Add(hello.Bytes())
	f.Add([]byte{recordHandshake, 3, 1, 0, 4, messageClientHello, 0, 0, 0})
	f.Fuzz(func(t *testing.T, says []byte) {
		c, suite, err := peekHello(scripted{in: bytes.NewReader(says)})
		if err != nil || suite == 0 {
			return
		}
		if _, err := serveAnonymous(t.Context(), c); err == nil {
			t.Fatal("a handshake that nobody did is taken")
		}
	})
}

// recorder keeps what is written.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) { return r.Buffer.Write(p) }
func (r *recorder) Read(p []byte) (int, error)  { return r.Buffer.Read(p) }

func FuzzAnonymous(f *testing.F) {
	f.Add(serverSays(suite256, prime(512), big.NewInt(2), big.NewInt(5)))
	f.Add(append(serverSays(suite128, prime(512), big.NewInt(2), big.NewInt(5)), recordHandshake, 3, 3, 0, 40, 1, 2, 3))
	f.Add([]byte{recordAlert, 3, 3, 0, 2, 2, 40})
	f.Fuzz(func(t *testing.T, says []byte) {
		conn, err := dialAnonymous(t.Context(), scripted{in: bytes.NewReader(says)})
		if err == nil {
			t.Fatalf("a handshake that nobody did is taken: %v", conn)
		}
	})
}
