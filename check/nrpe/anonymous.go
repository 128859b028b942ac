package nrpe

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"net"
	"time"
)

// anonymousConn is TLS 1.2 (RFC 5246) with anonymous Diffie-Hellman and AES-GCM (RFC 5288): what an NRPE daemon without
// a certificate speaks, and check_nrpe before 3.0, and Go's TLS does not. It keeps out who only listens; it does not tell who the other side is, as little as a
// certificate that nobody verifies. Only what NRPE needs is here: no resumption, no renegotiation, no extensions.
type anonymousConn struct {
	net.Conn
	read, write half
	hello       bytes.Buffer // handshake messages that came and are not read yet
	all         []byte       // handshake messages of both sides, for the sums in Finished
	data        []byte       // application data that came and is not read yet
	hash        func() hash.Hash
	keyLen      int
}

// half is one direction. Before the keys change, aead is nil.
type half struct {
	aead cipher.AEAD
	iv   [4]byte
	seq  uint64
}

// The types of records and of handshake messages that are met.
const (
	recordChange    = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	messageClientHello = 1
	messageServerHello = 2
	messageServerKey   = 12
	messageHelloDone   = 14
	messageClientKey   = 16
	messageFinished    = 20
)

const (
	tls12 = 0x0303
	// The cipher suites TLS_DH_anon_WITH_AES_256_GCM_SHA384 and TLS_DH_anon_WITH_AES_128_GCM_SHA256, and the sign that renegotiation
	// is known to be dangerous.
	suite256, suite128, suiteNoRenegotiation = 0x00a7, 0x00a6, 0x00ff
	maxRecord                                = 16<<10 + 256
	maxHandshake                             = 16 << 10
	maxPrime                                 = 8192 // bits; more would cost us seconds
	minPrime                                 = 512  // NRPE before 3.0 has no more
	recordHead                               = 5
	gcmNonce                                 = 8 // bytes of it that are sent
)

var errAnonymous = errors.New("the other side breaks the rules of TLS")

// dialAnonymous does the handshake over conn, which it owns from then on.
func dialAnonymous(ctx context.Context, conn net.Conn) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	a := &anonymousConn{Conn: conn}
	if err := a.handshake(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("anonymous TLS: %w", err)
	}
	return a, nil
}

func (a *anonymousConn) handshake() error {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	hello := binary.BigEndian.AppendUint16(nil, tls12)
	hello = append(hello, random...)
	hello = append(hello, 0) // no session
	hello = append(hello, 0, 6)
	for _, s := range []uint16{suite256, suite128, suiteNoRenegotiation} {
		hello = binary.BigEndian.AppendUint16(hello, s)
	}
	hello = append(hello, 1, 0) // no compression
	if err := a.send(messageClientHello, hello); err != nil {
		return err
	}
	answer, err := a.message(messageServerHello)
	if err != nil {
		return err
	}
	theirs, err := a.serverHello(answer)
	if err != nil {
		return err
	}
	key, err := a.message(messageServerKey)
	if err != nil {
		return err
	}
	public, shared, err := exchange(key)
	if err != nil {
		return err
	}
	if _, err := a.message(messageHelloDone); err != nil {
		return err
	}
	if err := a.send(messageClientKey, append(binary.BigEndian.AppendUint16(nil, uint16(len(public))), public...)); err != nil { //nolint:gosec // at most maxPrime bits
		return err
	}
	return a.finish(prf(a.hash, shared, "master secret", append(append([]byte(nil), random...), theirs...), 48), random, theirs)
}

// serverHello reads version, random, session, suite and compression; extensions were not asked for and are not looked at.
func (a *anonymousConn) serverHello(b []byte) (random []byte, err error) {
	if len(b) < 38 || binary.BigEndian.Uint16(b) != tls12 {
		return nil, errors.New("it does not speak TLS 1.2")
	}
	random = append([]byte(nil), b[2:34]...)
	b = b[34:]
	session := int(b[0])
	if len(b) < 1+session+3 {
		return nil, errAnonymous
	}
	b = b[1+session:]
	switch binary.BigEndian.Uint16(b) {
	case suite256:
		a.hash, a.keyLen = sha512.New384, 32
	case suite128:
		a.hash, a.keyLen = sha256.New, 16
	default:
		return nil, errAnonymous
	}
	if b[2] != 0 {
		return nil, errAnonymous
	}
	return random, nil
}

