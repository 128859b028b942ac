package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// pushBuffers is what an append needs, kept for the next one.
type pushBuffers struct {
	content content
	labels  []byte
	entry   []byte
	hashes  []uint64
}

// keptBuffer is the size above which a buffer is not kept for the next append: one large push must not hold memory for ever.
const keptBuffer = 2 * maxContent

func newBufferPool() *sync.Pool { return &sync.Pool{New: func() any { return new(pushBuffers) }} }

// push is one append under way.
type push struct {
	t       *tenant
	ctx     context.Context
	limits  Limits
	now     time.Time
	oldest  int64 // nanoseconds; what is older or newer is refused
	newest  int64
	refused refusals
	b       *pushBuffers
}

// AppendRecords implements store.EventAppender.
func (t *tenant) AppendRecords(ctx context.Context, streams []model.Stream) (model.Refusals, error) {
	begun := now()
	b := t.s.buffers.Get().(*pushBuffers)
	defer func() {
		if cap(b.content.bytes)+cap(b.entry) <= keptBuffer {
			t.s.buffers.Put(b)
		}
	}()
	b.content.reset()
	p := &push{t: t, ctx: ctx, limits: t.s.o.limits(t.name), now: begun, b: b}
	p.bound()
	for i := range streams {
		if err := p.stream(&streams[i]); err != nil {
			return p.refused.list, t.s.appendError(err)
		}
	}
	if err := p.write(); err != nil {
		return p.refused.list, t.s.appendError(err)
	}
	t.s.metrics.appendSeconds.Observe(now().Sub(begun).Seconds())
	for _, r := range p.refused.list {
		t.s.metrics.refused.WithLabelValues(string(r.Reason)).Add(float64(r.Count))
	}
	return p.refused.list, nil
}

// appendError is an error of an append as those above know it.
func (s *Store) appendError(err error) error {
	switch {
	case errors.Is(err, medium.ErrNoSpace):
		s.metrics.noSpace.Inc()
		return fmt.Errorf("cannot keep records: %w: %w", store.ErrNoSpace, err)
	case errors.Is(err, errWaited):
		s.metrics.busy.Inc()
		if failed := s.failed.Load(); failed != nil && errors.Is(*failed, medium.ErrNoSpace) {
			return fmt.Errorf("cannot keep records: %w: blocks cannot be written: %w", store.ErrNoSpace, *failed)
		}
		return fmt.Errorf("cannot keep records: %w", store.ErrBusy)
	}
	return fmt.Errorf("cannot keep records: %w", err)
}

// stream takes the records of one stream.
func (p *push) stream(in *model.Stream) error {
	if len(in.Records) == 0 || !p.labelsFit(in) {
		return nil
	}
	p.b.labels = appendLabels(p.b.labels[:0], in.Labels)
	if !p.active(in) {
		return nil
	}
	defer p.b.content.finish()
	for i := range in.Records {
		r := &in.Records[i]
		if !p.fits(in, r) || p.duplicate(in, r) {
			continue
		}
		if p.b.content.len() > 0 && p.b.content.len()+sizeOf(r) > maxContent {
			p.b.content.finish()
			if err := p.write(); err != nil {
				return err
			}
		}
		p.b.content.add(p.b.labels, r)
	}
	return nil
}

// sizeOf is at most what a record takes in an entry, without the head of its section.
func sizeOf(r *model.Record) int {
	n := 6 + 5 + len(r.Line) + 5
	for _, f := range r.Fields {
		n += len(f.Name) + len(f.Value) + 10
	}
	return n
}

var errWaited = errors.New("more comes than can be written")

// write makes what was collected durable, then seen, then tells followers.
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
	records, raw, kept, err := s.insert(h, p.t.name, b.content.bytes)
	s.budget.Release(n - kept)
	if err != nil {
		return err
	}
	s.metrics.records.Add(float64(records))
	s.metrics.bytes.Add(float64(raw))
	p.t.remember(p)
	s.metrics.followDropped.Add(float64(s.hub.tell(p.t.name, b.content.bytes)))
	b.content.reset()
	return nil
}

// room waits for room in memory.
func (s *Store) room(ctx context.Context, n int64) error {
	if _, ok := s.budget.Try(n); ok {
		return nil
	}
	s.wakeCutter(nil)
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

// journalAppend appends an entry. A caller that goes away does not end it: the entry would be written all the same, and whoever sends the
// records again would have them twice.
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
func (s *Store) insert(h *head, tenant string, content []byte) (records int, raw, kept int64, err error) {
	err = sections(content, func(x section) error {
		j, err := h.partition(partitionKey{tenant, x.day}).insert(s, x)
		if err != nil {
			return err
		}
		records += x.records
		raw += x.raw
		kept += int64(len(x.body))
		s.encoders.submit(j)
		return nil
	})
	if s.tailed.Load() > s.o.HeadBytes/2 {
		s.foldAll(s.o.HeadBytes / 2)
	}
	if h.full(s) {
		s.wakeCutter(h)
	}
	return records, raw, kept, err
}

// foldAll encodes the tails of all heads, when they are more than limit together.
func (s *Store) foldAll(limit int64) {
	if !s.folding.TryLock() {
		return // somebody is at it
	}
	defer s.folding.Unlock()
	if s.tailed.Load() <= limit {
		return
	}
	for _, h := range s.headList() {
		for _, p := range h.all("") {
			s.encoders.submit(p.fold(s)...)
		}
	}
}
