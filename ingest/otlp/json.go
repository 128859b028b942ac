package otlp

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/internal/wire"
)

// OTLP's JSON is the JSON of protocol buffers but for ids, which are hexadecimal, and enums, which are numbers
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). It is turned into protocol buffers by tables, so
// that there is one decoder of what it means.

// jsonType is how a value is written in JSON and in protocol buffers.
type jsonType uint8

const (
	jsonMessage jsonType = iota
	jsonText
	jsonBool
	jsonVarint
	jsonFixed64
	jsonFixed32
	jsonDouble
	jsonHex
	jsonBase64
	jsonSeverity
	jsonSpanKind
	jsonSpanCode
)

type jsonField struct {
	num  uint32
	of   jsonType
	with jsonTable // of a message
}

// jsonTable names the table of a message's fields.
type jsonTable uint8

const (
	jsonExportLogs jsonTable = iota
	jsonResourceLogs
	jsonResource
	jsonScopeLogs
	jsonScope
	jsonLogRecord
	jsonKeyValue
	jsonAnyValue
	jsonArrayValue
	jsonKeyValueList
	jsonExportTraces
	jsonResourceSpans
	jsonScopeSpans
	jsonSpan
	jsonSpanEvent
	jsonSpanLink
	jsonSpanStatus
	jsonTables
)

func (t jsonTable) fields() map[string]jsonField {
	switch t {
	case jsonExportLogs:
		return map[string]jsonField{"resourceLogs": {requestResources, jsonMessage, jsonResourceLogs}}
	case jsonResourceLogs:
		return map[string]jsonField{
			"resource":  {resourceSelf, jsonMessage, jsonResource},
			"scopeLogs": {resourceScopes, jsonMessage, jsonScopeLogs},
		}
	case jsonResource:
		return map[string]jsonField{"attributes": {resourceAttributes, jsonMessage, jsonKeyValue}, "droppedAttributesCount": {num: resourceDropped, of: jsonVarint}}
	case jsonScopeLogs:
		return map[string]jsonField{
			"scope":      {scopeSelf, jsonMessage, jsonScope},
			"logRecords": {scopeRecords, jsonMessage, jsonLogRecord},
		}
	case jsonScope:
		return map[string]jsonField{
			"name": {num: scopeName, of: jsonText}, "version": {num: scopeVersion, of: jsonText},
			"attributes": {scopeAttributes, jsonMessage, jsonKeyValue}, "droppedAttributesCount": {num: scopeDropped, of: jsonVarint},
		}
	case jsonLogRecord:
		return map[string]jsonField{
			"timeUnixNano": {num: recordTime, of: jsonFixed64}, "observedTimeUnixNano": {num: recordObserved, of: jsonFixed64},
			"severityNumber": {num: recordSeverity, of: jsonSeverity}, "severityText": {num: recordSeverityText, of: jsonText},
			"body": {recordBody, jsonMessage, jsonAnyValue}, "attributes": {recordAttributes, jsonMessage, jsonKeyValue},
			"droppedAttributesCount": {num: recordDropped, of: jsonVarint}, "flags": {num: recordFlags, of: jsonFixed32},
			"traceId": {num: recordTraceID, of: jsonHex}, "spanId": {num: recordSpanID, of: jsonHex},
			"eventName": {num: recordEventName, of: jsonText},
		}
	case jsonKeyValue:
		return map[string]jsonField{"key": {num: pairKey, of: jsonText}, "value": {pairValue, jsonMessage, jsonAnyValue}}
	case jsonAnyValue:
		return map[string]jsonField{
			"stringValue": {num: valueString, of: jsonText}, "boolValue": {num: valueBool, of: jsonBool},
			"intValue": {num: valueInt, of: jsonVarint}, "doubleValue": {num: valueDouble, of: jsonDouble},
			"arrayValue": {valueArray, jsonMessage, jsonArrayValue}, "kvlistValue": {valueMap, jsonMessage, jsonKeyValueList},
			"bytesValue": {num: valueBytes, of: jsonBase64},
		}
	case jsonArrayValue:
		return map[string]jsonField{"values": {listValues, jsonMessage, jsonAnyValue}}
	case jsonKeyValueList:
		return map[string]jsonField{"values": {listValues, jsonMessage, jsonKeyValue}}
	}
	return t.spanFields()
}

