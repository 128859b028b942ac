package probe

import (
	"context"
	"errors"
	"time"
)

// holdConnect is how long connecting may take when a connection is to be held.
const holdConnect = 10 * time.Second

// quietClose is the age from which on a connection may have been closed only because nothing was said on it. The shortest time after
// which servers do that is some seconds.
const quietClose = 4 * time.Second

var errNotHeld = errors.New("the other side does not let a connection stay on which nothing is said")

// holdConnection connects and waits until the other side closes. Many servers close connections on which nothing is said: so a close
// is a death only when a new connection is not accepted at once. Who accepts it is held again, unless it closes within seconds.
func holdConnection(ctx context.Context, connect func(context.Context) (*session, error)) error {
	s, err := connectToHold(ctx, connect)
	for err == nil {
		start := time.Now()
		s.waitClosed()
		s.end()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s, err = connectToHold(ctx, connect); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return nil
		}
		if time.Since(start) < quietClose {
			s.end()
			return errNotHeld
		}
	}
	return err
}

// connectToHold connects within a time of its own, and gives the session the context of the holding.
func connectToHold(ctx context.Context, connect func(context.Context) (*session, error)) (*session, error) {
	short, cancel := context.WithTimeout(ctx, holdConnect)
	defer cancel()
	s, err := connect(short)
	if err != nil {
		return nil, err
	}
	if !s.stop() {
		s.end()
		return nil, errors.Join(context.Cause(short), errors.New("cannot hold the connection"))
	}
	_ = s.SetDeadline(time.Time{})
	conn := s.Conn
	s.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return s, nil
}

// waitClosed reads and forgets until the connection ends or brought more than a session may.
func (s *session) waitClosed() {
	step := s.idle
	if step == nil {
		step = func() error { _, err := s.in.Discard(1); return err }
	}
	for step() == nil {
	}
}
