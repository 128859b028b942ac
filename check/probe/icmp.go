package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// icmpOptions are those of the kind icmp.
type icmpOptions struct {
	Address    string         `json:"address,omitempty" doc:"whom to ask, instead of the host's address"`
	IP         text           `json:"ip,omitempty" doc:"4 or 6 for that version of IP only"`
	SourceIP   string         `json:"source_ip,omitempty" doc:"address of this machine to ask from"`
	Packets    int            `json:"packets,omitempty" doc:"how many packets are sent: 5 when nothing is declared, at most 100"`
	Interval   check.Duration `json:"interval,omitempty" doc:"time between packets; 200ms when nothing is declared"`
	Size       int            `json:"size,omitempty" doc:"bytes of payload; 56 when nothing is declared, at most 65000"`
	TTL        int            `json:"ttl,omitempty" doc:"how many hops a packet may make; 64 when nothing is declared"`
	WarnLoss   check.Range    `json:"warn_loss,omitempty" doc:"WARNING when more packets are lost, in percent; 20 when nothing is declared"`
	CritLoss   check.Range    `json:"crit_loss,omitempty" doc:"CRITICAL when more packets are lost; 80 when nothing is declared"`
	WarnRTA    check.Range    `json:"warn_rta,omitempty" doc:"WARNING when the average round trip is longer: a range in seconds, or a duration such as 200ms"`
	CritRTA    check.Range    `json:"crit_rta,omitempty" doc:"CRITICAL when the average round trip is longer"`
	WarnJitter check.Range    `json:"warn_jitter,omitempty" doc:"WARNING when the average difference between one round trip and the next is longer"`
	CritJitter check.Range    `json:"crit_jitter,omitempty" doc:"CRITICAL when it is longer"`
}

func icmpKind() check.Kind {
	return newKind("icmp", "Pings: loss, round trips, jitter. It needs no rights where the kernel lets this process ping (net.ipv4.ping_group_range), else CAP_NET_RAW.", newICMP)
}

func newICMP(p check.Params, o *icmpOptions) (check.Prober, error) {
	common := targetOptions{Address: o.Address, IP: o.IP, SourceIP: o.SourceIP}
	t, err := common.target(p, 1) // ICMP has no ports
	if err != nil {
		return nil, err
	}
	switch {
	case t.socket != "":
		return nil, errors.New("address: ICMP needs an IP address or a name")
	case o.Packets < 0 || o.Packets > 100:
		return nil, fmt.Errorf("packets: %d: write a number from 1 to 100", o.Packets)
	case o.Size < 0 || o.Size > 65000:
		return nil, fmt.Errorf("size: %d: write a number up to 65000", o.Size)
	case o.TTL < 0 || o.TTL > 255:
		return nil, fmt.Errorf("ttl: %d: write a number from 1 to 255", o.TTL)
	case o.Interval < 0:
		return nil, errors.New("interval: it is below zero")
	}
	if o.Packets == 0 {
		o.Packets = 5
	}
	if o.Size == 0 {
		o.Size = 56
	}
	if o.Interval == 0 {
		o.Interval = check.Duration(200 * time.Millisecond)
	}
	if !o.WarnLoss.Set() && !o.CritLoss.Set() {
		o.WarnLoss, o.CritLoss = check.Above(20), check.Above(80)
	}
	k := &icmpProbe{o, t}
	return &prober{timeout: p.Timeout, ask: k.ask}, nil
}

type icmpProbe struct {
	*icmpOptions
	at target
}

const (
	helpICMPDuration = "Duration of icmp request by phase"
	helpHopLimit     = "Replied packet hop limit (TTL for ipv4)"
)

func (k *icmpProbe) ask(ctx context.Context, rep *report) {
	start := time.Now()
	found, err := k.at.addresses(ctx, rep)
	resolved := time.Since(start)
	phases := func(setup, rtt time.Duration) {
		for _, p := range []httpPhase{{"resolve", resolved}, {"setup", setup}, {"rtt", rtt}} {
			rep.metric("probe_icmp_duration_seconds", helpICMPDuration, p.took.Seconds(), "phase", p.name)
		}
	}
	if err != nil {
		phases(0, 0)
		rep.failed(err)
		return
	}
	reportAddress(rep, found[0])
	start = time.Now()
	e, err := openEcho(ctx, echoOptions{to: found[0], from: k.at.source, ttl: k.TTL, size: k.Size})
	setup := time.Since(start)
	if err != nil {
		phases(setup, 0)
		rep.failed(err)
		return
	}
	defer e.end()
	stats, err := e.run(ctx, k.Packets, time.Duration(k.Interval))
	phases(setup, stats.average())
	if stats.hopLimit >= 0 && len(stats.rtts) > 0 {
		rep.metric("probe_icmp_reply_hop_limit", helpHopLimit, float64(stats.hopLimit))
	}
	if err != nil && len(stats.rtts) == 0 {
		rep.failed(err)
		return
	}
	k.judge(&stats, k.at.host, rep)
}

