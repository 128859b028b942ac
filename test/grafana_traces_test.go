package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/hulotte-dev/hulotte/test/harness"
)

const (
	shopTrace = "5b8efff798038103d269b633813fc60c"
	shortID   = "00000000000000000af7651916cd43dd"
)

// tracesServer returns a process that holds two traces of OpenTelemetry's exporters: a purchase in a shop that calls a cart, which fails; and one of the
// shop alone, whose id has 64 bits.
func tracesServer(t *testing.T) (*harness.Process, time.Time) {
	t.Helper()
	end := time.Now().Truncate(time.Second)
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\n"})
	span := func(trace, id, parent, name string, kind int, before time.Duration, rest string) string {
		at := end.Add(-before).UnixNano()
		return fmt.Sprintf(`{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":%q,"kind":%d,"startTimeUnixNano":"%d","endTimeUnixNano":"%d"%s}`, trace, id, parent, name, kind, at, at+25e6, rest)
	}
	group := func(service string, spans ...string) string {
		return fmt.Sprintf(`{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%q}}]},"scopeSpans":[{"scope":{"name":"lib","version":"1"},"spans":[%s]}]}`, service, strings.Join(spans, ","))
	}
	body := `{"resourceSpans":[` +
		group("shop/eu",
			span(shopTrace, "eee19b7ec3c1b174", "", "POST /buy", 2, 5*time.Minute, `,"attributes":[{"key":"http.status_code","value":{"intValue":"500"}}],"events":[{"timeUnixNano":"`+fmt.Sprint(end.Add(-5*time.Minute).UnixNano())+`","name":"retry"}]`),
			span(shopTrace, "eee19b7ec3c1b175", "eee19b7ec3c1b174", "cart", 3, 5*time.Minute, `,"attributes":[{"key":"peer.service","value":{"stringValue":"cart"}}]`),
			span(shortID, "00000000000000a1", "", "GET /", 2, 10*time.Minute, ``)) + "," +
		group("cart", span(shopTrace, "eee19b7ec3c1b176", "eee19b7ec3c1b175", "add", 2, 5*time.Minute, `,"status":{"code":2,"message":"no stock"}`)) + `]}`
	res, err := http.Post(p.URL+"/v1/traces", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the traces are not taken: %s", res.Status)
	}
	return p, end
}

// The calls that the pages of Jaeger and Zipkin and Grafana's data sources for both make: their paths and parameters, and what they read of the answers. None of
// them is run here.
func TestTraceCalls(t *testing.T) {
	p, end := tracesServer(t)
	c := &contract{T: t, base: p.URL, end: end, root: "/"}
	const during, v3 = "start=$S000000&end=$E000000", "query.start_time_min=$FROM&query.start_time_max=$TO"
	stamps := strings.NewReplacer("$FROM", end.Add(-30*time.Minute).UTC().Format(time.RFC3339Nano), "$TO", end.UTC().Format(time.RFC3339Nano))

	// Grafana's Jaeger data source, and Jaeger's pages of 1.x.
	c.ask("services", "api/services", "", `data = ["cart","shop/eu"]`, `total = 2`, `errors = null`)
	c.ask("operations", "api/services/shop%2Feu/operations", "", `data = ["GET /","POST /buy","cart"]`)
	c.ask("operations by kind", "api/operations?service=shop%2Feu&spanKind=client", "", `data = [{"name":"cart","spanKind":"client"}]`)
	c.ask("search", "api/traces?service=shop%2Feu&limit=20&lookback=1h&maxDuration&minDuration&"+during, "",
		`data.# = 2`, `data.0.traceID = `+shopTrace, `data.0.spans.# = 3`, `data.1.traceID = 0af7651916cd43dd`, `data.0.processes.p1.serviceName ~ shop/eu|cart`)
	c.ask("search by tags", "api/traces?service=shop%2Feu&operation=POST+%2Fbuy&limit=20&tags="+q(`{"http.status_code":"500"}`)+"&"+during, "", `data.# = 1`)
	c.ask("search of failures", "api/traces?service=cart&limit=20&tags="+q(`{"error":"true"}`)+"&"+during, "", `data.# = 1`)
	c.ask("search of long ones", "api/traces?service=cart&limit=20&minDuration=1s&"+during, "", `data.# = 0`)
	c.ask("trace", "api/traces/"+shopTrace, "", `data.0.spans.[operationName=add].references.0.spanID = eee19b7ec3c1b175`,
		`data.0.spans.[operationName=add].tags.[value=no stock].key = otel.status_description`, `data.0.spans.[operationName=add].duration = 25000`,
		`data.0.spans.[operationName=POST /buy].logs.0.fields.0.value = retry`)
	c.ask("trace of 64 bits", "jaeger/api/traces/0af7651916cd43dd", "", `data.0.spans.# = 1`)
	c.ask("dependencies", "api/dependencies?endTs=$E000&lookback=86400000", "", `data = [{"callCount":1,"child":"cart","parent":"shop/eu"}]`)

	// Jaeger's pages of 2.x.
	c.ask("services", "api/v3/services", "", `services = ["cart","shop/eu"]`)
	c.ask("operations", "api/v3/operations?service=cart", "", `operations = [{"name":"add","spanKind":"server"}]`)
	c.ask("search", stamps.Replace("api/v3/traces?query.service_name=cart&query.num_traces=20&"+v3), "", `result.resourceSpans.# = 2`)
	c.ask("summaries", stamps.Replace("api/v3/trace-summaries?query.service_name=cart&"+v3), "", `summaries.0.traceId = `+shopTrace, `summaries.0.spanCount = 3`, `summaries.0.errorSpanCount = 1`)
	c.ask("trace", "api/v3/traces/"+shopTrace, "", `result.resourceSpans.0.scopeSpans.0.scope.name = lib`)

	// Grafana's Zipkin data source, and Zipkin's pages.
	c.ask("services", "api/v2/services", "", `# = 2`, `0 = cart`, `1 = shop/eu`)
	c.ask("spans", "api/v2/spans?serviceName=shop%2Feu", "", `# = 3`, `1 = POST /buy`)
	c.ask("remote services", "zipkin/api/v2/remoteServices?serviceName=shop%2Feu", "", `# = 1`, `0 = cart`)
	c.ask("search", "zipkin/api/v2/traces?serviceName=cart&annotationQuery=error&lookback=900000&endTs=$E000&limit=10", "", `# = 1`, `0.# = 3`)
	c.ask("trace", "api/v2/trace/0af7651916cd43dd", "", `0.id = 00000000000000a1`, `0.localEndpoint.serviceName = shop/eu`, `0.kind = SERVER`)
	c.ask("trace by the long id", "api/v2/trace/"+shortID, "", `0.traceId = 0af7651916cd43dd`)
	c.ask("dependencies", "zipkin/api/v2/dependencies?endTs=$E000&lookback=86400000", "", `# = 1`, `0 = {"callCount":1,"child":"cart","errorCount":1,"parent":"shop/eu"}`)
	c.ask("configuration of the pages", "zipkin/config.json", "", `searchEnabled = true`)

	// What is pushed to the same paths, and Alertmanager's API beside Zipkin's, stay where they are.
	if code, body := p.Get(t, "/api/v2/status"); code != http.StatusOK || !strings.Contains(body, "versionInfo") {
		t.Errorf("Alertmanager's status: %d %s", code, body)
	}
}

