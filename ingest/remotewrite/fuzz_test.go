package remotewrite

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

func decode(version int, message []byte) (*recorder, *batch, error) {
	to := newRecorder()
	h := newTestHandler(Options{}, to)
	l := &lease{from: h.budget}
	defer l.giveBack()
	b, err := h.store(contextOf(""), version, message, l, &buffers{})
	return to, b, err
}

// FuzzDecodeV1 checks that what the decoder and the generated code both take is the same samples to both.
func FuzzDecodeV1(f *testing.F) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	for range 20 {
		raw, _ := r.v1().Marshal()
		f.Add(raw)
	}
	// A sample before the labels, an unknown field, labels in two places.
	f.Add([]byte("\x0a\x1a\x12\x02\x10\x05\x0a\x0d\x0a\x08__name__\x12\x01a\x2a\x00\x0a\x03\x0a\x01b"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, b, err := decode(1, raw)
		if err != nil {
			return
		}
		var req prompb.WriteRequest
		if req.Unmarshal(raw) != nil {
			return // ours does not look into what it refuses or has no use for
		}
		want := newSlow(testNow.Add(10 * time.Minute).UnixMilli())
		want.v1(&req)
		compare(t, got, want)
		if b.refused.total != want.refused {
			t.Fatalf("%d samples refused, want %d", b.refused.total, want.refused)
		}
	})
}

// FuzzDecodeV2 is FuzzDecodeV1 for remote write 2.0.
func FuzzDecodeV2(f *testing.F) {
	r := random{rand.New(rand.NewPCG(5, 6))}
	for range 20 {
		raw, _ := r.toV2(r.v1()).Marshal()
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, b, err := decode(2, raw)
		if err != nil {
			return
		}
		var req writev2.Request
		if req.Unmarshal(raw) != nil {
			return // ours does not look into what it refuses or has no use for
		}
		want := newSlow(testNow.Add(10 * time.Minute).UnixMilli())
		want.v2(&req)
		compare(t, got, want)
		if b.refused.total != want.refused {
			t.Fatalf("%d samples refused, want %d", b.refused.total, want.refused)
		}
	})
}

// FuzzRequest throws bytes at the handler as they would come over the wire.
func FuzzRequest(f *testing.F) {
	raw, _ := (&prompb.WriteRequest{}).Marshal()
	f.Add(snappy.Encode(nil, raw), true)
	f.Add([]byte("\xff\xff\xff\xff\x0f"), false) // says that it is 4 GiB
	h := newTestHandler(Options{}, newRecorder())
	f.Fuzz(func(t *testing.T, body []byte, v2 bool) {
		contentType := typeV1
		if v2 {
			contentType = typeV2
		}
		switch status := postRaw(h, contentType, body); status {
		case 204, 400, 413:
		default:
			t.Fatalf("status %d", status)
		}
		if used := h.budget.used.Load(); used != 0 {
			t.Fatalf("%d bytes of the budget were not given back", used)
		}
	})
}
