package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// A change is a log record of the stream {source="hulotte", kind="check", host="web1", check="http"}: its line is the output, or what
// was said when there is none, and the rest are fields under the names that check.Change has in JSON, with detected_level.

// recordLabels are the labels of a check's history.
func recordLabels(host, name string) []model.Field {
	return []model.Field{{Name: "check", Value: name}, {Name: "host", Value: host}, {Name: "kind", Value: "check"}, {Name: "source", Value: "hulotte"}}
}

// encodeChange writes a change as a record.
func encodeChange(ch *check.Change, node string) model.Record {
	fields := []model.Field{
		{Name: "attempt", Value: strconv.Itoa(ch.Attempt)},
		{Name: "by", Value: ch.By},
		{Name: "comment", Value: ch.Comment},
		{Name: model.FieldLevel, Value: levelOf(ch)},
		{Name: "from", Value: ch.From.String()},
		{Name: "hard", Value: strconv.FormatBool(ch.Hard)},
		{Name: "long_output", Value: ch.Long},
		{Name: "node", Value: node},
		{Name: "tell", Value: strconv.FormatBool(ch.Tell)},
		{Name: "to", Value: ch.To.String()},
		{Name: "type", Value: string(ch.Type)},
	}
	line := ch.Output
	switch {
	case line != "":
	case ch.Comment != "":
		line = ch.Comment
	default:
		line = string(ch.Type)
	}
	return model.Record{Time: ch.At.UnixNano(), Line: line, Fields: model.SortFields(fields)}
}

// DecodeChange reads a record that the engine wrote. labels are its stream's. The change keeps none of the strings.
func DecodeChange(labels []model.Field, r model.Record) (check.Change, error) {
	ch := check.Change{At: time.Unix(0, r.Time).UTC(), Output: strings.Clone(r.Line)}
	for _, l := range labels {
		switch l.Name {
		case "host":
			ch.Host = strings.Clone(l.Value)
		case "check":
			ch.Name = strings.Clone(l.Value)
		}
	}
	for _, f := range r.Fields {
		if err := decodeField(&ch, f); err != nil {
			return ch, fmt.Errorf("the field %s of a change: %w", f.Name, err)
		}
	}
	if ch.Type == "" || ch.Host == "" || ch.Name == "" {
		return ch, invalid(fmt.Errorf("the record at %s is no change of a check: it has no type, host or check", ch.At.Format(time.RFC3339Nano)))
	}
	if ch.Output == ch.Comment || ch.Output == string(ch.Type) {
		ch.Output = ""
	}
	return ch, nil
}

func decodeField(ch *check.Change, f model.Field) (err error) {
	switch f.Name {
	case "attempt":
		ch.Attempt, err = strconv.Atoi(f.Value)
	case "by":
		ch.By = strings.Clone(f.Value)
	case "comment":
		ch.Comment = strings.Clone(f.Value)
	case "from":
		err = ch.From.UnmarshalText([]byte(f.Value))
	case "to":
		err = ch.To.UnmarshalText([]byte(f.Value))
	case "hard":
		ch.Hard, err = strconv.ParseBool(f.Value)
	case "tell":
		ch.Tell, err = strconv.ParseBool(f.Value)
	case "long_output":
		ch.Long = strings.Clone(f.Value)
	case "type":
		ch.Type = check.ChangeType(strings.Clone(f.Value))
	}
	return err
}

// levelOf is the level at which a change stands in the log.
func levelOf(ch *check.Change) string {
	switch {
	case ch.Type != check.StateChange || ch.To == model.OK || ch.To == model.Pending:
		return "info"
	case ch.To == model.Warning:
		return "warn"
	case ch.To == model.Critical && ch.Hard:
		return "critical"
	}
	return "error"
}
