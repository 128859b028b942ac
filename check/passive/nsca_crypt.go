package passive

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // send_nsca has it
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // send_nsca has it
	"golang.org/x/crypto/cast5"    //nolint:staticcheck // send_nsca has it
	"golang.org/x/crypto/twofish"  //nolint:staticcheck // send_nsca has it
	"golang.org/x/crypto/xtea"     //nolint:staticcheck // send_nsca has it
)

// method is one of NSCA's encryption methods: mcrypt's ciphers with 8-bit cipher feedback, the password as the key, filled up with NULs.
type method struct {
	number int
	name   string
	key    int // bytes
	block  func(key []byte) (cipher.Block, error)
}

// methods are those that are spoken; a nil block is none of mcrypt's. Rijndael with 192 and 256 bits is not AES and not in Go.
func methods() []method {
	return []method{
		{0, "none", 0, nil},
		{1, "xor", 0, nil},
		{2, "des", 8, des.NewCipher},
		{3, "3des", 24, des.NewTripleDESCipher},
		{4, "cast128", 16, func(k []byte) (cipher.Block, error) { return cast5.NewCipher(k) }},
		{6, "xtea", 16, func(k []byte) (cipher.Block, error) { return xtea.NewCipher(k) }},
		{8, "blowfish", 56, func(k []byte) (cipher.Block, error) { return blowfish.NewCipher(k) }},
		{9, "twofish", 32, func(k []byte) (cipher.Block, error) { return twofish.NewCipher(k) }},
		{14, "aes", 32, aes.NewCipher}, // RIJNDAEL-128
	}
}

// findMethod finds a method by its number in nsca.cfg (decryption_method), or by name.
func findMethod(text string) (method, error) {
	var names []string
	for _, m := range methods() {
		if text == m.name || text == strconv.Itoa(m.number) {
			return m, nil
		}
		names = append(names, fmt.Sprintf("%s (%d)", m.name, m.number))
	}
	return method{}, fmt.Errorf("the NSCA encryption %q is not known here: use one of %s", text, strings.Join(names, ", "))
}

// decrypter turns what comes into plain text, in place. at is where in the packet it stands.
type decrypter func(b []byte, at int)

func (m method) decrypter(password string, iv []byte) (decrypter, error) {
	switch m.number {
	case 0:
		return func([]byte, int) {}, nil
	case 1:
		return func(b []byte, at int) {
			for i := range b {
				b[i] ^= iv[(at+i)%len(iv)]
				if password != "" {
					b[i] ^= password[(at+i)%len(password)]
				}
			}
		}, nil
	}
	key := make([]byte, m.key)
	copy(key, password)
	block, err := m.block(key)
	if err != nil {
		return nil, err
	}
	c := &cfb8{block: block, shift: append([]byte(nil), iv[:block.BlockSize()]...), out: make([]byte, block.BlockSize())}
	return func(b []byte, _ int) { c.decrypt(b) }, nil
}

// cfb8 is cipher feedback with 8 bits (NIST SP 800-38A, 6.3), which goes on from packet to packet.
type cfb8 struct {
	block      cipher.Block
	shift, out []byte
}

func (c *cfb8) decrypt(b []byte) {
	for i, x := range b {
		c.block.Encrypt(c.out, c.shift)
		copy(c.shift, c.shift[1:])
		c.shift[len(c.shift)-1] = x
		b[i] = x ^ c.out[0]
	}
}
