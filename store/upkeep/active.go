package upkeep

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Active is a run that goes on.
type Active struct {
	keeper *Keeper // nil when nobody remembers it
	tell   func(Event)
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu   sync.Mutex
	run  Run       // guarded by mu
	told time.Time // the last progress; guarded by mu
}

// Unkept begins a run that nobody remembers: that of a command.
func Unkept(ctx context.Context, kind RunKind, tell func(Event)) *Active {
	a := newActive(ctx, Run{Kind: kind, Started: time.Now().UTC(), State: Running}, tell)
	a.send(Event{Type: Began, Run: new(a.run)})
	return a
}

func newActive(ctx context.Context, r Run, tell func(Event)) *Active {
	if tell == nil {
		tell = func(Event) {}
	}
	a := &Active{tell: tell, run: r}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// Context ends with that of the caller, or when the process stops.
func (a *Active) Context() context.Context { return a.ctx }

// ID names the run.
func (a *Active) ID() string { return a.run.ID }

// At says where the run is. It tells of it now and then.
func (a *Active) At(phase, name string, c Counts) {
	a.mu.Lock()
	changed := phase != a.run.Phase
	a.run.Phase, a.run.Name, a.run.Counts = phase, name, c
	now := time.Now()
	due := changed || now.Sub(a.told) >= progressEvery
	if due {
		a.told = now
	}
	r := a.run
	a.mu.Unlock()
	if due {
		r.Findings = nil
		a.send(Event{Type: Progress, Run: &r})
	}
}

// Found notes something that is wrong.
func (a *Active) Found(f medium.Finding) {
	for _, s := range []*string{&f.Area, &f.Name, &f.Where, &f.Problem, &f.Effect} {
		*s = cut(*s, keptText)
	}
	a.mu.Lock()
	a.run.FindingsTotal++
	if len(a.run.Findings) < keptFindings {
		a.run.Findings = append(a.run.Findings, f)
	}
	a.mu.Unlock()
	a.send(Event{Type: Found, Finding: &f})
}

// foundMore notes that so many more things are wrong.
func (a *Active) foundMore(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.run.FindingsTotal += max(0, n)
}

// cut shortens a text that may come from a damaged disk, and makes it UTF-8.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// End closes the run: err is why it did not come to its end, nil when it did. It returns the run as it went.
func (a *Active) End(err error) Run {
	now := time.Now().UTC()
	a.mu.Lock()
	r := &a.run
	r.Ended, r.Phase, r.Name = &now, "", ""
	switch {
	case err != nil && a.ctx.Err() != nil:
		r.State, r.Error = Stopped, why(a.ctx)
	case err != nil:
		r.State, r.Error = Failed, cut(err.Error(), 10*keptText)
	case r.FindingsTotal > 0:
		r.State = Damaged
	default:
		r.State = Sound
	}
	out := a.run
	a.mu.Unlock()
	a.cancel(nil)
	if a.keeper != nil {
		a.keeper.ended(out)
	}
	a.send(Event{Type: Done, Run: &out})
	return out
}

// why says what ended ctx.
func why(ctx context.Context) string {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return "whoever asked for it has left"
	}
	return cause.Error()
}

func (a *Active) snapshot() Run {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.run
}

func (a *Active) send(e Event) { a.tell(e) }
