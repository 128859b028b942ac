package snmp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// NamedAuth is somebody who may ask, with the name under monitoring.snmp.auths.
type NamedAuth struct {
	Name string
	snmpsession.Auth
}

// ScanOptions say how a network is searched for devices. Auths are required; the zero value of the rest is gentle enough for any network.
type ScanOptions struct {
	// Auths are tried one after the other until one is answered.
	Auths []NamedAuth
	// AtOnce is how many addresses are asked at the same time; 0 is 128.
	AtOnce int
	// Rate is how many questions leave in a second, all together; 0 is 500. Firewalls and old switches suffer from more.
	Rate int
	// Timeout is how long an answer to one question is waited for; 0 is 1 s.
	Timeout time.Duration
	// Tries is how often each auth is asked with; 0 is 2, as a datagram may be lost.
	Tries int
	// Modules looks, on a device that answers, for what it is and which modules fit it; nil leaves Modules and Kind empty.
	Modules func(context.Context, *snmpsession.Session) (Identified, error)
	// Progress is called after each address, by one goroutine at a time.
	Progress func(Progress)
}

// Identified is what a device turned out to be.
type Identified struct {
	Vendor, Model, Kind string
	Modules             []string
}

// Progress says how far a scan is.
type Progress struct{ Asked, Total, Found int }

// Found is a device that answered.
type Found struct {
	Address     string   `json:"address"`
	Others      []string `json:"others,omitempty"` // further addresses of the same device
	Auth        string   `json:"auth"`
	Name        string   `json:"name"` // sysName
	Description string   `json:"description"`
	ObjectID    string   `json:"object_id"`
	Location    string   `json:"location"`
	Contact     string   `json:"contact"`
	Vendor      string   `json:"vendor,omitempty"`
	Model       string   `json:"model,omitempty"`
	Kind        string   `json:"kind,omitempty"`
	Modules     []string `json:"modules,omitempty"`
	// UptimeSeconds is how long the agent runs.
	UptimeSeconds float64 `json:"uptime_seconds"`

	engine string
}

// Refused is an address where somebody answered that we may not ask, or could not be asked.
type Refused struct {
	Address string `json:"address"`
	Error   string `json:"error"`
}

// ScanResult is what a scan found until its end, or until its context ended.
type ScanResult struct {
	Found   []Found   `json:"found"` // by address
	Refused []Refused `json:"refused,omitempty"`
	Asked   int       `json:"asked"`
}

// maxRefused bounds the list of a network that is not reachable at all.
const maxRefused = 100

// What identifies a device (RFC 3418, 3411).
var (
	oidSysDescr    = snmpsession.MustOID("1.3.6.1.2.1.1.1.0")
	oidSysObjectID = snmpsession.MustOID("1.3.6.1.2.1.1.2.0")
	oidSysUpTime   = snmpsession.MustOID("1.3.6.1.2.1.1.3.0")
	oidSysContact  = snmpsession.MustOID("1.3.6.1.2.1.1.4.0")
	oidSysName     = snmpsession.MustOID("1.3.6.1.2.1.1.5.0")
	oidSysLocation = snmpsession.MustOID("1.3.6.1.2.1.1.6.0")
	oidEngineID    = snmpsession.MustOID("1.3.6.1.6.3.10.2.1.1.0")
)

// Scan asks all addresses. It ends early with its context: the result then holds what was found, and the error is the context's.
func Scan(ctx context.Context, addresses []string, o ScanOptions) (ScanResult, error) {
	if len(o.Auths) == 0 {
		return ScanResult{}, errors.New("auths: nobody to ask as: name a community or a user")
	}
	for _, a := range o.Auths {
		if err := a.Validate(); err != nil {
			return ScanResult{}, err
		}
	}
	if o.AtOnce <= 0 {
		o.AtOnce = 128
	}
	if o.Rate <= 0 {
		o.Rate = 500
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	if o.Tries <= 0 {
		o.Tries = 2
	}
	s := &scan{ScanOptions: o, total: len(addresses), pace: pace{every: time.Second / time.Duration(o.Rate)}}
	todo := make(chan string) // closed here
	var workers sync.WaitGroup
	for range min(o.AtOnce, len(addresses)) {
		workers.Go(func() {
			for address := range todo {
				s.ask(ctx, address)
			}
		})
	}
feed:
	for _, address := range addresses {
		select {
		case todo <- address:
		case <-ctx.Done():
			break feed
		}
	}
	close(todo)
	workers.Wait()
	s.result.Found = onceEach(s.result.Found)
	slices.SortFunc(s.result.Refused, func(a, b Refused) int { return compareAddresses(a.Address, b.Address) })
	return s.result, ctx.Err()
}

type scan struct {
	ScanOptions
	total int
	pace  pace

	mu     sync.Mutex // guards result, and Progress; not held while the network is asked
	result ScanResult
}

// ask asks one address and notes what comes of it.
func (s *scan) ask(ctx context.Context, address string) {
	found, err := s.tryAll(ctx, address)
	if ctx.Err() != nil && found == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Asked++
	switch {
	case found != nil:
		s.result.Found = append(s.result.Found, *found)
	case !silent(err) && len(s.result.Refused) < maxRefused:
		s.result.Refused = append(s.result.Refused, Refused{address, err.Error()})
	}
	if s.Progress != nil {
		s.Progress(Progress{s.result.Asked, s.total, len(s.result.Found)})
	}
}

// silent is true for what most addresses of a network do: they say nothing, or that nobody listens there.
func silent(err error) bool {
	return err == nil || errors.Is(err, snmpsession.ErrNoAnswer) || nobody(err)
}

func nobody(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH)
}

