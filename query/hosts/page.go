package hosts

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Page is all of one host.
type Page struct {
	At         int64            `json:"at"` // milliseconds since the epoch
	Host       Host             `json:"host"`
	Disks      Table[Disk]      `json:"disks"`
	Interfaces Table[Interface] `json:"interfaces"`
	Devices    Table[Device]    `json:"devices"`
	Units      Table[Unit]      `json:"units"`
	Groups     Table[Group]     `json:"groups"`
	Containers Table[Container] `json:"containers"`
	Facts      []Fact           `json:"facts"`
	Changes    Table[Change]    `json:"changes"`
}

// Unit is a systemd unit.
type Unit struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	State string `json:"state"` // active, activating, deactivating, inactive or failed
}

// Group is processes that run the same program.
type Group struct {
	Name    string `json:"name"`
	Procs   Num    `json:"procs"`
	Threads Num    `json:"threads"`
	CPU     Num    `json:"cpu"` // percent of one CPU
	Memory  Num    `json:"memory"`
	Read    Num    `json:"read"` // bytes per second
	Write   Num    `json:"write"`
	Files   Num    `json:"files"` // open file descriptors
}

// Container is one container.
type Container struct {
	Name      string `json:"name"`
	Image     string `json:"image"`
	ID        string `json:"id"`
	CPU       Num    `json:"cpu"`       // percent of one CPU
	Throttled Num    `json:"throttled"` // percent of its periods
	Memory    Num    `json:"memory"`
	MemoryMax Num    `json:"memory_max"` // its limit, null without one
	Rx        Num    `json:"rx"`
	Tx        Num    `json:"tx"`
	Started   Num    `json:"started"` // seconds since the epoch
}

// Fact is a line about the machine.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Host reads one host of the context's tenant; ErrNotFound when no such instance has reported lately.
func (hs *Hosts) Host(ctx context.Context, instance string) (*Page, error) {
	page := &Page{}
	live, gone, err := hs.read(ctx, oneHost(instance), page.stages()...)
	if err != nil {
		return nil, err
	}
	avail := oneHost(instance).of("node_filesystem_avail_bytes", notPseudo())
	to := live.at.Truncate(forecastStep)
	history, err := hs.src.Range(ctx, avail, to.Add(-(forecastPoints-1)*forecastStep), to, forecastStep)
	if err != nil {
		return nil, err
	}
	live.forecast(history)
	rules := ruleTable()
	live.judgeAll(rules)
	gone.judgeAll(rules)
	h := live.hosts[instance]
	if h == nil {
		h = gone.hosts[instance]
	}
	if h == nil {
		return nil, fmt.Errorf("%w: %q has not reported in the last %s", ErrNotFound, instance, words(hs.opts.KeepStale))
	}
	to = live.at.Truncate(sparkStep)
	fill, err := hs.src.Range(ctx, fillQuery(oneHost(instance)), to.Add(-(sparkPoints-1)*sparkStep), to, sparkStep)
	if err != nil {
		return nil, err
	}
	if page.Changes, err = findChanges(ctx, live, gone.sorted(), fill); err != nil {
		return nil, err
	}
	page.take(h, live)
	return page, nil
}

// take moves a host into the page.
func (p *Page) take(h *Host, r *reading) {
	p.At, p.Host, p.Disks, p.Interfaces, p.Devices = r.at.UnixMilli(), *h, h.disks, h.nets, h.devs
	sort.Slice(p.Units, func(i, j int) bool {
		a, b := p.Units[i], p.Units[j]
		if (a.State == "failed") != (b.State == "failed") {
			return a.State == "failed"
		}
		return a.Name < b.Name
	})
	sort.Slice(p.Groups, func(i, j int) bool {
		return busier(p.Groups[i].CPU, p.Groups[j].CPU, p.Groups[i].Name, p.Groups[j].Name)
	})
	sort.Slice(p.Containers, func(i, j int) bool {
		return busier(p.Containers[i].CPU, p.Containers[j].CPU, p.Containers[i].Name, p.Containers[j].Name)
	})
	p.Facts = append(machineFacts(h), p.Facts...)
}

