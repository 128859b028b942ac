// Package snmpsession asks SNMP agents (RFC 1157, 3416, 3414): gets and walks in versions 1, 2c and 3, over UDP or TCP. Whatever an
// agent answers, a call ends with its context, reads a bounded number of values and bytes, and never panics.
package snmpsession

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
)

// Limits of one session: a core router's interface table of 10,000 interfaces has some 600,000 values. What is longer is an agent that loops.
const (
	defaultMaxValues = 1_000_000
	defaultMaxBytes  = 64 << 20
	// MaxGet is how many OIDs one question holds, so that the answer fits into a datagram of 1,500 bytes from most agents.
	MaxGet = 25
)

// Options of a session. Address is required.
type Options struct {
	Address string // host, host:port, or udp://host:port, tcp://host:port; the port is 161
	Auth    Auth
	// Timeout is for one question and one try; 0 is 3 s. Retries are further tries; negative is none, 0 is 2.
	Timeout time.Duration
	Retries int
	// MaxRepetitions is how many values a bulk question asks for; 0 is 25.
	MaxRepetitions int
	// SourceAddress is this machine's address to ask from.
	SourceAddress string
	// MaxValues and MaxBytes are how much a session reads, all together; 0 is a million and 64 MiB.
	MaxValues, MaxBytes int
	// Unordered accepts walks whose OIDs do not increase (a fault of some agents), within the limits on count.
	Unordered bool
}

// Session is an open socket to one agent. It is not safe for use by several goroutines.
type Session struct {
	g         *gosnmp.GoSNMP
	reps      uint32
	unordered bool
	v1        bool

	bytes, maxValues, maxBytes int

	// Questions, Retries and Values count what was asked, asked again and read.
	Questions, Retries, Values int
}

// Open makes a session. With UDP nothing is sent yet, but for version 3's discovery at the first question.
func Open(ctx context.Context, o Options) (*Session, error) {
	transport, host, port, err := SplitAddress(o.Address)
	if err != nil {
		return nil, err
	}
	g := &gosnmp.GoSNMP{
		Target: host, Port: port, Transport: transport, Timeout: o.Timeout, Retries: o.Retries, MaxOids: MaxGet, Context: ctx,
		LocalAddr: localAddress(o.SourceAddress),
	}
	if g.Timeout <= 0 {
		g.Timeout = 3 * time.Second
	}
	switch {
	case o.Retries == 0:
		g.Retries = 2
	case o.Retries < 0:
		g.Retries = 0
	}
	if err := o.Auth.apply(g); err != nil {
		return nil, err
	}
	s := &Session{
		g: g, reps: 25, unordered: o.Unordered, v1: g.Version == gosnmp.Version1,
		maxValues: cmp.Or(o.MaxValues, defaultMaxValues), maxBytes: cmp.Or(o.MaxBytes, defaultMaxBytes),
	}
	if o.MaxRepetitions > 0 {
		s.reps = uint32(min(o.MaxRepetitions, math.MaxInt16))
	}
	g.OnRetry = func(*gosnmp.GoSNMP) { s.Retries++ }
	g.PreSend = func(*gosnmp.GoSNMP) { s.Questions++ }
	if err := guard(g.Connect); err != nil {
		return nil, fmt.Errorf("cannot reach %s: %w", o.Address, err)
	}
	return s, nil
}

// Close ends the session.
func (s *Session) Close() {
	if s.g.Conn != nil {
		_ = s.g.Close()
	}
}

func localAddress(a string) string {
	if a == "" {
		return ""
	}
	return net.JoinHostPort(a, "0")
}

// SplitAddress reads host, host:port or tcp://host:port. The transport is udp and the port 161 when nothing else is said.
func SplitAddress(address string) (transport, host string, port uint16, err error) {
	transport, rest, found := strings.Cut(address, "://")
	if !found {
		transport, rest = "udp", address
	}
	if transport != "udp" && transport != "tcp" {
		return "", "", 0, fmt.Errorf("address: %q is no transport: write udp:// or tcp://", transport)
	}
	host, portText, err := net.SplitHostPort(rest)
	if err != nil {
		host, portText = strings.Trim(rest, "[]"), "161"
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || n == 0 {
		return "", "", 0, fmt.Errorf("address: %q is no port: write one between 1 and 65535", portText)
	}
	if host == "" {
		return "", "", 0, errors.New("address: declare a name or an IP address")
	}
	return transport, host, uint16(n), nil
}

// guard runs a call of the library: a panic on a packet that nobody foresaw is an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot read the agent's answer: %v", p)
		}
	}()
	return f()
}

