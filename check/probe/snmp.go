package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/model"
)

// snmpOptions are those of the kind snmp.
type snmpOptions struct {
	targetOptions
	snmpsession.Auth
	Transport string    `json:"transport,omitempty" doc:"udp or tcp; udp when nothing is declared"`
	Retries   int       `json:"retries,omitempty" doc:"further tries of each question; 1 when nothing is declared, none when negative"`
	Get       []snmpGet `json:"get,omitempty" doc:"values to ask for; when nothing is declared, the agent's description and how long it is up"`
	Interface string    `json:"interface,omitempty" doc:"name, description, alias or index of an interface that must be up while its administrator wants it up"`
	// Thresholds of the interface.
	WarnErrors check.Range `json:"warn_errors,omitempty" doc:"WARNING by errors a second of the interface, both ways"`
	CritErrors check.Range `json:"crit_errors,omitempty" doc:"CRITICAL by errors a second of the interface, both ways"`
	WarnUse    check.Range `json:"warn_use,omitempty" doc:"WARNING by the busier direction of the interface, in percent of its speed"`
	CritUse    check.Range `json:"crit_use,omitempty" doc:"CRITICAL by the busier direction of the interface, in percent of its speed"`
	MinUptime  string      `json:"min_uptime,omitempty" doc:"WARNING while the agent is up for less than this, such as 10m: it was started anew"`
}

// snmpGet is one value and what it should be.
type snmpGet struct {
	OID    string      `json:"oid" doc:"object identifier with its index, such as 1.3.6.1.2.1.1.3.0"`
	Name   string      `json:"name,omitempty" doc:"how it is called; the OID when nothing is declared"`
	Unit   string      `json:"unit,omitempty" doc:"unit of the performance data, such as %, s, B or c"`
	Scale  float64     `json:"scale,omitempty" doc:"factor of the value; 1 when nothing is declared"`
	Rate   bool        `json:"rate,omitempty" doc:"compare how much it grows in a second; for counters"`
	Warn   check.Range `json:"warn,omitempty" doc:"WARNING for values outside this range"`
	Crit   check.Range `json:"crit,omitempty" doc:"CRITICAL for values outside this range"`
	Expect string      `json:"expect,omitempty" doc:"text that the value must be"`
	Regexp string      `json:"regexp,omitempty" doc:"regular expression that the value must match"`
	Not    bool        `json:"not,omitempty" doc:"turn expect and regexp around"`
}

func snmpKind() check.Kind {
	return newKind("snmp", "Asks an SNMP agent, version 1, 2c or 3: values with thresholds, texts or rates, and interfaces.", func(p check.Params, o *snmpOptions) (check.Prober, error) {
		t, err := o.target(p, 161)
		if err != nil {
			return nil, err
		}
		k := &snmpProbe{snmpOptions: o, at: t, before: map[string]counted{}, now: time.Now}
		if err := k.validate(); err != nil {
			return nil, err
		}
		return &prober{timeout: p.Timeout, ask: k.ask}, nil
	})
}

type snmpProbe struct {
	*snmpOptions
	at        target
	oids      []snmpsession.OID
	patterns  []*regexp.Regexp
	minUptime time.Duration
	now       func() time.Time
	before    map[string]counted // by name; what rates are made of
	index     uint32             // of the interface, when it was found
}

// counted is a counter as it was.
type counted struct {
	value float64
	at    time.Time
}

const maxSNMPGets = 100 // a check with more is a module's work

func (k *snmpProbe) validate() error {
	if err := k.Validate(); err != nil {
		return err
	}
	switch k.Transport {
	case "", "udp", "tcp":
	default:
		return fmt.Errorf("transport: %q is none: write udp or tcp", k.Transport)
	}
	if k.at.socket != "" {
		return errors.New("address: SNMP has no socket files")
	}
	if len(k.Get) > maxSNMPGets {
		return fmt.Errorf("get: %d values: a check takes at most %d", len(k.Get), maxSNMPGets)
	}
	if k.MinUptime != "" {
		var d check.Duration
		if err := d.UnmarshalText([]byte(k.MinUptime)); err != nil {
			return fmt.Errorf("min_uptime: %w", err)
		}
		k.minUptime = time.Duration(d)
	}
	for i := range k.Get {
		g := &k.Get[i]
		oid, err := snmpsession.ParseOID(g.OID)
		if err != nil {
			return fmt.Errorf("get %d: oid: %w", i+1, err)
		}
		var pattern *regexp.Regexp
		if g.Regexp != "" {
			if pattern, err = regexp.Compile(g.Regexp); err != nil {
				return fmt.Errorf("get %d: regexp: %w", i+1, err)
			}
		}
		if g.Name == "" {
			g.Name = oid.String()
		}
		if g.Scale == 0 {
			g.Scale = 1
		}
		k.oids, k.patterns = append(k.oids, oid), append(k.patterns, pattern)
	}
	return nil
}

