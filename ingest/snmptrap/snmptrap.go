// Package snmptrap receives the notifications of network devices: SNMP traps of versions 1, 2c and 3 (RFC 1157, 3416, 3414) and
// informs of version 2c, which are answered. Each becomes a log record with the names of what it tells.
//
//	s, err := snmptrap.New(snmptrap.Options{Communities: []string{"public"}}, sink, log, registerer)
//	err = s.Serve(ctx, udp) // of intake.Sockets
//
// The stream is {job="snmp_trap", device="10.0.0.1"}; the line is the notification with its objects, which are fields too.
package snmptrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/model"
)

// Sink is where records go. It takes the strings for the length of the call.
type Sink interface {
	Push(ctx context.Context, streams []model.Stream) (model.Refusals, error)
}

// Options configures a Server.
type Options struct {
	// Communities are those that are taken of versions 1 and 2c; none takes all. It is no secret: packets carry it in the clear.
	Communities []string
	// Users are those of version 3; without one, version 3 is refused. What a user's passwords say is the least that a packet must have.
	Users []snmpsession.Auth
	// Rate is how many notifications a second of one device are taken in the long run; ten seconds' worth may come at once. 0 is 100.
	Rate int
	// Patience is how long one waits while too much comes. 0 is 10 seconds.
	Patience time.Duration
}

const (
	defaultRate     = 100
	defaultPatience = 10 * time.Second
	burstSeconds    = 10
	maxDevices      = 10_000 // whose rate is known
	maxObjects      = 500    // of one notification that are kept
)

// Server takes notifications.
type Server struct {
	options Options
	users   *gosnmp.SnmpV3SecurityParametersTable // nil without users
	levels  map[string]gosnmp.SnmpV3MsgFlags      // that a user's packets need
	sink    Sink
	log     *slog.Logger
	taken   *prometheus.CounterVec
	failed  *prometheus.CounterVec

	mu    sync.Mutex
	rates map[netip.Addr]*bucket
}

// bucket is what one device may still send.
type bucket struct {
	left float64
	at   time.Time
}

// New returns a server that writes to sink. An error names the user that is wrong.
func New(o Options, sink Sink, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	if o.Rate == 0 {
		o.Rate = defaultRate
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	with := promauto.With(reg)
	s := &Server{
		options: o, levels: map[string]gosnmp.SnmpV3MsgFlags{}, sink: sink, log: log, rates: map[netip.Addr]*bucket{},
		taken: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_snmptrap_notifications_total", Help: "SNMP notifications that were kept, by version.",
		}, []string{"version"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_snmptrap_notifications_failed_total",
			Help: "SNMP notifications that were not kept, by reason: malformed, community, user, too_many or refused.",
		}, []string{"reason"}),
	}
	for i, u := range o.Users {
		usm, err := u.User()
		if err != nil {
			return nil, fmt.Errorf("users[%d] (%s): %w", i, u.Username, err)
		}
		if s.users == nil {
			s.users = gosnmp.NewSnmpV3SecurityParametersTable(gosnmp.Logger{})
		}
		if err := s.users.Add(u.Username, usm); err != nil {
			return nil, fmt.Errorf("users[%d] (%s): %w", i, u.Username, err)
		}
		s.levels[u.Username] = levelOf(usm)
	}
	return s, nil
}

func levelOf(u *gosnmp.UsmSecurityParameters) gosnmp.SnmpV3MsgFlags {
	switch {
	case u.PrivacyPassphrase != "":
		return gosnmp.AuthPriv
	case u.AuthenticationPassphrase != "":
		return gosnmp.AuthNoPriv
	}
	return gosnmp.NoAuthNoPriv
}

// Serve takes what comes until ctx ends.
func (s *Server) Serve(ctx context.Context, u *intake.UDP) error {
	return u.Serve(ctx, func(ctx context.Context, batch []intake.Datagram) {
		var streams intake.Streams
		var answers []answer
		for _, d := range batch {
			if !s.allow(d.From.Addr(), d.Received) {
				s.failed.WithLabelValues("too_many").Inc()
				continue
			}
			packet, reason, err := s.decode(d.Data)
			if err != nil {
				s.failed.WithLabelValues(reason).Inc()
				s.log.Debug("an SNMP notification is refused", "from", d.From, "err", err)
				continue
			}
			s.taken.WithLabelValues(versionText(packet.Version)).Inc()
			streams.Add(labelsOf(d.From.Addr()), record(packet, d.Received))
			if packet.PDUType == gosnmp.InformRequest {
				answers = append(answers, answer{d.From, packet})
			}
		}
		if s.keep(ctx, &streams) {
			for _, a := range answers {
				s.confirm(u, a)
			}
		}
	})
}

