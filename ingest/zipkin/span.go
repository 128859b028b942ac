package zipkin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// span is a Zipkin span of version 2 (https://zipkin.io/zipkin-api/#/default/post_spans), and what version 1 is turned into. It becomes ours as
// OpenTelemetry Collector's translation (pkg/translator/zipkin) has it:
//
//	localEndpoint    resource service.name; attributes net.host.ip, net.host.port
//	remoteEndpoint   attributes peer.service, net.peer.ip, net.peer.port
//	kind             kind, or what the tag span.kind says
//	annotations      events; “name|{attributes}|dropped”, as the Collector writes, gives their attributes back
//	tags             string attributes, but for: otel.status_code, otel.status_description and error (status), w3c.tracestate,
//	                 otel.scope.name and .version (scope), otlp.link.0… (links), otel.dropped_…_count, and those that describe a resource
//	debug, shared    attributes zipkin.debug, zipkin.shared, which OpenTelemetry loses
//
// The ids of a server's span that shares its client's are as they came. A span without a time is at its first annotation, or when it came, and has the
// attribute otel.zipkin.absentField.startTime.
type span struct {
	trace       model.TraceID
	id, parent  model.SpanID
	name        string
	kind        model.SpanKind
	time        int64 // microseconds since the epoch; 0: unknown
	duration    int64 // microseconds
	local       endpoint
	remote      endpoint
	annotations []annotation
	tags        []model.Attribute
	debug       bool
	shared      bool

	// What is wrong with it, if anything; then it is refused, and the others are taken.
	reason model.RefusalReason
	wrong  error
}

// refuse notes the first thing that is wrong.
func (z *span) refuse(reason model.RefusalReason, err error) {
	if z.wrong == nil {
		z.reason, z.wrong = reason, err
	}
}

// maxItems bounds the tags and the annotations of a span: more than anybody writes.
const maxItems = 10_000

// room says whether a list of the span with n elements may have one more.
func (z *span) room(n int, what string) bool {
	if n >= maxItems {
		z.refuse(model.SpanTooLarge, fmt.Errorf("a span has more than %d %s", maxItems, what))
	}
	return n < maxItems
}

// endpoint is one end of a call. Its zero value is that nothing is known.
type endpoint struct {
	service, ipv4, ipv6 string
	port                int64
}

type annotation struct {
	time  int64 // microseconds since the epoch
	value string
	host  endpoint // of version 1
}

// decoder makes spans of one request.
type decoder struct {
	spans     *intake.Spans
	now       int64 // nanoseconds since the epoch
	resources map[string]*model.Resource
	span      span               // the one that is being read; its lists are used again
	binary    []binaryAnnotation // of version 1
	scanner   *jsonscan.Scanner

	// What is used again for each span.
	key        []byte
	resource   []model.Attribute
	attributes []model.Attribute
	events     []model.SpanEvent
	links      []model.SpanLink
}

func newDecoder(reserve func(bytes int64) error) *decoder {
	return &decoder{spans: intake.NewSpans(reserve), now: time.Now().UnixNano(), resources: map[string]*model.Resource{}}
}

// begin makes room for the next span.
func (d *decoder) begin() *span {
	d.span = span{annotations: d.span.annotations[:0], tags: d.span.tags[:0]}
	d.binary = d.binary[:0]
	return &d.span
}

// The attributes that tell what Zipkin knows and OpenTelemetry does not.
const (
	debugAttribute  = "zipkin.debug"
	sharedAttribute = "zipkin.shared"
	noStart         = "otel.zipkin.absentField.startTime"
)

// add makes the span ours. One that is wrong is refused, and the others are taken.
func (d *decoder) add() error {
	z := &d.span
	if z.trace.IsZero() || z.id.IsZero() {
		z.refuse(model.BadIDs, fmt.Errorf("the span %.60q has no traceId or no id: both must have a digit other than 0", z.name))
	}
	if z.wrong != nil {
		d.spans.Refuse(z.local.service, z.reason, z.wrong)
		return nil //nolint:nilerr // the sender is told of it beside the others
	}
	out := model.Span{TraceID: z.trace, ID: z.id, Parent: z.parent, Name: z.name, Kind: z.kind, Start: z.time * 1000, Duration: z.duration * 1000}
	if out.Parent == out.ID {
		out.Parent = model.SpanID{}
	}
	r, scope, version, err := d.takeTags(&out)
	if err != nil {
		return err
	}
	if err := d.takeEvents(&out); err != nil {
		return err
	}
	d.others(&out)
	if out.Attributes, err = d.spans.Attributes(d.attributes); err != nil {
		return err
	}
	if out.Links, err = d.spans.Links(d.links); err != nil {
		return err
	}
	return d.spans.Add(r, scope, version, &out)
}

