package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Truncate removes the segments whose entries are all below before. When that is all of them, a new one is begun first,
// whose name keeps the next position.
func (j *journal) Truncate(ctx context.Context, before medium.Position) error {
	if err := j.truncate(ctx, uint64(before)); err != nil {
		return fmt.Errorf("cannot truncate the journal %q: %w", j.name, err)
	}
	return nil
}

func (j *journal) truncate(ctx context.Context, before uint64) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	select {
	case <-j.finished:
		return medium.ErrClosed
	case j.disk <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer j.releaseDisk()
	if err := j.turnOver(before); err != nil {
		return err
	}
	for len(j.segs) > 0 && j.behind(0) <= before {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := j.store.removeSegment(j.dir, j.segs[0].first); err != nil {
			return err
		}
		j.mu.Lock()
		j.segs = j.segs[1:]
		j.mu.Unlock()
	}
	return nil
}

// behind is the least position that the segment behind segs[i] may hold; 0 when there is none.
func (j *journal) behind(i int) uint64 {
	switch {
	case i+1 < len(j.segs):
		return j.segs[i+1].first
	case j.active != nil:
		return j.active.first
	}
	return maxSequence + 1
}

// turnOver begins a new segment when nothing in the active one is needed any more.
func (j *journal) turnOver(before uint64) error {
	if before < j.free || j.active == nil || j.active.empty() {
		return nil
	}
	_ = j.endSegment(j.active) // it is in the log, and nothing in it is needed
	err := j.begin()
	if errors.Is(err, medium.ErrNoSpace) {
		return nil // the older ones go, and then there is room
	}
	return err
}