// call asks while ctx lasts: the socket's deadline is pulled in when it ends, which wakes the reader.
func (s *Session) call(ctx context.Context, f func() (*gosnmp.SnmpPacket, error)) (*gosnmp.SnmpPacket, error) {
	if ctx.Err() != nil {
		return nil, s.timeUp(ctx)
	}
	s.g.Context = ctx
	conn := s.g.Conn
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var packet *gosnmp.SnmpPacket
	err := guard(func() (err error) { packet, err = f(); return err })
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)): // the library may notice first
		return nil, s.timeUp(ctx)
	case err != nil:
		return nil, explain(err)
	case packet == nil:
		return nil, errors.New("the agent's answer is empty")
	}
	return packet, nil
}

func (s *Session) timeUp(ctx context.Context) error {
	err := cmp.Or(ctx.Err(), context.DeadlineExceeded)
	if s.Values > 0 {
		return fmt.Errorf("the time was up after %d values: %w", s.Values, err)
	}
	return fmt.Errorf("no answer: %w", err)
}

func explain(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "request timeout"):
		return ErrNoAnswer
	case errors.Is(err, gosnmp.ErrUnknownUsername):
		return fmt.Errorf("the agent does not know the user: %w", err)
	case errors.Is(err, gosnmp.ErrWrongDigest), strings.Contains(text, "not authentic"):
		return fmt.Errorf("the agent refused the user, the password or the authentication protocol: %w", err)
	case errors.Is(err, gosnmp.ErrDecryption):
		return fmt.Errorf("the agent refused the privacy password or protocol: %w", err)
	}
	return err
}

// ErrNoAnswer is that of an agent that does not answer: not there, filtered, or it does not know the community.
var ErrNoAnswer = errors.New("no answer: nobody is there, a filter is between, or the community or the user is not the agent's")

// ErrEndless is that of an agent that answers without end.
var ErrEndless = errors.New("the agent does not come to an end")

// Get asks for values, as many as wanted. Those that the agent does not have are left out.
func (s *Session) Get(ctx context.Context, oids ...OID) ([]Value, error) {
	var out []Value
	for len(oids) > 0 {
		n := min(len(oids), MaxGet)
		got, err := s.getSome(ctx, oids[:n])
		if err != nil {
			return out, err
		}
		out, oids = append(out, got...), oids[n:]
	}
	return out, nil
}

// getSome asks for a few at once, and, when the agent cannot (v1 answers noSuchName for all, small agents tooBig), one by one.
func (s *Session) getSome(ctx context.Context, oids []OID) ([]Value, error) {
	names := make([]string, len(oids))
	for i, o := range oids {
		names[i] = o.String()
	}
	packet, err := s.call(ctx, func() (*gosnmp.SnmpPacket, error) { return s.g.Get(names) })
	if err != nil {
		return nil, err
	}
	switch {
	case packet.Error == gosnmp.NoError:
		return s.values(packet)
	case len(oids) > 1:
		first, err := s.getSome(ctx, oids[:len(oids)/2])
		if err != nil {
			return first, err
		}
		second, err := s.getSome(ctx, oids[len(oids)/2:])
		return append(first, second...), err
	case packet.Error == gosnmp.NoSuchName, packet.Error == gosnmp.TooBig:
		return nil, nil
	}
	return nil, fmt.Errorf("the agent answered %s for %s", packet.Error, names[0])
}

