package discovery

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/collect/container"
)

// Scan looks once. Run does so again and again.
func (d *Discovery) Scan(ctx context.Context) error {
	d.scanning.Lock()
	defer d.scanning.Unlock()
	started, began := time.Now(), d.now()
	if err := d.loadLocked(ctx); err != nil {
		d.metrics.failures.WithLabelValues("state").Inc()
		d.log.Warn("cannot read what is known of services: they are met anew", "err", err)
	}
	var infos map[string]container.Info
	for range 2 {
		d.scans++
		if err := d.processes.scan(d.scans, d.catalogue); err != nil {
			d.metrics.failures.WithLabelValues("processes").Inc()
			return fmt.Errorf("cannot list the processes: %w", err)
		}
		infos = d.containersLocked(began)
		d.namespaces.scan(d.scans, d.processes)
		if !d.namespaces.missed(d.scans) {
			break // else a service just started its workers while it was looked at: they are there the second time
		}
	}
	list := instances(d.processes, d.namespaces)
	seen := d.sightingsLocked(list, infos)
	changed := d.life.update(began.Round(0), seen)
	d.tellLocked(ctx, changed)
	d.publishLocked(began)
	if changed || !d.told {
		d.told = true
		d.saveLocked(ctx)
		if d.opts.OnChange != nil {
			d.opts.OnChange(d.Services())
		}
	}
	d.metrics.duration.Observe(time.Since(started).Seconds())
	return nil
}

// containersLocked finds out who the containers are, and takes those in that ask for it by a label.
func (d *Discovery) containersLocked(now time.Time) map[string]container.Info {
	ids := map[string]string{}
	known := map[string]bool{}
	for _, p := range d.processes.all {
		if p.container == "" {
			continue
		}
		ids[p.container] = p.runtime
		known[p.container] = known[p.container] || p.entry != nil && p.entry != application
	}
	if len(ids) == 0 {
		return nil
	}
	infos := d.containers.Look(now, ids)
	if d.opts.IgnoreLabels {
		return infos
	}
	asked := map[string]bool{}
	for id, info := range infos {
		if len(info.Labels) > 0 && !known[id] && info.Container != "POD" {
			set := readLabels(info.Labels)
			asked[id] = set.asksFor()
		}
	}
	for _, p := range d.processes.all {
		switch {
		case p.container == "":
		case asked[p.container] && p.entry == nil:
			p.entry, p.why = application, "a label of its container asks for it"
			p.prog.comm = p.comm
			p.prog.args, _ = d.processes.files.Arguments(p.pid, maxArguments) // the command's name will do
		case !asked[p.container] && p.entry == application:
			p.entry, p.why, p.prog = nil, "", program{}
		}
	}
	return infos
}

// application is the entry of what a label asks for.
var application = &Entry{
	Kind: kindApplication, Title: "Application",
	Check: Check{Kind: "tcp"},
}

// sightingsLocked describes the instances.
func (d *Discovery) sightingsLocked(list []*instance, infos map[string]container.Info) []sighting {
	for _, in := range list {
		if id := in.first().container; id != "" {
			info := infos[id]
			if info.ID == "" {
				info.ID = id
			}
			in.info = &info
		}
	}
	nameInstances(list, d.life)
	if len(list) > 0 {
		d.versions.refresh(d.catalogue)
	}
	var out []sighting
	ids := map[string]bool{}
	for _, c := range d.opts.Custom {
		ids[identify(c.Name, c.Instance)] = true // what is declared is not found too
	}
	for _, in := range list {
		s, ok := d.describe(in)
		if !ok || ids[s.service.ID] {
			continue
		}
		ids[s.service.ID] = true
		out = append(out, s)
	}
	return out
}

// publishLocked shows what is known now.
func (d *Discovery) publishLocked(now time.Time) {
	services := d.life.services()
	for i := range d.opts.Custom {
		services = append(services, d.opts.Custom[i].service(d.catalogue, d.declared(now)))
	}
	slices.SortFunc(services, func(a, b Service) int { return strings.Compare(a.ID, b.ID) })
	strange, warnings := d.strangersLocked(), d.warningsLocked()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.services, d.strange, d.warnings = services, strange, warnings
}

