package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// recorder writes down what is pushed. As the real sink, it changes streams in place.
type recorder struct {
	got     []string
	refuse  model.Refusals
	failure error
}

func (r *recorder) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	for i, s := range streams {
		for _, x := range s.Records {
			r.got = append(r.got, fmt.Sprintf("%s %d %q %s", model.FormatLabels(s.Labels), x.Time, x.Line, model.FormatLabels(x.Fields)))
		}
		clear(s.Records)
		streams[i] = model.Stream{}
	}
	return r.refuse, r.failure
}

func newTestServer(o Options, to Sink) *Server {
	reg := prometheus.NewRegistry()
	return New(o, intake.New(intake.Limits{}, reg), to, slog.New(slog.DiscardHandler), reg)
}

func do(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// lean is what Filebeat and Logstash ask for.
const lean = "?filter_path=errors,items.*.error,items.*.status"

func TestBulk(t *testing.T) {
	f := func(path, body, wantAnswer string, want ...string) {
		t.Helper()
		r := &recorder{}
		w := do(newTestServer(Options{}, r), "POST", path+lean, body)
		if got := w.Body.String(); got != wantAnswer {
			t.Errorf("the answer is %d %s, want %s", w.Code, got, wantAnswer)
		}
		if strings.Join(r.got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(r.got, "\n"), strings.Join(want, "\n"))
		}
	}
	const kept = `{"errors":false,"items":[{"create":{"status":201}}]}`
	// As Filebeat sends it.
	f("/_bulk", `{"create":{"_index":"filebeat-8.15.0"}}
{"@timestamp":"2023-11-14T22:13:20.123Z","host":{"name":"web1"},"log":{"offset":12,"file":{"path":"/var/log/x.log"}},"message":"one","agent":{"type":"filebeat","version":"8.15.0"},"tags":["a","b"],"input":{}}
`, kept, `{host_name="web1", index="filebeat-8.15.0", job="filebeat-8.15.0", log_file_path="/var/log/x.log"} 1700000000123000000 "one" {agent_type="filebeat", agent_version="8.15.0", log_offset="12", tags="[\"a\",\"b\"]"}`)
	// As Logstash: names with dots, dates in names of indexes, several streams.
	f("/_bulk", `{"index":{"_index":"logstash-2026.11.23","_id":"7","routing":null}}
{"@version":"1","@timestamp":"2023-11-14T22:13:20Z","message":"a \"b\"","service.name":"shop","x":null,"empty":""}
{"index":{"_index":"other_20261123"}}
{"@timestamp":1700000000001,"msg":"m","log":"l","n":1.5e3,"ok":true}
`, `{"errors":false,"items":[{"index":{"status":201}},{"index":{"status":201}}]}`,
		`{index="logstash", job="logstash", service_name="shop"} 1700000000000000000 "a \"b\"" {_version="1"}`,
		`{index="other", job="other"} 1700000000001000000 "l" {msg="m", n="1.5e3", ok="true"}`)
	// No line: the document is it, as it stands. The index is in the path; there are empty lines and carriage returns.
	f("/app/_bulk", "\n{\"create\":{}}\r\n {\"@timestamp\":\"2023-11-14 22:13:20.5\", \"host\":{\"name\":\"h\"},\"a\":{\"b\":1} } \r\n\n", kept,
		`{host_name="h", index="app", job="app"} 1700000000500000000 "{\"@timestamp\":\"2023-11-14 22:13:20.5\", \"host\":{\"name\":\"h\"},\"a\":{\"b\":1} }" {}`)
	// Vector's time, and a type as rsyslog has one.
	f("/app/events/_bulk", `{"create":{}}
{"timestamp":"2023-11-14T22:13:20Z","message":"m"}`, kept, `{index="app", job="app"} 1700000000000000000 "m" {}`)
	// What is wrong with one is told for it, in order; the others are kept.
	f("/_bulk", `{"delete":{"_index":"a","_id":"1"}}
{"create":{"_index":"a"}}
{"@timestamp":"yesterday","message":"m"}
{"create":{"_index":"a"}}
{"@timestamp":1700000000000,"message":"good"}
{"update":{"_index":"a","_id":"1"}}
{"doc":{}}
{"create":{}}
{"message":"m"}
{"create":{"_index":"a"}}
not JSON
`, `{"errors":true,"items":[{"delete":{"error":{"type":"illegal_argument_exception","reason":"the action delete is not taken, as records do not change: use index or create"},"status":400}},`+
		`{"create":{"error":{"type":"document_parsing_exception","reason":"cannot read the document: @timestamp: \"yesterday\" is not a time: write RFC 3339, such as 2026-11-23T05:57:05.123Z, or milliseconds since 1970"},"status":400}},`+
		`{"create":{"status":201}},`+
		`{"update":{"error":{"type":"illegal_argument_exception","reason":"the action update is not taken, as records do not change: use index or create"},"status":400}},`+
		`{"create":{"error":{"type":"action_request_validation_exception","reason":"the index is missing: name it in the action (_index) or in the path"},"status":400}},`+
		`{"create":{"error":{"type":"document_parsing_exception","reason":"cannot read the document: JSON at byte 0: here is null, not an object"},"status":400}}]}`,
		`{index="a", job="a"} 1700000000000000000 "good" {}`)
}