// spanFields are the tables of traces.
func (t jsonTable) spanFields() map[string]jsonField {
	switch t {
	case jsonExportTraces:
		return map[string]jsonField{"resourceSpans": {requestResources, jsonMessage, jsonResourceSpans}}
	case jsonResourceSpans:
		return map[string]jsonField{
			"resource": {resourceSelf, jsonMessage, jsonResource}, "scopeSpans": {resourceScopes, jsonMessage, jsonScopeSpans}, "schemaUrl": {num: groupSchema, of: jsonText},
		}
	case jsonScopeSpans:
		return map[string]jsonField{
			"scope": {scopeSelf, jsonMessage, jsonScope}, "spans": {scopeRecords, jsonMessage, jsonSpan}, "schemaUrl": {num: groupSchema, of: jsonText},
		}
	case jsonSpan:
		return map[string]jsonField{
			"traceId": {num: spanTraceID, of: jsonHex}, "spanId": {num: spanID, of: jsonHex}, "parentSpanId": {num: spanParent, of: jsonHex},
			"traceState": {num: spanState, of: jsonText}, "name": {num: spanName, of: jsonText}, "kind": {num: spanKind, of: jsonSpanKind},
			"startTimeUnixNano": {num: spanStart, of: jsonFixed64}, "endTimeUnixNano": {num: spanEnd, of: jsonFixed64},
			"attributes": {spanAttributes, jsonMessage, jsonKeyValue}, "droppedAttributesCount": {num: spanDroppedAttributes, of: jsonVarint},
			"events": {spanEvents, jsonMessage, jsonSpanEvent}, "droppedEventsCount": {num: spanDroppedEvents, of: jsonVarint},
			"links": {spanLinks, jsonMessage, jsonSpanLink}, "droppedLinksCount": {num: spanDroppedLinks, of: jsonVarint},
			"status": {spanStatus, jsonMessage, jsonSpanStatus}, "flags": {num: spanFlags, of: jsonFixed32},
		}
	case jsonSpanEvent:
		return map[string]jsonField{
			"timeUnixNano": {num: eventTime, of: jsonFixed64}, "name": {num: eventName, of: jsonText},
			"attributes": {eventAttributes, jsonMessage, jsonKeyValue}, "droppedAttributesCount": {num: eventDropped, of: jsonVarint},
		}
	case jsonSpanLink:
		return map[string]jsonField{
			"traceId": {num: linkTraceID, of: jsonHex}, "spanId": {num: linkSpanID, of: jsonHex}, "traceState": {num: linkState, of: jsonText},
			"attributes": {linkAttributes, jsonMessage, jsonKeyValue}, "droppedAttributesCount": {num: linkDropped, of: jsonVarint}, "flags": {num: linkFlags, of: jsonFixed32},
		}
	case jsonSpanStatus:
		return map[string]jsonField{"message": {num: statusText, of: jsonText}, "code": {num: statusCode, of: jsonSpanCode}}
	}
	panic("BUG: no such table")
}

// transcoder turns JSON into protocol buffers.
type transcoder struct {
	scan   jsonscan.Scanner
	out    []byte
	tables [jsonTables]map[string]jsonField // those that were made
}

// fromJSON returns the protocol buffers of a message in JSON, appended to dst.
func fromJSON(dst, data []byte, what jsonTable) ([]byte, error) {
	t := transcoder{out: dst}
	t.scan.Reset(data)
	if err := t.message(what); err != nil {
		return nil, err
	}
	return t.out, t.scan.End()
}

// message reads an object into the fields of the message around it. Keys may be written with underscores, and unknown ones are
// left out, as the JSON of protocol buffers has it.
func (t *transcoder) message(what jsonTable) error {
	if t.tables[what] == nil {
		t.tables[what] = what.fields()
	}
	fields := t.tables[what]
	return t.scan.Object(func(key string) error {
		f, ok := fields[key]
		if !ok {
			f, ok = fields[camel(key)]
		}
		switch kind := t.scan.Kind(); {
		case !ok || kind == jsonscan.Null:
			return t.scan.Skip()
		case kind == jsonscan.Array:
			return t.scan.Array(func() error { return t.field(key, f) })
		}
		return t.field(key, f)
	})
}

func (t *transcoder) field(key string, f jsonField) error {
	if f.of != jsonMessage {
		return t.scalar(key, f)
	}
	t.out = binary.AppendUvarint(t.out, uint64(f.num)<<3|wire.Bytes)
	start := len(t.out)
	t.out = append(t.out, 0x80, 0x80, 0x80, 0x80, 0) // the length, in five bytes whatever it is
	if err := t.message(f.with); err != nil {
		return err
	}
	n := len(t.out) - start - 5
	for i := range 4 {
		t.out[start+i] |= byte(n>>(7*i)) & 0x7f
	}
	t.out[start+4] = byte(n >> 28)
	return nil
}

