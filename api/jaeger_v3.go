package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanotlp"
	"github.com/hulotte-dev/hulotte/store"
)

// jaegerV3 answers errors as Jaeger's API v3 does: {"error":{"httpCode":400,"message":"…"}}.
func (a *api) jaegerV3(f spanHandler) http.Handler {
	return a.spanAPI(f, func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		out := strconv.AppendInt([]byte(`{"error":{"httpCode":`), int64(status), 10)
		out = appendString(append(out, `,"message":`...), text)
		_, _ = w.Write(append(out, `}}`...))
	})
}

// v3Param returns a parameter and its name: the parameters of v3 are called in camel case, and as they were before.
func v3Param(r *http.Request, names ...string) (value, name string) {
	for _, name := range names {
		if v := r.Form.Get(name); v != "" {
			return v, name
		}
	}
	return "", names[0]
}

func (a *api) jaegerV3Services(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	names, err := a.spanNames(r.Context(), spans, fieldService, nil)
	return v3List("services", names, writeName), err
}

func (a *api) jaegerV3Operations(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	kind, _ := v3Param(r, "spanKind", "span_kind")
	list, err := a.operations(r, spans, r.Form.Get("service"), kind)
	return v3List("operations", list, func(w *jsonWriter, o operation) {
		if o.kind == model.SpanUnspecified {
			o.kind = model.SpanInternal // as Jaeger
		}
		writeOperation(w, o)
	}), err
}

// v3List is {"name":[…]}.
func v3List[T any](name string, list []T, one func(*jsonWriter, T)) spanAnswer {
	return func(w *jsonWriter) error {
		w.buf = appendString(append(w.buf, '{'), name)
		w.raw(`:`)
		if err := appendList(w, list, func(v T) { one(w, v) }); err != nil {
			return err
		}
		w.raw(`}`)
		return nil
	}
}

// jaegerV3Search answers with {"result":{"resourceSpans":[…]}}, the resources of all traces behind one another.
func (a *api) jaegerV3Search(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	found, err := v3Find(r, spans)
	if err != nil {
		return nil, err
	}
	if len(found.ids) == 0 {
		return nil, errNoTraces
	}
	return func(w *jsonWriter) error {
		w.raw(`{"result":{"resourceSpans":[`)
		first := true
		_, err := found.read(r.Context(), spans, func(t model.Trace) error {
			if !first {
				w.raw(`,`)
			}
			first = false
			w.buf = spanotlp.AppendJSONList(w.buf, t.Groups)
			return w.breathe()
		})
		w.raw(`]}}`)
		return err
	}, nil
}

var errNoTraces = &apiError{kind: errNotFound, err: errText("No traces found")}

// errText is an error that is worded as Jaeger words it.
type errText string

func (e errText) Error() string { return string(e) }

func v3Find(r *http.Request, spans store.SpanReader) (foundTraces, error) {
	q, err := jaegerV3Query(r)
	if err != nil {
		return foundTraces{}, err
	}
	return q.find(r.Context(), spans)
}

// jaegerV3Query reads a search of v3, whose range is required.
func jaegerV3Query(r *http.Request) (q spanSearch, err error) {
	from, fromName := v3Param(r, "query.startTimeMin", "query.start_time_min")
	to, toName := v3Param(r, "query.startTimeMax", "query.start_time_max")
	if from == "" || to == "" {
		return q, badData("query.startTimeMin and query.startTimeMax are required")
	}
	if q.start, err = v3Time(fromName, from); err != nil {
		return q, err
	}
	if q.end, err = v3Time(toName, to); err != nil {
		return q, err
	}
	if q.start >= q.end {
		return q, badData("query.startTimeMin must be before query.startTimeMax")
	}
	if v, _ := v3Param(r, "query.filter"); v != "" {
		return q, badData("query.filter is not supported: use query.serviceName, query.operationName, query.attributes and durations")
	}
	_, depth := v3Param(r, "query.searchDepth", "query.search_depth", "query.num_traces")
	if q.limit, err = traceLimit(r, depth, defaultTraces); err != nil {
		return q, err
	}
	tags := map[string]string{}
	if v := r.Form.Get("query.attributes"); v != "" {
		if err := jsonTags(tags, v); err != nil {
			return q, badData("malformed parameter query.attributes: %w", err)
		}
	}
	if len(tags) > maxTags {
		return q, badData("%d attributes: at most %d are allowed", len(tags), maxTags)
	}
	_, least := v3Param(r, "query.durationMin", "query.duration_min")
	_, most := v3Param(r, "query.durationMax", "query.duration_max")
	durations, err := durationRange(r, least, most)
	if err != nil {
		return q, err
	}
	service, _ := v3Param(r, "query.serviceName", "query.service_name")
	name, _ := v3Param(r, "query.operationName", "query.operation_name")
	q.filter = jaegerFilter(service, name, tags, durations)
	return q, nil
}

// v3Time reads a time as v3 has it (RFC 3339) and returns nanoseconds.
func v3Time(name, text string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, badData("malformed parameter %s: %q is no time such as 2026-01-02T15:04:05Z", name, cutText(text, 60))
	}
	if t.Year() < 1970 || t.Year() > maxNanoYear {
		return 0, badData("malformed parameter %s: %q is outside of the years 1970 to %d", name, cutText(text, 60), maxNanoYear)
	}
	return t.UnixNano(), nil
}

