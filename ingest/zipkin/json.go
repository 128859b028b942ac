package zipkin

import (
	"bytes"
	"strconv"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// json reads a list of spans: read is called with the keys of each, and finish behind the last of them.
func (d *decoder) json(data []byte, read func(key string) error, finish func()) error {
	if bytes.IndexByte(data, '\\') >= 0 { // what has escapes is kept beside the request
		if err := d.spans.Reserve(2 * int64(len(data))); err != nil {
			return err
		}
	}
	d.scanner = jsonscan.New(data)
	err := d.scanner.Array(func() error {
		d.begin()
		if err := d.scanner.Object(read); err != nil {
			return err
		}
		finish()
		return d.add()
	})
	if err != nil {
		return err
	}
	return d.scanner.End()
}

// spanV2 reads a value of a span of version 2.
func (d *decoder) spanV2(key string) error {
	switch key {
	case "kind":
		return d.kind()
	case "localEndpoint":
		return d.endpoint(&d.span.local)
	case "remoteEndpoint":
		return d.endpoint(&d.span.remote)
	case "tags":
		return d.tags()
	case "shared":
		return d.flag(&d.span.shared)
	}
	return d.spanBoth(key)
}

// spanBoth reads what both versions have.
func (d *decoder) spanBoth(key string) error {
	z := &d.span
	switch key {
	case "traceId":
		return d.text(func(s string) (err error) {
			if z.trace, err = model.ParseTraceID(s); err != nil {
				z.wrongID(key, err)
			}
			return nil
		})
	case "id":
		return d.spanID(&z.id, key)
	case "parentId":
		return d.spanID(&z.parent, key)
	case "name":
		return d.string(&z.name)
	case "timestamp":
		return d.time(&z.time, key)
	case "duration":
		return d.time(&z.duration, key)
	case "annotations":
		return d.annotations()
	case "debug":
		return d.flag(&z.debug)
	}
	return d.scanner.Skip()
}

// text reads a single value; f is not called for null.
func (d *decoder) text(f func(string) error) error {
	null := d.scanner.Kind() == jsonscan.Null
	s, err := d.scanner.Scalar()
	if err != nil || null {
		return err
	}
	return f(s)
}

func (d *decoder) string(to *string) error {
	return d.text(func(s string) error { *to = s; return nil })
}

func (d *decoder) flag(to *bool) error {
	return d.text(func(s string) error { *to = s == "true"; return nil })
}

func (d *decoder) spanID(to *model.SpanID, what string) error {
	return d.text(func(s string) (err error) {
		if *to, err = model.ParseSpanID(s); err != nil {
			d.span.wrongID(what, err)
		}
		return nil
	})
}

func (d *decoder) time(to *int64, what string) error {
	return d.text(func(s string) error { d.span.setTime(to, what, s); return nil })
}

func (d *decoder) kind() error {
	return d.text(func(s string) error {
		switch s {
		case "CLIENT":
			d.span.kind = model.SpanClient
		case "SERVER":
			d.span.kind = model.SpanServer
		case "PRODUCER":
			d.span.kind = model.SpanProducer
		case "CONSUMER":
			d.span.kind = model.SpanConsumer
		}
		return nil
	})
}

// nullable calls read unless there is null.
func (d *decoder) nullable(read func() error) error {
	if d.scanner.Kind() == jsonscan.Null {
		return d.scanner.Skip()
	}
	return read()
}

func (d *decoder) endpoint(e *endpoint) error {
	return d.nullable(func() error {
		return d.scanner.Object(func(key string) error {
			switch key {
			case "serviceName":
				return d.string(&e.service)
			case "ipv4":
				return d.string(&e.ipv4)
			case "ipv6":
				return d.string(&e.ipv6)
			case "port":
				return d.text(func(s string) error {
					if n, err := strconv.ParseUint(s, 10, 16); err == nil { // one that is no port is not worth the span
						e.port = int64(n) //nolint:gosec // it has 16 bits
					}
					return nil
				})
			}
			return d.scanner.Skip()
		})
	})
}

func (d *decoder) annotations() error {
	return d.list(func() error {
		var a annotation
		err := d.scanner.Object(func(key string) error {
			switch key {
			case "timestamp":
				return d.time(&a.time, "timestamp of an annotation")
			case "value":
				return d.string(&a.value)
			case "endpoint":
				return d.endpoint(&a.host)
			}
			return d.scanner.Skip()
		})
		if d.span.room(len(d.span.annotations), "annotations") {
			d.span.annotations = append(d.span.annotations, a)
		}
		return err
	})
}

// list reads a list, or null.
func (d *decoder) list(read func() error) error {
	return d.nullable(func() error { return d.scanner.Array(read) })
}

func (d *decoder) tags() error {
	return d.nullable(func() error {
		return d.scanner.Object(func(key string) error {
			return d.text(func(s string) error {
				if d.span.room(len(d.span.tags), "tags") {
					d.span.tags = append(d.span.tags, model.Attribute{Key: key, Value: model.TextValue(s)})
				}
				return nil
			})
		})
	})
}
