package jaeger

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// span is a span of Jaeger (https://github.com/jaegertracing/jaeger-idl), whichever encoding it came in. It becomes ours as OpenTelemetry Collector's translation
// (pkg/translator/jaeger) has it:
//
//	process     resource: service.name and the tags; hostname is host.name
//	references  the parent, when the span does not tell it: the first CHILD_OF, else the first FOLLOWS_FROM, of the same trace; links with
//	            opentracing.ref_type for all but the CHILD_OF that is the parent
//	tags        attributes, but for: span.kind, error, otel.status_code and otel.status_description, else http.status_code (status),
//	            w3c.tracestate, otel.scope.name and .version or otel.library.… (scope)
//	logs        events; the field event is the name
//	flags       sampled is the trace flag; debug is the attribute jaeger.debug, which OpenTelemetry loses
type span struct {
	trace           model.TraceID
	id, parent      model.SpanID
	name            string
	flags           uint32
	start, duration int64 // nanoseconds
	refs            []ref
	tags            []model.Attribute
	logs            []model.SpanEvent

	// What is wrong with it, if anything; then it is refused, and the others are taken.
	reason model.RefusalReason
	wrong  error
}

// ref is a reference to another span.
type ref struct {
	trace   model.TraceID
	span    model.SpanID
	follows bool // FOLLOWS_FROM, not CHILD_OF
}

// refuse notes the first thing that is wrong.
func (j *span) refuse(reason model.RefusalReason, err error) {
	if j.wrong == nil {
		j.reason, j.wrong = reason, err
	}
}

// maxItems bounds the tags, the logs, the fields of a log and the references of a span: more than anybody writes.
const maxItems = 10_000

// room says whether a list of the span with n elements may have one more.
func (j *span) room(n int, what string) bool {
	if n >= maxItems {
		j.refuse(model.SpanTooLarge, fmt.Errorf("a span has more than %d %s", maxItems, what))
	}
	return n < maxItems
}

// The bits of a span's flags.
const (
	sampled = 1
	debug   = 2
)

// decoder makes spans of the batches of one request, or of some packets.
type decoder struct {
	spans     *intake.Spans
	resources map[string]*model.Resource // by a process as it came
	span      span                       // the one that is being read; its lists are used again

	// What is used again for each span.
	list       []model.Attribute // of a process or a log
	attributes []model.Attribute
	links      []model.SpanLink
}

func newDecoder(reserve func(bytes int64) error) *decoder {
	return &decoder{spans: intake.NewSpans(reserve), resources: map[string]*model.Resource{}}
}

// begin makes room for the next span.
func (d *decoder) begin() *span {
	d.span = span{refs: d.span.refs[:0], tags: d.span.tags[:0], logs: d.span.logs[:0]}
	return &d.span
}

// resource returns that of a process, the same for the same one.
func (d *decoder) resource(raw []byte, read func() (service string, err error)) (*model.Resource, error) {
	if r, ok := d.resources[string(raw)]; ok {
		return r, nil
	}
	d.list = d.list[:0]
	service, err := read()
	if err != nil {
		return nil, err
	}
	all := make([]model.Attribute, 0, len(d.list)+1)
	if service != "" && service != "OTLPResourceNoServiceName" { // by which OpenTelemetry's exporters say that there is none
		all = append(all, model.Attribute{Key: "service.name", Value: model.TextValue(service)})
	}
	all = append(all, d.list...)
	nameHost(all)
	r := &model.Resource{}
	if r.Attributes, err = d.spans.Attributes(all); err != nil {
		return nil, err
	}
	d.resources[string(raw)] = r
	return r, nil
}

// nameHost gives the tag hostname of Jaeger's clients the name that OpenTelemetry has for it.
func nameHost(list []model.Attribute) {
	at := -1
	for i := range list {
		switch list[i].Key {
		case "hostname":
			at = i
		case "host.name":
			return
		}
	}
	if at >= 0 {
		list[at].Key = "host.name"
	}
}

// addLog adds an event with the fields in d.list.
func (d *decoder) addLog(time int64) error {
	if !d.span.room(len(d.span.logs), "logs") {
		return nil
	}
	e := model.SpanEvent{Time: time}
	for i := range d.list {
		if f := &d.list[i]; f.Key == "event" && f.Value.Kind == model.StringValue {
			e.Name = f.Value.Text
			d.list = append(d.list[:i], d.list[i+1:]...)
			break
		}
	}
	var err error
	if e.Attributes, err = d.spans.Attributes(d.list); err != nil {
		return err
	}
	d.span.logs = append(d.span.logs, e)
	return nil
}

// add makes the span ours. One that is wrong is refused, and the others are taken.
func (d *decoder) add(r *model.Resource) error {
	j := &d.span
	if j.trace.IsZero() || j.id.IsZero() {
		j.refuse(model.BadIDs, fmt.Errorf("the span %.60q has no trace id or no span id: both must have a bit other than 0", j.name))
	}
	if j.wrong != nil {
		d.spans.Refuse(r.ServiceName(), j.reason, j.wrong)
		return nil //nolint:nilerr // the sender is told of it beside the others
	}
	out := model.Span{TraceID: j.trace, ID: j.id, Parent: j.parentID(), Name: j.name, Start: j.start, Duration: j.duration, Flags: j.flags & sampled}
	scope, version := d.takeTags(&out)
	d.takeRefs(&out)
	var err error
	if out.Attributes, err = d.spans.Attributes(d.attributes); err != nil {
		return err
	}
	if out.Events, err = d.spans.Events(j.logs); err != nil {
		return err
	}
	if out.Links, err = d.spans.Links(d.links); err != nil {
		return err
	}
	return d.spans.Add(r, scope, version, &out)
}

