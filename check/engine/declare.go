package engine

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// source is all that one source declared and that was good.
type source struct {
	hosts []check.Host
	specs []check.Spec
}

// rank orders the sources: of two declarations of one name the one of the lower rank holds, so that what a person wrote wins over
// what was discovered.
func rank(source string) int {
	switch source {
	case "config":
		return 0
	case "api":
		return 1
	case "nagios":
		return 2
	case "discovery":
		return 4
	}
	return 3
}

const (
	defaultInterval    = time.Minute
	defaultRetry       = 15 * time.Second
	defaultTimeout     = 10 * time.Second
	defaultMaxAttempts = 3

	minInterval = time.Second // below it a check is a load test
	maxName     = 200         // bytes of a host's or check's name: with both, a document's key has room
)

// withDefaults fills in what was left out.
func withDefaults(s check.Spec) check.Spec {
	s.Interval = cmp.Or(s.Interval, check.Duration(defaultInterval))
	s.RetryInterval = min(cmp.Or(s.RetryInterval, check.Duration(defaultRetry)), s.Interval)
	s.Timeout = cmp.Or(s.Timeout, check.Duration(defaultTimeout))
	s.MaxAttempts = cmp.Or(s.MaxAttempts, defaultMaxAttempts)
	if s.StaleStatus == model.OK {
		s.StaleStatus = model.Unknown
	}
	s.FlapLow, s.FlapHigh = cmp.Or(s.FlapLow, 20), cmp.Or(s.FlapHigh, 30)
	return s
}

func validName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is empty", what)
	case len(name) > maxName:
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", what, len(name), maxName)
	case strings.ContainsRune(name, '/'):
		return fmt.Errorf("%s holds a slash, which separates host and check: leave it out", what)
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("%s holds a control character", what)
	}
	return nil
}

// checkSpec says what is wrong with a spec whose defaults are filled in.
func (e *Engine) checkSpec(s *check.Spec) error {
	if err := errors.Join(validName("host", s.Host), validName("name", s.Name)); err != nil {
		return err
	}
	for _, d := range []struct {
		name  string
		value check.Duration
		least time.Duration
	}{{"interval", s.Interval, minInterval}, {"retry_interval", s.RetryInterval, minInterval}, {"timeout", s.Timeout, time.Millisecond}, {"freshness", s.Freshness, 0}} {
		if time.Duration(d.value) < d.least {
			return fmt.Errorf("%s is %s: it must be at least %s", d.name, time.Duration(d.value), d.least)
		}
	}
	switch {
	case s.MaxAttempts < 1:
		return fmt.Errorf("max_attempts is %d: it must be at least 1", s.MaxAttempts)
	case s.FlapLow < 0 || s.FlapHigh > 100 || s.FlapLow >= s.FlapHigh:
		return fmt.Errorf("flap_low %g and flap_high %g: they are percentages, and the first is below the second", s.FlapLow, s.FlapHigh)
	case s.Passive && s.Kind == "":
		return nil
	case e.kinds[s.Kind] == nil:
		return fmt.Errorf("kind %q is not known: use one of %s", s.Kind, strings.Join(slices.Sorted(maps.Keys(e.kinds)), ", "))
	}
	return nil
}

// Set replaces everything that source declared. The error joins one for each bad object, which names it; the good ones
// are taken. What did not change keeps running undisturbed; a check keeps its state as long as its host and name stay.
func (e *Engine) Set(name string, hosts []check.Host, specs []check.Spec) error {
	e.setting.Lock()
	defer e.setting.Unlock()
	src := &source{}
	var bad []error
	for _, h := range hosts {
		if err := validName("name", h.Name); err != nil {
			bad = append(bad, fmt.Errorf("host %q: %w", h.Name, err))
			continue
		}
		h.Source = name
		src.hosts = append(src.hosts, h)
	}
	for _, s := range specs {
		s = withDefaults(s)
		s.Source = name
		if err := e.checkSpec(&s); err != nil {
			bad = append(bad, fmt.Errorf("check %q: %w", s.ID(), err))
			continue
		}
		src.specs = append(src.specs, s)
	}
	e.sources[name] = src
	for _, b := range e.resolve() {
		if b.source == name {
			bad = append(bad, b.err)
		}
	}
	return errors.Join(bad...)
}

// badObject is what is wrong with an object of a source.
type badObject struct {
	source string
	err    error
}

// declared is what holds of all sources together.
type declared struct {
	hosts map[string]*check.Host
	specs map[string]*check.Spec
	bad   []badObject
}

