package snmpsession

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// OID is an object identifier.
type OID []uint32

// ParseOID reads "1.3.6.1" with or without a dot before it. An OID has at most 128 parts (RFC 3416, 4.1).
func ParseOID(text string) (OID, error) {
	text = strings.TrimPrefix(text, ".")
	if text == "" || len(text) > 128*11 {
		return nil, fmt.Errorf("%q is no OID: write it like 1.3.6.1.2.1.1.3.0", text)
	}
	var out OID
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || len(out) == 128 {
			return nil, fmt.Errorf("%q is no OID: write it like 1.3.6.1.2.1.1.3.0", text)
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

// MustOID is for constants.
func MustOID(text string) OID {
	o, err := ParseOID(text)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return o
}

// String writes it without a dot before it.
func (o OID) String() string {
	b := make([]byte, 0, 4*len(o))
	for i, n := range o {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return string(b)
}

// Under says whether o lies below root or is it.
func (o OID) Under(root OID) bool { return len(o) >= len(root) && slices.Equal(o[:len(root)], root) }

// Compare orders as agents do.
func (o OID) Compare(p OID) int { return slices.Compare(o, p) }

// Type is the type of a value.
type Type = gosnmp.Asn1BER

// Value is one object with what the agent says of it.
type Value struct {
	OID  OID
	Type valueType
	// Number holds what is a number, Bytes what is a string of bytes (OCTET STRING, Opaque, BITS, IpAddress), Object what is an OID.
	Number float64
	// Count is Number of a Counter64, exactly: Number is not beyond 2^53.
	Count  uint64
	Bytes  []byte
	Object OID
}

type valueType struct{ gosnmp.Asn1BER }

// Present is false for an object that is not there.
func (t valueType) Present() bool {
	switch t.Asn1BER {
	case gosnmp.NoSuchObject, gosnmp.NoSuchInstance, gosnmp.EndOfMibView, gosnmp.Null, gosnmp.UnknownType:
		return false
	}
	return true
}

// IsNumber says whether Number is meant.
func (v Value) IsNumber() bool {
	switch v.Type.Asn1BER {
	case gosnmp.Integer, gosnmp.Counter32, gosnmp.Gauge32, gosnmp.TimeTicks, gosnmp.Counter64, gosnmp.Uinteger32,
		gosnmp.OpaqueFloat, gosnmp.OpaqueDouble, gosnmp.Boolean:
		return true
	}
	return false
}

// ValueOf reads what the library decoded.
func ValueOf(pdu gosnmp.SnmpPDU) (Value, error) { return valueOf(pdu) }

func valueOf(pdu gosnmp.SnmpPDU) (Value, error) {
	oid, err := ParseOID(pdu.Name)
	if err != nil {
		return Value{}, err
	}
	v := Value{OID: oid, Type: valueType{pdu.Type}}
	switch x := pdu.Value.(type) {
	case nil:
	case int:
		v.Number = float64(x)
	case int64:
		v.Number = float64(x)
	case uint:
		v.Number = float64(x)
	case uint32:
		v.Number = float64(x)
	case uint64:
		v.Number, v.Count = float64(x), x
	case float32:
		v.Number = float64(x)
	case float64:
		v.Number = x
	case bool:
		if x {
			v.Number = 1
		}
	case []byte:
		v.Bytes = x
	case string:
		v.setText(x)
	default:
		return v, fmt.Errorf("cannot read %s: a value of type %s", oid, pdu.Type)
	}
	return v, nil
}

func (v *Value) setText(text string) {
	switch v.Type.Asn1BER {
	case gosnmp.IPAddress:
		if a, err := netip.ParseAddr(text); err == nil {
			v.Bytes = a.AsSlice()
		}
	case gosnmp.ObjectIdentifier:
		v.Object, _ = ParseOID(text)
	default:
		v.Bytes = []byte(text)
	}
}

// Text is the value for people: printable strings as they are, other bytes in hexadecimal with colons, numbers in decimal.
func (v Value) Text() string {
	switch {
	case v.Type.Asn1BER == gosnmp.IPAddress:
		if a, ok := netip.AddrFromSlice(v.Bytes); ok {
			return a.String()
		}
	case v.Type.Asn1BER == gosnmp.ObjectIdentifier:
		return v.Object.String()
	case v.Type.Asn1BER == gosnmp.Counter64:
		return strconv.FormatUint(v.Count, 10)
	case v.IsNumber():
		if v.Number == math.Trunc(v.Number) && math.Abs(v.Number) < 1e15 {
			return strconv.FormatInt(int64(v.Number), 10)
		}
		return strconv.FormatFloat(v.Number, 'g', -1, 64)
	}
	return BytesText(v.Bytes)
}

// BytesText is text where it is text, else hexadecimal with colons.
func BytesText(b []byte) string {
	text := strings.TrimRight(string(b), "\x00")
	if printable(text) {
		return text
	}
	return HexText(b)
}

// HexText is 00:1a:2b.
func HexText(b []byte) string {
	var out strings.Builder
	for i, c := range b[:min(len(b), 1024)] {
		if i > 0 {
			out.WriteByte(':')
		}
		fmt.Fprintf(&out, "%02x", c)
	}
	return out.String()
}

func printable(text string) bool {
	for _, c := range text {
		if c == 0xfffd || c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}
