package api

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanjaeger"
	"github.com/hulotte-dev/hulotte/query/spanzipkin"
	"github.com/hulotte-dev/hulotte/store"
)

const (
	defaultZipkinTraces = 10 // of a search without a limit
	defaultZipkinRange  = 24 * time.Hour
	maxZipkinTags       = 100 // conditions of an annotationQuery
	maxZipkinKeys       = 100 // that are offered to search for
)

// zipkinRoutes is Zipkin's query API (https://zipkin.io/zipkin-api/) at the root, and under /zipkin, where its pages look for it together
// with what they want to know of the server.
func (a *api) zipkinRoutes() []route {
	const get = "GET"
	var table []route
	for _, base := range []string{"/api/v2/", "/zipkin/api/v2/"} {
		table = append(table,
			route{get, base + "services", a.zipkin(a.zipkinServices)},
			route{get, base + "spans", a.zipkin(a.zipkinSpanNames)},
			route{get, base + "remoteServices", a.zipkin(a.zipkinRemoteServices)},
			route{get, base + "traces", a.zipkin(a.zipkinSearch)},
			route{get, base + "trace/{id}", a.zipkin(a.zipkinTrace)},
			route{get, base + "traceMany", a.zipkin(a.zipkinTraces)},
			route{get, base + "dependencies", a.zipkin(a.zipkinDependencies)},
			route{get, base + "autocompleteKeys", a.zipkin(a.zipkinKeys)},
			route{get, base + "autocompleteValues", a.zipkin(a.zipkinValues)},
		)
	}
	config := `{"environment":"","queryLimit":10,"defaultLookback":900000,"searchEnabled":true,"logsUrl":null,"supportUrl":null,"archivePostUrl":null,"archiveUrl":null,` +
		`"dependency":{"enabled":true,"lowErrorRate":0.5,"highErrorRate":0.75}}`
	info := appendString([]byte(`{"zipkin":{"version":`), a.Build.Version)
	info = append(appendString(append(info, `,"commit":`...), a.Build.Revision), `}}`...)
	return append(table,
		route{get, "/zipkin/config.json", a.zipkin(zipkinText(config))},
		route{get, "/zipkin/info", a.zipkin(zipkinText(string(info)))},
		route{get, "/zipkin/health", a.zipkin(zipkinText(`{"status":"UP","zipkin":{"status":"UP","details":{"hulotte":{"status":"UP"}}}}`))},
	)
}

// zipkin answers errors as Zipkin does, with their text.
func (a *api) zipkin(f spanHandler) http.Handler {
	return a.spanAPI(f, func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	})
}

// zipkinText is an answer that is always the same. The store of spans can be read when it is given.
func zipkinText(text string) spanHandler {
	return func(*http.Request, store.SpanReader) (spanAnswer, error) {
		return func(w *jsonWriter) error {
			w.raw(text)
			return nil
		}, nil
	}
}

func zipkinNames(names []string) spanAnswer {
	return func(w *jsonWriter) error {
		return appendList(w, names, func(s string) { writeName(w, s) })
	}
}

func (a *api) zipkinServices(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	names, err := a.spanNames(r.Context(), spans, fieldService, nil)
	return zipkinNames(names), err
}

// zipkinService is the condition that a span is of the parameter serviceName.
func zipkinService(r *http.Request) (*store.SpanFilter, error) {
	name := r.Form.Get("serviceName")
	if name == "" {
		return nil, badData("serviceName is required")
	}
	return fieldEquals(fieldService, name), nil
}

func (a *api) zipkinSpanNames(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	of, err := zipkinService(r)
	if err != nil {
		return nil, err
	}
	names, err := a.spanNames(r.Context(), spans, fieldName, of)
	return zipkinNames(names), err
}

