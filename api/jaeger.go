package api

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanjaeger"
	"github.com/hulotte-dev/hulotte/store"
)

// jaegerRoutes is Jaeger's query API (https://www.jaegertracing.io/docs/latest/architecture/apis): the one of its pages and of Grafana,
// which has no version, and v3. Both are at the root, where Jaeger has them, and under /jaeger, as one would set a base path.
func (a *api) jaegerRoutes() []route {
	const get, post = "GET", "POST"
	var table []route
	for _, base := range []string{"", "/jaeger"} {
		old, v3 := base+"/api/", base+"/api/v3/"
		table = append(table,
			route{get, old + "services", a.jaeger(a.jaegerServices)},
			route{get, old + "services/{service}/operations", a.jaeger(a.jaegerOperationNames)},
			route{get, old + "operations", a.jaeger(a.jaegerOperations)},
			route{get, old + "traces", a.jaeger(a.jaegerSearch)},
			route{get, old + "traces/{id}", a.jaeger(a.jaegerTrace)},
			route{get, old + "dependencies", a.jaeger(a.jaegerDependencies)},
			route{post, old + "transform", a.jaeger(a.jaegerTransform)},

			route{get, v3 + "services", a.jaegerV3(a.jaegerV3Services)},
			route{get, v3 + "operations", a.jaegerV3(a.jaegerV3Operations)},
			route{get, v3 + "traces", a.jaegerV3(a.jaegerV3Search)},
			route{get, v3 + "traces/{id}", a.jaegerV3(a.jaegerV3Trace)},
			route{get, v3 + "trace-summaries", a.jaegerV3(a.jaegerV3Summaries)},
			route{get, v3 + "dependencies", a.jaegerV3(a.jaegerV3Dependencies)},
		)
	}
	return table
}

// jaeger answers errors as Jaeger does: {"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":400,"msg":"…"}]}.
func (a *api) jaeger(f spanHandler) http.Handler {
	return a.spanAPI(f, func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(appendJaegerEnd([]byte(`{"data":null`), 0, []jaegerError{{code: status, text: text}}))
	})
}

// jaegerError is one entry of an answer's errors: of the request, or of one trace.
type jaegerError struct {
	code  int
	text  string
	trace model.TraceID
}

