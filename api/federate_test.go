package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage/remote"
)

const federated = `
load 1m
  up{job="node",instance="a"} 1 1 1
  up{job="node",instance="b"} 1 0 stale
  other{instance="<\"x\">"} 2 3 4
  native {{schema:0 sum:5 count:3 buckets:[1 2]}}x2
  custom {{schema:-53 sum:5 count:6 custom_values:[1 2.5] buckets:[1 2 3]}}x2
  old 1 _ _
`

func federateAPI(t *testing.T, change func(*Options)) http.Handler {
	return newTestAPI(t, loadSeries(t, federated), func(o *Options) {
		o.Now = func() time.Time { return time.Unix(150, 0) }
		o.LookbackDelta = 2 * time.Minute
		o.ExternalLabels = func() labels.Labels { return labels.FromStrings("cluster", "c1", "job", "outer") }
		if change != nil {
			change(o)
		}
	})
}

func TestFederateText(t *testing.T) {
	h := federateAPI(t, nil)
	f := func(query, want string, header ...string) {
		t.Helper()
		if w := do(t, h, "GET", "/federate?"+query, "", header...); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d\n got %s\nwant %s", query, w.Code, w.Body, want)
		}
	}
	f("match[]=up", "# TYPE up untyped\nup{instance=\"a\",job=\"node\",cluster=\"c1\"} 1 120000\n")
	f("match[]=other&match[]=up&match[]=other", "# TYPE other untyped\nother{instance=\"<\\\"x\\\">\",cluster=\"c1\",job=\"outer\"} 4 120000\n"+
		"# TYPE up untyped\nup{instance=\"a\",job=\"node\",cluster=\"c1\"} 1 120000\n")
	f("match[]=old", "") // outside of the lookback
	f("match[]=native", "")
	f("", "")
	f("match[]=custom", "# TYPE custom histogram\n"+
		`custom_bucket{cluster="c1",instance="",job="outer",le="1"} 1 120000`+"\n"+
		`custom_bucket{cluster="c1",instance="",job="outer",le="2.5"} 3 120000`+"\n"+
		`custom_bucket{cluster="c1",instance="",job="outer",le="+Inf"} 6 120000`+"\n"+
		`custom_sum{cluster="c1",instance="",job="outer"} 5 120000`+"\n"+
		`custom_count{cluster="c1",instance="",job="outer"} 6 120000`+"\n")
	f("match[]=up", "# TYPE up unknown\nup{instance=\"a\",job=\"node\",cluster=\"c1\"} 1.0 120.0\n# EOF\n", "Accept", "application/openmetrics-text; version=1.0.0")
}

func TestFederateProtobuf(t *testing.T) {
	w := do(t, federateAPI(t, nil), "GET", "/federate?match[]=native&match[]=up", "", "Accept", `application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited`)
	dec := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header()))
	var names []string
	for {
		var mf dto.MetricFamily
		err := dec.Decode(&mf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, mf.GetName()+" "+mf.GetType().String())
		if h := mf.GetMetric()[0].GetHistogram(); h != nil && (h.GetSampleCountFloat() != 3 || len(h.GetPositiveCount()) != 2 || len(h.GetPositiveSpan()) != 1) {
			t.Errorf("histogram: %v", h)
		}
	}
	if got := strings.Join(names, ", "); got != "native HISTOGRAM, up UNTYPED" {
		t.Errorf("families: %s", got)
	}
}

func TestFederateErrors(t *testing.T) {
	h := federateAPI(t, func(o *Options) { o.Limits.FederateSeries = 2 })
	f := func(query string, status int, text string) {
		t.Helper()
		if w := do(t, h, "GET", "/federate?"+query, ""); w.Code != status || !strings.Contains(w.Body.String(), text) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	f("match[]=x{", 400, "parse error")
	f("match[]={a=%22%22}", 400, "at least one non-empty matcher")
	f("match[]={__name__=~%22.%2B%22}", 400, "more than 2 series match")
}

func readRequest(types ...prompb.ReadRequest_ResponseType) *prompb.ReadRequest {
	return &prompb.ReadRequest{AcceptedResponseTypes: types, Queries: []*prompb.Query{{
		StartTimestampMs: 0, EndTimestampMs: 200_000,
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "__name__", Value: "up"}, {Type: prompb.LabelMatcher_EQ, Name: "cluster", Value: "c1"}},
	}}}
}

