package cassandra

import (
	"context"
	"sync"
)

// partCache keeps parts of blobs in memory, at most so many bytes of them. A part that several want at once is fetched once.
//
// It evicts by S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): new parts pass through a small queue, and only those
// that were asked for again come into the large one. So a query that reads a month of blobs once does not push out the
// heads and indexes that every query reads. It is written here because the parts are large and few: one lock
// costs nothing beside a request to the cluster, and the bound is exact.
type partCache struct {
	max     int64
	metrics *blobMetrics

	mu      sync.Mutex // guards what follows; nothing is fetched under it
	parts   map[partKey]*cachedPart
	small   fifo // at most a tenth of max, when there is something to evict
	large   fifo
	ghosts  ghosts
	flights map[partKey]*flight
}

// cachedPart is in one of the two queues.
type cachedPart struct {
	key  partKey
	data []byte
	uses int8 // since it came into its queue, at most 3
	next *cachedPart
}

// partOverhead is what a part takes beside its bytes.
const partOverhead = 200

func (p *cachedPart) weight() int64 { return int64(cap(p.data)) + partOverhead }

func newPartCache(maxBytes int64, m *blobMetrics) *partCache {
	return &partCache{
		max: maxBytes, metrics: m, parts: map[partKey]*cachedPart{}, flights: map[partKey]*flight{},
		ghosts: ghosts{set: map[partKey]struct{}{}},
	}
}

// flight is a fetch under way.
type flight struct {
	done    chan struct{} // closed when data and err are set
	data    []byte
	err     error
	waiting int // callers; guarded by the cache's mu
	cancel  context.CancelFunc
}

// get returns the part, which nobody may write to, from memory or by fetch. fetch ends when all who wait for it have left.
func (c *partCache) get(ctx context.Context, key partKey, fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	if p, ok := c.parts[key]; ok {
		p.uses = min(p.uses+1, 3)
		c.mu.Unlock()
		c.metrics.hits.Inc()
		return p.data, nil
	}
	f, shared := c.flights[key]
	if !shared {
		f = c.begin(ctx, key, fetch)
	}
	f.waiting++
	c.mu.Unlock()
	if shared {
		c.metrics.shared.Inc()
	} else {
		c.metrics.misses.Inc()
	}
	select {
	case <-f.done:
		return f.data, f.err
	case <-ctx.Done():
		c.leave(key, f)
		return nil, context.Cause(ctx)
	}
}

func (c *partCache) begin(ctx context.Context, key partKey, fetch func(context.Context) ([]byte, error)) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[key] = f
	go func() {
		defer cancel()
		data, err := fetch(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		f.data, f.err = data, err
		if c.flights[key] == f {
			delete(c.flights, key)
			if err == nil {
				c.add(key, data)
			}
		}
		close(f.done)
	}()
	return f
}

// leave is called by one who waits no longer. The last one ends the fetch, and whoever comes next begins another.
func (c *partCache) leave(key partKey, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return
	}
	f.cancel()
	if c.flights[key] == f {
		delete(c.flights, key)
	}
}

// add takes a part that is not there.
func (c *partCache) add(key partKey, data []byte) {
	p := &cachedPart{key: key, data: data}
	if p.weight() > c.max {
		return
	}
	for c.small.bytes+c.large.bytes+p.weight() > c.max {
		c.evict()
	}
	c.parts[key] = p
	if c.ghosts.take(key) {
		c.large.push(p)
	} else {
		c.small.push(p)
	}
	c.metrics.cached.Set(float64(c.small.bytes + c.large.bytes))
}

// evict makes room, or moves a part towards its eviction.
func (c *partCache) evict() {
	if c.small.bytes > c.max/10 || c.large.first == nil {
		p := c.small.pop()
		if p.uses > 0 {
			p.uses = 0
			c.large.push(p)
			return
		}
		c.ghosts.add(p.key, len(c.parts))
		c.drop(p)
		return
	}
	p := c.large.pop()
	if p.uses > 0 {
		p.uses--
		c.large.push(p)
		return
	}
	c.drop(p)
}

func (c *partCache) drop(p *cachedPart) {
	delete(c.parts, p.key)
	c.metrics.evictions.Inc()
}

// fifo is a queue of parts, oldest first.
type fifo struct {
	first, last *cachedPart
	bytes       int64
}

func (q *fifo) push(p *cachedPart) {
	p.next = nil
	if q.last == nil {
		q.first = p
	} else {
		q.last.next = p
	}
	q.last = p
	q.bytes += p.weight()
}

func (q *fifo) pop() *cachedPart {
	p := q.first
	q.first = p.next
	if q.first == nil {
		q.last = nil
	}
	q.bytes -= p.weight()
	return p
}

// ghosts are the keys of parts that left the small queue unused, as many as there are parts.
type ghosts struct {
	set   map[partKey]struct{}
	order []partKey // oldest first; keys that were taken meanwhile are in it still
}

func (g *ghosts) add(key partKey, limit int) {
	g.set[key] = struct{}{}
	g.order = append(g.order, key)
	for len(g.order) > max(limit, 16) {
		delete(g.set, g.order[0])
		g.order = g.order[1:]
	}
}

func (g *ghosts) take(key partKey) bool {
	_, ok := g.set[key]
	delete(g.set, key)
	return ok
}
