package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Options is how to copy; its zero value works.
type Options struct {
	// Parallel is how many journals, kinds of documents, or blobs are copied at once; 0 is 4.
	Parallel int
	// Overwrite replaces documents and blobs that the destination has with other content. Journals are never replaced.
	Overwrite bool
	// Check reads both sides afterwards and compares them. What the destination has beside that is not looked at.
	Check bool
	// Progress may be nil. It is called about twice a second and at the end of each phase, never by two goroutines at once.
	Progress func(Progress)
}

const defaultParallel = 4

// Copy copies everything from one medium to another. Nothing but journals may change on the source meanwhile: it is meant for the
// medium of a server that was stopped. Entries that are appended while it runs may be missing. When it was interrupted it is done
// again, and copies what is missing. The error is ErrDamaged, ErrConflicts or ErrDifferent when everything else was copied.
func Copy(ctx context.Context, from, to medium.Medium, o Options) (Report, error) {
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	c := &copier{job: newJob(o.Progress), from: from, o: o, broken: &sync.Map{}}
	err := c.run(ctx, to)
	if err == nil {
		err = c.report.err()
	}
	if err != nil {
		err = fmt.Errorf("cannot copy everything: %w", err)
	}
	return c.report, err
}

type copier struct {
	*job
	from   medium.Medium
	dest   *destination
	o      Options
	broken *sync.Map // names of the blobs that are damaged on the source
}

func (c *copier) run(ctx context.Context, to medium.Medium) error {
	if err := Unfinished(ctx, c.from); err != nil {
		return fmt.Errorf("the source is not whole: %w", err)
	}
	if err := count(ctx, c.job, c.from, isOwnKind); err != nil {
		return fmt.Errorf("cannot count what is on the source: %w", err)
	}
	resumed, err := begin(ctx, to, "copy", "")
	if err != nil {
		return fmt.Errorf("the destination: %w", err)
	}
	if c.dest, err = newDestination(ctx, c.job, to); err != nil {
		return fmt.Errorf("the destination: %w", err)
	}
	c.dest.overwrite, c.dest.resumed = c.o.Overwrite, resumed
	if err := c.pass(ctx, ""); err != nil {
		return err
	}
	if c.o.Check {
		if err := c.compare(ctx, to); err != nil {
			return err
		}
	}
	return finish(ctx, to)
}

// isOwnKind is the kind that holds the mark of a destination, which is not copied.
func isOwnKind(kind string) bool { return kind == ownKind }

// pass moves, or compares, everything. only is the phase to tell, "" for the names of the three.
func (c *copier) pass(ctx context.Context, only string) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"journals", c.journals}, {"documents", c.documents}, {"blobs", c.blobs}} {
		phase := step.name
		if only != "" {
			phase = only
		}
		c.phase(phase)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	c.tellNow()
	return nil
}

// compare is a second pass, in which nothing is written and what is damaged was reported already.
func (c *copier) compare(ctx context.Context, to medium.Medium) error {
	c.restart()
	second := *c
	second.job = newJob(nil)
	second.tell = c.tell
	second.setTotal(c.progress.Total)
	var err error
	if second.dest, err = newDestination(ctx, second.job, to); err != nil {
		return err
	}
	second.dest.checking = true
	second.broken = c.broken
	err = second.pass(ctx, "comparing")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Differences = second.report.Differences
	c.report.DifferencesTotal = second.report.DifferencesTotal
	return err
}

func (c *copier) group(ctx context.Context) (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.o.Parallel)
	return g, ctx
}

func (c *copier) journals(ctx context.Context) error {
	infos, err := c.from.Journals().List(ctx)
	if err != nil {
		return err
	}
	g, ctx := c.group(ctx)
	for _, info := range infos {
		g.Go(func() error { return c.journal(ctx, info) })
	}
	return g.Wait()
}

func (c *copier) journal(ctx context.Context, info medium.JournalInfo) (err error) {
	c.working(info.Name)
	j, err := c.dest.journal(ctx, info.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	damage, err := c.from.Journals().Replay(ctx, info.Name, 0, j.add)
	c.journalDamage(info.Name, damage)
	if errors.Is(err, medium.ErrNotFound) && j.last == 0 {
		return nil // deleted meanwhile
	}
	if err := c.tolerate(err, "journal", info.Name, "the entries behind this place are missing"); err != nil {
		return fmt.Errorf("journal %q: %w", info.Name, err)
	}
	if err := j.end(info.Next); err != nil {
		return fmt.Errorf("journal %q on the destination: %w", info.Name, err)
	}
	return nil
}

func (c *copier) documents(ctx context.Context) error {
	kinds, err := c.from.Documents().Kinds(ctx)
	if err != nil {
		return err
	}
	g, ctx := c.group(ctx)
	for _, kind := range kinds {
		if !isOwnKind(kind) {
			g.Go(func() error { return c.kind(ctx, kind) })
		}
	}
	return g.Wait()
}

func (c *copier) kind(ctx context.Context, kind string) error {
	c.working(kind)
	for doc, err := range c.from.Documents().List(ctx, kind, "") {
		if err != nil {
			return c.tolerate(err, "document", kind, "the documents that it tells of are missing")
		}
		if err := c.dest.document(ctx, doc); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) blobs(ctx context.Context) error {
	g, groupCtx := c.group(ctx)
	for info, err := range c.from.Blobs().List(groupCtx, "") {
		if err := c.tolerate(err, "blob", "", "the blobs behind this place of the list are missing"); err != nil {
			g.Go(func() error { return err })
			break
		}
		if err == nil {
			g.Go(func() error { return c.blob(groupCtx, info) })
		}
	}
	return g.Wait()
}

func (c *copier) blob(ctx context.Context, info medium.BlobInfo) error {
	c.working(info.Name)
	if _, known := c.broken.Load(info.Name); known {
		return nil // comparing: the destination has not got it, and that was reported
	}
	err := c.tryBlob(ctx, info, c.dest)
	if errors.Is(err, errAgain) {
		replace := *c.dest
		replace.job = newJob(nil) // it was told of already
		err = errors.Join(c.dest.to.Blobs().Delete(ctx, info.Name))
		if err == nil {
			err = c.tryBlob(ctx, info, &replace)
		}
		c.copied(replace.report.Copied)
	}
	var source sourceError
	switch {
	case err == nil, errors.Is(err, medium.ErrNotFound) && errors.As(err, &source): // deleted meanwhile
		return nil
	case errors.As(err, &source) && isDamage(source.error):
		c.broken.Store(info.Name, true)
		return c.tolerate(source.error, "blob", info.Name, "the blob is missing")
	}
	return fmt.Errorf("blob %q: %w", info.Name, err)
}

func (c *copier) tryBlob(ctx context.Context, info medium.BlobInfo, dest *destination) error {
	blob, err := c.from.Blobs().Open(ctx, info.Name)
	if err != nil {
		return sourceError{err}
	}
	err = dest.blob(ctx, info, &blobReader{ctx: ctx, blob: blob})
	return errors.Join(err, blob.Close())
}