// parentID is the parent that the span tells, or the one among its references.
func (j *span) parentID() model.SpanID {
	if !j.parent.IsZero() {
		return j.parent
	}
	var follows model.SpanID
	for _, r := range j.refs {
		switch {
		case r.trace != j.trace:
		case !r.follows:
			return r.span
		case follows.IsZero():
			follows = r.span
		}
	}
	return follows
}

// takeRefs makes links of the references, but for that to the parent.
func (d *decoder) takeRefs(out *model.Span) {
	d.links = d.links[:0]
	for _, r := range d.span.refs {
		if !r.follows && r.span == out.Parent && r.trace == out.TraceID {
			continue
		}
		kind := childOf
		if r.follows {
			kind = followsFrom
		}
		d.links = append(d.links, model.SpanLink{TraceID: r.trace, SpanID: r.span, Attributes: kind})
	}
}

// The attributes of links. Nobody changes them.
var (
	childOf     = []model.Attribute{{Key: "opentracing.ref_type", Value: model.TextValue("child_of")}}
	followsFrom = []model.Attribute{{Key: "opentracing.ref_type", Value: model.TextValue("follows_from")}}
)

// told is what tags tell of a span's status.
type told struct {
	wrong             bool   // the tag error
	code, description string // of OpenTelemetry
	httpCode          int64
	httpMessage       string
}

// takeTags sorts the tags into the span's attributes, its kind, its status and its scope.
func (d *decoder) takeTags(out *model.Span) (scope, version string) {
	d.attributes = d.attributes[:0]
	var t told
	for i := range d.span.tags {
		tag := &d.span.tags[i]
		if tag.Value.Kind == model.StringValue && d.takeText(out, tag, &t, &scope, &version) {
			continue
		}
		switch tag.Key {
		case "error":
			if isTrue(tag.Value) {
				t.wrong = true
				continue
			}
		case "http.status_code":
			t.httpCode = wholeNumber(tag.Value)
		case "http.status_message":
			t.httpMessage = tag.Value.Text
		}
		d.attributes = append(d.attributes, *tag)
	}
	t.set(out)
	if d.span.flags&debug != 0 {
		d.attributes = append(d.attributes, model.Attribute{Key: "jaeger.debug", Value: model.Boolean(true)})
	}
	return scope, version
}

// takeText takes a tag that stands for something else than an attribute.
func (d *decoder) takeText(out *model.Span, tag *model.Attribute, t *told, scope, version *string) bool {
	text := tag.Value.Text
	switch tag.Key {
	case "span.kind":
		kind, ok := model.ParseSpanKind(text)
		if ok {
			out.Kind = kind
		}
		return ok
	case "otel.status_code":
		t.code = text
	case "otel.status_description":
		t.description = text
	case "w3c.tracestate":
		out.State = text
	case "otel.scope.name", "otel.library.name":
		*scope = text
	case "otel.scope.version", "otel.library.version":
		*version = text
	default:
		return false
	}
	return true
}

func isTrue(v model.Value) bool {
	return v.Kind == model.BoolValue && v.Bits == 1 || v.Kind == model.StringValue && v.Text == "true"
}

func wholeNumber(v model.Value) int64 {
	switch v.Kind {
	case model.IntValue:
		return v.Bits
	case model.StringValue:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// set sets the status: by the tag error, else by what OpenTelemetry's exporters write, else by the status of HTTP
// (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/#status).
func (t *told) set(out *model.Span) {
	out.Message = t.description
	switch {
	case t.wrong:
		out.Status = model.StatusError
		if out.Message == "" {
			out.Message = t.httpMessage
		}
	case strings.EqualFold(t.code, "OK"):
		out.Status = model.StatusOK
	case strings.EqualFold(t.code, "ERROR"):
		out.Status = model.StatusError
	case t.code == "" && t.httpCode >= 400 && (t.httpCode >= 500 || out.Kind != model.SpanServer):
		out.Status, out.Message = model.StatusError, t.httpMessage
	}
}

// maxMicros is the latest time, in microseconds, whose nanoseconds 64 bits hold.
const maxMicros = math.MaxInt64 / 1000

var errTime = errors.New("it is beyond what 64 bits of nanoseconds hold")

// micros turns microseconds into nanoseconds.
func (j *span) micros(n int64, what string) int64 {
	if n > maxMicros || n < -maxMicros {
		j.refuse(model.BadTime, fmt.Errorf("the %s of a span, %d microseconds: %w", what, n, errTime))
		return 0
	}
	return n * 1000
}

// nanos turns seconds and nanoseconds into nanoseconds.
func (j *span) nanos(seconds, nanos int64, what string) int64 {
	const most = math.MaxInt64/1_000_000_000 - 1
	if seconds > most || seconds < -most || nanos <= -1_000_000_000 || nanos >= 1_000_000_000 {
		j.refuse(model.BadTime, fmt.Errorf("the %s of a span, %d seconds and %d nanoseconds: %w", what, seconds, nanos, errTime))
		return 0
	}
	return seconds*1_000_000_000 + nanos
}
