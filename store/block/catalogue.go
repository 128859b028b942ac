// Package block is the life of immutable blocks, whatever is in them: they are cut, catalogued, merged, retained and deleted the same
// way for every engine.
//
// A block is one blob, named <engine>/<tenant>/<day>/<id>. It exists once the catalogue of its day names it: one document of kind
// "block/<engine>/<tenant>" with the day as its key. Every change is one compare-and-set of that document, so that of a merge a reader sees
// the blocks before it or the block after it, on whichever node. A blob without an entry is what an interrupted cut, merge or deletion left
// behind; it is deleted after a grace.
//
// A cut goes: put the blob, add the entry (which says which generations of the journal are covered), note the generation as cut, truncate the
// journal. A crash between any two of them loses nothing, because the journal goes last, and doubles nothing, because a replay leaves out
// what an entry covers.
package block

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options is how to open a catalogue. Engine is needed.
type Options struct {
	// Engine is whose blocks these are: the first part of their names.
	Engine string
	// Node is this node, where several share the medium.
	Node string
	// MaxOpen is how many blobs stay open when nobody reads them; 0 is 256.
	MaxOpen int
	// KeepReplaced is how long a blob stays after a merge has replaced it, for readers on other nodes; 0 is a minute.
	KeepReplaced time.Duration
	// OrphanGrace is how old a blob without an entry must be before it is deleted; 0 is six hours. It must be longer than any
	// blob takes to write.
	OrphanGrace time.Duration
	// Refresh is how often the whole catalogue is read again, beside watching it; 0 is ten minutes.
	Refresh time.Duration
}

func (o Options) withDefaults() Options {
	if o.Node == "" {
		o.Node = "local"
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 256
	}
	if o.KeepReplaced <= 0 {
		o.KeepReplaced = time.Minute
	}
	if o.OrphanGrace <= 0 {
		o.OrphanGrace = 6 * time.Hour
	}
	if o.Refresh <= 0 {
		o.Refresh = 10 * time.Minute
	}
	return o
}

// Catalogue knows the blocks of one engine.
type Catalogue struct {
	o       Options
	blobs   medium.Blobs
	docs    medium.Documents
	log     *slog.Logger
	metrics *metrics
	open    opened

	mu    sync.RWMutex // no I/O under it; Block.mu and opened.mu may be taken under it
	parts map[Partition]*part
	held  map[string]bool // blocks by ID that are in the catalogue but not shown yet: see Add
	dying []dying         // blobs that are deleted once nobody reads them
	busy  map[string]bool // blobs that are being written by this process
}

type part struct {
	version medium.Version
	entries []Entry // as the document has them
	blocks  map[string]*Block
}

type dying struct {
	block *Block
	since time.Time
}

// Open reads the catalogue.
func Open(ctx context.Context, o Options, m medium.Medium, log *slog.Logger, reg prometheus.Registerer) (*Catalogue, error) {
	o = o.withDefaults()
	c := &Catalogue{o: o, blobs: m.Blobs(), docs: m.Documents(), log: log, parts: map[Partition]*part{}, held: map[string]bool{}, busy: map[string]bool{}}
	c.open.limit = o.MaxOpen
	c.metrics = newMetrics(c, reg)
	if err := medium.ValidName(c.kind("t")); err != nil {
		return nil, fmt.Errorf("cannot open the blocks of %q: %w", o.Engine, err)
	}
	if err := c.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("cannot read the catalogue of the blocks of %s: %w", o.Engine, err)
	}
	return c, nil
}

func (c *Catalogue) kind(tenant string) string { return "block/" + c.o.Engine + "/" + tenant }

// tenantOf is the tenant of a kind of documents, or "".
func (c *Catalogue) tenantOf(kind string) string {
	tenant, ok := strings.CutPrefix(kind, "block/"+c.o.Engine+"/")
	if !ok || strings.Contains(tenant, "/") {
		return ""
	}
	return tenant
}

func (c *Catalogue) blobName(p Partition, id string) string {
	return c.o.Engine + "/" + p.Tenant + "/" + p.Day + "/" + id
}

// Refresh reads all of the catalogue again. A day whose document is damaged is logged and counted, and stays as it was.
func (c *Catalogue) Refresh(ctx context.Context) error {
	kinds, err := c.docs.Kinds(ctx)
	if err != nil {
		return err
	}
	found := map[Partition]bool{}
	for _, kind := range kinds {
		tenant := c.tenantOf(kind)
		if tenant == "" {
			continue
		}
		for d, err := range c.docs.List(ctx, kind, "") {
			if err != nil {
				return err
			}
			p := Partition{tenant, d.Key}
			found[p] = true
			c.applyOrLog(p, d.Version, d.Value)
		}
	}
	return c.recheck(ctx, found)
}