// exchange answers the server's half of the key exchange, prime, generator and public number, each behind its length. The shared
// secret has no zeros in front (RFC 5246, 8.1.2).
func exchange(b []byte) (public, shared []byte, err error) {
	var n [3]*big.Int
	for i := range n {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			return nil, nil, errAnonymous
		}
		size := int(binary.BigEndian.Uint16(b))
		n[i] = new(big.Int).SetBytes(b[2 : 2+size])
		b = b[2+size:]
	}
	p, g, theirs := n[0], n[1], n[2]
	one := big.NewInt(1)
	last := new(big.Int).Sub(p, one)
	if p.BitLen() < minPrime || p.BitLen() > maxPrime || p.Bit(0) == 0 || len(b) > 0 {
		return nil, nil, fmt.Errorf("%w: its prime has %d bits", errAnonymous, p.BitLen())
	}
	if g.Cmp(one) <= 0 || g.Cmp(last) >= 0 || theirs.Cmp(one) <= 0 || theirs.Cmp(last) >= 0 {
		return nil, nil, fmt.Errorf("%w: its public number is none", errAnonymous)
	}
	x, err := rand.Int(rand.Reader, last)
	if err != nil {
		return nil, nil, err
	}
	x.Add(x, one)
	ours := new(big.Int).Exp(g, x, p)
	return ours.FillBytes(make([]byte, (p.BitLen()+7)/8)), new(big.Int).Exp(theirs, x, p).Bytes(), nil
}

// halves makes the keys of both directions, the client's first.
func (a *anonymousConn) halves(master, client, server []byte) (next [2]half, err error) {
	keys := prf(a.hash, master, "key expansion", append(append([]byte(nil), server...), client...), 2*a.keyLen+8)
	for i := range next {
		block, err := aes.NewCipher(keys[i*a.keyLen : (i+1)*a.keyLen])
		if err != nil {
			return next, err
		}
		if next[i].aead, err = cipher.NewGCM(block); err != nil {
			return next, err
		}
		copy(next[i].iv[:], keys[2*a.keyLen+4*i:])
	}
	return next, nil
}

// changed waits for the other side to change to its keys.
func (a *anonymousConn) changed(to half) error {
	kind, b, err := a.next()
	if err != nil {
		return err
	}
	if kind != recordChange || len(b) != 1 || b[0] != 1 || a.hello.Len() > 0 {
		return errAnonymous
	}
	a.read = to
	return nil
}

// finish changes to the keys, and exchanges the sums over the handshake.
func (a *anonymousConn) finish(master, ours, theirs []byte) error {
	next, err := a.halves(master, ours, theirs)
	if err != nil {
		return err
	}
	if err := a.record(recordChange, []byte{1}); err != nil {
		return err
	}
	a.write = next[0]
	if err := a.send(messageFinished, a.sum(master, "client finished")); err != nil {
		return err
	}
	if err := a.changed(next[1]); err != nil {
		return err
	}
	want := a.sum(master, "server finished")
	got, err := a.message(messageFinished)
	if err != nil {
		return err
	}
	if !hmac.Equal(got, want) {
		return fmt.Errorf("%w: the sum of the handshake is wrong", errAnonymous)
	}
	return nil
}

func (a *anonymousConn) sum(master []byte, label string) []byte {
	h := a.hash()
	h.Write(a.all)
	return prf(a.hash, master, label, h.Sum(nil), 12)
}

