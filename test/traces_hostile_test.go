package test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// oneSpan is an export of a span that began a minute ago, changed by change.
func oneSpan(t *testing.T, change func(ptrace.Span)) []byte {
	t.Helper()
	out := ptrace.NewTraces()
	rs := out.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "hostile")
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{15: 1})
	s.SetSpanID(pcommon.SpanID{7: 1})
	s.SetName("x")
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-time.Minute)))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	change(s)
	body, err := ptraceotlp.NewExportRequestFromTraces(out).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// What is malformed or made to harm gets an answer that says what is wrong, and what is merely odd is kept.
func TestTracesHostile(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	f := func(name string, change func(ptrace.Span), status int, text string) {
		t.Helper()
		if got := postTraces(t, p, oneSpan(t, change), status); !strings.Contains(got, text) {
			t.Errorf("%s: %.300q", name, got)
		}
	}
	f("deep nesting", func(s ptrace.Span) {
		v := s.Attributes().PutEmpty("deep")
		for range 1000 {
			v = v.SetEmptySlice().AppendEmpty()
		}
	}, 400, "nested too deeply")
	f("10 MB attribute", func(s ptrace.Span) { s.Attributes().PutStr("big", strings.Repeat("x", 10<<20)) }, 200, "storage.traces.max_span_size")
	f("no trace id", func(s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) }, 200, "trace id")
	f("no span id", func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{}) }, 200, "span id")
	f("a clock that is ahead", func(s ptrace.Span) { s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(3 * time.Hour))) }, 200, "ahead")
	f("no time", func(s ptrace.Span) { s.SetStartTimestamp(0) }, 200, "1970")
	f("a span that ends before it begins", func(s ptrace.Span) { s.SetEndTimestamp(s.StartTimestamp() - 1e9) }, 200, "")
	f("its own parent", func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{7: 2}); s.SetParentSpanID(pcommon.SpanID{7: 2}) }, 200, "")
	f("a cycle of parents", func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{7: 3}); s.SetParentSpanID(pcommon.SpanID{7: 4}) }, 200, "")
	f("a cycle of parents", func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{7: 4}); s.SetParentSpanID(pcommon.SpanID{7: 3}) }, 200, "")
	for _, body := range []string{"\x0a\x05ab", "not protocol buffers", strings.Repeat("\xff", 1000)} {
		postTraces(t, p, []byte(body), 400)
	}
	if n := getTrace(t, p, fmt.Sprintf("%032x", 1)).SpanCount(); n != 4 {
		t.Errorf("%d spans are kept, not 4", n)
	}
	for _, query := range []string{`{} >> {}`, `{} << {}`, `{} ~ {}`, `{nestedSetParent < 0}`, `{} | count() > 2`, `{duration < 0s}`} {
		searchTraces(t, p, query) // cycles end
	}
}

// A trace of very many spans is taken, and shown as far as a browser can: the answer says that it is not all.
func TestTraceOfVeryManySpans(t *testing.T) {
	n := 120_000
	if more, err := strconv.Atoi(os.Getenv("TEST_TRACE_SPANS")); err == nil {
		n = more
	}
	p := harness.Start(t, harness.Options{})
	const perPush = 5000
	for at := 0; at < n; at += perPush {
		out := ptrace.NewTraces()
		rs := out.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "loop")
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for i := at; i < at+perPush; i++ {
			s := spans.AppendEmpty()
			s.SetTraceID(pcommon.TraceID{15: 9})
			s.SetSpanID(pcommon.SpanID{0: 1, 4: byte(i >> 24), 5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i)})
			if i > 0 {
				s.SetParentSpanID(pcommon.SpanID{0: 1})
			}
			s.SetName("turn")
			start := time.Now().Add(-10*time.Minute + time.Duration(i)*time.Microsecond)
			s.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
			s.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Microsecond)))
		}
		body, err := ptraceotlp.NewExportRequestFromTraces(out).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		postTraces(t, p, body, 200)
	}
	flush(t, p.URL)
	code, body := p.Get(t, "/api/v2/traces/"+fmt.Sprintf("%032x", 9))
	if spans := strings.Count(body, `"spanId"`); code != http.StatusOK || spans != 50_000 || !strings.Contains(body, `"status":1,"message":"the trace has more spans`) {
		t.Errorf("%d: %d spans", code, spans)
	}
	if found := searchTraces(t, p, `{resource.service.name = "loop"} | count() > 10`); len(found) != 1 {
		t.Errorf("found %v", found)
	}
	code, body = p.Get(t, "/api/metrics/query?q="+url.QueryEscape(`{resource.service.name = "loop"} | count_over_time()`))
	if want := `"value":` + strconv.FormatFloat(float64(n), 'g', -1, 64) + "}"; code != 200 || !strings.Contains(body, want) {
		t.Errorf("%d %.300s", code, body)
	}
}
