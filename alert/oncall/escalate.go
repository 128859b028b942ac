package oncall

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// activeKind is the kind of the documents of what people are told of now.
const activeKind = "oncall-active"

// Active is a group of alerts that somebody was told of, until it is over.
type Active struct {
	ID          string            `json:"id"`
	Team        string            `json:"team,omitempty"`
	Escalation  string            `json:"escalation,omitempty"`
	Receiver    string            `json:"receiver"`
	GroupKey    string            `json:"group_key"`
	GroupLabels map[string]string `json:"group_labels,omitempty"`
	Alerts      []string          `json:"alerts"` // fingerprints
	Step        int               `json:"step"`   // that was done last, from 0; -1 before the first
	Round       int               `json:"round"`  // how often all steps were repeated
	Started     time.Time         `json:"started"`
	NextAt      time.Time         `json:"next_at,omitzero"` // when the next step is due; zero when there is none
	Told        []string          `json:"told"`             // contacts
	Asked       []string          `json:"asked"`            // those of the last step
	AckedBy     string            `json:"acked_by,omitempty"`
	AckedAt     time.Time         `json:"acked_at,omitzero"`
}

// Options are what an Engine is made of.
type Options struct {
	Library   *Library
	Documents func() (medium.Documents, error)
	// Alerts are those that are held and that keep keeps.
	Alerts func(keep func(*alert.Alert) bool) []alert.Alert
	// Again tells of a group once more; whom, Recipients says, which gets id as notify.Ask.Again.
	Again func(ctx context.Context, id string, g notify.Group) error
	// AckURL is where a contact acknowledges a group; nil makes no links.
	AckURL func(id, contact string) string
	// Changed is called, and must not block, when something is different.
	Changed func()
}

// Engine escalates. It is a notify.People.
type Engine struct {
	opts Options
	log  *slog.Logger

	mu     sync.Mutex
	active map[string]versioned // by ID, as last seen; guarded by mu

	steps  *prometheus.CounterVec
	failed prometheus.Counter
}

type versioned struct {
	Active
	version medium.Version
}

const (
	lookEvery = 5 * time.Second
	// reread is how often what other nodes did is looked at.
	reread = 6
	// maxActive bounds the groups of which people were told and which are not over.
	maxActive = 5000
	maxAlerts = 1000 // of one group that are remembered
)

// NewEngine allocates an Engine.
func NewEngine(o Options, log *slog.Logger, reg prometheus.Registerer) *Engine {
	with := promauto.With(reg)
	e := &Engine{
		opts: o, log: log, active: map[string]versioned{},
		steps:  with.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_oncall_steps_total", Help: "Steps of escalations that were done, by number; the first is 0."}, []string{"step"}),
		failed: with.NewCounter(prometheus.CounterOpts{Name: "hulotte_oncall_failures_total", Help: "Steps of escalations that reached nobody."}),
	}
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_oncall_active", Help: "Groups of alerts that somebody was told of, and that are not over."}, func() float64 {
		return float64(len(e.Active()))
	})
	return e
}

// Active are all groups that somebody was told of, the oldest first.
func (e *Engine) Active() []Active {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Active, 0, len(e.active))
	for _, a := range e.active {
		out = append(out, a.Active)
	}
	slices.SortFunc(out, func(a, b Active) int { return a.Started.Compare(b.Started) })
	return out
}

// Find returns one of them.
func (e *Engine) Find(id string) (Active, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a, ok := e.active[id]
	return a.Active, ok
}

func idOf(ask notify.Ask) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s", ask.Receiver, ask.Team, ask.Escalation, ask.GroupKey))
	return hex.EncodeToString(sum[:12])
}

// Recipients are those to tell of a group: at first those of the first step, later all who were told so far.
func (e *Engine) Recipients(ctx context.Context, ask notify.Ask) ([]notify.Recipient, error) {
	id := idOf(ask)
	switch {
	case ask.Again != "" && ask.Again != id:
		return nil, nil
	case ask.Test:
		steps, err := e.stepsOf(ask.Team, ask.Escalation)
		if err != nil {
			return nil, err
		}
		who, err := e.contacts(steps.Steps[0].Tell, ask.At)
		return e.recipients("", who), err
	case ask.Again != "":
		a, ok := e.Find(id)
		if !ok {
			return nil, nil
		}
		return e.recipients(id, a.Asked), nil
	case len(ask.Firing) == 0:
		return e.end(ctx, id)
	}
	a, err := e.begin(ctx, id, ask)
	if err != nil {
		return nil, err
	}
	return e.recipients(id, a.Told), nil
}

