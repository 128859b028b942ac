package local

import (
	"sync"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// gate counts the calls that are under way, lets no more in once it is closed, and waits for them then.
type gate struct {
	mu     sync.Mutex // no I/O under it
	n      int
	closed bool
	idle   chan struct{} // closed by the last call to end after close; nil before
}

func (g *gate) begin() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return medium.ErrClosed
	}
	g.n++
	return nil
}

func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.n == 0 && g.closed {
		close(g.idle)
	}
}

func (g *gate) close() {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.idle = make(chan struct{})
		if g.n == 0 {
			close(g.idle)
		}
	}
	g.mu.Unlock()
	<-g.idle
}
