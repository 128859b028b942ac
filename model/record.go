package model

import (
	"fmt"
	"slices"
	"strings"
)

// Field is a name with its value: a label of a stream, or a field of a record (Loki calls those structured
// metadata, OpenTelemetry attributes).
type Field struct{ Name, Value string }

// Record is one log record. Its strings may lie in a buffer of whoever made it: whoever keeps it copies them.
type Record struct {
	Time   int64   // nanoseconds since the epoch
	Line   string  // the text as it came, any bytes
	Fields []Field // sorted by name, each name once, no empty value
}

// Stream is the records that share one label set.
type Stream struct {
	Labels  []Field // sorted by name, each name once, no empty value
	Records []Record
}

// The names of the fields that have a meaning to Hulotte, whichever protocol brought them.
const (
	FieldLevel          = "detected_level"  // one of Levels
	FieldTraceID        = "trace_id"        // 32 lower-case hexadecimal digits
	FieldSpanID         = "span_id"         // 16 lower-case hexadecimal digits
	FieldSeverityText   = "severity_text"   // as the source wrote it
	FieldSeverityNumber = "severity_number" // 1 to 24, OpenTelemetry's
)

// Levels are the values of FieldLevel, the gravest first.
var Levels = [...]string{"fatal", "critical", "error", "warn", "info", "debug", "trace", "unknown"}

// SortFields sorts fields by name, keeps the last of several with one name, drops those without a value, and returns what
// is left, in the same array.
func SortFields(fields []Field) []Field {
	if !slices.IsSortedFunc(fields, compareFields) {
		slices.SortStableFunc(fields, compareFields)
	}
	kept := fields[:0]
	for i, f := range fields {
		if i+1 < len(fields) && fields[i+1].Name == f.Name || f.Value == "" {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

func compareFields(a, b Field) int { return strings.Compare(a.Name, b.Name) }

// FormatLabels writes labels as Loki and Prometheus do: {a="b", c="d"}.
func FormatLabels(labels []Field) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s=%q", l.Name, l.Value)
	}
	b.WriteByte('}')
	return b.String()
}
