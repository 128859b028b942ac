package zipkin

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkDecode decodes 500 spans with three tags and both endpoints, as a reporter sends them at once; a second is of one processor.
func BenchmarkDecode(b *testing.B) {
	var json bytes.Buffer
	json.WriteByte('[')
	for i := range 500 {
		if i > 0 {
			json.WriteByte(',')
		}
		fmt.Fprintf(&json, `{"traceId":"5982fe77008310cc80f1da5e10147517","parentId":"90394f6bcffb5d13","id":"%016x","kind":"SERVER","name":"get /api","timestamp":1516781775726000,`+
			`"duration":26000,"localEndpoint":{"serviceName":"api","ipv4":"172.19.0.2"},"remoteEndpoint":{"serviceName":"web","ipv4":"172.19.0.3","port":58648},`+
			`"tags":{"http.method":"GET","http.path":"/api/%d","http.status_code":"200"}}`, i+1, i)
	}
	json.WriteByte(']')
	f := func(name, format string, body []byte) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				d := newDecoder(func(int64) error { return nil })
				if err := d.decode(format, body); err != nil || d.spans.Len() != 500 {
					b.Fatal(d.spans.Len(), err)
				}
			}
			b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
		})
	}
	f("json", jsonV2, json.Bytes())
	f("protobuf", protobufV2, bytes.Repeat(listOfSpans(), 500))
}
