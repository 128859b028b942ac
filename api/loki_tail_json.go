package api

import (
	"slices"
	"strconv"
)

// tailJSON is a frame of a tail:
//
//	{"streams":[...],"dropped_entries":[{"labels":{...},"timestamp":"ns"}],"dropped_count":n,"encodingFlags":["categorize-labels"]}
//
// with streams as a query's answer has them. dropped_entries are examples, and with dropped_count, which Loki does not
// have, only there when entries were lost.
type tailJSON struct {
	streams     []LogStream
	categorized bool
	dropped     int
	examples    []droppedEntry
}

func (t tailJSON) writeTo(w *jsonWriter) error {
	w.raw(`{"streams":`)
	if err := appendStreams(w, t.streams, t.categorized); err != nil {
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
func cutStreams(streams []LogStream, most int) (piece, rest []LogStream) {
	size := 0
	for i, s := range streams {
		for j := range s.Entries {
			if size += entrySize(&s.Entries[j]); size < most || i+j == 0 {
				continue
			}
			piece = slices.Clone(streams[:i])
			if j > 0 {
				piece = append(piece, LogStream{s.Labels, s.Entries[:j]})
			}
			rest = append([]LogStream{{s.Labels, s.Entries[j:]}}, streams[i+1:]...)
			return piece, rest
		}
	}
	return streams, nil
}
