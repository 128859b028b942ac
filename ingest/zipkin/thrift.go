package zipkin

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"unsafe"

	"github.com/hulotte-dev/hulotte/internal/thrift"
	"github.com/hulotte-dev/hulotte/model"
)

// thrift reads a list of spans of version 1 in the binary encoding (https://github.com/openzipkin/zipkin-api/blob/master/thrift/zipkinCore.thrift):
//
//	Span              1 i64 trace id   3 name   4 i64 id   5 i64 parent   6 list of Annotation   8 list of BinaryAnnotation   9 bool debug
//	                  10 i64 timestamp, µs   11 i64 duration, µs   12 i64 upper half of the trace id
//	Annotation        1 i64 timestamp, µs   2 value   3 Endpoint
//	BinaryAnnotation  1 key   2 value   3 i32 type of the value   4 Endpoint
//	Endpoint          1 i32 ipv4   2 i16 port   3 service name   4 ipv6
func (d *decoder) thrift(data []byte) error {
	r := thrift.Binary(data)
	err := r.List(func(t thrift.Type) error {
		if t != thrift.Struct {
			return errors.New("this is a list of other things than spans")
		}
		d.begin()
		if err := d.thriftSpan(r); err != nil {
			return err
		}
		d.fromV1()
		return d.add()
	})
	if err == nil && len(r.Rest()) > 0 {
		err = errors.New("there is more after the end of the list")
	}
	return err
}

func (d *decoder) thriftSpan(r *thrift.Reader) error {
	z := &d.span
	return r.Struct(func(id int16, t thrift.Type) error {
		switch {
		case t == thrift.I64 && (id == 10 || id == 11):
			return z.thriftTimes(r, id)
		case t == thrift.I64:
			return z.thriftIDs(r, id)
		case id == 3 && t == thrift.Text:
			return text(r, &z.name)
		case id == 6 && t == thrift.List:
			return r.List(func(t thrift.Type) error { return z.thriftAnnotation(r, t) })
		case id == 8 && t == thrift.List:
			return r.List(func(t thrift.Type) error { return d.thriftBinary(r, t) })
		case id == 9 && t == thrift.Bool:
			v, err := r.Bool()
			z.debug = v
			return err
		}
		return r.Skip(t)
	})
}

func text(r *thrift.Reader, to *string) error {
	s, err := r.Text()
	*to = s
	return err
}

func (z *span) thriftIDs(r *thrift.Reader, id int16) error {
	n, err := r.Int(thrift.I64)
	u := uint64(n) //nolint:gosec // its bits
	switch id {
	case 1:
		binary.BigEndian.PutUint64(z.trace[8:], u)
	case 12:
		binary.BigEndian.PutUint64(z.trace[:8], u)
	case 4:
		binary.BigEndian.PutUint64(z.id[:], u)
	case 5:
		binary.BigEndian.PutUint64(z.parent[:], u)
	}
	return err
}

func (z *span) thriftTimes(r *thrift.Reader, id int16) error {
	n, err := r.Int(thrift.I64)
	if id == 10 {
		z.setMicros(&z.time, "timestamp", uint64(n)) //nolint:gosec // one below zero is too large
	} else {
		z.setMicros(&z.duration, "duration", uint64(n)) //nolint:gosec // as above
	}
	return err
}

func (z *span) thriftAnnotation(r *thrift.Reader, t thrift.Type) error {
	if t != thrift.Struct {
		return r.Skip(t)
	}
	var a annotation
	err := r.Struct(func(id int16, t thrift.Type) error {
		switch {
		case id == 1 && t == thrift.I64:
			n, err := r.Int(t)
			z.setMicros(&a.time, "timestamp of an annotation", uint64(n)) //nolint:gosec // one below zero is too large
			return err
		case id == 2 && t == thrift.Text:
			return text(r, &a.value)
		case id == 3 && t == thrift.Struct:
			return a.host.thrift(r)
		}
		return r.Skip(t)
	})
	if z.room(len(z.annotations), "annotations") {
		z.annotations = append(z.annotations, a)
	}
	return err
}

func (e *endpoint) thrift(r *thrift.Reader) error {
	return r.Struct(func(id int16, t thrift.Type) error {
		switch {
		case id == 1 && t == thrift.I32:
			n, err := r.Int(t)
			if n != 0 {
				e.ipv4 = netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n)))).String() //nolint:gosec // its bits
			}
			return err
		case id == 2 && t == thrift.I16:
			n, err := r.Int(t)
			e.port = n & 0xffff
			return err
		case id == 3 && t == thrift.Text:
			return text(r, &e.service)
		case id == 4 && t == thrift.Text:
			b, err := r.Bytes()
			e.ipv6 = address(b, 16)
			return err
		}
		return r.Skip(t)
	})
}

func (d *decoder) thriftBinary(r *thrift.Reader, t thrift.Type) error {
	if t != thrift.Struct {
		return r.Skip(t)
	}
	var b binaryAnnotation
	var raw []byte
	kind := int64(typeText)
	err := r.Struct(func(id int16, t thrift.Type) (err error) {
		switch {
		case id == 1 && t == thrift.Text:
			return text(r, &b.key)
		case id == 2 && t == thrift.Text:
			raw, err = r.Bytes()
			return err
		case id == 3 && t == thrift.I32:
			kind, err = r.Int(t)
			return err
		case id == 4 && t == thrift.Struct:
			return b.host.thrift(r)
		}
		return r.Skip(t)
	})
	b.value = thriftValue(kind, raw)
	d.addBinary(&b)
	return err
}

// The types of values of binary annotations.
const (
	typeBool = iota
	typeBytes
	typeI16
	typeI32
	typeI64
	typeDouble
	typeText
)

// thriftValue is a value by its type; one of another length than its type has is bytes, and bytes are text in Base64, as OpenTelemetry's translation has them.
func thriftValue(kind int64, raw []byte) model.Value {
	switch {
	case kind == typeBool && len(raw) == 1:
		return model.Boolean(raw[0] == 1)
	case kind == typeI16 && len(raw) == 2:
		return model.Int64(int64(int16(binary.BigEndian.Uint16(raw)))) //nolint:gosec // two's complement
	case kind == typeI32 && len(raw) == 4:
		return model.Int64(int64(int32(binary.BigEndian.Uint32(raw)))) //nolint:gosec // two's complement
	case kind == typeI64 && len(raw) == 8:
		return model.Int64(int64(binary.BigEndian.Uint64(raw))) //nolint:gosec // two's complement
	case kind == typeDouble && len(raw) == 8:
		return model.Float64(math.Float64frombits(binary.BigEndian.Uint64(raw)))
	case kind == typeText:
		return model.TextValue(unsafe.String(unsafe.SliceData(raw), len(raw)))
	}
	return model.TextValue(base64.StdEncoding.EncodeToString(raw))
}
