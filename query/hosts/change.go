package hosts

import (
	"context"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// changeWindow is how far back "what changed" goes.
const changeWindow = time.Hour

// Change is something that happened in the last hour.
type Change struct {
	At       int64    `json:"at"` // seconds since the epoch
	Kind     string   `json:"kind"`
	Severity Severity `json:"status"` // how it is now, ok for what is merely new
	Instance string   `json:"instance"`
	Subject  string   `json:"subject"`
	Text     string   `json:"text"`
	Link     string   `json:"link"` // the tab of the host's page, or "targets"
}

// changes collects what happened, newest first.
type changes struct {
	r    *reading
	list Table[Change]
}

func (c *changes) add(at time.Time, kind string, s Severity, instance, subject, link, format string, args ...any) {
	if at.Before(c.r.at.Add(-changeWindow)) || at.After(c.r.at.Add(time.Minute)) {
		return
	}
	c.list = append(c.list, Change{
		At: at.Unix(), Kind: kind, Severity: s, Instance: instance, Subject: subject, Link: link, Text: fmt.Sprintf(format, args...),
	})
}

// findChanges looks for what happened in the last hour; gone are the hosts that stopped to report, fill is the
// course of the file systems that are or were nearly full.
func findChanges(ctx context.Context, r *reading, gone []*Host, fill promql.Matrix) (Table[Change], error) {
	c := &changes{r: r}
	c.reboots()
	for _, h := range gone {
		c.add(h.lastSeen, "host-gone", Unknown, h.Instance, "", "overview", "%s stopped reporting", h.Name)
	}
	c.crossings(fill)
	before, err := c.hostsBefore(ctx)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context, map[string]bool) error{
		c.appeared, c.kernels, c.systems, c.mounts, c.units, c.targets, c.oomKills,
	} {
		if err := step(ctx, before); err != nil {
			return nil, err
		}
	}
	sort.SliceStable(c.list, func(i, j int) bool {
		if c.list[i].At != c.list[j].At {
			return c.list[i].At > c.list[j].At
		}
		return c.list[i].Instance+c.list[i].Text < c.list[j].Instance+c.list[j].Text
	})
	return c.list, nil
}

func (c *changes) reboots() {
	for _, h := range c.r.hosts {
		if h.Booted.Known() {
			c.add(h.boot, "reboot", OK, h.Instance, "", "overview", "%s booted", h.Name)
		}
	}
}

// hostsBefore returns the instances that reported at the start of the window: only for them can something be
// said to be new.
func (c *changes) hostsBefore(ctx context.Context) (map[string]bool, error) {
	names := append([]string{"node_uname_info"}, witnesses...)
	expr := fmt.Sprintf("group by (instance) (last_over_time(%s[15m] offset %s))", c.r.scope.any(names), promDuration(changeWindow))
	v, err := c.r.src.vector(ctx, expr, c.r.at)
	if err != nil {
		return nil, err
	}
	before := map[string]bool{}
	for _, s := range v {
		before[s.Metric.Get(instanceLabel)] = true
	}
	return before, nil
}

