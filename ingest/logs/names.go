package logs

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// ServiceName is the label that says to what a stream belongs; Grafana's Logs Drilldown starts with it.
const (
	ServiceName    = "service_name"
	unknownService = "unknown_service"
)

// labels checks the labels of a stream with n records and brings them into form, in a copy when something is to change.
func (p *push) labels(labels []model.Field, n int) ([]model.Field, bool) {
	if len(labels) == 0 {
		p.refuse(model.NoLabels, nil, n, func() string { return "a stream needs at least one label, such as job or service_name" })
		return nil, false
	}
	if !inForm(labels) {
		labels = p.normal(labels)
		for i := range labels {
			labels[i].Value = strings.ToValidUTF8(labels[i].Value, "\uFFFD")
		}
	}
	labels = p.withService(labels)
	l := &p.sink.limits
	if len(labels) > l.MaxLabels {
		p.refuse(model.TooManyLabels, labels, n, func() string {
			return fmt.Sprintf("a stream may have at most %d labels (ingest.logs.max_labels), this one has %d: send what differs from record to record as fields", l.MaxLabels, len(labels))
		})
		return nil, false
	}
	for _, f := range labels {
		if len(f.Name) > l.MaxLabelName {
			p.refuse(model.LabelNameLong, labels, n, func() string {
				return fmt.Sprintf("a label's name may have at most %d bytes (ingest.logs.max_label_name_size), this one has %d: it begins with %q", l.MaxLabelName, len(f.Name), f.Name[:min(60, len(f.Name))])
			})
			return nil, false
		}
		if len(f.Value) > l.MaxLabelValue {
			p.refuse(model.LabelValueLong, labels, n, func() string {
				return fmt.Sprintf("a label's value may have at most %d bytes (ingest.logs.max_label_value_size), that of %s has %d", l.MaxLabelValue, f.Name[:min(60, len(f.Name))], len(f.Value))
			})
			return nil, false
		}
	}
	return labels, true
}

// withService adds the label service_name, as Loki does.
func (p *push) withService(labels []model.Field) []model.Field {
	if len(p.sink.service) == 0 {
		return labels
	}
	at, value := len(labels), ""
	best := len(p.sink.service)
	for i, f := range labels {
		if f.Name == ServiceName {
			return labels
		}
		if f.Name > ServiceName && at == len(labels) {
			at = i
		}
		for rank, name := range p.sink.service[:best] {
			if name == f.Name {
				best, value = rank, f.Value
				break
			}
		}
	}
	if value == "" {
		value = unknownService
	}
	start := len(p.fields)
	p.fields = append(p.fields, labels[:at]...)
	p.fields = append(p.fields, model.Field{Name: ServiceName, Value: value})
	p.fields = append(p.fields, labels[at:]...)
	return p.fields[start:len(p.fields):len(p.fields)]
}

// ownFields checks the fields of a record and brings them into form.
func (p *push) ownFields(labels []model.Field, r *model.Record) bool {
	if !inOrder(r.Fields) {
		r.Fields = p.normal(r.Fields)
	}
	l := &p.sink.limits
	if len(r.Fields) > l.MaxFields {
		p.refuse(model.TooManyFields, labels, 1, func() string {
			return fmt.Sprintf("a record may have at most %d fields (ingest.logs.max_fields), this one has %d", l.MaxFields, len(r.Fields))
		})
		return false
	}
	size := 0
	for _, f := range r.Fields {
		size += len(f.Name) + len(f.Value)
	}
	if size > l.MaxFieldBytes {
		p.refuse(model.FieldsTooLarge, labels, 1, func() string {
			return fmt.Sprintf("the fields of a record may have at most %d bytes (ingest.logs.max_fields_size), those of this one have %d", l.MaxFieldBytes, size)
		})
		return false
	}
	return true
}

// normal returns a sorted copy without empty values, with valid names.
func (p *push) normal(fields []model.Field) []model.Field {
	fields = p.copied(fields)
	for i := range fields {
		fields[i].Name = CleanName(fields[i].Name)
	}
	return model.SortFields(fields)
}

// inForm says whether labels need no change.
func inForm(labels []model.Field) bool {
	if !inOrder(labels) {
		return false
	}
	for _, f := range labels {
		if !utf8.ValidString(f.Value) {
			return false
		}
	}
	return true
}

// inOrder says whether fields are sorted by name, with each name once and valid, and no value empty.
func inOrder(fields []model.Field) bool {
	for i := range fields {
		f := &fields[i]
		if f.Value == "" || !validName(f.Name) || i > 0 && fields[i-1].Name >= f.Name {
			return false
		}
	}
	return true
}

// The classes of the bytes of names: a name is letters, digits and underscores, and does not begin with a digit
// (https://grafana.com/docs/loki/latest/get-started/labels/#label-format).
const (
	nameLetter = 1
	nameDigit  = 2
)

// nameClass is the class of each byte; 0 is not allowed in a name.
var nameClass = func() (table [256]uint8) {
	for c := range table {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			table[c] = nameLetter
		case c >= '0' && c <= '9':
			table[c] = nameDigit
		}
	}
	return table
}()

func validName(name string) bool {
	if name == "" || nameClass[name[0]] != nameLetter {
		return false
	}
	for i := 1; i < len(name); i++ {
		if nameClass[name[i]] == 0 {
			return false
		}
	}
	return true
}

// CleanName makes a name that labels and fields may have: characters that they may not have become underscores, as Loki
// does it with the attributes of OpenTelemetry. It allocates only when something changes.
func CleanName(name string) string {
	if validName(name) {
		return name
	}
	if name == "" {
		return "_"
	}
	out := make([]byte, 0, len(name)+1)
	if nameClass[name[0]] == nameDigit {
		out = append(out, '_')
	}
	for _, r := range name {
		if r < utf8.RuneSelf && nameClass[r] != 0 {
			out = append(out, byte(r))
		} else {
			out = append(out, '_')
		}
	}
	return string(out)
}
