package block

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Run watches the catalogue and deletes what nobody needs any more, until ctx ends.
func (c *Catalogue) Run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	watched := map[string]bool{}
	refresh := time.NewTicker(c.o.Refresh)
	defer refresh.Stop()
	clean := time.NewTicker(min(c.o.KeepReplaced, 10*time.Second))
	defer clean.Stop()
	discover := time.NewTicker(30 * time.Second)
	defer discover.Stop()
	for {
		c.watchNew(ctx, watched, &group)
		select {
		case <-ctx.Done():
			return
		case <-discover.C:
		case <-clean.C:
			c.DeleteReplaced(ctx, time.Now())
		case <-refresh.C:
			c.refreshAndClean(ctx)
		}
	}
}

func (c *Catalogue) refreshAndClean(ctx context.Context) {
	if err := c.Refresh(ctx); err != nil && ctx.Err() == nil {
		c.log.Warn("the catalogue of blocks could not be read again", "engine", c.o.Engine, "err", err)
		return
	}
	if err := c.DeleteOrphans(ctx, time.Now()); err != nil && ctx.Err() == nil {
		c.log.Warn("blobs without an entry in the catalogue could not be looked for", "engine", c.o.Engine, "err", err)
	}
}

// watchNew watches the tenants that are not watched yet.
func (c *Catalogue) watchNew(ctx context.Context, watched map[string]bool, group *sync.WaitGroup) {
	kinds, err := c.docs.Kinds(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("the tenants that have blocks could not be listed", "engine", c.o.Engine, "err", err)
		}
		return
	}
	for _, kind := range kinds {
		tenant := c.tenantOf(kind)
		if tenant == "" || watched[tenant] {
			continue
		}
		watched[tenant] = true
		group.Go(func() { c.watch(ctx, tenant) })
	}
}

const watchRetry = 5 * time.Second

func (c *Catalogue) watch(ctx context.Context, tenant string) {
	for ctx.Err() == nil {
		for change, err := range c.docs.Watch(ctx, c.kind(tenant)) {
			if err != nil {
				if ctx.Err() == nil {
					c.log.Warn("the catalogue of blocks cannot be watched", "engine", c.o.Engine, "tenant", tenant, "err", err)
				}
				break
			}
			c.changed(tenant, change)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchRetry):
		}
	}
}

func (c *Catalogue) changed(tenant string, change medium.Change) {
	p := Partition{tenant, change.Document.Key}
	switch change.Type {
	case medium.Put:
		c.applyOrLog(p, change.Document.Version, change.Document.Value)
	case medium.Deleted:
		c.mu.Lock()
		defer c.mu.Unlock()
		if at := c.parts[p]; at != nil && (change.Document.Version == medium.Absent || change.Document.Version >= at.version) && len(at.entries) == 0 {
			c.dropLocked(p)
		}
	}
}

// Dying is how many blobs wait for their readers before they are deleted.
func (c *Catalogue) Dying() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.dying)
}

// DeleteReplaced deletes the blobs of blocks that were replaced or deleted some time ago and that nobody here reads, and the documents of days that
// have no blocks any more.
func (c *Catalogue) DeleteReplaced(ctx context.Context, now time.Time) {
	for _, d := range c.takeDying(now) {
		if err := c.blobs.Delete(ctx, d.block.Name()); err != nil {
			c.log.Warn("the blob of a block that is not needed any more could not be deleted: it is tried again", "blob", d.block.Name(), "err", err)
			c.mu.Lock()
			c.dying = append(c.dying, d)
			c.mu.Unlock()
			continue
		}
		c.metrics.deleted.Inc()
	}
	c.deleteEmpty(ctx)
}

func (c *Catalogue) takeDying(now time.Time) []dying {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out, left []dying
	for _, d := range c.dying {
		if now.Sub(d.since) >= c.o.KeepReplaced && d.block.free() {
			out = append(out, d)
		} else {
			left = append(left, d)
		}
	}
	c.dying = left
	return out
}

func (b *Block) free() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended && b.refs == 0
}

func (c *Catalogue) deleteEmpty(ctx context.Context) {
	for p, v := range c.emptyDays() {
		err := c.docs.Delete(ctx, c.kind(p.Tenant), p.Day, v)
		if err != nil {
			if !errors.Is(err, medium.ErrConflict) && ctx.Err() == nil {
				c.log.Debug("the catalogue of a day without blocks could not be deleted", "tenant", p.Tenant, "day", p.Day, "err", err)
			}
			continue
		}
		c.mu.Lock()
		if at := c.parts[p]; at != nil && at.version == v {
			delete(c.parts, p)
		}
		c.mu.Unlock()
	}
}

func (c *Catalogue) emptyDays() map[Partition]medium.Version {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := map[Partition]medium.Version{}
	for p, at := range c.parts {
		if len(at.entries) == 0 && at.version != medium.Absent {
			out[p] = at.version
		}
	}
	return out
}

// DeleteOrphans deletes the blobs that no entry names and that are older than the grace.
func (c *Catalogue) DeleteOrphans(ctx context.Context, now time.Time) error {
	for info, err := range c.blobs.List(ctx, c.o.Engine+"/") {
		if err != nil {
			return err
		}
		p, id, ok := c.parseName(info.Name)
		if !ok {
			continue // not ours
		}
		if made, ok := madeAt(id); !ok || now.Sub(made) < c.o.OrphanGrace || c.inUse(p, id, info.Name) {
			continue
		}
		if err := c.deleteOrphan(ctx, p, id, info); err != nil {
			return err
		}
	}
	return nil
}

// deleteOrphan looks at the document itself: another node may have added the block since the catalogue was read.
func (c *Catalogue) deleteOrphan(ctx context.Context, p Partition, id string, info medium.BlobInfo) error {
	if err := c.load(ctx, p); err != nil {
		return err
	}
	if c.inUse(p, id, info.Name) {
		return nil
	}
	if err := c.blobs.Delete(ctx, info.Name); err != nil {
		return err
	}
	c.metrics.orphans.Inc()
	c.log.Info("deleted a blob that no entry of the catalogue names: something was interrupted", "blob", info.Name, "bytes", info.Size)
	return nil
}

// parseName takes the name of a blob apart.
func (c *Catalogue) parseName(name string) (Partition, string, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[0] != c.o.Engine {
		return Partition{}, "", false
	}
	return Partition{parts[1], parts[2]}, parts[3], true
}

func (c *Catalogue) inUse(p Partition, id, name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.busy[name] || c.held[id] {
		return true
	}
	for _, d := range c.dying {
		if d.block.id == id {
			return true
		}
	}
	at := c.parts[p]
	if at == nil {
		return false
	}
	for i := range at.entries {
		if at.entries[i].ID == id {
			return true
		}
	}
	return false
}

// Verify reads every entry's blob as far as check does, and calls found for what is wrong.
func (c *Catalogue) Verify(ctx context.Context, check func(context.Context, *Block) error, found func(medium.Finding)) error {
	for _, p := range c.Partitions("") {
		for _, e := range c.Entries(p) {
			for _, b := range c.Acquire(p, e.ID) {
				if err := check(ctx, b); err != nil && ctx.Err() == nil {
					found(medium.Finding{Area: "block", Name: b.Name(), Where: b.Name(), Problem: err.Error(), Effect: "some of its records cannot be read"})
				}
				b.Release()
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}
