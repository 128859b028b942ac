package discovery

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/process"
)

// describe says all that is known of an instance. ok is false when it is no service, or is disabled.
func (d *Discovery) describe(in *instance) (s sighting, ok bool) {
	e, first := in.entry, in.first()
	override := d.overrideOf(e.Kind, in.name)
	set := settings{}
	if in.info != nil && !d.opts.IgnoreLabels {
		set = readLabels(in.info.Labels)
	}
	if override.Disable || set.disabled && !override.Enable {
		return sighting{}, false
	}
	if e.Language != "" && !override.Enable && !set.enabled && d.isNew(in) {
		return sighting{}, false
	}
	hints := d.readHints(in)
	listen, notes := in.addresses(append(slices.Clone(set.ignore), override.IgnorePorts...), &hints)
	if e.Listens && len(listen) == 0 {
		return sighting{}, false
	}
	name := e.Kind
	if set.name != "" {
		name = set.name
	}
	if override.Name != "" {
		name = override.Name
	}
	v := Service{
		Name: name, Instance: in.name, Kind: e.Kind, Title: e.Title, Source: "discovery", Language: e.Language,
		Exe: first.prog.exe, Cmdline: process.Mask(first.prog.args), Started: d.processes.started(first),
		Listen: listen, Logs: e.Logs, Alerts: e.Alerts, Boards: e.Boards, Credentials: override.Credentials,
	}
	v.ID = identify(v.Name, v.Instance)
	for _, p := range in.procs {
		v.PIDs = append(v.PIDs, p.pid)
	}
	if len(listen) > 0 {
		v.Address = listen[0]
	}
	v.Why = append(v.Why, sentence(first.why))
	d.place(&v, in)
	v.Why = append(v.Why, set.notes...)
	if d.keepAddress(&v, in, &hints) {
		notes = append(notes, "it does not listen there any more")
	}
	v.choose(&set, override, in)
	v.Why = append(v.Why, in.listenWhy(&v, notes)...)
	v.Why = append(v.Why, hints.notes...)
	v.setCheck(e, &set, override)
	v.setMetrics(e, &set, override, &hints)
	if v.login = d.readLogin(in); v.login != (Login{}) && v.Metrics.Kind != "" {
		v.Why = append(v.Why, fmt.Sprintf("Its metrics are read as %s, with the password of the container's environment, unless the configuration says otherwise.", v.login.Username))
	}
	v.Version = d.versions.of(in)
	v.Labels = maps.Clone(override.Labels)
	return sighting{service: v, base: in.base, key: in.key()}, true
}

// isNew says that a program has just begun and was no service before: it may be a test, or somebody's trial, whose end is no problem.
func (d *Discovery) isNew(in *instance) bool {
	return d.processes.started(in.first()).After(d.now().Add(-d.opts.ShortLived)) && !d.life.known(in.entry.Kind, in.base)
}

// forgivenAfter is for how long a service is asked on a port that it gave up while it listens on others: then it was meant.
const forgivenAfter = 10 * time.Minute

// keepAddress keeps the address of a service whose process is the same and does not listen there any more, or it would look
// well only because it is asked elsewhere. An address that is as good as that one takes its place.
func (d *Discovery) keepAddress(v *Service, in *instance, hints *hinted) bool {
	r := d.life.byKey(in.entry.Kind, in.key())
	if r == nil || r.Service.Address.Network != networkTCP || !slices.Contains(r.Service.Listen, r.Service.Address) {
		return false
	}
	was := r.Service.Address
	same := func(a Address) bool { return a.Network == was.Network && a.IP == was.IP && a.Port == was.Port }
	if slices.ContainsFunc(v.Listen, same) || len(v.Listen) > 0 && in.rank(v.Listen[0], hints) <= in.rank(was, hints) {
		r.lost = time.Time{}
		return false
	}
	now := d.now()
	if r.lost.IsZero() {
		r.lost = now
	}
	if len(v.Listen) > 0 && now.Sub(r.lost) > forgivenAfter {
		return false
	}
	v.Listen, v.Address = r.Service.Listen, was
	return true
}

