// Package explain says in words and in data who is told of an alert, by which route, when, and what keeps it quiet; what happened to an
// alert; where receivers lead; and which rules tell too much. It has no I/O: it reads what a manager has in force.
package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	amcommoncfg "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
)

// Source is what explanations are made of: a *manager.Manager.
type Source interface {
	Config() *manager.Config
	Route() *dispatch.Route
	TimeIntervals() map[string][]timeinterval.TimeInterval
	Receivers() map[string][]amnotify.Integration
	Inhibitions() []amcommoncfg.InhibitRule
	Alerts(filter func(*alert.Alert) bool) []alert.Alert
	SilencesOf(labels map[string]string) []manager.Silence
	EverySilence(labels map[string]string) []manager.Silence
	LastTold(groupKey, receiver, integration string, index int, labels map[string]string) (manager.LastTold, bool)
}

// Filter says which deliveries are asked for, as that of the delivery log does.
type Filter struct {
	Receiver, Fingerprint string
	Failed                bool
	Since                 time.Time
	Limit                 int
}

// Failing is an integration whose last try failed, while none succeeded since.
type Failing struct {
	Receiver    string    `json:"receiver"`
	Integration string    `json:"integration"`
	Index       int       `json:"index"`
	Since       time.Time `json:"since"`
	Error       string    `json:"error"`
}

// Person is somebody whom a receiver reaches now.
type Person struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until,omitzero"`
}

// Explainer explains. The functions may be nil: then nobody knows.
type Explainer struct {
	Source
	Deliveries func(Filter) []alert.Delivery
	Failing    func() []Failing
	People     func(receiver string) []Person // who is on call at a receiver
	Now        func() time.Time               // nil is time.Now; its location is that of times in sentences
}

func (e *Explainer) now() time.Time {
	if e.Now == nil {
		return time.Now()
	}
	return e.Now()
}

func (e *Explainer) deliveries(f Filter) []alert.Delivery {
	if e.Deliveries == nil {
		return []alert.Delivery{}
	}
	return notNil(e.Deliveries(f))
}

func (e *Explainer) people(receiver string) []Person {
	if e.People == nil {
		return []Person{}
	}
	return notNil(e.People(receiver))
}

func notNil[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// Explanation says who is told of an alert with labels, and why nobody else is.
type Explanation struct {
	Labels      map[string]string `json:"labels"`
	Raised      bool              `json:"raised"` // there is such an alert; otherwise it says what would be
	Receivers   []Step            `json:"receivers"`
	SilencedBy  []Quiet           `json:"silenced_by"`
	InhibitedBy []Inhibition      `json:"inhibited_by"`
	// Verdict is one plain sentence.
	Verdict string `json:"verdict"`
}

// Step is a receiver that a route leads to.
type Step struct {
	Receiver       string            `json:"receiver"`
	Route          [][]string        `json:"route"` // the matchers of each step from the root, which has none
	GroupBy        []string          `json:"group_by"`
	GroupLabels    map[string]string `json:"group_labels"`
	GroupWait      model.Duration    `json:"group_wait"`
	GroupInterval  model.Duration    `json:"group_interval"`
	RepeatInterval model.Duration    `json:"repeat_interval"`
	Integrations   []Integration     `json:"integrations"`
	MutedBy        []string          `json:"muted_by"`           // time intervals
	Active         bool              `json:"active"`             // no time interval keeps the route quiet now
	LastTold       time.Time         `json:"last_told,omitzero"` // when this receiver last got this alert as firing
	Next           time.Time         `json:"next,omitzero"`      // when it is told (again), if nothing changes: an estimate
	Told           []alert.Delivery  `json:"told"`               // the newest first
	People         []Person          `json:"people"`
	group          string            // its key
	failed         *alert.Delivery   // the newest, when nothing came through since
}

// Quiet is a silence or an acknowledgement in force.
type Quiet struct {
	ID      string    `json:"id"`
	By      string    `json:"by"`
	Comment string    `json:"comment"`
	Until   time.Time `json:"until,omitzero"` // none for an acknowledgement that lasts until the alert resolves
	Ack     bool      `json:"ack,omitempty"`
}

// Inhibition is an alert that keeps another one quiet.
type Inhibition struct {
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels"`
	Rule        string            `json:"rule"` // its name, or what it says
}

// maxTold bounds the deliveries of one receiver in an explanation.
const maxTold = 10

// Explain says who is told of the alert with these labels, whether there is one or not. Labels with empty values are none.
func (e *Explainer) Explain(set map[string]string) Explanation {
	set = maps.Clone(set)
	maps.DeleteFunc(set, func(_, v string) bool { return v == "" })
	out := Explanation{Labels: set, Receivers: []Step{}, SilencedBy: []Quiet{}, InhibitedBy: []Inhibition{}}
	fingerprint := manager.Fingerprint(set)
	var this *alert.Alert
	all := e.Alerts(nil)
	if i := slices.IndexFunc(all, func(a alert.Alert) bool { return a.Fingerprint == fingerprint }); i >= 0 {
		this = &all[i]
		out.Raised = true
	}
	for _, s := range e.SilencesOf(set) {
		q := Quiet{ID: s.ID, By: s.CreatedBy, Comment: s.Comment, Until: s.End.UTC(), Ack: s.AckOf() != ""}
		if s.Endless() {
			q.Until = time.Time{}
		}
		out.SilencedBy = append(out.SilencedBy, q)
	}
	slices.SortFunc(out.SilencedBy, func(a, b Quiet) int { return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(a.ID, b.ID)) })
	out.InhibitedBy = e.inhibited(set, all)
	if root := e.Route(); root != nil {
		quiet := len(out.SilencedBy)+len(out.InhibitedBy) > 0
		for _, way := range ways(root, labelSet(set), nil) {
			out.Receivers = append(out.Receivers, e.step(way, set, fingerprint, this, all, quiet))
		}
	}
	out.Verdict = e.verdict(&out, this)
	return out
}

