package test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// traceDoors are the ports at which a process takes spans of Jaeger's and Zipkin's clients.
type traceDoors struct {
	*harness.Process
	zipkin, collector, grpc, compact, binary int
}

func startTraceDoors(t *testing.T) traceDoors {
	t.Helper()
	d := traceDoors{zipkin: freePort(t), collector: freePort(t), grpc: freePort(t), compact: freePort(t), binary: freePort(t)}
	d.Process = harness.Start(t, harness.Options{Config: fmt.Sprintf(`ingest:
  zipkin:
    listen: 127.0.0.1:%d
  jaeger:
    http_listen: 127.0.0.1:%d
    grpc_listen: 127.0.0.1:%d
    compact_listen: 127.0.0.1:%d
    binary_listen: 127.0.0.1:%d
`, d.zipkin, d.collector, d.grpc, d.compact, d.binary)})
	return d
}

// jaeger waits for the one trace of a service in Jaeger's API, written as a line for each span: its name, its references, the tags and
// logs that the clients of these tests set.
func (d traceDoors) jaeger(t *testing.T, service, want string) {
	t.Helper()
	type keyValue struct {
		Key   string
		Value any
	}
	var answer struct {
		Data []struct {
			TraceID string
			Spans   []struct {
				TraceID, SpanID, OperationName string
				References                     []struct{ RefType, TraceID, SpanID string }
				Tags                           []keyValue
				Logs                           []struct{ Fields []keyValue }
			}
		}
	}
	d.wait(t, "/jaeger/api/traces?service="+url.QueryEscape(service), &answer, want, func() string {
		if len(answer.Data) != 1 {
			return fmt.Sprintf("%d traces", len(answer.Data))
		}
		names := map[string]string{}
		for _, s := range answer.Data[0].Spans {
			names[s.TraceID+s.SpanID] = s.OperationName
		}
		var lines []string
		for _, s := range answer.Data[0].Spans {
			line := s.OperationName
			for _, r := range s.References {
				line += " " + r.RefType + ":" + names[r.TraceID+r.SpanID]
			}
			var tags []string
			for _, tag := range s.Tags {
				if slices.Contains([]string{"span.kind", "n", "ok", "f", "error"}, tag.Key) {
					tags = append(tags, fmt.Sprintf(" %s=%v", tag.Key, tag.Value))
				}
			}
			slices.Sort(tags)
			line += strings.Join(tags, "")
			for _, l := range s.Logs {
				line += fmt.Sprintf(" %v", l.Fields)
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	})
}

// inZipkin waits for the one trace of a service in Zipkin's API, written as a line for each span.
func (d traceDoors) inZipkin(t *testing.T, service, want string) {
	t.Helper()
	type endpoint struct {
		ServiceName, IPv4, IPv6 string
		Port                    int
	}
	var answer [][]struct {
		TraceID, ID, ParentID, Kind, Name string
		LocalEndpoint, RemoteEndpoint     endpoint
		Annotations                       []struct{ Value string }
		Tags                              map[string]string
		Shared                            bool
	}
	d.wait(t, "/zipkin/api/v2/traces?serviceName="+url.QueryEscape(service), &answer, want, func() string {
		if len(answer) != 1 {
			return fmt.Sprintf("%d traces", len(answer))
		}
		names := map[string]string{}
		for _, s := range answer[0] {
			names[s.ID] = s.Name
		}
		var lines []string
		for _, s := range answer[0] {
			delete(s.Tags, "otel.status_code")
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s <%s %s %v %v %v %v shared=%v",
				s.Name, names[s.ParentID], s.Kind, s.LocalEndpoint, s.RemoteEndpoint, s.Annotations, s.Tags, s.Shared)))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	})
}

func (d traceDoors) wait(t *testing.T, path string, answer any, want string, text func() string) {
	t.Helper()
	harness.Eventually(t, 20*time.Second, func() error {
		code, body := d.Get(t, path)
		if code != http.StatusOK {
			return fmt.Errorf("%s: %d %s", path, code, body)
		}
		if err := json.Unmarshal([]byte(body), answer); err != nil {
			return err
		}
		if got := text(); got != want {
			return fmt.Errorf("%s:\ngot  %s\nwant %s", path, got, want)
		}
		return nil
	})
}

