package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// What one request of Jaeger's and Zipkin's APIs may ask for.
const (
	// maxTraces bounds the traces of one answer; it is the most that Jaeger's page asks for.
	maxTraces = 1500
	// maxTraceSpans bounds the spans of a trace: browsers do not show more.
	maxTraceSpans = 50_000
	// maxAnswerSpans bounds the spans of one answer: some hundred megabytes of JSON.
	maxAnswerSpans = 500_000
	// maxSpanReads bounds the requests that hold traces in memory at the same time; others wait.
	maxSpanReads = 4
	// spanTimeout ends a request.
	spanTimeout = 2 * time.Minute
	// maxNames bounds the names of services and operations of an answer.
	maxNames = 10_000
	// namesFor is how far back names are looked for first; only who has been silent for longer is looked for in everything.
	namesFor = 7 * 24 * time.Hour
	// traceMargin is how long before and after the span that was found other spans of its trace are looked for.
	traceMargin = 24 * time.Hour
)

// SpanDecoder reads a file of OTLP/JSON; what is made of it takes at most about limit bytes of memory.
type SpanDecoder func(text []byte, limit int64) ([]model.SpanGroup, error)

// spanAnswer writes the body of an answer, which is JSON.
type spanAnswer func(w *jsonWriter) error

// spanHandler answers one request of Jaeger's or Zipkin's API about the spans of its tenant.
type spanHandler func(r *http.Request, spans store.SpanReader) (spanAnswer, error)

// spanErrors writes an error as the API in question does.
type spanErrors func(w http.ResponseWriter, status int, text string)

var errNoSpans = &apiError{kind: errNotFound, err: errors.New("this process keeps no traces")}

// spanAPI turns f into a handler: parsed form, tenant, limits, compression.
func (a *api) spanAPI(f spanHandler, write spanErrors) http.Handler {
	return a.spanAPIAs("application/json; charset=UTF-8", f, write)
}

// spanAPIAs is spanAPI for answers of another type.
func (a *api) spanAPIAs(contentType string, f spanHandler, write spanErrors) http.Handler {
	return a.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail := func(err error) {
			status, text := spanStatus(r.Context(), err)
			a.countError(err, status)
			if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", fmt.Sprint(retrySeconds))
			}
			write(w, status, text)
		}
		prepared, err := a.prepare(w, r)
		if err != nil {
			fail(err)
			return
		}
		ctx, cancel := context.WithTimeout(prepared.Context(), spanTimeout)
		defer cancel()
		r = prepared.WithContext(ctx)
		answer, done, err := a.spanAnswer(r, f)
		if err != nil {
			fail(err)
			return
		}
		defer done()
		w.Header().Set("Content-Type", contentType)
		out := newJSONWriter(w)
		if err = answer(out); err == nil {
			err = out.flush()
		}
		switch {
		case err == nil || out.err != nil: // the client is gone
		case out.started:
			a.log.Debug("cannot write a response", "path", r.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // nobody shall take a part for the whole
		default:
			fail(err)
		}
	}))
}

// spanAnswer calls f as soon as few enough others hold traces in memory. done is called after the answer was written.
func (a *api) spanAnswer(r *http.Request, f spanHandler) (answer spanAnswer, done func(), err error) {
	if a.Spans == nil {
		return nil, nil, errNoSpans
	}
	spans, err := a.Spans.SpanReader(model.Tenant(r.Context()))
	if err != nil {
		return nil, nil, err
	}
	select {
	case a.spanReads <- struct{}{}:
	case <-r.Context().Done():
		return nil, nil, r.Context().Err()
	}
	done = func() { <-a.spanReads }
	if answer, err = f(r, spans); err != nil {
		done()
		return nil, nil, err
	}
	return answer, done, nil
}

func (a *api) countError(err error, status int) {
	kind := errCanceled
	if e := (*apiError)(nil); errors.As(err, &e) {
		kind = e.kind
	} else if status != statusClientGone {
		kind = errExecution
	}
	a.metrics.errors.WithLabelValues(string(kind)).Inc()
}

// spanStatus is the status code and text of an error.
func spanStatus(ctx context.Context, err error) (int, string) {
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout, fmt.Sprintf("the answer took longer than %s: ask for a shorter time, a service or fewer traces", spanTimeout)
	}
	return lokiStatus(ctx, err)
}

// spanSearch is what the searches of Jaeger and Zipkin ask for: the newest traces of which a span passes.
type spanSearch struct {
	start, end int64 // nanoseconds: start <= start of the span < end
	filter     *store.SpanFilter
	limit      int // traces
}

// foundTraces are traces, the one with the newest span that passes first.
type foundTraces struct {
	ids        []model.TraceID
	start, end int64 // where their spans are looked for
}