func busier(a, b Num, nameA, nameB string) bool {
	known := func(n Num) Num {
		if n.Known() {
			return n
		}
		return -1
	}
	if known(a) != known(b) {
		return known(a) > known(b)
	}
	return nameA < nameB
}

// stages are what the page reads beyond a row. Each writes a field of its own.
func (p *Page) stages() []stage {
	return []stage{p.readUnits, p.readGroups, p.readContainers, p.readFacts}
}

func (p *Page) readUnits(ctx context.Context, r *reading) error {
	v, err := r.src.vector(ctx, r.scope.of("node_systemd_unit_state")+" == 1", r.at)
	if err != nil {
		return err
	}
	r.each(v, func(_ *Host, l labels.Labels, _ Num) {
		name := l.Get("name")
		kind := l.Get("type")
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			kind = name[dot+1:] // the label "type" is the service's start-up type
		}
		p.Units = append(p.Units, Unit{Name: name, Type: kind, State: l.Get("state")})
	})
	return nil
}

// perName evaluates an expression and calls f with the row of each sample's label.
func perName[T any](ctx context.Context, r *reading, expr, label string, rows map[string]*T, fresh func(l labels.Labels) *T, f func(row *T, v Num)) error {
	v, err := r.src.vector(ctx, expr, r.at)
	if err != nil {
		return err
	}
	for _, s := range v {
		name := s.Metric.Get(label)
		if rows[name] == nil {
			rows[name] = fresh(s.Metric)
		}
		f(rows[name], Num(s.F))
	}
	return nil
}

func (p *Page) readGroups(ctx context.Context, r *reading) error {
	const prefix = "namedprocess_namegroup_"
	rows := map[string]*Group{}
	fresh := func(l labels.Labels) *Group {
		return &Group{Name: l.Get("groupname"), Procs: None, Threads: None, CPU: None, Memory: None, Read: None, Write: None, Files: None}
	}
	sum := func(metric string, matchers ...string) string {
		return "sum by (groupname) (" + r.scope.of(prefix+metric, matchers...) + ")"
	}
	rate := func(metric string) string {
		return "sum by (groupname) (irate(" + r.scope.of(prefix+metric) + "[" + rateWindow + "]))"
	}
	for _, q := range []struct {
		expr string
		set  func(g *Group, v Num)
	}{
		{sum("num_procs"), func(g *Group, v Num) { g.Procs = v }},
		{sum("num_threads"), func(g *Group, v Num) { g.Threads = v }},
		{sum("memory_bytes", `memtype="resident"`), func(g *Group, v Num) { g.Memory = v }},
		{sum("open_filedesc"), func(g *Group, v Num) { g.Files = v }},
		{rate("cpu_seconds_total"), func(g *Group, v Num) { g.CPU = 100 * v }},
		{rate("read_bytes_total"), func(g *Group, v Num) { g.Read = v }},
		{rate("write_bytes_total"), func(g *Group, v Num) { g.Write = v }},
	} {
		if err := perName(ctx, r, q.expr, "groupname", rows, fresh, q.set); err != nil {
			return err
		}
	}
	for _, g := range rows {
		if g.Procs > 0 {
			p.Groups = append(p.Groups, *g)
		}
	}
	return nil
}

