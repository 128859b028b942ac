package services

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// The parts of LDAP (RFC 4511) that binding and searching need. Everything is BER: a byte tag, a length (one byte, or a byte 0x80 | n and n
// bytes), that many bytes.
const (
	berInteger    = 0x02
	berOctets     = 0x04
	berEnumerated = 0x0a
	berBool       = 0x01
	berSequence   = 0x30
	berSet        = 0x31

	ldapBind        = 0x60
	ldapBound       = 0x61
	ldapUnbind      = 0x42
	ldapSearch      = 0x63
	ldapEntry       = 0x64
	ldapDone        = 0x65
	ldapSimple      = 0x80
	ldapPresent     = 0x87
	ldapWholeTree   = 2
	maxLdapMessage  = 1 << 20
	maxLdapEntries  = 5000
	ldapSizeLimited = 4
)

var errBer = errors.New("an answer is not LDAP's")

// ber is one value; body is a part of what was read.
type ber struct {
	tag  byte
	body []byte
}

// nextBer takes the first value off b.
func nextBer(b []byte) (ber, []byte, error) {
	if len(b) < 2 {
		return ber{}, nil, errBer
	}
	tag, n, at := b[0], int(b[1]), 2
	if n >= 0x80 {
		bytes := n & 0x7f
		if bytes == 0 || bytes > 4 || len(b) < 2+bytes {
			return ber{}, nil, errBer
		}
		n = 0
		for _, c := range b[2 : 2+bytes] {
			n = n<<8 | int(c)
		}
		at += bytes
	}
	if n < 0 || n > len(b)-at {
		return ber{}, nil, errBer
	}
	return ber{tag, b[at : at+n]}, b[at+n:], nil
}

// parts splits the body into its values.
func (v ber) parts() ([]ber, error) {
	var out []ber
	for rest := v.body; len(rest) > 0; {
		var p ber
		var err error
		if p, rest, err = nextBer(rest); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (v ber) int() int {
	if len(v.body) == 0 || len(v.body) > 4 {
		return -1
	}
	n := 0
	for _, c := range v.body {
		n = n<<8 | int(c)
	}
	return n
}

func appendBer(dst []byte, tag byte, bodies ...[]byte) []byte {
	n := 0
	for _, b := range bodies {
		n += len(b)
	}
	dst = append(dst, tag)
	switch {
	case n < 0x80:
		dst = append(dst, byte(n))
	case n < 0x100:
		dst = append(dst, 0x81, byte(n))
	default:
		dst = append(dst, 0x82, byte(n>>8), byte(n)) //nolint:gosec // what we write is short
	}
	for _, b := range bodies {
		dst = append(dst, b...)
	}
	return dst
}

func berText(tag byte, s string) []byte { return appendBer(nil, tag, []byte(s)) }
func berNumber(tag, n byte) []byte      { return appendBer(nil, tag, []byte{n}) }

// appendLdapBind writes a simple bind.
func appendLdapBind(dst []byte, id byte, dn, password string) []byte {
	bind := appendBer(nil, ldapBind, berNumber(berInteger, 3), berText(berOctets, dn), berText(ldapSimple, password))
	return appendBer(dst, berSequence, berNumber(berInteger, id), bind)
}

// appendLdapSearch asks for everything beneath base that has a class, with these attributes.
func appendLdapSearch(dst []byte, id byte, base string, attributes ...string) []byte {
	var list []byte
	for _, a := range attributes {
		list = append(list, berText(berOctets, a)...)
	}
	search := appendBer(nil, ldapSearch,
		berText(berOctets, base), berNumber(berEnumerated, ldapWholeTree), berNumber(berEnumerated, 0),
		appendBer(nil, berInteger, []byte{maxLdapEntries >> 8, maxLdapEntries & 0xff}), berNumber(berInteger, 0), berNumber(berBool, 0),
		berText(ldapPresent, "objectClass"), appendBer(nil, berSequence, list))
	return appendBer(dst, berSequence, berNumber(berInteger, id), search)
}

// readLdap reads one message and returns the operation in it.
func readLdap(r *bufio.Reader) (ber, error) {
	head, err := r.Peek(2)
	if err != nil {
		return ber{}, err
	}
	if head[0] != berSequence {
		return ber{}, errBer
	}
	headLen, n := 2, int(head[1])
	if n >= 0x80 {
		bytes := n & 0x7f
		if bytes == 0 || bytes > 4 {
			return ber{}, errBer
		}
		headLen += bytes
		if head, err = r.Peek(headLen); err != nil {
			return ber{}, err
		}
		n = 0
		for _, c := range head[2:] {
			n = n<<8 | int(c)
		}
	}
	if n > maxLdapMessage {
		return ber{}, fmt.Errorf("a message of %d bytes: %w", n, errTooLong)
	}
	if _, err := r.Discard(headLen); err != nil {
		return ber{}, err
	}
	body, err := readAll(io.LimitReader(r, int64(n)), int64(n))
	if err != nil {
		return ber{}, err
	}
	if len(body) < n {
		return ber{}, io.ErrUnexpectedEOF
	}
	parts, err := ber{berSequence, body}.parts()
	if err != nil {
		return ber{}, err
	}
	if len(parts) < 2 || parts[0].tag != berInteger {
		return ber{}, errBer
	}
	return parts[1], nil
}

// ldapResult returns the code and the text of a result; 0 is success.
func ldapResult(op ber) (code int, text string, err error) {
	parts, err := op.parts()
	if err != nil {
		return 0, "", err
	}
	if len(parts) < 3 || parts[0].tag != berEnumerated {
		return 0, "", errBer
	}
	return parts[0].int(), string(parts[2].body), nil
}

// ldapObject reads an entry: its name, and the first value of each attribute.
func ldapObject(op ber) (dn string, attributes map[string]string, err error) {
	parts, err := op.parts()
	if err != nil {
		return "", nil, err
	}
	if len(parts) != 2 {
		return "", nil, errBer
	}
	list, err := parts[1].parts()
	if err != nil {
		return "", nil, err
	}
	attributes = map[string]string{}
	for _, a := range list {
		pair, err := a.parts()
		if err != nil {
			return "", nil, err
		}
		if len(pair) != 2 {
			return "", nil, errBer
		}
		values, err := pair[1].parts()
		if err != nil {
			return "", nil, err
		}
		if len(values) > 0 {
			attributes[string(pair[0].body)] = string(values[0].body)
		}
	}
	return string(parts[0].body), attributes, nil
}
