// Package series is the metrics engine: it keeps each tenant's series in a Prometheus tsdb of its own, behind the
// contracts of package store.
//
//	db, err := series.Open(series.Options{Dir: "data/series"}, log, registerer)
//	w, err := db.Writer("default")   // appends; makes the tenant
//	r, err := db.Reader("default")   // queries; makes nothing
//	err = db.Close()
//
// All uses of the tsdb library are in this package, so that another engine can take its place.
package series

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// DB is the series of all tenants. It implements store.Tenants. It is safe for concurrent use.
type DB struct {
	opts  Options
	log   *slog.Logger
	reg   prometheus.Registerer
	stats *dbMetrics
	space *space

	destinations destinations

	cancel context.CancelFunc
	ctx    context.Context
	loops  sync.WaitGroup

	// mu guards what follows. No I/O happens under it: a tenant that is being opened holds its own slot only.
	mu     sync.Mutex
	known  map[string]bool  // the tenants that hold data, open or not
	slots  map[string]*slot // the tenants that are open or being opened
	closed bool
}

// slot is the place of one tenant. ready is closed by whoever opens it, after tenant or err is set.
type slot struct {
	ready  chan struct{}
	tenant *tenant
	err    error
}

var (
	_ store.Tenants = (*DB)(nil)

	errClosed = errors.New("the series store is closed")
)

// Open opens the store in opts.Dir, replays what was not yet in blocks, and starts its upkeep. The default tenant
// is open when it returns; the others are opened behind it, or at their first use.
func Open(opts Options, log *slog.Logger, reg prometheus.Registerer) (*DB, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("cannot open the series store: %w", err)
	}
	names, err := tenantsOnDisk(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the series store: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	db := &DB{
		opts: opts, log: log, reg: reg,
		space: newSpace(opts.Dir, opts.MinFreeBytes),
		ctx:   ctx, cancel: cancel,
		known: make(map[string]bool),
		slots: make(map[string]*slot),
	}
	for _, name := range names {
		db.known[name] = true
	}
	db.stats, err = newDBMetrics(db, reg)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot open the series store: %w", err)
	}
	db.destinations.init(opts, log, reg)
	db.space.check()
	if _, err := db.open(model.DefaultTenant); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.loops.Go(func() { db.openOthers(names) })
	db.loops.Go(func() { db.upkeep() })
	return db, nil
}

// Reader returns the tenant's series for reading; see store.Tenants. An unknown tenant has no series until
// somebody writes to it.
func (db *DB) Reader(name string) (store.Series, error) {
	if err := model.ValidTenant(name); err != nil {
		return nil, err
	}
	t, err := db.existing(name)
	switch {
	case err != nil:
		return nil, err // not t: a nil *tenant in an interface is not nil
	case t == nil:
		return absent{db: db, name: name}, nil
	}
	return t, nil
}

// Writer returns the tenant's series for writing; see store.Tenants.
func (db *DB) Writer(name string) (store.Series, error) {
	t, err := db.open(name)
	if err != nil {
		return nil, err // not t: a nil *tenant in an interface is not nil
	}
	return t, nil
}

// Names lists the tenants that hold data, sorted.
func (db *DB) Names() []string {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.Sorted(maps.Keys(db.known))
}

// Close stops the upkeep and closes every tenant, writing down what makes the next start fast.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	slots := slices.Collect(maps.Values(db.slots))
	db.mu.Unlock()

	db.cancel()
	db.loops.Wait()
	db.space.stopWaiting()
	errs := []error{db.destinations.close()}
	for _, s := range slots {
		<-s.ready
		if s.tenant != nil {
			errs = append(errs, s.tenant.close())
		}
	}
	db.stats.unregister()
	return errors.Join(errs...)
}

// existing returns the tenant when it has been written to, else nil.
func (db *DB) existing(name string) (*tenant, error) {
	db.mu.Lock()
	known, closed := db.known[name], db.closed
	db.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case !known:
		return nil, nil
	}
	return db.open(name)
}

