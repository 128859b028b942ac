package elastic

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
	"unsafe"
)

const kindBusy = "es_rejected_execution_exception"

// shape is what the answer for an item has; most senders do without most of it.
type shape struct{ index, id, version, result, shards, sequence, term, status, failure bool }

func shapeOf(f filter, action string) shape {
	has := func(name string) bool { return f.wants("items", action, name) }
	return shape{
		index: has("_index"), id: has("_id"), version: has("_version"), result: has("result"), shards: has("_shards"),
		sequence: has("_seq_no"), term: has("_primary_term"), status: has("status"), failure: has("error") || f.wants("items", action, "error", "type"),
	}
}

// bulkAnswer writes {"errors": ..., "took": ..., "items": [{"index": {..., "status": 201}}, ...]}, in the order of the request.
func (d *decoder) bulkAnswer(wanted filter) []byte {
	shapes := map[string]shape{}
	for _, a := range []string{actionIndex, actionCreate, actionUpdate, actionDelete} {
		shapes[a] = shapeOf(wanted, a)
	}
	failed := false
	ids := newIDs()
	var items []byte
	for i := range d.items {
		it := &d.items[i]
		failed = failed || it.failure != nil
		before := len(items)
		if before > 0 {
			items = append(items, ',')
		}
		items = append(items, `{"`...)
		items = append(items, it.action...)
		items = append(items, `":{`...)
		inside := len(items)
		items = it.appendAnswer(items, shapes[it.action], ids)
		if len(items) == inside { // nothing of it is wanted
			items = items[:before]
			continue
		}
		items = append(items, `}}`...)
	}
	var out []byte
	if wanted.wants("errors") {
		out = strconv.AppendBool(append(out, `,"errors":`...), failed)
	}
	if wanted.wants("took") {
		took := max(0, time.Now().UnixNano()-d.now) / 1e6
		out = strconv.AppendInt(append(out, `,"took":`...), took, 10)
	}
	if len(items) > 0 {
		out = append(append(append(out, `,"items":[`...), items...), ']')
	}
	if len(out) == 0 {
		return []byte("{}")
	}
	out[0] = '{'
	return append(out, '}')
}

// documentAnswer writes the answer to a single document.
func (d *decoder) documentAnswer() (int, []byte) {
	it := &d.items[0]
	if it.failure != nil {
		return it.failure.status, it.failure.appendAnswer(nil)
	}
	all := shapeOf(filter{}, it.action)
	all.status = false
	return http.StatusCreated, append(it.appendAnswer([]byte{'{'}, all, newIDs()), '}')
}

// appendAnswer writes the members of an item's answer.
func (it *item) appendAnswer(b []byte, s shape, ids *ids) []byte {
	start := len(b)
	key := func(name string) {
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"', ':')
	}
	if s.index {
		key("_index")
		b = appendText(b, it.index)
	}
	if s.id && (it.id != "" || it.failure == nil) {
		key("_id")
		if it.id != "" {
			b = appendText(b, it.id)
		} else {
			b = ids.append(b)
		}
	}
	status := http.StatusCreated
	if f := it.failure; f != nil {
		status = f.status
		if s.failure {
			key("error")
			b = f.appendCause(b)
			b = append(b, '}')
		}
	} else {
		if s.version {
			key("_version")
			b = append(b, '1')
		}
		if s.result {
			key("result")
			b = append(b, `"created"`...)
		}
		if s.shards {
			key("_shards")
			b = append(b, `{"total":1,"successful":1,"failed":0}`...)
		}
		if s.sequence {
			key("_seq_no")
			b = append(b, '0')
		}
		if s.term {
			key("_primary_term")
			b = append(b, '1')
		}
	}
	if s.status {
		key("status")
		b = strconv.AppendInt(b, int64(status), 10)
	}
	return b
}

// appendCause writes {"type": ..., "reason": ... without the end.
func (f *failure) appendCause(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), f.kind)
	return appendText(append(b, `,"reason":`...), f.reason)
}

// appendAnswer writes the answer to a request that failed.
func (f *failure) appendAnswer(b []byte) []byte {
	b = f.appendCause(append(b, `{"error":{"root_cause":[`...))
	b = append(b, `}],`...)
	b = append(b, f.appendCause(nil)[1:]...)
	b = append(b, `},"status":`...)
	return append(strconv.AppendInt(b, int64(f.status), 10), '}')
}

func appendErrorAnswer(b []byte, status int, err error) []byte {
	return (&failure{status, kindOf(status), err.Error()}).appendAnswer(b)
}

// kindOf returns what Elasticsearch calls an error with a status.
func kindOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "resource_not_found_exception"
	case http.StatusRequestEntityTooLarge:
		return "content_too_long_exception"
	case http.StatusUnsupportedMediaType:
		return "media_type_header_exception"
	case http.StatusTooManyRequests:
		return kindBusy
	case http.StatusServiceUnavailable:
		return "cluster_block_exception"
	case http.StatusInternalServerError:
		return "exception"
	}
	return "illegal_argument_exception"
}

// appendText writes a text as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // of a string it does not fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// ids makes identifiers for documents that came without one. They are told to the sender and not kept.
type ids struct{ raw [15]byte }

func newIDs() *ids {
	var i ids
	rand.Read(i.raw[:11])
	return &i
}

func (i *ids) append(b []byte) []byte {
	n := binary.BigEndian.Uint32(i.raw[11:])
	binary.BigEndian.PutUint32(i.raw[11:], n+1)
	return append(base64.RawURLEncoding.AppendEncode(append(b, '"'), i.raw[:]), '"')
}

// text makes a string of bytes that do not change as long as it is used.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
