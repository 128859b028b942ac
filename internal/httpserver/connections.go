package httpserver

import (
	"net"
	"sync"
	"sync/atomic"
)

// limitedListener closes connections above its limit at once: a client sees the refusal, whereas one left in the
// kernel's queue would hang, and nobody would know why.
type limitedListener struct {
	net.Listener
	most    int64
	open    atomic.Int64
	metrics *metrics
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			l.metrics.connections.Inc()
			return &countedConn{Conn: c, closed: sync.OnceFunc(l.release)}, nil
		}
		l.open.Add(-1)
		l.metrics.refused.Inc()
		c.Close()
	}
}

func (l *limitedListener) release() {
	l.open.Add(-1)
	l.metrics.connections.Dec()
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
