package nagios

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/period"
	"github.com/hulotte-dev/hulotte/model"
)

// Result is what a configuration means here. Hosts and Specs have their groups; the maps hold the groups' aliases, by name.
type Result struct {
	Hosts         []check.Host
	Specs         []check.Spec
	Periods       map[string]period.Definition
	HostGroups    map[string]string
	ServiceGroups map[string]string
	Warnings      []Warning
}

// Import reads nagios.cfg, or a folder that holds it or only object files, with everything that it names. The error says that it
// cannot be read at all (model.NotFound), is none (model.Invalid), or is too large (model.Limit); all else is a warning.
func Import(path string) (Result, error) {
	w := &warnings{}
	f, err := load(path, w)
	if err != nil {
		return Result{Warnings: w.list}, err
	}
	return build(f)
}

// build makes a result of what was read.
func build(f *files) (Result, error) {
	b := &builder{files: f, inventory: newInventory(f), commands: map[string]*object{}, specs: map[string]int{}, renamed: map[string]string{},
		serviceGroups: map[string]*object{}, inGroups: map[string][]string{}, names: map[string]string{}, explicit: map[string]bool{}}
	b.interval = b.number("interval_length", 60)
	b.readCommands()
	b.readPeriods()
	b.readServiceGroups()
	b.hostGroups = b.groupsOf()
	for _, name := range b.order {
		b.host(b.hosts[name])
	}
	if err := b.services(); err != nil {
		return b.result, err
	}
	b.hostDependencies()
	b.serviceDependencies()
	b.finish()
	list := f.warnings.list
	slices.SortStableFunc(list, func(a, b Warning) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Text, b.Text))
	})
	b.result.Warnings = list
	return b.result, nil
}

// builder makes hosts and specs of objects.
type builder struct {
	*files
	*inventory
	result        Result
	interval      float64 // seconds of a unit of intervals
	commands      map[string]*object
	serviceGroups map[string]*object
	inGroups      map[string][]string // service groups by host/description, of their members
	hostGroups    map[string][]string
	specs         map[string]int    // index in result.Specs by the ID
	names         map[string]string // ID by host\x00description
	explicit      map[string]bool   // by ID: the service names the host itself
	renamed       map[string]string
}

func (b *builder) readCommands() {
	for _, c := range b.resolve("command") {
		name := c.get("command_name")
		if old := b.commands[name]; old != nil || name == "" {
			b.warnings.add(c.place, "command %q has no name of its own: the first counts", name)
			continue
		}
		b.commands[name] = c
	}
}

func (b *builder) readPeriods() {
	b.result.Periods = map[string]period.Definition{}
	for _, p := range b.resolve("timeperiod") {
		name := p.get("timeperiod_name")
		if _, ok := b.result.Periods[name]; ok || name == "" {
			b.warnings.add(p.place, "time period %q has no name of its own: the first counts", name)
			continue
		}
		d := period.Definition{Alias: p.get("alias"), Exclude: p.list("exclude")}
		if s, ok := b.settings["use_timezone"]; ok {
			d.Zone = strings.TrimPrefix(s.value, ":")
		}
		for _, l := range p.lines {
			if err := period.Line(l.value); err != nil {
				b.warnings.add(l.place, "time period %q: %v", name, err)
				continue
			}
			d.Times = append(d.Times, l.value)
		}
		b.result.Periods[name] = d
	}
	if good, err := period.New(b.result.Periods); err != nil {
		for _, e := range flat(err) {
			b.warnings.add(place{}, "%v", e)
		}
		for name := range b.result.Periods {
			if good[name] == nil {
				delete(b.result.Periods, name)
			}
		}
	}
}