const pythonTraceClients = `
import sys, time
import requests
from jaeger_client import Config
from py_zipkin import Encoding, Kind
from py_zipkin.transport import SimpleHTTPTransport
from py_zipkin.zipkin import zipkin_client_span, zipkin_span
zipkin, agent = int(sys.argv[1]), int(sys.argv[2])

class Transport(SimpleHTTPTransport):
    def send(self, payload):
        path, content_type = self._get_path_content_type(payload)
        r = requests.post('http://127.0.0.1:%d%s' % (zipkin, path), data=payload, headers={'Content-Type': content_type})
        assert r.status_code == 202, (r.status_code, r.text)

for encoding in (Encoding.V2_JSON, Encoding.V2_PROTO3, Encoding.V1_JSON):
    service = 'py-' + encoding.value.lower()
    with zipkin_span(service_name=service, span_name='outer', transport_handler=Transport('127.0.0.1', zipkin), encoding=encoding, sample_rate=100,
                     host='10.0.0.1', port=80, kind=Kind.SERVER, use_128bit_trace_id=True) as outer:
        outer.update_binary_annotations({'http.path': '/ünï'})
        with zipkin_client_span(service_name=service, span_name='inner') as inner:
            inner.add_sa_binary_annotation(service_name='db', host='10.0.0.2', port=5432)
            inner.add_annotation('sent')
            inner.update_binary_annotations({'error': 'broken'})

tracer = Config(service_name='py-jaeger', config={'sampler': {'type': 'const', 'param': 1}, 'generate_128bit_trace_id': True,
                'local_agent': {'reporting_host': '127.0.0.1', 'reporting_port': agent}}).initialize_tracer()
with tracer.start_active_span('outer', tags={'span.kind': 'server', 'n': 7, 'ok': True, 'f': 1.5}):
    with tracer.start_active_span('inner', tags={'error': True}) as inner:
        inner.span.log_kv({'event': 'sent', 'bytes': 12})
closed = tracer.close()
for _ in range(200):
    if closed.done():
        break
    time.sleep(0.1)
`

// jaegerTrace is what each of Jaeger's clients sends.
const (
	jaegerInner = "inner CHILD_OF:outer error=true [{event sent} {bytes 12}]"
	jaegerOuter = "outer f=1.5 n=7 ok=true span.kind=server"
	// Clients that say FOLLOWS_FROM too have the parent twice.
	jaegerFollows = "inner CHILD_OF:outer FOLLOWS_FROM:outer error=true [{event sent} {bytes 12}]"
)

// Python's clients of Zipkin (every format that they know) and of Jaeger (UDP).
func TestPythonTraceClients(t *testing.T) {
	python := pythonWith(t, "py_zipkin[protobuf]==1.2.8", "requests==2.34.2", "jaeger-client==4.8.0", "six==1.17.0")
	d := startTraceDoors(t)
	script := filepath.Join(t.TempDir(), "clients.py")
	harness.WriteFile(t, script, pythonTraceClients)
	run(t, t.TempDir(), python, script, fmt.Sprint(d.zipkin), fmt.Sprint(d.compact))
	for _, format := range []string{"v2_json", "v2_proto3", "v1_json"} {
		d.inZipkin(t, "py-"+format, "inner <outer CLIENT {py-"+format+" 10.0.0.1  80} {db 10.0.0.2  5432} [{sent}] map[error:broken] shared=false\n"+
			"outer < SERVER {py-"+format+" 10.0.0.1  80} {   0} [] map[http.path:/ünï] shared=false")
	}
	d.jaeger(t, "py-jaeger", jaegerInner+"\n"+jaegerOuter)
}