func (s *Session) values(packet *gosnmp.SnmpPacket) ([]Value, error) {
	var out []Value
	for _, pdu := range packet.Variables {
		v, err := valueOf(pdu)
		if err != nil {
			return nil, err
		}
		if !v.Type.Present() {
			continue
		}
		if err := s.account(v); err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// account counts what was read, and refuses what is too much.
func (s *Session) account(v Value) error {
	s.Values++
	s.bytes += len(v.Bytes) + 4*len(v.OID)
	if s.Values > s.maxValues || s.bytes > s.maxBytes {
		return fmt.Errorf("more than %d values or %d MiB: %w", s.maxValues, s.maxBytes>>20, ErrEndless)
	}
	return nil
}

// Below says of each root whether the agent has something below it, with few questions.
func (s *Session) Below(ctx context.Context, roots ...OID) ([]bool, error) {
	out := make([]bool, 0, len(roots))
	for len(roots) > 0 {
		n := min(len(roots), MaxGet)
		some, err := s.someBelow(ctx, roots[:n])
		if err != nil {
			return nil, err
		}
		out, roots = append(out, some...), roots[n:]
	}
	return out, nil
}

func (s *Session) someBelow(ctx context.Context, roots []OID) ([]bool, error) {
	names := make([]string, len(roots))
	for i, o := range roots {
		names[i] = o.String()
	}
	packet, err := s.call(ctx, func() (*gosnmp.SnmpPacket, error) { return s.g.GetNext(names) })
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(roots))
	if packet.Error != gosnmp.NoError {
		if len(roots) == 1 { // version 1's end
			return out, nil
		}
		first, err := s.someBelow(ctx, roots[:len(roots)/2])
		if err != nil {
			return nil, err
		}
		second, err := s.someBelow(ctx, roots[len(roots)/2:])
		return append(first, second...), err
	}
	for i, pdu := range packet.Variables[:min(len(roots), len(packet.Variables))] {
		v, err := valueOf(pdu)
		if err != nil {
			return nil, err
		}
		out[i] = v.Type.Present() && v.OID.Under(roots[i])
	}
	return out, nil
}

// Walk asks for all that lies under root, in the agent's order. It asks for fewer values at once when an agent cannot give many, and
// ends with an error when the OIDs do not increase or the limits are met: what f was given until then is good.
func (s *Session) Walk(ctx context.Context, root OID, f func(Value) error) error {
	at, reps := root, s.reps
	for {
		packet, err := s.next(ctx, at, &reps)
		if err != nil {
			return fmt.Errorf("cannot walk %s: %w", root, err)
		}
		if packet.Error == gosnmp.TooBig && reps > 1 {
			reps = max(reps/4, 1)
			continue
		}
		if packet.Error == gosnmp.NoSuchName || len(packet.Variables) == 0 { // version 1's end
			return nil
		}
		if packet.Error != gosnmp.NoError {
			return fmt.Errorf("cannot walk %s: the agent answered %s", root, packet.Error)
		}
		for _, pdu := range packet.Variables {
			v, err := valueOf(pdu)
			if err != nil {
				return err
			}
			if !v.OID.Under(root) || !v.Type.Present() {
				return nil
			}
			if !s.unordered && v.OID.Compare(at) <= 0 {
				return fmt.Errorf("cannot walk %s: the agent goes back from %s to %s, in circles: %w", root, at, v.OID, ErrEndless)
			}
			at = v.OID
			if err := s.account(v); err != nil {
				return fmt.Errorf("cannot walk %s: %w", root, err)
			}
			if err := f(v); err != nil {
				return err
			}
		}
	}
}

// next asks what follows. An agent that does not answer to a large bulk question (its answer would be fragmented, and lost) is asked for less.
func (s *Session) next(ctx context.Context, at OID, reps *uint32) (*gosnmp.SnmpPacket, error) {
	name := []string{at.String()}
	if s.v1 || *reps <= 1 {
		return s.call(ctx, func() (*gosnmp.SnmpPacket, error) { return s.g.GetNext(name) })
	}
	packet, err := s.call(ctx, func() (*gosnmp.SnmpPacket, error) { return s.g.GetBulk(name, 0, *reps) })
	if errors.Is(err, ErrNoAnswer) && s.Values > 0 { // it answers, but not to this
		*reps = max(*reps/4, 1)
		s.reps = *reps
		return s.next(ctx, at, reps)
	}
	return packet, err
}
