package gelf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// maxFields bounds the fields of a message; the limit of fields (ingest.logs.max_fields) is below it.
const maxFields = 10_000

// batch is messages as streams. Their strings lie in what was added, and in the scanner.
type batch struct {
	intake.Streams
	labels map[string]bool
}

func newBatch(labels map[string]bool) *batch { return &batch{labels: labels} }

// message is what is known of a message while it is read.
type message struct {
	short, full string
	time        int64
	fields      []model.Field
	labels      []model.Field
}

// add reads messages that stand one behind the other. Those before one that is malformed are added.
func (b *batch) add(data []byte, now time.Time) error {
	s := jsonscan.New(data)
	for s.Kind() != jsonscan.End {
		if err := b.message(s, now.UnixNano()); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) message(s *jsonscan.Scanner, now int64) error {
	m := message{time: now, labels: []model.Field{{Name: "job", Value: "gelf"}}}
	err := s.Object(func(key string) error { return b.field(s, &m, key) })
	if err != nil {
		return err
	}
	if m.full == "" && m.short == "" {
		return errors.New("a message has neither short_message nor full_message")
	}
	line := m.full
	switch {
	case m.full == "":
		line = m.short
	case m.short != "" && !strings.HasPrefix(m.full, m.short):
		m.fields = append(m.fields, model.Field{Name: "short_message", Value: m.short})
	}
	b.Add(model.SortFields(m.labels), model.Record{Time: m.time, Line: line, Fields: model.SortFields(m.fields)})
	return nil
}

// field reads the value of one key.
func (b *batch) field(s *jsonscan.Scanner, m *message, key string) error {
	if key == "timestamp" && s.Kind() != jsonscan.Null {
		text, err := s.Scalar()
		if err != nil {
			return err
		}
		m.time, err = parseTime(text)
		return err
	}
	text, err := value(s)
	if err != nil || text == "" {
		return err
	}
	name := strings.TrimPrefix(key, "_")
	switch {
	case key == "short_message":
		m.short = text
	case key == "full_message":
		m.full = text
	case key == "version":
	case key == "host", b.labels[name]:
		m.labels = append(m.labels, model.Field{Name: name, Value: text})
	case len(m.fields) >= maxFields:
		return fmt.Errorf("a message has more than %d fields", maxFields)
	case name != "":
		m.fields = append(m.fields, model.Field{Name: name, Value: text})
	}
	return nil
}

// value reads any value; an object or a list stays JSON.
func value(s *jsonscan.Scanner) (string, error) {
	if k := s.Kind(); k == jsonscan.Object || k == jsonscan.Array {
		return s.Raw()
	}
	return s.Scalar()
}

// parseTime reads seconds since the epoch with a fraction, without the rounding of a float.
func parseTime(text string) (int64, error) {
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0 && f < 1<<33) {
			return 0, errTime(text)
		}
		return int64(f * 1e9), nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	s, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || s < 0 || s >= 1<<33 {
		return 0, errTime(text)
	}
	fraction = (fraction + "000000000")[:9]
	n, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return 0, errTime(text)
	}
	return s*1e9 + int64(n), nil //nolint:gosec // below 1e9
}

func errTime(text string) error {
	return fmt.Errorf("the timestamp %.40q is not in seconds since 1970", text)
}
