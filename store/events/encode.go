package events

import (
	"bytes"
	"log/slog"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
)

// job is tails of a partition that are to be encoded; their records are seen in the head until the groups take their place.
type job struct {
	p     *partition
	parts []jobPart // in order of labels
	bytes int64     // given back to the budget when it is done
}

type jobPart struct {
	stream uint32
	labels labels.Labels
	tail   tail
}

// encoders is the goroutines that encode. What waits is bounded by the budget of the head.
type encoders struct {
	log   *slog.Logger
	group sync.WaitGroup

	mu     sync.Mutex
	wake   *sync.Cond
	queue  []*job
	closed bool
}

func startEncoders(n int, codec rowgroup.Codec, s *Store) (*encoders, error) {
	e := &encoders{log: s.log}
	e.wake = sync.NewCond(&e.mu)
	for range n {
		enc, err := rowgroup.NewEncoder(rowgroup.Options{Codec: codec})
		if err != nil {
			e.stop()
			return nil, err
		}
		e.group.Go(func() { e.run(s, enc) })
	}
	return e, nil
}

// stop leaves what waits undone: the journal has it.
func (e *encoders) stop() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wake.Broadcast()
	e.group.Wait()
}

func (e *encoders) submit(jobs ...*job) {
	e.mu.Lock()
	for _, j := range jobs {
		if j != nil {
			e.queue = append(e.queue, j)
		}
	}
	e.mu.Unlock()
	e.wake.Broadcast()
}

func (e *encoders) next() *job {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) == 0 && !e.closed {
		e.wake.Wait()
	}
	if e.closed {
		return nil
	}
	j := e.queue[0]
	e.queue[0] = nil
	e.queue = e.queue[1:]
	return j
}

func (e *encoders) run(s *Store, enc *rowgroup.Encoder) {
	w := encodeWorker{enc: enc}
	for j := e.next(); j != nil; j = e.next() {
		groups, err := w.encode(j)
		if err != nil {
			// The rows were checked when they were appended. They stay seen as they are, and in the journal.
			s.metrics.encodeFailures.Inc()
			e.log.Error("BUG: records cannot be encoded: they stay in memory and in the journal", "tenant", j.p.key.tenant, "err", err)
		} else {
			j.p.finish(j, groups)
			s.budget.Release(j.bytes)
		}
		j.p.head.jobs.Done()
		s.wakeCutter(j.p.head)
	}
}

// encodeWorker makes groups. It is for one goroutine.
type encodeWorker struct {
	enc    *rowgroup.Encoder
	buffer rowBuffer
	local  []uint32 // the streams of the rows in buffer, as the group numbers them
	out    []*memGroup
}

func (w *encodeWorker) encode(j *job) ([]*memGroup, error) {
	w.out = nil
	w.buffer.reset()
	w.local = w.local[:0]
	for _, part := range j.parts {
		w.local = append(w.local, part.stream)
		if err := w.buffer.add(j.p.start, uint32(len(w.local)-1), part.tail); err != nil {
			return nil, err
		}
		if err := w.flush(false); err != nil {
			return nil, err
		}
	}
	if err := w.flush(true); err != nil {
		return nil, err
	}
	return w.out, nil
}

// flush makes groups of the rows that fill them, and of the rest too when it is all.
func (w *encodeWorker) flush(all bool) error {
	r := &w.buffer.rows
	if !all && r.Len() < rowgroup.MaxRows && w.buffer.raw < rowgroup.MaxBytes {
		return nil // nothing is full: thousands of short tails are not counted again and again
	}
	from := 0
	for from < r.Len() {
		to, full := fill(r, from)
		if !full && !all {
			break
		}
		if err := w.group(from, to); err != nil {
			return err
		}
		from = to
	}
	w.keep(from)
	return nil
}

// fill returns the end of the group that begins at from, and whether it is full.
func fill(r *rowgroup.Rows, from int) (int, bool) {
	bytes := 0
	for i := from; i < r.Len(); i++ {
		n := rowgroup.RowBytes(r.Lines[i], r.Fields[i])
		if i > from && (i-from == rowgroup.MaxRows || bytes+n > rowgroup.MaxBytes) {
			return i, true
		}
		bytes += n
	}
	return r.Len(), r.Len()-from == rowgroup.MaxRows || bytes >= rowgroup.MaxBytes
}

// keep lets go of the rows before from.
func (w *encodeWorker) keep(from int) {
	r := &w.buffer.rows
	if from >= r.Len() {
		w.buffer.reset()
		w.local = w.local[:0]
		return
	}
	if from == 0 {
		return
	}
	for i := range from {
		w.buffer.raw -= rowgroup.RowBytes(r.Lines[i], r.Fields[i])
	}
	n := copy(r.Streams, r.Streams[from:])
	copy(r.Times, r.Times[from:])
	copy(r.Lines, r.Lines[from:])
	copy(r.Fields, r.Fields[from:])
	clear(r.Lines[n:])
	clear(r.Fields[n:])
	r.Streams, r.Times, r.Lines, r.Fields = r.Streams[:n], r.Times[:n], r.Lines[:n], r.Fields[:n]
}

// group encodes the rows from..to, with streams numbered as they come.
func (w *encodeWorker) group(from, to int) error {
	r := &w.buffer.rows
	rows := rowgroup.Rows{Streams: make([]uint32, to-from), Times: r.Times[from:to], Lines: r.Lines[from:to], Fields: r.Fields[from:to]}
	var streams []uint32
	for i, s := range r.Streams[from:to] {
		if i == 0 || s != r.Streams[from+i-1] {
			streams = append(streams, w.local[s])
		}
		rows.Streams[i] = uint32(len(streams) - 1)
	}
	g, err := encodeGroup(w.enc, rows)
	if err != nil {
		return err
	}
	g.streams = streams
	w.out = append(w.out, g)
	return nil
}

func encodeGroup(enc *rowgroup.Encoder, rows rowgroup.Rows) (*memGroup, error) {
	e, err := enc.Encode(rows)
	if err != nil {
		return nil, err
	}
	g := &memGroup{Encoded: rowgroup.Encoded{Data: bytes.Clone(e.Data), Filters: bytes.Clone(e.Filters), Meta: bytes.Clone(e.Meta)}}
	g.group, err = rowgroup.Open(g.Meta, &rowgroup.Memory{DataBytes: g.Data, FiltersBytes: g.Filters})
	if err != nil {
		return nil, err
	}
	g.info = g.group.Info()
	g.min, g.max = g.info.MinTime, g.info.MaxTime
	return g, nil
}
