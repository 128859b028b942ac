package otlp

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"github.com/hulotte-dev/hulotte/internal/wire"
)

// The numbers of the fields of opentelemetry.proto.common.v1 (https://github.com/open-telemetry/opentelemetry-proto):
//
//	KeyValue     1 key   2 AnyValue
//	AnyValue     1 string   2 bool   3 int   4 double   5 ArrayValue   6 KeyValueList   7 bytes
//	ArrayValue   1 repeated AnyValue
//	KeyValueList 1 repeated KeyValue
const (
	pairKey   = 1
	pairValue = 2

	valueString = 1
	valueBool   = 2
	valueInt    = 3
	valueDouble = 4
	valueArray  = 5
	valueMap    = 6
	valueBytes  = 7

	listValues = 1
)

type kind uint8

const (
	kindNone kind = iota
	kindString
	kindBool
	kindInt
	kindDouble
	kindArray
	kindMap
	kindBytes
)

// value is an AnyValue whose insides are not looked at yet.
type value struct {
	kind  kind
	bytes []byte
	bits  uint64
}

// maxDepth is how deep values may be nested: deeper than anybody writes, and far from what a stack holds.
const maxDepth = 64

func splitKeyValue(raw []byte) (key string, value []byte, err error) {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(pairKey, wire.Bytes):
			key = f.Text()
		case f.Is(pairValue, wire.Bytes):
			value = f.Bytes
		}
	}
	return key, value, f.Err
}

func parseValue(raw []byte) (value, error) {
	var v value
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(valueString, wire.Bytes):
			v = value{kind: kindString, bytes: f.Bytes}
		case f.Is(valueBool, wire.Varint):
			v = value{kind: kindBool, bits: f.Value}
		case f.Is(valueInt, wire.Varint):
			v = value{kind: kindInt, bits: f.Value}
		case f.Is(valueDouble, wire.Fixed64):
			v = value{kind: kindDouble, bits: f.Value}
		case f.Is(valueArray, wire.Bytes):
			v = value{kind: kindArray, bytes: f.Bytes}
		case f.Is(valueMap, wire.Bytes):
			v = value{kind: kindMap, bytes: f.Bytes}
		case f.Is(valueBytes, wire.Bytes):
			v = value{kind: kindBytes, bytes: f.Bytes}
		}
	}
	return v, f.Err
}

// valueWriter writes values as the specification of AnyValue's text form has it
// (https://opentelemetry.io/docs/specs/otel/common/#anyvalue-representation-for-non-otlp-protocols): maps and lists as
// JSON, bytes as Base64.
type valueWriter struct{}

func (w valueWriter) append(dst []byte, v value, depth int, quoted bool) ([]byte, error) {
	switch v.kind {
	case kindString:
		if quoted {
			return appendJSONText(dst, text(v.bytes)), nil
		}
		return append(dst, v.bytes...), nil
	case kindBool:
		return strconv.AppendBool(dst, v.bits != 0), nil
	case kindInt:
		return strconv.AppendInt(dst, int64(v.bits), 10), nil //nolint:gosec // two's complement is how a varint holds a negative number
	case kindDouble:
		return appendDouble(dst, math.Float64frombits(v.bits), quoted), nil
	case kindBytes:
		if quoted {
			dst = append(dst, '"')
		}
		dst = base64.StdEncoding.AppendEncode(dst, v.bytes)
		if quoted {
			dst = append(dst, '"')
		}
		return dst, nil
	case kindArray, kindMap:
		if depth++; depth > maxDepth {
			return dst, wire.ErrDepth
		}
		return w.list(dst, v, depth)
	}
	if quoted {
		return append(dst, "null"...), nil
	}
	return dst, nil
}

// list writes a list or a map as JSON.
func (w valueWriter) list(dst []byte, v value, depth int) ([]byte, error) {
	open, closing := byte('['), byte(']')
	if v.kind == kindMap {
		open, closing = '{', '}'
	}
	dst = append(dst, open)
	first := true
	f := wire.Fields{Rest: v.bytes}
	for f.Next() {
		if !f.Is(listValues, wire.Bytes) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		item := f.Bytes
		if v.kind == kindMap {
			key, inner, err := splitKeyValue(item)
			if err != nil {
				return dst, err
			}
			dst = append(appendJSONText(dst, key), ':')
			item = inner
		}
		x, err := parseValue(item)
		if err == nil {
			dst, err = w.append(dst, x, depth, true)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, closing), f.Err
}

// appendDouble writes a number as JSON does; those that JSON does not have are texts.
func appendDouble(dst []byte, x float64, quoted bool) []byte {
	if !math.IsNaN(x) && !math.IsInf(x, 0) {
		return strconv.AppendFloat(dst, x, 'g', -1, 64)
	}
	word := "NaN"
	if math.IsInf(x, 1) {
		word = "Infinity"
	} else if math.IsInf(x, -1) {
		word = "-Infinity"
	}
	if quoted {
		return strconv.AppendQuote(dst, word)
	}
	return append(dst, word...)
}

// appendJSONText writes a text in quotes. Bytes that are not UTF-8 become U+FFFD.
func appendJSONText(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a text cannot be JSON: " + err.Error())
	}
	return append(dst, quoted...)
}