// TestBulkRefused is about requests of which nothing is kept.
func TestBulkRefused(t *testing.T) {
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		r := &recorder{}
		w := do(newTestServer(Options{MaxDocuments: 2}, r), method, path, body)
		var answer struct {
			Status int
			Error  struct {
				Type, Reason string
				Cause        []struct{ Type, Reason string } `json:"root_cause"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err, w.Body)
		}
		if w.Code != status || answer.Status != status || !strings.Contains(answer.Error.Reason, want) || answer.Error.Type == "" ||
			len(answer.Error.Cause) != 1 || answer.Error.Cause[0].Reason != answer.Error.Reason || len(r.got) > 0 {
			t.Errorf("%s %s: %d %s, kept %q; want %d, %s", method, path, w.Code, w.Body, r.got, status, want)
		}
	}
	f("POST", "/_bulk", "", 400, "no body")
	f("GET", "/_bulk", "", 405, "use POST or PUT")
	f("POST", "/a/_bulk", "{\"create\":{}}\n{\"message\":\"x\"}\n{\"message\":\"y\"}\n", 400, `line 3 is no action: "message" is none of`)
	f("POST", "/a/_bulk", "[]", 400, "line 1")
	f("POST", "/a/_bulk", "{}", 400, "it is empty")
	f("POST", "/a/_bulk", strings.Repeat("{\"create\":{}}\n{\"message\":\"x\"}\n", 3), 413, "max_documents")
	f("POST", "/a/_create", "{}", 400, "identifier is missing")
	f("POST", "/a/_search", "{}", 501, "LogQL")
	f("POST", "/_nothing", "{}", 404, "not here")
	f("DELETE", "/a", "", 405, "use GET")
	f("POST", "/a/_doc", `{"@timestamp":true}`, 400, "@timestamp")
	f("POST", "/a/_doc", `{"`+strings.Repeat("x", maxName+1)+`":1}`, 400, "at most 1024 bytes")
	f("POST", "/a/_doc", `{"m":`+strings.Repeat(`{"`+strings.Repeat("x", 500)+`":`, 3)+"1}}}}", 400, "at most 1024 bytes")
	f("POST", "/a/_doc", strings.Repeat(`{"x":`, 1000), 400, "nested too deeply")
}

// TestBusy checks what a sender gets when it should come back later.
func TestBusy(t *testing.T) {
	f := func(kind model.Kind, status int) {
		t.Helper()
		s := newTestServer(Options{}, &recorder{failure: model.NewError(kind, "full")})
		w := do(s, "POST", "/a/_bulk", "{\"create\":{}}\n{\"message\":\"x\"}\n")
		if w.Code != status || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"reason":"full"`) {
			t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
		}
		if n := testutil.ToFloat64(s.documents.WithLabelValues("busy")); n != 1 {
			t.Errorf("%v documents are counted", n)
		}
	}
	f(model.Limit, 429)
	f(model.Unavailable, 503)
}

// TestItemsOfRefusals checks that each refused record is told to the item that it came with.
func TestItemsOfRefusals(t *testing.T) {
	body := ""
	for _, doc := range []string{
		`{"@timestamp":3,"message":"late"}`, `{"@timestamp":1000,"message":"x"}`, `{"@timestamp":2,"message":"later"}`,
		`{"@timestamp":1,"message":"other stream","service.name":"s"}`, `{"@timestamp":2000,"message":"loooong"}`,
	} {
		body += "{\"create\":{\"_index\":\"a\"}}\n" + doc + "\n"
	}
	f := func(want string, refused ...model.Refusal) {
		t.Helper()
		s := newTestServer(Options{}, &recorder{refuse: refused})
		w := do(s, "POST", "/_bulk", body)
		var answer struct {
			Errors bool
			Items  []struct{ Create struct{ Status int } }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, it := range answer.Items {
			got += fmt.Sprint(it.Create.Status, " ")
		}
		if got != want || answer.Errors != strings.Contains(want, "4") {
			t.Errorf("got %s%v, want %s", got, answer.Errors, want)
		}
	}
	stream := func(why model.RefusalReason, labels string, n int) model.Refusal {
		return model.Refusal{Reason: why, Stream: labels, Count: n}
	}
	const a = `{index="a", job="a", service_name="a"}`
	f("201 201 201 201 201 ")
	f("400 201 400 201 201 ", stream(model.TooOld, a, 2))
	f("201 201 400 201 201 ", stream(model.TooOld, a, 1))
	f("201 201 201 400 201 ", stream(model.TooOld, `{index="a", job="a", service_name="s"}`, 1))
	f("201 201 201 201 400 ", stream(model.TooFarAhead, a, 1))
	f("201 201 400 201 400 ", stream(model.LineTooLong, a, 1), stream(model.TooOld, a, 1))
	f("429 429 429 201 429 ", stream(model.RateLimited, a, 4))
	f("400 400 400 400 400 ", stream(model.TooManyStreams, a, 5))
	f("201 201 400 400 201 ", stream(model.TooOld, "another", 2))
	f("201 201 201 201 201 ", stream(model.Duplicate, a, 2))
}

func TestDocument(t *testing.T) {
	f := func(method, path, want string) {
		t.Helper()
		r := &recorder{}
		w := do(newTestServer(Options{Labels: []string{"a.b"}}, r), method, path, "{\n\"a\":{\"b\":\"v\"},\n\"@timestamp\":5,\"message\":\"m\"}\n")
		var answer struct {
			Index  string `json:"_index"`
			ID     string `json:"_id"`
			Result string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 201 || answer.Result != "created" || answer.ID == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if fmt.Sprint(r.got) != want {
			t.Errorf("%s: got %v, want %s", path, r.got, want)
		}
	}
	const want = `[{a_b="v", index="app", job="app"} 5000000 "m" {}]`
	f("POST", "/app/_doc", want)
	f("PUT", "/app/_doc/1", want)
	f("PUT", "/app-2026.11.23/_create/a%2Fb", want)
	f("POST", "/app/events", want)
	f("POST", "/%3Capp-%7Bnow%2Fd%7D%3E/_doc/", want)
}

func TestGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, "{\"create\":{\"_index\":\"a\"}}\n{\"message\":\"x\"}\n")
	z.Close()
	r := httptest.NewRequest("POST", "/_bulk", &b)
	r.Header.Set("Content-Encoding", "gzip")
	w, to := httptest.NewRecorder(), &recorder{}
	newTestServer(Options{}, to).ServeHTTP(w, r)
	if w.Code != 200 || len(to.got) != 1 || w.Header().Get("X-Elastic-Product") != "Elasticsearch" {
		t.Errorf("%d %s %v", w.Code, w.Body, to.got)
	}
	for _, part := range []string{`"_index":"a"`, `"_id":"`, `"_shards":{"total":1,`, `"result":"created"`, `"status":201`, `"took":`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("%s is not in %s", part, w.Body)
		}
	}
}

func TestStreamOf(t *testing.T) {
	f := func(index, want string) {
		t.Helper()
		if got := streamOf(index); got != want {
			t.Errorf("%s: got %s, want %s", index, got, want)
		}
	}
	f("logstash-2026.11.23", "logstash")
	f("logstash-2026.47", "logstash")
	f("app-2026-11-23.04", "app")
	f("app_20261123", "app")
	f("filebeat-8.15.0-2026.11.23-000001", "filebeat-8.15.0")
	f("filebeat-8.15.0", "filebeat-8.15.0")
	f(".ds-logs-nginx.access-default-2026.11.23-000012", "logs-nginx.access-default")
	f("<app-{now/d}>", "app")
	f("app-2026", "app-2026")
	f("2026.11.23", "2026.11.23")
	f("é-2026.11.23", "é")
}

// TestHandshake checks that everything is answered that senders ask, with what they look for in it.
func TestHandshake(t *testing.T) {
	f := func(method, path, want string) {
		t.Helper()
		w := do(newTestServer(Options{}, &recorder{}), method, path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) || w.Header().Get("X-Elastic-Product") != "Elasticsearch" {
			t.Errorf("%s %s: %d %s, want %s", method, path, w.Code, w.Body, want)
		}
		if method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("HEAD %s has a body", path)
		}
	}
	f("GET", "/", `"tagline":"You Know, for Search"`)
	f("GET", "/?pretty", `"number":"8.`)
	f("HEAD", "/", "")
	f("GET", "/_license", `"status":"active"`)
	f("GET", "/_xpack", `"ilm":{"available":true,"enabled":true}`)
	f("GET", "/_nodes", `"nodes":{`)
	f("GET", "/_nodes/http", `"publish_address":"example.com"`)
	f("GET", "/_cluster/health", `"status":"green"`)
	f("HEAD", "/_cat/health", "")
	f("GET", "/_ilm/policy/filebeat", `{"filebeat":{`)
	f("PUT", "/_ilm/policy/filebeat", `{"acknowledged":true}`)
	f("HEAD", "/_index_template/x", "")
	f("GET", "/_index_template/x", `"name":"x"`)
	f("PUT", "/_index_template/x", `{"acknowledged":true}`)
	f("PUT", "/_component_template/x", `{"acknowledged":true}`)
	f("GET", "/_component_template/x", `"component_templates":[{`)
	f("GET", "/_template/x", `{"x":{`)
	f("PUT", "/_ingest/pipeline/x", `{"acknowledged":true}`)
	f("GET", "/_ingest/pipeline/x", `{"x":{`)
	f("GET", "/_ingest/pipeline", `{}`)
	f("GET", "/_data_stream/x", `"data_streams":[{`)
	f("PUT", "/_data_stream/x", `{"acknowledged":true}`)
	f("HEAD", "/_alias/x", "")
	f("HEAD", "/index", "")
	f("PUT", "/index", `"index":"index"`)
	f("POST", "/index/_refresh", `"_shards":`)
}

func TestFilter(t *testing.T) {
	f := func(filter string, want bool, path ...string) {
		t.Helper()
		if got := parseFilter(filter).wants(path...); got != want {
			t.Errorf("%q, %v: got %v", filter, path, got)
		}
	}
	f("", true, "took")
	f("errors,items.*.error", false, "took")
	f("errors,items.*.error", true, "items", "create", "error")
	f("items", true, "items", "create", "status")
	f("**.status", true, "items", "create", "status")
	f("-took", true, "errors")
	f("-took", false, "took")
	f("items.cr*.st*s", true, "items", "create", "status")
	f(strings.Repeat("*", 1000), true, "took")
}

// FuzzBulk checks that every answer is JSON, and has an item for each action in order.
func FuzzBulk(f *testing.F) {
	f.Add([]byte("{\"create\":{\"_index\":\"a\"}}\n{\"@timestamp\":\"2023-11-14T22:13:20.123Z\",\"a\":{\"b\":[1]},\"message\":\"\\u00e9\"}\n{\"delete\":{\"_id\":1}}\n"), "items.*.status")
	f.Add([]byte("{\"index\":{}}\n{\"@timestamp\":1.5e12,\"timestamp\":\"x\",\"log\":{\"x.y\":true}}"), "")
	f.Fuzz(func(t *testing.T, body []byte, filter string) {
		r := &recorder{}
		s := newTestServer(Options{}, r)
		req := httptest.NewRequest("POST", "/<a-{x}>/_bulk", bytes.NewReader(body))
		req.URL.RawQuery = "filter_path=" + filter
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		var answer struct {
			Items []map[string]struct{ Status int }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 && w.Code != 400 {
			t.Fatalf("%d %v %s", w.Code, err, w.Body)
		}
		if w.Code != 200 || filter != "" {
			return
		}
		kept := 0
		for _, it := range answer.Items {
			for _, of := range it {
				if of.Status == 201 {
					kept++
				}
			}
		}
		if kept != len(r.got) {
			t.Fatalf("%d items are kept, and %d records", kept, len(r.got))
		}
	})
}
