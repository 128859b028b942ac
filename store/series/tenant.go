package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// tenant is the series of one tenant: a tsdb in a folder of its own, and what the tsdb does not keep.
type tenant struct {
	name   string
	dir    string
	log    *slog.Logger
	opts   Options
	tsdb   *tsdb.DB
	space  *space
	wal    *walSync
	meta   *metadataLog
	series *seriesLimit
	counts tenantCounts
	ready  atomic.Bool // the tsdb is open

	// destinations get what is written to the default tenant; nil for the others.
	destinations *destinations

	// repairs counts the corrupt logs found at opening.
	repairs float64

	// own holds the tsdb's own metrics; reg is where they are shown (the default tenant's only), else nil.
	own *prometheus.Registry
	reg prometheus.Registerer
}

var (
	_ store.Series            = (*tenant)(nil)
	_ store.SeriesStatser     = (*tenant)(nil)
	_ store.SeriesDeleter     = (*tenant)(nil)
	_ store.SeriesSnapshotter = (*tenant)(nil)
	_ store.SeriesCopier      = (*tenant)(nil)
	_ store.MetadataReader    = (*tenant)(nil)
	_ store.MetadataAppender  = (*tenant)(nil)
)

func openTenant(db *DB, name string) (*tenant, error) {
	t := &tenant{
		name:   name,
		dir:    filepath.Join(db.opts.Dir, name),
		log:    db.log.With("tenant", name),
		opts:   db.opts,
		space:  db.space,
		series: &seriesLimit{max: int64(db.opts.MaxSeries)},
		own:    prometheus.NewRegistry(),
	}
	opts := db.opts.tsdbOptions()
	opts.BlocksToDelete = (&retention{db: db, tenant: t}).blocksToDelete
	opts.NewCompactorFunc = db.space.newCompactor
	opts.SeriesLifecycleCallback = t.series
	// Tenants other than the first one spread their head's compaction, so that a hundred do not start at once.
	opts.EnableDelayedCompaction = name != model.DefaultTenant

	if err := t.mend(); err != nil {
		return nil, fmt.Errorf("cannot open the series of tenant %q in %s: %w", name, t.dir, err)
	}
	var err error
	t.tsdb, err = tsdb.Open(t.dir, t.log, t.own, opts, tsdb.NewDBStats())
	if err != nil {
		return nil, fmt.Errorf("cannot open the series of tenant %q in %s: %w", name, t.dir, err)
	}
	if name == model.DefaultTenant {
		t.destinations = &db.destinations
		t.tsdb.SetWriteNotified(t.destinations)
	}
	t.ready.Store(true)
	t.series.head.Store(t.tsdb.Head())
	t.meta = openMetadataLog(filepath.Join(t.dir, metadataFile), db.opts.MaxMetadata, db.opts.RetentionTime, t.log)
	t.wal = newWALSync(t.dir, t.log, db.stats)
	if err := t.showOwnMetrics(db.reg); err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.noteRepairs()
	return t, nil
}

// mend puts the folder right when it was not closed in good order.
func (t *tenant) mend() error {
	if err := removeCopies(t.dir); err != nil {
		return err
	}
	clean, err := wasClosedCleanly(t.dir)
	if clean || err != nil {
		return err
	}
	corrupt, err := mendWBL(t.dir, t.log)
	if corrupt {
		t.repairs++
	}
	return err
}

// showOwnMetrics registers the tsdb's own metrics, prometheus_tsdb_*, for the default tenant: dashboards for
// Prometheus find them, and a hundred tenants do not make a hundred copies of 150 series.
func (t *tenant) showOwnMetrics(reg prometheus.Registerer) error {
	if t.name != model.DefaultTenant || reg == nil {
		return nil
	}
	if err := reg.Register(t.own); err != nil {
		return fmt.Errorf("cannot register the metrics of the series store: %w", err)
	}
	t.reg = reg
	return nil
}

func (t *tenant) close() error {
	if t.reg != nil {
		t.reg.Unregister(t.own)
	}
	var errs []error
	if t.wal != nil {
		t.wal.stop()
	}
	if t.meta != nil {
		errs = append(errs, t.meta.save())
	}
	err := t.tsdb.Close()
	if err == nil {
		err = markClean(t.dir)
	}
	return errors.Join(append(errs, err)...)
}

// Querier opens a view of the samples from mint to maxt (milliseconds, both included).
func (t *tenant) Querier(mint, maxt int64) (storage.Querier, error) {
	return t.tsdb.Querier(mint, maxt)
}

// ChunkQuerier is Querier for encoded chunks.
func (t *tenant) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	return t.tsdb.ChunkQuerier(mint, maxt)
}

// ExemplarQuerier opens a view of the exemplars in memory.
func (t *tenant) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	return t.tsdb.ExemplarQuerier(ctx)
}

// StartTime returns the time of the oldest sample held, in milliseconds; math.MaxInt64 when there is none.
func (t *tenant) StartTime() (int64, error) { return t.tsdb.StartTime() }
