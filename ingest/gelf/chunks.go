package gelf

import (
	"bytes"
	"container/list"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/ingest/intake"
)

// A message that is too large for a packet comes in chunks, at most 128, all within five seconds:
//
//	0x1e 0x0f   8 bytes: the message's id   1 byte: which chunk, from 0   1 byte: how many   part of the message
const (
	chunkHeader = 12
	maxChunks   = 128
	chunksWait  = 5 * time.Second
	// mostWaiting and mostWaitingBytes bound the messages of which chunks are missing; the oldest goes for a new one.
	mostWaiting      = 1024
	mostWaitingBytes = 16 << 20
)

var chunkMagic = []byte{0x1e, 0x0f}

type chunkKey struct {
	from netip.AddrPort
	id   [8]byte
}

// partial is a message of which chunks are missing.
type partial struct {
	key     chunkKey
	since   time.Time
	parts   [][]byte
	missing int
	bytes   int
}

// chunks puts messages together. It is for one goroutine.
type chunks struct {
	byKey map[chunkKey]*list.Element
	order list.List // of *partial, the oldest first
	bytes int
	lost  prometheus.Counter
}

func newChunks(lost prometheus.Counter) *chunks {
	return &chunks{byKey: map[chunkKey]*list.Element{}, lost: lost}
}

// whole returns the message that the packet is, or that it completes; else nil.
func (c *chunks) whole(p intake.Datagram) []byte {
	if !bytes.HasPrefix(p.Data, chunkMagic) {
		return p.Data
	}
	c.expire(p.Received)
	if len(p.Data) < chunkHeader {
		c.lost.Inc()
		return nil
	}
	key := chunkKey{p.From, [8]byte(p.Data[2:10])}
	at, of := int(p.Data[10]), int(p.Data[11])
	if of == 0 || of > maxChunks || at >= of {
		c.lost.Inc()
		return nil
	}
	e := c.byKey[key]
	if e == nil {
		e = c.order.PushBack(&partial{key: key, since: p.Received, parts: make([][]byte, of), missing: of})
		c.byKey[key] = e
	}
	m := e.Value.(*partial)
	if of != len(m.parts) || m.parts[at] != nil {
		return nil // another message's, or the same once more
	}
	m.parts[at] = bytes.Clone(p.Data[chunkHeader:])
	if m.parts[at] == nil {
		m.parts[at] = []byte{}
	}
	m.missing--
	m.bytes += len(m.parts[at])
	c.bytes += len(m.parts[at])
	if m.missing == 0 {
		c.remove(e)
		return bytes.Join(m.parts, nil)
	}
	for c.order.Len() > mostWaiting || c.bytes > mostWaitingBytes {
		c.lose(c.order.Front())
	}
	return nil
}

// expire forgets what has waited for too long.
func (c *chunks) expire(now time.Time) {
	for e := c.order.Front(); e != nil && now.Sub(e.Value.(*partial).since) > chunksWait; e = c.order.Front() {
		c.lose(e)
	}
}

func (c *chunks) lose(e *list.Element) {
	c.remove(e)
	c.lost.Inc()
}

func (c *chunks) remove(e *list.Element) {
	m := c.order.Remove(e).(*partial)
	delete(c.byKey, m.key)
	c.bytes -= m.bytes
}
