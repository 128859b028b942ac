package app

import (
	"context"
	"errors"
	"time"

	"github.com/hulotte-dev/hulotte/alert/explain"
	"github.com/hulotte-dev/hulotte/alert/oncall"
	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// onCall is who is told of what when.
type onCall struct {
	*oncall.Library
	*oncall.Engine
	page *oncall.Page
}

// makeOnCall makes what notifications ask for people. It works once alerting does.
func (a *App) makeOnCall() *onCall {
	log := a.log.With("part", "on call")
	l := oncall.NewLibrary(a.made.medium.documents, func(ctx context.Context) medium.Documents {
		if m := a.made.medium.wait(ctx); m != nil {
			return m.Documents()
		}
		return nil
	}, a.alertsChanged, log)
	links := oncall.NewLinks(a.made.medium.documents, a.url())
	e := oncall.NewEngine(oncall.Options{
		Library: l, Documents: a.made.medium.documents, Alerts: a.heldAlerts, Again: a.tellAgain, AckURL: links.URL, Changed: a.alertsChanged,
	}, log, a.registry)
	return &onCall{l, e, &oncall.Page{Links: links, Engine: e, Alerts: a.heldAlerts, Acknowledge: a.acknowledge, Home: a.url(), Log: log}}
}

// startOnCall follows who is on call, and escalates.
func (a *App) startOnCall(context.Context) (stopFunc, error) {
	if a.made.oncall == nil {
		return nil, nil
	}
	stopLibrary := a.stack.run("on call", a.made.oncall.Library.Run)
	stopEngine := a.stack.run("escalations", a.made.oncall.Engine.Run)
	return func(ctx context.Context) error { return errors.Join(stopEngine(ctx), stopLibrary(ctx)) }, nil
}

// tellAgain is the next step of an escalation: the receiver's oncall entries tell whoever is asked for now.
func (a *App) tellAgain(ctx context.Context, id string, g notify.Group) error {
	return a.made.notifier.Again(ctx, id, g, a.made.alerts.Receivers()[g.Receiver])
}

func (a *App) onCall() api.OnCall {
	if a.made.oncall == nil {
		return nil // and not a nil inside an interface
	}
	return a.made.oncall
}

// ackEndpoints are where the links of notifications lead.
func (a *App) ackEndpoints() []api.Endpoint {
	if a.made.oncall == nil {
		return nil
	}
	return []api.Endpoint{{Path: "/ack/", Handler: a.made.oncall.page}}
}

// peopleOf are those whom the oncall entries of a receiver reach now, at first.
func (a *App) peopleOf(receiver string) []explain.Person {
	c := a.made.alerts.Config()
	if c == nil || a.made.oncall == nil {
		return nil
	}
	var out []explain.Person
	for _, x := range c.Extras[receiver] {
		var entry struct {
			Team       string `yaml:"team"`
			Escalation string `yaml:"escalation"`
		}
		if x.Kind != "oncall" || x.Node.Decode(&entry) != nil {
			continue
		}
		for _, s := range a.made.oncall.First(entry.Team, entry.Escalation, time.Now()) {
			out = append(out, explain.Person{Name: s.Contact, Until: s.To})
		}
	}
	return out
}
