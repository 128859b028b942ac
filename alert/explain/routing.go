package explain

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/notify"
)

// Routing is the configuration in force, with every value that a route inherits.
type Routing struct {
	Route         *RouteNode    `json:"route"`
	InhibitRules  []InhibitRule `json:"inhibit_rules"`
	TimeIntervals []Interval    `json:"time_intervals"`
	Told          bool          `json:"told"` // some receiver tells somebody
}

// RouteNode is a route of the tree.
type RouteNode struct {
	Receiver            string         `json:"receiver"`
	Matchers            []string       `json:"matchers"`
	GroupBy             []string       `json:"group_by"` // ["..."] is all labels
	GroupWait           model.Duration `json:"group_wait"`
	GroupInterval       model.Duration `json:"group_interval"`
	RepeatInterval      model.Duration `json:"repeat_interval"`
	MuteTimeIntervals   []string       `json:"mute_time_intervals"`
	ActiveTimeIntervals []string       `json:"active_time_intervals"`
	MutedBy             []string       `json:"muted_by"` // now
	Continue            bool           `json:"continue"`
	Alerts              int            `json:"alerts"` // that end here
	Routes              []*RouteNode   `json:"routes"`
}

// InhibitRule says which alerts keep which others quiet.
type InhibitRule struct {
	Name   string   `json:"name"`
	Source []string `json:"source"`
	Target []string `json:"target"`
	Equal  []string `json:"equal"`
}

// Interval is a time interval by name.
type Interval struct {
	Name   string                      `json:"name"`
	Times  []timeinterval.TimeInterval `json:"times"`
	Active bool                        `json:"active"` // it is now
}

// Routing returns what is in force.
func (e *Explainer) Routing() Routing {
	out := Routing{InhibitRules: []InhibitRule{}, TimeIntervals: []Interval{}, Told: e.Tells()}
	if root := e.Route(); root != nil {
		ends := map[*dispatch.Route]int{}
		for _, a := range e.Alerts(nil) {
			for _, r := range root.Match(labelSet(a.Labels)) {
				ends[r]++
			}
		}
		out.Route = e.node(root, ends)
	}
	for _, c := range e.Inhibitions() {
		r := inhibit.NewInhibitRule(c)
		out.InhibitRules = append(out.InhibitRules, InhibitRule{Name: r.Name, Source: matcherTexts(r.SourceMatchers), Target: matcherTexts(r.TargetMatchers), Equal: sorted(r.Equal)})
	}
	now, intervals := e.now().UTC(), e.TimeIntervals()
	for _, name := range slices.Sorted(maps.Keys(intervals)) {
		active := slices.ContainsFunc(intervals[name], func(t timeinterval.TimeInterval) bool { return t.ContainsTime(now) })
		out.TimeIntervals = append(out.TimeIntervals, Interval{Name: name, Times: notNil(intervals[name]), Active: active})
	}
	return out
}

// Tells says whether any receiver that a route leads to tells anybody.
func (e *Explainer) Tells() bool {
	root, all := e.Route(), e.Source.Receivers()
	tells := false
	if root != nil {
		root.Walk(func(r *dispatch.Route) { tells = tells || len(all[r.RouteOpts.Receiver]) > 0 })
	}
	return tells
}

func (e *Explainer) node(r *dispatch.Route, ends map[*dispatch.Route]int) *RouteNode {
	o := r.RouteOpts
	out := &RouteNode{
		Receiver: o.Receiver, Matchers: matcherTexts(r.Matchers), GroupBy: groupBy(&o), GroupWait: model.Duration(o.GroupWait), GroupInterval: model.Duration(o.GroupInterval),
		RepeatInterval: model.Duration(o.RepeatInterval), MuteTimeIntervals: notNil(o.MuteTimeIntervals), ActiveTimeIntervals: notNil(o.ActiveTimeIntervals),
		MutedBy: e.mutedBy(&o), Continue: r.Continue, Alerts: ends[r], Routes: []*RouteNode{},
	}
	for _, child := range r.Routes {
		out.Routes = append(out.Routes, e.node(child, ends))
	}
	return out
}

// Receiver is where alerts are told.
type Receiver struct {
	Name         string        `json:"name"`
	Integrations []Integration `json:"integrations"`
	People       []Person      `json:"people"`
	Used         bool          `json:"used"` // a route leads there
}

// Integration is one way of a receiver.
type Integration struct {
	Kind         string          `json:"kind"`
	Index        int             `json:"index"`
	To           string          `json:"to"` // where it goes, without secrets; "" when nothing is known
	SendResolved bool            `json:"send_resolved"`
	Last         *alert.Delivery `json:"last,omitempty"`
	Failing      bool            `json:"failing"`
	FailingSince time.Time       `json:"failing_since,omitzero"`
	Error        string          `json:"error,omitempty"` // of the last try, when it fails
}

