package api

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanotlp"
	"github.com/hulotte-dev/hulotte/query/traceql"
	"github.com/hulotte-dev/hulotte/store"
)

// maxTraceExemplars bounds those that a request for metrics asks for.
const maxTraceExemplars = 1000

// tempoMetrics runs a metrics query.
func (a *api) tempoMetrics(r *http.Request, spans store.SpanReader, instant bool) (*traceql.Matrix, error) {
	text := r.Form.Get("q")
	if text == "" {
		text = r.Form.Get("query")
	}
	q, err := traceQuery("q", text)
	if err != nil {
		return nil, err
	}
	var req traceql.RangeRequest
	if req.Start, req.End, err = a.tempoRange(r, defaultMetricRange); err != nil {
		return nil, err
	}
	if !instant {
		if req.Step, err = tempoStep(r, req.Start, req.End); err != nil {
			return nil, err
		}
	}
	if req.Exemplars, err = wholeParam(r, "exemplars", 0, 0, maxTraceExemplars); err != nil {
		return nil, err
	}
	return a.TraceQL.QueryRange(r.Context(), spans, q, req)
}

// tempoQueryRange answers /api/metrics/query_range: q, start, end, step, exemplars.
func (a *api) tempoQueryRange(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	m, err := a.tempoMetrics(r, spans, false)
	if err != nil {
		return nil, err
	}
	return writeMatrix(m, func(w *jsonWriter, s *traceql.Series) {
		w.raw(`"samples":[`)
		n := 0
		for i, v := range s.Values {
			if math.IsNaN(v) {
				continue
			}
			if n++; n > 1 {
				w.raw(`,`)
			}
			w.raw(`{"timestampMs":"` + strconv.FormatInt(m.Times[i]/1e6, 10) + `","value":`)
			w.buf = appendJSONNumber(w.buf, v)
			w.raw(`}`)
		}
		w.raw(`]`)
		writeTraceExemplars(w, s.Exemplars)
	}), nil
}

// tempoQuery answers /api/metrics/query: one value for the whole range.
func (a *api) tempoQuery(r *http.Request, spans store.SpanReader) (spanAnswer, error) {
	m, err := a.tempoMetrics(r, spans, true)
	if err != nil {
		return nil, err
	}
	return writeMatrix(m, func(w *jsonWriter, s *traceql.Series) {
		w.raw(`"value":`)
		value := 0.0
		if n := len(s.Values); n > 0 && !math.IsNaN(s.Values[n-1]) {
			value = s.Values[n-1]
		}
		w.buf = appendJSONNumber(w.buf, value)
	}), nil
}

func writeMatrix(m *traceql.Matrix, one func(*jsonWriter, *traceql.Series)) spanAnswer {
	return func(w *jsonWriter) error {
		w.raw(`{"series":`)
		err := appendList(w, m.Series, func(s traceql.Series) {
			w.raw(`{"labels":`)
			w.buf = spanotlp.AppendJSONAttributes(w.buf, s.Labels)
			w.raw(`,"promLabels":`)
			w.buf = appendString(w.buf, promLabels(s.Labels))
			w.raw(`,`)
			one(w, &s)
			w.raw(`}`)
		})
		if err != nil {
			return err
		}
		writeInspected(w, m.Stats, m.Complete, 0)
		w.raw(`}`)
		return nil
	}
}

// promLabels writes labels as Prometheus does, with the names in quotes as they have dots.
func promLabels(labels []model.Attribute) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(l.Key) + "=" + strconv.Quote(labelText(l.Value)))
	}
	b.WriteByte('}')
	return b.String()
}

func labelText(v model.Value) string {
	switch v.Kind {
	case model.NoValue:
		return "<nil>"
	case model.FloatValue:
		x, _ := v.Float()
		return strconv.FormatFloat(x, 'g', -1, 64)
	case model.IntValue:
		return strconv.FormatInt(v.Bits, 10)
	case model.BoolValue:
		return strconv.FormatBool(v.Bits != 0)
	}
	return v.Text
}

// appendJSONNumber writes a number; what JSON has no number for is text, as in the JSON of protocol buffers.
func appendJSONNumber(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

func writeTraceExemplars(w *jsonWriter, list []traceql.Exemplar) {
	if len(list) == 0 {
		return
	}
	w.raw(`,"exemplars":[`)
	for i, e := range list {
		if i > 0 {
			w.raw(`,`)
		}
		w.raw(`{"labels":`)
		w.buf = spanotlp.AppendJSONAttributes(w.buf, []model.Attribute{
			{Key: "trace:id", Value: model.TextValue(e.Trace.String())}, {Key: "span:id", Value: model.TextValue(e.Span.String())},
		})
		w.raw(`,"value":`)
		w.buf = appendJSONNumber(w.buf, e.Value)
		w.raw(`,"timestampMs":"` + strconv.FormatInt(e.Time/1e6, 10) + `"}`)
	}
	w.raw(`]`)
}
