package block

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	written, writtenBytes, deleted, orphans, damaged, retries prometheus.Counter
}

func newMetrics(c *Catalogue, reg prometheus.Registerer) *metrics {
	with := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"engine": c.o.Engine}, reg))
	if reg == nil {
		with = promauto.With(nil)
	}
	count := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string, f func(Entry) float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return c.sum(f) })
	}
	gauge("hulotte_blocks", "Blocks in the catalogue.", func(Entry) float64 { return 1 })
	gauge("hulotte_block_bytes", "Bytes of the blocks in the catalogue.", func(e Entry) float64 { return float64(e.Bytes) })
	gauge("hulotte_block_raw_bytes", "Bytes that the blocks hold, as they came.", func(e Entry) float64 { return float64(e.RawBytes) })
	gauge("hulotte_block_records", "Records in the blocks.", func(e Entry) float64 { return float64(e.Records) })
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_block_blobs_idle", Help: "Blobs that are open although nobody reads them."},
		func() float64 { return float64(c.open.count()) })
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_block_deletions_waiting", Help: "Blobs of blocks that were replaced or deleted, which are still there for their readers."},
		func() float64 { return float64(c.Dying()) })
	return &metrics{
		written:      count("hulotte_block_writes_total", "Blobs of blocks that were written, by cuts and merges."),
		writtenBytes: count("hulotte_block_write_bytes_total", "Bytes of blobs of blocks that were written, by cuts and merges."),
		deleted:      count("hulotte_block_blobs_deleted_total", "Blobs of blocks that were deleted after they had been replaced or their time was over."),
		orphans:      count("hulotte_block_orphans_deleted_total", "Blobs without an entry in the catalogue, left behind by something interrupted, that were deleted."),
		damaged:      count("hulotte_block_catalogue_damaged_total", "Times that the catalogue of a day could not be read."),
		retries:      count("hulotte_block_catalogue_retries_total", "Changes of the catalogue that were tried again, because somebody else changed it at the same time or the medium was not certain."),
	}
}

func (c *Catalogue) sum(f func(Entry) float64) float64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	total := 0.0
	for _, at := range c.parts {
		for _, e := range at.entries {
			total += f(e)
		}
	}
	return total
}