func identify(name, instance string) string {
	if instance == "" {
		return name
	}
	return name + "@" + instance
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// place tells where an instance runs.
func (d *Discovery) place(v *Service, in *instance) {
	if c := in.info; c != nil {
		v.Container = containerOf(c)
		v.Why = append(v.Why, fmt.Sprintf("It runs in the container %s.", quote(displayName(c))))
	}
	if in.unit != "" {
		v.Unit = in.unit + ".service"
		v.Why = append(v.Why, fmt.Sprintf("It belongs to the systemd unit %s.", v.Unit))
	}
}

// listenWhy tells what is known of where it listens.
func (i *instance) listenWhy(v *Service, notes []string) []string {
	var out []string
	var all []string
	for n, a := range v.Listen {
		if n == 6 {
			all = append(all, fmt.Sprintf("and %d more", len(v.Listen)-n))
			break
		}
		all = append(all, a.String()+map[bool]string{true: "/udp"}[a.Network == networkUDP])
	}
	switch {
	case len(all) == 0 && slices.ContainsFunc(i.procs, func(p *proc) bool { return p.blind }):
		out = append(out, "Where it listens cannot be seen: its open files belong to another user.")
	case len(all) == 0:
		out = append(out, "It listens on nothing that can be asked.")
	case i.guessed:
		out = append(out, fmt.Sprintf("It probably listens on %s: those sockets belong to the same user and the port is usual for it, or named in its arguments.", strings.Join(all, ", ")))
	default:
		out = append(out, fmt.Sprintf("It listens on %s.", strings.Join(all, ", ")))
	}
	for _, n := range notes {
		out = append(out, sentence(n))
	}
	return out
}

// choose takes the address that is asked from labels or the configuration.
func (v *Service) choose(set *settings, override Override, in *instance) {
	p, who := set.port, "a label of the container"
	if override.Port != 0 {
		p, who = override.Port, "the configuration"
	}
	if p != 0 {
		a := v.Address
		a.Port, a.Network, a.Path, a.TLS = p, networkTCP, "", false
		for _, l := range v.Listen {
			if l.Port == p && l.Network == networkTCP {
				a = l
				break
			}
		}
		if a.IP == "" {
			a.IP = in.ip()
		}
		v.Address = a
		v.Why = append(v.Why, fmt.Sprintf("It is asked on port %d: %s says so.", p, who))
	}
	if override.Address != "" {
		v.Address.IP, v.Address.Any, v.Address.Local = override.Address, false, false
		v.Why = append(v.Why, fmt.Sprintf("It is asked at %s: the configuration says so.", override.Address))
	}
}

// ip is the address at which an instance is reached that listens on nothing we know.
func (i *instance) ip() string {
	if i.ns == nil || i.ns.host {
		return "127.0.0.1"
	}
	if i.info != nil && len(i.info.Addresses) > 0 {
		return i.info.Addresses[0].String()
	}
	if len(i.ns.local) > 0 {
		return i.ns.local[0].String()
	}
	return "127.0.0.1"
}

// setCheck takes the check of the catalogue, for the address that is asked.
func (v *Service) setCheck(e *Entry, set *settings, override Override) {
	v.Check = e.Check
	if v.Address.Network == "" || v.Address.Network == networkUnix && !e.Unix || e.Check.Kind == "" {
		v.Check = e.Alone
		if v.Check.Kind == "" {
			v.Check = Check{Kind: "process", Options: map[string]any{"name": e.processName()}}
		}
	}
	options := override.Check.Options
	if override.Check.Kind != "" {
		v.Check = Check{Kind: override.Check.Kind}
	}
	v.Check.Options = v.checkOptions()
	if _, ok := v.Check.Options["path"]; set.path != "" && (ok || v.Check.Kind == "http") {
		v.Check.Options["path"] = set.path
		v.Why = append(v.Why, fmt.Sprintf("The path %s is asked for: a label of the container says so.", quote(set.path)))
	}
	maps.Copy(v.Check.Options, v.fill(options))
	if len(v.Check.Options) == 0 {
		v.Check.Options = nil
	}
	if set.noCheck || override.NoCheck {
		v.Check = Check{}
		v.Why = append(v.Why, "It is not checked: a label or the configuration says so.")
	}
}

// localKinds are the kinds of checks that ask this machine, not an address.
var localKinds = []string{"process", "unit"}

// plainKinds are those that cannot speak TLS.
var plainKinds = []string{"dns", "icmp", "ntp", "radius", "sip", "snmp", "ssh"}

// checkOptions are the options of the check with the address in them.
func (v *Service) checkOptions() map[string]any {
	options := v.fill(v.Check.Options)
	if options == nil {
		options = map[string]any{}
	}
	if slices.Contains(localKinds, v.Check.Kind) {
		return options
	}
	if _, ok := options["address"]; !ok {
		options["address"] = v.Address.String()
	}
	if _, ok := options["tls"]; !ok && v.Address.TLS && !slices.Contains(plainKinds, v.Check.Kind) {
		options["tls"] = true
		options["insecure_skip_verify"] = true // the certificate is for a name, and an address is asked; its end is watched all the same
	}
	return options
}

// processName is what processes of an entry are called, for the check of them.
func (e *Entry) processName() string {
	for _, r := range e.Match {
		if len(r.Names) > 0 && !isPattern(r.Names[0]) {
			return r.Names[0]
		}
	}
	return e.Kind
}

// fill writes the address into options: {address}, {ip}, {port}, {scheme} (http or https) and {path} of a unix socket in
// texts; "{port}" alone is a number and "{tls}" alone true or false.
func (v *Service) fill(options map[string]any) map[string]any {
	if options == nil {
		return nil
	}
	out := make(map[string]any, len(options))
	for key, value := range options {
		out[key] = v.fillValue(value)
	}
	return out
}

func (v *Service) fillValue(value any) any {
	switch x := value.(type) {
	case string:
		switch x {
		case "{port}":
			return v.Address.Port
		case "{tls}":
			return v.Address.TLS
		}
		scheme := "http"
		if v.Address.TLS {
			scheme = "https"
		}
		ip := v.Address.IP
		if strings.Contains(ip, ":") && strings.Contains(x, "://") {
			ip = "[" + ip + "]"
		}
		return strings.NewReplacer("{address}", v.Address.String(), "{ip}", ip, "{port}", strconv.Itoa(v.Address.Port), "{scheme}", scheme, "{path}", v.Address.Path).Replace(x)
	case map[string]any:
		return v.fill(x)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = v.fillValue(x[i])
		}
		return out
	}
	return value
}

