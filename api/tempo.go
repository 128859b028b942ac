package api

import (
	"encoding/binary"
	"net/http"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanotlp"
	"github.com/hulotte-dev/hulotte/store"
)

// tempoRoutes is Grafana Tempo's HTTP API (https://grafana.com/docs/tempo/latest/api_docs/), under /tempo, and at the root but for
// /api/traces/{id}, which is Jaeger's there.
func (a *api) tempoRoutes() []route {
	const get = "GET"
	var table []route
	for _, base := range []string{"", "/tempo"} {
		api, v2 := base+"/api/", base+"/api/v2/"
		table = append(table,
			route{get, v2 + "traces/{id}", a.tempoTrace(tempoV2)},
			route{get, api + "search", a.tempo(a.tempoSearch)},
			route{get, api + "search/tags", a.tempo(a.tempoTagsV1)},
			route{get, api + "search/tag/{tag}/values", a.tempo(a.tempoValuesV1)},
			route{get, v2 + "search/tags", a.tempo(a.tempoTags)},
			route{get, v2 + "search/tag/{tag}/values", a.tempo(a.tempoValues)},
			route{get, api + "metrics/query_range", a.tempo(a.tempoQueryRange)},
			route{get, api + "metrics/query", a.tempo(a.tempoQuery)},
			route{get, api + "echo", http.HandlerFunc(tempoEcho)},
			route{get, api + "status/buildinfo", http.HandlerFunc(a.tempoBuildInfo)},
		)
	}
	return append(table,
		route{get, "/tempo/api/traces/{id}", a.tempoTrace(tempoV1)},
		route{get, "/tempo/ready", http.HandlerFunc(a.lokiReady)},
	)
}

// tempoEcho is what Grafana asks to see whether somebody is there.
func tempoEcho(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("echo"))
}

// tempoVersion is the version of Tempo whose API this is. Grafana reads it to decide which calls it may make.
const tempoVersion = "2.8.0"

func (a *api) tempoBuildInfo(w http.ResponseWriter, _ *http.Request) {
	b := a.Build
	text, err := marshal(buildInfoJSON{
		Version: tempoVersion, Revision: b.Revision, Branch: b.Branch, BuildUser: b.BuildUser, BuildDate: b.BuildDate, GoVersion: b.GoVersion, Hulotte: b.Version,
	})
	if err != nil {
		tempoError(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(text)
}

// tempo answers errors as Tempo does: as text.
func (a *api) tempo(f spanHandler) http.Handler { return a.spanAPI(f, tempoError) }

func tempoError(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// tempoForm is how an answer holds a trace.
type tempoForm struct {
	before, after string // in JSON, around the list of OpenTelemetry's ResourceSpans
	field         int    // in protocol buffers, of the answer, that is the trace; 0: the answer is the trace
}

var (
	tempoV1 = tempoForm{before: `{"batches":[`, after: `]}`}
	tempoV2 = tempoForm{before: `{"trace":{"resourceSpans":[`, after: `]}`, field: 1}
)

// tempoTrace answers with one trace, as JSON or as protocol buffers.
func (a *api) tempoTrace(form tempoForm) http.Handler {
	text := a.spanAPI(func(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
		trace, err := a.tempoFind(r, spans)
		return func(w *jsonWriter) error {
			w.raw(form.before)
			w.buf = spanotlp.AppendJSONList(w.buf, trace.Groups)
			w.raw(form.after)
			if form.field != 0 {
				w.raw(tempoStatus(trace))
			}
			return nil
		}, err
	}, tempoError)
	binary := a.spanAPIAs("application/protobuf", func(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
		trace, err := a.tempoFind(r, spans)
		return func(w *jsonWriter) error {
			w.buf = form.appendProto(w.buf, trace)
			return nil
		}, err
	}, tempoError)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "application/protobuf") {
			binary.ServeHTTP(w, r)
			return
		}
		text.ServeHTTP(w, r)
	})
}

// tempoStatus ends an answer of version 2: status 1 is PARTIAL.
func tempoStatus(trace model.Trace) string {
	if trace.Truncated > 0 {
		return `,"metrics":{},"status":1,"message":"the trace has more spans than are shown"}`
	}
	return `,"metrics":{}}`
}

// appendProto appends Tempo's Trace, whose field 1 is ResourceSpans as in OpenTelemetry's TracesData, or its TraceByIDResponse: 1 trace, 3 status, 4 message.
func (f tempoForm) appendProto(dst []byte, trace model.Trace) []byte {
	body := spanotlp.AppendProto(nil, trace.Groups)
	if f.field == 0 {
		return append(dst, body...)
	}
	dst = append(dst, byte(f.field<<3|2))
	dst = append(binary.AppendUvarint(dst, uint64(len(body))), body...)
	if trace.Truncated > 0 {
		const why = "the trace has more spans than are shown"
		dst = append(append(dst, 3<<3, 1, 4<<3|2, byte(len(why))), why...)
	}
	return dst
}

// tempoFind returns the trace that the path names. start and end, in seconds, say where it is looked for.
func (a *api) tempoFind(r *http.Request, spans store.SpanReader) (found model.Trace, err error) {
	id, err := model.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return found, badData("%w", err)
	}
	start, end, err := a.tempoHint(r)
	if err != nil {
		return found, err
	}
	_, err = spans.Traces(r.Context(), []model.TraceID{id}, start, end, maxTraceSpans, func(t model.Trace) error {
		found = t
		return nil
	})
	if err == nil && len(found.Groups) == 0 {
		err = errNoTrace
	}
	return found, err
}
