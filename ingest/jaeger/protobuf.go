package jaeger

import (
	"encoding/hex"
	"fmt"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The numbers of the fields of jaeger.api_v2 (https://github.com/jaegertracing/jaeger-idl/tree/main/proto/api_v2):
//
//	PostSpansRequest     1 Batch
//	Batch                1 repeated Span   2 Process
//	Process              1 service   2 repeated KeyValue
//	Span                 1 trace id (16 bytes)   2 id (8 bytes)   3 name   4 repeated SpanRef   5 flags   6 Timestamp: start   7 Duration
//	                     8 repeated KeyValue   9 repeated Log   10 Process
//	SpanRef              1 trace id   2 span id   3 type
//	Log                  1 Timestamp   2 repeated KeyValue
//	KeyValue             1 key   2 type   3 string   4 bool   5 int64   6 double   7 bytes
//	Timestamp, Duration  1 seconds   2 nanoseconds
const (
	requestBatch = 1

	batchSpans   = 1
	batchProcess = 2

	processService = 1
	processTags    = 2

	spanTrace    = 1
	spanID       = 2
	spanName     = 3
	spanRefs     = 4
	spanFlags    = 5
	spanStart    = 6
	spanDuration = 7
	spanTags     = 8
	spanLogs     = 9
	spanProcess  = 10

	refTrace = 1
	refSpan  = 2
	refType  = 3

	logTime   = 1
	logFields = 2

	tagKey   = 1
	tagType  = 2
	tagText  = 3
	tagBool  = 4
	tagInt   = 5
	tagFloat = 6
	tagBytes = 7

	timeSeconds = 1
	timeNanos   = 2
)

// protobuf reads a PostSpansRequest.
func (d *decoder) protobuf(data []byte) error {
	return each(data, requestBatch, d.protobufBatch)
}

// each calls f with every field num of a message.
func each(data []byte, num uint32, f func([]byte) error) error {
	fields := wire.Fields{Rest: data}
	for fields.Next() {
		if !fields.Is(num, wire.Bytes) {
			continue
		}
		if err := f(fields.Bytes); err != nil {
			return err
		}
	}
	return fields.Err
}

func (d *decoder) protobufBatch(raw []byte) error {
	owner := &model.Resource{}
	err := each(raw, batchProcess, func(b []byte) (err error) {
		owner, err = d.protobufProcess(b)
		return err
	})
	if err != nil {
		return err
	}
	return each(raw, batchSpans, func(b []byte) error {
		own, err := d.protobufSpan(b)
		if err != nil {
			return err
		}
		if own == nil {
			own = owner
		}
		return d.add(own)
	})
}

func (d *decoder) protobufProcess(raw []byte) (*model.Resource, error) {
	return d.resource(raw, func() (service string, err error) {
		f := wire.Fields{Rest: raw}
		for f.Next() && err == nil {
			switch {
			case f.Is(processService, wire.Bytes):
				service = f.Text()
			case f.Is(processTags, wire.Bytes):
				err = d.protobufTag(f.Bytes, &d.list)
			}
		}
		if err == nil {
			err = f.Err
		}
		return service, err
	})
}

// protobufSpan reads a span, and the process that it has itself, if any.
func (d *decoder) protobufSpan(raw []byte) (own *model.Resource, err error) {
	j := d.begin()
	f := wire.Fields{Rest: raw}
	for f.Next() && err == nil {
		switch {
		case f.Is(spanTrace, wire.Bytes):
			j.setID(j.trace[:], f.Bytes, "trace id")
		case f.Is(spanID, wire.Bytes):
			j.setID(j.id[:], f.Bytes, "span id")
		case f.Is(spanName, wire.Bytes):
			j.name = f.Text()
		case f.Is(spanRefs, wire.Bytes):
			err = j.protobufRef(f.Bytes)
		case f.Is(spanFlags, wire.Varint):
			j.flags = uint32(f.Value) //nolint:gosec // the field has 32 bits
		case f.Is(spanStart, wire.Bytes):
			j.start, err = j.protobufTime(f.Bytes, "start")
		case f.Is(spanDuration, wire.Bytes):
			j.duration, err = j.protobufTime(f.Bytes, "duration")
		case f.Is(spanTags, wire.Bytes):
			err = d.protobufTag(f.Bytes, &j.tags)
		case f.Is(spanLogs, wire.Bytes):
			err = d.protobufLog(f.Bytes)
		case f.Is(spanProcess, wire.Bytes):
			own, err = d.protobufProcess(f.Bytes)
		}
	}
	if err == nil {
		err = f.Err
	}
	return own, err
}

// setID copies an id of the right length, or one of 8 bytes for a trace, which is the lower half. An empty one is no id.
func (j *span) setID(dst, src []byte, what string) {
	switch len(src) {
	case 0:
	case len(dst), 8:
		copy(dst[len(dst)-len(src):], src)
	default:
		j.refuse(model.BadIDs, fmt.Errorf("the %s %s of a span has %d bytes: %d are expected", what, hex.EncodeToString(src[:min(len(src), 32)]), len(src), len(dst)))
	}
}

func (j *span) protobufRef(raw []byte) error {
	var to ref
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(refTrace, wire.Bytes):
			j.setID(to.trace[:], f.Bytes, "trace id of a reference")
		case f.Is(refSpan, wire.Bytes):
			j.setID(to.span[:], f.Bytes, "span id of a reference")
		case f.Is(refType, wire.Varint):
			to.follows = f.Value == 1
		}
	}
	if j.room(len(j.refs), "references") {
		j.refs = append(j.refs, to)
	}
	return f.Err
}

func (j *span) protobufTime(raw []byte, what string) (int64, error) {
	var seconds, nanos int64
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(timeSeconds, wire.Varint):
			seconds = int64(f.Value) //nolint:gosec // two's complement
		case f.Is(timeNanos, wire.Varint):
			nanos = int64(f.Value) //nolint:gosec // two's complement
		}
	}
	return j.nanos(seconds, nanos, what), f.Err
}

func (d *decoder) protobufLog(raw []byte) error {
	d.list = d.list[:0]
	var time int64
	var err error
	f := wire.Fields{Rest: raw}
	for f.Next() && err == nil {
		switch {
		case f.Is(logTime, wire.Bytes):
			time, err = d.span.protobufTime(f.Bytes, "time of a log")
		case f.Is(logFields, wire.Bytes):
			err = d.protobufTag(f.Bytes, &d.list)
		}
	}
	if err == nil {
		err = f.Err
	}
	if err != nil {
		return err
	}
	return d.addLog(time)
}

func (d *decoder) protobufTag(raw []byte, to *[]model.Attribute) error {
	var g tag
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(tagKey, wire.Bytes):
			g.key = f.Text()
		case f.Is(tagType, wire.Varint):
			g.kind = f.Value
		case f.Is(tagText, wire.Bytes):
			g.text = f.Text()
		case f.Is(tagBool, wire.Varint):
			g.truth = f.Value != 0
		case f.Is(tagInt, wire.Varint):
			g.number = int64(f.Value) //nolint:gosec // two's complement
		case f.Is(tagFloat, wire.Fixed64):
			g.double = f.Float()
		case f.Is(tagBytes, wire.Bytes):
			g.bytes = f.Text()
		}
	}
	if d.span.room(len(*to), "tags") {
		*to = append(*to, model.Attribute{Key: g.key, Value: g.value(protobufTypes)})
	}
	return f.Err
}