func (c *changes) appeared(ctx context.Context, before map[string]bool) error {
	fresh := map[string]bool{}
	for instance := range c.r.hosts {
		if !before[instance] {
			fresh[instance] = true
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	at := map[string]time.Time{}
	for _, name := range append([]string{"node_uname_info"}, witnesses...) {
		first, err := c.seen(ctx, "min", someHosts(keys(fresh)).of(name))
		if err != nil {
			return err
		}
		for _, s := range first {
			instance, t := s.Metric.Get(instanceLabel), sampleTime(s)
			if old, ok := at[instance]; !ok || t.Before(old) {
				at[instance] = t
			}
		}
	}
	for instance, t := range at {
		c.add(t, "host-new", OK, instance, "", "overview", "%s started reporting", c.r.hosts[instance].Name)
	}
	return nil
}

// seen returns when the series of one metric were first ("min") or last ("max") seen within the window.
func (c *changes) seen(ctx context.Context, which, selector string) (promql.Vector, error) {
	return c.r.src.vector(ctx, fmt.Sprintf("%s_over_time(timestamp(%s)[%s:10s])", which, selector, promDuration(changeWindow)), c.r.at)
}

func sampleTime(s promql.Sample) time.Time { return time.UnixMilli(int64(s.F * 1000)) }

// infoChange compares an info metric with what it was an hour ago, by one of its labels.
func (c *changes) infoChange(ctx context.Context, metric, label string, f func(h *Host, old, now labels.Labels)) error {
	past, err := c.r.src.vector(ctx, c.r.scope.of(metric)+" offset "+promDuration(changeWindow), c.r.at)
	if err != nil || len(past) == 0 {
		return err
	}
	was := map[string]labels.Labels{}
	for _, s := range past {
		if c.r.host(s.Metric) != nil {
			was[s.Metric.Get(instanceLabel)] = s.Metric
		}
	}
	now, err := c.r.src.vector(ctx, c.r.scope.of(metric), c.r.at)
	if err != nil {
		return err
	}
	c.r.each(now, func(h *Host, l labels.Labels, _ Num) {
		if old, ok := was[h.Instance]; ok && old.Get(label) != l.Get(label) {
			f(h, old, l)
		}
	})
	return nil
}

func (c *changes) kernels(ctx context.Context, _ map[string]bool) error {
	return c.infoChange(ctx, "node_uname_info", "release", func(h *Host, old, now labels.Labels) {
		c.add(h.boot, "kernel", OK, h.Instance, now.Get("release"), "facts", "kernel %s, was %s", now.Get("release"), old.Get("release"))
	})
}

func (c *changes) systems(ctx context.Context, _ map[string]bool) error {
	changed := map[string][2]string{}
	err := c.infoChange(ctx, "node_os_info", "pretty_name", func(h *Host, old, now labels.Labels) {
		changed[h.Instance] = [2]string{now.Get("pretty_name"), old.Get("pretty_name")}
	})
	for instance, name := range changed {
		first, err := c.seen(ctx, "min", oneHost(instance).of("node_os_info", "pretty_name="+quote(name[0])))
		if err != nil {
			return err
		}
		for _, s := range first {
			c.add(sampleTime(s), "os", OK, instance, name[0], "facts", "%s, was %s", name[0], name[1])
		}
	}
	return err
}

// passingTypes are file systems that come and go with sessions and containers.
var passingTypes = map[string]bool{"tmpfs": true, "overlay": true, "fuse.gvfsd-fuse": true, "fuse.snapfuse": true, "nsfs": true}

func (c *changes) mounts(ctx context.Context, before map[string]bool) error {
	selector := c.r.scope.of("node_filesystem_size_bytes")
	was, err := c.r.src.vector(ctx, selector+" offset "+promDuration(changeWindow), c.r.at)
	if err != nil || len(was) == 0 {
		return err
	}
	now, err := c.r.src.vector(ctx, selector, c.r.at)
	if err != nil {
		return err
	}
	came, went := c.difference(now, was, before), c.difference(was, now, before)
	if err := c.mountTimes(ctx, "min", came, "mounted", OK); err != nil {
		return err
	}
	return c.mountTimes(ctx, "max", went, "unmounted", Warning)
}

// difference returns the mounts of a that are not in b, by instance and mount point.
func (c *changes) difference(a, b promql.Vector, before map[string]bool) map[string]map[string]bool {
	key := func(s promql.Sample) [2]string {
		return [2]string{s.Metric.Get(instanceLabel), s.Metric.Get("mountpoint")}
	}
	have := map[[2]string]bool{}
	for _, s := range b {
		have[key(s)] = true
	}
	out := map[string]map[string]bool{}
	for _, s := range a {
		k, fsType := key(s), s.Metric.Get("fstype")
		if have[k] || !before[k[0]] || c.r.host(s.Metric) == nil || pseudoTypes[fsType] || passingTypes[fsType] {
			continue
		}
		if out[k[0]] == nil {
			out[k[0]] = map[string]bool{}
		}
		out[k[0]][k[1]] = true
	}
	return out
}

func (c *changes) mountTimes(ctx context.Context, which string, byHost map[string]map[string]bool, kind string, sev Severity) error {
	for instance, mounts := range byHost {
		selector := oneHost(instance).of("node_filesystem_size_bytes", "mountpoint=~"+quote(union(keys(mounts))))
		v, err := c.seen(ctx, which, selector)
		if err != nil {
			return err
		}
		done := map[string]bool{}
		for _, s := range v {
			mount := s.Metric.Get("mountpoint")
			if !done[mount] {
				done[mount] = true
				c.add(sampleTime(s), kind, sev, instance, mount, "mounts", "%s %s", mount, kind)
			}
		}
	}
	return nil
}

// crossings reports the last time at which a file system passed a mark of the table, up or down.
func (c *changes) crossings(fill promql.Matrix) {
	rule := ruleTable()[ruleDiskUsed]
	for _, s := range fill {
		h := c.r.host(s.Metric)
		if h == nil || pseudoTypes[s.Metric.Get("fstype")] || s.Metric.Get("mountpoint") != h.mainMount(s.Metric.Get("mountpoint")) {
			continue
		}
		at, from, to := lastCrossing(rule, s.Floats)
		if from == to {
			continue
		}
		mark, word := rule.Warn, "above"
		if to == Critical || from == Critical {
			mark = rule.Crit
		}
		if to.rank() < from.rank() {
			word = "below"
		}
		mount := s.Metric.Get("mountpoint")
		c.add(at, "disk", to, h.Instance, mount, "mounts", "%s went %s %.0f %%", mount, word, mark)
	}
}

// mainMount returns the mount point under which a disk is listed.
func (h *Host) mainMount(path string) string {
	for _, d := range h.disks {
		for _, also := range d.Also {
			if also == path {
				return d.Mount
			}
		}
	}
	return path
}

func lastCrossing(rule Rule, values []promql.FPoint) (at time.Time, from, to Severity) {
	for i := 1; i < len(values); i++ {
		a, b := rule.grade(Num(values[i-1].F)), rule.grade(Num(values[i].F))
		if a != b {
			at, from, to = time.UnixMilli(values[i].T), a, b
		}
	}
	return at, from, to
}

func (c *changes) units(ctx context.Context, _ map[string]bool) error {
	window := "[" + promDuration(changeWindow) + "]"
	hosts, err := c.changed(ctx, c.r.scope.of("node_systemd_units", `state="failed"`)+window)
	if err != nil || len(hosts) == 0 {
		return err
	}
	selector := someHosts(hosts).of("node_systemd_unit_state", `state="failed"`) + window
	m, err := c.r.src.samples(ctx, selector, c.r.at)
	if err != nil {
		return err
	}
	for _, s := range m {
		h := c.r.host(s.Metric)
		at, value, ok := lastStep(s)
		if h == nil || !ok {
			continue
		}
		if name := s.Metric.Get("name"); value == 1 {
			c.add(at, "unit", Warning, h.Instance, name, "units", "unit %s failed", name)
		} else {
			c.add(at, "unit", OK, h.Instance, name, "units", "unit %s recovered", name)
		}
	}
	return nil
}

// changed returns the instances of which a gauge had more than one value in the range.
func (c *changes) changed(ctx context.Context, selector string) ([]string, error) {
	v, err := c.r.src.vector(ctx, "changes("+selector+") > 0", c.r.at)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, s := range v {
		set[s.Metric.Get(instanceLabel)] = true
	}
	return keys(set), nil
}

// lastStep returns when a gauge last took another value, and which.
func lastStep(s promql.Series) (at time.Time, value float64, ok bool) {
	for i := len(s.Floats) - 1; i > 0; i-- {
		if s.Floats[i].F != s.Floats[i-1].F {
			return time.UnixMilli(s.Floats[i].T), s.Floats[i].F, true
		}
	}
	return time.Time{}, 0, false
}

func (c *changes) targets(ctx context.Context, _ map[string]bool) error {
	window := "[" + promDuration(changeWindow) + "]"
	flapped, err := c.changed(ctx, c.r.scope.of("up")+window)
	if err != nil || len(flapped) == 0 {
		return err
	}
	m, err := c.r.src.samples(ctx, someHosts(flapped).of("up")+window, c.r.at)
	if err != nil {
		return err
	}
	for _, s := range m {
		at, value, ok := lastStep(s)
		if !ok {
			continue
		}
		word, sev := "down", Critical
		if value == 1 {
			word, sev = "up again", OK
		}
		job, instance := s.Metric.Get(jobLabel), s.Metric.Get(instanceLabel)
		c.add(at, "target", sev, instance, job, "targets", "target %s of job %s is %s", instance, job, word)
	}
	return nil
}

func (c *changes) oomKills(ctx context.Context, _ map[string]bool) error {
	window := "[" + promDuration(changeWindow) + "]"
	hosts, err := c.changed(ctx, c.r.scope.of("node_vmstat_oom_kill")+window)
	if err != nil || len(hosts) == 0 {
		return err
	}
	m, err := c.r.src.samples(ctx, someHosts(hosts).of("node_vmstat_oom_kill")+window, c.r.at)
	if err != nil {
		return err
	}
	for _, s := range m {
		h := c.r.host(s.Metric)
		n := increase(s)
		at, _, ok := lastStep(s)
		if h != nil && ok && n > 0 {
			c.add(at, "oom", Warning, h.Instance, "", "processes", "%s killed for lack of memory", count(Num(n), "process", "processes"))
		}
	}
	return nil
}

// increase is by how much a counter grew between its samples: exact, without extrapolation, because kills are
// counted, not estimated. After a reset what it shows is new.
func increase(s promql.Series) float64 {
	sum := 0.0
	for i := 1; i < len(s.Floats); i++ {
		d := s.Floats[i].F - s.Floats[i-1].F
		if d < 0 {
			d = s.Floats[i].F
		}
		sum += d
	}
	return math.Max(0, sum)
}

// notPseudo is a matcher that leaves out the file systems that never count.
func notPseudo() string {
	return "fstype!~" + quote(strings.Join(keys(pseudoTypes), "|"))
}
