package zipkin

import (
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The numbers of the fields of zipkin.proto3 (https://github.com/openzipkin/zipkin-api/blob/master/zipkin.proto):
//
//	ListOfSpans  1 repeated Span
//	Span         1 trace id (8 or 16 bytes)   2 parent   3 id (8 bytes)   4 kind   5 name   6 timestamp (fixed64, µs)   7 duration (µs)
//	             8 local Endpoint   9 remote Endpoint   10 repeated Annotation   11 repeated tag   12 debug   13 shared
//	Endpoint     1 service name   2 ipv4 (4 bytes)   3 ipv6 (16 bytes)   4 port
//	Annotation   1 timestamp (fixed64, µs)   2 value
//	tag          1 key   2 value
const (
	listSpans = 1

	spanTrace       = 1
	spanParent      = 2
	spanID          = 3
	spanKind        = 4
	spanName        = 5
	spanTime        = 6
	spanDuration    = 7
	spanLocal       = 8
	spanRemote      = 9
	spanAnnotations = 10
	spanTags        = 11
	spanDebug       = 12
	spanShared      = 13

	endpointService = 1
	endpointIPv4    = 2
	endpointIPv6    = 3
	endpointPort    = 4

	annotationTime  = 1
	annotationValue = 2

	tagKey   = 1
	tagValue = 2
)

// kinds are ours by Zipkin's numbers.
var kinds = [...]model.SpanKind{model.SpanUnspecified, model.SpanClient, model.SpanServer, model.SpanProducer, model.SpanConsumer}

// protobuf reads a ListOfSpans.
func (d *decoder) protobuf(data []byte) error {
	f := wire.Fields{Rest: data}
	for f.Next() {
		if !f.Is(listSpans, wire.Bytes) {
			continue
		}
		if err := d.protobufSpan(f.Bytes); err != nil {
			return err
		}
		if err := d.add(); err != nil {
			return err
		}
	}
	return f.Err
}

func (d *decoder) protobufSpan(raw []byte) (err error) {
	z := d.begin()
	f := wire.Fields{Rest: raw}
	for f.Next() && err == nil {
		switch {
		case f.Is(spanTrace, wire.Bytes):
			z.setID(z.trace[:], f.Bytes, "traceId", len(f.Bytes) == 8)
		case f.Is(spanParent, wire.Bytes):
			z.setID(z.parent[:], f.Bytes, "parentId", false)
		case f.Is(spanID, wire.Bytes):
			z.setID(z.id[:], f.Bytes, "id", false)
		case f.Is(spanKind, wire.Varint):
			if f.Value < uint64(len(kinds)) {
				z.kind = kinds[f.Value]
			}
		case f.Is(spanName, wire.Bytes):
			z.name = f.Text()
		case f.Is(spanTime, wire.Fixed64):
			z.setMicros(&z.time, "timestamp", f.Value)
		case f.Is(spanDuration, wire.Varint):
			z.setMicros(&z.duration, "duration", f.Value)
		case f.Is(spanLocal, wire.Bytes):
			err = protobufEndpoint(&z.local, f.Bytes)
		case f.Is(spanRemote, wire.Bytes):
			err = protobufEndpoint(&z.remote, f.Bytes)
		case f.Is(spanAnnotations, wire.Bytes):
			err = z.protobufAnnotation(f.Bytes)
		case f.Is(spanTags, wire.Bytes):
			err = z.protobufTag(f.Bytes)
		case f.Is(spanDebug, wire.Varint):
			z.debug = f.Value != 0
		case f.Is(spanShared, wire.Varint):
			z.shared = f.Value != 0
		}
	}
	if err != nil {
		return err
	}
	return f.Err
}

// setID copies an id of the right length, or of half of it, which is the lower part. An empty one is no id.
func (z *span) setID(dst, src []byte, what string, half bool) {
	switch {
	case len(src) == 0:
	case half:
		copy(dst[len(dst)/2:], src)
	case len(src) == len(dst):
		copy(dst, src)
	default:
		z.wrongID(what, fmt.Errorf("%s has %d bytes: %d are expected", hex.EncodeToString(src[:min(len(src), 32)]), len(src), len(dst)))
	}
}

func (z *span) setMicros(to *int64, what string, n uint64) {
	if n > maxMicros {
		z.wrongTime(what, fmt.Errorf("%d: %w", n, errTime))
		return
	}
	*to = int64(n)
}

func protobufEndpoint(e *endpoint, raw []byte) error {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(endpointService, wire.Bytes):
			e.service = f.Text()
		case f.Is(endpointIPv4, wire.Bytes):
			e.ipv4 = address(f.Bytes, 4)
		case f.Is(endpointIPv6, wire.Bytes):
			e.ipv6 = address(f.Bytes, 16)
		case f.Is(endpointPort, wire.Varint):
			e.port = int64(f.Value & 0xffff) //nolint:gosec // it has 16 bits
		}
	}
	return f.Err
}

// address writes an address of size bytes; one of another size, or of zeros, is unknown.
func address(b []byte, size int) string {
	a, ok := netip.AddrFromSlice(b)
	if !ok || len(b) != size || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

func (z *span) protobufAnnotation(raw []byte) error {
	var a annotation
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(annotationTime, wire.Fixed64):
			z.setMicros(&a.time, "timestamp of an annotation", f.Value)
		case f.Is(annotationValue, wire.Bytes):
			a.value = f.Text()
		}
	}
	if z.room(len(z.annotations), "annotations") {
		z.annotations = append(z.annotations, a)
	}
	return f.Err
}

func (z *span) protobufTag(raw []byte) error {
	a := model.Attribute{Value: model.TextValue("")}
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(tagKey, wire.Bytes):
			a.Key = f.Text()
		case f.Is(tagValue, wire.Bytes):
			a.Value.Text = f.Text()
		}
	}
	if z.room(len(z.tags), "tags") {
		z.tags = append(z.tags, a)
	}
	return f.Err
}
