package remotewrite

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// known is a series that was seen before: the labels as they were sent, and what they mean to the store.
//
// ref may have gone stale, when the store has forgotten a series that was silent for long. The store then finds
// or makes the series by its labels, and returns the new ref: a stale one never leads to a wrong series, because
// refs are not used again while the process lives.
type known struct {
	raw    []byte
	tenant string
	labels labels.Labels
	gen    uint32

	ref  atomic.Uint64         // storage.SeriesRef; 0: unknown
	meta atomic.Uint64         // hash of the metadata last passed on
	next atomic.Pointer[known] // the series that came after this one last time
}

func (k *known) is(tenant string, raw []byte) bool {
	return bytes.Equal(k.raw, raw) && k.tenant == tenant
}

// size is the memory that the cache counts for an entry, in bytes. The store shares its labels with us, but keeps
// us waiting for the day when it drops them: they count.
func (k *known) size() int64 {
	return int64(unsafe.Sizeof(*k)) + int64(len(k.raw)) + int64(k.labels.ByteSize()) + mapEntrySize
}

// mapEntrySize is what a map needs for an entry of 16 bytes at its usual load.
const mapEntrySize = 32

// cache finds the known series of all tenants by their raw labels.
//
// It has two generations. What is looked up moves to the young one; when that has half of the bytes allowed, or is
// as old as maxAge, the old one is dropped and the young one takes its place. So what is in use stays, what is not
// goes, and a look-up costs no write.
type cache struct {
	seed     maphash.Seed
	maxBytes int64
	maxAge   time.Duration
	gen      atomic.Uint32

	shards [cacheShards]cacheShard
	bytes  atomic.Int64 // of the young generation
	turned atomic.Int64 // when it began, in unix nanoseconds

	turning sync.Mutex // held while the generations change
}

// cacheShards is how many locks there are: enough that two requests seldom meet on more processors than we know.
const cacheShards = 64

// cacheMaxAge is a little less than the two hours after which the store forgets silent series.
const cacheMaxAge = time.Hour

type cacheShard struct {
	mu    sync.RWMutex
	young map[uint64]*known
	old   map[uint64]*known
	_     [64]byte // each lock on a cache line of its own
}

func newCache(maxBytes int64) *cache {
	c := &cache{seed: maphash.MakeSeed(), maxBytes: maxBytes, maxAge: cacheMaxAge}
	c.turned.Store(time.Now().UnixNano())
	for i := range c.shards {
		c.shards[i].young = make(map[uint64]*known)
	}
	return c
}

// get returns the series, or nil when it is not known. after is the series before it in the request, or nil: the
// series that followed it last time is tried first, because senders repeat their order.
func (c *cache) get(tenant string, raw []byte, after *known) *known {
	gen := c.gen.Load()
	if after != nil {
		if k := after.next.Load(); k != nil && k.gen == gen && k.is(tenant, raw) {
			return k
		}
	}
	k := c.find(tenant, raw, gen)
	c.follow(after, k)
	return k
}

// follow notes that k came after the other one. Only entries of the same generation are linked: else a young one
// would keep a chain of dropped ones in memory.
func (c *cache) follow(after, k *known) {
	if after != nil && k != nil && after.gen == k.gen {
		after.next.Store(k)
	}
}

func (c *cache) find(tenant string, raw []byte, gen uint32) *known {
	h := c.hash(tenant, raw)
	s := &c.shards[h%cacheShards]
	s.mu.RLock()
	k := s.young[h]
	if k == nil {
		k = s.old[h]
	}
	s.mu.RUnlock()
	if k == nil || !k.is(tenant, raw) {
		return nil
	}
	if k.gen != gen {
		return c.renew(h, k)
	}
	return k
}

// renew moves an entry of the old generation to the young one. It is a copy, so that nothing of the old
// generation stays reachable.
func (c *cache) renew(h uint64, k *known) *known {
	fresh := &known{raw: k.raw, tenant: k.tenant, labels: k.labels}
	fresh.ref.Store(k.ref.Load())
	fresh.meta.Store(k.meta.Load())
	return c.insert(h, fresh)
}

// add makes the series known. raw is copied; ls must not alias it.
func (c *cache) add(tenant string, raw []byte, ls labels.Labels, after *known) *known {
	k := c.insert(c.hash(tenant, raw), &known{raw: bytes.Clone(raw), tenant: tenant, labels: ls})
	c.follow(after, k)
	return k
}

// insert puts the entry into the young generation, unless another request was faster. Of two series with one hash
// the later one stays.
func (c *cache) insert(h uint64, k *known) *known {
	c.turnWhenDue(time.Now())
	s := &c.shards[h%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	k.gen = c.gen.Load()
	if other := s.young[h]; other != nil {
		if other.is(k.tenant, k.raw) {
			return other
		}
		c.bytes.Add(-other.size())
	}
	s.young[h] = k
	c.bytes.Add(k.size())
	return k
}

func (c *cache) hash(tenant string, raw []byte) uint64 {
	return maphash.Bytes(c.seed, raw) ^ maphash.String(c.seed, tenant)
}

// turnWhenDue starts a new generation when the young one is full or old.
func (c *cache) turnWhenDue(now time.Time) {
	if !c.due(now) || !c.turning.TryLock() {
		return
	}
	defer c.turning.Unlock()
	if !c.due(now) {
		return
	}
	c.turned.Store(now.UnixNano())
	c.bytes.Store(0)
	c.gen.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.old, s.young = s.young, make(map[uint64]*known, len(s.young)/2)
		s.mu.Unlock()
	}
}

func (c *cache) due(now time.Time) bool {
	return c.bytes.Load() > c.maxBytes/2 || now.UnixNano()-c.turned.Load() > int64(c.maxAge)
}

// count returns the number of entries in both generations.
func (c *cache) count() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}

// learn notes the ref that the store gave for the series.
func (k *known) learn(ref storage.SeriesRef) {
	if k.ref.Load() != uint64(ref) {
		k.ref.Store(uint64(ref))
	}
}