// allow says whether a device may send one more.
func (s *Server) allow(from netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := float64(s.options.Rate * burstSeconds)
	b := s.rates[from]
	if b == nil {
		if len(s.rates) >= maxDevices {
			clear(s.rates) // whoever sends from so many addresses is not to fill the memory
		}
		b = &bucket{left: most, at: now}
		s.rates[from] = b
	}
	b.left = min(most, b.left+now.Sub(b.at).Seconds()*float64(s.options.Rate))
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

var (
	errNotSNMP   = errors.New("it is no SNMP message")
	errNoTrap    = errors.New("it is no notification")
	errCommunity = errors.New("its community is not among those that are taken")
	errNoUsers   = errors.New("version 3 needs users, and there are none")
	errLevel     = errors.New("it is less protected than its user's passwords ask for")
)

// decode reads a packet. The library that does it has been surprised by bytes before.
func (s *Server) decode(data []byte) (packet *gosnmp.SnmpPacket, reason string, err error) {
	defer func() {
		if r := recover(); r != nil {
			packet, reason, err = nil, "malformed", fmt.Errorf("%w: %v", errNotSNMP, r)
		}
	}()
	version, ok := versionOf(data)
	if !ok {
		return nil, "malformed", errNotSNMP
	}
	params := &gosnmp.GoSNMP{Version: version}
	if version == gosnmp.Version3 {
		if s.users == nil {
			return nil, "user", errNoUsers
		}
		params.SecurityModel = gosnmp.UserSecurityModel
		params.SetTrapSecurityParametersTable(s.users)
	}
	// The library decrypts in place.
	packet, err = params.UnmarshalTrap(slices.Clone(data), true)
	switch {
	case err != nil && version == gosnmp.Version3:
		return nil, "user", err
	case err != nil:
		return nil, "malformed", err
	case !isNotification(packet.PDUType):
		return nil, "malformed", errNoTrap
	case version != gosnmp.Version3 && len(s.options.Communities) > 0 && !slices.Contains(s.options.Communities, packet.Community):
		return nil, "community", errCommunity
	case version == gosnmp.Version3:
		usm, ok := packet.SecurityParameters.(*gosnmp.UsmSecurityParameters)
		if !ok || packet.MsgFlags&gosnmp.AuthPriv < s.levels[usm.UserName] {
			return nil, "user", errLevel
		}
	}
	return packet, "", nil
}

func isNotification(t gosnmp.PDUType) bool {
	return t == gosnmp.Trap || t == gosnmp.SNMPv2Trap || t == gosnmp.InformRequest
}

// versionOf reads the version of a message: SEQUENCE, its length, INTEGER, 1, the version (RFC 1157, 4).
func versionOf(data []byte) (gosnmp.SnmpVersion, bool) {
	if len(data) < 2 || data[0] != 0x30 {
		return 0, false
	}
	at := 2
	if data[1]&0x80 != 0 {
		at += int(data[1] & 0x7f)
	}
	if len(data) < at+3 || data[at] != 2 || data[at+1] != 1 || data[at+2] == 2 || data[at+2] > 3 {
		return 0, false
	}
	return gosnmp.SnmpVersion(data[at+2]), true
}

func versionText(v gosnmp.SnmpVersion) string { return v.String() }

// keep writes records, and says whether they are kept.
func (s *Server) keep(ctx context.Context, streams *intake.Streams) bool {
	if streams.Len() == 0 {
		return true
	}
	err := intake.Retry(ctx, s.options.Patience, func() error {
		refused, err := s.sink.Push(ctx, streams.List())
		if n := intake.CountRefused(refused); n > 0 {
			s.failed.WithLabelValues("refused").Add(float64(n))
		}
		return err
	})
	if err != nil {
		s.failed.WithLabelValues("refused").Add(float64(streams.Len()))
		s.log.Warn("SNMP notifications are lost", "count", streams.Len(), "err", err)
	}
	return err == nil
}

// answer is an inform that waits to be confirmed.
type answer struct {
	to     netip.AddrPort
	packet *gosnmp.SnmpPacket
}

// confirm answers an inform with what it said (RFC 3416, 4.2.7). Those of version 3 would need an engine of ours.
func (s *Server) confirm(u *intake.UDP, a answer) {
	if a.packet.Version == gosnmp.Version3 {
		return
	}
	a.packet.PDUType, a.packet.Error, a.packet.ErrorIndex = gosnmp.GetResponse, gosnmp.NoError, 0
	data, err := a.packet.MarshalMsg()
	if err == nil {
		err = u.Send(a.to, data)
	}
	if err != nil {
		s.log.Debug("an SNMP inform cannot be answered", "to", a.to, "err", err)
	}
}