// What comes in as Zipkin's comes out as it was: ids of 64 bits, a span that a client and a server share, endpoints, annotations, debug.
func TestZipkinRoundTrip(t *testing.T) {
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\n"})
	at := time.Now().Add(-time.Minute).UnixMicro()
	sent := fmt.Sprintf(`[
		{"traceId":"86154a4ba6e91385","id":"4d1e00c0db9010db","kind":"CLIENT","name":"get /api","timestamp":%[1]d,"duration":207000,"debug":true,
			"localEndpoint":{"serviceName":"frontend","ipv4":"127.0.0.1","port":8081},"remoteEndpoint":{"serviceName":"backend","ipv6":"2001:db8::1","port":9000},
			"annotations":[{"timestamp":%[2]d,"value":"ws"}],"tags":{"http.path":"/api","error":"timeout","otel.status_code":"ERROR"}},
		{"traceId":"86154a4ba6e91385","id":"4d1e00c0db9010db","kind":"SERVER","name":"get /api","timestamp":%[2]d,"duration":1,"localEndpoint":{"serviceName":"backend"},"shared":true},
		{"traceId":"86154a4ba6e91385","parentId":"4d1e00c0db9010db","id":"00000000000000aa","name":"query","timestamp":%[3]d,"localEndpoint":{"serviceName":"backend"}}]`, at, at+5, at+9)
	res, err := http.Post(p.URL+"/api/v2/spans", "application/json", strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("the spans are not taken: %s", res.Status)
	}
	code, got := p.Get(t, "/api/v2/trace/86154a4ba6e91385")
	if code != http.StatusOK || !sameSpans(t, got, sent) {
		t.Errorf("%d\n got %s\nwant %s", code, got, sent)
	}
	if code, got := p.Get(t, "/zipkin/api/v2/dependencies?endTs="+fmt.Sprint(at/1000+60_000)); code != http.StatusOK || got != `[{"parent":"frontend","child":"backend","callCount":1}]` {
		t.Errorf("dependencies: %d %s", code, got)
	}
}

// sameSpans compares lists of spans in any order.
func sameSpans(t *testing.T, a, b string) bool {
	t.Helper()
	var lists [2][]map[string]any
	for i, text := range []string{a, b} {
		if err := json.Unmarshal([]byte(text), &lists[i]); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		slices.SortFunc(lists[i], func(x, y map[string]any) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	}
	return reflect.DeepEqual(lists[0], lists[1])
}

// gogo asks messages to write and read themselves, as Jaeger's clients do.
type gogo struct{}

func (gogo) Name() string { return "proto" }

func (gogo) Marshal(v any) ([]byte, error) {
	return v.(interface{ Marshal() ([]byte, error) }).Marshal()
}

func (gogo) Unmarshal(data []byte, v any) error {
	return v.(interface{ Unmarshal([]byte) error }).Unmarshal(data)
}

// Jaeger's client of gRPC reads traces on our own port.
func TestJaegerClient(t *testing.T) {
	p, end := tracesServer(t)
	at, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(at.Host, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(gogo{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := api_v2.NewQueryServiceClient(conn)
	search := func(ctx context.Context) (names []string) {
		t.Helper()
		stream, err := client.FindTraces(ctx, &api_v2.FindTracesRequest{Query: &api_v2.TraceQueryParameters{ServiceName: "cart", StartTimeMin: end.Add(-time.Hour), StartTimeMax: end}})
		if err != nil {
			t.Fatal(err)
		}
		for {
			chunk, err := stream.Recv()
			if err != nil {
				slices.Sort(names)
				return names
			}
			for _, s := range chunk.Spans {
				kind, _ := model.KeyValues(s.Tags).FindByKey("span.kind")
				names = append(names, s.OperationName+" "+kind.VStr)
			}
		}
	}
	if got := fmt.Sprint(search(t.Context())); got != "[POST /buy server add server cart client]" {
		t.Errorf("found %s", got)
	}
	if got := search(metadata.AppendToOutgoingContext(t.Context(), "x-scope-orgid", "other")); len(got) > 0 {
		t.Errorf("another tenant has %q", got)
	}
}