func (k *snmpProbe) ask(ctx context.Context, rep *report) {
	s, err := k.open(ctx)
	if err != nil {
		rep.failed(err)
		return
	}
	defer s.Close()
	start := time.Now()
	if !k.system(ctx, s, rep) {
		return
	}
	k.gets(ctx, s, rep)
	rep.duration("time", time.Since(start), k.WarnTime, k.CritTime, "the agent took %s to answer")
	if k.Interface != "" {
		k.watchInterface(ctx, s, rep)
	}
}

func (k *snmpProbe) open(ctx context.Context) (*snmpsession.Session, error) {
	retries := k.Retries
	if retries == 0 {
		retries = 1
	}
	o := snmpsession.Options{
		Address: "udp://" + net.JoinHostPort(k.at.host, strconv.Itoa(k.at.port)),
		Auth:    k.Auth, Retries: retries, Timeout: 3 * time.Second,
	}
	if k.Transport == "tcp" {
		o.Address = "tcp" + o.Address[3:]
	}
	if k.at.source.IsValid() {
		o.SourceAddress = k.at.source.String()
	}
	if end, ok := ctx.Deadline(); ok { // all tries fit in
		o.Timeout = min(o.Timeout, time.Until(end)/time.Duration(max(retries, 0)+1))
	}
	return snmpsession.Open(ctx, o)
}

// Objects of SNMPv2-MIB (RFC 3418) and IF-MIB (RFC 2863).
var (
	oidSysDescr      = snmpsession.MustOID("1.3.6.1.2.1.1.1.0")
	oidSysUpTime     = snmpsession.MustOID("1.3.6.1.2.1.1.3.0")
	oidSysName       = snmpsession.MustOID("1.3.6.1.2.1.1.5.0")
	oidIfEntry       = snmpsession.MustOID("1.3.6.1.2.1.2.2.1")
	oidIfXEntry      = snmpsession.MustOID("1.3.6.1.2.1.31.1.1.1")
	interfaceNameIDs = []snmpsession.OID{
		append(oidIfXEntry[:len(oidIfXEntry):len(oidIfXEntry)], 1), append(oidIfEntry[:len(oidIfEntry):len(oidIfEntry)], 2),
		append(oidIfXEntry[:len(oidIfXEntry):len(oidIfXEntry)], 18),
	}
)

// system asks who answers; false when nobody does.
func (k *snmpProbe) system(ctx context.Context, s *snmpsession.Session, rep *report) bool {
	if len(k.Get) > 0 && k.Interface == "" && k.minUptime == 0 {
		return true // what is asked for is the hello
	}
	values, err := s.Get(ctx, oidSysDescr, oidSysUpTime, oidSysName)
	if err != nil {
		rep.failed(err)
		return false
	}
	if len(values) == 0 {
		rep.problem(model.Critical, "the agent answers, but not to the objects of the system: its view may not have them")
		return false
	}
	name := ""
	for _, v := range values {
		switch {
		case v.OID.Compare(oidSysUpTime) == 0:
			up := time.Duration(v.Number) * 10 * time.Millisecond
			rep.fact("up for %s", up.Truncate(time.Second))
			rep.metric("probe_snmp_uptime_seconds", "How long the agent is up", up.Seconds())
			if up < k.minUptime {
				rep.problem(model.Warning, "the agent was started %s ago", up.Truncate(time.Second))
			}
		case v.OID.Compare(oidSysName) == 0:
			name = v.Text()
		default:
			rep.detail("%s", v.Text())
		}
	}
	if name == "" {
		name = "the agent"
	}
	rep.facts = append([]string{sentence("%s answers", name)}, rep.facts...)
	return true
}

func (k *snmpProbe) gets(ctx context.Context, s *snmpsession.Session, rep *report) {
	if len(k.oids) == 0 {
		return
	}
	values, err := s.Get(ctx, k.oids...)
	if err != nil {
		rep.failed(err)
		return
	}
	byOID := map[string]snmpsession.Value{}
	for _, v := range values {
		byOID[v.OID.String()] = v
	}
	for i := range k.Get {
		g := &k.Get[i]
		v, ok := byOID[k.oids[i].String()]
		if !ok {
			rep.problem(model.Unknown, "%s: the agent has no such object (%s)", g.Name, k.oids[i])
			continue
		}
		k.compare(g, k.patterns[i], v, rep)
	}
}

