package series

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// dbMetrics is what the store tells of itself: its own counters, and a look at every open tenant at each scrape.
type dbMetrics struct {
	db  *DB
	reg prometheus.Registerer

	syncSeconds  prometheus.Histogram
	syncFailures prometheus.Counter
	own          []prometheus.Collector
}

func newDBMetrics(db *DB, reg prometheus.Registerer) (*dbMetrics, error) {
	m := &dbMetrics{
		db:  db,
		reg: reg,
		syncSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hulotte_store_series_wal_sync_seconds",
			Help:    "Time to bring what was written to a write-ahead log to the disk.",
			Buckets: []float64{0.0001, 0.001, 0.01, 0.1, 1, 10},
		}),
		syncFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_store_series_wal_sync_failures_total",
			Help: "Syncs of a write-ahead log that failed.",
		}),
	}
	m.own = []prometheus.Collector{m.syncSeconds, m.syncFailures, newDBCollector(db)}
	if reg == nil {
		return m, nil
	}
	for i, c := range m.own {
		if err := reg.Register(c); err != nil {
			m.own = m.own[:i]
			m.unregister()
			return nil, err
		}
	}
	return m, nil
}

func (m *dbMetrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.own {
		m.reg.Unregister(c)
	}
}

// dbCollector looks at the DB and its open tenants when it is scraped.
type dbCollector struct {
	db      *DB
	whole   []looked[*DB]
	tenants []looked[*tenant]
}

// looked is a metric whose value is looked up when it is scraped. NaN is left out.
type looked[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(T) float64
}

func newDBCollector(db *DB) dbCollector {
	c := dbCollector{db: db}
	whole := func(name, help string, value func(*DB) float64) {
		desc := prometheus.NewDesc("hulotte_store_series_"+name, help, nil, nil)
		c.whole = append(c.whole, looked[*DB]{desc, prometheus.GaugeValue, value})
	}
	each := func(kind prometheus.ValueType, name, help string, value func(*tenant) float64) {
		desc := prometheus.NewDesc("hulotte_store_series_"+name, help, []string{"tenant"}, nil)
		c.tenants = append(c.tenants, looked[*tenant]{desc, kind, value})
	}
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue

	whole("tenants", "Tenants that hold series.", func(db *DB) float64 { return float64(len(db.Names())) })
	whole("free_bytes", "Free space of the file system that holds the series.", func(db *DB) float64 { return float64(db.space.free.Load()) })
	whole("full", "1 while writes are refused because the disk is almost full.", func(db *DB) float64 {
		if db.space.full() {
			return 1
		}
		return 0
	})
	each(counter, "samples_total", "Samples committed.", func(t *tenant) float64 { return float64(t.counts.samples.Load()) })
	each(counter, "writes_refused_total", "Transactions refused because the disk was full.", func(t *tenant) float64 { return float64(t.counts.refusedSpace.Load()) })
	each(counter, "series_refused_total", "Times a new series was refused because of the tenant's limit.", func(t *tenant) float64 { return float64(t.series.refused.Load()) })
	each(counter, "wal_repairs_total", "Corrupt write-ahead logs that were cut at the fault when the tenant was opened.", func(t *tenant) float64 { return t.repairs })
	each(counter, "metadata_dropped_total", "Times a metric's metadata was not kept because there was too much.", (*tenant).metadataDropped)
	each(gauge, "metadata_metrics", "Metrics whose metadata is kept.", (*tenant).metadataMetrics)
	each(gauge, "head_series", "Series in memory.", func(t *tenant) float64 { return float64(t.tsdb.Head().NumSeries()) })
	each(gauge, "head_bytes", "Bytes on disk of the write-ahead log and the mapped chunks.", func(t *tenant) float64 { return float64(t.tsdb.Head().Size()) })
	each(gauge, "blocks", "Immutable blocks.", func(t *tenant) float64 { return float64(len(t.tsdb.Blocks())) })
	each(gauge, "block_bytes", "Bytes on disk of the blocks.", (*tenant).blockBytes)
	each(gauge, "oldest_time_seconds", "Time of the oldest sample held, in seconds since the epoch.", (*tenant).oldestSeconds)
	return c
}

// Describe names every metric, so that the collector can be unregistered.
func (c dbCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.whole {
		out <- m.desc
	}
	for _, m := range c.tenants {
		out <- m.desc
	}
}

// Collect looks every metric up.
func (c dbCollector) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.whole {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(c.db))
	}
	for _, t := range c.db.opened() {
		for _, m := range c.tenants {
			if v := m.value(t); !math.IsNaN(v) {
				out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, t.name)
			}
		}
	}
}

func (t *tenant) metadataMetrics() float64 {
	metrics, _ := t.meta.counts()
	return float64(metrics)
}

func (t *tenant) metadataDropped() float64 {
	_, dropped := t.meta.counts()
	return float64(dropped)
}

func (t *tenant) blockBytes() float64 {
	var bytes int64
	for _, b := range t.tsdb.Blocks() {
		bytes += b.Size()
	}
	return float64(bytes)
}

// oldestSeconds is NaN when nothing is held.
func (t *tenant) oldestSeconds() float64 {
	oldest, err := t.tsdb.StartTime()
	if err != nil || oldest == math.MaxInt64 {
		return math.NaN()
	}
	return float64(oldest) / 1000
}

// noteRepairs remembers what tsdb had to repair when it opened; it has logged where.
func (t *tenant) noteRepairs() {
	t.repairs += t.ownMetric("prometheus_tsdb_wal_corruptions_total")
	if t.repairs > 0 {
		t.log.Error("the write-ahead log was corrupt: what came after the fault is lost", "dir", t.dir)
	}
}