// takeTags sorts the tags into the span's attributes, its status and links, its resource and its scope.
func (d *decoder) takeTags(out *model.Span) (r *model.Resource, scope, version string, err error) {
	d.attributes, d.resource, d.links = d.attributes[:0], d.resource[:0], d.links[:0]
	if name := d.span.local.service; name != "" {
		d.resource = append(d.resource, model.Attribute{Key: "service.name", Value: model.TextValue(name)})
	}
	var failed, code, description string
	wrong := false
	for i := range d.span.tags {
		t := &d.span.tags[i]
		text := t.Value.Text // "" of those of version 1 that are no text
		switch t.Key {
		case "error":
			failed, wrong = text, text != "false" && (t.Value.Kind != model.BoolValue || t.Value.Bits == 1)
		case "otel.status_code":
			code = text
		case "otel.status_description":
			description = text
		case "w3c.tracestate":
			out.State = text
		case "otel.scope.name", "otel.library.name":
			scope = text
		case "otel.scope.version", "otel.library.version":
			version = text
		case "span.kind":
			if k, ok := model.ParseSpanKind(text); ok && out.Kind == model.SpanUnspecified {
				out.Kind = k
				continue
			}
			d.attributes = append(d.attributes, *t)
		default:
			switch {
			case dropped(out, t.Key, text):
			case d.link(t.Key, text):
			case ofResource[t.Key] && d.resourceIsNew(t.Key):
				d.resource = append(d.resource, *t)
			default:
				d.attributes = append(d.attributes, *t)
			}
		}
	}
	setStatus(out, wrong, failed, code, description)
	r, err = d.resourceOf()
	return r, scope, version, err
}

// setStatus sets the status by the tag error, whose text is what went wrong unless it is only “true”, and by what OpenTelemetry's exporters
// write (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/#status).
func setStatus(out *model.Span, wrong bool, failed, code, description string) {
	switch code {
	case "OK", "STATUS_CODE_OK":
		out.Status = model.StatusOK
	case "ERROR", "STATUS_CODE_ERROR":
		out.Status = model.StatusError
	}
	out.Message = description
	if !wrong {
		return
	}
	out.Status = model.StatusError
	if out.Message == "" && failed != "true" {
		out.Message = failed
	}
}

