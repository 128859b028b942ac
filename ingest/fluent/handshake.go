package fluent

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// handshakeTime bounds how long a sender may take to show that it knows the key.
const handshakeTime = 30 * time.Second

// handshake makes sure that the sender knows the shared key, and shows that we do:
//
//	us    ["HELO", {"nonce": nonce, "auth": "", "keepalive": true}]
//	them  ["PING", their name, salt, hex of SHA-512(salt their-name nonce key), user, password]
//	us    ["PONG", whether it is right, what is wrong, our name, hex of SHA-512(salt our-name nonce key)]
func (s *Server) handshake(ctx context.Context, c net.Conn, r *frames) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	b := msgp.AppendArrayHeader(nil, 2)
	b = msgp.AppendMapHeader(msgp.AppendString(b, "HELO"), 3)
	b = msgp.AppendBytes(msgp.AppendString(b, "nonce"), nonce)
	b = msgp.AppendBytes(msgp.AppendString(b, "auth"), nil) // no users
	b = msgp.AppendBool(msgp.AppendString(b, "keepalive"), true)
	if _, err := c.Write(b); err != nil {
		return err
	}
	frame, err := r.next(ctx)
	if errors.Is(err, io.EOF) {
		return errors.New("the sender went away: it may have no shared_key")
	}
	if err != nil {
		return err
	}
	ping, err := parsePing(frame)
	if err != nil {
		return malformed("PING", err)
	}
	key := s.options.SharedKey
	want := digest(ping.salt, ping.hostname, string(nonce), key)
	right := subtle.ConstantTimeCompare([]byte(want), []byte(ping.digest)) == 1
	why, proof := "shared key mismatch", ""
	if right {
		why, proof = "", digest(ping.salt, s.options.Hostname, string(nonce), key)
	}
	b = msgp.AppendBool(msgp.AppendString(msgp.AppendArrayHeader(nil, 5), "PONG"), right)
	b = msgp.AppendString(msgp.AppendString(msgp.AppendString(b, why), s.options.Hostname), proof)
	if _, err := c.Write(b); err != nil {
		return err
	}
	if !right {
		return errors.New("the sender has another shared_key")
	}
	return nil
}

type ping struct{ hostname, salt, digest string }

func parsePing(b []byte) (ping, error) {
	var p ping
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return p, err
	}
	if n < 4 {
		return p, errors.New("it has too few values: the sender has no shared_key")
	}
	var kind string
	for _, to := range []*string{&kind, &p.hostname, &p.salt, &p.digest} {
		if *to, b, err = stringOf(b); err != nil {
			return p, err
		}
	}
	if kind != "PING" {
		return p, errors.New("it is something else: the sender has no shared_key")
	}
	return p, nil
}

func digest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, p) // never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
