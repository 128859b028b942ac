package zipkin

import (
	"slices"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// binaryAnnotation is a tag of version 1 (https://zipkin.io/zipkin-api/zipkin-api.yaml) with whoever says so, or, when the key is that of an address, with the
// address.
type binaryAnnotation struct {
	key   string
	value model.Value
	host  endpoint
}

// spanV1 reads a value of a span of version 1.
func (d *decoder) spanV1(key string) error {
	if key != "binaryAnnotations" {
		return d.spanBoth(key)
	}
	return d.list(func() error {
		b := binaryAnnotation{value: model.TextValue("")}
		err := d.scanner.Object(func(key string) error {
			switch key {
			case "key":
				return d.string(&b.key)
			case "value":
				return d.valueV1(&b.value)
			case "endpoint":
				return d.endpoint(&b.host)
			}
			return d.scanner.Skip()
		})
		d.addBinary(&b)
		return err
	})
}

func (d *decoder) addBinary(b *binaryAnnotation) {
	if d.span.room(len(d.binary), "binary annotations") {
		d.binary = append(d.binary, *b)
	}
}

// valueV1 reads the value of a tag: of one of JSON's types; its own is not looked at.
func (d *decoder) valueV1(to *model.Value) error {
	if k := d.scanner.Kind(); k == jsonscan.Object || k == jsonscan.Array {
		raw, err := d.scanner.Raw()
		*to = model.TextValue(raw)
		return err
	}
	kind := d.scanner.Kind()
	return d.text(func(s string) error { *to = scalar(kind, s); return nil })
}

// side is how a span of version 1 tells what it is: by annotations when it began and ended, and by a tag with the address of the other side.
type side struct {
	kind              model.SpanKind
	begin, end, other string
}

var sides = []side{
	{model.SpanClient, "cs", "cr", "sa"},
	{model.SpanServer, "sr", "ss", "ca"},
	{model.SpanProducer, "ms", "", "ma"},
	{model.SpanConsumer, "mr", "", "ma"},
}

// localSide is that of a span that no annotation tells anything of.
var localSide = side{other: "sa"}

// fromV1 makes version 2 of what version 1 says by annotations (as zipkin2.v1.V1SpanConverter does). Of a span that a client and a server have written into the
// first counts; what the other says stays annotations.
func (d *decoder) fromV1() {
	z := &d.span
	s := &localSide
	for i := range z.annotations {
		if own := sideOf(z.annotations[i].value); own != nil {
			s = own
			break
		}
	}
	z.kind = s.kind
	d.timesV1(s)
	d.tagsV1(s)
}

func sideOf(value string) *side {
	for i := range sides {
		if s := &sides[i]; value != "" && (value == s.begin || value == s.end) {
			return s
		}
	}
	return nil
}

// timesV1 takes the annotations that say when the span began and ended, and who it is. A server that does not say when a span began has not begun it.
func (d *decoder) timesV1(s *side) {
	z := &d.span
	var begin, end int64
	z.annotations = slices.DeleteFunc(z.annotations, func(a annotation) bool {
		core := s.begin != "" && (a.value == s.begin || a.value == s.end)
		if z.local.service == "" && a.host.service != "" && (core || s == &localSide) {
			z.local = a.host
		}
		switch {
		case core && a.value == s.begin:
			begin = a.time
		case core:
			end = a.time
		}
		return core
	})
	if z.time == 0 && begin != 0 {
		z.time, z.shared = begin, s.kind == model.SpanServer
	}
	if z.duration == 0 && begin != 0 && end > begin {
		z.duration = end - begin
	}
}

// tagsV1 sorts the binary annotations into tags and addresses.
func (d *decoder) tagsV1(s *side) {
	z := &d.span
	for i := range d.binary {
		b := &d.binary[i]
		switch b.key {
		case "sa", "ca", "ma":
			if b.key == s.other {
				z.remote = b.host
			}
			continue
		case "lc": // the component of a span that is no call
			b.key = "component"
			if b.value.Text == "" {
				continue
			}
		}
		if z.local.service == "" && b.host.service != "" {
			z.local = b.host
		}
		if z.room(len(z.tags), "tags") {
			z.tags = append(z.tags, model.Attribute{Key: b.key, Value: b.value})
		}
	}
}
