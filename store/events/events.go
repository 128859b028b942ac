// Package events is the engine of log records (and of whatever else is a time, some text and fields). An append goes to the journal
// and to the head in memory; the head's records are encoded in groups (package rowgroup) as soon as there are enough of them, and become
// blocks (package block) on the medium when it is full or old.
//
// One journal holds the records of all tenants of this node: they share one group commit, however many they are, and a tenant costs no file. Every
// entry carries the generation of the head that its records went to. A head is cut as a whole: its blocks are written and added to the
// catalogue, each saying which generations it covers; then the generation is noted as cut; then the journal lets go of it. So a replay knows of
// every record whether it is in a block, by its tenant, its day and its generation.
//
// What must always be true: a record that was acknowledged is in the journal or in a block, and seen by every later Select exactly
// once. The head and what is being appended is bounded in bytes; whoever appends waits, then is told ErrBusy.
package events

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/budget"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Store keeps the records of all tenants. It implements store.EventTenants.
type Store struct {
	o           Options
	medium      medium.Medium
	log         *slog.Logger
	metrics     *metrics
	blocks      *block.Catalogue
	journal     medium.Journal
	encoders    *encoders
	budget      *budget.Budget
	directories *directories
	deletions   *deletions
	seed        maphash.Seed
	tailed      atomic.Int64 // bytes in tails
	position    atomic.Uint64

	wake      chan struct{} // tells the cutter to look; never closed
	stop      context.CancelFunc
	stopped   sync.WaitGroup
	work      sync.Mutex // held by whoever cuts
	folding   sync.Mutex // held by whoever encodes tails
	upkeeping sync.Mutex // held by whoever merges and deletes blocks
	hub       *hub
	ended     context.Context // the store was closed
	workers   int             // goroutines of a Select that does not say

	buffers   *sync.Pool // *pushBuffers
	scratches sync.Pool  // *rowgroup.Scratch
	replaying atomic.Bool
	failed    atomic.Pointer[error]

	mu      sync.RWMutex // no I/O under it; taken under the catalogue's lock, before a head's
	heads   []*head      // the oldest first; the last one is written to
	tenants map[string]*tenant
	closed  bool
}

func journalName(node string) string { return node + "/events" }

// engine is the name under which blocks, journals and documents of this package are kept.
const engine = "events"

// Open opens the store: it reads the catalogue of blocks, and from the journal what is not in blocks yet. Where the journal is damaged, what is sound is
// kept and the rest is logged and counted. Close it before the medium.
func Open(ctx context.Context, o Options, m medium.Medium, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	s, err := open(ctx, o, m, log, reg)
	if err != nil {
		return nil, fmt.Errorf("cannot open the store of records: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, o Options, m medium.Medium, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	s := &Store{
		o: o, medium: m, log: log, seed: maphash.MakeSeed(), wake: make(chan struct{}, 1), tenants: map[string]*tenant{},
		hub: newHub(), buffers: newBufferPool(), workers: runtime.GOMAXPROCS(0),
	}
	s.scratches.New = func() any { return rowgroup.NewScratch() }
	s.ended, s.stop = context.WithCancel(context.Background())
	s.replaying.Store(true)
	s.budget = budget.New(o.HeadBytes, s.gateOpen)
	s.directories = newDirectories(o.DirectoryBytes, s.seed)
	s.deletions = newDeletions(s)
	s.metrics = newMetrics(s, reg)
	s.blocks, err = block.Open(ctx, block.Options{Engine: engine, Node: o.Node}, m, log, reg)
	if err != nil {
		return nil, err
	}
	for _, p := range s.blocks.Partitions("") {
		s.tenantLocked(p.Tenant)
	}
	if err := s.deletions.load(ctx); err != nil {
		return nil, err
	}
	s.journal, err = m.Journals().Open(ctx, journalName(o.Node), medium.JournalOptions{})
	if err != nil {
		return nil, err
	}
	if s.encoders, err = startEncoders(o.Encoders, o.Codec, s); err != nil {
		return nil, errors.Join(err, s.journal.Close())
	}
	if err := s.replay(ctx); err != nil {
		s.encoders.stop()
		return nil, errors.Join(err, s.journal.Close())
	}
	s.stopped.Go(func() { s.cutter(s.ended) })
	return s, nil
}

// Close ends the store. What is in memory is in the journal too, and is read from there at the next Open.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.stopped.Wait()
	for _, h := range s.headList() {
		h.inflight.Wait()
	}
	s.encoders.stop()
	if err := s.journal.Close(); err != nil {
		return fmt.Errorf("cannot close the journal of records: %w", err)
	}
	return nil
}

// Run does what can wait until ctx ends: it watches the catalogue, merges, deletes what is too old or was asked to be deleted.
func (s *Store) Run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { s.blocks.Run(ctx) })
	group.Go(func() { s.deletions.watch(ctx) })
	group.Go(func() { s.upkeep(ctx) })
	group.Wait()
	return nil
}

// headList returns the heads, the oldest first.
func (s *Store) headList() []*head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.heads)
}

func (s *Store) encodedBytes() (n int64) {
	for _, h := range s.headList() {
		n += h.encoded.Load()
	}
	return n
}

func (s *Store) headStreams() (n int64) {
	for _, h := range s.headList() {
		n += h.streams.Load()
	}
	return n
}

// gateOpen says whether cutting keeps up: at most three heads' worth of groups are in memory.
func (s *Store) gateOpen() bool { return s.replaying.Load() || s.encodedBytes() < 3*s.o.CutBytes }

var errClosed = model.NewError(model.Unavailable, "the store of records is closed")

// EventReader implements store.EventTenants.
func (s *Store) EventReader(name string) (store.EventReader, error) {
	if err := model.ValidTenant(name); err != nil {
		return nil, fmt.Errorf("cannot read a tenant's records: %w: %w", errBadOption, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tenants[name]; t != nil {
		return t, nil
	}
	return newTenant(s, name), nil // reading makes no tenant
}

// EventWriter implements store.EventTenants.
func (s *Store) EventWriter(name string) (store.Events, error) {
	if err := model.ValidTenant(name); err != nil {
		return nil, fmt.Errorf("cannot write a tenant's records: %w: %w", errBadOption, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[name] == nil && len(s.tenants) >= s.o.MaxTenants {
		return nil, fmt.Errorf("cannot keep records of the tenant %q: %w: there are %d", name, store.ErrTooManyTenants, len(s.tenants))
	}
	return s.tenantLocked(name), nil
}
