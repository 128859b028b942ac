package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// getTrace returns a trace as Grafana asks for it.
func getTrace(t *testing.T, p *harness.Process, id string) ptrace.Traces {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/tempo/api/traces/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/protobuf")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %v %.500s", res.Status, err, body)
	}
	got, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// searchTraces returns the ids of the traces that a query finds.
func searchTraces(t *testing.T, p *harness.Process, query string) (ids []string) {
	t.Helper()
	code, body := p.Get(t, "/api/search?limit=5000&q="+url.QueryEscape(query))
	var answer struct{ Traces []struct{ TraceID string } }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != 200 {
		t.Fatalf("%s: %d %s", query, code, body)
	}
	for _, one := range answer.Traces {
		ids = append(ids, one.TraceID)
	}
	return ids
}

// canonical is every span on its own with all that belongs to it, as OpenTelemetry's own package writes it, by its id.
func canonical(t *testing.T, traces ptrace.Traces) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, rs := range traces.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				one := ptrace.NewTraces()
				r := one.ResourceSpans().AppendEmpty()
				rs.Resource().CopyTo(r.Resource())
				r.SetSchemaUrl(rs.SchemaUrl())
				c := r.ScopeSpans().AppendEmpty()
				ss.Scope().CopyTo(c.Scope())
				c.SetSchemaUrl(ss.SchemaUrl())
				s.CopyTo(c.Spans().AppendEmpty())
				text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(one)
				if err != nil {
					t.Fatal(err)
				}
				out[s.SpanID().String()] = string(text)
			}
		}
	}
	return out
}

func sameTraces(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d spans, not %d", len(got), len(want))
	}
	for id, text := range want {
		if got[id] != text {
			t.Errorf("span %s:\n%s\nnot\n%s", id, got[id], text)
		}
	}
}

// What comes over OTLP/HTTP comes back field by field, from memory, from blocks, and after a kill.
func TestTracesComeBack(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	r := rand.New(rand.NewPCG(3, 5))
	id := pcommon.TraceID{1, 2, 3, 15: 7}
	want := map[string]string{}
	for range 5 {
		part := randomTrace(r, id, 40)
		for span, text := range canonical(t, part) {
			want[span] = text
		}
		body, err := ptraceotlp.NewExportRequestFromTraces(part).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		postTraces(t, p, body, 200)
	}
	sameTraces(t, canonical(t, getTrace(t, p, id.String())), want)
	flush(t, p.URL)
	sameTraces(t, canonical(t, getTrace(t, p, id.String())), want)
	more := randomTrace(r, id, 10)
	body, err := ptraceotlp.NewExportRequestFromTraces(more).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	postTraces(t, p, body, 200)
	for span, text := range canonical(t, more) {
		want[span] = text
	}
	p.Kill()
	p = harness.Start(t, harness.Options{DataDir: p.DataDir})
	harness.Eventually(t, 20*time.Second, func() error {
		if code, body := p.Get(t, "/api/services"); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	sameTraces(t, canonical(t, getTrace(t, p, id.String())), want)
}

func postTraces(t *testing.T, p *harness.Process, body []byte, status int) string {
	t.Helper()
	res, err := http.Post(p.URL+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != status {
		t.Fatalf("%s: %.1000s", res.Status, text)
	}
	return string(text)
}

// randomTrace makes spans with everything that OpenTelemetry has.
func randomTrace(r *rand.Rand, id pcommon.TraceID, n int) ptrace.Traces {
	out := ptrace.NewTraces()
	now := time.Now()
	for i := range 3 {
		rs := out.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl("https://opentelemetry.io/schemas/1.30.0")
		rs.Resource().Attributes().PutStr("service.name", fmt.Sprintf("svc-%d", r.IntN(5)))
		rs.Resource().SetDroppedAttributesCount(uint32(i))
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("lib")
		ss.Scope().SetVersion(strconv.Itoa(i))
		ss.Scope().Attributes().PutBool("x", true)
		for range n / 3 {
			s := ss.Spans().AppendEmpty()
			s.SetTraceID(id)
			var span [8]byte
			for k := range span {
				span[k] = byte(1 + r.IntN(255))
			}
			s.SetSpanID(span)
			s.SetParentSpanID(pcommon.SpanID{7: byte(r.IntN(3))})
			s.SetName([]string{"GET /", "work", "ünïcode ✓\n"}[r.IntN(3)])
			s.SetKind(ptrace.SpanKind(r.IntN(6)))
			s.TraceState().FromRaw("a=b")
			s.SetFlags(uint32(r.IntN(300)))
			start := now.Add(-time.Duration(r.Int64N(int64(time.Hour))))
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
			s.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(r.Int64N(int64(time.Second))) - time.Millisecond)))
			s.Status().SetCode(ptrace.StatusCode(r.IntN(3)))
			s.Status().SetMessage([]string{"", "it failed"}[r.IntN(2)])
			a := s.Attributes()
			a.PutInt("int", r.Int64())
			a.PutDouble("double", r.NormFloat64())
			a.PutEmptyBytes("bytes").FromRaw([]byte{0, 255, byte(r.IntN(256))})
			a.PutEmptySlice("list").AppendEmpty().SetStr("x")
			a.PutEmptyMap("map").PutEmptyMap("inner").PutInt("n", 1)
			a.PutEmpty("nothing")
			s.SetDroppedAttributesCount(uint32(r.IntN(3)))
			for range r.IntN(3) {
				e := s.Events().AppendEmpty()
				e.SetName("exception")
				e.SetTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Millisecond)))
				e.Attributes().PutStr("exception.message", strings.Repeat("long ", r.IntN(50)))
				e.SetDroppedAttributesCount(uint32(r.IntN(2)))
				l := s.Links().AppendEmpty()
				l.SetTraceID(pcommon.TraceID{9: 1})
				l.SetSpanID(pcommon.SpanID{3: 1})
				l.TraceState().FromRaw("c=d")
				l.SetFlags(1)
				l.Attributes().PutInt("n", int64(r.IntN(5)))
			}
			s.SetDroppedEventsCount(uint32(r.IntN(2)))
			s.SetDroppedLinksCount(uint32(r.IntN(2)))
		}
	}
	return out
}

