package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	idl "github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// dial serves h over HTTP/2 without TLS and returns a connection of gRPC's own library to it.
func dial(t *testing.T, h http.Handler) *grpc.ClientConn {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	conn, err := grpc.NewClient(strings.TrimPrefix(s.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// chunks is a stream of either call.
type chunks interface {
	Recv() (*api_v2.SpansResponseChunk, error)
}

func names(t *testing.T, stream chunks, err error) (out []string) {
	t.Helper()
	for {
		if err != nil {
			t.Fatal(err)
		}
		var chunk *api_v2.SpansResponseChunk
		if chunk, err = stream.Recv(); errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		} else if err == nil {
			for _, s := range chunk.Spans {
				out = append(out, s.Process.ServiceName+" "+s.OperationName)
			}
		}
	}
}

// Jaeger's own client of api_v2 gets what was kept.
func TestJaegerGRPCv2(t *testing.T) {
	client := api_v2.NewQueryServiceClient(dial(t, newSpansAPI(t, someSpans())))
	ctx := t.Context()
	same := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	services, err := client.GetServices(ctx, &api_v2.GetServicesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	same("services", services.Services, []string{"back", "cart", "front", "shop"})
	operations, err := client.GetOperations(ctx, &api_v2.GetOperationsRequest{Service: "cart"}, grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	same("operations", operations.Operations, `[name:"get" span_kind:"server"  name:"think" span_kind:"internal" ]`)
	links, err := client.GetDependencies(ctx, &api_v2.GetDependenciesRequest{StartTime: clock.Add(-time.Hour), EndTime: clock})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, l := range links.Dependencies {
		got += fmt.Sprintf("%s-%d->%s ", l.Parent, l.CallCount, l.Child)
	}
	same("dependencies", got, "front-1->back shop-1->cart ")
	trace, err := client.GetTrace(ctx, &api_v2.GetTraceRequest{TraceID: idl.NewTraceID(0, 0x5f00000000000003)})
	same("trace", names(t, trace, err), []string{"back call", "back write", "front call"})
	search := &api_v2.TraceQueryParameters{
		ServiceName: "shop", OperationName: "GET /", Tags: map[string]string{"http.status_code": "500", "error": "true"}, StartTimeMin: clock.Add(-time.Hour), StartTimeMax: clock,
		DurationMin: time.Millisecond, DurationMax: time.Second, SearchDepth: 5,
	}
	found, err := client.FindTraces(ctx, &api_v2.FindTracesRequest{Query: search})
	same("search", names(t, found, err), []string{"shop GET /"})
	search.DurationMin = 10 * time.Millisecond
	found, err = client.FindTraces(ctx, &api_v2.FindTracesRequest{Query: search})
	same("search of longer ones", names(t, found, err), []string{})
	found, err = client.FindTraces(metadata.AppendToOutgoingContext(ctx, model.TenantHeader, "other"), &api_v2.FindTracesRequest{Query: &api_v2.TraceQueryParameters{StartTimeMax: clock}})
	same("search of another tenant", names(t, found, err), []string{})
}

func TestJaegerGRPCErrors(t *testing.T) {
	client := api_v2.NewQueryServiceClient(dial(t, newSpansAPI(t, someSpans())))
	f := func(what string, err error, code codes.Code, want string) {
		t.Helper()
		if s := status.Convert(err); s.Code() != code || s.Message() != want {
			t.Errorf("%s: %v, want %v %s", what, err, code, want)
		}
	}
	ctx := t.Context()
	recv := func(stream chunks, err error) error {
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	trace, err := client.GetTrace(ctx, &api_v2.GetTraceRequest{TraceID: idl.NewTraceID(0, 7)})
	f("no such trace", recv(trace, err), codes.NotFound, "trace not found")
	trace, err = client.GetTrace(ctx, &api_v2.GetTraceRequest{})
	f("no id", recv(trace, err), codes.InvalidArgument, "trace_id is missing")
	found, err := client.FindTraces(ctx, &api_v2.FindTracesRequest{Query: &api_v2.TraceQueryParameters{StartTimeMin: clock, StartTimeMax: clock}})
	f("no time", recv(found, err), codes.InvalidArgument, "start_time_min must be before start_time_max")
	found, err = client.FindTraces(ctx, &api_v2.FindTracesRequest{Query: &api_v2.TraceQueryParameters{StartTimeMax: clock, SearchDepth: 5000}})
	f("too many", recv(found, err), codes.InvalidArgument, "search_depth is 5000: 0 to 1500 are allowed")
	_, err = client.GetOperations(ctx, &api_v2.GetOperationsRequest{})
	f("no service", err, codes.InvalidArgument, "parameter 'service' is required")
	_, err = client.ArchiveTrace(ctx, &api_v2.ArchiveTraceRequest{TraceID: idl.NewTraceID(0, 7)})
	f("archive", err, codes.Unimplemented, "there is no archive: traces are kept as long as storage.traces.retention_time says")
	_, err = client.GetServices(metadata.AppendToOutgoingContext(ctx, model.TenantHeader, "a/b"), &api_v2.GetServicesRequest{})
	if status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	none := api_v2.NewQueryServiceClient(dial(t, newTestAPI(t, emptySeries{}, nil)))
	_, err = none.GetServices(ctx, &api_v2.GetServicesRequest{})
	f("no traces kept", err, codes.NotFound, "this process keeps no traces")
}

// codec asks the messages of api_v2 to write and read themselves, as Jaeger's own clients do, and leaves bytes as they are: api_v3 has no package
// with its types.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) ([]byte, error) {
	if raw, ok := v.(*[]byte); ok {
		return *raw, nil
	}
	return v.(interface{ Marshal() ([]byte, error) }).Marshal()
}

func (codec) Unmarshal(data []byte, v any) error {
	if raw, ok := v.(*[]byte); ok {
		*raw = slices.Clone(data)
		return nil
	}
	return v.(interface{ Unmarshal([]byte) error }).Unmarshal(data)
}

// callV3 returns the messages that a call answers with.
func callV3(t *testing.T, conn *grpc.ClientConn, method string, request []byte) (out [][]byte, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/jaeger.api_v3.QueryService/"+method)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	for {
		var message []byte
		if err := stream.RecvMsg(&message); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, err
		}
		out = append(out, message)
	}
}

func protoTime(num uint32, t time.Time) []byte {
	return wire.AppendBytes(nil, num, wire.AppendVarint(nil, 1, uint64(t.Unix())))
}

// OpenTelemetry's own types read the answers of api_v3.
func TestJaegerGRPCv3(t *testing.T) {
	conn := dial(t, newSpansAPI(t, someSpans()))
	spans := func(messages [][]byte, err error) (out []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			var data tracev1.TracesData
			if err := proto.Unmarshal(m, &data); err != nil {
				t.Fatal(err)
			}
			for _, r := range data.ResourceSpans {
				for _, s := range r.ScopeSpans {
					for _, span := range s.Spans {
						out = append(out, r.Resource.Attributes[0].Value.GetStringValue()+" "+span.Name)
					}
				}
			}
		}
		return out
	}
	same := func(what string, got []string, want string) {
		t.Helper()
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", what, strings.Join(got, ", "), want)
		}
	}
	same("trace", spans(callV3(t, conn, "GetTrace", wire.AppendBytes(nil, 1, []byte("5f00000000000003")))), "front call, back call, back write")
	query := wire.AppendBytes(nil, 1, slices.Concat(wire.AppendBytes(nil, 1, []byte("shop")), protoTime(4, clock.Add(-time.Hour)), protoTime(5, clock), wire.AppendVarint(nil, 8, 1)))
	same("search", spans(callV3(t, conn, "FindTraces", query)), "shop POST /buy, shop cart, cart get, cart think")

	summaries, err := callV3(t, conn, "FindTraceSummaries", query)
	if err != nil || len(summaries) != 1 || !bytes.Contains(summaries[0], []byte("POST /buy")) || !bytes.Contains(summaries[0], []byte("ab000000000000000000000000000001")) {
		t.Errorf("summaries: %q %v", summaries, err)
	}
	for method, request := range map[string][]byte{"GetServices": nil, "GetOperations": wire.AppendBytes(nil, 1, []byte("shop")), "GetDependencies": append(protoTime(1, clock.Add(-time.Hour)), protoTime(2, clock)...)} {
		if out, err := callV3(t, conn, method, request); err != nil || len(out) != 1 || !bytes.Contains(out[0], []byte("cart")) {
			t.Errorf("%s: %q %v", method, out, err)
		}
	}
	filter := wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 10, nil))
	if _, err := callV3(t, conn, "FindTraces", filter); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "filter is not supported") {
		t.Error(err)
	}
}

