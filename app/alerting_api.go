package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	amnotify "github.com/prometheus/alertmanager/notify"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/explain"
	"github.com/hulotte-dev/hulotte/alert/forward"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/check"
	kinds "github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/rule"
)

// alertingAPI is alerting as the API asks it. Every function may be nil: then nobody knows, and nothing can be tried out.
type alertingAPI struct {
	manager *manager.Manager
	// rules are the sets of groups of all rule managers.
	rules func() []rule.GroupSet
	// raised is how an alert of a rule looks once it is raised, with external labels and relabelling; false when it is dropped. Nil leaves it.
	raised func(rule.Alert) (map[string]string, bool)
	// deliveries and failing are those of the delivery log, people those who are on call.
	deliveries func(explain.Filter) []alert.Delivery
	failing    func() []explain.Failing
	people     func(receiver string) []explain.Person
	// acknowledge and unacknowledge know of checks; without them alerts are acknowledged in the manager.
	acknowledge   func(ctx context.Context, fingerprints []string, ack alert.Ack) error
	unacknowledge func(ctx context.Context, fingerprints []string, by, comment string) error
	// test sends a test through integrations.
	test func(ctx context.Context, receiver string, integrations []amnotify.Integration, labels map[string]string) []alert.Delivery
	// history holds the series ALERTS of rules; start is the oldest time that it may hold, and may be nil.
	history storage.Queryable
	start   func() (int64, error)
	runbook func(*alert.Alert) *api.RunbookOf
	// checked is the history of a check.
	checked func(ctx context.Context, id string, from, to time.Time, limit int) ([]check.Change, error)
	// steps are what was done for an alert by its runbooks.
	steps func(ctx context.Context, fingerprint string) []explain.Event
}

// alertingAPI shows alerting to the API; nil when there is none. n may be nil: then nobody knows what was tried, and nothing can be.
func (a *App) alertingAPI(n *notify.Notifier) api.Alerting {
	if a.made.alerts == nil {
		return nil
	}
	x := &alertingAPI{
		manager: a.made.alerts, history: a.made.local, start: a.made.local.StartTime, raised: a.asRaised,
		people: a.peopleOf, acknowledge: a.acknowledge, unacknowledge: a.unacknowledge, runbook: a.runbookOf, steps: a.stepEvents, checked: a.checkHistory,
		rules: func() []rule.GroupSet { return slices.Concat(a.made.rules.Sets(), a.made.logRules.Sets()) },
	}
	if n != nil {
		x.test = n.Test
		x.deliveries = func(f explain.Filter) []alert.Delivery { return n.Deliveries(notify.Filter(f)) }
		x.failing = func() []explain.Failing {
			var out []explain.Failing
			for _, f := range n.Failing() {
				out = append(out, explain.Failing(f))
			}
			return out
		}
	}
	return x
}

// asRaised are the labels of a rule's alert once it is raised; false when relabelling drops it.
func (a *App) asRaised(ra rule.Alert) (map[string]string, bool) {
	out := a.relabelled([]*forward.Alert{{Labels: ra.Labels}})
	if len(out) == 0 {
		return nil, false
	}
	return out[0].Labels, true
}

func (x *alertingAPI) explainer() *explain.Explainer {
	return &explain.Explainer{Source: x.manager, Deliveries: x.deliveries, Failing: x.failing, People: x.people}
}

// Alerts returns what is raised, and what rules wait to raise.
func (x *alertingAPI) Alerts(keep func(*alert.Alert) bool) []alert.Alert {
	out := x.manager.Alerts(keep)
	for _, p := range x.pending() {
		if keep == nil || keep(&p) {
			out = append(out, p)
		}
	}
	return out
}

