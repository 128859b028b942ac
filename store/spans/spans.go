// Package spans is the engine of traces. It lives as the engine of log records does (package events): an append goes to the journal and to the
// head in memory; the head's spans are encoded in groups (package spangroup), traces together, as soon as there are enough of them, and
// become blocks (package block) on the medium when they are many or old.
//
// One journal holds the spans of all tenants of this node. Every entry carries the generation of the head that its spans went to. A head
// is cut as a whole: its blocks are written and added to the catalogue, each saying which generations it covers; then the generation is noted
// as cut; then the journal lets go of it. So a replay knows of every span whether it is in a block.
//
// What must always be true: a span that was acknowledged is in the journal or in a block, and seen by every later reading. The head
// and what is being appended is bounded in bytes; whoever appends waits, then is told ErrBusy.
package spans

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/budget"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Store keeps the spans of all tenants. It implements store.SpanTenants.
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
	position    atomic.Uint64 // the highest that is in the journal
	pool        sync.Pool     // *pushBuffers
	workers     int           // goroutines of a search that does not say

	wake      chan struct{} // tells the cutter to look; never closed
	ended     context.Context
	stop      context.CancelFunc
	stopped   sync.WaitGroup
	work      sync.Mutex // held by whoever cuts
	upkeeping sync.Mutex // held by whoever merges and deletes blocks
	replaying atomic.Bool
	failed    atomic.Pointer[error] // why cutting does not work

	mu      sync.RWMutex // no I/O under it; taken under the catalogue's lock, before a head's
	heads   []*head      // the oldest first; the last one is written to
	tenants map[string]*tenant
	closed  bool
}

// engine is the name under which blocks, journals and documents of this package are kept.
const engine = "spans"

func journalName(node string) string { return node + "/" + engine }

// now is the clock; tests run in a bubble of testing/synctest.
func now() time.Time { return time.Now() }

// Open opens the store: it reads the catalogue of blocks, and from the journal what is not in blocks yet. Where the journal is damaged, what is sound is
// kept and the rest is logged and counted. Close it before the medium.
func Open(ctx context.Context, o Options, m medium.Medium, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	s, err := open(ctx, o, m, log, reg)
	if err != nil {
		return nil, fmt.Errorf("cannot open the store of spans: %w", err)
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
	s := &Store{o: o, medium: m, log: log, wake: make(chan struct{}, 1), tenants: map[string]*tenant{}, workers: runtime.GOMAXPROCS(0)}
	s.pool.New = func() any { return new(pushBuffers) }
	s.ended, s.stop = context.WithCancel(context.Background())
	s.replaying.Store(true)
	s.budget = budget.New(o.HeadBytes, s.gateOpen)
	s.directories = newDirectories(o.DirectoryBytes)
	s.metrics = newMetrics(s, reg)
	s.blocks, err = block.Open(ctx, block.Options{Engine: engine, Node: o.Node}, m, log, reg)
	if err != nil {
		return nil, err
	}
	for _, p := range s.blocks.Partitions("") {
		s.tenantLocked(p.Tenant)
	}
	s.journal, err = m.Journals().Open(ctx, journalName(o.Node), medium.JournalOptions{})
	if err != nil {
		return nil, err
	}
	s.encoders = startEncoders(o.Encoders, s)
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
		return fmt.Errorf("cannot close the journal of spans: %w", err)
	}
	return nil
}

// Run does what can wait until ctx ends: it watches the catalogue, merges, and deletes what is too old.
func (s *Store) Run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { s.blocks.Run(ctx) })
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

// gateOpen says whether cutting keeps up: at most three heads' worth of groups are in memory.
func (s *Store) gateOpen() bool { return s.replaying.Load() || s.encodedBytes() < 3*s.o.CutBytes }

var errClosed = model.NewError(model.Unavailable, "the store of spans is closed")

// tenant is the spans of one tenant. It implements store.Spans.
type tenant struct {
	s    *Store
	name string
}

// tenantLocked returns the tenant, made when it is new.
func (s *Store) tenantLocked(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = &tenant{s, name}
		s.tenants[name] = t
	}
	return t
}

// SpanReader implements store.SpanTenants.
func (s *Store) SpanReader(name string) (store.SpanReader, error) {
	if err := model.ValidTenant(name); err != nil {
		return nil, fmt.Errorf("cannot read a tenant's spans: %w: %w", errBadOption, err)
	}
	return &tenant{s, name}, nil // reading makes no tenant
}

// SpanWriter implements store.SpanTenants.
func (s *Store) SpanWriter(name string) (store.Spans, error) {
	if err := model.ValidTenant(name); err != nil {
		return nil, fmt.Errorf("cannot write a tenant's spans: %w: %w", errBadOption, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[name] == nil && len(s.tenants) >= s.o.MaxTenants {
		return nil, fmt.Errorf("cannot keep spans of the tenant %q: %w: there are %d", name, store.ErrTooManyTenants, len(s.tenants))
	}
	return s.tenantLocked(name), nil
}

// Names implements store.SpanTenants.
func (s *Store) Names() []string {
	found := map[string]bool{}
	for _, p := range s.blocks.Partitions("") {
		found[p.Tenant] = true
	}
	for _, h := range s.headList() {
		for _, p := range h.all("") {
			found[p.key.tenant] = true
		}
	}
	out := make([]string, 0, len(found))
	for name := range found {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