// appendJaegerEnd appends what stands behind the data of an answer.
func appendJaegerEnd(dst []byte, total int, list []jaegerError) []byte {
	dst = strconv.AppendInt(append(dst, `,"total":`...), int64(total), 10)
	dst = append(dst, `,"limit":0,"offset":0,"errors":`...)
	if len(list) == 0 {
		return append(dst, `null}`...)
	}
	for i, e := range list {
		dst = append(dst, listStart(i, `[`)...)
		dst = append(dst, '{')
		if e.code != 0 {
			dst = append(strconv.AppendInt(append(dst, `"code":`...), int64(e.code), 10), ',')
		}
		dst = appendString(append(dst, `"msg":`...), e.text)
		if !e.trace.IsZero() {
			dst = appendString(append(dst, `,"traceID":`...), spanjaeger.TraceIDText(e.trace))
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// jaegerList is a list with its length.
func jaegerList[T any](list []T, one func(w *jsonWriter, v T)) spanAnswer {
	return func(w *jsonWriter) error {
		w.raw(`{"data":`)
		if err := appendList(w, list, func(v T) { one(w, v) }); err != nil {
			return err
		}
		w.buf = appendJaegerEnd(w.buf, len(list), nil)
		return nil
	}
}

func writeName(w *jsonWriter, s string) { w.buf = appendString(w.buf, s) }

func (a *api) jaegerServices(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	names, err := a.spanNames(r.Context(), spans, fieldService, nil)
	return jaegerList(names, writeName), err
}

func (a *api) jaegerOperationNames(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	names, err := a.spanNames(r.Context(), spans, fieldName, fieldEquals(fieldService, r.PathValue("service")))
	return jaegerList(names, writeName), err
}

// operation is a name that spans of a kind have.
type operation struct {
	name string
	kind model.SpanKind
}

func (o operation) kindText() string {
	if o.kind == model.SpanUnspecified {
		return ""
	}
	return o.kind.String()
}

// operations returns what spans of a service are called, by kind; the kind "" is any.
func (a *api) operations(r *http.Request, spans store.SpanReader, service, kind string) ([]operation, error) {
	if service == "" {
		return nil, badData("parameter 'service' is required")
	}
	of := fieldEquals(fieldService, service)
	kinds, err := a.spanValues(r.Context(), spans, fieldKind, of)
	if err != nil {
		return nil, err
	}
	var out []operation
	for _, k := range kinds {
		o := operation{kind: model.SpanKind(k.Value.Bits)} //nolint:gosec // a kind
		if kind != "" && o.kind.String() != kind {
			continue
		}
		same := &store.SpanFilter{Field: fieldKind, Op: store.Equal, Value: k.Value}
		names, err := a.spanNames(r.Context(), spans, fieldName, allOf(of, same))
		if err != nil {
			return nil, err
		}
		for _, o.name = range names {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b operation) int {
		if a.name != b.name {
			return compareText(a.name, b.name)
		}
		return int(a.kind) - int(b.kind)
	})
	return out, nil
}

func compareText(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func (a *api) jaegerOperations(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	list, err := a.operations(r, spans, r.Form.Get("service"), r.Form.Get("spanKind"))
	return jaegerList(list, writeOperation), err
}

func writeOperation(w *jsonWriter, o operation) {
	w.buf = appendString(append(w.buf, `{"name":`...), o.name)
	w.buf = appendString(append(w.buf, `,"spanKind":`...), o.kindText())
	w.raw(`}`)
}

// jaegerSearch answers with whole traces, those with the newest matching span first; or with the traces whose ids are given.
func (a *api) jaegerSearch(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	raw, err := jaegerBool(r, "raw")
	if err != nil {
		return nil, err
	}
	if ids := r.Form["traceID"]; len(ids) > 0 {
		return a.jaegerByIDs(r, spans, ids, raw)
	}
	q, err := a.jaegerQuery(r)
	if err != nil {
		return nil, err
	}
	found, err := q.find(r.Context(), spans)
	if err != nil {
		return nil, err
	}
	return jaegerTraces(r, spans, &found, raw), nil
}

func (a *api) jaegerByIDs(r *http.Request, spans store.SpanReader, texts []string, raw bool) (spanAnswer, error) {
	if len(texts) > maxTraces {
		return nil, badData("%d ids: at most %d are allowed", len(texts), maxTraces)
	}
	found := foundTraces{}
	for _, text := range texts {
		id, err := model.ParseTraceID(text)
		if err != nil {
			return nil, badData("unable to parse param 'traceID': %w", err)
		}
		if !slices.Contains(found.ids, id) {
			found.ids = append(found.ids, id)
		}
	}
	var err error
	if found.start, found.end, err = jaegerHint(r); err != nil {
		return nil, err
	}
	return jaegerTraces(r, spans, &found, raw), nil
}

// jaegerTraces writes traces. What is not found, and what there is no room for, is told in the errors.
func jaegerTraces(r *http.Request, spans store.SpanReader, found *foundTraces, raw bool) spanAnswer {
	return func(w *jsonWriter) error {
		w.raw(`{"data":[`)
		missing := map[model.TraceID]bool{}
		for _, id := range found.ids {
			missing[id] = true
		}
		first := true
		left, err := found.read(r.Context(), spans, func(t model.Trace) error {
			if !first {
				w.raw(`,`)
			}
			first = false
			delete(missing, t.ID)
			return writeJaegerTrace(w, spanjaeger.From(t, raw))
		})
		if err != nil {
			return err
		}
		w.raw(`]`)
		var problems []jaegerError
		if left > 0 {
			problems = append(problems, jaegerError{text: fmt.Sprintf("%d traces are left out, because an answer has at most about %s spans: ask for fewer", left, thousands(maxAnswerSpans))})
		} else {
			for _, id := range found.ids {
				if missing[id] {
					problems = append(problems, jaegerError{text: "trace not found", trace: id})
				}
			}
		}
		w.buf = appendJaegerEnd(w.buf, 0, problems)
		return nil
	}
}

func writeJaegerTrace(w *jsonWriter, t spanjaeger.Trace) error {
	w.buf = t.OpenJSON(w.buf)
	for i := range t.Spans {
		if i > 0 {
			w.raw(`,`)
		}
		w.buf = t.Spans[i].AppendJSON(w.buf)
		if err := w.breathe(); err != nil {
			return err
		}
	}
	w.buf = t.CloseJSON(w.buf)
	return w.breathe()
}

var errNoTrace = &apiError{kind: errNotFound, err: errors.New("trace not found")}

// oneTrace returns the trace of the path.
func oneTrace(r *http.Request, spans store.SpanReader, start, end int64) (out model.Trace, err error) {
	id, err := model.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return out, badData("%w", err)
	}
	_, err = spans.Traces(r.Context(), []model.TraceID{id}, start, end, maxTraceSpans, func(t model.Trace) error {
		out = t
		return nil
	})
	if err == nil && len(out.Groups) == 0 {
		err = errNoTrace
	}
	return out, err
}

func (a *api) jaegerTrace(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	raw, err := jaegerBool(r, "raw")
	if err != nil {
		return nil, err
	}
	start, end, err := jaegerHint(r)
	if err != nil {
		return nil, err
	}
	trace, err := oneTrace(r, spans, start, end)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"data":[`)
		if err := writeJaegerTrace(w, spanjaeger.From(trace, raw)); err != nil {
			return err
		}
		w.raw(`]`)
		w.buf = appendJaegerEnd(w.buf, 0, nil)
		return nil
	}, nil
}

// defaultLinks is how far back calls between services are counted when nothing is said.
const defaultLinks = 24 * time.Hour

// jaegerDependencies answers with calls between services. endTs and lookback are milliseconds.
func (a *api) jaegerDependencies(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	start, end, err := a.linkRange(r, false)
	if err != nil {
		return nil, err
	}
	links, err := serviceLinks(r.Context(), spans, start, end)
	if err != nil {
		return nil, err
	}
	if service := r.Form.Get("service"); service != "" {
		links = slices.DeleteFunc(links, func(l serviceLink) bool { return l.Parent != service && l.Child != service })
	}
	return func(w *jsonWriter) error {
		w.raw(`{"data":`)
		if err := appendList(w, links, func(l serviceLink) { writeLink(w, l) }); err != nil {
			return err
		}
		w.buf = appendJaegerEnd(w.buf, 0, nil)
		return nil
	}, nil
}

func writeLink(w *jsonWriter, l serviceLink) {
	w.buf = appendString(append(w.buf, `{"parent":`...), l.Parent)
	w.buf = appendString(append(w.buf, `,"child":`...), l.Child)
	w.buf = strconv.AppendUint(append(w.buf, `,"callCount":`...), l.Calls, 10)
	w.raw(`}`)
}

// linkRange reads endTs and lookback in milliseconds, as Jaeger's and Zipkin's dependencies have them, and returns nanoseconds.
func (a *api) linkRange(r *http.Request, endRequired bool) (start, end int64, err error) {
	if endRequired && r.Form.Get("endTs") == "" {
		return 0, 0, badData("endTs is required: milliseconds since the epoch")
	}
	end, err = unitParam(r, "endTs", time.Millisecond, a.Now().UnixNano())
	if err != nil {
		return 0, 0, err
	}
	back, err := unitParam(r, "lookback", time.Millisecond, int64(defaultLinks))
	if err != nil {
		return 0, 0, err
	}
	return max(end-back, 0), end, nil
}

// maxTransform bounds a file that is sent to be shown, and what is made of it in memory.
const maxTransform, maxTransformMemory = 32 << 20, 256 << 20

// jaegerTransform answers with the traces of a file of OTLP/JSON in Jaeger's model. Nothing is kept.
func (a *api) jaegerTransform(r *http.Request, _ store.SpanReader) (spanAnswer, error) {
	if a.SpanDecoder == nil {
		return nil, errNoSpans
	}
	body, err := decompressed(http.MaxBytesReader(nil, r.Body, maxTransform), r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxTransform+1))
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &size), len(text) > maxTransform:
		return nil, tooLarge("the file", maxTransform)
	case err != nil:
		return nil, badData("cannot read the file: %w", err)
	}
	groups, err := a.SpanDecoder(text, maxTransformMemory)
	if err != nil {
		return nil, badData("cannot unmarshal OTLP: %w", err)
	}
	traces := byTrace(groups)
	return func(w *jsonWriter) error {
		w.raw(`{"data":[`)
		for i, t := range traces {
			w.raw(listStart(i, ``))
			if err := writeJaegerTrace(w, spanjaeger.From(t, false)); err != nil {
				return err
			}
		}
		w.raw(`]`)
		w.buf = appendJaegerEnd(w.buf, 0, nil)
		return nil
	}, nil
}

// byTrace sorts spans by their traces, in the order in which those come.
func byTrace(groups []model.SpanGroup) (out []model.Trace) {
	at := map[model.TraceID]int{}
	for i := range groups {
		g := &groups[i]
		last := map[int]int{} // trace: its group of this resource and scope
		for k := range g.Spans {
			s := &g.Spans[k]
			t, ok := at[s.TraceID]
			if !ok {
				t = len(out)
				at[s.TraceID] = t
				out = append(out, model.Trace{ID: s.TraceID})
			}
			n, ok := last[t]
			if !ok {
				n = len(out[t].Groups)
				last[t] = n
				out[t].Groups = append(out[t].Groups, model.SpanGroup{Resource: g.Resource, Scope: g.Scope})
			}
			out[t].Groups[n].Spans = append(out[t].Groups[n].Spans, *s)
		}
	}
	return out
}

// unitParam reads a whole number of units that is not negative, and returns nanoseconds.
func unitParam(r *http.Request, name string, unit time.Duration, missing int64) (int64, error) {
	text := r.Form.Get(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch most := math.MaxInt64 / int64(unit) / 2; {
	case err != nil:
		return 0, badData("unable to parse param '%s': %q is not a whole number", name, cutText(text, 40))
	case n < 0 || n > most:
		return 0, badData("unable to parse param '%s': %d is outside of 0 to %d", name, n, most)
	}
	return n * int64(unit), nil
}
