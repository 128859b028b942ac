package series

import (
	"cmp"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
)

// retention chooses the blocks of one tenant to delete. tsdb asks it at every look at its blocks.
type retention struct {
	db     *DB
	tenant *tenant
}

// blocksToDelete is a tsdb.BlocksToDeleteFunc.
func (r *retention) blocksToDelete(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	held := make([]heldBlock, 0, len(blocks))
	for _, b := range blocks {
		held = append(held, heldBlock{
			id: b.Meta().ULID, maxTime: b.Meta().MaxTime, size: b.Size(), done: b.Meta().Compaction.Deletable,
		})
	}
	others, used := r.elsewhere()
	drop := expired(held, millis(r.db.opts.RetentionTime))
	if limit := r.db.opts.RetentionBytes; limit > 0 {
		for id := range overBudget(held, others, used, limit) {
			drop[id] = struct{}{}
		}
	}
	if len(drop) == 0 && r.tenant.ready.Load() {
		// tsdb maps full chunks right after this call, and would not survive a disk without room for them.
		r.db.space.waitForRoom(r.db.log)
	}
	return drop
}

// heldBlock is what retention wants to know of a block.
type heldBlock struct {
	id      ulid.ULID
	maxTime int64 // milliseconds, exclusive
	size    int64 // bytes
	done    bool  // replaced by a merged block
}

// elsewhere returns the blocks of the other tenants, and the bytes of all logs and heads, which are never deleted.
func (r *retention) elsewhere() (others []heldBlock, used int64) {
	for _, t := range r.db.opened() {
		used += t.tsdb.Head().Size()
		if t.name == r.tenant.name {
			continue
		}
		for _, b := range t.tsdb.Blocks() {
			others = append(others, heldBlock{id: b.Meta().ULID, maxTime: b.Meta().MaxTime, size: b.Size()})
		}
	}
	return others, used
}

// expired returns the blocks that end longer before the newest one than keep (milliseconds), or that a merge has
// replaced. Counting from the newest block, not from now, keeps what is left of a host that was off for a month.
func expired(blocks []heldBlock, keep int64) map[ulid.ULID]struct{} {
	drop := make(map[ulid.ULID]struct{})
	if len(blocks) == 0 {
		return drop
	}
	newest := slices.MaxFunc(blocks, func(a, b heldBlock) int { return cmp.Compare(a.maxTime, b.maxTime) }).maxTime
	for _, b := range blocks {
		if b.done || newest-b.maxTime >= keep {
			drop[b.id] = struct{}{}
		}
	}
	return drop
}

// overBudget returns those of mine that must go for all blocks together to fit into limit bytes, used of which are
// taken by other things. The oldest blocks of all tenants go first; the other tenants delete theirs themselves.
func overBudget(mine, others []heldBlock, used, limit int64) map[ulid.ULID]struct{} {
	own := make(map[ulid.ULID]bool, len(mine))
	for _, b := range mine {
		own[b.id] = true
	}
	all := slices.Concat(mine, others)
	slices.SortFunc(all, func(a, b heldBlock) int {
		return cmp.Or(cmp.Compare(b.maxTime, a.maxTime), a.id.Compare(b.id))
	})
	drop := make(map[ulid.ULID]struct{})
	for _, b := range all {
		used += b.size
		if used > limit && own[b.id] {
			drop[b.id] = struct{}{}
		}
	}
	return drop
}
