package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// datagrams is a UDP socket to one address: it ends with its context.
type datagrams struct {
	net.Conn
	stop func() bool
}

func (d *datagrams) end() {
	d.stop()
	d.Close()
}

// dialUDP makes a socket to the target's first address.
func (t *target) dialUDP(ctx context.Context, rep *report) (*datagrams, error) {
	if t.socket != "" {
		return nil, notAsked("%s is a socket file: UDP needs an address", t.socket)
	}
	found, err := t.addresses(ctx, rep)
	if err != nil {
		return nil, err
	}
	reportAddress(rep, found[0])
	var d net.Dialer
	if t.source.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
	}
	c, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(found[0], uint16(t.port)).String())
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s: %w", t.named(found[0]), err)
	}
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	return &datagrams{c, context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })}, nil
}

// Tries of a question by UDP, which may be lost on its way.
const (
	maxTries = 3
	// maxStrays is how many datagrams that are no answer are read: who sends more of them does not answer.
	maxStrays = 100
)

// exchange sends a question up to three times and returns the first answer that is accepted. accept returns an error for an answer
// that is not ours; the newest such error is told when no answer is accepted.
func (d *datagrams) exchange(ctx context.Context, question []byte, accept func(answer []byte, sent time.Time) error) (time.Duration, error) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(defaultTimeout)
	}
	var odd error
	strays := 0
	buf := make([]byte, 64<<10)
	for try := range maxTries {
		start := time.Now()
		if _, err := d.Write(question); err != nil {
			return 0, err
		}
		_ = d.SetReadDeadline(start.Add(time.Until(end) / time.Duration(maxTries-try)))
		if ctx.Err() != nil { // its end may have come before the deadline was set
			return 0, ctx.Err()
		}
		for {
			n, err := d.Read(buf)
			if err != nil {
				if ctx.Err() != nil || !isTimeout(err) {
					if odd != nil { // what came says more than that nothing else did
						err = odd
					}
					return 0, err
				}
				break
			}
			if odd = accept(buf[:n], start); odd == nil {
				return time.Since(start), nil
			}
			if strays++; strays > maxStrays {
				return 0, fmt.Errorf("no answer among %d datagrams: %w", strays, odd)
			}
		}
	}
	if odd != nil {
		return 0, odd
	}
	return 0, context.DeadlineExceeded
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
