package jaeger

import (
	"testing"

	"github.com/hulotte-dev/hulotte/internal/thrift"
	"github.com/hulotte-dev/hulotte/internal/thrift/thrifttest"
)

// BenchmarkDecode decodes 500 spans with four tags and a log, as a client sends them at once; a second is of one processor.
func BenchmarkDecode(b *testing.B) {
	spans := make([]any, 500)
	for i := range spans {
		spans[i] = s{1, int64(7), 2, int64(8), 3, int64(i + 1), 4, int64(1), 5, "get /api", 7, int32(1), 8, int64(1516781775726000), 9, int64(26000),
			10, l{textTag("span.kind", "server"), textTag("http.method", "GET"), textTag("http.url", "/api"), longTag("http.status_code", 200)},
			11, l{s{1, int64(1516781775726500), 2, l{textTag("event", "sent")}}}}
	}
	all := batch(process("web", l{textTag("hostname", "h"), textTag("ip", "10.0.0.1")}), spans...)
	f := func(name string, body []byte, read func([]byte) *thrift.Reader) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				d := newDecoder(func(int64) error { return nil })
				if err := d.thriftBatch(read(body)); err != nil || d.spans.Len() != 500 {
					b.Fatal(d.spans.Len(), err)
				}
			}
			b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
		})
	}
	f("binary", thrifttest.Binary(all), thrift.Binary)
	f("compact", thrifttest.Compact(all), thrift.Compact)
}
