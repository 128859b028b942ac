package elastic

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// decoder makes records of one request. Their strings lie in the request; the lists are used again by later ones.
type decoder struct {
	chosen  map[string]bool // names of fields that are labels
	reserve func(bytes int64) error
	paid    int64 // bytes that were reserved
	now     int64

	out    intake.Streams
	items  []item
	fields []model.Field // slices of it stay valid when it grows
	scan   jsonscan.Scanner

	// names are those of fields, once each: the documents of a sender have the same ones.
	names     map[string]string
	nameBytes int // of the names that were new with this request
	kept      int // bytes of all names

	index, stream string // the last name of an index, and what streamOf makes of it

	// Of one document.
	path    []byte // the names of the objects around
	depth   int
	first   int           // where its fields begin in fields
	labels  []model.Field // valid until the next document
	lines   [len(lineKeys)]string
	time    int64
	stamped bool // by @timestamp
	onKey   func(string) error
}

// lineKeys are the keys of which the first that a document has with a text is its line.
var lineKeys = [...]string{"message", "log", "msg"}

const (
	maxFields   = 10_000  // of a document; the limit of fields (ingest.logs.max_fields) is below it
	maxName     = 1024    // bytes of a field's name
	maxNames    = 8 << 20 // bytes of the different names of a request: with nested objects they can be more than the request itself
	maxKept     = 4 << 20 // bytes of the lists that are used again: a rare large request must not keep its memory
	maxKeptName = 1 << 20 // bytes of the names that are used again
)

func newDecoder(chosen map[string]bool) *decoder {
	d := &decoder{chosen: chosen, names: map[string]string{}}
	d.onKey = d.key
	return d
}

// begin starts with a request of so many bytes.
func (d *decoder) begin(reserve func(int64) error, size int64) error {
	d.reserve, d.paid, d.nameBytes, d.now = reserve, 0, 0, time.Now().UnixNano()
	return reserve(size) // strings with escapes
}

// end forgets the request and says whether the decoder is fit for another one.
func (d *decoder) end() bool {
	d.out = intake.Streams{}
	if d.held() > maxKept {
		return false
	}
	clear(d.items[:cap(d.items)]) // no strings of the request are held
	clear(d.fields[:cap(d.fields)])
	clear(d.labels[:cap(d.labels)])
	d.items, d.fields, d.labels, d.lines = d.items[:0], d.fields[:0], d.labels[:0], [len(lineKeys)]string{}
	d.index, d.stream = "", ""
	d.reserve = nil
	d.scan.Reset(nil)
	if d.kept > maxKeptName {
		d.names, d.kept = map[string]string{}, 0
	}
	return true
}

// document reads one document of an index. The labels are in d.labels then.
func (d *decoder) document(data []byte, index string) (model.Record, error) {
	if index != d.index {
		d.index, d.stream = index, streamOf(index)
	}
	d.path, d.depth, d.first, d.lines, d.time, d.stamped = d.path[:0], 0, len(d.fields), [len(lineKeys)]string{}, d.now, false
	d.labels = append(d.labels[:0], model.Field{Name: "index", Value: d.stream}, model.Field{Name: "job", Value: d.stream})
	d.scan.Next(data)
	err := d.scan.Object(d.onKey)
	if err == nil {
		err = d.scan.End()
	}
	if err != nil {
		return model.Record{}, err
	}
	d.labels = model.SortFields(d.labels)
	r := model.Record{Time: d.time}
	for i, line := range d.lines {
		switch {
		case line == "":
		case r.Line == "":
			r.Line = line
		default: // a better one was there
			d.fields = append(d.fields, model.Field{Name: lineKeys[i], Value: line})
		}
	}
	if r.Line == "" {
		r.Line = text(data)
		d.fields = d.fields[:d.first] // the line has them all
		return r, nil
	}
	r.Fields = slices.Clip(model.SortFields(d.fields[d.first:]))
	return r, nil
}

// key reads the value of one key, of the document or of an object within.
func (d *decoder) key(key string) error {
	kind := d.scan.Kind()
	if d.depth == 0 {
		if done, err := d.ownKey(key, kind); done || err != nil {
			return err
		}
	}
	if kind == jsonscan.Null {
		return d.scan.Skip()
	}
	before := len(d.path)
	if before > 0 {
		d.path = append(d.path, '_')
	}
	if len(key) > maxName {
		return errName(key)
	}
	if d.path = appendName(d.path, key); len(d.path) > maxName {
		return errName(string(d.path))
	}
	defer func() { d.path = d.path[:before] }()
	switch kind {
	case jsonscan.Object:
		d.depth++
		err := d.scan.Object(d.onKey)
		d.depth--
		return err
	case jsonscan.Array:
		list, err := d.scan.Raw() // stays JSON
		if err != nil || list == "[]" {
			return err
		}
		return d.field(list, false)
	}
	value, err := d.scan.Scalar()
	if err != nil {
		return err
	}
	return d.field(value, true)
}