const nodeTraceClients = `
const [zipkinPort, httpPort, udpPort] = process.argv.slice(2).map(Number);
const jaeger = require('jaeger-client');
const opentracing = require('opentracing');
const zipkin = require('zipkin');
const { HttpLogger } = require('zipkin-transport-http');

function sendJaeger(serviceName, reporter) {
  return new Promise((done) => {
    const config = { serviceName, sampler: { type: 'const', param: 1 }, traceId128bit: true, reporter };
    const tracer = jaeger.initTracer(config, { logger: { info() {}, error: console.error } });
    const outer = tracer.startSpan('outer', { tags: { 'span.kind': 'server', n: 7, ok: true, f: 1.5 } });
    const inner = tracer.startSpan('inner', { childOf: outer, references: [opentracing.followsFrom(outer.context())] });
    inner.setTag('error', true);
    inner.log({ event: 'sent', bytes: 12 });
    inner.finish();
    outer.finish();
    tracer.close(done);
  });
}

function sendZipkin(localServiceName) {
  const logger = new HttpLogger({ endpoint: 'http://127.0.0.1:' + zipkinPort + '/api/v2/spans', jsonEncoder: zipkin.jsonEncoder.JSON_V2, httpInterval: 50 });
  const sent = new Promise((done, fail) => { logger.on('success', done); logger.on('error', fail); setTimeout(fail, 20000, 'not sent'); });
  const recorder = new zipkin.BatchRecorder({ logger });
  const tracer = new zipkin.Tracer({ ctxImpl: new zipkin.ExplicitContext(), recorder, localServiceName, traceId128Bit: true });
  tracer.local('outer', () => { tracer.recordBinary('k', 'v'); tracer.recordMessage('sent'); });
  return sent;
}

(async () => {
  await sendJaeger('node-udp', { agentHost: '127.0.0.1', agentPort: udpPort });
  await sendJaeger('node-http', { collectorEndpoint: 'http://127.0.0.1:' + httpPort + '/api/traces' });
  await sendZipkin('node-zipkin');
  process.exit(0);
})().catch((err) => { console.error(err); process.exit(1); });
`

// Node.js' clients of Jaeger (UDP in the binary encoding, HTTP) and of Zipkin.
func TestNodeTraceClients(t *testing.T) {
	dir := nodeWith(t, "jaeger-client@3.19.0", "zipkin@0.22.0", "zipkin-transport-http@0.22.0")
	d := startTraceDoors(t)
	script := filepath.Join(dir, "clients.js")
	harness.WriteFile(t, script, nodeTraceClients)
	run(t, dir, "node", script, fmt.Sprint(d.zipkin), fmt.Sprint(d.collector), fmt.Sprint(d.binary))
	for _, service := range []string{"node-udp", "node-http"} {
		d.jaeger(t, service, jaegerFollows+"\n"+jaegerOuter)
	}
	d.inZipkin(t, "node-zipkin", "outer <  {node-zipkin   0} {   0} [{sent}] map[k:v] shared=false")
}

// nodeWith returns a folder that has some packages of npm, which is filled once.
func nodeWith(t *testing.T, packages ...string) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed")
	}
	dir := cacheFor(t, "node", strings.Join(packages, " "))
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		install := exec.Command(npm, append([]string{"install", "--no-audit", "--no-fund", "--prefix", dir}, packages...)...)
		if out, err := install.CombinedOutput(); err != nil {
			t.Skipf("the clients cannot be had from npm: %v %s", err, out)
		}
		harness.WriteFile(t, filepath.Join(dir, "complete"), "")
	}
	return dir
}

// cacheFor is the folder for what is made of a text once.
func cacheFor(t *testing.T, kind, text string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder to keep it in: %v", err)
	}
	return filepath.Join(cache, "hulotte-test", fmt.Sprintf("%s-%x", kind, sha256.Sum256([]byte(text)))[:len(kind)+17])
}

const goTraceModule = `module clients

go 1.26

require (
	github.com/jaegertracing/jaeger-idl v0.14.0
	github.com/opentracing/opentracing-go v1.2.0
	github.com/openzipkin/zipkin-go v0.4.3
	github.com/uber/jaeger-client-go v2.30.0+incompatible
	google.golang.org/grpc v1.85.0
)
`