func (t *transcoder) scalar(key string, f jsonField) error {
	text, err := t.scan.Scalar()
	if err != nil {
		return err
	}
	switch f.of {
	case jsonText:
		t.out = wire.AppendBytes(t.out, f.num, []byte(text))
	case jsonHex, jsonBase64:
		err = t.bytes(f, text)
	case jsonBool:
		bit := uint64(0)
		if text == "true" {
			bit = 1
		}
		t.out = wire.AppendVarint(t.out, f.num, bit)
	case jsonDouble:
		var x float64
		x, err = strconv.ParseFloat(text, 64)
		t.out = wire.AppendFixed64(t.out, f.num, math.Float64bits(x))
	case jsonSeverity:
		if n := severityNumber(text); n != 0 {
			t.out = wire.AppendVarint(t.out, f.num, n)
			break
		}
		err = t.integer(f, text)
	case jsonSpanKind, jsonSpanCode:
		err = t.integer(f, enumNumber(f.of, text))
	default:
		err = t.integer(f, text)
	}
	if err != nil {
		return fmt.Errorf("%s is %.60q: %w", key, text, err)
	}
	return nil
}

func (t *transcoder) bytes(f jsonField, text string) error {
	var raw []byte
	var err error
	if f.of == jsonHex {
		raw, err = hex.DecodeString(text)
	} else if raw, err = base64.StdEncoding.DecodeString(text); err != nil {
		raw, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	t.out = wire.AppendBytes(t.out, f.num, raw)
	return err
}

// integer writes a whole number, which JSON may have in quotes.
func (t *transcoder) integer(f jsonField, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	bits := uint64(n) //nolint:gosec // two's complement is how a varint holds a negative number
	if err != nil {
		if bits, err = strconv.ParseUint(text, 10, 64); err != nil {
			x, bad := strconv.ParseFloat(text, 64) // 1e9 is a whole number too
			if bad != nil || x != math.Trunc(x) || math.Abs(x) >= 1<<63 {
				return err
			}
			bits = uint64(int64(x)) //nolint:gosec // as above
		}
	}
	switch f.of {
	case jsonFixed64:
		t.out = wire.AppendFixed64(t.out, f.num, bits)
	case jsonFixed32:
		t.out = binary.AppendUvarint(t.out, uint64(f.num)<<3|wire.Fixed32)
		t.out = binary.LittleEndian.AppendUint32(t.out, uint32(bits)) //nolint:gosec // flags have 32 bits
	default:
		t.out = wire.AppendVarint(t.out, f.num, bits)
	}
	return nil
}

// enumNumber returns the number of SPAN_KIND_SERVER, STATUS_CODE_ERROR and their like, which some senders write, as text; else the text itself.
func enumNumber(of jsonType, text string) string {
	prefix, names := "SPAN_KIND_", []string{"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
	if of == jsonSpanCode {
		prefix, names = "STATUS_CODE_", []string{"UNSET", "OK", "ERROR"}
	}
	if name, ok := strings.CutPrefix(text, prefix); ok {
		for i, n := range names {
			if n == name {
				return strconv.Itoa(i)
			}
		}
	}
	return text
}

// severityNumber returns the number of SEVERITY_NUMBER_INFO2 and its like, or 0.
func severityNumber(text string) uint64 {
	name, ok := strings.CutPrefix(text, "SEVERITY_NUMBER_")
	if !ok {
		return 0
	}
	for i, level := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"} {
		if rest, ok := strings.CutPrefix(name, level); ok {
			if rest == "" {
				return uint64(4*i + 1)
			}
			if len(rest) == 1 && rest[0] >= '2' && rest[0] <= '4' {
				return uint64(4*i) + uint64(rest[0]-'0')
			}
		}
	}
	return 0
}

// camel turns resource_logs into resourceLogs.
func camel(key string) string {
	if !strings.Contains(key, "_") {
		return key
	}
	var b strings.Builder
	up := false
	for _, c := range []byte(key) {
		switch {
		case c == '_':
			up = true
		case up && c >= 'a' && c <= 'z':
			b.WriteByte(c - 'a' + 'A')
			up = false
		default:
			b.WriteByte(c)
			up = false
		}
	}
	return b.String()
}