// OpenTelemetry's SDK for Go sends spans, which are found and come back.
func TestTracesOfTheGoSDK(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(p.URL+"/v1/traces"), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "go-sdk"))))
	tracer := provider.Tracer("test", trace.WithInstrumentationVersion("1.0"))
	ctx, root := tracer.Start(t.Context(), "root", trace.WithSpanKind(trace.SpanKindServer))
	_, child := tracer.Start(ctx, "child", trace.WithAttributes(attribute.Int("n", 7), attribute.StringSlice("list", []string{"a", "b"})), trace.WithLinks(trace.Link{SpanContext: root.SpanContext()}))
	child.RecordError(fmt.Errorf("it broke"))
	child.SetStatus(codes.Error, "it broke")
	child.End()
	root.End()
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := root.SpanContext().TraceID().String()
	for query, found := range map[string]bool{
		`{resource.service.name = "go-sdk" && status = error && span.n = 7}`:                     true,
		`{kind = server && name = "root"} > {event.exception.message = "it broke"}`:              true,
		`{instrumentation:name = "test" && link:traceID = "` + id + `"}`:                         true,
		`{resource.service.name = "go-sdk" && span.n = 8}`:                                       false,
		`{name = "child"} > {name = "root"}`:                                                     false,
		`{rootName = "root" && traceDuration < 1m} | count() = 2`:                                true,
		`{trace:id = "` + id + `" && span:id = "` + child.SpanContext().SpanID().String() + `"}`: true,
	} {
		if got := searchTraces(t, p, query); (len(got) == 1 && got[0] == id) != found {
			t.Errorf("%s: %v", query, got)
		}
	}
	spans := getTrace(t, p, id)
	if spans.SpanCount() != 2 || !strings.Contains(canonical(t, spans)[child.SpanContext().SpanID().String()], `"stringValue":"*errors.errorString"`) {
		t.Errorf("got %v", canonical(t, spans))
	}
}

// pythonSDK makes two spans and prints the trace's id.
const pythonSDK = `
import sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider(resource=Resource.create({'service.name': 'python-sdk'}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=sys.argv[1] + '/v1/traces')))
tracer = provider.get_tracer('test', '2.0')
try:
    with tracer.start_as_current_span('root', kind=trace.SpanKind.SERVER):
        with tracer.start_as_current_span('child', attributes={'n': 7, 'x': 0.5, 'ok': True, 'list': ['a', 'ü']}) as child:
            child.add_event('half way', {'rows': 3})
            raise ValueError('it broke')
except ValueError:
    pass
provider.shutdown()
`

// OpenTelemetry's SDK for Python sends spans, which are found.
func TestTracesOfThePythonSDK(t *testing.T) {
	python := pythonWith(t, "opentelemetry-sdk==1.39.1", "opentelemetry-exporter-otlp-proto-http==1.39.1")
	p := harness.Start(t, harness.Options{})
	script := filepath.Join(t.TempDir(), "spans.py")
	harness.WriteFile(t, script, pythonSDK)
	run(t, t.TempDir(), python, script, p.URL)
	for query, found := range map[string]int{
		`{resource.service.name = "python-sdk" && kind = server && status = error}`:                      1,
		`{resource.telemetry.sdk.language = "python" && span.n = 7 && span.x = 0.5 && span.ok = true}`:   1,
		`{event:name = "half way" && event.rows = 3 && event.exception.type = "ValueError"}`:             1,
		`{name = "root"} >> {statusMessage = "ValueError: it broke" && instrumentation:version = "2.0"}`: 1,
		`{resource.service.name = "python-sdk"} | count() > 2`:                                           0,
	} {
		if got := searchTraces(t, p, query); len(got) != found {
			t.Errorf("%s: %v", query, got)
		}
	}
}

// OpenTelemetry's own generator sends over both transports, and every span is there.
func TestTelemetrygenTraces(t *testing.T) {
	binary := telemetrygenBinary(t)
	overGRPC, overHTTP := freePort(t), freePort(t)
	p := harness.Start(t, harness.Options{Config: fmt.Sprintf("ingest:\n  otlp:\n    grpc_listen: 127.0.0.1:%d\n    http_listen: 127.0.0.1:%d\n", overGRPC, overHTTP)})
	send := func(port, n int, args ...string) {
		t.Helper()
		run(t, t.TempDir(), binary, append([]string{"traces", "--otlp-insecure", "--rate", "0", "--otlp-endpoint", fmt.Sprintf("127.0.0.1:%d", port), "--traces", strconv.Itoa(n)}, args...)...)
	}
	send(overGRPC, 300, "--service", "by-grpc", "--status-code", "Error", "--child-spans", "2")
	send(overHTTP, 200, "--otlp-http", "--service", "by-http", "--telemetry-attributes", `zone="b"`)
	for query, found := range map[string]int{
		`{resource.service.name = "by-grpc"}`:                                  300,
		`{resource.service.name = "by-grpc" && status = error} | count() >= 3`: 300,
		`{resource.service.name = "by-http" && span.zone = "b"}`:               200,
		`{resource.service.name = "by-http" && status = error}`:                0,
	} {
		if got := searchTraces(t, p, query); len(got) != found {
			t.Errorf("%s: %d traces, not %d", query, len(got), found)
		}
	}
}