// merge puts the sources together. e.setting is held.
func (e *Engine) merge() declared {
	d := declared{hosts: map[string]*check.Host{}, specs: map[string]*check.Spec{}}
	names := slices.SortedFunc(maps.Keys(e.sources), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
	for _, name := range names {
		for i := range e.sources[name].hosts {
			d.addHost(name, &e.sources[name].hosts[i])
		}
	}
	for _, name := range names {
		for i := range e.sources[name].specs {
			d.addSpec(name, &e.sources[name].specs[i])
		}
	}
	return d
}

func (d *declared) refuse(source, format string, args ...any) {
	d.bad = append(d.bad, badObject{source, fmt.Errorf(format, args...)})
}

func (d *declared) addHost(source string, h *check.Host) {
	old := d.hosts[h.Name]
	switch {
	case old == nil:
		d.hosts[h.Name] = h
	case old.Source == source:
		d.refuse(source, "host %q: it is declared twice: keep one of them", h.Name)
	}
}

func (d *declared) addSpec(source string, s *check.Spec) {
	old := d.specs[s.ID()]
	switch {
	case d.hosts[s.Host] == nil:
		d.refuse(source, "check %q: there is no host %q: declare it", s.ID(), s.Host)
	case old == nil:
		d.specs[s.ID()] = s
	case old.Source == source:
		d.refuse(source, "check %q: it is declared twice: keep one of them", s.ID())
	}
}

// resolve makes entries of what holds now and puts them into use. e.setting is held.
func (e *Engine) resolve() []badObject {
	d := e.merge()
	e.mu.Lock()
	old := e.checks
	e.mu.Unlock()
	next := make(map[string]*entry, len(d.specs))
	var fresh []prepared
	for id, s := range d.specs {
		h := d.hosts[s.Host]
		if was := old[id]; was != nil && was.same(h, s) {
			next[id] = was
			continue
		}
		p, err := e.prepare(h, s)
		if err != nil {
			d.refuse(s.Source, "check %q: %w", id, err)
			continue
		}
		fresh = append(fresh, p)
	}
	e.use(d, next, fresh)
	return d.bad
}

// prepared is a check that is about to be used.
type prepared struct {
	host     *check.Host
	declared *check.Spec
	spec     check.Spec // as it is shown
	kind     *check.Kind
	prober   check.Prober // nil for passive ones
	labels   map[string]string
	entry    *entry
}

func (e *Engine) prepare(h *check.Host, s *check.Spec) (prepared, error) {
	p := prepared{host: h, declared: s, spec: *s, kind: e.kinds[s.Kind], labels: labelsOf(h, s)}
	if s.Passive || p.kind != nil && (p.kind.Passive || p.kind.New == nil) {
		p.spec.Passive = true
		return p, e.checkPassive(&p)
	}
	prober, err := p.kind.New(check.Params{
		Host: h.Name, Address: addressOf(h), Name: s.Name, Options: s.Options, Timeout: time.Duration(s.Timeout),
	})
	p.prober = prober
	return p, err
}

// checkPassive lets a kind that has options for its passive checks say what is wrong with them.
func (e *Engine) checkPassive(p *prepared) error {
	if p.kind == nil || p.kind.New == nil || !p.kind.Passive {
		return nil
	}
	_, err := p.kind.New(check.Params{Host: p.host.Name, Address: addressOf(p.host), Name: p.spec.Name, Options: p.spec.Options})
	return err
}

func addressOf(h *check.Host) string { return cmp.Or(h.Address, h.Name) }

// labelsOf are the host's labels and the check's, which win, with host and check.
func labelsOf(h *check.Host, s *check.Spec) map[string]string {
	l := make(map[string]string, len(h.Labels)+len(s.Labels)+2)
	maps.Copy(l, h.Labels)
	maps.Copy(l, s.Labels)
	l["host"], l["check"] = h.Name, s.Name
	return l
}

// same says whether nothing changed in what an entry is made of.
func (c *entry) same(h *check.Host, s *check.Spec) bool {
	return reflect.DeepEqual(c.host, h) && reflect.DeepEqual(c.declared, s)
}

// use replaces the checks by next and the fresh ones.
func (e *Engine) use(d declared, next map[string]*entry, fresh []prepared) {
	e.mu.Lock()
	old := e.checks
	e.mu.Unlock()
	unchanged := len(fresh) == 0 && len(next) == len(old) && sameHosts(d.hosts, *e.hosts.Load())
	if unchanged {
		return
	}
	for i := range fresh {
		id := fresh[i].spec.ID()
		c := old[id]
		if c == nil {
			c = e.newEntry(id)
		}
		next[id], fresh[i].entry = c, c
	}
	list := slices.SortedFunc(maps.Values(next), func(a, b *entry) int { return strings.Compare(a.id, b.id) })
	hosts := make([]check.Host, 0, len(d.hosts))
	for _, name := range slices.Sorted(maps.Keys(d.hosts)) {
		hosts = append(hosts, *d.hosts[name])
	}
	specs := make([]check.Spec, 0, len(d.specs))
	for _, id := range slices.Sorted(maps.Keys(d.specs)) {
		if next[id] != nil {
			specs = append(specs, *d.specs[id])
		}
	}
	graph, err := state.NewGraph(hosts, specs)
	if err != nil {
		e.log.Warn("what the checks say of each other is not whole", "err", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.replace(next, fresh, list, hosts, graph)
}

func sameHosts(a map[string]*check.Host, b []check.Host) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range b {
		if h := a[b[i].Name]; h == nil || !reflect.DeepEqual(h, &b[i]) {
			return false
		}
	}
	return true
}

// replace is use's last step. e.mu is held.
func (e *Engine) replace(next map[string]*entry, fresh []prepared, list []*entry, hosts []check.Host, graph *state.Graph) {
	for id, c := range e.checks {
		if next[id] == nil {
			e.retire(c)
		}
	}
	e.checks, e.graph = next, graph
	e.order.Store(&list)
	e.hosts.Store(&hosts)
	for i := range fresh {
		e.arm(fresh[i].entry, &fresh[i])
	}
	e.keep.sort(list)
	for i := range fresh {
		c := fresh[i].entry
		e.at(&c.wake, e.now())
		if e.asking && c.doing == idle {
			e.planFirst(c, e.now(), len(fresh))
		}
	}
}

// hashOf spreads checks over time and documents: the same on every node and after every start.
func hashOf(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	x := h.Sum64() // FNV's high bits are weak for short texts: mix (MurmurHash3's finalizer)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
