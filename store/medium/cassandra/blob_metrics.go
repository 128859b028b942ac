package cassandra

import "github.com/prometheus/client_golang/prometheus"

// blobMetrics is what the blobs and their cache tell of themselves.
type blobMetrics struct {
	puts, writtenBytes, ranges, readBytes, secondReads, abandoned prometheus.Counter
	hits, misses, shared, evictions                               prometheus.Counter
	cached                                                        prometheus.Gauge

	reg prometheus.Registerer
}

func newBlobMetrics(reg prometheus.Registerer) (*blobMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "hulotte_cassandra_blob_" + name, Help: help})
	}
	m := &blobMetrics{
		puts:         counter("puts_total", "Blobs that were put."),
		writtenBytes: counter("written_bytes_total", "Bytes of parts that were written."),
		ranges:       counter("ranges_total", "Ranges that were read, from the cache or the cluster."),
		readBytes:    counter("read_bytes_total", "Bytes of parts that were read from the cluster."),
		secondReads:  counter("second_reads_total", "Parts that the first replica did not give soundly, so that a quorum was asked."),
		abandoned:    counter("puts_abandoned_total", "Interrupted puts whose parts were removed."),
		hits:         counter("cache_hits_total", "Parts that were in the cache."),
		misses:       counter("cache_misses_total", "Parts that were fetched, because the cache had them not."),
		shared:       counter("cache_shared_total", "Parts that somebody else was just fetching."),
		evictions:    counter("cache_evictions_total", "Parts that left the cache to make room."),
		cached:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "hulotte_cassandra_blob_cache_bytes", Help: "Bytes of the parts in the cache."}),
		reg:          reg,
	}
	return m, registerAll(reg, m.all())
}

func (m *blobMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.puts, m.writtenBytes, m.ranges, m.readBytes, m.secondReads, m.abandoned, m.hits, m.misses, m.shared, m.evictions, m.cached}
}

func (m *blobMetrics) unregister() { unregisterAll(m.reg, m.all()) }