// tryAll asks with each auth in order, and that as often as wanted. An error that is an answer (an unknown user) is worth more than silence.
func (s *scan) tryAll(ctx context.Context, address string) (found *Found, answer error) {
	refused := make([]bool, len(s.Auths))
	for range s.Tries {
		for i, a := range s.Auths {
			if refused[i] {
				continue
			}
			found, err := s.try(ctx, address, a)
			if found != nil || ctx.Err() != nil || nobody(err) {
				return found, err
			}
			if !silent(err) {
				answer, refused[i] = err, true
			}
		}
	}
	return nil, answer
}

func (s *scan) try(ctx context.Context, address string, a NamedAuth) (*Found, error) {
	if err := s.pace.wait(ctx); err != nil {
		return nil, err
	}
	session, err := snmpsession.Open(ctx, snmpsession.Options{Address: address, Auth: a.Auth, Timeout: s.Timeout, Retries: -1})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	values, err := session.Get(ctx, oidSysDescr, oidSysObjectID, oidSysUpTime, oidSysContact, oidSysName, oidSysLocation, oidEngineID)
	if err != nil {
		return nil, err
	}
	found := &Found{Address: address, Auth: a.Name}
	found.take(values)
	if s.Modules != nil {
		if is, err := s.Modules(ctx, session); err == nil { // a device that says no more is a device all the same
			found.Vendor, found.Model, found.Kind, found.Modules = is.Vendor, is.Model, is.Kind, is.Modules
		}
	}
	return found, nil
}

func (f *Found) take(values []snmpsession.Value) {
	for _, v := range values {
		switch {
		case v.OID.Under(oidSysDescr):
			f.Description = v.Text()
		case v.OID.Under(oidSysObjectID):
			f.ObjectID = v.Text()
		case v.OID.Under(oidSysUpTime):
			f.UptimeSeconds = v.Number / 100
		case v.OID.Under(oidSysContact):
			f.Contact = v.Text()
		case v.OID.Under(oidSysName):
			f.Name = v.Text()
		case v.OID.Under(oidSysLocation):
			f.Location = v.Text()
		case v.OID.Under(oidEngineID):
			f.engine = snmpsession.HexText(v.Bytes)
		}
	}
}

// onceEach sorts by address and joins the addresses of one device: a router answers at each of its interfaces. It is the same one when
// its engine (RFC 3411, 5) and its name are; clones of a virtual machine share the engine, but have names of their own.
func onceEach(all []Found) []Found {
	slices.SortFunc(all, func(a, b Found) int { return compareAddresses(a.Address, b.Address) })
	type key struct{ engine, name, auth string }
	at := map[key]int{}
	out := all[:0]
	for _, f := range all {
		k := key{f.engine, f.Name, f.Auth}
		if i, twice := at[k]; twice && f.engine != "" && f.Name != "" {
			out[i].Others = append(out[i].Others, f.Address)
			continue
		}
		at[k] = len(out)
		out = append(out, f)
	}
	return out
}

// compareAddresses orders numbers as numbers, and names behind them.
func compareAddresses(a, b string) int {
	x, xerr := parseAddress(a)
	y, yerr := parseAddress(b)
	if xerr == nil && yerr == nil {
		return x.Compare(y)
	}
	if (xerr == nil) != (yerr == nil) {
		return map[bool]int{true: -1, false: 1}[xerr == nil]
	}
	return strings.Compare(a, b)
}

func parseAddress(text string) (netip.AddrPort, error) {
	if host, _, err := net.SplitHostPort(text); err == nil && host != "" {
		return netip.ParseAddrPort(text)
	}
	a, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(a, 161), err
}

// pace spreads questions evenly.
type pace struct {
	every time.Duration

	mu   sync.Mutex // guards next; not held while waiting
	next time.Time
}

func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	d := p.next.Sub(now)
	p.next = p.next.Add(p.every)
	p.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