func (a *api) zipkinRemoteServices(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	of, err := zipkinService(r)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, key := range spanzipkin.RemoteNames {
		names, err := a.spanNames(r.Context(), spans, store.SpanField{Scope: store.OnSpan, Name: key}, allOf(of, callers(key)))
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return zipkinNames(slices.Compact(all)), nil
}

// callers is the condition under which an attribute names the other end of a call; nil: always.
func callers(key string) *store.SpanFilter {
	if key == spanzipkin.RemoteNames[0] {
		return nil
	}
	return &store.SpanFilter{Any: []*store.SpanFilter{
		{Field: fieldKind, Op: store.Equal, Value: model.Int64(int64(model.SpanClient))}, {Field: fieldKind, Op: store.Equal, Value: model.Int64(int64(model.SpanProducer))},
	}}
}

// zipkinQuery reads a search: serviceName, remoteServiceName, spanName, annotationQuery (error and http.path=/a), minDuration and maxDuration
// in microseconds, endTs and lookback in milliseconds, limit.
func (a *api) zipkinQuery(r *http.Request) (q spanSearch, err error) {
	end, err := unitParam(r, "endTs", time.Millisecond, a.Now().UnixNano())
	if err != nil {
		return q, err
	}
	back, err := unitParam(r, "lookback", time.Millisecond, int64(defaultZipkinRange))
	if err != nil {
		return q, err
	}
	q.start, q.end = max(end-back, 0), end+int64(time.Millisecond) // that millisecond is within
	if q.limit, err = traceLimit(r, "limit", defaultZipkinTraces); err != nil {
		return q, err
	}
	shortest, err := unitParam(r, "minDuration", time.Microsecond, 0)
	if err != nil {
		return q, err
	}
	longest, err := unitParam(r, "maxDuration", time.Microsecond, 0)
	if err != nil {
		return q, err
	}
	if longest > 0 {
		if longest < shortest {
			return q, badData("maxDuration < minDuration")
		}
		longest += int64(time.Microsecond) - 1 // the last one is within
	}
	list, err := annotationQuery(r.Form.Get("annotationQuery"))
	if err != nil {
		return q, err
	}
	list = append(list, durationWithin(time.Duration(shortest), time.Duration(longest)))
	if name := r.Form.Get("serviceName"); name != "" {
		list = append(list, fieldEquals(fieldService, name))
	}
	if name := r.Form.Get("spanName"); name != "" && name != "all" {
		list = append(list, fieldEquals(fieldName, name))
	}
	if name := r.Form.Get("remoteServiceName"); name != "" {
		remote := &store.SpanFilter{}
		for _, key := range spanzipkin.RemoteNames {
			remote.Any = append(remote.Any, allOf(fieldEquals(store.SpanField{Scope: store.OnSpan, Name: key}, name), callers(key)))
		}
		list = append(list, remote)
	}
	q.filter = allOf(list...)
	return q, nil
}

// annotationQuery reads conditions with " and " between them: key=value is a tag, a word alone is a tag that is there, or an annotation.
func annotationQuery(text string) (list []*store.SpanFilter, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	parts := strings.Split(text, " and ")
	if len(parts) > maxZipkinTags {
		return nil, badData("annotationQuery has %d conditions: at most %d are allowed", len(parts), maxZipkinTags)
	}
	for _, part := range parts {
		key, value, valued := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case key == "":
			return nil, badData("annotationQuery has a condition without a name: %q", cutText(part, 100))
		case valued && value != "":
			list = append(list, tagEquals(key, value))
		case key == "error":
			list = append(list, tagEquals(key, "true"))
		default:
			list = append(list, tagThere(key))
		}
	}
	return list, nil
}

// tagThere is that a span, its resource or its scope has an attribute, or that the span has an event of that name.
func tagThere(key string) *store.SpanFilter {
	out := &store.SpanFilter{Any: []*store.SpanFilter{fieldEquals(store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicEvent}, key)}}
	for _, scope := range []store.SpanScope{store.OnSpan, store.OnResource, store.OnScope} {
		out.Any = append(out.Any, &store.SpanFilter{Field: store.SpanField{Scope: scope, Name: key}, Op: store.Present})
	}
	return out
}

func (a *api) zipkinSearch(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	q, err := a.zipkinQuery(r)
	if err != nil {
		return nil, err
	}
	found, err := q.find(r.Context(), spans)
	if err != nil {
		return nil, err
	}
	return zipkinFound(r, spans, &found), nil
}

