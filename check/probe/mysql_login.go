package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the protocol's
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// The client's side of MySQL's protocol, as far as a login and one query need it. It is written here because the known driver panics at
// packets that are cut short and leaves a goroutine behind then, which a probe must not do.
//
// Source: dev.mysql.com/doc/dev/mysql-server, "Client/Server Protocol"; mariadb.com/kb, "Clientserver Protocol".

// Capabilities of a client.
const (
	mysqlWithDatabase = 0x00000008
	mysqlProtocol41   = 0x00000200
	mysqlTLS          = 0x00000800
	mysqlSecure       = 0x00008000
	mysqlPlugins      = 0x00080000
)

// mysqlGreeting is Protocol::HandshakeV10.
type mysqlGreeting struct {
	version      string
	scramble     []byte // 20 bytes, from servers of this century
	capabilities uint32
	plugin       string // how the server prefers to be logged in to
}

// parseMySQLGreeting reads: version 1, server version to zero, connection 4, scramble 8, zero, capabilities 2, character set 1,
// status 2, capabilities 2, length of scramble 1, nothing 10, rest of scramble, plugin to zero.
func parseMySQLGreeting(b []byte) (mysqlGreeting, error) {
	var g mysqlGreeting
	switch {
	case len(b) == 0:
		return g, errors.New("the server's greeting is empty")
	case b[0] == 0xff:
		code, text := parseMySQLError(b)
		return g, errMySQL{code, text}
	case b[0] != 10:
		return g, fmt.Errorf("the other side does not speak MySQL's protocol: it sent %q", printable(string(b), 80))
	}
	end := indexZero(b[1:])
	if end < 0 || len(b) < 1+end+1+4+8 {
		return g, errors.New("the server's greeting is cut short")
	}
	g.version = printable(string(b[1:1+end]), 80)
	b = b[end+2+4:]
	g.scramble, b = bytes.Clone(b[:8]), b[8:]
	if len(b) < 19 { // very old: nothing more
		return g, nil
	}
	g.capabilities = uint32(binary.LittleEndian.Uint16(b[1:])) | uint32(binary.LittleEndian.Uint16(b[6:]))<<16
	b = b[19:]
	if len(b) >= 12 {
		g.scramble = append(g.scramble, b[:12]...)
		b = b[12:]
		if len(b) > 0 && b[0] == 0 {
			b = b[1:]
		}
	}
	if end := indexZero(b); end >= 0 {
		b = b[:end]
	}
	g.plugin = string(b)
	return g, nil
}

// errMySQL is an error that the server answered.
type errMySQL struct {
	code int
	text string
}

func (e errMySQL) Error() string { return fmt.Sprintf("the server says: %s (%d)", e.text, e.code) }

// parseMySQLError reads an error packet: 0xff, code 2, maybe # and state 5, text.
func parseMySQLError(b []byte) (code int, text string) {
	if len(b) < 3 {
		return 0, "an error that cannot be read"
	}
	code, b = int(binary.LittleEndian.Uint16(b[1:])), b[3:]
	if len(b) >= 6 && b[0] == '#' {
		b = b[6:]
	}
	return code, printable(string(b), 200)
}

// mysqlLogin logs in with a password and returns the server's version.
func (o *mysqlOptions) mysqlLogin(ctx context.Context, s *session) (string, error) {
	password, err := o.secret()
	if err != nil {
		return "", err
	}
	packet, err := s.mysqlPacket()
	if err != nil {
		return "", err
	}
	g, err := parseMySQLGreeting(packet)
	if err != nil {
		return "", err
	}
	caps := uint32(mysqlProtocol41 | mysqlSecure | mysqlPlugins)
	if o.Database != "" {
		caps |= mysqlWithDatabase
	}
	number := byte(1)
	if o.TLS {
		if g.capabilities&mysqlTLS == 0 {
			return "", errors.New("the server does not offer TLS")
		}
		caps |= mysqlTLS
		if err := s.sendMySQL(number, mysqlHead(caps)); err != nil {
			return "", err
		}
		if err := s.startTLS(ctx, &o.tlsOptions); err != nil {
			return "", err
		}
		number++
	}
	if g.plugin != "caching_sha2_password" {
		g.plugin = "mysql_native_password" // servers that want another one say so
	}
	answer, err := mysqlScramble(g.plugin, password, g.scramble, s.secured != nil)
	if err != nil {
		return "", err
	}
	b := append(append(mysqlHead(caps), o.Username...), 0, byte(len(answer)))
	b = append(b, answer...)
	if o.Database != "" {
		b = append(append(b, o.Database...), 0)
	}
	if err := s.sendMySQL(number, append(append(b, g.plugin...), 0)); err != nil {
		return "", err
	}
	if err := s.mysqlAuthenticate(password, g.scramble); err != nil {
		return "", fmt.Errorf("login of %s: %w", o.Username, err)
	}
	return g.version, nil
}

// mysqlHead is what SSLRequest and HandshakeResponse41 begin with: capabilities 4, largest packet 4, character set 1, nothing 23.
func mysqlHead(caps uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, caps)
	b = binary.LittleEndian.AppendUint32(b, maxTalk)
	return append(append(b, 45), make([]byte, 23)...) // utf8mb4_general_ci
}

// maxLoginSteps is more than any way to log in has.
const maxLoginSteps = 8

