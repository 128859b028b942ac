package intake

import (
	"slices"
	"sync/atomic"
)

// datagrams is a queue between one who reads and one who works, bounded in length and bytes.
type datagrams struct {
	waiting chan Datagram
	bytes   atomic.Int64
	batch   []Datagram
}

func newDatagrams() *datagrams {
	return &datagrams{waiting: make(chan Datagram, queueLength)}
}

// put copies d into the queue, and says whether there was room.
func (q *datagrams) put(d Datagram) bool {
	n := int64(len(d.Data))
	if q.bytes.Add(n) > queueBytes {
		q.bytes.Add(-n)
		return false
	}
	d.Data = slices.Clone(d.Data)
	select {
	case q.waiting <- d:
		return true
	default:
		q.bytes.Add(-n)
		return false
	}
}

// take waits for packets and returns those that wait; none when the queue is closed and empty.
func (q *datagrams) take() []Datagram {
	q.batch = q.batch[:0]
	d, ok := <-q.waiting
	for ok {
		q.batch = append(q.batch, d)
		if len(q.batch) == batchLength {
			return q.batch
		}
		select {
		case d, ok = <-q.waiting:
		default:
			return q.batch
		}
	}
	return q.batch
}

// giveBack makes room for as much as the batch held.
func (q *datagrams) giveBack(batch []Datagram) {
	for i := range batch {
		q.bytes.Add(-int64(len(batch[i].Data)))
		batch[i] = Datagram{}
	}
}
