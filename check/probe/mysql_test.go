package probe

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
)

// mysqlServer lets u in with the password p by caching_sha2_password, as a server does that does not know the user yet: it wants the
// password itself, encrypted by its key.
func mysqlServer(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	scramble := []byte("abcdefghijklmnopqrst")
	return serve(t, func(c net.Conn) {
		packet := func(number byte, body string) {
			_, _ = c.Write(append([]byte{byte(len(body)), byte(len(body) >> 8), 0, number}, body...))
		}
		read := func() []byte {
			head := make([]byte, 4)
			if _, err := io.ReadFull(c, head); err != nil {
				return nil
			}
			body := make([]byte, int(head[0])|int(head[1])<<8)
			_, _ = io.ReadFull(c, body)
			return body
		}
		packet(0, "\x0a8.0.36\x00\x01\x00\x00\x00abcdefgh\x00\xff\xf7\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ijklmnopqrst\x00caching_sha2_password\x00")
		first := sha256.Sum256([]byte("p"))
		second := sha256.Sum256(first[:])
		mask := sha256.Sum256(append(second[:], scramble...))
		proof := xor(first[:], mask[:])
		if !bytes.Contains(read(), append([]byte("u\x00\x20"), proof...)) {
			packet(2, "\xff\x15\x04#28000Access denied")
			return
		}
		packet(2, "\x01\x04")
		if string(read()) != "\x02" {
			return
		}
		packet(4, "\x01"+string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
		plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, read(), nil)
		if err != nil || string(xor(plain, scramble[:len(plain)])) != "p\x00" {
			packet(6, "\xff\x15\x04#28000Access denied")
			return
		}
		packet(6, "\x00\x00\x00\x02\x00\x00\x00")
		_ = read()
	})
}

func TestMySQLCachingSHA2(t *testing.T) {
	server := mysqlServer(t)
	want(t, ask(t, "mysql", server, `{"username":"u","password":"p"}`), model.OK, "MySQL 8.0.36 OK, u logged in in ")
	want(t, ask(t, "mysql", server, `{"username":"u","password":"q"}`), model.Critical, "login of u: the server says: Access denied (1045)")
	want(t, ask(t, "mysql", server, `{"username":"u","password":"p","tls":true}`), model.Critical, "the server does not offer TLS")
}