const goTraceClients = `package main

import (
	"context"
	"os"
	"time"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"github.com/opentracing/opentracing-go"
	"github.com/openzipkin/zipkin-go"
	zipkinmodel "github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	zipkinhttp "github.com/openzipkin/zipkin-go/reporter/http"
	"github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/transport"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sendZipkin sends a span of a client and one of its server with the same id.
func sendZipkin(service, url string, options ...zipkinhttp.ReporterOption) {
	r := zipkinhttp.NewReporter(url, options...)
	tracer := must(zipkin.NewTracer(r, zipkin.WithLocalEndpoint(must(zipkin.NewEndpoint(service, "10.0.0.1:80"))), zipkin.WithSharedSpans(true)))
	outer := tracer.StartSpan("outer", zipkin.Kind(zipkinmodel.Client), zipkin.RemoteEndpoint(must(zipkin.NewEndpoint("db", "[2001:db8::1]:5432"))))
	shared := tracer.StartSpan("shared", zipkin.Kind(zipkinmodel.Server), zipkin.Parent(outer.Context()))
	zipkin.TagError.Set(shared, "broken")
	shared.Annotate(time.Now(), "sent")
	shared.Finish()
	outer.Finish()
	if err := r.Close(); err != nil {
		panic(err)
	}
}

func sendJaeger(service string, sender jaeger.Transport) {
	tracer, closer := jaeger.NewTracer(service, jaeger.NewConstSampler(true), jaeger.NewRemoteReporter(sender), jaeger.TracerOptions.Gen128Bit(true))
	outer := tracer.StartSpan("outer", opentracing.Tags{"span.kind": "server", "n": 7, "ok": true, "f": 1.5})
	inner := tracer.StartSpan("inner", opentracing.FollowsFrom(outer.Context()))
	inner.SetTag("error", true)
	inner.LogKV("event", "sent", "bytes", 12)
	inner.Finish()
	outer.Finish()
	if err := closer.Close(); err != nil {
		panic(err)
	}
}

func sendGRPC(service, addr string) {
	conn := must(grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials())))
	now := time.Now()
	trace := model.NewTraceID(1, uint64(now.UnixNano()))
	outer := &model.Span{TraceID: trace, SpanID: 1, OperationName: "outer", StartTime: now, Duration: time.Millisecond, Flags: 1,
		Tags: []model.KeyValue{model.String("span.kind", "server"), model.Int64("n", 7), model.Bool("ok", true), model.Float64("f", 1.5)}}
	inner := &model.Span{TraceID: trace, SpanID: 2, OperationName: "inner", StartTime: now, References: []model.SpanRef{model.NewChildOfRef(trace, 1)},
		Tags: []model.KeyValue{model.Bool("error", true)},
		Logs: []model.Log{{Timestamp: now, Fields: []model.KeyValue{model.String("event", "sent"), model.Int64("bytes", 12)}}}}
	batch := model.Batch{Process: model.NewProcess(service, nil), Spans: []*model.Span{outer, inner}}
	must(api_v2.NewCollectorServiceClient(conn).PostSpans(context.Background(), &api_v2.PostSpansRequest{Batch: batch}))
}

func main() {
	zipkinURL, agent, collector, grpcAddr := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	sendZipkin("go-zipkin-json", zipkinURL)
	sendZipkin("go-zipkin-proto", zipkinURL, zipkinhttp.Serializer(zipkin_proto3.SpanSerializer{}))
	sendJaeger("go-udp", must(jaeger.NewUDPTransport(agent, 0)))
	sendJaeger("go-http", transport.NewHTTPTransport(collector))
	sendGRPC("go-grpc", grpcAddr)
}
`

// Go's clients of Jaeger (UDP, HTTP, and gRPC as agents send it) and of Zipkin.
func TestGoTraceClients(t *testing.T) {
	dir := cacheFor(t, "trace-clients", goTraceModule+goTraceClients)
	binary := filepath.Join(dir, "clients")
	if _, err := os.Stat(binary); err != nil {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		harness.WriteFile(t, filepath.Join(dir, "go.mod"), goTraceModule)
		harness.WriteFile(t, filepath.Join(dir, "main.go"), goTraceClients)
		for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", binary, "."}} {
			build := exec.Command("go", args...)
			build.Dir = dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Skipf("the clients cannot be had from the module proxy: %v %s", err, out)
			}
		}
	}
	d := startTraceDoors(t)
	local := func(port int, path string) string { return fmt.Sprintf("127.0.0.1:%d%s", port, path) }
	run(t, t.TempDir(), binary, "http://"+local(d.zipkin, "/api/v2/spans"), local(d.compact, ""), "http://"+local(d.collector, "/api/traces"), local(d.grpc, ""))
	for _, service := range []string{"go-udp", "go-http"} {
		d.jaeger(t, service, jaegerFollows+"\n"+jaegerOuter)
	}
	d.jaeger(t, "go-grpc", jaegerInner+"\n"+jaegerOuter)
	for _, service := range []string{"go-zipkin-json", "go-zipkin-proto"} {
		d.inZipkin(t, service, "outer < CLIENT {"+service+" 10.0.0.1  80} {db  2001:db8::1 5432} [] map[] shared=false\n"+
			"shared < SERVER {"+service+" 10.0.0.1  80} {   0} [{sent}] map[error:broken] shared=true")
	}
}