// end forgets a group that is over, and returns those who are to hear of that.
func (e *Engine) end(ctx context.Context, id string) ([]notify.Recipient, error) {
	a, ok := e.Find(id)
	if !ok {
		return nil, nil
	}
	return e.recipients("", a.Told), nil
}

// begin starts or continues a group. New alerts in one that was acknowledged start it anew.
func (e *Engine) begin(ctx context.Context, id string, ask notify.Ask) (Active, error) {
	steps, err := e.stepsOf(ask.Team, ask.Escalation)
	if err != nil {
		return Active{}, err
	}
	return e.change(ctx, id, func(a *Active) error {
		known := a.ID != "" && !slices.ContainsFunc(ask.Firing, func(fp string) bool { return !slices.Contains(a.Alerts, fp) })
		firing := ask.Firing[:min(len(ask.Firing), maxAlerts)]
		if a.ID != "" && (known || a.AckedBy == "") {
			a.Alerts = firing
			return nil
		}
		told := a.Told
		*a = Active{
			ID: id, Team: ask.Team, Escalation: ask.Escalation, Receiver: ask.Receiver, GroupKey: ask.GroupKey, GroupLabels: ask.GroupLabels, Alerts: firing,
			Step: -1, Started: ask.At.UTC(), Told: told, Asked: []string{},
		}
		return e.advance(a, steps, ask.At)
	})
}

// advance does the next step of a group: it says who is told, and when the one behind it is due.
func (e *Engine) advance(a *Active, steps Escalation, at time.Time) error {
	next := a.Step + 1
	if next >= len(steps.Steps) {
		next, a.Round = 0, a.Round+1
	}
	who, err := e.contacts(steps.Steps[next].Tell, at)
	a.Step, a.Asked = next, who
	for _, c := range who {
		if !slices.Contains(a.Told, c) {
			a.Told = append(a.Told, c)
		}
	}
	a.NextAt = time.Time{}
	switch {
	case next+1 < len(steps.Steps):
		a.NextAt = at.Add(time.Duration(steps.Steps[next+1].After)).UTC()
	case a.Round < steps.Repeat:
		a.NextAt = at.Add(max(time.Duration(steps.Steps[0].After), time.Minute)).UTC()
	}
	if err != nil && len(who) == 0 && a.NextAt.IsZero() {
		return err // nobody, and nobody later
	}
	if err != nil {
		e.log.Warn("a step of an escalation does not reach all that it names", "escalation", steps.Name, "step", next, "err", err)
	}
	return nil
}

// stepsOf is the escalation of a team, or the one of that name; a team without one tells whoever is on call, or everybody.
func (e *Engine) stepsOf(team, escalation string) (Escalation, error) {
	l := e.opts.Library
	if team != "" {
		t, ok := find[Team](l, Teams, team)
		switch {
		case !ok:
			return Escalation{}, fmt.Errorf("there is no team %q", team)
		case t.Escalation != "":
			escalation = t.Escalation
		case t.Schedule != "":
			return Escalation{Name: team, Steps: []Step{{Tell: []Target{{Schedule: t.Schedule}}}}}, nil
		case len(t.Members) == 0:
			return Escalation{}, fmt.Errorf("the team %q has no members, no schedule and no escalation", team)
		default:
			return Escalation{Name: team, Steps: []Step{{Tell: []Target{{Team: team}}}}}, nil
		}
	}
	x, ok := find[Escalation](l, Escalations, escalation)
	if !ok || len(x.Steps) == 0 {
		return Escalation{}, fmt.Errorf("there is no escalation %q", escalation)
	}
	return x, nil
}