func (k *icmpProbe) judge(st *echoStats, name string, rep *report) {
	loss := 100 * float64(st.sent-len(st.rtts)) / float64(max(st.sent, 1))
	rep.value("loss", loss, "%", k.WarnLoss, k.CritLoss, "%s of the packets are lost")
	zero, hundred := 0.0, 100.0
	rep.perf[0].Min, rep.perf[0].Max = &zero, &hundred
	if len(st.rtts) == 0 {
		if rep.status == model.OK {
			rep.problem(model.Critical, "no packet came back")
		}
		rep.fact("PING %s: nothing came back of %d packets", name, st.sent)
		return
	}
	rep.fact("PING OK, %s answers in %s, %.3g%% lost, jitter %s", name, duration(st.average()), loss, duration(st.jitter()))
	rep.duration("rta", st.average(), k.WarnRTA, k.CritRTA, "average round trip is %s")
	rep.duration("rtmin", st.best(), check.Range{}, check.Range{}, "")
	rep.duration("rtmax", st.worst(), check.Range{}, check.Range{}, "")
	rep.duration("jitter", st.jitter(), k.WarnJitter, k.CritJitter, "jitter is %s")
}

// echoStats are the round trips in the order in which the packets were sent.
type echoStats struct {
	sent     int
	rtts     []time.Duration
	hopLimit int
}

func (st *echoStats) average() time.Duration {
	if len(st.rtts) == 0 {
		return 0
	}
	var sum time.Duration
	for _, d := range st.rtts {
		sum += d
	}
	return sum / time.Duration(len(st.rtts))
}

func (st *echoStats) best() time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, d := range st.rtts {
		least = min(least, d)
	}
	return least
}

func (st *echoStats) worst() time.Duration {
	var most time.Duration
	for _, d := range st.rtts {
		most = max(most, d)
	}
	return most
}

// jitter is the average difference between one round trip and the next.
func (st *echoStats) jitter() time.Duration {
	if len(st.rtts) < 2 {
		return 0
	}
	var sum time.Duration
	for i, d := range st.rtts[1:] {
		sum += (d - st.rtts[i]).Abs()
	}
	return sum / time.Duration(len(st.rtts)-1)
}

// echoOptions say how to ping.
type echoOptions struct {
	to, from     netip.Addr
	ttl          int
	size         int
	dontFragment bool
}

// echo is a socket for pings: one of the kernel's for everybody where it lets us, else a raw one.
type echo struct {
	o    echoOptions
	conn *icmp.PacketConn
	raw  bool
	id   uint16
	mark uint64 // in each payload, so that answers to others are told apart
	stop func() bool
}

func openEcho(ctx context.Context, o echoOptions) (*echo, error) {
	e := &echo{o: o, id: uint16(rand.Uint32()), mark: rand.Uint64()}
	if o.size < 16 {
		e.o.size = 16 // mark and number
	}
	networks, all := [2]string{"udp4", "ip4:icmp"}, "0.0.0.0"
	if o.to.Is6() {
		networks, all = [2]string{"udp6", "ip6:ipv6-icmp"}, "::"
	}
	if o.from.IsValid() {
		all = o.from.String()
	}
	var err error
	for i, network := range networks {
		if i == 0 && o.dontFragment {
			continue
		}
		if e.conn, err = icmp.ListenPacket(network, all); err == nil {
			e.raw = i == 1
			break
		}
	}
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EPROTONOSUPPORT) {
		return nil, notAsked("this process may not ping: add its group to net.ipv4.ping_group_range, or give it CAP_NET_RAW")
	}
	if err != nil {
		return nil, notAsked("cannot open a socket for ICMP: %w", err)
	}
	if err := e.configure(); err != nil {
		_ = e.conn.Close()
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		_ = e.conn.SetDeadline(end)
	}
	e.stop = context.AfterFunc(ctx, func() { _ = e.conn.SetDeadline(time.Unix(1, 0)) })
	return e, nil
}

func (e *echo) configure() error {
	var err error
	if c := e.conn.IPv4PacketConn(); c != nil {
		_ = c.SetControlMessage(ipv4.FlagTTL, true) // without it the hop limit is not known, nothing else
		if e.o.ttl > 0 {
			err = c.SetTTL(e.o.ttl)
		}
		if e.o.dontFragment && err == nil {
			err = dontFragment(c)
		}
	}
	if c := e.conn.IPv6PacketConn(); c != nil {
		_ = c.SetControlMessage(ipv6.FlagHopLimit, true)
		if e.o.ttl > 0 {
			err = c.SetHopLimit(e.o.ttl)
		}
	}
	if err != nil {
		return notAsked("cannot set up a socket for ICMP: %w", err)
	}
	return nil
}