func errName(name string) error {
	return fmt.Errorf("a field's name may have at most %d bytes, with those of the objects around it; the one that begins with %.60q has more", maxName, name)
}

// ownKey reads the value of a key of the document itself that has a meaning.
func (d *decoder) ownKey(key string, kind jsonscan.Kind) (done bool, err error) {
	if kind == jsonscan.String {
		for i, k := range lineKeys {
			if key == k {
				d.lines[i], err = d.scan.Text()
				return true, err
			}
		}
	}
	switch {
	case key == "@timestamp" && kind != jsonscan.Null:
		return true, d.timestamp()
	case key == "timestamp" && kind == jsonscan.String && !d.stamped:
		// What Vector sends instead. When it is no time, it is a field.
		value, err := d.scan.Text()
		if err != nil {
			return true, err
		}
		if t, err := parseTime(value); err == nil && !isDigits(value) {
			d.time = t
			return true, nil
		}
		d.path = append(d.path[:0], key...)
		defer func() { d.path = d.path[:0] }()
		return true, d.field(value, true)
	}
	return false, nil
}

func (d *decoder) timestamp() error {
	value, err := d.scan.Scalar()
	if err != nil {
		return err
	}
	t, err := parseTime(value)
	if err != nil {
		return fmt.Errorf("@timestamp: %w", err)
	}
	d.time, d.stamped = t, true
	return nil
}

// field adds a value under the name in d.path.
func (d *decoder) field(value string, scalar bool) error {
	if value == "" {
		return nil
	}
	name, err := d.name()
	if err != nil {
		return err
	}
	if scalar && d.chosen[name] {
		if len(d.labels) < maxFields {
			d.labels = append(d.labels, model.Field{Name: name, Value: value})
		}
		return nil
	}
	if len(d.fields)-d.first >= maxFields {
		return fmt.Errorf("it has more than %d fields", maxFields)
	}
	d.fields = append(d.fields, model.Field{Name: name, Value: value})
	return nil
}

// name returns what is in d.path.
func (d *decoder) name() (string, error) {
	if name, ok := d.names[string(d.path)]; ok {
		return name, nil
	}
	if d.nameBytes += len(d.path); d.nameBytes > maxNames {
		return "", fmt.Errorf("the names of the fields of this request have more than %d bytes: send fewer documents at a time", maxNames)
	}
	name := string(d.path)
	d.names[name] = name
	d.kept += len(name)
	return name, nil
}

// appendName appends a name as fields have it: what is no letter, digit or underscore becomes an underscore, and so a name with dots is
// the same as one of nested objects.
func appendName(to []byte, name string) []byte {
	if len(to) == 0 && name != "" && name[0] >= '0' && name[0] <= '9' {
		to = append(to, '_')
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			to = append(to, byte(r))
		default:
			to = append(to, '_')
		}
	}
	if len(to) == 0 {
		to = append(to, '_')
	}
	return to
}

// timeForms are those of strict_date_optional_time (https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-date-format)
// that senders use; without a zone it is UTC.
var timeForms = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02",
}

var errTime = errors.New("is not a time: write RFC 3339, such as 2026-11-23T05:57:05.123Z, or milliseconds since 1970")

const maxMillis = math.MaxInt64 / 1_000_000

// parseTime reads a time in one of timeForms, or milliseconds since 1970 that may have a fraction.
func parseTime(value string) (int64, error) {
	if len(value) >= len("2006-01-02") && value[4] == '-' {
		for _, form := range timeForms {
			if t, err := time.Parse(form, value); err == nil {
				return nanos(t, value)
			}
		}
		return 0, fmt.Errorf("%.60q %w", value, errTime)
	}
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil && ms > -maxMillis && ms < maxMillis {
		return ms * 1e6, nil
	}
	if ms, err := strconv.ParseFloat(value, 64); err == nil && math.Abs(ms) < maxMillis {
		return int64(math.Round(ms*1e3)) * 1e3, nil
	}
	return 0, fmt.Errorf("%.60q %w", value, errTime)
}

func nanos(t time.Time, value string) (int64, error) {
	if y := t.UTC().Year(); y < 1678 || y > 2261 {
		return 0, fmt.Errorf("%.60q is beyond what 64 bits of nanoseconds hold", value)
	}
	return t.UnixNano(), nil
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
