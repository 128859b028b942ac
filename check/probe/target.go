package probe

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
)

// targetOptions says whom to ask and how long that may take. Every kind has them.
type targetOptions struct {
	Address  string      `json:"address,omitempty" doc:"whom to ask, instead of the host's address; may be host:port, or unix:/path where the protocol has that"`
	Port     int         `json:"port,omitempty" doc:"port, instead of the protocol's usual one"`
	IP       text        `json:"ip,omitempty" doc:"4 or 6 for that version of IP only; otherwise what the name's addresses are, the first that answers"`
	SourceIP string      `json:"source_ip,omitempty" doc:"address of this machine to ask from"`
	WarnTime check.Range `json:"warn_time,omitempty" doc:"WARNING when it takes longer: a range in seconds, or a duration such as 500ms"`
	CritTime check.Range `json:"crit_time,omitempty" doc:"CRITICAL when it takes longer"`
}

// target is a place that was checked for sense.
type target struct {
	host   string // name or IP; "" with socket
	port   int
	socket string // path of a socket file
	ip     string
	source netip.Addr
}

// target reads where to go. A default port of 0 means that one must be declared.
func (o *targetOptions) target(p check.Params, port int) (target, error) {
	t := target{port: port, ip: string(o.IP)}
	address := p.Address
	if address == "" {
		address = p.Host
	}
	if o.Address != "" {
		address = o.Address
	}
	if err := t.setAddress(address); err != nil {
		return t, err
	}
	if o.Port != 0 {
		t.port = o.Port
	}
	if t.socket == "" && (t.port < 1 || t.port > 65535) {
		return t, errors.New("port: declare one between 1 and 65535")
	}
	switch o.IP {
	case "", "4", "6":
	default:
		return t, fmt.Errorf("ip: %q is no version of IP: write 4 or 6", o.IP)
	}
	if o.SourceIP != "" {
		a, err := netip.ParseAddr(o.SourceIP)
		if err != nil {
			return t, fmt.Errorf("source_ip: %q is no IP address", o.SourceIP)
		}
		t.source = a
	}
	return t, nil
}

func (t *target) setAddress(address string) error {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		t.socket = path
		return nil
	}
	t.host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if host, port, err := net.SplitHostPort(address); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil {
			return fmt.Errorf("address: %q is no port", port)
		}
		t.host, t.port = host, n
	}
	if t.host == "" {
		return errors.New("address: declare one, here or for the host")
	}
	if strings.ContainsAny(t.host, "/ \t\r\n") {
		return fmt.Errorf("address: %q is neither a name nor an IP address", t.host)
	}
	return nil
}

// String is host:port, or the path of a socket.
func (t *target) String() string {
	if t.socket != "" {
		return t.socket
	}
	return net.JoinHostPort(t.host, strconv.Itoa(t.port))
}

// addresses looks the host up and reports how. There is at least one when the error is nil.
func (t *target) addresses(ctx context.Context, rep *report) ([]netip.Addr, error) {
	start := time.Now()
	found, err := t.lookup(ctx)
	rep.metric("probe_dns_lookup_time_seconds", helpLookup, time.Since(start).Seconds())
	if err != nil {
		rep.metric("probe_ip_protocol", helpIPProtocol, 0)
		rep.metric("probe_ip_addr_hash", helpIPHash, 0)
		return nil, err
	}
	return found, nil
}

func (t *target) lookup(ctx context.Context) ([]netip.Addr, error) {
	network := "ip" + t.ip
	if a, err := netip.ParseAddr(t.host); err == nil {
		a = a.Unmap()
		if t.ip == "4" && !a.Is4() || t.ip == "6" && !a.Is6() {
			return nil, notAsked("%s is no IPv%s address", a, t.ip)
		}
		return []netip.Addr{a}, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, network, t.host)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// reportAddress says which address was asked.
func reportAddress(rep *report, a netip.Addr) {
	version := 6.0
	if a.Is4() {
		version = 4
	}
	rep.metric("probe_ip_protocol", helpIPProtocol, version)
	rep.metric("probe_ip_addr_hash", helpIPHash, addressHash(a))
}

// addressHash is blackbox_exporter's: 32-bit FNV-1a of the address's bytes.
func addressHash(a netip.Addr) float64 {
	h := fnv.New32a()
	_, _ = h.Write(a.AsSlice())
	return float64(h.Sum32())
}

// dialTimes is how long the phases of a connection took.
type dialTimes struct{ resolve, connect time.Duration }

// dial connects: the first address that answers, each with its share of the time that is left.
func (t *target) dial(ctx context.Context, rep *report) (net.Conn, error) {
	c, _, err := t.dialTimed(ctx, rep)
	return c, err
}

// dialTimed is dial, and says how long it took.
func (t *target) dialTimed(ctx context.Context, rep *report) (net.Conn, dialTimes, error) {
	var took dialTimes
	d := t.dialer()
	start := time.Now()
	if t.socket != "" {
		c, err := d.DialContext(ctx, "unix", t.socket)
		if err != nil {
			return nil, took, fmt.Errorf("cannot connect to %s: %w", t.socket, err)
		}
		took.connect = time.Since(start)
		return c, took, nil
	}
	found, err := t.addresses(ctx, rep)
	took.resolve = time.Since(start)
	if err != nil {
		return nil, took, err
	}
	start = time.Now()
	var c net.Conn
	var asked netip.Addr
	for i, a := range found[:min(len(found), maxAddresses)] {
		asked = a
		c, err = dialOne(ctx, d, netip.AddrPortFrom(a, uint16(t.port)), min(len(found), maxAddresses)-i)
		if err == nil {
			break
		}
	}
	took.connect = time.Since(start)
	reportAddress(rep, asked)
	if err != nil {
		return nil, took, fmt.Errorf("cannot connect to %s: %w", t.named(asked), err)
	}
	return c, took, nil
}

// dialer notices within a minute that the other side is gone without a word.
func (t *target) dialer() *net.Dialer {
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
	if t.source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
	}
	return d
}

// maxAddresses of one name are tried: more would leave each too little time.
const maxAddresses = 4

// dialOne gives an address its share of the time, as later ones must be tried too.
func dialOne(ctx context.Context, d *net.Dialer, a netip.AddrPort, left int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	return d.DialContext(ctx, "tcp", a.String())
}

// named is the target with the address that was asked, when it was declared by name.
func (t *target) named(a netip.Addr) string {
	if t.host == a.String() {
		return t.String()
	}
	return t.String() + " (" + a.String() + ")"
}

const (
	helpLookup     = "Returns the time taken for probe dns lookup in seconds"
	helpIPProtocol = "Specifies whether probe ip protocol is IP4 or IP6"
	helpIPHash     = "Specifies the hash of IP address. It's useful to detect if the IP address changes."
)