// mysqlAuthenticate answers what the server asks until it lets us in.
func (s *session) mysqlAuthenticate(password string, scramble []byte) error {
	for range maxLoginSteps {
		packet, number, err := s.mysqlNumbered()
		if err != nil {
			return err
		}
		if len(packet) == 0 {
			return errors.New("the server sent an empty packet")
		}
		var answer []byte
		switch packet[0] {
		case 0:
			return nil
		case 0xff:
			code, text := parseMySQLError(packet)
			return errMySQL{code, text}
		case 0xfe: // another way: its name to zero, a new scramble
			end := indexZero(packet[1:])
			if end < 0 {
				return errors.New("the server wants a way to log in that is older than MySQL 4.1")
			}
			plugin := string(packet[1 : 1+end])
			scramble = bytes.TrimSuffix(packet[2+end:], []byte{0})
			if answer, err = mysqlScramble(plugin, password, scramble, s.secured != nil); err != nil {
				return err
			}
		case 1: // more: caching_sha2_password says that it knows us (3), or wants the password itself (4), or its key follows
			if answer, err = s.mysqlMore(packet[1:], password, scramble); err != nil {
				return err
			}
			if answer == nil {
				continue
			}
		default:
			return fmt.Errorf("the server sent packet %#x", packet[0])
		}
		if err := s.sendMySQL(number+1, answer); err != nil {
			return err
		}
	}
	return errors.New("the login has no end")
}

func (s *session) mysqlMore(data []byte, password string, scramble []byte) ([]byte, error) {
	switch {
	case len(data) == 1 && data[0] == 3:
		return nil, nil
	case len(data) == 1 && data[0] == 4 && s.secured != nil:
		return append([]byte(password), 0), nil
	case len(data) == 1 && data[0] == 4:
		return []byte{2}, nil // asks for the server's key
	}
	block, _ := pem.Decode(data)
	if block == nil || len(scramble) == 0 {
		return nil, errors.New("the server's key cannot be read")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := key.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("the server's key cannot be read")
	}
	plain := append([]byte(password), 0)
	for i := range plain {
		plain[i] ^= scramble[i%len(scramble)]
	}
	return rsa.EncryptOAEP(sha1.New(), rand.Reader, public, plain, nil) //nolint:gosec // the protocol's
}

// mysqlScramble proves the knowledge of a password.
func mysqlScramble(plugin, password string, scramble []byte, secured bool) ([]byte, error) {
	if password == "" && plugin != "mysql_clear_password" {
		return nil, nil
	}
	switch plugin {
	case "mysql_native_password": // SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password)))
		first := sha1.Sum([]byte(password))                           //nolint:gosec // the protocol's
		second := sha1.Sum(first[:])                                  //nolint:gosec // the protocol's
		mask := sha1.Sum(append(bytes.Clone(scramble), second[:]...)) //nolint:gosec // the protocol's
		return xor(first[:], mask[:]), nil
	case "caching_sha2_password": // SHA256(password) XOR SHA256(SHA256(SHA256(password)), scramble)
		first := sha256.Sum256([]byte(password))
		second := sha256.Sum256(first[:])
		mask := sha256.Sum256(append(second[:], scramble...))
		return xor(first[:], mask[:]), nil
	case "mysql_clear_password":
		if secured {
			return append([]byte(password), 0), nil
		}
		return nil, errNotAsked{errPlainLogin}
	}
	return nil, notAsked("the server wants to be logged in to by %q, which is not understood: use mysql_native_password or caching_sha2_password for this user", printable(plugin, 60))
}

func xor(a, b []byte) []byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

// maxColumns bounds a result: the protocol's own limit is 4096.
const maxColumns = 4096

// mysqlQuery runs a query and returns the first value of its first row. The rest is not read: the connection is of no more use.
func (s *session) mysqlQuery(query string) (value string, found bool, err error) {
	if err := s.sendMySQL(0, append([]byte{3}, query...)); err != nil {
		return "", false, err
	}
	head, err := s.mysqlResult()
	if err != nil || head[0] == 0 { // no rows, as for SET
		return "", false, err
	}
	columns, _, ok := cutLength(head)
	if !ok || columns > maxColumns {
		return "", false, errors.New("the server's result cannot be read")
	}
	for range columns + 1 { // definitions and their end
		if _, err := s.mysqlResult(); err != nil {
			return "", false, err
		}
	}
	row, err := s.mysqlResult()
	if err != nil || row[0] == 0xfe && len(row) < 9 {
		return "", false, err
	}
	if row[0] == 0xfb {
		return "", true, nil // NULL
	}
	n, rest, ok := cutLength(row)
	if !ok || n > uint64(len(rest)) {
		return "", false, errors.New("the server's result cannot be read")
	}
	return string(rest[:n]), true, nil
}

// mysqlResult reads a packet that is no error and not empty.
func (s *session) mysqlResult() ([]byte, error) {
	packet, err := s.mysqlPacket()
	switch {
	case err != nil:
		return nil, err
	case len(packet) == 0:
		return nil, io.ErrUnexpectedEOF
	case packet[0] == 0xff:
		code, text := parseMySQLError(packet)
		return nil, errMySQL{code, text}
	}
	return packet, nil
}

// cutLength takes a length-encoded number: below 251 itself, else 0xfc, 0xfd or 0xfe and 2, 3 or 8 bytes.
func cutLength(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	size := map[byte]int{0xfc: 2, 0xfd: 3, 0xfe: 8}[b[0]]
	if size == 0 {
		return uint64(b[0]), b[1:], b[0] < 0xfb
	}
	if len(b) < 1+size {
		return 0, nil, false
	}
	var all [8]byte
	copy(all[:], b[1:1+size])
	return binary.LittleEndian.Uint64(all[:]), b[1+size:], true
}