// ways are the paths through the tree to the routes that take an alert, in order: as dispatch.Route.Match finds them.
func ways(r *dispatch.Route, set model.LabelSet, above []*dispatch.Route) [][]*dispatch.Route {
	if !r.Matchers.Matches(set) {
		return nil
	}
	path := append(slices.Clip(above), r)
	var out [][]*dispatch.Route
	for _, child := range r.Routes {
		found := ways(child, set, path)
		out = append(out, found...)
		if found != nil && !child.Continue {
			break
		}
	}
	if len(out) == 0 {
		return [][]*dispatch.Route{path}
	}
	return out
}

func (e *Explainer) step(way []*dispatch.Route, set map[string]string, fingerprint string, this *alert.Alert, all []alert.Alert, quiet bool) Step {
	r := way[len(way)-1]
	o := r.RouteOpts
	s := Step{
		Receiver: o.Receiver, GroupBy: groupBy(&o), GroupLabels: map[string]string{}, GroupWait: model.Duration(o.GroupWait), GroupInterval: model.Duration(o.GroupInterval),
		RepeatInterval: model.Duration(o.RepeatInterval), Integrations: e.integrations(o.Receiver), MutedBy: e.mutedBy(&o), People: e.people(o.Receiver), Told: []alert.Delivery{},
	}
	for _, part := range way {
		s.Route = append(s.Route, matcherTexts(part.Matchers))
	}
	group := model.LabelSet{}
	for name, value := range set {
		if _, ok := o.GroupBy[model.LabelName(name)]; ok || o.GroupByAll {
			s.GroupLabels[name], group[model.LabelName(name)] = value, model.LabelValue(value)
		}
	}
	s.Active = len(s.MutedBy) == 0
	s.group = fmt.Sprintf("%s:%s", r.Key(), group)
	for _, d := range e.deliveries(Filter{Receiver: o.Receiver, Fingerprint: fingerprint, Limit: maxTold}) {
		if !d.Test && (d.GroupKey == "" || d.GroupKey == s.group) {
			s.Told = append(s.Told, d)
		}
	}
	if len(s.Told) > 0 && !s.Told[0].OK {
		s.failed = &s.Told[0]
	}
	if this != nil {
		e.when(&s, set, this, all, quiet)
	}
	return s
}

