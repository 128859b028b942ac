package loki

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// json decodes a push in JSON:
//
//	{"streams": [{"stream": {"label": "value"}, "values": [["<nanoseconds>", "line", {"field": "value"}]]}]}
//
// Times may be numbers as well. The older form {"labels": "{a=\"b\"}", "entries": [{"ts": "<RFC 3339>", "line": "..."}]}
// of a stream is taken too.
func (d *decoder) json(data []byte) error {
	d.scan.Reset(data)
	err := d.scan.Object(func(key string) error {
		if key == "streams" && d.scan.Kind() != jsonscan.Null {
			return d.scan.Array(d.jsonStream)
		}
		return d.scan.Skip()
	})
	if err != nil {
		return err
	}
	return d.scan.End()
}

func (d *decoder) jsonStream() error {
	start := len(d.recs)
	var labels []model.Field
	var refusal error // of this stream alone
	var text string
	err := d.scan.Object(func(key string) (err error) {
		switch key {
		case "stream":
			labels, refusal, err = d.jsonLabels()
		case "labels":
			if text, err = d.scan.Text(); err == nil {
				labels, refusal = d.cache.labels(text)
			}
		case "values":
			err = d.scan.Array(d.jsonValue)
		case "entries":
			err = d.scan.Array(d.jsonEntry)
		default:
			err = d.scan.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if refusal == nil {
		return d.add(labels, start)
	}
	d.refuse(text, len(d.recs)-start, refusal)
	d.recs = d.recs[:start]
	return nil
}

// jsonLabels reads the object of labels. Names that Loki does not allow are the first error, of this stream alone.
func (d *decoder) jsonLabels() (labels []model.Field, bad, err error) {
	err = d.scan.Object(func(name string) error {
		value, err := d.scan.Scalar()
		if err == nil && bad == nil && !isName(name) {
			bad = fmt.Errorf("the label name %.100q is not allowed: use letters, digits and underscores", name)
		}
		labels = append(labels, model.Field{Name: name, Value: value})
		return err
	})
	return labels, bad, err
}

// jsonValue reads [time, line] or [time, line, {fields}].
func (d *decoder) jsonValue() error {
	at, r := 0, model.Record{}
	err := d.scan.Array(func() (err error) {
		switch at {
		case 0:
			r.Time, err = d.jsonTime()
		case 1:
			r.Line, err = d.scan.Text()
		case 2:
			r.Fields, err = d.jsonFields()
		default:
			err = fmt.Errorf("an entry has more than a time, a line and fields")
		}
		at++
		return err
	})
	if err == nil && at < 2 {
		err = fmt.Errorf("an entry has %d values: it needs a time and a line", at)
	}
	return d.jsonAdd(r, err)
}

// jsonEntry reads {"ts": time, "line": line}.
func (d *decoder) jsonEntry() error {
	var r model.Record
	err := d.scan.Object(func(key string) (err error) {
		switch key {
		case "ts":
			r.Time, err = d.jsonTime()
		case "line":
			r.Line, err = d.scan.Text()
		case "structuredMetadata":
			r.Fields, err = d.jsonFields()
		default:
			err = d.scan.Skip()
		}
		return err
	})
	return d.jsonAdd(r, err)
}

func (d *decoder) jsonAdd(r model.Record, err error) error {
	if err != nil {
		return err
	}
	if d.recs = append(d.recs, r); len(d.recs)%1024 == 0 {
		return d.pay()
	}
	return nil
}

func (d *decoder) jsonFields() ([]model.Field, error) {
	start := len(d.fields)
	err := d.scan.Object(func(name string) error {
		var value string
		var err error
		if k := d.scan.Kind(); k == jsonscan.Object || k == jsonscan.Array {
			value, err = d.scan.Raw()
		} else {
			value, err = d.scan.Scalar()
		}
		d.fields = append(d.fields, model.Field{Name: name, Value: value})
		return err
	})
	return d.fieldsFrom(start), err
}

// jsonTime reads nanoseconds since the epoch, in quotes or not, or a time as RFC 3339 has it.
func (d *decoder) jsonTime() (int64, error) {
	text, err := d.scan.Scalar()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if strings.ContainsRune(text, 'T') {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return timeOf(t.Unix(), int64(t.Nanosecond()))
		}
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(x) < math.MaxInt64 { // a program without integers
		return int64(x), nil
	}
	return 0, fmt.Errorf("%.60q is not a time: write nanoseconds since the epoch", text)
}
