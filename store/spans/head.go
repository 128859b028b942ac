package spans

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// head is the spans of one generation, or of several after a replay: everything that was journaled under a generation above from and at
// most to. It is the newest head until the next one is made (sealed), and is taken away when all of its partitions are blocks.
type head struct {
	from, to uint64
	made     time.Time
	// before is a position below that of every entry of a later generation; set when the head is sealed.
	before uint64
	// inflight counts the appends that have chosen this head and are not in it yet.
	inflight sync.WaitGroup
	jobs     sync.WaitGroup // that were taken and are not done

	raw     atomic.Int64 // bytes as journaled, uncompressed
	encoded atomic.Int64 // bytes of groups

	mu    sync.RWMutex // partition.mu may be taken under it
	parts map[partitionKey]*partition
}

type partitionKey struct {
	tenant string
	day    int64
}

func (k partitionKey) partition() block.Partition {
	return block.Partition{Tenant: k.tenant, Day: block.DayOf(k.day * dayLength)}
}

func newHead(from, to uint64, now time.Time) *head {
	return &head{from: from, to: to, made: now, parts: map[partitionKey]*partition{}}
}

// partition returns that of a tenant and day, made when it is new.
func (h *head) partition(k partitionKey) *partition {
	h.mu.RLock()
	p := h.parts[k]
	h.mu.RUnlock()
	if p != nil {
		return p
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p = h.parts[k]; p == nil {
		p = &partition{head: h, key: k, start: k.day * dayLength, encoding: map[*job]bool{}}
		h.parts[k] = p
	}
	return p
}

// all returns the partitions, or those of one tenant when it is not "".
func (h *head) all(tenant string) []*partition {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []*partition
	for k, p := range h.parts {
		if tenant == "" || k.tenant == tenant {
			out = append(out, p)
		}
	}
	return out
}

func (h *head) drop(p *partition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.parts, p.key)
}

// empty says whether nothing was ever added.
func (h *head) empty() bool { return h.raw.Load() == 0 }

// partition is what a head has of one tenant and day.
type partition struct {
	head  *head
	key   partitionKey
	start int64 // of the day, nanoseconds

	mu       sync.Mutex // no I/O, no encoding under it
	tail     job        // what came last
	encoding map[*job]bool
	groups   []*memGroup
	spans    int64
	raw      int64
	min, max int64
	written  *block.Entry // the block is written, and not certainly in the catalogue; for the cutter alone
}

// chunk is a section as it came.
type chunk struct {
	body     []byte
	spans    int
	min, max int64 // starts, nanoseconds
}

// job is chunks that are to be encoded; their spans are seen in the head until the groups take their place.
type job struct {
	p      *partition
	chunks []chunk
	spans  int
	bytes  int64 // given back to the budget when it is done
}

// memGroup is a group that is no part of a block yet.
type memGroup struct {
	data    []byte
	source  *source // of a merge: where the data is, in place of data
	summary spangroup.Summary
	group   *spangroup.Group
}

// encodeAt is how many spans are encoded at once: more than one group has, so that more of the traces whose spans come within a
// short time are whole in one.
const encodeAt = 2 * spangroup.MaxSpans

// insert adds a section and returns a job when there is enough to encode.
func (p *partition) insert(x section) *job {
	c := chunk{body: bytes.Clone(x.body), spans: x.spans, min: p.start + int64(x.min), max: p.start + int64(x.max)}
	n := int64(len(c.body))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spans == 0 {
		p.min, p.max = c.min, c.max
	}
	p.min, p.max = min(p.min, c.min), max(p.max, c.max)
	p.spans += int64(c.spans)
	p.raw += n
	p.head.raw.Add(n)
	p.tail.chunks = append(p.tail.chunks, c)
	p.tail.spans += c.spans
	p.tail.bytes += n
	if p.tail.spans < encodeAt && p.tail.bytes < maxEncode {
		return nil
	}
	return p.takeLocked()
}

// fold takes everything out that is not encoded.
func (p *partition) fold() *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeLocked()
}

// takeLocked takes the tail out, to be encoded.
func (p *partition) takeLocked() *job {
	if p.tail.spans == 0 {
		return nil
	}
	j := p.tail
	j.p = p
	p.tail = job{}
	p.encoding[&j] = true
	p.head.jobs.Add(1)
	return &j
}

// finish puts groups in the place of what they were made of.
func (p *partition) finish(j *job, groups []*memGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.encoding, j)
	p.groups = append(p.groups, groups...)
	for _, g := range groups {
		p.head.encoded.Add(int64(len(g.data)))
	}
}

// snapshot is a partition at one moment.
type snapshot struct {
	chunks   []chunk
	groups   []*memGroup
	min, max int64
}

// snapshot takes what lies at start <= time < end.
func (p *partition) snapshot(start, end int64) (snapshot, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spans == 0 || p.min >= end || p.max < start {
		return snapshot{}, false
	}
	out := snapshot{min: p.min, max: p.max}
	add := func(j *job) {
		for _, c := range j.chunks {
			if c.min < end && c.max >= start {
				out.chunks = append(out.chunks, c)
			}
		}
	}
	for j := range p.encoding {
		add(j)
	}
	add(&p.tail)
	for _, g := range p.groups {
		if g.summary.First < end && g.summary.Last >= start {
			out.groups = append(out.groups, g)
		}
	}
	return out, true
}

// decodeChunks returns the spans of chunks.
func decodeChunks(chunks []chunk) ([]model.SpanGroup, error) {
	var out []model.SpanGroup
	for _, c := range chunks {
		groups, err := decodeGroups(c.body, c.spans)
		if err != nil {
			return nil, err
		}
		out = append(out, groups...)
	}
	return out, nil
}
