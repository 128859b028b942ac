package otlp

import (
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The numbers of the fields of opentelemetry.proto.logs.v1 and its surroundings:
//
//	ExportLogsServiceRequest  1 repeated ResourceLogs
//	ResourceLogs              1 Resource   2 repeated ScopeLogs
//	Resource                  1 repeated KeyValue
//	ScopeLogs                 1 InstrumentationScope   2 repeated LogRecord
//	InstrumentationScope      1 name   2 version   3 repeated KeyValue
//	LogRecord                 1 time (fixed64, ns)   2 severity number   3 severity text   5 body: AnyValue   6 repeated KeyValue
//	                          7 dropped attributes   8 flags (fixed32)   9 trace id   10 span id   11 observed time (fixed64, ns)   12 event name
const (
	requestResources = 1

	resourceSelf   = 1
	resourceScopes = 2

	resourceAttributes = 1

	scopeSelf    = 1
	scopeRecords = 2

	scopeName       = 1
	scopeVersion    = 2
	scopeAttributes = 3

	recordTime         = 1
	recordSeverity     = 2
	recordSeverityText = 3
	recordBody         = 5
	recordAttributes   = 6
	recordDropped      = 7
	recordFlags        = 8
	recordTraceID      = 9
	recordSpanID       = 10
	recordObserved     = 11
	recordEventName    = 12
)

// The names of the fields that hold what a record has besides attributes.
const (
	fieldObserved  = "observed_timestamp"
	fieldFlags     = "flags"
	fieldEventName = "event_name"
	fieldDropped   = "dropped_attributes_count"
	fieldScopeName = "scope_name"
	fieldScopeVer  = "scope_version"
)

// logs decodes an ExportLogsServiceRequest.
func (d *decoder) logs(request []byte) error {
	if err := d.reserve(2 * int64(len(request))); err != nil { // for d.text
		return err
	}
	return each(request, requestResources, d.resource)
}

// each calls f with every field num of a message.
func each(message []byte, num uint32, f func([]byte) error) error {
	w := wire.Fields{Rest: message}
	for w.Next() {
		if w.Is(num, wire.Bytes) {
			if err := f(w.Bytes); err != nil {
				return err
			}
		}
	}
	return w.Err
}

// resource decodes a ResourceLogs: one stream.
func (d *decoder) resource(raw []byte) error {
	var labels, base []model.Field
	err := each(raw, resourceSelf, func(resource []byte) error {
		return each(resource, resourceAttributes, func(keyValue []byte) (err error) {
			key, _, err := splitKeyValue(keyValue)
			if err != nil {
				return err
			}
			if d.isLabel[key] {
				labels, err = d.attribute(labels, keyValue)
			} else {
				base, err = d.attribute(base, keyValue)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	start := len(d.recs)
	if err := each(raw, resourceScopes, func(scope []byte) error { return d.scope(base, scope) }); err != nil {
		return err
	}
	if len(d.recs) == start {
		return nil
	}
	if len(labels) == 0 {
		labels = unknownService
	}
	d.streams = append(d.streams, model.Stream{Labels: labels, Records: d.recs[start:len(d.recs):len(d.recs)]})
	return nil
}

// unknownService is the labels of a resource that says nothing of itself, as the semantic conventions name it.
var unknownService = []model.Field{{Name: "service_name", Value: "unknown_service"}}

// scope decodes a ScopeLogs.
func (d *decoder) scope(base []model.Field, raw []byte) error {
	base = base[:len(base):len(base)]
	err := each(raw, scopeSelf, func(scope []byte) (err error) {
		f := wire.Fields{Rest: scope}
		for f.Next() && err == nil {
			switch {
			case f.Is(scopeName, wire.Bytes):
				base = append(base, model.Field{Name: fieldScopeName, Value: f.Text()})
			case f.Is(scopeVersion, wire.Bytes):
				base = append(base, model.Field{Name: fieldScopeVer, Value: f.Text()})
			case f.Is(scopeAttributes, wire.Bytes):
				base, err = d.attribute(base, f.Bytes)
			}
		}
		return errors.Join(err, f.Err)
	})
	if err != nil {
		return err
	}
	return each(raw, scopeRecords, func(record []byte) error { return d.record(base, record) })
}

// recordCost is what a record takes at most while the list grows, in bytes.
const recordCost = 3 * 56

// record decodes a LogRecord.
func (d *decoder) record(base []model.Field, raw []byte) error {
	if len(d.recs)%1024 == 0 {
		if err := d.reserve(1024 * recordCost); err != nil {
			return err
		}
	}
	attributes := 0
	for f := (wire.Fields{Rest: raw}); f.Next(); {
		attributes++
	}
	if err := d.fields.room(len(base) + attributes); err != nil {
		return err
	}
	start := len(d.fields.list)
	fields := append(d.fields.list[start:], base...)
	var r model.Record
	var observed int64
	var err error
	f := wire.Fields{Rest: raw}
	for f.Next() && err == nil {
		switch {
		case f.Is(recordTime, wire.Fixed64):
			r.Time = int64(f.Value) //nolint:gosec // times beyond 2262 are below 0, and refused for it
		case f.Is(recordObserved, wire.Fixed64):
			observed = int64(f.Value) //nolint:gosec // as above
		case f.Is(recordBody, wire.Bytes):
			r.Line, err = d.body(f.Bytes)
		case f.Is(recordAttributes, wire.Bytes):
			fields, err = d.attribute(fields, f.Bytes)
		default:
			fields = d.special(fields, &f)
		}
	}
	if err = errors.Join(err, f.Err); err != nil {
		return err
	}
	if r.Time == 0 {
		r.Time = observed
	}
	if observed != 0 {
		fields = append(fields, model.Field{Name: fieldObserved, Value: d.number(observed)})
	}
	if len(fields) <= cap(d.fields.list)-start {
		d.fields.list = d.fields.list[:start+len(fields)]
	} else if err := d.reserve(int64(2 * len(fields) * fieldSize)); err != nil { // a map has made more fields than there was room for
		return err
	}
	r.Fields = fields[:len(fields):len(fields)]
	d.recs = append(d.recs, r)
	return nil
}

// special appends what a record has besides time, body and attributes.
func (d *decoder) special(fields []model.Field, f *wire.Fields) []model.Field {
	add := func(name, value string) []model.Field { return append(fields, model.Field{Name: name, Value: value}) }
	switch {
	case f.Is(recordSeverity, wire.Varint) && f.Value != 0:
		return add(model.FieldSeverityNumber, d.number(int64(f.Value))) //nolint:gosec // a number of an enum
	case f.Num == recordSeverityText && f.Is(recordSeverityText, wire.Bytes):
		return add(model.FieldSeverityText, f.Text())
	case f.Num == recordTraceID && f.Is(recordTraceID, wire.Bytes):
		return add(model.FieldTraceID, d.id(f.Bytes))
	case f.Num == recordSpanID && f.Is(recordSpanID, wire.Bytes):
		return add(model.FieldSpanID, d.id(f.Bytes))
	case f.Num == recordFlags && f.Is(recordFlags, wire.Fixed32) && f.Value != 0:
		return add(fieldFlags, d.number(int64(f.Value))) //nolint:gosec // 32 bits
	case f.Num == recordDropped && f.Is(recordDropped, wire.Varint) && f.Value != 0:
		return add(fieldDropped, d.number(int64(f.Value))) //nolint:gosec // 32 bits
	case f.Num == recordEventName && f.Is(recordEventName, wire.Bytes):
		return add(fieldEventName, f.Text())
	}
	return fields
}

func (d *decoder) body(raw []byte) (string, error) {
	v, err := parseValue(raw)
	if err != nil {
		return "", err
	}
	return d.valueText(v, 0)
}

// id writes a trace or span id; one of zeros only means none.
func (d *decoder) id(raw []byte) string {
	for _, b := range raw {
		if b != 0 {
			start := len(d.text)
			d.text = hex.AppendEncode(d.text, raw)
			return text(d.text[start:])
		}
	}
	return ""
}

func (d *decoder) number(n int64) string {
	start := len(d.text)
	d.text = strconv.AppendInt(d.text, n, 10)
	return text(d.text[start:])
}