func (a *api) jaegerV3Trace(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	var bounds [2]int64
	for i, names := range [][]string{{"startTime", "start_time"}, {"endTime", "end_time"}} {
		text, name := v3Param(r, names...)
		if text == "" {
			continue
		}
		at, err := v3Time(name, text)
		if err != nil {
			return nil, err
		}
		bounds[i] = at
	}
	start, end, err := traceHint(bounds[0], bounds[1])
	if err != nil {
		return nil, err
	}
	trace, err := oneTrace(r, spans, start, end)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"result":`)
		w.buf = spanotlp.AppendJSON(w.buf, trace.Groups)
		w.raw(`}`)
		return nil
	}, nil
}

// traceSummary is what a list of results shows of a trace.
type traceSummary struct {
	id                      model.TraceID
	service, operation      string // of the root that begins first
	start, end              int64
	spans, errors, orphaned int // orphaned have a parent that is not there
	services                []serviceSummary
}

type serviceSummary struct {
	name          string
	spans, errors int
}

func summarize(t model.Trace) traceSummary {
	out := traceSummary{id: t.ID}
	there := map[model.SpanID]bool{}
	for i := range t.Groups {
		for k := range t.Groups[i].Spans {
			there[t.Groups[i].Spans[k].ID] = true
		}
	}
	root := int64(0)
	by := map[string]*serviceSummary{}
	for i := range t.Groups {
		g := &t.Groups[i]
		name := g.Resource.ServiceName()
		if by[name] == nil {
			by[name] = &serviceSummary{name: name}
		}
		for k := range g.Spans {
			s := &g.Spans[k]
			if out.spans == 0 || s.Start < out.start {
				out.start = s.Start
			}
			out.end = max(out.end, s.Start+s.Duration)
			out.spans++
			by[name].spans++
			if s.Status == model.StatusError {
				out.errors++
				by[name].errors++
			}
			if s.Parent.IsZero() {
				if root == 0 || s.Start < root {
					root, out.service, out.operation = s.Start, name, s.Name
				}
			} else if !there[s.Parent] {
				out.orphaned++
			}
		}
	}
	for _, s := range by {
		out.services = append(out.services, *s)
	}
	slices.SortFunc(out.services, func(a, b serviceSummary) int { return cmp.Compare(a.name, b.name) })
	return out
}

func (a *api) jaegerV3Summaries(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	found, err := v3Find(r, spans)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"summaries":[`)
		first := true
		_, err := found.read(r.Context(), spans, func(t model.Trace) error {
			if !first {
				w.raw(`,`)
			}
			first = false
			w.summary(summarize(t))
			return w.breathe()
		})
		w.raw(`]}`)
		return err
	}, nil
}

// summary writes a TraceSummary of api_v3 in the JSON of protocol buffers, where what is zero is left out.
func (w *jsonWriter) summary(s traceSummary) {
	count := func(dst []byte, field string, n int) []byte {
		if n == 0 {
			return dst
		}
		return strconv.AppendInt(append(dst, field...), int64(n), 10)
	}
	out := append(append(w.buf, `{"traceId":"`...), s.id.String()...)
	out = appendString(append(out, `","rootServiceName":`...), s.service)
	out = appendString(append(out, `,"rootOperationName":`...), s.operation)
	out = strconv.AppendInt(append(out, `,"minStartTimeUnixNano":"`...), s.start, 10)
	out = strconv.AppendInt(append(out, `","maxEndTimeUnixNano":"`...), s.end, 10)
	out = count(append(out, '"'), `,"spanCount":`, s.spans)
	out = count(out, `,"errorSpanCount":`, s.errors)
	out = count(out, `,"orphanSpanCount":`, s.orphaned)
	out = append(out, `,"services":[`...)
	for i, x := range s.services {
		out = append(out, listStart(i, ``)...)
		out = appendString(append(out, `{"name":`...), x.name)
		out = count(out, `,"spanCount":`, x.spans)
		out = count(out, `,"errorSpanCount":`, x.errors)
		out = append(out, '}')
	}
	w.buf = append(out, `]}`...)
}

// jaegerV3Dependencies answers with the calls between services from startTime to endTime.
func (a *api) jaegerV3Dependencies(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	var bounds [2]int64
	for i, names := range [][]string{{"startTime", "start_time"}, {"endTime", "end_time"}} {
		text, name := v3Param(r, names...)
		if text == "" {
			return nil, badData("startTime and endTime are required")
		}
		at, err := v3Time(name, text)
		if err != nil {
			return nil, err
		}
		bounds[i] = at
	}
	links, err := serviceLinks(r.Context(), spans, bounds[0], bounds[1])
	if err != nil {
		return nil, err
	}
	return v3List("dependencies", links, func(w *jsonWriter, l serviceLink) {
		w.buf = appendString(append(w.buf, `{"parent":`...), l.Parent)
		w.buf = appendString(append(w.buf, `,"child":`...), l.Child)
		w.buf = strconv.AppendUint(append(w.buf, `,"callCount":"`...), l.Calls, 10)
		w.raw(`"}`)
	}), nil
}