// zipkinFound writes traces: a list of lists of spans.
func zipkinFound(r *http.Request, spans store.SpanReader, found *foundTraces) spanAnswer {
	return func(w *jsonWriter) error {
		w.raw(`[`)
		first := true
		var z spanzipkin.Writer
		_, err := found.read(r.Context(), spans, func(t model.Trace) error {
			if !first {
				w.raw(`,`)
			}
			first = false
			return writeZipkinTrace(w, &z, &t)
		})
		w.raw(`]`)
		return err
	}
}

func writeZipkinTrace(w *jsonWriter, z *spanzipkin.Writer, t *model.Trace) error {
	w.raw(`[`)
	z.Begin(t)
	first := true
	for i := range t.Groups {
		g := &t.Groups[i]
		for k := range g.Spans {
			if !first {
				w.raw(`,`)
			}
			first = false
			w.buf = z.AppendSpan(w.buf, g, &g.Spans[k])
			if err := w.breathe(); err != nil {
				return err
			}
		}
	}
	w.raw(`]`)
	return nil
}

func (a *api) zipkinTrace(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	trace, err := oneTrace(r, spans, 0, 0)
	if errors.Is(err, errNoTrace) {
		return nil, &apiError{kind: errNotFound, err: errText(cutText(r.PathValue("id"), 40) + " not found")}
	}
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error { return writeZipkinTrace(w, &spanzipkin.Writer{}, &trace) }, nil
}

// zipkinTraces answers with the traces of traceIds, which has commas between them. Those that are not there are left out.
func (a *api) zipkinTraces(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	text := r.Form.Get("traceIds")
	if text == "" {
		return nil, badData("traceIds parameter is empty")
	}
	texts := strings.Split(text, ",")
	if len(texts) > maxTraces {
		return nil, badData("%d traceIds: at most %d are allowed", len(texts), maxTraces)
	}
	var found foundTraces
	for _, text := range texts {
		id, err := model.ParseTraceID(strings.TrimSpace(text))
		if err != nil {
			return nil, badData("%w", err)
		}
		if slices.Contains(found.ids, id) {
			return nil, badData("redundant traceId: %s", spanjaeger.TraceIDText(id))
		}
		found.ids = append(found.ids, id)
	}
	if len(found.ids) == 1 {
		return nil, badData("Use /api/v2/trace/{traceId} endpoint to retrieve a single trace")
	}
	return zipkinFound(r, spans, &found), nil
}

func (a *api) zipkinDependencies(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	start, end, err := a.linkRange(r, true)
	if err != nil {
		return nil, err
	}
	links, err := serviceLinks(r.Context(), spans, start, end)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		return appendList(w, links, func(l serviceLink) {
			w.buf = appendString(append(w.buf, `{"parent":`...), l.Parent)
			w.buf = appendString(append(w.buf, `,"child":`...), l.Child)
			w.buf = strconv.AppendUint(append(w.buf, `,"callCount":`...), l.Calls, 10)
			if l.Errors > 0 {
				w.buf = strconv.AppendUint(append(w.buf, `,"errorCount":`...), l.Errors, 10)
			}
			w.raw(`}`)
		})
	}, nil
}

// zipkinKeys answers with the attributes that most spans have.
func (a *api) zipkinKeys(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	fields, err := spans.SpanFields(r.Context(), a.Now().Add(-namesFor).UnixNano(), a.Now().Add(traceMargin).UnixNano(), maxNames)
	if err != nil {
		return nil, err
	}
	fields = slices.DeleteFunc(fields, func(f store.SpanFieldInfo) bool {
		return f.Scope != store.OnSpan && f.Scope != store.OnResource || f.Name == fieldService.Name
	})
	slices.SortStableFunc(fields, func(a, b store.SpanFieldInfo) int { return cmp.Compare(b.Spans, a.Spans) })
	names := make([]string, 0, maxZipkinKeys)
	for _, f := range fields[:min(len(fields), maxZipkinKeys)] {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return zipkinNames(slices.Compact(names)), nil
}

func (a *api) zipkinValues(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	key := r.Form.Get("key")
	if key == "" {
		return nil, badData("key is required")
	}
	values, err := a.spanValues(r.Context(), spans, store.SpanField{Scope: store.AnyScope, Name: key}, nil)
	names := make([]string, 0, len(values))
	for _, v := range values {
		names = append(names, spanjaeger.Text(v.Value))
	}
	slices.Sort(names)
	return zipkinNames(slices.Compact(names)), err
}