// open returns the tenant, opening or making it when it is not open yet.
func (db *DB) open(name string) (*tenant, error) {
	s, mine, err := db.slotOf(name)
	if err != nil {
		return nil, err
	}
	if !mine {
		<-s.ready
		return s.tenant, s.err
	}
	s.tenant, s.err = openTenant(db, name)
	if s.err != nil {
		db.forget(name) // so that the next use tries again
	}
	close(s.ready)
	return s.tenant, s.err
}

// slotOf returns the tenant's slot, and whether the caller has to open it.
func (db *DB) slotOf(name string) (_ *slot, mine bool, _ error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, false, errClosed
	}
	if s, ok := db.slots[name]; ok {
		return s, false, nil
	}
	if err := model.ValidTenant(name); err != nil {
		return nil, false, err
	}
	if !db.known[name] && len(db.known) >= db.opts.MaxTenants {
		return nil, false, fmt.Errorf("cannot add tenant %q: %w: the limit is %d", name, store.ErrTooManyTenants, db.opts.MaxTenants)
	}
	s := &slot{ready: make(chan struct{})}
	db.slots[name] = s
	db.known[name] = true
	return s, true, nil
}

// forget drops the slot of a tenant that could not be opened; it stays known only if it is on disk.
func (db *DB) forget(name string) {
	_, err := os.Stat(filepath.Join(db.opts.Dir, name))
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.slots, name)
	if err != nil {
		delete(db.known, name)
	}
}

// opened returns the tenants that are open, sorted by name.
func (db *DB) opened() []*tenant {
	db.mu.Lock()
	defer db.mu.Unlock()
	var open []*tenant
	for _, s := range db.slots {
		select {
		case <-s.ready:
			if s.tenant != nil {
				open = append(open, s.tenant)
			}
		default:
		}
	}
	slices.SortFunc(open, func(a, b *tenant) int { return strings.Compare(a.name, b.name) })
	return open
}

// openOthers opens the tenants found on disk, so that retention reaches those that nobody uses.
func (db *DB) openOthers(names []string) {
	for _, name := range names {
		if db.ctx.Err() != nil {
			return
		}
		if _, err := db.open(name); err != nil {
			db.log.Error("cannot open a tenant's series", "tenant", name, "err", err)
		}
	}
}

// upkeepTick is how often free space is looked at; syncs happen on their own interval.
const upkeepTick = time.Second

// upkeep looks after free space, the sync of the write-ahead logs and the metadata files until Close.
func (db *DB) upkeep() {
	ticker := time.NewTicker(db.upkeepInterval())
	defer ticker.Stop()
	for {
		select {
		case <-db.ctx.Done():
			return
		case <-ticker.C:
		}
		db.noteSpace()
		for _, t := range db.opened() {
			if db.opts.SyncInterval > 0 {
				t.wal.syncLogged()
			}
			t.meta.saveWhenDue(time.Now())
		}
	}
}

func (db *DB) upkeepInterval() time.Duration {
	if db.opts.SyncInterval > 0 {
		return min(db.opts.SyncInterval, upkeepTick)
	}
	return upkeepTick
}

// noteSpace checks the free space and logs when the answer changes.
func (db *DB) noteSpace() {
	before := db.space.full()
	free, _ := db.space.check()
	switch now := db.space.full(); {
	case now && !before:
		db.log.Error("disk almost full: series are no longer taken until there is space again",
			"dir", db.opts.Dir, "free_bytes", free, "needed_bytes", db.opts.MinFreeBytes)
	case before && !now:
		db.log.Info("there is disk space again: series are taken", "dir", db.opts.Dir, "free_bytes", free)
	}
}

// tenantsOnDisk lists the folders in dir that are named like a tenant.
func tenantsOnDisk(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && model.ValidTenant(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