func (k *snmpProbe) compare(g *snmpGet, pattern *regexp.Regexp, v snmpsession.Value, rep *report) {
	text := v.Text()
	if g.Expect != "" && (text == g.Expect) == g.Not {
		rep.problem(model.Critical, "%s is %q, not %s", g.Name, text, wanted(g.Not, strconv.Quote(g.Expect)))
	}
	if pattern != nil && pattern.MatchString(text) == g.Not {
		rep.problem(model.Critical, "%s is %q, not %s", g.Name, text, wanted(g.Not, "what matches "+g.Regexp))
	}
	number, isNumber := v.Number, v.IsNumber()
	if !isNumber { // agents tell many numbers as text, such as UCD-SNMP-MIB's laLoad
		n, err := strconv.ParseFloat(text, 64)
		number, isNumber = n, err == nil
	}
	if !isNumber {
		if g.Warn.Set() || g.Crit.Set() || g.Rate {
			rep.problem(model.Unknown, "%s is %q, which is no number to compare", g.Name, text)
			return
		}
		rep.fact("%s %s", g.Name, text)
		return
	}
	if g.Rate {
		rate, ok := k.rate(g.Name, number, v.Width())
		if !ok {
			rep.fact("%s: the rate comes with the next answer", g.Name)
			return
		}
		rep.fact("%s %.4g/s", g.Name, rate*g.Scale)
		rep.value(g.Name, rate*g.Scale, g.Unit, g.Warn, g.Crit, g.Name+" grows by %s a second")
		return
	}
	rep.fact("%s %s", g.Name, readable(number*g.Scale, g.Unit))
	rep.value(g.Name, number*g.Scale, g.Unit, g.Warn, g.Crit, g.Name+" is %s")
}

func wanted(not bool, what string) string {
	if not {
		return "anything but " + what
	}
	return what
}

// rate is how much a counter grew in a second since the last answer; false for the first one, and after the agent was started anew.
func (k *snmpProbe) rate(name string, value float64, bits int) (float64, bool) {
	now := k.now()
	was, ok := k.before[name]
	k.before[name] = counted{value, now}
	if !ok {
		return 0, false
	}
	return snmpsession.Rate(was.value, value, now.Sub(was.at), bits)
}

// watchInterface compares what the administrator wants with what is.
func (k *snmpProbe) watchInterface(ctx context.Context, s *snmpsession.Session, rep *report) {
	if err := k.findInterface(ctx, s); err != nil {
		rep.failed(err)
		return
	}
	if k.index == 0 {
		rep.problem(model.Critical, "the agent has no interface %q", k.Interface)
		return
	}
	at := func(root snmpsession.OID, column uint32) snmpsession.OID {
		return append(root[:len(root):len(root)], column, k.index)
	}
	values, err := s.Get(ctx, at(oidIfEntry, 7), at(oidIfEntry, 8), at(oidIfEntry, 14), at(oidIfEntry, 20),
		at(oidIfXEntry, 6), at(oidIfXEntry, 10), at(oidIfXEntry, 15))
	if err != nil {
		rep.failed(err)
		return
	}
	is := map[string]snmpsession.Value{}
	for _, v := range values {
		is[v.OID.String()] = v
	}
	admin, oper := is[at(oidIfEntry, 7).String()].Number, is[at(oidIfEntry, 8).String()].Number
	switch {
	case admin == 0 || oper == 0:
		k.index = 0 // its number changed
		rep.problem(model.Unknown, "the agent does not tell the status of interface %s", k.Interface)
		return
	case admin != 1:
		rep.fact("interface %s is shut down by its administrator", k.Interface)
		return
	case oper != 1 && oper != 5: // dormant waits for an event, such as a call
		rep.problem(model.Critical, "interface %s is %s", k.Interface, snmpsession.OperStatus(int(oper)))
	default:
		rep.fact("interface %s is %s", k.Interface, snmpsession.OperStatus(int(oper)))
	}
	k.traffic(rep, is[at(oidIfXEntry, 6).String()], is[at(oidIfXEntry, 10).String()], is[at(oidIfXEntry, 15).String()].Number*1e6)
	in, okIn := k.rate("errors_in", is[at(oidIfEntry, 14).String()].Number, 32)
	out, okOut := k.rate("errors_out", is[at(oidIfEntry, 20).String()].Number, 32)
	if okIn && okOut {
		rep.value("errors", in+out, "", k.WarnErrors, k.CritErrors, "interface "+k.Interface+" has %s errors a second")
	}
}

func (k *snmpProbe) traffic(rep *report, in, out snmpsession.Value, speed float64) {
	if in.OID == nil || out.OID == nil {
		return
	}
	inRate, okIn := k.rate("in", in.Number, 64)
	outRate, okOut := k.rate("out", out.Number, 64)
	if !okIn || !okOut {
		return
	}
	none := check.Range{}
	rep.value("in_bps", 8*inRate, "", none, none, "%s")
	rep.value("out_bps", 8*outRate, "", none, none, "%s")
	if speed > 0 {
		rep.value("use", 800*max(inRate, outRate)/speed, "%", k.WarnUse, k.CritUse, "interface "+k.Interface+" is used by %s")
	}
}

// errFound ends a walk.
var errFound = errors.New("found")

func (k *snmpProbe) findInterface(ctx context.Context, s *snmpsession.Session) error {
	if k.index != 0 {
		return nil
	}
	if n, err := strconv.ParseUint(k.Interface, 10, 31); err == nil {
		k.index = uint32(n)
		return nil
	}
	for _, root := range interfaceNameIDs {
		err := s.Walk(ctx, root, func(v snmpsession.Value) error {
			if v.Text() == k.Interface && len(v.OID) == len(root)+1 {
				k.index = v.OID[len(root)]
				return errFound
			}
			return nil
		})
		if k.index != 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
