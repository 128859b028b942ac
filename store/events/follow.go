package events

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// hub passes on what is appended to those who follow it.
type hub struct {
	mu       sync.RWMutex
	byTenant map[string]map[*follower]bool
}

// What a follower has not taken yet is bounded; beyond it records are dropped and counted.
const (
	followQueue  = 4096    // pushes
	followBytes  = 8 << 20 // of records
	followLabels = 50_000  // streams of which it is known whether they match
)

// follower is one Follow.
type follower struct {
	matchers []*labels.Matcher
	queue    chan followed

	mu      sync.Mutex
	known   map[string]labels.Labels // by encoded labels; those that do not match are empty
	bytes   int
	dropped int
}

// followed is the records of one stream, as they are journaled.
type followed struct {
	labels  labels.Labels
	day     int64
	body    []byte // nobody changes it
	dropped int
}

func newHub() *hub { return &hub{byTenant: map[string]map[*follower]bool{}} }

func (h *hub) add(tenant string, f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byTenant[tenant] == nil {
		h.byTenant[tenant] = map[*follower]bool{}
	}
	h.byTenant[tenant][f] = true
}

func (h *hub) remove(tenant string, f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byTenant[tenant], f)
	if len(h.byTenant[tenant]) == 0 {
		delete(h.byTenant, tenant)
	}
}

func (h *hub) count() (n int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, fs := range h.byTenant {
		n += len(fs)
	}
	return n
}

// tell passes on the content of an entry, which the caller uses again. It returns how many records were dropped.
func (h *hub) tell(tenant string, content []byte) (dropped int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := h.byTenant[tenant]
	if len(all) == 0 {
		return 0
	}
	content = bytes.Clone(content)
	_ = sections(content, func(x section) error { // it was written by us a moment ago
		for f := range all {
			dropped += f.offer(x)
		}
		return nil
	})
	return dropped
}

// offer queues a section when it matches and there is room, and returns how many records were dropped.
func (f *follower) offer(x section) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.matchLocked(x.labels)
	if l.IsEmpty() {
		return 0
	}
	if f.bytes+len(x.body) <= followBytes {
		select {
		case f.queue <- followed{labels: l, day: x.day, body: x.body, dropped: f.dropped}:
			f.bytes += len(x.body)
			f.dropped = 0
			return 0
		default:
		}
	}
	f.dropped += x.records
	return x.records
}

// matchLocked returns the labels when they match, else none.
func (f *follower) matchLocked(key []byte) labels.Labels {
	if l, ok := f.known[string(key)]; ok {
		return l
	}
	var l labels.Labels
	if fields, err := decodeLabels(key); err == nil {
		b := labels.NewScratchBuilder(len(fields))
		for _, x := range fields {
			b.Add(strings.Clone(x.Name), strings.Clone(x.Value))
		}
		l = b.Labels()
	}
	if slices.ContainsFunc(f.matchers, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) }) {
		l = labels.EmptyLabels()
	}
	if len(f.known) >= followLabels {
		clear(f.known)
	}
	f.known[string(key)] = l
	return l
}

// Follow implements store.EventReader.
func (t *tenant) Follow(ctx context.Context, matchers []*labels.Matcher, f func(labels.Labels, []model.Record, int) error) error {
	me := &follower{matchers: matchers, queue: make(chan followed, followQueue), known: map[string]labels.Labels{}}
	t.s.hub.add(t.name, me)
	defer t.s.hub.remove(t.name, me)
	if err := f(labels.EmptyLabels(), nil, 0); err != nil {
		return err
	}
	var records []model.Record
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.s.ended.Done():
			return errClosed
		case x := <-me.queue:
			me.mu.Lock()
			me.bytes -= len(x.body)
			me.mu.Unlock()
			records = x.records(records[:0])
			if err := f(x.labels, records, x.dropped); err != nil {
				return err
			}
		}
	}
}

// records decodes the body.
func (x *followed) records(dst []model.Record) []model.Record {
	for rest := x.body; len(rest) > 0; {
		inDay, line, fields, next, ok := nextRecord(rest, nil)
		if !ok {
			break // it was written by us
		}
		dst = append(dst, model.Record{Time: x.day*dayLength + int64(inDay), Line: line, Fields: fields})
		rest = next
	}
	return dst
}