// prf is the pseudorandom function of TLS 1.2 (RFC 5246, 5).
func prf(h func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	sum := func(parts ...[]byte) []byte {
		m := hmac.New(h, secret)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

// send sends a handshake message: type, length in three bytes, body.
func (a *anonymousConn) send(kind byte, body []byte) error {
	m := append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	a.all = append(a.all, m...)
	return a.record(recordHandshake, m)
}

// message reads the next handshake message, which must be of the kind.
func (a *anonymousConn) message(kind byte) ([]byte, error) {
	for {
		b := a.hello.Bytes()
		if len(b) >= 4 {
			size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
			if b[0] != kind || size > maxHandshake {
				return nil, fmt.Errorf("%w: a handshake message of type %d and %d bytes came instead of type %d", errAnonymous, b[0], size, kind)
			}
			if len(b) >= 4+size {
				m := append([]byte(nil), a.hello.Next(4+size)...)
				a.all = append(a.all, m...)
				return m[4:], nil
			}
		}
		t, part, err := a.next()
		if err != nil {
			return nil, err
		}
		if t != recordHandshake || a.hello.Len()+len(part) > 2*maxHandshake {
			return nil, errAnonymous
		}
		a.hello.Write(part)
	}
}

// record sends one record.
func (a *anonymousConn) record(kind byte, body []byte) error {
	b := make([]byte, recordHead, recordHead+gcmNonce+len(body)+16)
	b[0] = kind
	binary.BigEndian.PutUint16(b[1:], tls12)
	if w := &a.write; w.aead != nil {
		b = binary.BigEndian.AppendUint64(b, w.seq)
		b = w.aead.Seal(b, append(w.iv[:], b[recordHead:]...), body, w.additional(kind, len(body)))
		w.seq++
	} else {
		b = append(b, body...)
	}
	binary.BigEndian.PutUint16(b[3:], uint16(len(b)-recordHead)) //nolint:gosec // at most 16 KiB and a bit
	_, err := a.Conn.Write(b)
	return err
}

// additional is what is authenticated besides the text: sequence number, type, version, length.
func (h *half) additional(kind byte, n int) []byte {
	b := binary.BigEndian.AppendUint64(nil, h.seq)
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, tls12)
	return binary.BigEndian.AppendUint16(b, uint16(n)) //nolint:gosec // at most 16 KiB
}

// next reads one record. The end that the other side announces is io.EOF, any other alert an error.
func (a *anonymousConn) next() (kind byte, body []byte, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(a.Conn, head[:]); err != nil {
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint16(head[3:]))
	if head[1] != 3 || size > maxRecord {
		return 0, nil, errAnonymous
	}
	body = make([]byte, size)
	if _, err := io.ReadFull(a.Conn, body); err != nil {
		return 0, nil, err
	}
	if r := &a.read; r.aead != nil {
		if size < gcmNonce+r.aead.Overhead() {
			return 0, nil, errAnonymous
		}
		body, err = r.aead.Open(nil, append(r.iv[:], body[:gcmNonce]...), body[gcmNonce:], r.additional(head[0], size-gcmNonce-r.aead.Overhead()))
		if err != nil {
			return 0, nil, fmt.Errorf("%w: a record was changed on its way", errAnonymous)
		}
		r.seq++
	}
	if head[0] == recordAlert {
		if len(body) == 2 && body[1] == 0 {
			return 0, nil, io.EOF
		}
		return 0, nil, fmt.Errorf("the other side says alert %d", body)
	}
	return head[0], body, nil
}

// Read reads application data.
func (a *anonymousConn) Read(p []byte) (int, error) {
	for len(a.data) == 0 {
		kind, body, err := a.next()
		if err != nil {
			return 0, err
		}
		if kind != recordData {
			return 0, errAnonymous // another handshake, for one
		}
		a.data = body
	}
	n := copy(p, a.data)
	a.data = a.data[n:]
	return n, nil
}

// Write sends application data.
func (a *anonymousConn) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		part := p[sent:min(len(p), sent+maxHandshake)]
		if err := a.record(recordData, part); err != nil {
			return sent, err
		}
		sent += len(part)
	}
	return len(p), nil
}

// Close says goodbye and closes.
func (a *anonymousConn) Close() error {
	_ = a.SetWriteDeadline(time.Now().Add(time.Second))
	_ = a.record(recordAlert, []byte{1, 0}) // who has gone does not hear it
	return a.Conn.Close()
}
