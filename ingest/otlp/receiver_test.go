package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// recorder writes down what is pushed.
type recorder struct {
	got     []string
	refuse  model.Refusals
	failure error
}

func (r *recorder) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	for _, s := range streams {
		for _, x := range s.Records {
			fields := model.SortFields(append([]model.Field(nil), x.Fields...))
			r.got = append(r.got, fmt.Sprintf("%s %d %q %s", model.FormatLabels(s.Labels), x.Time, x.Line, model.FormatLabels(fields)))
		}
	}
	return r.refuse, r.failure
}

func newTestReceiver(to Sink) *Receiver {
	reg := prometheus.NewRegistry()
	return New(Options{}, intake.New(intake.Limits{}, reg), to, slog.New(slog.DiscardHandler), reg)
}

func testLogs() plogotlp.ExportRequest {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	rl.Resource().Attributes().PutStr("os.type", "linux")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib")
	sl.Scope().SetVersion("1.2")
	sl.Scope().Attributes().PutBool("a.b", true)
	r := sl.LogRecords().AppendEmpty()
	r.SetTimestamp(1_700_000_000_000_000_001)
	r.SetObservedTimestamp(1_700_000_000_000_000_002)
	r.SetSeverityNumber(plog.SeverityNumberError)
	r.SetSeverityText("ERR")
	r.SetTraceID(pcommon.TraceID{1, 2, 15: 0xff})
	r.SetSpanID(pcommon.SpanID{7: 9})
	r.SetFlags(plog.LogRecordFlags(1))
	r.SetDroppedAttributesCount(3)
	r.SetEventName("ev")
	r.Body().SetStr("it broke")
	r.Attributes().PutInt("http.status", 500)
	r.Attributes().PutDouble("took", 1.5)
	r.Attributes().PutEmptyBytes("raw").FromRaw([]byte("hi"))
	m := r.Attributes().PutEmptyMap("user")
	m.PutStr("name", "ann")
	m.PutEmptyMap("address").PutStr("city", "Lyon")
	r.Attributes().PutEmptySlice("tags").AppendEmpty().SetStr("x\"y")
	second := sl.LogRecords().AppendEmpty()
	second.SetObservedTimestamp(5)
	body := second.Body().SetEmptyMap()
	body.PutStr("msg", "é\n")
	body.PutInt("n", -1)
	body.PutEmptySlice("l").AppendEmpty().SetDouble(0.5)
	return plogotlp.NewExportRequestFromLogs(logs)
}

var testLogsWant = []string{
	`{service_name="shop"} 1700000000000000001 "it broke" {a_b="true", dropped_attributes_count="3", event_name="ev", flags="1", http_status="500", ` +
		`observed_timestamp="1700000000000000002", os_type="linux", raw="aGk=", scope_name="lib", scope_version="1.2", severity_number="17", severity_text="ERR", ` +
		`span_id="0000000000000009", tags="[\"x\\\"y\"]", took="1.5", trace_id="010200000000000000000000000000ff", user_address_city="Lyon", user_name="ann"}`,
	`{service_name="shop"} 5 "{\"msg\":\"é\\n\",\"n\":-1,\"l\":[0.5]}" {a_b="true", observed_timestamp="5", os_type="linux", scope_name="lib", scope_version="1.2"}`,
}

func (r *recorder) check(t *testing.T, want []string) {
	t.Helper()
	if strings.Join(r.got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(r.got, "\n"), strings.Join(want, "\n"))
	}
}