// dropped takes a tag by which OpenTelemetry's exporters tell how much of a span they left out.
func dropped(out *model.Span, key, text string) bool {
	var to *uint32
	switch key {
	case "otel.dropped_attributes_count":
		to = &out.DroppedAttributes
	case "otel.dropped_events_count":
		to = &out.DroppedEvents
	case "otel.dropped_links_count":
		to = &out.DroppedLinks
	default:
		return false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil {
		*to = uint32(n)
	}
	return err == nil
}

// others adds the attributes that the rest of the span becomes, unless a tag says the same.
func (d *decoder) others(out *model.Span) {
	z := &d.span
	tags := len(d.attributes)
	set := func(key string, v model.Value, known bool) {
		if !known {
			return
		}
		for i := range d.attributes[:tags] {
			if d.attributes[i].Key == key {
				return
			}
		}
		d.attributes = append(d.attributes, model.Attribute{Key: key, Value: v})
	}
	address := func(key string, e *endpoint) {
		ip := e.ipv4
		if ip == "" {
			ip = e.ipv6
		}
		set(key+".ip", model.TextValue(ip), ip != "")
		set(key+".port", model.Int64(e.port), e.port != 0)
	}
	address("net.host", &z.local)
	set("peer.service", model.TextValue(z.remote.service), z.remote.service != "")
	address("net.peer", &z.remote)
	set(debugAttribute, model.Boolean(true), z.debug)
	set(sharedAttribute, model.Boolean(true), z.shared)
	set(noStart, model.Boolean(true), z.time == 0)
	if z.time != 0 {
		return
	}
	out.Start = d.now
	if len(out.Events) > 0 {
		out.Start = out.Events[0].Time
	}
}

// resourceOf returns the resource with the attributes in d.resource, the same for the same ones.
func (d *decoder) resourceOf() (*model.Resource, error) {
	d.key = d.key[:0]
	for i := range d.resource {
		a := &d.resource[i]
		d.key = append(binary.AppendUvarint(d.key, uint64(len(a.Key))), a.Key...)
		d.key = append(d.key, byte(a.Value.Kind))
		d.key = binary.BigEndian.AppendUint64(d.key, uint64(a.Value.Bits)) //nolint:gosec // its bits
		d.key = append(binary.AppendUvarint(d.key, uint64(len(a.Value.Text))), a.Value.Text...)
	}
	if r, ok := d.resources[string(d.key)]; ok {
		return r, nil
	}
	list, err := d.spans.Attributes(d.resource)
	if err != nil {
		return nil, err
	}
	r := &model.Resource{Attributes: list}
	d.resources[string(d.key)] = r
	return r, nil
}

// resourceIsNew says whether the resource does not have the attribute yet.
func (d *decoder) resourceIsNew(key string) bool {
	for i := range d.resource {
		if d.resource[i].Key == key {
			return false
		}
	}
	return true
}

// maxMicros is the latest time, in microseconds, whose nanoseconds 64 bits hold.
const maxMicros = math.MaxInt64 / 1000

var errTime = errors.New("it is not in microseconds since 1970")

// micros reads microseconds. Some clients write them with a fraction.
func micros(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		var x float64
		if x, err = strconv.ParseFloat(text, 64); err != nil || !(x >= 0 && x < maxMicros) {
			return 0, fmt.Errorf("%.40q: %w", text, errTime)
		}
		n = int64(x)
	}
	if n < 0 || n > maxMicros {
		return 0, fmt.Errorf("%d: %w", n, errTime)
	}
	return n, nil
}

// setTime checks a time of the span called what.
func (z *span) setTime(to *int64, what, text string) {
	n, err := micros(text)
	if err != nil {
		z.wrongTime(what, err)
		return
	}
	*to = n
}

func (z *span) wrongTime(what string, err error) {
	z.refuse(model.BadTime, fmt.Errorf("the %s of a span: %w", what, err))
}

func (z *span) wrongID(what string, err error) {
	z.refuse(model.BadIDs, fmt.Errorf("the %s of a span: %w", what, err))
}

// ofResource are the tags that describe what made the span: OpenTelemetry's exporters to Zipkin write a resource's attributes as tags
// (https://opentelemetry.io/docs/specs/semconv/resource/).
var ofResource = func() map[string]bool {
	m := map[string]bool{}
	for _, key := range []string{
		"service.name", "service.namespace", "service.instance.id", "service.version",
		"telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version", "telemetry.auto.version", "telemetry.distro.name", "telemetry.distro.version",
		"deployment.environment", "deployment.environment.name",
		"cloud.provider", "cloud.account.id", "cloud.region", "cloud.availability_zone", "cloud.platform", "cloud.resource_id",
		"container.id", "container.name", "container.runtime", "container.image.name", "container.image.tag", "container.image.tags", "container.image.id",
		"k8s.cluster.name", "k8s.cluster.uid", "k8s.namespace.name", "k8s.node.name", "k8s.node.uid", "k8s.pod.name", "k8s.pod.uid", "k8s.pod.ip", "k8s.container.name",
		"k8s.deployment.name", "k8s.deployment.uid", "k8s.replicaset.name", "k8s.replicaset.uid", "k8s.statefulset.name", "k8s.statefulset.uid",
		"k8s.daemonset.name", "k8s.daemonset.uid", "k8s.job.name", "k8s.job.uid", "k8s.cronjob.name", "k8s.cronjob.uid",
		"host.id", "host.name", "host.type", "host.arch", "host.image.id", "host.image.name", "host.image.version", "os.type", "os.description", "os.name", "os.version",
		"process.pid", "process.executable.name", "process.executable.path", "process.command", "process.command_line", "process.command_args", "process.owner",
		"process.runtime.name", "process.runtime.version", "process.runtime.description",
		"faas.name", "faas.version", "faas.instance", "webengine.name", "webengine.version",
	} {
		m[key] = true
	}
	return m
}()
