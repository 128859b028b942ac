package fluent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/tinylib/msgp/msgp"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// decoder makes streams of messages. It is for one connection.
type decoder struct {
	lineKeys []string
	labels   map[string]bool

	out     intake.Streams
	path    []byte
	current []model.Field // of the record
	chosen  []model.Field // its labels
	line    string
	rank    int // of the key that the line is from
	found   bool
}

func newDecoder(lineKeys, labels []string) *decoder {
	d := &decoder{lineKeys: lineKeys, labels: map[string]bool{}}
	for _, l := range labels {
		d.labels[l] = true
	}
	return d
}

// maxDepth bounds the nesting of records, maxFields the fields of one: the limit of fields (ingest.logs.max_fields) is below it.
const (
	maxDepth  = 32
	maxFields = 10_000
)

// streams returns the records of m, whose entries are data. They are valid until the next call, and while data is.
func (d *decoder) streams(m message, data []byte, now time.Time) ([]model.Stream, error) {
	d.out = intake.Streams{}
	for i := 0; len(data) > 0; i++ {
		var err error
		if !m.single {
			var n uint32
			if n, data, err = msgp.ReadArrayHeaderBytes(data); err == nil && n != 2 {
				err = fmt.Errorf("it has %d values, not a time and a record", n)
			}
		}
		if err == nil {
			data, err = d.entry(m.tag, data, now)
		}
		if err != nil {
			return nil, malformed("entry "+strconv.Itoa(i), err)
		}
	}
	if m.count >= 0 && d.out.Len() != m.count {
		return nil, malformed("the entries", fmt.Errorf("there are %d, not %d", d.out.Len(), m.count))
	}
	return d.out.List(), nil
}

// entry reads a time, or a list of a time and metadata (Fluent Bit 2.1), and a record.
func (d *decoder) entry(tag string, b []byte, now time.Time) ([]byte, error) {
	d.current, d.chosen = nil, append(d.chosen[:0], model.Field{Name: "job", Value: tag})
	d.line, d.rank, d.found = "", len(d.lineKeys), false
	var at int64
	var err error
	if msgp.NextType(b) == msgp.ArrayType {
		var n uint32
		if n, b, err = msgp.ReadArrayHeaderBytes(b); err == nil && n != 2 {
			err = fmt.Errorf("its head has %d values, not a time and metadata", n)
		}
		if err == nil {
			at, b, err = timeOf(b, now)
		}
		if err == nil {
			b, err = d.object(b, 0, 1) // never the line
		}
	} else {
		at, b, err = timeOf(b, now)
	}
	if err != nil {
		return nil, err
	}
	whole := b
	if b, err = d.object(b, 0, 0); err != nil {
		return nil, err
	}
	if !d.found {
		if d.line, err = asJSON(whole[:len(whole)-len(b)]); err != nil {
			return nil, err
		}
		d.current = nil // the line has them all
	}
	d.out.Add(model.SortFields(d.chosen), model.Record{Time: at, Line: d.line, Fields: model.SortFields(d.current)})
	return b, nil
}

// timeOf reads a time: an EventTime (seconds and nanoseconds, 4 bytes each, in an extension of type 0), or seconds.
func timeOf(b []byte, now time.Time) (int64, []byte, error) {
	switch msgp.NextType(b) {
	case msgp.IntType, msgp.UintType:
		s, rest, err := msgp.ReadInt64Bytes(b)
		if err == nil && (s < 0 || s > 1<<33) {
			err = fmt.Errorf("the time %d is not in seconds", s)
		}
		return s * 1e9, rest, err
	case msgp.Float64Type, msgp.Float32Type:
		s, rest, err := msgp.ReadFloat64Bytes(b)
		if err == nil && !(s >= 0 && s < 1<<33) {
			err = fmt.Errorf("the time %v is not in seconds", s)
		}
		return int64(s * 1e9), rest, err
	case msgp.NilType:
		rest, err := msgp.ReadNilBytes(b)
		return now.UnixNano(), rest, err
	}
	eventTime := func(b []byte) int64 {
		return int64(binary.BigEndian.Uint32(b))*1e9 + int64(binary.BigEndian.Uint32(b[4:]))
	}
	switch {
	case bytes.HasPrefix(b, []byte{0xd7, 0}) && len(b) >= 10:
		return eventTime(b[2:]), b[10:], nil
	case bytes.HasPrefix(b, []byte{0xc7, 8, 0}) && len(b) >= 11:
		return eventTime(b[3:]), b[11:], nil
	}
	return 0, nil, errors.New("it has no time: neither a number nor an EventTime")
}

