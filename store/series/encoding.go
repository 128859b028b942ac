package series

import (
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/compression"
)

// setEncodings chooses how samples rest. Against tsdb's defaults, with 5,000 series in batches of 500 (2 cores, AMD
// EPYC): 0.15 instead of 0.20 CPU seconds a million samples, 3.3 instead of 6.9 bytes of log a sample, 1.29 instead of
// 1.45 bytes in chunks. The log's newer records, which come with start timestamps, make most of it; start timestamps
// themselves let rate() see a counter's first increase after a restart.
//
// Prometheus reads these files from version 3.16 on.
func setEncodings(t *tsdb.Options) {
	t.FloatChunkEncoding = chunkenc.EncXOR2
	t.EnableSTStorage = true
	t.EnableHistogramSTEncoding = true
	t.WALCompression = compression.Snappy
	t.EnableMemorySnapshotOnShutdown = true
}