// recheck asks again for the days that a listing did not have: their documents may have been deleted, or been made meanwhile.
func (c *Catalogue) recheck(ctx context.Context, found map[Partition]bool) error {
	for _, p := range c.Partitions("") {
		if !found[p] {
			if err := c.load(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads one day.
func (c *Catalogue) load(ctx context.Context, p Partition) error {
	d, err := c.docs.Get(ctx, c.kind(p.Tenant), p.Day)
	if errors.Is(err, medium.ErrNotFound) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dropLocked(p)
		return nil
	}
	if err != nil {
		return err
	}
	return c.apply(p, d.Version, d.Value)
}

// apply takes over a day as its document has it, unless a later version is known.
func (c *Catalogue) apply(p Partition, v medium.Version, value []byte) error {
	entries, err := decodeManifest(value)
	if err != nil {
		c.metrics.damaged.Inc()
		return fmt.Errorf("cannot read the catalogue of tenant %s, day %s: %w", p.Tenant, p.Day, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applyLocked(p, v, entries)
	return nil
}

// applyOrLog is apply where a damaged day must not keep the others away: its blocks stay as they were known.
func (c *Catalogue) applyOrLog(p Partition, v medium.Version, value []byte) {
	if err := c.apply(p, v, value); err != nil {
		c.log.Error("a day of blocks stays as it was known", "err", err)
	}
}

func (c *Catalogue) applyLocked(p Partition, v medium.Version, entries []Entry) {
	at := c.parts[p]
	if at == nil {
		at = &part{blocks: map[string]*Block{}}
		c.parts[p] = at
	}
	if v <= at.version {
		return
	}
	at.version, at.entries = v, entries
	c.showLocked(p, at)
}

// showLocked makes the blocks of a day those of its entries.
func (c *Catalogue) showLocked(p Partition, at *part) {
	shown := make(map[string]*Block, len(at.entries))
	for _, e := range at.entries {
		if c.held[e.ID] {
			continue
		}
		b := at.blocks[e.ID]
		if b == nil {
			b = &Block{Partition: p, c: c, id: e.ID}
		}
		b.entry.Store(&e)
		shown[e.ID] = b
	}
	for id, b := range at.blocks {
		if shown[id] == nil {
			b.gone()
		}
	}
	at.blocks = shown
}

func (c *Catalogue) dropLocked(p Partition) {
	if at := c.parts[p]; at != nil {
		at.entries = nil
		c.showLocked(p, at)
		delete(c.parts, p)
	}
}

// Partitions returns the days of a tenant that have blocks, or of all tenants when it is "", in order.
func (c *Catalogue) Partitions(tenant string) []Partition {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []Partition
	for p, at := range c.parts {
		if (tenant == "" || p.Tenant == tenant) && len(at.entries) > 0 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Partition) int {
		if x := compareText(a.Tenant, b.Tenant); x != 0 {
			return x
		}
		return compareText(a.Day, b.Day)
	})
	return out
}

// Entries returns what is catalogued for a day, also what is not shown yet, sorted by ID.
func (c *Catalogue) Entries(p Partition) []Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	at := c.parts[p]
	if at == nil {
		return nil
	}
	return slices.Clone(at.entries)
}

// Snapshot returns the tenant's blocks that may hold something at start <= time < end, each acquired: the caller releases them.
// together, when it is not nil, is called at the very moment of which the snapshot is; no block comes or goes while it runs.
func (c *Catalogue) Snapshot(tenant string, start, end int64, together func()) []*Block {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if together != nil {
		together()
	}
	var out []*Block
	for p, at := range c.parts {
		if p.Tenant != tenant {
			continue
		}
		for _, b := range at.blocks {
			if b.Entry().Overlaps(start, end) {
				b.acquire()
				out = append(out, b)
			}
		}
	}
	slices.SortFunc(out, func(a, b *Block) int { return compareText(a.id, b.id) })
	return out
}

// Acquire returns some blocks of a day by their IDs, for the caller to release; those that are not there are left out.
func (c *Catalogue) Acquire(p Partition, ids ...string) []*Block {
	c.mu.RLock()
	defer c.mu.RUnlock()
	at := c.parts[p]
	if at == nil {
		return nil
	}
	var out []*Block
	for _, id := range ids {
		if b := at.blocks[id]; b != nil {
			b.acquire()
			out = append(out, b)
		}
	}
	return out
}

// Write puts the blob of a new block. The block does not exist before Add or Replace has named it.
func (c *Catalogue) Write(ctx context.Context, p Partition, id string, content io.Reader) (int64, error) {
	name := c.blobName(p, id)
	c.mu.Lock()
	c.busy[name] = true
	c.mu.Unlock()
	info, err := c.blobs.Put(ctx, name, content, medium.PutOptions{})
	if err != nil {
		c.Abandon(ctx, p, id)
		return 0, fmt.Errorf("cannot write a block: %w", err)
	}
	c.metrics.written.Inc()
	c.metrics.writtenBytes.Add(float64(info.Size))
	return info.Size, nil
}

// Abandon gives up a block that was written and not added.
func (c *Catalogue) Abandon(ctx context.Context, p Partition, id string) {
	name := c.blobName(p, id)
	// What cannot be deleted now is an orphan, and is found as such.
	if err := c.blobs.Delete(context.WithoutCancel(ctx), name); err != nil {
		c.log.Debug("a block that is not needed could not be deleted", "block", name, "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, name)
	delete(c.held, id)
}

// Add makes blocks that were written part of the catalogue. They are shown at the moment at which switched is called: no Snapshot has
// both what it takes away and the blocks, or neither. After an error they may be in the catalogue, but are not shown: Add is called
// again with the same entries until it succeeds.
func (c *Catalogue) Add(ctx context.Context, p Partition, added []Entry, switched func()) error {
	c.mu.Lock()
	for _, e := range added {
		c.held[e.ID] = true
	}
	c.mu.Unlock()
	v, entries, err := c.update(ctx, p, func(old []Entry) ([]Entry, error) { return with(old, added), nil })
	if err != nil {
		return fmt.Errorf("cannot add a block to the catalogue: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range added {
		delete(c.held, e.ID)
		delete(c.busy, c.blobName(p, e.ID))
	}
	if switched != nil {
		switched()
	}
	c.applyLocked(p, v, entries)
	c.showLocked(p, c.parts[p]) // also when a later version had been applied while they were held
	return nil
}

func with(old, added []Entry) []Entry {
	out := slices.DeleteFunc(slices.Clone(old), func(e Entry) bool {
		return slices.ContainsFunc(added, func(a Entry) bool { return a.ID == e.ID })
	})
	return append(out, added...)
}

// ErrReplaced is returned by Replace when one of the blocks is not in the catalogue any more: somebody else was faster.
var ErrReplaced = model.NewError(model.Conflict, "a block was replaced or deleted meanwhile")

// Replace takes the blocks named by sources out of the catalogue and puts others, which were written, in their place, at once. Their
// blobs are deleted when nobody reads them any more. With none added it deletes blocks.
func (c *Catalogue) Replace(ctx context.Context, p Partition, sources []string, added ...Entry) error {
	v, entries, err := c.update(ctx, p, func(old []Entry) ([]Entry, error) { return replaced(old, sources, added) })
	if err != nil {
		return fmt.Errorf("cannot replace blocks in the catalogue: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, id := range sources {
		b := (*Block)(nil)
		if at := c.parts[p]; at != nil {
			b = at.blocks[id]
		}
		if b == nil { // taken away already, by a watch that was faster
			b = &Block{Partition: p, c: c, id: id}
			b.gone()
		}
		c.dying = append(c.dying, dying{b, now})
	}
	for _, e := range added {
		delete(c.busy, c.blobName(p, e.ID))
	}
	c.applyLocked(p, v, entries)
	return nil
}

func replaced(old []Entry, sources []string, added []Entry) ([]Entry, error) {
	if len(added) > 0 && slices.ContainsFunc(old, func(e Entry) bool { return e.ID == added[0].ID }) {
		return old, nil // an earlier attempt had succeeded after all
	}
	out := slices.DeleteFunc(slices.Clone(old), func(e Entry) bool { return slices.Contains(sources, e.ID) })
	if len(added) > 0 && len(out) != len(old)-len(sources) {
		return nil, ErrReplaced
	}
	return append(out, added...), nil
}

// Change changes the entries of a day's blocks in place: f gets a copy of each and says whether it changed it.
func (c *Catalogue) Change(ctx context.Context, p Partition, f func(*Entry) bool) error {
	v, entries, err := c.update(ctx, p, func(old []Entry) ([]Entry, error) {
		out := slices.Clone(old)
		changed := false
		for i := range out {
			changed = f(&out[i]) || changed
		}
		if !changed {
			return nil, errUnchanged
		}
		return out, nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot change the catalogue: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applyLocked(p, v, entries)
	return nil
}

var errUnchanged = errors.New("unchanged")

// update changes the document of a day. It knows what it has written even when the medium is not certain.
func (c *Catalogue) update(ctx context.Context, p Partition, f func([]Entry) ([]Entry, error)) (medium.Version, []Entry, error) {
	for {
		v, entries, err := c.updateOnce(ctx, p, f)
		if errors.Is(err, medium.ErrConflict) && ctx.Err() == nil || errors.Is(err, medium.ErrUncertain) && ctx.Err() == nil && !errors.Is(err, medium.ErrNoSpace) {
			c.metrics.retries.Inc()
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		return v, entries, err
	}
}

func (c *Catalogue) updateOnce(ctx context.Context, p Partition, f func([]Entry) ([]Entry, error)) (medium.Version, []Entry, error) {
	kind := c.kind(p.Tenant)
	d, err := c.docs.Get(ctx, kind, p.Day)
	if err != nil && !errors.Is(err, medium.ErrNotFound) {
		return 0, nil, err
	}
	old, err := decodeManifest(d.Value)
	if err != nil {
		return 0, nil, err
	}
	entries, err := f(old)
	if err != nil {
		return 0, nil, err
	}
	value, err := encodeManifest(entries)
	if err != nil {
		return 0, nil, err
	}
	v, err := c.docs.Put(ctx, kind, p.Day, value, d.Version)
	return v, entries, err
}