// Receivers returns all of the configuration, in its order.
func (e *Explainer) Receivers() []Receiver {
	out := []Receiver{}
	c := e.Config()
	if c == nil {
		return out
	}
	used := map[string]bool{}
	if root := e.Route(); root != nil {
		root.Walk(func(r *dispatch.Route) { used[r.RouteOpts.Receiver] = true })
	}
	var failing []Failing
	if e.Failing != nil {
		failing = e.Failing()
	}
	for _, rc := range c.Alertmanager.Receivers {
		r := Receiver{Name: rc.Name, Integrations: e.integrations(rc.Name), People: e.people(rc.Name), Used: used[rc.Name]}
		last := e.deliveries(Filter{Receiver: rc.Name, Limit: maxLast})
		for n := range r.Integrations {
			i := &r.Integrations[n]
			same := func(kind string, index int) bool { return kind == i.Kind && index == i.Index }
			if at := slices.IndexFunc(last, func(d alert.Delivery) bool { return same(d.Integration, d.Index) }); at >= 0 {
				i.Last = &last[at]
			}
			for _, f := range failing {
				if f.Receiver == rc.Name && same(f.Integration, f.Index) {
					i.Failing, i.FailingSince, i.Error = true, f.Since, f.Error
				}
			}
		}
		out = append(out, r)
	}
	return out
}

// maxLast is how many deliveries of a receiver are looked at for the last one of each integration.
const maxLast = 200

// integrations are those of a receiver, without what they did.
func (e *Explainer) integrations(receiver string) []Integration {
	out := []Integration{}
	for _, i := range e.Source.Receivers()[receiver] {
		out = append(out, Integration{Kind: i.Name(), Index: i.Index(), To: e.where(receiver, i.Name(), i.Index()), SendResolved: i.SendResolved()})
	}
	return out
}

// where says in words where an integration goes. Nothing that may be a secret is in it: of URLs only the host.
func (e *Explainer) where(receiver, kind string, index int) string {
	c := e.Config()
	if c == nil {
		return ""
	}
	n := 0
	for _, x := range c.Extras[receiver] {
		if x.Kind != kind {
			continue
		}
		if n == index {
			return extraTo(x)
		}
		n++
	}
	for i := range c.Alertmanager.Receivers {
		if c.Alertmanager.Receivers[i].Name == receiver {
			return configTo(reflect.ValueOf(c.Alertmanager.Receivers[i]), kind, index)
		}
	}
	return ""
}

// The keys of receivers' configurations that say where they go: words first, and else URLs, whose host is shown.
var (
	wordKeys = []string{
		"to", "channel", "chat_id", "room_id", "room", "project", "topic_arn", "topic", "phone_number", "to_user", "to_party", "team", "escalation", "people", "contact", "numbers", "recipients",
	}
	hostKeys = []string{"url", "webhook_url", "server", "homeserver", "api_url", "base_url"}
)

// configTo looks into one of Alertmanager's own configurations.
func configTo(receiver reflect.Value, kind string, index int) string {
	list := byTag(receiver, kind+"_configs")
	if !list.IsValid() || list.Kind() != reflect.Slice || index >= list.Len() {
		return ""
	}
	entry := reflect.Indirect(list.Index(index))
	for _, key := range wordKeys {
		if v := byTag(entry, key); v.IsValid() && !v.IsZero() {
			switch v.Kind() {
			case reflect.String:
				return v.String()
			case reflect.Int64:
				return strconv.FormatInt(v.Int(), 10)
			}
		}
	}
	for _, key := range hostKeys {
		v := byTag(entry, key)
		if !v.IsValid() || v.IsZero() {
			continue
		}
		if v.Kind() == reflect.String { // a secret
			return host(v.String())
		}
		if u := reflect.Indirect(v).FieldByName("URL"); u.IsValid() && u.Kind() == reflect.Pointer && !u.IsNil() {
			if u, ok := u.Interface().(*url.URL); ok {
				return u.Hostname()
			}
		}
	}
	return ""
}

// byTag is the field of a structure that a key of YAML sets.
func byTag(v reflect.Value, key string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); name == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// extraTo looks into one of our own configurations.
func extraTo(x notify.Extra) string {
	of := func(key string) *yaml.Node {
		for i := 0; i+1 < len(x.Node.Content); i += 2 {
			if x.Node.Content[i].Value == key {
				return x.Node.Content[i+1]
			}
		}
		return nil
	}
	for _, key := range wordKeys {
		switch n := of(key); {
		case n == nil, key == "topic" && of("token") == nil && of("token_file") == nil && of("username") == nil: // then whoever knows a topic may read it
		case n.Kind == yaml.ScalarNode && n.Value != "":
			return n.Value
		case n.Kind == yaml.SequenceNode:
			var all []string
			for _, entry := range n.Content {
				if entry.Kind == yaml.ScalarNode {
					all = append(all, entry.Value)
				}
			}
			return strings.Join(all, ", ")
		}
	}
	for _, key := range hostKeys {
		if n := of(key); n != nil && n.Kind == yaml.ScalarNode {
			return host(n.Value)
		}
	}
	if x.Kind == "ntfy" {
		return "ntfy.sh"
	}
	return ""
}