// pending are alerts of rules that have not waited for long enough.
func (x *alertingAPI) pending() []alert.Alert {
	var out []alert.Alert
	route := x.manager.Route()
	x.eachRule(func(_ *rule.Group, r *rule.Rule) {
		for _, a := range r.Alerts {
			if a.State != "pending" {
				continue
			}
			set, ok := x.as(a)
			if !ok || x.manager.Raised(manager.Fingerprint(set)) {
				continue // after a restart it fires as it did, and its rule waits again
			}
			p := alert.Alert{
				Fingerprint: manager.Fingerprint(set), Labels: set, Annotations: a.Annotations.Map(), StartsAt: a.ActiveAt.UTC(), UpdatedAt: r.LastEvaluation.UTC(),
				State: alert.Pending, Source: alert.FromRule,
			}
			if route != nil {
				for _, to := range route.Match(labelSet(set)) {
					if !slices.Contains(p.Receivers, to.RouteOpts.Receiver) {
						p.Receivers = append(p.Receivers, to.RouteOpts.Receiver)
					}
				}
			}
			out = append(out, p)
		}
	})
	return out
}

// as are the labels of a rule's alert once it is raised.
func (x *alertingAPI) as(a rule.Alert) (map[string]string, bool) {
	if x.raised == nil {
		return a.Labels.Map(), true
	}
	return x.raised(a)
}

func labelSet(set map[string]string) model.LabelSet {
	out := make(model.LabelSet, len(set))
	for name, v := range set {
		out[model.LabelName(name)] = model.LabelValue(v)
	}
	return out
}

func (x *alertingAPI) eachRule(f func(*rule.Group, *rule.Rule)) {
	if x.rules == nil {
		return
	}
	for _, set := range x.rules() {
		for i := range set.Groups {
			for j := range set.Groups[i].Rules {
				if r := &set.Groups[i].Rules[j]; r.Alerting {
					f(&set.Groups[i], r)
				}
			}
		}
	}
}

// Alert returns one, for some time also after it has resolved.
func (x *alertingAPI) Alert(fingerprint string) (alert.Alert, bool) {
	a, ok := x.manager.Alert(fingerprint)
	if ok && a.State != alert.Resolved {
		return a, true
	}
	for _, p := range x.pending() { // it may come again
		if p.Fingerprint == fingerprint {
			return p, true
		}
	}
	return a, ok
}

// Rules finds the rule of an alert: the one of its name whose labels it has.
func (x *alertingAPI) Rules() func(*alert.Alert) *api.AlertRule {
	byName := map[string][]*api.AlertRule{}
	x.eachRule(func(g *rule.Group, r *rule.Rule) {
		byName[r.Name] = append(byName[r.Name], &api.AlertRule{
			Group: g.Name, Name: r.Name, File: g.File, Query: r.Query, For: model.Duration(r.For), KeepFiringFor: model.Duration(r.KeepFiringFor),
			Labels: r.Labels.Map(), Annotations: r.Annotations.Map(),
		})
	})
	return func(a *alert.Alert) *api.AlertRule {
		if a.Source != alert.FromRule {
			return nil
		}
		all := byName[a.Name()]
		if len(all) == 0 {
			return nil
		}
		return slices.MaxFunc(all, func(p, q *api.AlertRule) int { return cmp.Compare(likeness(p, a), likeness(q, a)) })
	}
}

// likeness is how well the labels that a rule adds are those of an alert. What a template makes is not known.
func likeness(r *api.AlertRule, a *alert.Alert) int {
	n := 0
	for name, v := range r.Labels {
		switch {
		case strings.Contains(v, "{{"):
		case a.Labels[name] == v:
			n++
		default:
			n--
		}
	}
	return n
}

// Explain says who is told of an alert. One that is pending is explained as what would be.
func (x *alertingAPI) Explain(set map[string]string) explain.Explanation {
	e := x.explainer()
	out := e.Explain(set)
	if out.Raised {
		return out
	}
	fingerprint := manager.Fingerprint(set)
	for _, p := range x.pending() {
		if p.Fingerprint == fingerprint {
			if r := x.Rules()(&p); r != nil {
				e.Waiting(&out, p.StartsAt, time.Duration(r.For))
			}
		}
	}
	return out
}

// Timeline says what happened to an alert in the last days.
func (x *alertingAPI) Timeline(ctx context.Context, a *alert.Alert) ([]explain.Event, error) {
	spans, err := x.spans(ctx, a)
	if err != nil {
		return nil, err
	}
	events := x.explainer().Timeline(a, spans)
	events = append(events, x.changes(ctx, a)...)
	if x.steps != nil {
		events = append(events, x.steps(ctx, a.Fingerprint)...)
	}
	slices.SortStableFunc(events, func(x, y explain.Event) int { return y.At.Compare(x.At) })
	return events, nil
}