// A trace that is longer than a message may be comes in several.
func TestJaegerGRPCLongTrace(t *testing.T) {
	g := model.SpanGroup{Resource: resource("a"), Scope: &model.Scope{}}
	for i := range 3000 {
		g.Spans = append(g.Spans, model.Span{TraceID: model.TraceID{15: 1}, ID: model.SpanID{6: byte(i >> 8), 7: byte(i)}, Start: ago(time.Second) + int64(i), Name: strings.Repeat("x", 2000)})
	}
	h := newSpansAPI(t, []model.SpanGroup{g})
	stream, err := api_v2.NewQueryServiceClient(dial(t, h)).GetTrace(t.Context(), &api_v2.GetTraceRequest{TraceID: idl.NewTraceID(0, 1)})
	if got := names(t, stream, err); len(got) != 3000 {
		t.Errorf("v2: %d spans", len(got))
	}
	messages, err := callV3(t, dial(t, h), "GetTrace", wire.AppendBytes(nil, 1, []byte("1")))
	if err != nil || len(messages) < 4 {
		t.Errorf("v3: %d messages, %v", len(messages), err)
	}
}

// Whatever is sent is answered with a status.
func FuzzJaegerGRPC(f *testing.F) {
	h := newSpansAPI(f, someSpans())
	for _, method := range []string{"GetTrace", "FindTraces", "FindTraceSummaries", "GetOperations", "GetDependencies"} {
		for _, version := range []string{"v2", "v3"} {
			f.Add(version, method, slices.Concat(wire.AppendBytes(nil, 1, slices.Concat(wire.AppendBytes(nil, 1, []byte("shop")), protoTime(4, clock.Add(-time.Hour)), protoTime(5, clock))), protoTime(2, clock)))
			f.Add(version, method, wire.AppendBytes(nil, 1, []byte("5f00000000000003")))
		}
	}
	f.Fuzz(func(t *testing.T, version, method string, message []byte) {
		if version != "v2" && version != "v3" || strings.ContainsAny(method, "/%? ") {
			return
		}
		body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.URL.Path = "/jaeger.api_" + version + ".QueryService/" + method
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
		r.Header.Set("Content-Type", "application/grpc")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return // no such call
		}
		switch w.Result().Trailer.Get("Grpc-Status") {
		case "0", "3", "5", "12":
		default:
			t.Errorf("%s %s: %v", version, method, w.Result().Trailer)
		}
	})
}
