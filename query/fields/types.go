package fields

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Type is what the values of a field are. The words are those of Loki's detected fields.
type Type string

// The types.
const (
	String   Type = "string"
	Int      Type = "int"
	Float    Type = "float"
	Boolean  Type = "boolean"
	Duration Type = "duration" // a number with a unit of time: 3ms, 1h2m; Min and Max are seconds
	Bytes    Type = "bytes"    // a number with a unit of size: 10KB; Min and Max are bytes
)

func (t Type) numeric() bool { return t == Int || t == Float || t == Duration || t == Bytes }

// typeVotes finds the type that all values have.
type typeVotes struct {
	typ      Type // "" before the first value
	min, max float64
}

func (v *typeVotes) vote(value string) {
	if v.typ == String {
		return
	}
	t, x := typeOf(value)
	switch {
	case v.typ == "":
		v.typ, v.min, v.max = t, x, x
	case v.typ == Int && t == Float, v.typ == Float && t == Int:
		v.typ = Float
	case v.typ != t:
		v.typ = String
	}
	v.min, v.max = math.Min(v.min, x), math.Max(v.max, x)
}

func (v *typeVotes) result() Type {
	if v.typ == "" {
		return String
	}
	return v.typ
}

// maxNumberBytes is longer than any number that a person or a program writes.
const maxNumberBytes = 40

// typeOf returns the type of one value, and the number that it stands for.
func typeOf(s string) (Type, float64) {
	if s == "true" || s == "false" {
		return Boolean, 0
	}
	if len(s) > maxNumberBytes || !startsLikeNumber(s) {
		return String, 0
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int, float64(n)
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !strings.ContainsAny(s, "xX_") {
		return Float, f
	}
	if d, err := time.ParseDuration(s); err == nil {
		return Duration, d.Seconds()
	}
	if n, ok := parseBytes(s); ok {
		return Bytes, n
	}
	return String, 0
}

// startsLikeNumber spares words the costs of the parsers' errors; NaN and Inf count as words.
func startsLikeNumber(s string) bool {
	s = strings.TrimLeft(s, "+-.")
	return s != "" && s[0] >= '0' && s[0] <= '9'
}

func parseBytes(s string) (float64, bool) {
	unit := strings.TrimLeft(s, "0123456789.")
	if unit == "" || !strings.HasSuffix(strings.ToUpper(unit), "B") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s[:len(s)-len(unit)], 64)
	factor, ok := byteUnits[strings.ToLower(unit)]
	return f * factor, err == nil && ok
}

var byteUnits = map[string]float64{
	"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50,
}
