package local

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type blobMetrics struct {
	puts, putFailures, putBytes prometheus.Counter
	deletes                     prometheus.Counter
	opens, ranges, rangeBytes   prometheus.Counter
	checkedBytes, damaged       prometheus.Counter
	swept                       prometheus.Counter
	mapped, mappedBytes         prometheus.Gauge
}

func newBlobMetrics(reg prometheus.Registerer) *blobMetrics {
	with := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "hulotte_blob_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return with.NewGauge(prometheus.GaugeOpts{Name: "hulotte_blob_" + name, Help: help})
	}
	return &blobMetrics{
		puts:         counter("puts_total", "Blobs that were stored."),
		putFailures:  counter("put_failures_total", "Blobs that could not be stored, without those whose name was in use."),
		putBytes:     counter("put_bytes_total", "Bytes of the blobs that were stored."),
		deletes:      counter("deletes_total", "Blobs that were deleted."),
		opens:        counter("opens_total", "Blobs that were opened for reading."),
		ranges:       counter("reads_total", "Ranges of blobs that were read."),
		rangeBytes:   counter("read_bytes_total", "Bytes of the ranges of blobs that were read."),
		checkedBytes: counter("checked_bytes_total", "Bytes of blobs whose checksum was computed, on the first touch of each chunk."),
		damaged:      counter("damaged_chunks_total", "Times that a chunk of a blob did not match its checksum or could not be read."),
		swept:        counter("swept_files_total", "Files of interrupted writes that were removed at the start."),
		mapped:       gauge("mappings", "Blobs that are mapped into memory, open ones and those kept for the next reader."),
		mappedBytes:  gauge("mapped_bytes", "Bytes of blobs that are mapped into memory; they take room only as far as they are read."),
	}
}
