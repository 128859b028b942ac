package spans

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// pushBuffers is what an append needs, kept for the next one.
type pushBuffers struct {
	content content
	entry   []byte
}

// keptBuffer is the size above which a buffer is not kept for the next append: one large push must not hold memory for ever.
const keptBuffer = 2 * maxContent

// push is one append under way.
type push struct {
	t              *tenant
	ctx            context.Context
	limits         Limits
	oldest, newest int64 // nanoseconds; spans that begin outside are refused
	refused        model.Refusals
	b              *pushBuffers
}

// AppendSpans implements store.SpanAppender.
func (t *tenant) AppendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	begun := now()
	b := t.s.pool.Get().(*pushBuffers)
	defer func() {
		if cap(b.content.bytes)+cap(b.content.body)+cap(b.entry) <= keptBuffer {
			t.s.pool.Put(b)
		}
	}()
	b.content.reset()
	p := &push{t: t, ctx: ctx, limits: t.s.o.Limits, b: b}
	p.bound(begun)
	for i := range groups {
		if err := p.group(&groups[i]); err != nil {
			return p.refused, t.s.appendError(err)
		}
	}
	b.content.finish()
	if err := p.write(); err != nil {
		return p.refused, t.s.appendError(err)
	}
	t.s.metrics.appendSeconds.Observe(now().Sub(begun).Seconds())
	for _, r := range p.refused {
		t.s.metrics.refused.WithLabelValues(string(r.Reason)).Add(float64(r.Count))
	}
	return p.refused, nil
}

// appendError is an error of an append as those above know it.
func (s *Store) appendError(err error) error {
	switch {
	case errors.Is(err, medium.ErrNoSpace):
		s.metrics.noSpace.Inc()
		return fmt.Errorf("cannot keep spans: %w: %w", store.ErrNoSpace, err)
	case errors.Is(err, errWaited):
		s.metrics.busy.Inc()
		if failed := s.failed.Load(); failed != nil && errors.Is(*failed, medium.ErrNoSpace) {
			return fmt.Errorf("cannot keep spans: %w: blocks cannot be written: %w", store.ErrNoSpace, *failed)
		}
		return fmt.Errorf("cannot keep spans: %w", store.ErrBusy)
	}
	return fmt.Errorf("cannot keep spans: %w", err)
}

// group takes the spans of one group.
func (p *push) group(g *model.SpanGroup) error {
	if len(g.Spans) == 0 || !p.ownerFits(g) {
		return nil
	}
	c := &p.b.content
	c.begin(g)
	for i := range g.Spans {
		s := &g.Spans[i]
		if !p.fits(g, s) {
			continue
		}
		if c.len() > 0 && c.len()+sizeOf(s) > maxContent {
			c.finish()
			if err := p.write(); err != nil {
				return err
			}
		}
		c.add(s)
	}
	return nil
}

var errWaited = errors.New("more comes than can be written")

// write makes what was collected durable, then seen.
func (p *push) write() error {
	b := p.b
	if len(b.content.bytes) == 0 {
		return nil
	}
	s := p.t.s
	n := int64(len(b.content.bytes))
	if err := s.room(p.ctx, n); err != nil {
		return err
	}
	h, err := s.join()
	if err != nil {
		s.budget.Release(n)
		return err
	}
	defer h.inflight.Done()
	b.entry = appendEntry(b.entry[:0], h.to, p.t.name, b.content.bytes)
	if err := s.journalAppend(p.ctx, b.entry); err != nil {
		s.budget.Release(n)
		return err
	}
	spans, kept, err := s.insert(h, p.t.name, b.content.bytes)
	s.budget.Release(n - kept)
	if err != nil {
		return err
	}
	s.metrics.spans.Add(float64(spans))
	s.metrics.bytes.Add(float64(n))
	b.content.reset()
	return nil
}

// room waits for room in memory.
func (s *Store) room(ctx context.Context, n int64) error {
	if _, ok := s.budget.Try(n); ok {
		return nil
	}
	s.foldAll()
	s.wakeCutter()
	wait, cancel := context.WithTimeoutCause(ctx, s.o.AppendTimeout, errWaited)
	defer cancel()
	return s.budget.Acquire(wait, n)
}

// join returns the head that is written to; it cannot be cut before its inflight is done.
func (s *Store) join() (*head, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	h := s.heads[len(s.heads)-1]
	h.inflight.Add(1)
	return h, nil
}

// journalTimeout bounds how long an append waits for a journal that hangs.
const journalTimeout = time.Minute

// journalAppend appends an entry. A caller that goes away does not end it: the entry would be written all the same.
func (s *Store) journalAppend(ctx context.Context, entry []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalTimeout)
	defer cancel()
	at, err := s.journal.Append(ctx, entry)
	if err != nil {
		return err
	}
	for {
		last := s.position.Load()
		if uint64(at) <= last || s.position.CompareAndSwap(last, uint64(at)) {
			return nil
		}
	}
}

// insert adds the sections of a content to a head. kept is the bytes of them that count against the budget until they are encoded.
func (s *Store) insert(h *head, tenant string, content []byte) (spans int, kept int64, err error) {
	err = sections(content, func(x section) error {
		s.encoders.submit(h.partition(partitionKey{tenant, x.day}).insert(x))
		spans += x.spans
		kept += int64(len(x.body))
		return nil
	})
	if h.full(s) {
		s.wakeCutter()
	}
	return spans, kept, err
}

// foldAll has everything encoded that waits for more of its partition: many tenants' small tails must not keep others out.
func (s *Store) foldAll() {
	for _, h := range s.headList() {
		for _, p := range h.all("") {
			s.encoders.submit(p.fold())
		}
	}
}