// flat returns the errors that are joined in one.
func flat(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

func (b *builder) readServiceGroups() {
	b.result.ServiceGroups = map[string]string{}
	groups := b.resolve("servicegroup")
	for _, g := range groups {
		name := g.get("servicegroup_name")
		b.serviceGroups[name] = g
		b.result.ServiceGroups[name] = g.get("alias")
		members := g.list2("members")
		if len(members)%2 != 0 {
			b.warnings.add(g.at("members"), "servicegroup %q: members are pairs of host and service", name)
			members = members[:len(members)-1]
		}
		for i := 0; i+1 < len(members); i += 2 {
			id := members[i] + "\x00" + members[i+1]
			b.inGroups[id] = append(b.inGroups[id], name)
		}
	}
	for _, g := range groups {
		for _, inner := range g.list("servicegroup_members") {
			if b.serviceGroups[inner] == nil {
				b.warnings.add(g.at("servicegroup_members"), "there is no servicegroup %q", inner)
				continue
			}
			// Members of a group in a group are in both.
			for id, in := range b.inGroups {
				if slices.Contains(in, inner) && !slices.Contains(in, g.get("servicegroup_name")) {
					b.inGroups[id] = append(in, g.get("servicegroup_name"))
				}
			}
		}
	}
}

// list2 is list with repetitions.
func (o *object) list2(key string) []string {
	var out []string
	for _, part := range strings.Split(o.get(key), ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// name makes a name that checks can have, and says so where it changes it.
func (b *builder) name(what, name string, at place) string {
	good := goodName(name)
	if good != name && b.renamed[name] == "" {
		b.renamed[name] = good
		b.warnings.add(at, "%s %q is named %q here: names hold no slash or star and are at most 150 bytes long", what, name, good)
	}
	return good
}

func (b *builder) host(o *object) {
	h := check.Host{
		Name: b.name("host", o.get("host_name"), o.at("host_name")), Alias: o.get("alias"), Address: o.get("address"),
		Groups: b.hostGroups[o.get("host_name")], Source: "nagios",
	}
	for _, p := range o.list("parents") {
		if b.hosts[p] == nil {
			b.warnings.add(o.at("parents"), "there is no host %q to be a parent", p)
			continue
		}
		h.Parents = append(h.Parents, b.name("host", p, o.place))
	}
	s := &subject{files: b.files, host: o, groups: h.Groups, hosts: b.hosts}
	h.Runbook = b.link(s, o)
	b.result.Hosts = append(b.result.Hosts, h)
	b.leftOut(o)
	spec := check.Spec{Host: h.Name, Name: check.HostCheck, Runbook: h.Runbook, Notes: s.expand(o.get("notes"))}
	if o.get("check_command") == "" {
		if o.get("active_checks_enabled") != "0" || o.get("passive_checks_enabled") == "0" {
			return // Nagios takes it to be up, for ever
		}
	}
	if b.asks(&spec, s, o, "host_check_timeout", 30) {
		b.add(spec, o, o.get("host_name")+"\x00"+check.HostCheck, true)
	}
}

// link returns the first URL among an object's links.
func (b *builder) link(s *subject, o *object) string {
	for _, key := range []string{"notes_url", "action_url"} {
		if url := s.expand(o.get(key)); strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://") {
			return url
		}
	}
	return ""
}

func (b *builder) services() error {
	for _, o := range b.resolve("service") {
		b.leftOut(o)
		description := o.get("service_description")
		if description == "" {
			b.warnings.add(o.place, "a service without service_description is left out")
			continue
		}
		own := map[string]bool{}
		for _, h := range o.list("host_name") {
			own[h] = true
		}
		hosts := b.hostsOf(o, "host_name", "hostgroup_name")
		if len(hosts) == 0 {
			b.warnings.add(o.place, "service %q is of no host", description)
		}
		for _, h := range hosts {
			if len(b.result.Specs) >= maxChecks {
				return limit("more than %d hosts and services", maxChecks)
			}
			b.service(o, h, description, own[h])
		}
	}
	return nil
}

func (b *builder) service(o *object, host, description string, explicit bool) {
	groups := o.list("servicegroups")
	for _, g := range groups {
		if b.serviceGroups[g] == nil {
			b.warnings.add(o.at("servicegroups"), "there is no servicegroup %q", g)
		}
	}
	for _, g := range b.inGroups[host+"\x00"+description] {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	slices.Sort(groups)
	h := b.hosts[host]
	s := &subject{files: b.files, host: h, service: o, groups: b.hostGroups[host], serviceOf: groups, hosts: b.hosts}
	name := b.name("service", description, o.at("service_description"))
	if name == check.HostCheck {
		name = "host (service)"
	}
	spec := check.Spec{Host: b.name("host", host, o.place), Name: name, Groups: groups, Runbook: b.link(s, o), Notes: s.expand(o.get("notes"))}
	if !b.asks(&spec, s, o, "service_check_timeout", 60) {
		return
	}
	if _, own := o.attrs["notification_period"]; !own && spec.NotifyPeriod == "" {
		b.periodNamed(&spec.NotifyPeriod, h, "notification_period") // services have that of their host
	}
	b.add(spec, o, host+"\x00"+description, explicit)
}

// add takes a spec. Of two with the same name the one counts whose service names the host itself, else the first.
func (b *builder) add(spec check.Spec, o *object, key string, explicit bool) {
	id := spec.ID()
	i, twice := b.specs[id]
	switch {
	case !twice:
		b.specs[id] = len(b.result.Specs)
		b.result.Specs = append(b.result.Specs, spec)
	case explicit && !b.explicit[id]:
		b.result.Specs[i] = spec
	case explicit == b.explicit[id]:
		b.warnings.add(o.place, "there is a check %q already: the first counts", id)
		return
	default:
		return
	}
	b.explicit[id] = explicit
	b.names[key] = id
}

// asks fills in how and when a check is asked. It returns false when it cannot be asked.
func (b *builder) asks(spec *check.Spec, s *subject, o *object, timeout string, without float64) bool {
	spec.Source = "nagios"
	spec.Interval = b.duration(o, "check_interval", 5)
	spec.RetryInterval = min(b.duration(o, "retry_interval", 1), spec.Interval)
	spec.Timeout = seconds(b.number(timeout, without))
	spec.MaxAttempts = b.attempts(o)
	spec.Volatile = o.get("is_volatile") == "1" || o.get("is_volatile") == "2"
	b.flapping(spec, o)
	b.periodNamed(&spec.Period, o, "check_period")
	b.notifyPeriod(spec, o)
	b.handler(spec, s, o)
	b.contacts(spec, o, s.host)
	s.at = o.at("check_command")
	if o.get("active_checks_enabled") == "0" {
		b.passive(spec, s, o)
		return true
	}
	if o.get("check_command") == "" {
		b.warnings.add(o.place, "a %s without check_command is left out", o.kind)
		return false
	}
	p, ok := s.probe(b.commands, o.get("check_command"))
	if !ok {
		return false
	}
	spec.Kind, spec.Options = p.kind, encode(p.options)
	return true
}

func encode(options any) json.RawMessage {
	text, err := json.Marshal(options)
	if err != nil {
		panic("BUG: options that are no JSON: " + err.Error())
	}
	return text
}

// passive makes a check that waits for results. What its command would say when it is stale is its status then.
func (b *builder) passive(spec *check.Spec, s *subject, o *object) {
	spec.Kind, spec.Passive = "passive", true
	if o.get("check_freshness") != "1" || b.settings[o.kind+"_check_freshness"].value == "0" || b.settings["check_"+o.kind+"_freshness"].value == "0" {
		return
	}
	spec.Freshness = seconds(b.float(o, "freshness_threshold", 0))
	if spec.Freshness == 0 { // Nagios' own guess
		spec.Freshness = spec.Interval + seconds(b.number("additional_freshness_latency", 15))
	}
	if line, ok := s.commandLine(b.commands, or(o.get("check_command"), "\x00")); ok {
		if argv := s.argv(line); len(argv) > 1 && strings.HasSuffix(argv[0], "check_dummy") {
			if n, err := strconv.Atoi(argv[1]); err == nil && n > 0 && n < int(model.Pending) {
				spec.StaleStatus = model.Status(n)
				return
			}
		}
		b.warnings.add(o.at("check_command"), "the command of a passive check is not run when it is stale: it becomes %s", model.Unknown)
	}
}

func seconds(n float64) check.Duration {
	return check.Duration(math.Min(n, 1e9) * float64(time.Second))
}

func (b *builder) float(o *object, key string, without float64) float64 {
	text := o.get(key)
	if text == "" {
		return without
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		b.warnings.add(o.at(key), "%s: %q is no number", key, text)
		return without
	}
	return n
}

// duration reads an interval in the units of nagios.cfg.
func (b *builder) duration(o *object, key string, without float64) check.Duration {
	n := b.float(o, key, without)
	if n == 0 {
		b.warnings.add(o.at(key), "%s 0 means that others ask for the check: it is %g here, as Nagios has it when it is left out", key, without)
		n = without
	}
	return max(seconds(n*b.interval), check.Duration(time.Second))
}

func (b *builder) attempts(o *object) int {
	n := b.float(o, "max_check_attempts", 3)
	if n < 1 || n > 10_000 || n != math.Trunc(n) {
		b.warnings.add(o.at("max_check_attempts"), "max_check_attempts: %g is no number from 1 on", n)
		return 3
	}
	return int(n)
}

func (b *builder) flapping(spec *check.Spec, o *object) {
	spec.NoFlapDetection = o.get("flap_detection_enabled") == "0" || b.settings["enable_flap_detection"].value == "0"
	spec.FlapLow = b.threshold(o, "low_flap_threshold", "low_"+o.kind+"_flap_threshold")
	spec.FlapHigh = b.threshold(o, "high_flap_threshold", "high_"+o.kind+"_flap_threshold")
	if low, high := cmp.Or(spec.FlapLow, 20), cmp.Or(spec.FlapHigh, 30); low >= high || high > 100 {
		b.warnings.add(o.at("low_flap_threshold"), "flap thresholds %g and %g: the first is below the second, and both are percentages", low, high)
		spec.FlapLow, spec.FlapHigh = 0, 0
	}
}

func (b *builder) threshold(o *object, key, global string) float64 {
	if n := b.float(o, key, 0); n > 0 {
		return n
	}
	return b.number(global, 0)
}

// periodNamed takes over the name of a time period, if there is one.
func (b *builder) periodNamed(into *string, o *object, key string) {
	name := o.get(key)
	if _, ok := b.result.Periods[name]; ok {
		*into = name
	} else if name != "" {
		b.warnings.add(o.at(key), "there is no time period %q", name)
	}
}

// never is the period of those of whom nobody wants to hear.
const never = "never"

func (b *builder) notifyPeriod(spec *check.Spec, o *object) {
	if o.get("notifications_enabled") == "0" {
		b.result.Periods[never] = period.Definition{Alias: "Never"}
		spec.NotifyPeriod = never
		return
	}
	b.periodNamed(&spec.NotifyPeriod, o, "notification_period")
}

func (b *builder) handler(spec *check.Spec, s *subject, o *object) {
	text := o.get("event_handler")
	if text == "" || o.get("event_handler_enabled") == "0" {
		return
	}
	there := *s
	there.at, there.inHandler = o.at("event_handler"), true
	if line, ok := there.commandLine(b.commands, text); ok {
		spec.EventHandler = there.argv(line)
		b.warnings.add(there.at, "event handlers run only where they are turned on; macros such as $SERVICESTATE$ come to them as NAGIOS_SERVICESTATE in the environment")
	}
}

// contacts keeps whom Nagios told as labels, so that routes of alerts can go by them.
func (b *builder) contacts(spec *check.Spec, o, host *object) {
	_, ownContacts := o.attrs["contacts"]
	_, ownGroups := o.attrs["contact_groups"]
	if o.kind == "service" && !ownContacts && !ownGroups {
		o = host // services have those of their host
	}
	for _, key := range []string{"contacts", "contact_groups"} {
		list := o.list(key)
		if len(list) == 0 {
			continue
		}
		slices.Sort(list)
		if spec.Labels == nil {
			spec.Labels = map[string]string{}
		}
		spec.Labels[key] = strings.Join(list, ",")
	}
}