// changes are those of the status of the check whose problem an alert is. When they cannot be read the rest of the timeline is shown.
func (x *alertingAPI) changes(ctx context.Context, a *alert.Alert) []explain.Event {
	if x.checked == nil || a.Source != alert.FromCheck {
		return nil
	}
	now := time.Now()
	all, err := x.checked(ctx, a.Labels["host"]+"/"+cmp.Or(a.Labels["check"], check.HostCheck), now.AddDate(0, 0, -timelineDays), now, maxChanges)
	if err != nil {
		return nil
	}
	var out []explain.Event
	for _, c := range all {
		if c.Type != check.StateChange {
			continue // what people do is there as silences
		}
		text := fmt.Sprintf("%s after %s", c.To, c.From)
		if !c.Hard {
			text += fmt.Sprintf(" (soft, try %d)", c.Attempt)
		}
		if c.Output != "" {
			text += ": " + c.Output
		}
		out = append(out, explain.Event{At: c.At.UTC(), Type: "state", Text: text})
	}
	return out
}

// maxChanges bounds the changes of a check in the timeline of its alert.
const maxChanges = 200

// timelineDays is how far the timeline of an alert goes back.
const timelineDays = 7

// spans are what the series of an alert's rule say.
func (x *alertingAPI) spans(ctx context.Context, a *alert.Alert) ([]explain.Span, error) {
	if x.history == nil || a.Source != alert.FromRule {
		return nil, nil
	}
	set := a.Labels
	x.eachRule(func(_ *rule.Group, r *rule.Rule) {
		if r.Name != a.Name() {
			return
		}
		for _, inst := range r.Alerts { // the series have no external labels
			if as, ok := x.as(inst); ok && maps.Equal(as, a.Labels) {
				set = inst.Labels.Map()
			}
		}
	})
	match := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "ALERTS")}
	for name, v := range set {
		match = append(match, labels.MustNewMatcher(labels.MatchEqual, name, v))
	}
	now := time.Now()
	var out []explain.Span
	err := x.eachSeries(ctx, now.AddDate(0, 0, -timelineDays), now, func(l labels.Labels, spans []explain.Span) {
		if l.Len() != len(set)+2 { // __name__ and alertstate
			return // another alert, which has more labels
		}
		out = append(out, spans...)
	}, match...)
	slices.SortFunc(out, func(p, q explain.Span) int { return p.Start.Compare(q.Start) })
	return out, err
}

const (
	// seriesGap is how long a rule may be silent before its alert counts as over: as long as the engine looks back.
	seriesGap = 5 * time.Minute
	// maxHistorySeries bounds the work of one question.
	maxHistorySeries = 200_000
)

// eachSeries reads series of alerts and makes spans of each.
func (x *alertingAPI) eachSeries(ctx context.Context, from, to time.Time, f func(labels.Labels, []explain.Span), match ...*labels.Matcher) error {
	q, err := x.history.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return err
	}
	defer func() { _ = q.Close() }() // it was only read
	set := q.Select(ctx, false, &storage.SelectHints{Start: from.UnixMilli(), End: to.UnixMilli()}, match...)
	var it chunkenc.Iterator
	for n := 0; set.Next(); n++ {
		if n == maxHistorySeries {
			return kinds.NewError(kinds.Limit, fmt.Sprintf("more than %d alerts were raised in this time: ask for a shorter one", maxHistorySeries))
		}
		s := set.At()
		it = s.Iterator(it)
		l := s.Labels()
		spans, err := spansOf(it, alert.State(l.Get("alertstate")), to)
		if err != nil {
			return err
		}
		f(l, spans)
	}
	return set.Err()
}

