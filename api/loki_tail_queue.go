package api

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/query/logql"
)

const (
	// maxDroppedExamples bounds the lost entries that are named, and not only counted.
	maxDroppedExamples = 100
	// twiceFor is how long after the beginning an entry of it may be followed still: the follower lags behind by a queue.
	twiceFor = 10 * time.Second
)

// tailQueue is what waits for one client. It is bounded: what does not fit is lost and counted, so that a slow client
// holds nobody up.
type tailQueue struct {
	most  int           // bytes
	delay time.Duration // how long an entry waits for others that are older
	ready chan struct{} // holds one token while there may be something to take; never closed
	begun chan struct{} // closed by the first put
	seed  maphash.Seed

	mu       sync.Mutex // guards what follows
	waiting  []queuedEntry
	size     int
	dropped  int
	examples []droppedEntry
	// twice are the entries that were sent at the beginning, by hash: those that were appended while the beginning was
	// read are followed too. Until twiceEnd.
	twice    map[uint64]int
	twiceEnd time.Time
}

type queuedEntry struct {
	labels labels.Labels
	entry  logql.Entry
	due    time.Time // when it may be sent
}

// tailBatch is what is sent at once.
type tailBatch struct {
	streams  []logql.Stream
	dropped  int
	examples []droppedEntry
}

type droppedEntry struct {
	labels labels.Labels
	time   int64
}

func newTailQueue(most int, delay time.Duration) *tailQueue {
	return &tailQueue{most: most, delay: delay, ready: make(chan struct{}, 1), begun: make(chan struct{}), seed: maphash.MakeSeed()}
}

// put takes entries that came in at now; it never waits. It returns how many of them are lost.
func (q *tailQueue) put(now time.Time, streams []logql.Stream, dropped int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.begun:
	default:
		close(q.begun)
	}
	before := q.dropped
	q.dropped += dropped
	for _, s := range streams {
		for i := range s.Entries {
			q.add(now, s.Labels, &s.Entries[i])
		}
	}
	if len(q.waiting) > 0 || q.dropped > 0 {
		q.signal()
	}
	return q.dropped - before
}

func (q *tailQueue) add(now time.Time, l labels.Labels, e *logql.Entry) {
	n := entrySize(e)
	if q.size+n > q.most {
		q.dropped++
		if len(q.examples) < maxDroppedExamples {
			q.examples = append(q.examples, droppedEntry{l, e.Time})
		}
		return
	}
	q.size += n
	q.waiting = append(q.waiting, queuedEntry{l, *e, q.due(now, e)})
}

// due is delay after the time of an entry, so that what is older than it may still come in; an entry from the future
// waits no longer than one of now.
func (q *tailQueue) due(now time.Time, e *logql.Entry) time.Time {
	t := time.Unix(0, e.Time)
	if q.delay == 0 || t.After(now) {
		t = now
	}
	return t.Add(q.delay)
}

func (q *tailQueue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// sent takes note of the entries of the beginning.
func (q *tailQueue) sent(now time.Time, streams []logql.Stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.twice, q.twiceEnd = map[uint64]int{}, now.Add(twiceFor)
	for _, s := range streams {
		for i := range s.Entries {
			q.twice[q.hash(s.Labels, &s.Entries[i])]++
		}
	}
}

func (q *tailQueue) hash(l labels.Labels, e *logql.Entry) uint64 {
	var h maphash.Hash
	h.SetSeed(q.seed)
	var number [20]byte
	_, _ = h.Write(strconv.AppendInt(number[:0], e.Time, 36))
	_ = h.WriteByte(' ')
	_, _ = h.WriteString(e.Line)
	l.Range(func(l labels.Label) {
		_ = h.WriteByte(0)
		_, _ = h.WriteString(l.Name)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(l.Value)
	})
	return h.Sum64()
}

// take takes out what is due, and says how long it is until more is; zero when nothing waits.
func (q *tailQueue) take(now time.Time) (b tailBatch, more time.Duration) {
	q.mu.Lock()
	due, next := q.split(now)
	b = tailBatch{dropped: q.dropped, examples: q.examples}
	q.dropped, q.examples = 0, nil
	due = q.withoutSent(now, due)
	q.mu.Unlock()
	if !next.IsZero() {
		more = max(next.Sub(now), time.Millisecond)
	}
	if q.delay > 0 {
		slices.SortStableFunc(due, func(a, b queuedEntry) int { return cmp.Compare(a.entry.Time, b.entry.Time) })
	}
	b.streams = streamsOf(due)
	return b, more
}

// split keeps what is not due, and tells when the first of it is.
func (q *tailQueue) split(now time.Time) (due []queuedEntry, next time.Time) {
	if q.delay == 0 {
		due = q.waiting
		q.waiting, q.size = nil, 0
		return due, next
	}
	var kept []queuedEntry
	for _, e := range q.waiting {
		if !e.due.After(now) {
			due = append(due, e)
			q.size -= entrySize(&e.entry)
			continue
		}
		kept = append(kept, e)
		if next.IsZero() || e.due.Before(next) {
			next = e.due
		}
	}
	q.waiting = kept
	return due, next
}

// withoutSent leaves out what the beginning had.
func (q *tailQueue) withoutSent(now time.Time, due []queuedEntry) []queuedEntry {
	if now.After(q.twiceEnd) {
		q.twice = nil
	}
	if q.twice == nil {
		return due
	}
	return slices.DeleteFunc(due, func(e queuedEntry) bool {
		h := q.hash(e.labels, &e.entry)
		if q.twice[h] == 0 {
			return false
		}
		q.twice[h]--
		return true
	})
}

// streamsOf puts the entries of each stream together; they keep their order, and the streams that of their first entries.
func streamsOf(entries []queuedEntry) []logql.Stream {
	var out []logql.Stream
	at := map[uint64]int{} // by the labels' hash; of two sets with one hash, the later is a stream of its own each time
	for _, e := range entries {
		h := e.labels.Hash()
		i, ok := at[h]
		if !ok || !labels.Equal(out[i].Labels, e.labels) {
			i = len(out)
			at[h] = i
			out = append(out, logql.Stream{Labels: e.labels})
		}
		out[i].Entries = append(out[i].Entries, e.entry)
	}
	return out
}

// entrySize is about how much memory an entry takes.
func entrySize(e *logql.Entry) int {
	n := len(e.Line) + 120
	size := func(l labels.Label) { n += len(l.Name) + len(l.Value) + 4 }
	e.Structured.Range(size)
	e.Parsed.Range(size)
	return n
}