// object adds the values of an object, whose names begin with prefix bytes of d.path. At depth 0 one may be the line.
func (d *decoder) object(b []byte, prefix, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("objects are nested more than %d deep", maxDepth)
	}
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, err
	}
	for range n {
		var key string
		if key, b, err = keyOf(b); err != nil {
			return nil, err
		}
		if depth == 0 && d.isLine(key, b) {
			d.line, b, err = stringOf(b)
			d.line, d.found = strings.TrimSuffix(d.line, "\n"), true
		} else {
			d.path = append(d.path[:prefix], key...)
			b, err = d.value(b, depth)
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// isLine says whether the text that follows is the line, as no better one was before.
func (d *decoder) isLine(key string, b []byte) bool {
	rank := slices.Index(d.lineKeys, key)
	if rank < 0 || rank >= d.rank || !isText(b) {
		return false
	}
	if d.found { // what was taken for the line is a field
		d.field(d.lineKeys[d.rank], d.line)
	}
	d.rank = rank
	return true
}

// keyOf reads a key, which may be a number.
func keyOf(b []byte) (string, []byte, error) {
	if isText(b) {
		return stringOf(b)
	}
	return scalar(b)
}

// value adds the value that follows under the name d.path.
func (d *decoder) value(b []byte, depth int) ([]byte, error) {
	if len(d.current) >= maxFields {
		return nil, fmt.Errorf("a record has more than %d fields", maxFields)
	}
	var text string
	var err error
	switch msgp.NextType(b) {
	case msgp.MapType:
		d.path = append(d.path, '_')
		return d.object(b, len(d.path), depth+1)
	case msgp.ArrayType:
		rest, err := skip(b)
		if err != nil {
			return nil, err
		}
		if text, err = asJSON(b[:len(b)-len(rest)]); err != nil {
			return nil, err
		}
		b = rest
	case msgp.StrType, msgp.BinType:
		text, b, err = stringOf(b)
	default:
		text, b, err = scalar(b)
	}
	if err != nil {
		return nil, err
	}
	d.field(string(d.path), text)
	return b, nil
}

func (d *decoder) field(name, value string) {
	switch {
	case value == "":
	case d.labels[name]:
		d.chosen = append(d.chosen, model.Field{Name: name, Value: value})
	default:
		d.current = append(d.current, model.Field{Name: name, Value: value})
	}
}

// scalar reads a number, true, false or nil (which is "") as text. What is of a type of the sender's own is "".
func scalar(b []byte) (string, []byte, error) {
	switch msgp.NextType(b) {
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(b)
		return strconv.FormatBool(v), rest, err
	case msgp.IntType:
		v, rest, err := msgp.ReadInt64Bytes(b)
		return strconv.FormatInt(v, 10), rest, err
	case msgp.UintType:
		v, rest, err := msgp.ReadUint64Bytes(b)
		return strconv.FormatUint(v, 10), rest, err
	case msgp.Float32Type:
		v, rest, err := msgp.ReadFloat32Bytes(b)
		return strconv.FormatFloat(float64(v), 'g', -1, 32), rest, err
	case msgp.Float64Type:
		v, rest, err := msgp.ReadFloat64Bytes(b)
		return strconv.FormatFloat(v, 'g', -1, 64), rest, err
	}
	rest, err := skip(b)
	return "", rest, err
}

// asJSON returns a value as JSON.
func asJSON(b []byte) (string, error) {
	if err := depthOf(b); err != nil {
		return "", err
	}
	var out bytes.Buffer
	_, err := msgp.UnmarshalAsJSON(&out, b)
	return out.String(), err
}

// depthOf refuses values that are nested too deeply to be written.
func depthOf(b []byte) error {
	var left []int // values that are still to come at each level
	for at := 0; at < len(b); {
		size, inner, ok := header(b[at:])
		if !ok || size < 0 || size > len(b)-at {
			return msgp.ErrShortBytes
		}
		at += size
		if inner > 0 {
			left = append(left, inner)
			if len(left) > maxDepth+1 {
				return fmt.Errorf("values are nested more than %d deep", maxDepth)
			}
			continue
		}
		for len(left) > 0 {
			if left[len(left)-1]--; left[len(left)-1] > 0 {
				break
			}
			left = left[:len(left)-1]
		}
	}
	return nil
}

func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
