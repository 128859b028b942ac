package spanmetrics

import (
	"encoding/binary"
	"sync"

	"github.com/hulotte-dev/hulotte/model"
)

// halfKey is what both sides of a call know: the client's span.
type halfKey struct {
	tenant *tenant
	trace  model.TraceID
	span   model.SpanID
}

// pending is the spans that wait for the other side of their call, in two generations: expire ends the old one, and the young one becomes the old.
// So a span waits for one to two times the time between two calls of expire, and none of them has a clock.
type pending struct {
	shards [pendingShards]pendingShard
	max    int // of a shard
}

// pendingShards is a multiple of what usual machines have processors.
const pendingShards = 64

type pendingShard struct {
	mu         sync.Mutex
	young, old map[halfKey]half
	spare      map[halfKey]half // empty, to be the next young one
	largest    int              // of the lengths that the maps have had since they were made
	_          [24]byte         // a shard is on cache lines of its own
}

func newPending(most int) *pending {
	p := &pending{max: max(1, most/pendingShards)}
	for i := range p.shards {
		s := &p.shards[i]
		s.young, s.old = map[halfKey]half{}, map[halfKey]half{}
	}
	return p
}

// shard goes by the trace alone: both sides of a call find it. Not all ids are random in all of their bits.
func (p *pending) shard(trace model.TraceID) *pendingShard {
	x := binary.LittleEndian.Uint64(trace[8:]) ^ binary.LittleEndian.Uint64(trace[:8])
	return &p.shards[x*0x9E3779B97F4A7C15>>58]
}

// meeting is how it went.
type meeting uint8

const (
	absent meeting = iota // the other side has not come; h waits, if it shall
	met
	full // there is no room for h to wait
)

// meet returns the other side of a call, if it has come. A client's span that sends a message stays, as there may be more who receive it.
func (p *pending) meet(key halfKey, h *half, wait bool) (other half, how meeting) {
	s := p.shard(key.trace)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.young
	other, ok := in[key]
	if !ok {
		in = s.old
		other, ok = in[key]
	}
	switch {
	case ok && other.client != h.client:
		s.leave(in, key, h, &other)
		return other, met
	case !wait:
		return half{}, absent
	case ok && h.client: // the same span once more
		return half{}, absent
	case len(s.young)+len(s.old) >= p.max:
		return half{}, full
	case ok:
		first := other
		kept := *h
		kept.next = &first
		if first.next != nil { // two are enough: more servers of one call come before their client only when somebody makes that happen
			return half{}, full
		}
		in[key] = kept
		return half{}, absent
	}
	s.young[key] = *h
	s.largest = max(s.largest, len(s.young))
	return half{}, absent
}

// leave takes away what has met, or leaves the sender of a message there for others. It is called with mu held.
func (s *pendingShard) leave(in map[halfKey]half, key halfKey, h, other *half) {
	switch {
	case h.client && h.over == messaging:
		kept := *h
		kept.paired = true
		in[key] = kept
	case other.client && other.over == messaging:
		if !other.paired {
			other.paired = true
			in[key] = *other
		}
	default:
		delete(in, key)
	}
}

// expire ends the old generation: it calls f for each span whose other side has not come.
func (p *pending) expire(f func(key halfKey, h half)) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		ended := s.old
		s.old = s.young
		s.young, s.spare = s.spare, nil
		if s.young == nil {
			s.young = map[halfKey]half{}
		}
		s.mu.Unlock()
		for key, h := range ended {
			for o := &h; o != nil; o = o.next {
				if !o.paired {
					f(key, *o)
				}
			}
		}
		s.keep(ended)
	}
}

// keep makes a map that has ended the next young one, unless it is much larger than what is needed.
func (s *pendingShard) keep(m map[halfKey]half) {
	small := len(m)*8 < s.largest
	clear(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if small {
		s.largest = max(len(s.young), len(s.old))
		return
	}
	s.spare = m
}

// size is how many spans wait.
func (p *pending) size() (n int) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		n += len(s.young) + len(s.old)
		s.mu.Unlock()
	}
	return n
}

// expire counts the spans whose other side has not come by what they say of it.
func (m *Metrics) expire() {
	now := m.opts.Now().UnixMilli()
	m.pending.expire(func(key halfKey, h half) { key.tenant.alone(key.trace, h, now) })
}