// declared is since when declared services are known.
func (d *Discovery) declared(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.services {
		if s.Source == "config" {
			return s.Since
		}
	}
	return now
}

// maxStrangers bounds what is told of sockets of nobody we know.
const maxStrangers = 200

// strangersLocked lists what listens on TCP in this machine's own network and is no service.
func (d *Discovery) strangersLocked() []Stranger {
	x := d.namespaces.all[d.processes.own]
	if x == nil {
		return nil
	}
	var out []Stranger
	for _, inode := range slices.Sorted(maps.Keys(x.sockets)) {
		s := x.sockets[inode]
		if s.network != networkTCP || len(out) >= maxStrangers {
			continue
		}
		st := Stranger{Address: s.addr.String()}
		known := x.guessed[inode]
		for _, pid := range x.owners[inode] {
			p := d.processes.all[pid]
			if p == nil {
				continue
			}
			known = known || p.entry != nil
			if st.PID == 0 || st.PID == 1 {
				st.PID, st.Program = pid, clean(p.comm)
			}
		}
		if !known {
			out = append(out, st)
		}
	}
	return out
}

func (d *Discovery) warningsLocked() []string {
	var out []string
	say := func(n int, one, many, rest string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s ", n, map[bool]string{true: one, false: many}[n == 1])+rest)
		}
	}
	blind := 0
	for _, p := range d.processes.all {
		if p.blind {
			blind++
		}
	}
	say(d.processes.skipped, "process was", "processes were", "not looked at: there are more than max_processes.")
	say(max(d.processes.hidden, blind), "process keeps", "processes keep", "to themselves on what they listen: run hulotte as root, or with the capability CAP_SYS_PTRACE.")
	say(d.life.dropped, "service was", "services were", "left out: there are more than max_services.")
	for _, x := range d.namespaces.all {
		if x.cut {
			out = append(out, fmt.Sprintf("In network namespace %d there are more sockets than are looked at.", x.id))
		}
	}
	slices.Sort(out)
	return out
}

// tellLocked adds what systemd says to the services that are just gone.
func (d *Discovery) tellLocked(ctx context.Context, changed bool) {
	if !changed || d.opts.UnitState == nil {
		return
	}
	for _, r := range d.life.records {
		s := &r.Service
		if s.State != Gone || s.Unit == "" || r.told {
			continue
		}
		r.told = true
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		state, err := d.opts.UnitState(ctx, s.Unit)
		cancel()
		if err == nil && state != "" {
			s.Why = append(slices.Clone(s.Why), fmt.Sprintf("systemd says that %s is %s.", s.Unit, clean(state)))
		}
	}
}

// loadLocked takes what was kept, once.
func (d *Discovery) loadLocked(ctx context.Context) error {
	if d.loaded || d.opts.State == nil {
		return nil
	}
	text, err := d.opts.State.Load(ctx)
	if err != nil {
		return err // the next scan tries again; until then nothing is saved over it
	}
	d.loaded = true
	return d.life.decode(text)
}

func (d *Discovery) saveLocked(ctx context.Context) {
	if d.opts.State == nil || !d.loaded {
		return
	}
	text, err := d.life.encode()
	if err == nil && !bytes.Equal(text, d.saved) {
		if err = d.opts.State.Save(ctx, text); err == nil {
			d.saved = text
		}
	}
	if err != nil {
		d.metrics.failures.WithLabelValues("state").Inc()
		d.log.Warn("cannot keep what is known of services: a restart would forget it", "err", err)
	}
}

// Forget drops a service that is gone or inactive; false when there is no such service, or when it runs.
func (d *Discovery) Forget(ctx context.Context, id string) bool {
	d.scanning.Lock()
	defer d.scanning.Unlock()
	if !d.life.forget(id) {
		return false
	}
	d.publishLocked(d.now())
	d.saveLocked(ctx)
	if d.opts.OnChange != nil {
		d.opts.OnChange(d.Services())
	}
	return true
}
