package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// downtime is one that is kept. Engine.mu guards it; its Downtime is replaced, never changed.
type downtime struct {
	check.Downtime
	version uint64 // of its document
	is      state.Selector
	edge    item // its next begin or end
	unkept  bool // Began changed since the document was written
}

const (
	// maxDowntimes bounds what people and programs can pile up.
	maxDowntimes = 10_000
	// keepOver is for how long a downtime that is over is still listed.
	keepOver = 24 * time.Hour
)

var errTooMany = model.NewError(model.Limit, fmt.Sprintf("there are %d downtimes already, the most that are kept: end some", maxDowntimes))

// AddDowntime adds a downtime, or replaces the one of the same ID, and returns it as it is kept.
func (e *Engine) AddDowntime(ctx context.Context, d check.Downtime) (check.Downtime, error) {
	if d.Created.IsZero() {
		d.Created = time.Now()
	}
	if d.ID == "" {
		d.ID = ulid.Make().String()
	}
	if err := validDowntime(d); err != nil {
		return d, err
	}
	e.people.Lock()
	defer e.people.Unlock()
	e.mu.Lock()
	old := e.downtimes[d.ID]
	full := old == nil && len(e.downtimes) >= maxDowntimes
	var version uint64
	if old != nil {
		version, d.Began = old.version, old.Began
	}
	e.mu.Unlock()
	if full {
		return d, errTooMany
	}
	version, err := e.keep.putDowntime(ctx, d, version)
	if err != nil {
		return d, fmt.Errorf("cannot keep the downtime: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return d, e.useDowntime(d, version)
}

// validDowntime also bounds what is kept of it.
func validDowntime(d check.Downtime) error {
	if err := state.Validate(d); err != nil {
		return withKind{errInvalid, err}
	}
	switch {
	case len(d.ID) > maxName || strings.ContainsFunc(d.ID, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }):
		return invalid(fmt.Errorf("id: use at most %d bytes without spaces and slashes", maxName))
	case len(d.Comment)+len(d.By) > maxComment:
		return invalid(fmt.Errorf("comment: it has %d bytes, at most %d are kept", len(d.Comment), maxComment))
	case len(d.Checks) > maxNamed || len(d.Matchers) > maxNamed:
		return invalid(fmt.Errorf("checks and matchers: at most %d of each; use host/* or a matcher on a label", maxNamed))
	}
	return nil
}

const (
	maxComment = 8 << 10
	maxNamed   = 5000 // checks or matchers of one downtime: its document stays far below the medium's limit
)

// useDowntime puts a downtime into use. e.mu is held.
func (e *Engine) useDowntime(d check.Downtime, version uint64) error {
	is, err := state.Select(d)
	if err != nil {
		return withKind{errInvalid, err}
	}
	if old := e.downtimes[d.ID]; old != nil {
		e.line.drop(&old.edge)
		e.detach(old)
	}
	t := &downtime{Downtime: d, version: version, is: is}
	t.edge.what = func(time.Duration) { e.edge(t) }
	e.downtimes[d.ID] = t
	e.listDowntimes()
	for _, c := range *e.order.Load() {
		if is(c.id, c.view.Load().Labels) {
			c.downtimes = append(c.downtimes, t)
		}
	}
	e.edge(t)
	return nil
}

// detach takes a downtime away from its checks, which are looked at soon.
func (e *Engine) detach(t *downtime) {
	for _, c := range *e.order.Load() {
		if i := slices.Index(c.downtimes, t); i >= 0 {
			c.downtimes = slices.Delete(slices.Clone(c.downtimes), i, i+1)
			e.at(&c.wake, e.now())
		}
	}
}

// listDowntimes renews the list in which triggers are looked up.
func (e *Engine) listDowntimes() {
	e.allDowntimes = make([]check.Downtime, 0, len(e.downtimes))
	for _, id := range slices.Sorted(maps.Keys(e.downtimes)) {
		e.allDowntimes = append(e.allDowntimes, e.downtimes[id].Downtime)
	}
}

// armDowntimes finds those that are meant for a check.
func (e *Engine) armDowntimes(c *entry, labels map[string]string) {
	c.downtimes = nil
	for _, t := range e.downtimes {
		if t.is(c.id, labels) {
			c.downtimes = append(c.downtimes, t)
		}
	}
	slices.SortFunc(c.downtimes, func(a, b *downtime) int { return strings.Compare(a.ID, b.ID) })
}

// edge is called when a downtime begins or ends, and when it is new.
func (e *Engine) edge(t *downtime) {
	if e.downtimes[t.ID] != t {
		return
	}
	for _, c := range *e.order.Load() {
		if slices.Contains(c.downtimes, t) {
			e.at(&c.wake, e.now())
		}
	}
	e.planEdge(t)
}

// planEdge sets when its checks are looked at next because of it; those are on their own where it differs from check to check.
func (e *Engine) planEdge(t *downtime) {
	now := time.Now()
	start, end, ok := state.Next(t.Downtime, now)
	if !ok {
		e.line.drop(&t.edge)
		return
	}
	next := end
	if now.Before(start) {
		next = start
	}
	e.at(&t.edge, e.now()+min(max(next.Sub(now), time.Millisecond), lookEvery))
}

// ends says in how long a downtime may end for one check, when that is not at its End.
func (d *downtime) ends(c *entry, now time.Time) (time.Duration, bool) {
	switch {
	case d.Trigger != "":
		return lookSoon, now.Before(d.End) && !now.Before(d.Start)
	case d.Flexible && !d.Began[c.id].IsZero():
		end := d.Began[c.id].Add(time.Duration(d.Length))
		return end.Sub(now), now.Before(end)
	}
	return 0, false
}

// downtimesOn returns the IDs of those that are on for a check in state st, and lets flexible ones begin.
func (e *Engine) downtimesOn(c *entry, st check.State, now time.Time) []string {
	var on []string
	for _, t := range c.downtimes {
		if state.Begins(t.Downtime, c.id, st, now) {
			e.beginFlexible(t, c, now)
		}
		if state.Open(t.Downtime, e.allDowntimes, c.id, st, now) {
			on = append(on, t.ID)
		}
	}
	if slices.Equal(on, c.on) {
		return c.on // readers have it already
	}
	return on
}

func (e *Engine) beginFlexible(t *downtime, c *entry, now time.Time) {
	began := maps.Clone(t.Began)
	if began == nil {
		began = map[string]time.Time{}
	}
	began[c.id] = now
	t.Began = began
	t.unkept = true
	e.listDowntimes()
	e.keep.noteDowntime()
	for _, other := range e.downtimes { // what it triggers begins too
		if other.Trigger == t.ID {
			e.edge(other)
		}
	}
}

// downtimeWords says who planned the downtimes that are on, and why.
func (e *Engine) downtimeWords(on []string) (by, comment string) {
	for _, id := range on {
		if t := e.downtimes[id]; t != nil {
			return t.By, t.Comment
		}
	}
	return "", ""
}

// EndDowntime ends a downtime now, and forgets it.
func (e *Engine) EndDowntime(ctx context.Context, id, by string) error {
	e.people.Lock()
	defer e.people.Unlock()
	e.mu.Lock()
	t := e.downtimes[id]
	e.mu.Unlock()
	if t == nil {
		return withKind{errNotFound, fmt.Errorf("there is no downtime %q", id)}
	}
	if err := e.keep.deleteDowntime(ctx, id, t.version); err != nil {
		return fmt.Errorf("cannot end the downtime: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropDowntime(t)
	e.actor = by
	defer func() { e.actor = "" }()
	for _, c := range *e.order.Load() {
		if slices.Contains(c.on, id) {
			e.lookAt(c, time.Now())
		}
	}
	return nil
}

func (e *Engine) dropDowntime(t *downtime) {
	if e.downtimes[t.ID] != t {
		return
	}
	delete(e.downtimes, t.ID)
	e.line.drop(&t.edge)
	e.listDowntimes()
	e.detach(t)
}

// Downtimes returns all that are on or to come, and those that ended a moment ago, by their start.
func (e *Engine) Downtimes() []check.Downtime {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(e.allDowntimes)
	slices.SortStableFunc(out, func(a, b check.Downtime) int { return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID)) })
	return out
}

// over says whether a downtime ended so long ago that it can be forgotten.
func over(d check.Downtime, now time.Time) bool {
	_, _, again := state.Next(d, now)
	last := d.End
	for _, b := range d.Began {
		if end := b.Add(time.Duration(d.Length)); end.After(last) {
			last = end
		}
	}
	if d.Every != nil && d.Every.Until.After(last) {
		last = d.Every.Until.Add(d.End.Sub(d.Start) + 24*time.Hour)
	}
	return !again && now.Sub(last) > keepOver
}

// decodeDowntime reads a document.
func decodeDowntime(value []byte) (check.Downtime, error) {
	var d check.Downtime
	if err := json.Unmarshal(value, &d); err != nil {
		return d, err
	}
	return d, validDowntime(d)
}
