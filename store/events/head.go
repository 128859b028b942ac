package events

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
)

// head is the records of one generation, or of several after a replay: everything that was journaled under a generation
// above from and at most to. It is the newest head until the next one is made (sealed), and is taken away when all of its
// partitions are blocks.
type head struct {
	from, to uint64
	made     time.Time
	// before is a position below that of every entry of a later generation; set when the head is sealed.
	before uint64
	// inflight counts the appends that have chosen this head and are not in it yet.
	inflight sync.WaitGroup
	jobs     sync.WaitGroup // that were taken and are not done
	// deletions that were there before the first record: they do not concern it.
	applied []string

	raw     atomic.Int64 // bytes of lines and fields
	encoded atomic.Int64 // bytes of groups
	streams atomic.Int64

	mu    sync.RWMutex // partition.mu may be taken under it
	parts map[partitionKey]*partition
}

type partitionKey struct {
	tenant string
	day    int64
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
		p = newPartition(h, k)
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

// partition is what a head has of one tenant and day.
type partition struct {
	head  *head
	key   partitionKey
	start int64 // of the day, nanoseconds

	mu       sync.Mutex // no I/O, no encoding under it
	table    *tableBuilder
	index    map[string]uint32 // streams by their encoded labels
	tails    []tail            // by stream
	tailed   int64             // bytes in tails
	encoding map[*job]bool     // taken out of the tails, and not groups yet
	groups   []*memGroup
	records  int64
	raw      int64
	min, max int64
	written  *block.Entry // the block is written, and not certainly in the catalogue; for the cutter alone
}

// memGroup is a group that is no part of a block yet.
type memGroup struct {
	rowgroup.Encoded
	source   *source // of a merge: where its Data and Filters are, in place of those here
	group    *rowgroup.Group
	info     rowgroup.Info
	streams  []uint32 // the group's streams, as numbers of the partition's table
	min, max int64
}

func newPartition(h *head, k partitionKey) *partition {
	return &partition{head: h, key: k, start: k.day * dayLength, table: newTableBuilder(), index: map[string]uint32{}, encoding: map[*job]bool{}}
}

// insert adds a section and returns a job when the stream has enough records for a group.
func (p *partition) insert(s *Store, x section) (*job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.streamLocked(s, x.labels)
	if err != nil {
		return nil, err
	}
	first, last := p.start+int64(x.min), p.start+int64(x.max)
	if p.records == 0 {
		p.min, p.max = first, last
	}
	p.min, p.max = min(p.min, first), max(p.max, last)
	p.records += int64(x.records)
	p.raw += x.raw
	p.head.raw.Add(x.raw)
	t := &p.tails[i]
	t.add(x)
	p.tailed += int64(len(x.body))
	s.tailed.Add(int64(len(x.body)))
	if t.rows < rowgroup.MaxRows && t.raw < rowgroup.MaxBytes {
		return nil, nil
	}
	return p.takeLocked(s, []uint32{i}), nil
}

func (p *partition) streamLocked(s *Store, key []byte) (uint32, error) {
	if i, ok := p.index[string(key)]; ok {
		return i, nil
	}
	fields, err := decodeLabels(key)
	if err != nil {
		return 0, err
	}
	i := p.table.add(s.seed, key, fields)
	p.index[string(key)] = i
	p.tails = append(p.tails, tail{})
	p.head.streams.Add(1)
	return i, nil
}

// takeLocked takes the tails of streams out, to be encoded.
func (p *partition) takeLocked(s *Store, streams []uint32) *job {
	j := &job{p: p}
	for _, i := range streams {
		t := &p.tails[i]
		if t.rows == 0 {
			continue
		}
		j.parts = append(j.parts, jobPart{stream: i, labels: p.table.labels[i], tail: *t})
		j.bytes += t.bytes
		*t = tail{}
	}
	if len(j.parts) == 0 {
		return nil
	}
	p.tailed -= j.bytes
	s.tailed.Add(-j.bytes)
	p.encoding[j] = true
	p.head.jobs.Add(1)
	return j
}

// foldJob is about how many bytes are encoded at once when tails are put together: it bounds what an encoder holds beside them.
const foldJob = 8 * rowgroup.MaxBytes

// fold takes all tails out, in order of labels, so that streams that are alike lie together.
func (p *partition) fold(s *Store) []*job {
	p.mu.Lock()
	defer p.mu.Unlock()
	var order []uint32
	for i := range p.tails {
		if p.tails[i].rows > 0 {
			order = append(order, uint32(i))
		}
	}
	p.table.sortByLabels(order)
	var jobs []*job
	for from := 0; from < len(order); {
		to, bytes := from, int64(0)
		for to < len(order) && bytes < foldJob {
			bytes += p.tails[order[to]].bytes
			to++
		}
		if j := p.takeLocked(s, order[from:to]); j != nil {
			jobs = append(jobs, j)
		}
		from = to
	}
	return jobs
}

// finish puts groups in the place of what they were made of.
func (p *partition) finish(j *job, groups []*memGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.encoding, j)
	p.groups = append(p.groups, groups...)
	for _, g := range groups {
		p.head.encoded.Add(g.size())
	}
}

func (g *memGroup) size() int64 { return int64(len(g.Data) + len(g.Filters) + len(g.Meta)) }

// snapshot is a partition at one moment.
type snapshot struct {
	p      *partition
	table  table
	wanted []bool // by stream; nil is all
	parts  []jobPart
	groups []*memGroup
	min    int64
	max    int64
}

// snapshot takes what matches at start <= time < end.
func (p *partition) snapshot(matchers []*labels.Matcher, start, end int64) (snapshot, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.records == 0 || p.min >= end || p.max < start {
		return snapshot{}, false
	}
	out := snapshot{p: p, table: p.table.table, wanted: p.table.match(matchers), groups: p.groups[:len(p.groups):len(p.groups)], min: p.min, max: p.max}
	add := func(x jobPart) {
		if out.wanted != nil && !out.wanted[x.stream] || x.tail.rows == 0 || p.start+int64(x.tail.min) >= end || p.start+int64(x.tail.max) < start {
			return
		}
		out.parts = append(out.parts, x)
	}
	for j := range p.encoding {
		for _, x := range j.parts {
			add(x)
		}
	}
	for i := range p.tails {
		if p.tails[i].rows > 0 && (out.wanted == nil || out.wanted[i]) {
			add(jobPart{stream: uint32(i), labels: p.table.labels[i], tail: p.tails[i].snapshot()})
		}
	}
	return out, true
}
