package probe

import (
	"net"
	"sync"
)

// speaksFirst is a connection on which this side speaks first: nothing is read before something was written. A server that talks before
// it is asked then gets a clear error for its answer, where net/http would write to this process's log.
type speaksFirst struct {
	net.Conn
	once  sync.Once
	spoke chan struct{} // closed by the first Write, or by Close
}

func newSpeaksFirst(c net.Conn) *speaksFirst {
	return &speaksFirst{Conn: c, spoke: make(chan struct{})}
}

func (c *speaksFirst) begin() { c.once.Do(func() { close(c.spoke) }) }

func (c *speaksFirst) Write(p []byte) (int, error) {
	defer c.begin()
	return c.Conn.Write(p)
}

func (c *speaksFirst) Read(p []byte) (int, error) {
	<-c.spoke
	return c.Conn.Read(p)
}

func (c *speaksFirst) Close() error {
	defer c.begin()
	return c.Conn.Close()
}