func (p *Page) readContainers(ctx context.Context, r *reading) error {
	rows := map[string]*Container{}
	fresh := func(l labels.Labels) *Container {
		return &Container{
			Name: l.Get("name"), Image: l.Get("image"), ID: l.Get("id"), CPU: None, Throttled: None, Memory: None, MemoryMax: None,
			Rx: None, Tx: None, Started: None,
		}
	}
	named := func(metric string) string { return r.scope.of(metric, `name!=""`) }
	rate := func(metric string) string { return "irate(" + named(metric) + "[" + rateWindow + "])" }
	by := "by (name) "
	for _, q := range []struct {
		expr string
		set  func(c *Container, v Num)
	}{
		{"max by (name, image, id) (" + named("container_last_seen") + ")", func(*Container, Num) {}},
		{"sum " + by + "(" + rate("container_cpu_usage_seconds_total") + ")", func(c *Container, v Num) { c.CPU = 100 * v }},
		{"max " + by + "(" + named("container_memory_working_set_bytes") + ")", func(c *Container, v Num) { c.Memory = v }},
		{"max " + by + "(" + named("container_spec_memory_limit_bytes") + ") > 0", func(c *Container, v Num) { c.MemoryMax = v }},
		{"sum " + by + "(" + rate("container_network_receive_bytes_total") + ")", func(c *Container, v Num) { c.Rx = v }},
		{"sum " + by + "(" + rate("container_network_transmit_bytes_total") + ")", func(c *Container, v Num) { c.Tx = v }},
		{"max " + by + "(" + named("container_start_time_seconds") + ")", func(c *Container, v Num) { c.Started = v }},
		{"100 * sum " + by + "(" + rate("container_cpu_cfs_throttled_periods_total") + ") / sum " + by + "(" + rate("container_cpu_cfs_periods_total") + ") > 0",
			func(c *Container, v Num) { c.Throttled = v }},
	} {
		if err := perName(ctx, r, q.expr, "name", rows, fresh, q.set); err != nil {
			return err
		}
	}
	for _, c := range rows {
		p.Containers = append(p.Containers, *c)
	}
	return nil
}

// readFacts reads what the info metrics tell about the machine.
func (p *Page) readFacts(ctx context.Context, r *reading) error {
	v, err := r.src.vector(ctx, r.scope.any([]string{"node_dmi_info", "node_cpu_info", "node_time_zone_offset_seconds", "node_selinux_enabled"}), r.at)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	add := func(name, value string) {
		if value != "" && !seen[name] {
			seen[name] = true
			p.Facts = append(p.Facts, Fact{name, value})
		}
	}
	r.each(v, func(_ *Host, l labels.Labels, _ Num) {
		switch l.Get(nameLabel) {
		case "node_cpu_info":
			add("CPU model", l.Get("model_name"))
		case "node_time_zone_offset_seconds":
			add("Time zone", l.Get("time_zone"))
		case "node_dmi_info":
			add("Firmware", joinWords(l.Get("bios_vendor"), l.Get("bios_version")))
			add("Board", joinWords(l.Get("board_vendor"), l.Get("board_name")))
			add("Chassis", l.Get("chassis_vendor"))
		}
	})
	sort.Slice(p.Facts, func(i, j int) bool { return p.Facts[i].Name < p.Facts[j].Name })
	return p.readSilent(ctx, r)
}

// readSilent lists the collectors that gave nothing: mostly hardware that is not there, sometimes a permission.
func (p *Page) readSilent(ctx context.Context, r *reading) error {
	v, err := r.src.vector(ctx, r.scope.of("node_scrape_collector_success")+" == 0", r.at)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	r.each(v, func(_ *Host, l labels.Labels, _ Num) { names[l.Get("collector")] = true })
	if len(names) > 0 {
		p.Facts = append(p.Facts, Fact{"Collectors without data", strings.Join(keys(names), ", ")})
	}
	return nil
}

// machineFacts are the facts that a row knows already.
func machineFacts(h *Host) []Fact {
	facts := []Fact{
		{"Instance", h.Instance}, {"Job", h.Job}, {"Operating system", h.OS}, {"Kernel", h.Kernel}, {"Architecture", h.Arch}, {"Hardware", h.Machine},
	}
	for _, name := range keys(h.Labels) {
		facts = append(facts, Fact{name, h.Labels[name]})
	}
	kept := facts[:0]
	for _, f := range facts {
		if f.Value != "" {
			kept = append(kept, f)
		}
	}
	return kept
}