// find returns the newest traces that a search finds.
func (q *spanSearch) find(ctx context.Context, spans store.SpanReader) (out foundTraces, err error) {
	newest := map[model.TraceID]int64{}
	_, err = spans.SelectSpans(ctx, store.SpanQuery{
		Start: q.start, End: q.end, Filter: q.filter, Order: store.Backward,
		Enough: func(next int64) bool { return q.enough(newest, next) },
	}, func(_ int, b store.SpanBatch) error {
		starts, passed := b.Starts(), b.Passed()
		for _, run := range b.Traces() {
			for i := run.End - 1; i >= run.First; i-- {
				if passed != nil && passed[i/64]>>(i%64)&1 == 0 {
					continue
				}
				if last, ok := newest[run.Trace]; !ok || starts[i] > last {
					newest[run.Trace] = starts[i]
				}
				break // they ascend
			}
		}
		return nil
	})
	if err != nil {
		return foundTraces{}, err
	}
	out.ids = newestFirst(newest)
	out.ids = out.ids[:min(len(out.ids), q.limit)]
	out.start, out.end = math.MaxInt64, math.MinInt64
	for _, id := range out.ids {
		out.start, out.end = min(out.start, newest[id]), max(out.end, newest[id])
	}
	out.start, out.end = out.start-int64(traceMargin), out.end+int64(traceMargin)
	return out, nil
}

// enough says whether nothing at next or before it can be among the newest. It forgets what is not among them: whatever comes of
// those again is not newer than next.
func (q *spanSearch) enough(newest map[model.TraceID]int64, next int64) bool {
	if len(newest) < q.limit {
		return false
	}
	ids := newestFirst(newest)
	for _, id := range ids[q.limit:] {
		delete(newest, id)
	}
	return newest[ids[q.limit-1]] > next
}

func newestFirst(newest map[model.TraceID]int64) []model.TraceID {
	ids := make([]model.TraceID, 0, len(newest))
	for id := range newest {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b model.TraceID) int {
		if newest[a] != newest[b] {
			if newest[a] > newest[b] {
				return -1
			}
			return 1
		}
		return a.Compare(b)
	})
	return ids
}

// read calls f with the traces in their order, whole up to maxTraceSpans, some in memory at a time. It ends after maxAnswerSpans and returns the
// number of traces that are left out then.
func (t *foundTraces) read(ctx context.Context, spans store.SpanReader, f func(model.Trace) error) (left int, err error) {
	total, done := 0, 0
	for chunk := 10; done < len(t.ids) && total < maxAnswerSpans; {
		ids := t.ids[done:min(done+chunk, len(t.ids))]
		found := map[model.TraceID]model.Trace{}
		_, err := spans.Traces(ctx, ids, t.start, t.end, maxTraceSpans, func(trace model.Trace) error {
			found[trace.ID] = trace
			return nil
		})
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			trace, ok := found[id]
			if !ok {
				continue
			}
			total += trace.Len()
			if err := f(trace); err != nil {
				return 0, err
			}
		}
		done += len(ids)
		chunk = min(max(20_000/max(total/done, 1), 1), 100) // 20,000 spans of usual size are some 20 MB
	}
	return len(t.ids) - done, nil
}

// spanNames returns the values of a field that are text, sorted: those of the last days, or of all time when there are none.
func (a *api) spanNames(ctx context.Context, spans store.SpanReader, field store.SpanField, filter *store.SpanFilter) ([]string, error) {
	values, err := a.spanValues(ctx, spans, field, filter)
	names := make([]string, 0, len(values))
	for _, v := range values {
		if v.Value.Kind == model.StringValue && v.Value.Text != "" {
			names = append(names, v.Value.Text)
		}
	}
	slices.Sort(names)
	return names, err
}

func (a *api) spanValues(ctx context.Context, spans store.SpanReader, field store.SpanField, filter *store.SpanFilter) ([]store.SpanValueInfo, error) {
	end := a.Now().Add(traceMargin).UnixNano()
	values, err := spans.SpanValues(ctx, field, a.Now().Add(-namesFor).UnixNano(), end, filter, maxNames)
	if err != nil || len(values) > 0 {
		return values, err
	}
	return spans.SpanValues(ctx, field, 0, end, filter, maxNames)
}

// The fields that searches compare.
var (
	fieldService  = store.SpanField{Scope: store.OnResource, Name: "service.name"}
	fieldName     = store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicName}
	fieldKind     = store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicKind}
	fieldDuration = store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicDuration}
)

func fieldEquals(field store.SpanField, text string) *store.SpanFilter {
	return &store.SpanFilter{Field: field, Op: store.Equal, Value: model.TextValue(text)}
}

// allOf is every condition that is not nil; nil when there is none.
func allOf(conditions ...*store.SpanFilter) *store.SpanFilter {
	conditions = slices.DeleteFunc(conditions, func(f *store.SpanFilter) bool { return f == nil })
	switch len(conditions) {
	case 0:
		return nil
	case 1:
		return conditions[0]
	}
	return &store.SpanFilter{All: conditions}
}

// durationWithin is a span's duration in nanoseconds; 0 bounds nothing.
func durationWithin(shortest, longest time.Duration) *store.SpanFilter {
	var list []*store.SpanFilter
	if shortest > 0 {
		list = append(list, &store.SpanFilter{Field: fieldDuration, Op: store.GreaterOrEqual, Value: model.Int64(int64(shortest))})
	}
	if longest > 0 {
		list = append(list, &store.SpanFilter{Field: fieldDuration, Op: store.LessOrEqual, Value: model.Int64(int64(longest))})
	}
	return allOf(list...)
}