// when finds out when the receiver was last told, and when it is told again.
func (e *Explainer) when(s *Step, set map[string]string, this *alert.Alert, all []alert.Alert, quiet bool) {
	var flushed time.Time // the last time that anything of the group was told
	for _, i := range s.Integrations {
		last, ok := e.LastTold(s.group, s.Receiver, i.Kind, i.Index, set)
		if !ok {
			continue
		}
		if last.At.After(flushed) {
			flushed = last.At
		}
		if last.Firing && last.At.After(s.LastTold) {
			s.LastTold = last.At.UTC()
		}
	}
	if quiet || !s.Active || len(s.Integrations) == 0 {
		return
	}
	now, interval, repeat := e.now(), time.Duration(s.GroupInterval), time.Duration(s.RepeatInterval)
	switch {
	case !s.LastTold.IsZero():
		// Groups are looked at every interval. What was told at one of these moments is older than repeat at the first one behind it.
		s.Next = s.LastTold.Add(repeat - repeat%interval + interval)
		if s.failed == nil && s.Next.After(now) {
			break
		}
		s.Next = nextTick(s.LastTold, interval, now)
	case !flushed.IsZero():
		s.Next = nextTick(flushed, interval, now)
	default:
		first := this.StartsAt
		for i := range all {
			if all[i].StartsAt.Before(first) && e.sameGroup(s, all[i].Labels) {
				first = all[i].StartsAt
			}
		}
		s.Next = nextTick(first.Add(time.Duration(s.GroupWait)), interval, now)
	}
	s.Next = s.Next.UTC().Truncate(time.Second)
}

// nextTick is the first of the moments first, first+every, … that is behind now.
func nextTick(first time.Time, every time.Duration, now time.Time) time.Time {
	if first.After(now) {
		return first
	}
	return now.Add(every - now.Sub(first)%every)
}

// sameGroup says whether other labels are told in the same messages.
func (e *Explainer) sameGroup(s *Step, other map[string]string) bool {
	for _, name := range s.GroupBy {
		if name == "..." {
			return false
		}
		if other[name] != s.GroupLabels[name] {
			return false
		}
	}
	for _, way := range ways(e.Route(), labelSet(other), nil) {
		if slices.EqualFunc(way, s.Route, func(r *dispatch.Route, texts []string) bool { return slices.Equal(matcherTexts(r.Matchers), texts) }) {
			return true
		}
	}
	return false
}

// mutedBy are the time intervals that keep a route quiet now.
func (e *Explainer) mutedBy(o *dispatch.RouteOpts) []string {
	all, now := e.TimeIntervals(), e.now().UTC()
	in := func(name string) bool {
		return slices.ContainsFunc(all[name], func(t timeinterval.TimeInterval) bool { return t.ContainsTime(now) })
	}
	out := []string{}
	for _, name := range o.MuteTimeIntervals {
		if in(name) {
			out = append(out, name)
		}
	}
	if len(o.ActiveTimeIntervals) > 0 && !slices.ContainsFunc(o.ActiveTimeIntervals, in) {
		out = append(out, o.ActiveTimeIntervals...)
	}
	return out
}

// inhibited are the alerts that keep labels quiet, one for each rule that does.
func (e *Explainer) inhibited(set map[string]string, all []alert.Alert) []Inhibition {
	out := []Inhibition{}
	target := labelSet(set)
	for _, c := range e.Inhibitions() {
		r := inhibit.NewInhibitRule(c)
		if !r.TargetMatchers.Matches(target) {
			continue
		}
		both := r.SourceMatchers.Matches(target) // alerts that are source and target do not inhibit each other
		for i := range all {
			source := labelSet(all[i].Labels)
			if !r.SourceMatchers.Matches(source) || both && r.TargetMatchers.Matches(source) || !equalOn(r.Equal, source, target) {
				continue
			}
			out = append(out, Inhibition{Fingerprint: all[i].Fingerprint, Name: all[i].Name(), Labels: all[i].Labels, Rule: inhibitText(r)})
			break
		}
	}
	return out
}

func equalOn(names map[model.LabelName]struct{}, a, b model.LabelSet) bool {
	for name := range names {
		if a[name] != b[name] {
			return false
		}
	}
	return true
}

func inhibitText(r *inhibit.InhibitRule) string {
	if r.Name != "" {
		return r.Name
	}
	text := fmt.Sprintf("{%s} inhibits {%s}", strings.Join(matcherTexts(r.SourceMatchers), ", "), strings.Join(matcherTexts(r.TargetMatchers), ", "))
	if len(r.Equal) > 0 {
		text += " with equal " + strings.Join(sorted(r.Equal), ", ")
	}
	return text
}

func groupBy(o *dispatch.RouteOpts) []string {
	if o.GroupByAll {
		return []string{"..."}
	}
	return sorted(o.GroupBy)
}

func sorted(names map[model.LabelName]struct{}) []string {
	out := make([]string, 0, len(names))
	for name := range names {
		out = append(out, string(name))
	}
	slices.Sort(out)
	return out
}

func matcherTexts(all labels.Matchers) []string {
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = m.String()
	}
	return out
}

func labelSet(set map[string]string) model.LabelSet {
	out := make(model.LabelSet, len(set))
	for name, value := range set {
		if value != "" {
			out[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	return out
}
