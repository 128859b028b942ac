package intake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Datagram is one packet.
type Datagram struct {
	From     netip.AddrPort
	Received time.Time
	Data     []byte
}

const (
	maxDatagram = 64 << 10
	// queueBytes and queueLength bound the packets that wait. The kernel's buffer is asked to be as large as a burst.
	queueBytes   = 16 << 20
	queueLength  = 16 << 10
	socketBuffer = 4 << 20
	// batchLength bounds the packets that are handed on at once.
	batchLength = 1024
)

// UDP serves a protocol over UDP.
type UDP struct {
	protocol string
	socket   *net.UDPConn
	sockets  *Sockets
}

// ListenUDP binds the address.
func (s *Sockets) ListenUDP(protocol, address string) (*UDP, error) {
	a, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for %s on %s: %w", protocol, address, err)
	}
	socket, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for %s on %s: %w", protocol, address, err)
	}
	_ = socket.SetReadBuffer(socketBuffer) // the kernel gives what it allows
	return &UDP{protocol: protocol, socket: socket, sockets: s}, nil
}

// Addr is the address in use.
func (u *UDP) Addr() net.Addr { return u.socket.LocalAddr() }

// Close frees the address of a server that was not served.
func (u *UDP) Close() error { return u.socket.Close() }

// Send answers a packet, while it is served.
func (u *UDP) Send(to netip.AddrPort, data []byte) error {
	_, err := u.socket.WriteToUDPAddrPort(data, to)
	return err
}

// Serve calls handle with what came, in order, until ctx ends and what waited is handed on. What comes while too much waits is dropped and counted.
// The packets are handle's until it returns.
func (u *UDP) Serve(ctx context.Context, handle func(ctx context.Context, batch []Datagram)) error {
	stop := context.AfterFunc(ctx, func() { _ = u.socket.Close() })
	defer stop()
	q := newDatagrams()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for batch := q.take(); len(batch) > 0; batch = q.take() {
			handle(context.WithoutCancel(ctx), batch)
			q.giveBack(batch)
		}
	}()
	err := u.read(ctx, q)
	close(q.waiting)
	<-done
	return err
}

// read fills the queue.
func (u *UDP) read(ctx context.Context, q *datagrams) error {
	dropped := u.sockets.dropped.WithLabelValues(u.protocol)
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := u.socket.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the socket was closed for that
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("cannot go on listening for %s: %w", u.protocol, err)
		case err != nil:
			u.sockets.log.Warn("cannot receive a datagram", "protocol", u.protocol, "err", err)
			pause(ctx, 100*time.Millisecond)
			continue
		}
		d := Datagram{From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Received: time.Now(), Data: buf[:n]}
		if !q.put(d) {
			dropped.Inc()
		}
	}
}