// spansOf are the times in which a series of alerts has samples.
func spansOf(it chunkenc.Iterator, state alert.State, to time.Time) ([]explain.Span, error) {
	if state != alert.Pending {
		state = alert.Active
	}
	var out []explain.Span
	open, last := false, int64(0)
	end := func(at int64) {
		out[len(out)-1].End = time.UnixMilli(at)
		open = false
	}
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind != chunkenc.ValFloat {
			continue
		}
		t, v := it.At()
		if open && t-last > seriesGap.Milliseconds() {
			end(last)
		}
		switch {
		case value.IsStaleNaN(v):
			if open {
				end(t)
			}
		case !open:
			out = append(out, explain.Span{State: state, Start: time.UnixMilli(t)})
			open = true
		}
		last = t
	}
	if open && to.UnixMilli()-last > seriesGap.Milliseconds() {
		end(last)
	}
	return out, it.Err()
}

// Runbook is the procedure for an alert.
func (x *alertingAPI) Runbook(a *alert.Alert) *api.RunbookOf {
	if x.runbook == nil {
		return nil
	}
	return x.runbook(a)
}

// Tells says whether anybody is told of anything.
func (x *alertingAPI) Tells() bool { return x.explainer().Tells() }

// Routing is the configuration in force.
func (x *alertingAPI) Routing() explain.Routing { return x.explainer().Routing() }

// Receivers are those of the configuration in force.
func (x *alertingAPI) Receivers() []explain.Receiver { return x.explainer().Receivers() }

// Deliveries are the tries to tell somebody.
func (x *alertingAPI) Deliveries(f explain.Filter) []alert.Delivery {
	if x.deliveries == nil {
		return nil
	}
	return x.deliveries(f)
}

// Test sends a test through a receiver.
func (x *alertingAPI) Test(ctx context.Context, receiver string, set map[string]string) ([]alert.Delivery, error) {
	all, ok := x.manager.Receivers()[receiver]
	switch {
	case !ok:
		return nil, kinds.NewError(kinds.NotFound, fmt.Sprintf("there is no receiver %q", receiver))
	case len(all) == 0:
		return nil, kinds.NewError(kinds.Invalid, fmt.Sprintf("the receiver %q has no integrations: it tells nobody", receiver))
	case x.test == nil:
		return nil, kinds.NewError(kinds.Unavailable, "receivers cannot be tried out in this process")
	}
	return x.test(ctx, receiver, all, set), nil
}

// Acknowledge says that alerts are known: of a check's alert, the check remembers it.
func (x *alertingAPI) Acknowledge(ctx context.Context, fingerprints []string, ack alert.Ack) error {
	if x.acknowledge == nil {
		return x.manager.Acknowledge(ctx, fingerprints, ack)
	}
	return x.acknowledge(ctx, fingerprints, ack)
}

// Unacknowledge takes that back.
func (x *alertingAPI) Unacknowledge(ctx context.Context, fingerprints []string, by, comment string) error {
	if x.unacknowledge == nil {
		return x.manager.Unacknowledge(ctx, fingerprints)
	}
	return x.unacknowledge(ctx, fingerprints, by, comment)
}

// Noise says what rules told in a time.
func (x *alertingAPI) Noise(ctx context.Context, from, to time.Time) ([]explain.Noise, error) {
	if x.history == nil {
		return nil, errors.New("the series of alerts are not kept here")
	}
	if x.start != nil {
		if oldest, err := x.start(); err == nil && time.UnixMilli(oldest).After(from) && time.UnixMilli(oldest).Before(to) {
			from = time.UnixMilli(oldest) // before that nothing could fire
		}
	}
	var all []explain.Alerting
	x.eachRule(func(g *rule.Group, r *rule.Rule) {
		all = append(all, explain.Alerting{Name: r.Name, Standby: g.Source == rule.FromDefaults, Meant: r.Name == "Watchdog" || r.Labels.Get("severity") == "none"})
	})
	t := explain.NewTally(from, to, all)
	err := x.eachSeries(ctx, from, to, func(l labels.Labels, spans []explain.Span) { t.Add(l.Get(labels.AlertName), spans) },
		labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "ALERTS"), labels.MustNewMatcher(labels.MatchEqual, "alertstate", "firing"))
	if err != nil {
		return nil, err
	}
	t.Act(x.manager.EverySilence(nil))
	return t.Report(), nil
}