func remoteRead(t *testing.T, h http.Handler, req *prompb.ReadRequest) *httptest.ResponseRecorder {
	t.Helper()
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return do(t, h, "POST", "/api/v1/read", string(snappy.Encode(nil, body)), "Content-Encoding", "snappy", "Content-Type", "application/x-protobuf", "X-Scope-OrgID", "default")
}

func TestRemoteReadSamples(t *testing.T) {
	w := remoteRead(t, federateAPI(t, nil), readRequest())
	body, err := snappy.Decode(nil, w.Body.Bytes())
	if err != nil {
		t.Fatalf("%d %v %s", w.Code, err, w.Body)
	}
	var res prompb.ReadResponse
	if err := res.Unmarshal(body); err != nil {
		t.Fatal(err)
	}
	series := res.Results[0].Timeseries
	if len(series) != 2 || len(series[0].Samples) != 3 || !strings.Contains(series[0].String(), "cluster") {
		t.Errorf("answer: %v", res.String())
	}
}

func TestRemoteReadChunks(t *testing.T) {
	w := remoteRead(t, federateAPI(t, nil), readRequest(prompb.ReadRequest_STREAMED_XOR_CHUNKS))
	if ct := w.Header().Get("Content-Type"); !strings.HasPrefix(ct, "application/x-streamed-protobuf") || w.Header().Get("Content-Encoding") != "" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	r := remote.NewChunkedReader(w.Body, 1<<20, nil)
	frames := 0
	for {
		var res prompb.ChunkedReadResponse
		err := r.NextProto(&res)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		frames++
		if len(res.ChunkedSeries) != 1 || len(res.ChunkedSeries[0].Chunks) == 0 {
			t.Errorf("frame: %v", res.String())
		}
	}
	if frames != 2 {
		t.Errorf("%d frames", frames)
	}
}

func TestRemoteReadLimits(t *testing.T) {
	h := federateAPI(t, func(o *Options) { o.Limits.MaxBodyBytes = 1000; o.Limits.RemoteReadSamples = 4 })
	f := func(body []byte, status int, text string) {
		t.Helper()
		w := do(t, h, "POST", "/api/v1/read", string(body))
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, text)
		}
	}
	f([]byte("not snappy"), 400, "snappy")
	f([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3}, 413, "larger than 1000")
	f(bytes.Repeat([]byte{1}, 1001), 413, "cannot read the body")
	f(snappy.Encode(nil, bytes.Repeat([]byte{0}, 1001)), 413, "larger than 1000")
	f(snappy.Encode(nil, []byte("\xff\xff\xff")), 400, "")
	if w := remoteRead(t, h, readRequest()); w.Code != 400 || !strings.Contains(w.Body.String(), "sample limit") {
		t.Errorf("over the limit of samples: %d %s", w.Code, w.Body)
	}
}

// Expressions as long as they may be, nested as deep as they can: refused or answered, where some would take minutes without the bounds.
func TestDeepExpressions(t *testing.T) {
	h := federateAPI(t, nil)
	n := Limits{}.withDefaults().MaxQueryBytes
	for name, expr := range map[string]string{
		"parentheses": strings.Repeat("(", n/2-1) + "1" + strings.Repeat(")", n/2-1),
		"many sums":   strings.Repeat("1+", maxOperators) + "1",
		"brackets":    strings.Repeat("(", maxNesting) + "1" + strings.Repeat(")", maxNesting),
		"open":        strings.Repeat("(", n),
		"signs":       strings.Repeat("-", n-1) + "1",
		"sums":        strings.Repeat("1+", n/2-1) + "1",
		"calls":       strings.Repeat("abs(", n/5) + "up" + strings.Repeat(")", n/5),
		"subqueries":  "up" + strings.Repeat("[1m:1m]", n/8),
	} {
		for _, path := range []string{"query", "parse_query", "format_query", "query_exemplars"} {
			code, body := post(t, h, "/api/v1/"+path, "time=60&query="+strings.ReplaceAll(expr, "+", "%2B"))
			if code >= 500 {
				t.Errorf("%s of %s: %d %s", path, name, code, cutText(body, 300))
			}
		}
	}
}
