package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkQueryRange answers a dashboard's queries over an hour of 160 series at 15 s, HTTP and JSON included.
func BenchmarkQueryRange(b *testing.B) {
	var load strings.Builder
	load.WriteString("load 15s\n")
	for i := range 160 {
		fmt.Fprintf(&load, "  node_cpu_seconds_total{cpu=\"%d\",mode=\"%d\",instance=\"web-01.example.org:9100\",job=\"node\"} 0+0.37x240\n", i/8, i%8)
	}
	h := newTestAPI(b, loadSeries(b, load.String()), nil)
	for name, expr := range map[string]string{
		"raw":      "node_cpu_seconds_total",
		"sum_rate": "sum%20by%20(mode)%20(rate(node_cpu_seconds_total[5m]))",
	} {
		for _, encoding := range []string{"identity", "gzip", "zstd"} {
			b.Run(name+"/"+encoding, func(b *testing.B) {
				b.ReportAllocs()
				size := 0
				for b.Loop() {
					r := httptest.NewRequest(http.MethodGet, "/api/v1/query_range?start=0&end=3600&step=15&query="+expr, nil)
					r.Header.Set("Accept-Encoding", encoding)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if w.Code != http.StatusOK {
						b.Fatal(w.Body)
					}
					size = w.Body.Len()
				}
				b.ReportMetric(float64(size), "body-bytes")
			})
		}
	}
}