// setMetrics takes the metrics of the catalogue, or what a label or the configuration says.
func (v *Service) setMetrics(e *Entry, set *settings, override Override, hints *hinted) {
	v.Metrics = v.usualMetrics(e, hints)
	if set.scrape {
		p := set.scrapePort
		if p == 0 {
			p = v.Address.Port
		}
		if ip := v.Address.IP; p != 0 && ip != "" {
			a := Address{Network: networkTCP, IP: ip, Port: p}
			v.Metrics = Metrics{Kind: kindPrometheus, Address: a.String(), Options: map[string]any{"url": set.scrapeScheme() + "://" + a.String() + set.scrapePathOr("/metrics")}, Job: v.Name}
			v.Why = append(v.Why, fmt.Sprintf("Its metrics are scraped from port %d: prometheus.io/scrape says so.", p))
		}
	}
	if m := override.Metrics; m.Kind != "" {
		m.Options = nil
		v.Metrics = m
		if v.Metrics.Address == "" {
			v.Metrics.Address = v.Address.String()
		}
	}
	if v.Metrics.Kind == "" || set.noMetrics || override.NoMetrics {
		v.Metrics = Metrics{}
		return
	}
	if len(override.Metrics.Options) > 0 {
		options := maps.Clone(v.Metrics.Options)
		if options == nil {
			options = map[string]any{}
		}
		maps.Copy(options, v.fill(override.Metrics.Options))
		v.Metrics.Options = options
	}
	if set.job != "" {
		v.Metrics.Job = set.job
	}
}

const kindPrometheus = "prometheus"

// usualMetrics are those of the catalogue; without a kind when there is no way to them.
func (v *Service) usualMetrics(e *Entry, hints *hinted) Metrics {
	spec := &e.Metrics
	if spec.Kind == "" {
		return Metrics{}
	}
	m := Metrics{Kind: spec.Kind, Exporter: spec.Exporter, Job: spec.Job}
	if m.Job == "" {
		m.Job = e.Kind
	}
	at, ok := v.metricsAddress(spec, hints)
	if !ok {
		if spec.Hint != "" {
			v.Why = append(v.Why, spec.Hint)
		}
		return Metrics{}
	}
	m.Address = at.String()
	m.Options = map[string]any{}
	maps.Copy(m.Options, spec.Options)
	maps.Copy(m.Options, hints.metrics)
	if m.Kind == kindPrometheus {
		if at.Network == networkUnix || m.Address == "" {
			return Metrics{}
		}
		path := spec.Path
		if path == "" {
			path = "/metrics"
		}
		m.Options["url"] = map[bool]string{false: "http", true: "https"}[at.TLS] + "://" + m.Address + path
	}
	if len(m.Options) == 0 {
		m.Options = nil
	}
	return m
}

// metricsAddress is where the metrics are: at what a hint says, on one of their ports, or where the service is asked.
func (v *Service) metricsAddress(spec *metricsSpec, hints *hinted) (Address, bool) {
	if text := hints.metricsAddress; text != "" {
		if strings.HasPrefix(text, "/") {
			return Address{Network: networkUnix, Path: text}, true
		}
		if _, p, err := net.SplitHostPort(text); err == nil {
			if hints.metricsPort, err = strconv.Atoi(p); err != nil {
				return Address{}, false
			}
		}
	}
	ports := spec.Ports
	if hints.metricsPort != 0 {
		ports = []int{hints.metricsPort}
	}
	all := append(slices.Clone(v.Listen), hints.aside...)
	for _, p := range ports {
		for _, a := range all {
			if a.Port == p && a.Network == networkTCP {
				return a, true
			}
		}
	}
	for _, a := range all {
		if a.Network == networkUnix && matchesAny(spec.Sockets, a.Path) {
			return a, true
		}
	}
	if len(ports) == 0 && len(spec.Sockets) == 0 {
		return v.Address, true
	}
	return Address{}, false
}

func containerOf(c *container.Info) *Container {
	return &Container{
		ID: c.ID, Name: clean(c.Name), Image: clean(c.Image), Runtime: c.Runtime,
		Namespace: clean(c.Namespace), Pod: clean(c.Pod), Container: clean(c.Container),
		Project: clean(c.Labels["com.docker.compose.project"]), Service: clean(c.Labels["com.docker.compose.service"]),
	}
}

func displayName(c *container.Info) string {
	switch {
	case c.Pod != "":
		return strings.Trim(c.Namespace+"/"+c.Pod+"/"+c.Container, "/")
	case c.Name != "":
		return c.Name
	}
	return c.ID[:min(len(c.ID), 12)]
}
