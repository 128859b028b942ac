package jaeger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/internal/thrift"
	"github.com/hulotte-dev/hulotte/model"
)

// emitBatch reads the message that clients send to an agent (https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/agent.thrift):
//
//	emitBatch(1 Batch)
func (d *decoder) emitBatch(r *thrift.Reader) error {
	name, _, err := r.Message()
	if err != nil {
		return err
	}
	if name != "emitBatch" {
		return fmt.Errorf("the call %.60q is not taken: only emitBatch is", name)
	}
	look := *r
	if err := look.Skip(thrift.Struct); err != nil { // so that of a broken one nothing is kept
		return err
	}
	return r.Struct(func(id int16, t thrift.Type) error {
		if id == 1 && t == thrift.Struct {
			return d.thriftBatch(r)
		}
		return r.Skip(t)
	})
}

// thriftBatch reads a Batch (https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/jaeger.thrift):
//
//	Batch    1 Process   2 list of Span
//	Process  1 service   2 list of Tag
//	Span     1, 2 i64 trace id, lower and upper half   3 i64 id   4 i64 parent   5 name   6 list of SpanRef   7 i32 flags
//	         8 i64 start, µs   9 i64 duration, µs   10 list of Tag   11 list of Log
//	SpanRef  1 i32 type   2, 3 i64 trace id, lower and upper half   4 i64 span id
//	Log      1 i64 time, µs   2 list of Tag
//	Tag      1 key   2 i32 type   3 string   4 double   5 bool   6 i64   7 binary
func (d *decoder) thriftBatch(r *thrift.Reader) error {
	again := *r
	owner := &model.Resource{}
	err := r.Struct(func(id int16, t thrift.Type) (err error) {
		if id == 1 && t == thrift.Struct {
			owner, err = d.thriftProcess(r)
			return err
		}
		return r.Skip(t)
	})
	if err != nil {
		return err
	}
	return again.Struct(func(id int16, t thrift.Type) error {
		if id != 2 || t != thrift.List {
			return again.Skip(t)
		}
		return again.List(func(t thrift.Type) error {
			if t != thrift.Struct {
				return errors.New("a batch has other things than spans")
			}
			if err := d.thriftSpan(&again); err != nil {
				return err
			}
			return d.add(owner)
		})
	})
}

func (d *decoder) thriftProcess(r *thrift.Reader) (*model.Resource, error) {
	begin, process := r.Rest(), *r
	if err := r.Skip(thrift.Struct); err != nil {
		return nil, err
	}
	return d.resource(begin[:len(begin)-len(r.Rest())], func() (service string, err error) {
		err = process.Struct(func(id int16, t thrift.Type) (err error) {
			switch {
			case id == 1 && t == thrift.Text:
				service, err = process.Text()
				return err
			case id == 2 && t == thrift.List:
				return d.thriftTags(&process, &d.list)
			}
			return process.Skip(t)
		})
		return service, err
	})
}

func (d *decoder) thriftSpan(r *thrift.Reader) error {
	j := d.begin()
	return r.Struct(func(id int16, t thrift.Type) (err error) {
		switch {
		case t == thrift.I64:
			n, err := r.Int(t)
			j.setNumber(id, n)
			return err
		case id == 5 && t == thrift.Text:
			j.name, err = r.Text()
			return err
		case id == 6 && t == thrift.List:
			return r.List(func(t thrift.Type) error { return j.thriftRef(r, t) })
		case id == 7 && t == thrift.I32:
			n, err := r.Int(t)
			j.flags = uint32(n) //nolint:gosec // its bits
			return err
		case id == 10 && t == thrift.List:
			return d.thriftTags(r, &j.tags)
		case id == 11 && t == thrift.List:
			return r.List(func(t thrift.Type) error { return d.thriftLog(r, t) })
		}
		return r.Skip(t)
	})
}

// setNumber sets the field of a span that is a number of 64 bits.
func (j *span) setNumber(id int16, n int64) {
	u := uint64(n) //nolint:gosec // its bits
	switch id {
	case 1:
		binary.BigEndian.PutUint64(j.trace[8:], u)
	case 2:
		binary.BigEndian.PutUint64(j.trace[:8], u)
	case 3:
		binary.BigEndian.PutUint64(j.id[:], u)
	case 4:
		binary.BigEndian.PutUint64(j.parent[:], u)
	case 8:
		j.start = j.micros(n, "start")
	case 9:
		j.duration = j.micros(n, "duration")
	}
}

