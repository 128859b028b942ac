package api

import (
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/query/logql"
)

// tailJSON is a frame of a tail:
//
//	{"streams":[...],"dropped_entries":[{"labels":{...},"timestamp":"ns"}],"dropped_count":n,"encodingFlags":["categorize-labels"]}
//
// with streams as a query's answer has them. dropped_entries are examples, and with dropped_count, which Loki does not
// have, only there when entries were lost.
type tailJSON struct {
	streams     []logql.Stream
	categorized bool
	dropped     int
	examples    []droppedEntry
}

func (t tailJSON) writeTo(w *jsonWriter) error {
	w.raw(`{"streams":`)
	streams := t.streams
	if !t.categorized {
		streams = mergedStreams(streams)
	}
	if err := appendStreams(w, streams, t.categorized); err != nil {
		return err
	}
	if t.dropped > 0 {
		w.raw(`,"dropped_entries":`)
		if err := appendList(w, t.examples, w.droppedEntry); err != nil {
			return err
		}
		w.raw(`,"dropped_count":`)
		w.buf = strconv.AppendInt(w.buf, int64(t.dropped), 10)
	}
	if t.categorized {
		w.raw(`,"encodingFlags":["categorize-labels"]`)
	}
	w.raw(`}`)
	return w.err
}

func (w *jsonWriter) droppedEntry(d droppedEntry) {
	w.raw(`{"labels":`)
	w.buf = appendLabels(w.buf, d.labels)
	w.raw(`,"timestamp":"`)
	w.buf = strconv.AppendInt(w.buf, d.time, 10)
	w.raw(`"}`)
}

// cutStreams returns as many of the entries as have about that many bytes, and the rest; nil when there is none.
func cutStreams(streams []logql.Stream, most int) (piece, rest []logql.Stream) {
	size := 0
	for i, s := range streams {
		for j := range s.Entries {
			if size += entrySize(&s.Entries[j]); size < most || i+j == 0 {
				continue
			}
			piece = slices.Clone(streams[:i])
			if j > 0 {
				piece = append(piece, logql.Stream{Labels: s.Labels, Entries: s.Entries[:j]})
			}
			rest = append([]logql.Stream{{Labels: s.Labels, Entries: s.Entries[j:]}}, streams[i+1:]...)
			return piece, rest
		}
	}
	return streams, nil
}

// mergedStreams regroups entries by all their labels, sorted by them; the entries of a group keep their order.
func mergedStreams(streams []logql.Stream) []logql.Stream {
	var out []logql.Stream
	at := map[string]int{}
	var key []byte
	for _, s := range streams {
		for _, e := range s.Entries {
			all := allLabels(s.Labels, &e)
			key = all.Bytes(key)
			i, ok := at[string(key)]
			if !ok {
				i = len(out)
				at[string(key)] = i
				out = append(out, logql.Stream{Labels: all})
			}
			out[i].Entries = append(out[i].Entries, e)
		}
	}
	slices.SortFunc(out, func(a, b logql.Stream) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}

// allLabels is the stream's labels, those of the record over them and those of the query over both.
func allLabels(stream labels.Labels, e *logql.Entry) labels.Labels {
	if e.Structured.IsEmpty() && e.Parsed.IsEmpty() {
		return stream
	}
	b := labels.NewBuilder(stream)
	e.Structured.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	e.Parsed.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	return b.Labels()
}
