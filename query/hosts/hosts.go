// Package hosts answers what the pages about machines ask: which hosts report, how they are, what is wrong with
// them in words, what changed in the last hour. It reads the node_* series that the host collector and
// node_exporter write, whoever sent them, through PromQL; it keeps nothing but the courses that it has
// evaluated already.
//
// Unlike things are never averaged: each disk, interface and device is a row of its own, and a host's figure
// is that of its worst or busiest one. What is not known is null, never 0.
package hosts

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/model"
)

const (
	jobLabel      = "job"
	instanceLabel = "instance"
	nameLabel     = "__name__"
)

// kind is an error that says by a method what kind it is, so that the API tells kinds apart without importing us.
type kind struct {
	text              string
	invalid, notFound bool
}

func (k *kind) Error() string  { return k.text }
func (k *kind) Invalid() bool  { return k.invalid }
func (k *kind) NotFound() bool { return k.notFound }

// ErrInvalid says that what was asked for makes no sense.
var ErrInvalid error = &kind{text: "invalid request", invalid: true}

// ErrNotFound says that no such host has reported lately.
var ErrNotFound error = &kind{text: "no such host", notFound: true}

// Options are what may be chosen; the zero value is right.
type Options struct {
	// KeepStale is for how long a host that no longer reports is shown, 1 h when zero.
	KeepStale time.Duration
	// ChangesEvery is how often "what changed" is looked for, 20 s when zero: it is the most costly part.
	ChangesEvery time.Duration
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// maxTenants bounds for how many tenants evaluated courses are kept; they cost some kilobytes a host.
const maxTenants = 64

// Hosts answers the hosts' pages. It is safe for concurrent use; two overviews of one tenant run one after
// the other.
type Hosts struct {
	src  Source
	opts Options

	mu      sync.Mutex // guards tenants; not held during a query
	tenants map[string]*courses
}

// courses is what is kept of a tenant between overviews. turn holds one token: who has it may use the rest.
type courses struct {
	turn   chan struct{}
	sparks map[string]*grid
	young  bool  // no host has reported for longer than ten minutes: the courses are those of that time
	fill   *grid // file systems that are or were nearly full
	avail  *grid // available bytes, for forecasts

	changes   Table[Change]
	changesAt time.Time
}

// New returns Hosts over src.
func New(src Source, opts Options) *Hosts {
	if opts.KeepStale == 0 {
		opts.KeepStale = time.Hour
	}
	if opts.ChangesEvery == 0 {
		opts.ChangesEvery = 20 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Hosts{src: src, opts: opts, tenants: map[string]*courses{}}
}

func (hs *Hosts) courses(tenant string) *courses {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if c := hs.tenants[tenant]; c != nil {
		return c
	}
	if len(hs.tenants) >= maxTenants {
		for other := range hs.tenants {
			delete(hs.tenants, other)
			break
		}
	}
	c := newCourses()
	hs.tenants[tenant] = c
	return c
}

func newCourses() *courses {
	c := &courses{turn: make(chan struct{}, 1), sparks: newSparks(sparkStepYoung), young: true}
	c.fill = &grid{expr: fillQuery(""), step: sparkStep, points: sparkPoints}
	c.avail = &grid{expr: scope("").of("node_filesystem_avail_bytes", notPseudo()), step: forecastStep, points: forecastPoints}
	return c
}

// forecastStep and forecastPoints make six hours.
const (
	forecastStep   = 5 * time.Minute
	forecastPoints = 72
)

// nearlyFull is from where on the course of a file system is followed, below the lowest mark of the table.
const nearlyFull = 80

// fillQuery is how full file systems are in percent, of those that are nearly full.
func fillQuery(s scope) string {
	used := "(" + s.of("node_filesystem_size_bytes", notPseudo()) + " - " + s.of("node_filesystem_free_bytes") + ")"
	return fmt.Sprintf("100 * %s / (%s + %s) > %d", used, used, s.of("node_filesystem_avail_bytes"), nearlyFull)
}

// read gives the hosts of a scope with all that a row shows, gone ones included. More stages may be added, for
// live hosts.
func (hs *Hosts) read(ctx context.Context, s scope, more ...stage) (live, gone *reading, err error) {
	live = &reading{src: hs.src, at: hs.opts.Now(), scope: s, keep: hs.opts.KeepStale, hosts: map[string]*Host{}}
	if err := findLive(ctx, live); err != nil {
		return nil, nil, err
	}
	if gone, err = findGone(ctx, live); err != nil {
		return nil, nil, err
	}
	if err := live.fill(ctx, more...); err != nil {
		return nil, nil, err
	}
	if err := gone.fill(ctx); err != nil {
		return nil, nil, err
	}
	return live, gone, nil
}

// fill runs all stages of a row.
func (r *reading) fill(ctx context.Context, more ...stage) error {
	if len(r.hosts) == 0 {
		return nil
	}
	stages := []stage{
		readMachine, readOS(), readHardware(), readCPUCount, readCPU, readSteal, readOOM, readTemperature,
		readNetwork, readDevices, readFailedUnits, readContainers,
		func(ctx context.Context, r *reading) error {
			if err := readDisks(ctx, r); err != nil {
				return err
			}
			return readTurnedReadOnly(ctx, r)
		},
	}
	stages = append(stages, pressureStages()...)
	stages = append(stages, swapStages()...)
	stages = append(stages, processStages()...)
	stages = append(stages, redundancyStages()...)
	if err := r.run(ctx, append(stages, more...)...); err != nil {
		return err
	}
	for _, h := range r.hosts {
		h.derive(r.at)
	}
	return nil
}

// judgeAll applies the rules to every host.
func (r *reading) judgeAll(rules map[string]Rule) {
	for _, h := range r.hosts {
		h.Stale = r.past || rules[ruleStale].grade(h.Age) != OK
		if h.Stale {
			h.forgetRates()
		}
		h.judge(rules)
	}
}

// forgetRates takes away what a host that does not report cannot have at present.
func (h *Host) forgetRates() {
	for _, n := range []*Num{
		&h.CPUUsed, &h.CPUUser, &h.CPUSystem, &h.CPUIOWait, &h.CPUSteal, &h.PSICPU, &h.PSIMem, &h.PSIIO,
		&h.NetRx, &h.NetTx, &h.DiskUtil, &h.DiskRead, &h.DiskWrit, &h.SwapPages,
	} {
		*n = None
	}
	for i := range h.nets {
		n := &h.nets[i]
		n.Rx, n.Tx, n.Errors, n.Drops = None, None, None, None
	}
	for i := range h.devs {
		d := &h.devs[i]
		d.Util, d.Read, d.Write, d.Reads, d.Writes, d.Await = None, None, None, None, None, None
	}
}

// tenantCourses takes the turn for the context's tenant; the caller gives it back with release.
func (hs *Hosts) tenantCourses(ctx context.Context) (c *courses, release func(), err error) {
	c = hs.courses(model.Tenant(ctx))
	select {
	case c.turn <- struct{}{}:
		return c, func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// advance brings the courses up to at.
func (c *courses) advance(ctx context.Context, src Source, at time.Time) error {
	if err := c.grow(ctx, src, at); err != nil {
		return err
	}
	grids := []*grid{c.fill, c.avail}
	for _, g := range c.sparks {
		grids = append(grids, g)
	}
	r := &reading{src: src}
	stages := make([]stage, len(grids))
	for i, g := range grids {
		stages[i] = func(ctx context.Context, _ *reading) error { return g.update(ctx, src, at) }
	}
	return r.run(ctx, stages...)
}

// grow turns the courses of ten minutes into those of an hour when a host has been there for longer.
func (c *courses) grow(ctx context.Context, src Source, at time.Time) error {
	if !c.young {
		return nil
	}
	expr := fmt.Sprintf("count(last_over_time(%s[45m] offset %s))", scope("").any(witnesses), promDuration(sparkPoints*sparkStepYoung))
	old, err := src.vector(ctx, expr, at)
	if err != nil {
		return err
	}
	if len(old) > 0 {
		c.young, c.sparks = false, newSparks(sparkStep)
	}
	return nil
}

// latestChanges returns what happened, looked for again when what is kept is too old.
func (c *courses) latestChanges(ctx context.Context, r *reading, gone []*Host, every time.Duration, fill promql.Matrix) (Table[Change], error) {
	if c.changes != nil && r.at.Sub(c.changesAt) < every && !r.at.Before(c.changesAt) {
		return c.changes, nil
	}
	list, err := findChanges(ctx, r, gone, fill)
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = Table[Change]{}
	}
	c.changes, c.changesAt = list, r.at
	return list, nil
}