func (e *echo) end() {
	e.stop()
	_ = e.conn.Close()
}

// run sends packets one interval apart, whatever comes back, and waits for the last until the context ends.
func (e *echo) run(ctx context.Context, packets int, interval time.Duration) (echoStats, error) {
	st := echoStats{hopLimit: -1}
	rtts := make([]time.Duration, packets) // by number; 0: not come back
	sent := make([]time.Time, packets)
	if end, ok := ctx.Deadline(); ok && packets > 1 { // the last ones need time too
		interval = min(interval, time.Until(end)*8/10/time.Duration(packets))
	}
	missing := packets
	var sendErr error
	for missing > 0 {
		if st.sent < packets {
			sent[st.sent] = time.Now()
			if sendErr = e.send(st.sent); sendErr != nil && st.sent == 0 {
				return st, sendErr
			}
			st.sent++
		}
		last := st.sent == packets
		until := sent[st.sent-1].Add(interval)
		if end, ok := ctx.Deadline(); ok && last {
			until = end
		}
		for missing > 0 {
			number, hopLimit, err := e.receive(ctx, until)
			if err != nil {
				if ctx.Err() != nil || last || !isTimeout(err) {
					st.collect(rtts)
					return st, errors.Join(sendErr, noAnswer(err))
				}
				break
			}
			if number < st.sent && rtts[number] == 0 {
				rtts[number] = max(time.Since(sent[number]), 1)
				missing--
				st.hopLimit = hopLimit
			}
			if !last && missing == packets-st.sent { // all are back: no need to read on before the next
				break
			}
		}
		if !last {
			select {
			case <-time.After(time.Until(until)):
			case <-ctx.Done():
				st.collect(rtts)
				return st, ctx.Err()
			}
		}
	}
	st.collect(rtts)
	return st, nil
}

func noAnswer(err error) error {
	if isTimeout(err) {
		return errors.New("no packet came back in time")
	}
	return err
}

func (st *echoStats) collect(rtts []time.Duration) {
	for _, d := range rtts {
		if d > 0 {
			st.rtts = append(st.rtts, d)
		}
	}
}

func (e *echo) send(number int) error {
	data := make([]byte, e.o.size)
	binary.BigEndian.PutUint64(data, e.mark)
	binary.BigEndian.PutUint64(data[8:], uint64(number))
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(e.id), Seq: number, Data: data}}
	if e.o.to.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	packet, err := m.Marshal(nil)
	if err != nil {
		return notAsked("%w", err)
	}
	var to net.Addr = &net.UDPAddr{IP: e.o.to.AsSlice(), Zone: e.o.to.Zone()}
	if e.raw {
		to = &net.IPAddr{IP: e.o.to.AsSlice(), Zone: e.o.to.Zone()}
	}
	_, err = e.conn.WriteTo(packet, to)
	return err
}

// receive waits for an answer to one of ours, and returns its number.
func (e *echo) receive(ctx context.Context, until time.Time) (number, hopLimit int, err error) {
	_ = e.conn.SetReadDeadline(until)
	if ctx.Err() != nil { // its end may have come before the deadline was set
		return 0, 0, ctx.Err()
	}
	buf := make([]byte, 128+e.o.size)
	for {
		n, hops, err := e.read(buf)
		if err != nil {
			return 0, 0, err
		}
		if number, ok := e.parse(buf[:n]); ok {
			return number, hops, nil
		}
	}
}

func (e *echo) read(buf []byte) (n, hopLimit int, err error) {
	hopLimit = -1
	if c := e.conn.IPv4PacketConn(); c != nil {
		n, cm, _, err := c.ReadFrom(buf)
		if cm != nil {
			hopLimit = cm.TTL
		}
		return n, hopLimit, err
	}
	n, cm, _, err := e.conn.IPv6PacketConn().ReadFrom(buf)
	if cm != nil {
		hopLimit = cm.HopLimit
	}
	return n, hopLimit, err
}

// parse says whether a packet is an answer to one of ours: the kernel may have changed the identifier, so the payload tells.
func (e *echo) parse(packet []byte) (number int, ok bool) {
	protocol := 1
	if e.o.to.Is6() {
		protocol = 58
	}
	m, err := icmp.ParseMessage(protocol, packet)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return 0, false
	}
	body, isEcho := m.Body.(*icmp.Echo)
	if !isEcho || len(body.Data) < 16 || binary.BigEndian.Uint64(body.Data) != e.mark {
		return 0, false
	}
	n := binary.BigEndian.Uint64(body.Data[8:])
	return int(n), n < 1<<16
}
