// Package broadcast tells any number of listeners inside the process that something on a topic has changed.
//
// It carries news, not data: of a topic a listener holds the newest news and how many it was told since it last
// looked, so that a slow listener costs nothing, loses nothing that still matters, and knows what it skipped.
package broadcast

import (
	"slices"
	"sync"
	"time"
)

// Hub passes news on. The zero value is not usable; New makes one. It is safe for concurrent use, and no call
// blocks.
type Hub struct {
	epoch string        // tells one process' numbers from another's
	done  chan struct{} // closed by Close

	mu     sync.Mutex // guards all below; nothing is called under it
	closed bool
	seq    uint64
	last   map[string]News // by topic
	subs   map[*Subscription]struct{}
}

// News is that a topic changed.
type News struct {
	Topic string
	Seq   uint64    // of this change, over all topics
	At    time.Time // of this change
	Count int       // changes since the listener was last told, this one included
}

// New returns a hub. Epoch should differ from one start of the process to the next.
func New(epoch string) *Hub {
	return &Hub{epoch: epoch, done: make(chan struct{}), last: map[string]News{}, subs: map[*Subscription]struct{}{}}
}

// Epoch is what New got.
func (h *Hub) Epoch() string { return h.epoch }

// Done is closed when the hub is.
func (h *Hub) Done() <-chan struct{} { return h.done }

// Seq is the number of the newest change of any topic.
func (h *Hub) Seq() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// Publish tells everybody who listens on the topic.
func (h *Hub) Publish(topic string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.seq++
	h.last[topic] = News{Topic: topic, Seq: h.seq, At: at, Count: 1}
	for s := range h.subs {
		s.put(h.last[topic])
	}
}

// Subscribe listens on topics until Close. What changed after since counts as news at once; pass Seq() to hear
// of the future only.
func (h *Hub) Subscribe(topics []string, since uint64) *Subscription {
	s := &Subscription{hub: h, topics: slices.Clone(topics), ready: make(chan struct{}, 1), news: map[string]News{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return s
	}
	h.subs[s] = struct{}{}
	for _, topic := range topics {
		if last, ok := h.last[topic]; ok && last.Seq > since {
			s.put(last)
		}
	}
	return s
}

// Listeners is how many subscriptions there are.
func (h *Hub) Listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs)
}

// Close ends the news: Done is closed, nothing more is published.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	close(h.done)
	clear(h.subs)
}

// Subscription is one listener. It holds at most one News a topic.
type Subscription struct {
	hub    *Hub
	topics []string
	ready  chan struct{} // has a token while there is news; never closed

	news map[string]News // guarded by hub.mu
}

// put is called with hub.mu held.
func (s *Subscription) put(n News) {
	if !slices.Contains(s.topics, n.Topic) {
		return
	}
	n.Count += s.news[n.Topic].Count
	s.news[n.Topic] = n
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Ready has a value when there is news.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Take returns the news since the last Take, oldest first.
func (s *Subscription) Take() []News {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	list := make([]News, 0, len(s.news))
	for _, n := range s.news {
		list = append(list, n)
	}
	clear(s.news)
	slices.SortFunc(list, func(a, b News) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return list
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
}