// contacts are the people that targets mean at a time. The error says whom nobody stands for; the others are returned.
func (e *Engine) contacts(targets []Target, at time.Time) ([]string, error) {
	out := []string{}
	var errs []error
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, t := range targets {
		switch {
		case t.Contact != "":
			add(t.Contact)
		case t.Team != "":
			team, _ := find[Team](e.opts.Library, Teams, t.Team)
			for _, m := range team.Members {
				add(m)
			}
		default:
			on, ok, err := e.opts.Library.On(t.Schedule, at)
			switch {
			case err != nil:
				errs = append(errs, err)
			case !ok:
				errs = append(errs, fmt.Errorf("nobody is on call by the schedule %q", t.Schedule))
			default:
				add(on.Contact)
			}
		}
	}
	if len(out) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("nobody is named"))
	}
	return out, errors.Join(errs...)
}

func (e *Engine) recipients(id string, contacts []string) []notify.Recipient {
	var out []notify.Recipient
	for _, name := range contacts {
		c, ok := find[Contact](e.opts.Library, Contacts, name)
		if !ok {
			continue // deleted since
		}
		r := notify.Recipient{Contact: name}
		for _, m := range c.Methods {
			r.Methods = append(r.Methods, notify.Method(m))
		}
		if id != "" && e.opts.AckURL != nil {
			r.AckURL = e.opts.AckURL(id, name)
		}
		out = append(out, r)
	}
	return out
}

