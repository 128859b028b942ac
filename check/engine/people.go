package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// maxOutput and maxLong bound what is kept of a result in memory, whoever sent it.
const (
	maxOutput = 8 << 10
	maxLong   = 64 << 10
	maxPerf   = 1000
)

// Submit takes a result that came from outside, for a check of any kind. Its Start may be zero, which is now.
func (e *Engine) Submit(ctx context.Context, host, name string, r model.CheckResult) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Status < model.OK || r.Status > model.Unknown {
		return invalid(fmt.Errorf("the status %s is no answer: use OK, WARNING, CRITICAL or UNKNOWN", r.Status))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.checks[host+"/"+name]
	if c == nil {
		return noCheck(host + "/" + name)
	}
	if r.Start.IsZero() {
		r.Start = time.Now()
	}
	bound(&r)
	e.take(c, r, check.Passively)
	return nil
}

// bound cuts what is too long.
func bound(r *model.CheckResult) {
	if i := strings.IndexAny(r.Output, "\r\n"); i >= 0 {
		r.Output = r.Output[:i]
	}
	r.Output, r.Long = cut(r.Output, maxOutput), cut(r.Long, maxLong)
	if len(r.Perf) > maxPerf {
		r.Perf = r.Perf[:maxPerf]
	}
}

// cut shortens a text to at most n bytes and makes it valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// each calls f for the checks named, and joins the errors. e.mu is held.
func (e *Engine) each(ids []string, f func(*entry) error) error {
	var errs []error
	for _, id := range ids {
		c := e.checks[id]
		if c == nil {
			errs = append(errs, noCheck(id))
			continue
		}
		if err := f(c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// Recheck asks checks as soon as possible, before all others. The errors name those that are never asked; the others are asked.
func (e *Engine) Recheck(ids []string, by string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.each(ids, func(c *entry) error {
		if c.prober == nil {
			return invalid(errors.New("the check is passive: its results come from outside"))
		}
		e.log.Debug("a check is asked at once", "check", c.id, "by", by)
		e.ask(c, check.ByRecheck)
		return nil
	})
}

// Acknowledge says that problems are known. The errors name those that are none; the others are acknowledged, durably when it returns.
func (e *Engine) Acknowledge(ctx context.Context, ids []string, a check.Ack) error {
	if len(a.Comment)+len(a.By) > maxComment {
		return invalid(fmt.Errorf("comment: it has %d bytes, at most %d are kept", len(a.Comment), maxComment))
	}
	return e.person(ctx, ids, func(m *state.Machine, now time.Time) ([]check.Change, error) { return m.Acknowledge(now, a) })
}

// Unacknowledge takes that back.
func (e *Engine) Unacknowledge(ctx context.Context, ids []string, by, comment string) error {
	return e.person(ctx, ids, func(m *state.Machine, now time.Time) ([]check.Change, error) {
		return m.Unacknowledge(now, by, comment)
	})
}

// person takes a person's decision about checks, and returns when it is kept. What could not be kept is taken back.
func (e *Engine) person(ctx context.Context, ids []string, f func(*state.Machine, time.Time) ([]check.Change, error)) error {
	e.people.Lock()
	defer e.people.Unlock()
	if err := e.keep.ready(); err != nil {
		return err
	}
	type decided struct {
		c       *entry
		before  *check.Ack
		decided time.Time // before
		changes []check.Change
	}
	var all []decided
	e.mu.Lock()
	now := time.Now()
	bad := e.each(ids, func(c *entry) error {
		st := c.machine.State()
		changes, err := f(c.machine, now)
		if err == nil {
			e.note(c, changes)
			all = append(all, decided{c, st.Ack, c.decided, changes})
			c.decided, c.ahead = latest(now, c.decided.Add(1)), nil
			e.show(c)
		}
		return err
	})
	e.mu.Unlock()
	shards := map[int]bool{}
	for _, d := range all {
		shards[shardOf(d.c.hash)] = true
	}
	err := e.keep.save(ctx, shards)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range all {
		if err == nil {
			e.publish(d.c, d.changes)
			e.planWake(d.c, now)
			continue
		}
		st := d.c.machine.State()
		st.Ack, d.c.decided = d.before, d.decided
		d.c.machine = state.Restore(d.c.machine.Settings(), st)
		e.told(d.changes)
		e.show(d.c)
	}
	if err != nil {
		err = fmt.Errorf("cannot keep it, so nothing was changed: %w", err)
	}
	return errors.Join(bad, err)
}

// Comment writes a line into the history of a check.
func (e *Engine) Comment(ctx context.Context, id, by, text string) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.TrimSpace(text) == "":
		return invalid(errors.New("comment: it is empty"))
	case len(text) > maxComment:
		return invalid(fmt.Errorf("comment: it has %d bytes, at most %d are kept", len(text), maxComment))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.each([]string{id}, func(c *entry) error {
		st := c.machine.State()
		ch := check.Change{
			At: time.Now(), Type: check.CommentAdded, From: st.Status, To: st.Status, Hard: st.Hard, Attempt: st.Attempt, By: by, Comment: text,
		}
		e.record(c, ch)
		return nil
	})
}
