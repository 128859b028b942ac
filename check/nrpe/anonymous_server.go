package nrpe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"time"
)

// group14 is the prime of 2048 bits of RFC 3526 whose generator is 2.
const group14 = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F" +
	"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510" +
	"15728E5A8AACAA68FFFFFFFFFFFFFFFF"

// peeked is a connection of which some bytes were read already.
type peeked struct {
	net.Conn
	before *bytes.Reader
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.before.Len() > 0 {
		return p.before.Read(b)
	}
	return p.Conn.Read(b)
}

// peekHello reads the first record, as long as it may be a client's hello, and answers with the connection as it was and with the
// suite to speak anonymously; 0 when Go's TLS should do it: the client takes certificates, or what came is no hello.
func peekHello(c net.Conn) (net.Conn, uint16, error) {
	b := make([]byte, recordHead)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, 0, err
	}
	size := int(binary.BigEndian.Uint16(b[3:]))
	if b[0] == recordHandshake && b[1] == 3 && size <= maxRecord {
		b = append(b, make([]byte, size)...)
		if _, err := io.ReadFull(c, b[recordHead:]); err != nil {
			return nil, 0, err
		}
	}
	hello, err := parseHello(b[recordHead:])
	conn := &peeked{c, bytes.NewReader(b)}
	if err != nil {
		return conn, 0, nil //nolint:nilerr // Go's TLS says what is wrong
	}
	return conn, hello.suite, nil
}

// clientHello is what is needed of it.
type clientHello struct {
	random []byte
	suite  uint16 // the best of ours; 0 when the client takes certificates, or knows none of ours
	safe   bool   // it knows that renegotiation is dangerous (RFC 5746)
}

var errHello = errors.New("no hello of a client")

// parseHello reads a client's hello (RFC 5246, 7.4.1.2) with its head: version, random, session, suites, compressions, extensions.
func parseHello(b []byte) (h clientHello, err error) {
	if len(b) < 4+34+1 || b[0] != messageClientHello {
		return h, errHello
	}
	b = b[4:]
	if binary.BigEndian.Uint16(b) < tls12 {
		return h, errHello
	}
	h.random = b[2:34]
	b = b[34:]
	if len(b) < 1+int(b[0])+2 {
		return h, errHello
	}
	b = b[1+int(b[0]):]
	size := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < size {
		return h, errHello
	}
	var suites []uint16
	for list := b[:size]; len(list) >= 2; list = list[2:] {
		suites = append(suites, binary.BigEndian.Uint16(list))
	}
	h.safe = slices.Contains(suites, suiteNoRenegotiation) || bytes.Contains(b[size:], []byte{0xff, 0x01, 0x00, 0x01, 0x00})
	if slices.ContainsFunc(suites, func(s uint16) bool { return !anonymousSuite(s) }) {
		return h, nil
	}
	for _, s := range []uint16{suite256, suite128} {
		if slices.Contains(suites, s) {
			h.suite = s
			return h, nil
		}
	}
	return h, nil
}

// anonymousSuite says whether a suite has no certificate: TLS_DH_anon_* and TLS_ECDH_anon_* of IANA's list, and the signs that are no suites.
func anonymousSuite(s uint16) bool {
	switch {
	case s == suiteNoRenegotiation, s == 0x5600, s&0x0f0f == 0x0a0a && s>>8 == s&0xff:
		return true
	case s >= 0x17 && s <= 0x1b, s == 0x34, s == 0x3a, s == 0x46, s == 0x6c, s == 0x6d, s == 0x89, s == 0x9b, s == 0xa6, s == 0xa7, s == 0xbf, s == 0xc5,
		s >= 0xc015 && s <= 0xc019, s == 0xc046, s == 0xc047, s == 0xc05a, s == 0xc05b, s == 0xc084, s == 0xc085:
		return true
	}
	return false
}

// serveAnonymous does the server's side of the handshake, over a connection from peekHello.
func serveAnonymous(ctx context.Context, conn net.Conn) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	a := &anonymousConn{Conn: conn}
	if err := a.welcome(); err != nil {
		return nil, fmt.Errorf("anonymous TLS: %w", err)
	}
	return a, nil
}

func (a *anonymousConn) welcome() error {
	body, err := a.message(messageClientHello)
	if err != nil {
		return err
	}
	hello, err := parseHello(a.all)
	if err != nil || hello.suite == 0 {
		return fmt.Errorf("%w: %d bytes of hello", errAnonymous, len(body))
	}
	theirs := bytes.Clone(hello.random)
	if a.hash, a.keyLen = sha512.New384, 32; hello.suite == suite128 {
		a.hash, a.keyLen = sha256.New, 16
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	answer := append(binary.BigEndian.AppendUint16(nil, tls12), random...)
	answer = append(answer, 0) // no session
	answer = append(binary.BigEndian.AppendUint16(answer, hello.suite), 0)
	if hello.safe { // the one extension: renegotiation_info, empty
		answer = append(answer, 0, 5, 0xff, 0x01, 0, 1, 0)
	}
	p, _ := new(big.Int).SetString(group14, 16)
	x, err := rand.Int(rand.Reader, new(big.Int).Rsh(p, 1))
	if err != nil {
		return err
	}
	x.Add(x, big.NewInt(2))
	var key []byte
	for _, n := range []*big.Int{p, big.NewInt(2), new(big.Int).Exp(big.NewInt(2), x, p)} {
		key = binary.BigEndian.AppendUint16(key, uint16(len(n.Bytes()))) //nolint:gosec // 256
		key = append(key, n.Bytes()...)
	}
	if err := errors.Join(a.send(messageServerHello, answer), a.send(messageServerKey, key), a.send(messageHelloDone, nil)); err != nil {
		return err
	}
	if body, err = a.message(messageClientKey); err != nil {
		return err
	}
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != len(body)-2 {
		return errAnonymous
	}
	public := new(big.Int).SetBytes(body[2:])
	if public.Cmp(big.NewInt(1)) <= 0 || public.Cmp(new(big.Int).Sub(p, big.NewInt(1))) >= 0 {
		return fmt.Errorf("%w: its public number is none", errAnonymous)
	}
	shared := new(big.Int).Exp(public, x, p).Bytes()
	return a.finishServer(prf(a.hash, shared, "master secret", append(bytes.Clone(theirs), random...), 48), theirs, random)
}

// finishServer is finish for the other side: the client's sum comes first.
func (a *anonymousConn) finishServer(master, client, server []byte) error {
	next, err := a.halves(master, client, server)
	if err != nil {
		return err
	}
	if err := a.changed(next[0]); err != nil {
		return err
	}
	want := a.sum(master, "client finished")
	got, err := a.message(messageFinished)
	if err != nil {
		return err
	}
	if !hmac.Equal(got, want) {
		return fmt.Errorf("%w: the sum of the handshake is wrong", errAnonymous)
	}
	if err := a.record(recordChange, []byte{1}); err != nil {
		return err
	}
	a.write = next[1]
	return a.send(messageFinished, a.sum(master, "server finished"))
}