// Run does the steps that are due, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for turn := 0; ; turn++ {
		if turn%reread == 0 {
			e.load(ctx)
		}
		e.look(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// load takes what is on the medium, where other nodes may have gone on.
func (e *Engine) load(ctx context.Context) {
	docs, err := e.opts.Documents()
	if err != nil {
		return // the medium is away, and says so itself
	}
	there := map[string]versioned{}
	for doc, err := range docs.List(ctx, activeKind, "") {
		if err != nil {
			e.log.Warn("cannot read who was told", "err", err)
			return
		}
		var a Active
		if err := json.Unmarshal(doc.Value, &a); err != nil || a.ID == "" {
			e.log.Error("a document cannot be read, and is left alone", "kind", activeKind, "key", doc.Key, "err", err)
			continue
		}
		there[a.ID] = versioned{a, doc.Version}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active = there
}

// look ends, acknowledges or continues each group.
func (e *Engine) look(ctx context.Context, now time.Time) {
	held := map[string]alert.Alert{}
	all := e.Active()
	if len(all) == 0 {
		return
	}
	for _, a := range e.opts.Alerts(nil) {
		held[a.Fingerprint] = a
	}
	for _, a := range all {
		if err := e.lookAt(ctx, a, held, now); err != nil && ctx.Err() == nil {
			e.failed.Inc()
			e.log.Error("an escalation could not go on; it is tried again", "escalation", a.Escalation, "team", a.Team, "err", err)
		}
	}
}

// overAfter is how long a group is remembered whose alerts are there no more: those who were told still hear that it is over.
const overAfter = time.Hour

func (e *Engine) lookAt(ctx context.Context, a Active, held map[string]alert.Alert, now time.Time) error {
	var there []alert.Alert
	by, open := "", 0
	for _, fp := range a.Alerts {
		x, ok := held[fp]
		if !ok {
			continue
		}
		there = append(there, x)
		switch {
		case x.Ack != nil:
			by = x.Ack.By
		case x.State != alert.Suppressed:
			open++
		}
	}
	switch {
	case len(there) == 0:
		return e.over(ctx, a, now)
	case open == 0 && by != "" && a.AckedBy == "":
		_, err := e.change(ctx, a.ID, func(a *Active) error { a.AckedBy, a.AckedAt = by, now.UTC(); return nil })
		return err
	case open == 0 || a.AckedBy != "" || a.NextAt.IsZero() || now.Before(a.NextAt):
		return nil
	}
	return e.step(ctx, a, there, now)
}

// over forgets a group some time after its alerts went.
func (e *Engine) over(ctx context.Context, a Active, now time.Time) error {
	if a.AckedBy == goneBy {
		if now.Sub(a.AckedAt) < overAfter {
			return nil
		}
		return e.forget(ctx, a.ID)
	}
	_, err := e.change(ctx, a.ID, func(a *Active) error { a.AckedBy, a.AckedAt, a.NextAt = goneBy, now.UTC(), time.Time{}; return nil })
	return err
}

// goneBy stands where somebody acknowledged: nobody had to.
const goneBy = "resolved"

// step does the next step, on the one node that is first to write it.
func (e *Engine) step(ctx context.Context, a Active, alerts []alert.Alert, now time.Time) error {
	steps, err := e.stepsOf(a.Team, a.Escalation)
	if err != nil {
		return err
	}
	due := a.NextAt
	mine := false
	a, err = e.change(ctx, a.ID, func(a *Active) error {
		mine = a.NextAt.Equal(due) && a.AckedBy == ""
		if !mine {
			return nil
		}
		return e.advance(a, steps, now)
	})
	if err != nil || !mine || len(a.Asked) == 0 {
		return err
	}
	e.steps.WithLabelValues(fmt.Sprint(a.Step)).Inc()
	return e.opts.Again(ctx, a.ID, notify.Group{Receiver: a.Receiver, Key: a.GroupKey, Labels: a.GroupLabels, Alerts: alerts})
}

// change changes a group's document, whoever else does meanwhile. Without a medium it is changed in memory.
func (e *Engine) change(ctx context.Context, id string, f func(*Active) error) (Active, error) {
	var out Active
	apply := func(old []byte) ([]byte, error) {
		out = Active{}
		if old != nil {
			if err := json.Unmarshal(old, &out); err != nil {
				return nil, err
			}
		}
		if err := f(&out); err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
	if _, known := e.Find(id); !known && len(e.Active()) >= maxActive {
		return out, model.NewError(model.Limit, fmt.Sprintf("people were told of %d groups of alerts that are not over: no more are followed", maxActive))
	}
	var v medium.Version
	docs, err := e.opts.Documents()
	if err == nil {
		v, err = medium.Update(ctx, docs, activeKind, id, apply)
	}
	if model.KindOf(err) == model.Unavailable {
		e.mu.Lock()
		old, known := e.active[id]
		e.mu.Unlock()
		var text []byte
		if known {
			text, _ = json.Marshal(old.Active)
		}
		_, err = apply(text)
	}
	if err != nil {
		return out, err
	}
	e.mu.Lock()
	e.active = maps.Clone(e.active)
	e.active[id] = versioned{out, v}
	e.mu.Unlock()
	e.opts.Changed()
	return out, nil
}

func (e *Engine) forget(ctx context.Context, id string) error {
	e.mu.Lock()
	a := e.active[id]
	delete(e.active, id)
	e.mu.Unlock()
	e.opts.Changed()
	docs, err := e.opts.Documents()
	if err == nil {
		err = docs.Delete(ctx, activeKind, id, a.version)
	}
	if errors.Is(err, medium.ErrConflict) || errors.Is(err, medium.ErrNotFound) || model.KindOf(err) == model.Unavailable {
		return nil // it is read again, and forgotten then
	}
	return err
}

// Steps is how many steps an escalation has.
func (e *Engine) Steps(a *Active) int {
	steps, err := e.stepsOf(a.Team, a.Escalation)
	if err != nil {
		return 0
	}
	return len(steps.Steps)
}

// First are the shifts of those whom the first step of a team or an escalation tells at a time; To is zero for who does not change with time.
func (e *Engine) First(team, escalation string, at time.Time) []Shift {
	steps, err := e.stepsOf(team, escalation)
	if err != nil {
		return nil
	}
	var out []Shift
	for _, t := range steps.Steps[0].Tell {
		if t.Schedule != "" {
			if shifts, err := e.opts.Library.Shifts(t.Schedule, at, at.Add(31*24*time.Hour)); err == nil && len(shifts) > 0 && shifts[0].From.Equal(at) {
				out = append(out, shifts[0])
			}
			continue
		}
		who, _ := e.contacts([]Target{t}, at) // nobody is an answer too
		for _, name := range who {
			out = append(out, Shift{Contact: name})
		}
	}
	return out
}
