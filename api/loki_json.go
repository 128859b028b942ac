package api

import (
	"strconv"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/query/logql"
)

// lokiResult is the answer to a query:
//
//	{"status":"success","data":{"resultType":"streams","result":[...],"stats":{...},"encodingFlags":["categorize-labels"]},"warnings":[...]}
//
// A stream is {"stream":{labels},"values":[["ns","line"],...]}; the labels are those of the stored stream, of the
// record and of the query together, and entries that differ in one of them are in streams of their own. When they are
// categorized, the labels are the stream's alone, and each value has a third element
// {"structuredMetadata":{...},"parsed":{...}}, whose empty members are left out.
type lokiResult struct {
	logql.Result
	categorized bool
}

func (l lokiResult) writeTo(w *jsonWriter) error {
	w.raw(`{"status":"success","data":{"resultType":"`)
	if err := l.writeResult(w); err != nil {
		return err
	}
	w.raw(`,"stats":`)
	stats := l.Stats
	stats.Entries += len(l.Vector) + len(l.Matrix)
	w.buf = appendLogStats(w.buf, stats)
	if l.categorized && l.Streams != nil {
		w.raw(`,"encodingFlags":["categorize-labels"]`)
	}
	w.raw(`}`)
	w.stringsField(`,"warnings":`, l.Warnings)
	w.raw(`}`)
	return w.err
}

func (l lokiResult) writeResult(w *jsonWriter) error {
	var value parser.Value
	switch {
	case l.Streams != nil:
		w.raw(`streams","result":`)
		return appendStreams(w, l.Streams, l.categorized)
	case l.Scalar != nil:
		w.raw(`scalar","result":`)
		w.buf = appendFloatPoint(w.buf, promql.FPoint{T: l.Scalar.T, F: l.Scalar.V})
		return nil
	case l.Matrix != nil:
		value = l.Matrix
	default:
		value = l.Vector
	}
	w.raw(string(value.Type()))
	w.raw(`","result":`)
	return appendValue(w, value)
}

func appendStreams(w *jsonWriter, streams []logql.Stream, categorized bool) error {
	return appendList(w, streams, func(s logql.Stream) { w.stream(s, categorized) })
}

func (w *jsonWriter) stream(s logql.Stream, categorized bool) {
	w.raw(`{"stream":`)
	w.buf = appendLabels(w.buf, s.Labels)
	w.raw(`,"values":[`)
	for i := range s.Entries {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = appendEntry(w.buf, &s.Entries[i], categorized)
		if len(w.buf) >= flushSize && w.flush() != nil {
			return
		}
	}
	w.raw(`]}`)
}

func appendEntry(dst []byte, e *logql.Entry, categorized bool) []byte {
	dst = append(dst, '[', '"')
	dst = strconv.AppendInt(dst, e.Time, 10)
	dst = append(dst, '"', ',')
	dst = appendString(dst, e.Line)
	if categorized {
		dst = append(dst, ',', '{')
		if !e.Structured.IsEmpty() {
			dst = append(dst, `"structuredMetadata":`...)
			dst = appendLabels(dst, e.Structured)
		}
		if !e.Parsed.IsEmpty() {
			if !e.Structured.IsEmpty() {
				dst = append(dst, ',')
			}
			dst = append(dst, `"parsed":`...)
			dst = appendLabels(dst, e.Parsed)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
