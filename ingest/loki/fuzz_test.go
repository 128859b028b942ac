package loki

import (
	"context"
	"testing"

	"github.com/klauspost/compress/snappy"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// checker reads all strings of what is pushed.
type checker struct{ t *testing.T }

func (c checker) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	n := 0
	for _, s := range streams {
		if len(s.Records) == 0 {
			c.t.Fatal("a stream without records")
		}
		for _, r := range s.Records {
			for _, b := range []byte(r.Line) {
				n += int(b)
			}
			for _, f := range r.Fields {
				n += len(f.Name) + len(f.Value)
			}
		}
	}
	return nil, nil
}

// FuzzPush throws bytes at the handler as they come over the wire.
func FuzzPush(f *testing.F) {
	f.Add(pushOf(streamOf(`{b="2", a="1"}`, entryOf(1_700_000_000_123_456_789, "one"), entryOf(2, "two", "trace_id", "abc"))), false)
	f.Add([]byte(`{"streams":[{"stream":{"a":"1"},"values":[["17","one",{"x":1}]]},{"labels":"{a=\"1\"}","entries":[{"ts":"2023-11-14T22:13:20.5Z","line":"one"}]}]}`), true)
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		h := newTestHandler(checker{t}, intake.Limits{})
		contentType := "application/json"
		if !json {
			contentType, body = "application/x-protobuf", snappy.Encode(nil, body)
		}
		switch w := post(h, contentType, body); w.Code {
		case 204, 400, 422:
		default:
			t.Fatalf("status %d", w.Code)
		}
	})
}

// FuzzLabels checks that what is read can be written and read again.
func FuzzLabels(f *testing.F) {
	f.Add(`{a="b", c="\n\u00e9"}`)
	f.Add("{a=`b`,}")
	f.Fuzz(func(t *testing.T, text string) {
		labels, err := parseLabels(text)
		if err != nil {
			return
		}
		written := model.FormatLabels(labels)
		again, err := parseLabels(written)
		if err != nil || model.FormatLabels(again) != written {
			t.Fatalf("%q: %v, %v", text, again, err)
		}
	})
}
