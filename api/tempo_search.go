package api

import (
	"net/http"
	"strconv"

	"github.com/hulotte-dev/hulotte/query/spanotlp"
	"github.com/hulotte-dev/hulotte/query/traceql"
	"github.com/hulotte-dev/hulotte/store"
)

// tempoSearch answers /api/search: q, or tags with minDuration and maxDuration; start and end in seconds; limit; spss, the spans of each spanset.
func (a *api) tempoSearch(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	q, err := tempoQueryOf(r)
	if err != nil {
		return nil, err
	}
	var req traceql.SearchRequest
	if req.Start, req.End, err = a.tempoRange(r, 0); err != nil {
		return nil, err
	}
	if req.Limit, err = wholeParam(r, "limit", defaultFoundTraces, 0, maxFoundTraces); err != nil {
		return nil, err
	}
	if req.SpansPerSet, err = wholeParam(r, "spss", 3, 0, maxSpansPerSet); err != nil {
		return nil, err
	}
	if req.SpansPerSet == 0 {
		req.SpansPerSet = maxSpansPerSet
	}
	found, err := a.TraceQL.Search(r.Context(), spans, q, req)
	if err != nil {
		return nil, err
	}
	return func(w *jsonWriter) error {
		w.raw(`{"traces":`)
		if err := appendList(w, found.Traces, func(t traceql.FoundTrace) { writeFound(w, &t) }); err != nil {
			return err
		}
		writeInspected(w, found.Stats, found.Complete, len(found.Traces))
		w.raw(`}`)
		return nil
	}, nil
}

// noRoot is what Tempo writes in place of the names of a root that is not there; clients know it.
const noRoot = "<root span not yet received>"

func writeFound(w *jsonWriter, t *traceql.FoundTrace) {
	service, name := t.RootService, t.RootName
	if service == "" && name == "" {
		service = noRoot
	}
	w.raw(`{"traceID":"` + t.ID.String() + `","rootServiceName":`)
	w.buf = appendString(w.buf, service)
	w.raw(`,"rootTraceName":`)
	w.buf = appendString(w.buf, name)
	w.raw(`,"startTimeUnixNano":"` + strconv.FormatInt(t.Start, 10) + `","durationMs":` + strconv.FormatInt(t.Duration/1e6, 10))
	for i := range t.Sets {
		w.raw(listStart(i, `,"spanSets":[`))
		writeSpanSet(w, &t.Sets[i])
	}
	if len(t.Sets) > 0 {
		w.raw(`],"spanSet":`) // older clients know one alone
		writeSpanSet(w, &t.Sets[0])
	}
	w.raw(`,"serviceStats":{`)
	for i, s := range t.Services {
		if i > 0 {
			w.raw(`,`)
		}
		w.buf = appendString(w.buf, s.Name)
		w.raw(`:{"spanCount":` + strconv.Itoa(s.Spans))
		if s.Errors > 0 {
			w.raw(`,"errorCount":` + strconv.Itoa(s.Errors))
		}
		w.raw(`}`)
	}
	w.raw(`}}`)
}

func writeSpanSet(w *jsonWriter, s *traceql.SpanSet) {
	w.raw(`{"spans":[`)
	for i := range s.Spans {
		if i > 0 {
			w.raw(`,`)
		}
		span := &s.Spans[i]
		w.raw(`{"spanID":"` + span.ID.String() + `","name":`)
		w.buf = appendString(w.buf, span.Name)
		w.raw(`,"startTimeUnixNano":"` + strconv.FormatInt(span.Start, 10) + `","durationNanos":"` + strconv.FormatInt(span.Duration, 10) + `"`)
		if len(span.Attributes) > 0 {
			w.raw(`,"attributes":`)
			w.buf = spanotlp.AppendJSONAttributes(w.buf, span.Attributes)
		}
		w.raw(`}`)
	}
	w.raw(`],"matched":` + strconv.Itoa(s.Matched))
	if len(s.Attributes) > 0 {
		w.raw(`,"attributes":`)
		w.buf = spanotlp.AppendJSONAttributes(w.buf, s.Attributes)
	}
	w.raw(`}`)
}

// writeInspected says what an answer cost. An answer that is not complete is one of two jobs.
func writeInspected(w *jsonWriter, s store.SpanStats, complete bool, traces int) {
	jobs := "1"
	if !complete {
		jobs = "2"
	}
	w.raw(`,"metrics":{"inspectedTraces":` + strconv.Itoa(traces) + `,"inspectedBytes":"` + strconv.FormatInt(s.BytesRead, 10) +
		`","inspectedSpans":"` + strconv.FormatInt(s.SpansRead+s.HeadSpans, 10) + `","totalBlocks":` + strconv.FormatInt(s.Blocks, 10) +
		`,"completedJobs":1,"totalJobs":` + jobs + `}`)
}