func post(h http.Handler, contentType string, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHTTP(t *testing.T) {
	raw, err := testLogs().MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	text, err := testLogs().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(raw)
	_ = z.Close()
	f := func(contentType string, body []byte, answer string, header ...string) {
		t.Helper()
		to := &recorder{}
		h := newTestReceiver(to).Logs()
		for range 2 { // with fresh memory and with used
			to.got = nil
			w := post(h, contentType, body, header...)
			if w.Code != 200 || w.Body.String() != answer || w.Header().Get("Content-Type") != strings.Split(contentType, ";")[0] {
				t.Fatalf("%d %q %s", w.Code, w.Body, w.Header())
			}
			to.check(t, testLogsWant)
		}
	}
	f(typeProtobuf, raw, "")
	f(typeProtobuf, packed.Bytes(), "", "Content-Encoding", "gzip")
	f(typeJSON, text, "{}")
	f("application/json; charset=utf-8", text, "{}")
}

func TestJSONForms(t *testing.T) {
	f := func(record, want string) {
		t.Helper()
		to := &recorder{}
		text := `{"resource_logs":[{"scopeLogs":[{"logRecords":[` + record + `],"scope":{"name":"late"}}],"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"schemaUrl":"x"}]}`
		if w := post(newTestReceiver(to).Logs(), typeJSON, []byte(text)); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		to.check(t, []string{`{service_name="s"} ` + want})
	}
	f(`{"timeUnixNano":"5","body":{"stringValue":"x"}}`, `5 "x" {scope_name="late"}`)
	f(`{"time_unix_nano":1e3,"severityNumber":"SEVERITY_NUMBER_WARN2","body":null}`, `1000 "" {scope_name="late", severity_number="14"}`)
	f(`{"timeUnixNano":"5","traceId":"","spanId":"0000000000000000","body":{"bytesValue":"aGk="}}`, `5 "aGk=" {scope_name="late"}`)
	f(`{"timeUnixNano":"5","body":{"doubleValue":"NaN"}}`, `5 "NaN" {scope_name="late"}`)
	f(`{"timeUnixNano":"5","body":{"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{"values":[{"boolValue":true},{"intValue":"-3"},{},{"bytesValue":"aGk"}]}}}]}}}`,
		`5 "{\"a\":[true,-3,null,\"aGk=\"]}" {scope_name="late"}`)
}

func TestHTTPRefuses(t *testing.T) {
	raw, _ := testLogs().MarshalProto()
	f := func(contentType string, body []byte, to *recorder, status int, text string) {
		t.Helper()
		w := post(newTestReceiver(to).Logs(), contentType, body)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if again := status == 429 || status == 503; (w.Header().Get("Retry-After") != "") != again {
			t.Errorf("Retry-After is %q with %d", w.Header().Get("Retry-After"), status)
		}
	}
	f("text/plain", raw, &recorder{}, 415, "use application/x-protobuf")
	f(typeProtobuf, []byte("\x0a\x05ab"), &recorder{}, 400, "middle of a field")
	f(typeJSON, []byte(`{"resourceLogs":[{]}`), &recorder{}, 400, `"code":3`)
	f(typeJSON, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}`), &recorder{}, 400, "traceId is")
	f(typeProtobuf, raw, &recorder{failure: model.NewError(model.Limit, "too fast")}, 429, "too fast")
	f(typeProtobuf, raw, &recorder{failure: model.NewError(model.Unavailable, "busy")}, 503, "busy")
	f(typeProtobuf, raw, &recorder{failure: fmt.Errorf("broken")}, 503, "broken")
	f(typeProtobuf, nested(1000), &recorder{}, 400, "nested too deeply")
}

// nested is an export whose body is a list within a list, n times.
func nested(n int) []byte {
	value := plog.NewLogs()
	v := value.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body()
	for range n {
		v = v.SetEmptySlice().AppendEmpty()
	}
	raw, err := plogotlp.NewExportRequestFromLogs(value).MarshalProto()
	if err != nil {
		panic(err)
	}
	return raw
}

func TestPartialSuccess(t *testing.T) {
	raw, _ := testLogs().MarshalProto()
	to := &recorder{refuse: model.Refusals{{Reason: model.LineTooLong, Stream: "{}", Count: 2, Text: "too long"}}}
	w := post(newTestReceiver(to).Logs(), typeProtobuf, raw)
	answer := plogotlp.NewExportResponse()
	if err := answer.UnmarshalProto(w.Body.Bytes()); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	if p := answer.PartialSuccess(); p.RejectedLogRecords() != 2 || !strings.Contains(p.ErrorMessage(), "too long") {
		t.Errorf("got %d %s", p.RejectedLogRecords(), p.ErrorMessage())
	}
	text, _ := testLogs().MarshalJSON()
	w = post(newTestReceiver(to).Logs(), typeJSON, text)
	if !json.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), `"rejectedLogRecords":2`) {
		t.Errorf("got %s", w.Body)
	}
}

// dial serves gRPC without TLS, and returns a client of grpc-go.
func dial(t *testing.T, to Sink) plogotlp.GRPCClient {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	mux := http.NewServeMux()
	mux.Handle(LogsService, newTestReceiver(to).LogsGRPC())
	s := &http.Server{Handler: mux, Protocols: protocols}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return plogotlp.NewGRPCClient(conn)
}

func TestGRPC(t *testing.T) {
	for _, o := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
		to := &recorder{}
		answer, err := dial(t, to).Export(t.Context(), testLogs(), o...)
		if err != nil || answer.PartialSuccess().RejectedLogRecords() != 0 {
			t.Fatal(answer, err)
		}
		to.check(t, testLogsWant)
	}
	to := &recorder{refuse: model.Refusals{{Reason: model.LineTooLong, Count: 2, Text: "too long"}}}
	answer, err := dial(t, to).Export(t.Context(), testLogs())
	if err != nil || answer.PartialSuccess().RejectedLogRecords() != 2 {
		t.Error(answer, err)
	}
}

func TestGRPCErrors(t *testing.T) {
	f := func(failure error, code codes.Code, retry time.Duration) {
		t.Helper()
		_, err := dial(t, &recorder{failure: failure}).Export(t.Context(), testLogs())
		s := status.Convert(err)
		if s.Code() != code || s.Message() != failure.Error() {
			t.Errorf("got %v", err)
		}
		var got time.Duration
		for _, d := range s.Details() {
			if info, ok := d.(*errdetails.RetryInfo); ok {
				got = info.RetryDelay.AsDuration()
			}
		}
		if got != retry {
			t.Errorf("%v: retry after %s, want %s", failure, got, retry)
		}
	}
	f(model.NewError(model.Limit, "too fast: 100 % \u00e9"), codes.ResourceExhausted, 2*time.Second)
	f(model.NewError(model.Unavailable, "busy"), codes.Unavailable, 2*time.Second)
	f(model.NewError(model.Invalid, "wrong"), codes.InvalidArgument, 0)
	f(fmt.Errorf("broken"), codes.Unavailable, 2*time.Second)
}

func TestGRPCRefusesOthers(t *testing.T) {
	h := newTestReceiver(&recorder{}).LogsGRPC()
	if w := post(h, typeProtobuf, nil); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("got %d", w.Code)
	}
	f := func(body string, encoding string, code string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, LogsService, strings.NewReader(body))
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", "application/grpc+proto")
		r.Header.Set("Grpc-Encoding", encoding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Result().Trailer.Get("Grpc-Status"); got != code {
			t.Errorf("got %q: %s", got, w.Result().Trailer.Get("Grpc-Message"))
		}
	}
	f("", "", "3")
	f("\x00\x00\x00\x00\x05ab", "", "3")
	f("\x07\x00\x00\x00\x00", "", "3")
	f("\x01\x00\x00\x00\x01x", "gzip", "3")
	f("\x01\x00\x00\x00\x01x", "lzma", "12")
	f("\x00\x00\x00\x00\x00", "", "0")
}

// FuzzLogs checks that whatever OpenTelemetry's own package reads is read here, and nothing panics.
func FuzzLogs(f *testing.F) {
	raw, _ := testLogs().MarshalProto()
	text, _ := testLogs().MarshalJSON()
	f.Add(raw, false)
	f.Add(text, true)
	f.Add(nested(50), false)
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		to := &recorder{}
		contentType := typeProtobuf
		if isJSON {
			contentType = typeJSON
		}
		w := post(newTestReceiver(to).Logs(), contentType, body)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if isJSON || w.Code != 200 {
			return
		}
		theirs := plogotlp.NewExportRequest()
		if theirs.UnmarshalProto(body) == nil && theirs.Logs().LogRecordCount() != len(to.got) {
			t.Fatalf("%d records, theirs are %d", len(to.got), theirs.Logs().LogRecordCount())
		}
	})
}
