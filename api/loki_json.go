package api

import (
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/model"
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
	LogResult
	categorized bool
}

func (l lokiResult) writeTo(w *jsonWriter) error {
	w.raw(`{"status":"success","data":{"resultType":"`)
	if err := l.writeResult(w); err != nil {
		return err
	}
	w.raw(`,"stats":`)
	w.buf = l.Stats.appendTo(w.buf)
	if l.categorized && l.Value == nil {
		w.raw(`,"encodingFlags":["categorize-labels"]`)
	}
	w.raw(`}`)
	w.stringsField(`,"warnings":`, l.Warnings)
	w.raw(`}`)
	return w.err
}

func (l lokiResult) writeResult(w *jsonWriter) error {
	if l.Value == nil {
		w.raw(`streams","result":`)
		return appendStreams(w, l.Streams, l.categorized)
	}
	w.raw(string(l.Value.Type()))
	w.raw(`","result":`)
	if s, ok := l.Value.(promql.Scalar); ok {
		w.buf = appendFloatPoint(w.buf, promql.FPoint{T: s.T, F: s.V})
		return nil
	}
	return appendValue(w, l.Value)
}

// appendStreams writes streams sorted by their labels.
func appendStreams(w *jsonWriter, streams []LogStream, categorized bool) error {
	if categorized {
		streams = slices.Clone(streams)
		slices.SortFunc(streams, func(a, b LogStream) int { return labels.Compare(a.Labels, b.Labels) })
		return appendList(w, streams, func(s LogStream) { w.stream(s, true) })
	}
	return appendList(w, mergedStreams(streams), func(s LogStream) { w.stream(s, false) })
}

func (w *jsonWriter) stream(s LogStream, categorized bool) {
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

func appendEntry(dst []byte, e *LogEntry, categorized bool) []byte {
	dst = append(dst, '[', '"')
	dst = strconv.AppendInt(dst, e.Time, 10)
	dst = append(dst, '"', ',')
	dst = appendString(dst, e.Line)
	if categorized {
		dst = append(dst, ',', '{')
		if len(e.Metadata) > 0 {
			dst = append(dst, `"structuredMetadata":`...)
			dst = appendFields(dst, e.Metadata)
		}
		if len(e.Parsed) > 0 {
			if len(e.Metadata) > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `"parsed":`...)
			dst = appendFields(dst, e.Parsed)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendFields writes {"name":"value",...}.
func appendFields(dst []byte, fields []model.Field) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, f.Name)
		dst = append(dst, ':')
		dst = appendString(dst, f.Value)
	}
	return append(dst, '}')
}

// mergedStreams regroups entries by all their labels, sorted by them; the entries of a group keep their order.
func mergedStreams(streams []LogStream) []LogStream {
	m := merger{groups: map[string]int{}}
	for _, s := range streams {
		m.add(s)
	}
	slices.SortStableFunc(m.out, func(a, b LogStream) int { return labels.Compare(a.Labels, b.Labels) })
	return m.unite()
}

// merger groups the entries of one stream after the other. Different streams seldom end up with the same labels, so
// those are united at the end, when they are neighbours.
type merger struct {
	out    []LogStream
	groups map[string]int // place in out by key, of the stream that is being added
	key    []byte
	build  *labels.Builder
}

func (m *merger) add(s LogStream) {
	if !slices.ContainsFunc(s.Entries, func(e LogEntry) bool { return len(e.Metadata)+len(e.Parsed) > 0 }) {
		m.out = append(m.out, s)
		return
	}
	clear(m.groups)
	if m.build == nil {
		m.build = labels.NewBuilder(labels.EmptyLabels())
	}
	for _, e := range s.Entries {
		m.key = appendKey(appendKey(m.key[:0], e.Metadata), e.Parsed)
		at, ok := m.groups[string(m.key)]
		if !ok {
			at = len(m.out)
			m.groups[string(m.key)] = at
			m.out = append(m.out, LogStream{Labels: m.labels(s.Labels, &e)})
		}
		m.out[at].Entries = append(m.out[at].Entries, e)
	}
}

// appendKey tells different lists apart: lengths go first.
func appendKey(key []byte, fields []model.Field) []byte {
	key = strconv.AppendInt(key, int64(len(fields)), 10)
	for _, f := range fields {
		key = append(key, ' ')
		key = strconv.AppendInt(key, int64(len(f.Name)), 10)
		key = append(key, ' ')
		key = strconv.AppendInt(key, int64(len(f.Value)), 10)
		key = append(key, ' ')
		key = append(key, f.Name...)
		key = append(key, f.Value...)
	}
	return key
}

// labels is the stream's labels, those of the record over them and those of the query over both.
func (m *merger) labels(stream labels.Labels, e *LogEntry) labels.Labels {
	m.build.Reset(stream)
	for _, f := range e.Metadata {
		m.build.Set(f.Name, f.Value)
	}
	for _, f := range e.Parsed {
		m.build.Set(f.Name, f.Value)
	}
	return m.build.Labels()
}

// unite joins neighbours with the same labels. Their entries come one behind the other, as they would of two pushes.
func (m *merger) unite() []LogStream {
	kept := m.out[:0]
	for _, s := range m.out {
		if last := len(kept) - 1; last >= 0 && labels.Equal(kept[last].Labels, s.Labels) {
			kept[last].Entries = slices.Concat(kept[last].Entries, s.Entries)
			continue
		}
		kept = append(kept, s)
	}
	return kept
}
