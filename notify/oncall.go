package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/alertmanager/template"
	"go.yaml.in/yaml/v3"
)

// oncall tells whoever is on call, by their own ways to be reached.
type oncall struct {
	settings `yaml:",inline"`

	Team       string `yaml:"team"`
	Escalation string `yaml:"escalation"`
	// Via has, for a kind of method, what that kind's entries have besides the address: which gateway, which server, which text.
	Via map[string]yaml.Node `yaml:"via"`

	bases map[string]addressed // by kind, ready but for the address
	wrong map[string]error     // kinds that need settings in via
}

// methodKinds are the ways to reach a person, with an address that looks right.
var methodKinds = map[string]string{
	"bleemeo": "https://x.invalid", "email": "x@invalid", "google_chat": "https://x.invalid", "gotify": "x", "http": "https://x.invalid",
	"matrix": "!x:x.invalid", "ntfy": "x", "signal": "+1", "sms": "+1", "web_push": "x",
}

// secretAddress are those of methodKinds whose addresses let others send.
var secretAddress = []string{"bleemeo", "google_chat", "gotify", "http"}

func newOncall() entry { return &oncall{settings: defaults()} }

func (o *oncall) check() error {
	switch {
	case o.n.opts.People == nil:
		return errors.New("nobody can be on call here: this server has no schedules")
	case o.Team == "" && o.Escalation == "":
		return badField("team", "is missing: set it, or escalation")
	case o.Team != "" && o.Escalation != "":
		return badField("escalation", "is set besides team: only one of them")
	}
	for kind := range o.Via {
		if _, ok := methodKinds[kind]; !ok {
			return badField("via", "has %s, which is no way to reach a person", kind)
		}
	}
	return nil
}

// finish makes what every kind needs but for the address.
func (o *oncall) finish(e *Extra, tmpl *template.Template) error {
	o.bases, o.wrong = map[string]addressed{}, map[string]error{}
	for kind, example := range methodKinds {
		node, given := o.Via[kind]
		if !given {
			node = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: e.Node.Line}
		}
		base, err := o.base(&Extra{Kind: kind, Node: node, Folder: e.Folder, Global: e.Global}, example, tmpl)
		switch {
		case err == nil:
			o.bases[kind] = base
		case given:
			return badField("via", "%w", err)
		default:
			o.wrong[kind] = err
		}
	}
	return nil
}

func (o *oncall) base(e *Extra, example string, tmpl *template.Template) (addressed, error) {
	base := newAddressed(e.Kind)
	if err := decode(e, base); err != nil {
		return nil, err
	}
	if base.common().MaxPerHour != 0 {
		return nil, inEntry(e, badField("max_per_hour", "belongs to the entry of oncall_configs"))
	}
	base = base.to(example)
	if err := o.n.prepare(e, base, tmpl); err != nil {
		return nil, inEntry(e, err)
	}
	return base, nil
}

func (o *oncall) send(ctx context.Context, p *page) (bool, error) {
	ask := Ask{
		Team: o.Team, Escalation: o.Escalation, At: p.at, Test: p.test, Receiver: p.Receiver, GroupKey: p.GroupKey, GroupLabels: p.GroupLabels, Labels: p.CommonLabels,
	}
	ask.Again, _ = ctx.Value(againKey{}).(string)
	for _, a := range p.Alerts {
		if a.Status == "resolved" {
			ask.Resolved = append(ask.Resolved, a.Fingerprint)
		} else {
			ask.Firing = append(ask.Firing, a.Fingerprint)
		}
	}
	people, err := o.n.opts.People.Recipients(ctx, ask)
	if err != nil {
		return true, err
	}
	byName := map[string]Recipient{}
	var names []string
	for _, r := range people {
		if before, ok := byName[r.Contact]; ok {
			r.Methods = append(slices.Clone(before.Methods), r.Methods...)
		} else {
			names = append(names, r.Contact)
		}
		byName[r.Contact] = r
	}
	if len(names) == 0 {
		if ask.Again != "" {
			return false, nil // it is another entry's
		}
		if len(ask.Firing) == 0 {
			p.note.answered("it is over, and nobody was told before")
			return false, nil
		}
		return true, errors.New("nobody is on call")
	}
	return p.each(names, func(p *page, name string) (bool, error) { return o.tell(ctx, p, byName[name]) })
}

// tell tells a person by all their methods at once. One that works is enough.
func (o *oncall) tell(ctx context.Context, p *page, r Recipient) (bool, error) {
	if len(r.Methods) == 0 {
		return false, fmt.Errorf("%s has no way to be reached", r.Contact)
	}
	if r.AckURL != "" {
		p.secrets.add(r.AckURL)
	}
	errs, again := make([]error, len(r.Methods)), make([]bool, len(r.Methods))
	var wg sync.WaitGroup
	for i, m := range r.Methods {
		wg.Go(func() {
			q := *p
			q.AckURL, q.note, q.flush = r.AckURL, &note{own: true}, &flush{content: p.flush.content, done: map[string]bool{}}
			again[i], errs[i] = o.by(ctx, &q, m)
			said := "told"
			if errs[i] != nil {
				said = p.secrets.redact(errs[i].Error())
				errs[i] = fmt.Errorf("%s: %w", m.Kind, errs[i])
			} else if q.note.answer != "" {
				said += ": " + q.note.answer
			}
			p.note.answered(fmt.Sprintf("%s, %s: %s", r.Contact, m.Kind, said))
		})
	}
	wg.Wait()
	if slices.Contains(errs, nil) {
		p.note.reached(r.Contact)
		return false, nil
	}
	return slices.Contains(again, true), fmt.Errorf("%s is not told: %w", r.Contact, errors.Join(errs...))
}

// by tells by one method.
func (o *oncall) by(ctx context.Context, p *page, m Method) (retry bool, err error) {
	base, ok := o.bases[m.Kind]
	switch {
	case !ok && o.wrong[m.Kind] != nil:
		return false, fmt.Errorf("its settings are missing below via: %w", o.wrong[m.Kind])
	case !ok:
		return false, errors.New("this is no way to reach a person")
	case strings.Contains(m.To, "{{"):
		return false, errors.New("the address is a template")
	}
	if slices.Contains(secretAddress, m.Kind) {
		p.secrets.add(m.To)
	}
	defer func() {
		if r := recover(); r != nil {
			retry, err = false, fmt.Errorf("BUG: it panics: %v", r)
		}
	}()
	entry := base.to(m.To)
	if err := entry.check(); err != nil {
		return false, err
	}
	return entry.send(ctx, p)
}