func (j *span) thriftRef(r *thrift.Reader, t thrift.Type) error {
	if t != thrift.Struct {
		return r.Skip(t)
	}
	var to ref
	err := r.Struct(func(id int16, t thrift.Type) error {
		if t != thrift.I64 && t != thrift.I32 {
			return r.Skip(t)
		}
		n, err := r.Int(t)
		u := uint64(n) //nolint:gosec // its bits
		switch id {
		case 1:
			to.follows = n == 1
		case 2:
			binary.BigEndian.PutUint64(to.trace[8:], u)
		case 3:
			binary.BigEndian.PutUint64(to.trace[:8], u)
		case 4:
			binary.BigEndian.PutUint64(to.span[:], u)
		}
		return err
	})
	if j.room(len(j.refs), "references") {
		j.refs = append(j.refs, to)
	}
	return err
}

func (d *decoder) thriftLog(r *thrift.Reader, t thrift.Type) error {
	if t != thrift.Struct {
		return r.Skip(t)
	}
	d.list = d.list[:0]
	var time int64
	err := r.Struct(func(id int16, t thrift.Type) error {
		switch {
		case id == 1 && t == thrift.I64:
			n, err := r.Int(t)
			time = d.span.micros(n, "time of a log")
			return err
		case id == 2 && t == thrift.List:
			return d.thriftTags(r, &d.list)
		}
		return r.Skip(t)
	})
	if err != nil {
		return err
	}
	return d.addLog(time)
}

// thriftTags reads a list of tags.
func (d *decoder) thriftTags(r *thrift.Reader, to *[]model.Attribute) error {
	return r.List(func(t thrift.Type) error {
		if t != thrift.Struct {
			return r.Skip(t)
		}
		var tag tag
		if err := tag.thrift(r); err != nil {
			return err
		}
		if d.span.room(len(*to), "tags") {
			*to = append(*to, model.Attribute{Key: tag.key, Value: tag.value(thriftTypes)})
		}
		return nil
	})
}

// tag is a tag before it is known which of its values counts.
type tag struct {
	key    string
	kind   uint64
	text   string
	bytes  string
	double float64
	truth  bool
	number int64
}

func (g *tag) thrift(r *thrift.Reader) error {
	return r.Struct(func(id int16, t thrift.Type) (err error) {
		switch {
		case id == 1 && t == thrift.Text:
			g.key, err = r.Text()
		case id == 2 && t == thrift.I32:
			var n int64
			n, err = r.Int(t)
			g.kind = uint64(n) //nolint:gosec // one below zero is no type
		case id == 3 && t == thrift.Text:
			g.text, err = r.Text()
		case id == 4 && t == thrift.Double:
			g.double, err = r.Double()
		case id == 5 && t == thrift.Bool:
			g.truth, err = r.Bool()
		case id == 6 && t == thrift.I64:
			g.number, err = r.Int(t)
		case id == 7 && t == thrift.Text:
			g.bytes, err = r.Text()
		default:
			err = r.Skip(t)
		}
		return err
	})
}

// The types of tags, by their numbers in Thrift and in protocol buffers.
var (
	thriftTypes   = []model.ValueKind{model.StringValue, model.FloatValue, model.BoolValue, model.IntValue, model.BytesValue}
	protobufTypes = []model.ValueKind{model.StringValue, model.BoolValue, model.IntValue, model.FloatValue, model.BytesValue}
)

// value is the one that the tag's type names; of a type that nobody knows it is the text.
func (g *tag) value(types []model.ValueKind) model.Value {
	kind := model.StringValue
	if g.kind < uint64(len(types)) {
		kind = types[g.kind]
	}
	switch kind {
	case model.FloatValue:
		return model.Float64(g.double)
	case model.BoolValue:
		return model.Boolean(g.truth)
	case model.IntValue:
		return model.Int64(g.number)
	case model.BytesValue:
		return model.Value{Kind: model.BytesValue, Text: g.bytes}
	}
	return model.TextValue(g.text)
}
