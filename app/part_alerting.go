package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/hulotte-dev/hulotte/alert"
	alertchecks "github.com/hulotte-dev/hulotte/alert/checks"
	"github.com/hulotte-dev/hulotte/alert/forward"
	"github.com/hulotte-dev/hulotte/alert/manager"
	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/cluster"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/notify"
	"github.com/hulotte-dev/hulotte/rule"
)

// liveAlerts is the topic that tells open pages of changes of alerts and silences.
const liveAlerts = "alerts"

// startAlerting holds alerts and tells of them. It stands before whatever raises any.
func (a *App) startAlerting(ctx context.Context) (stopFunc, error) {
	c := a.config.get()
	if !c.Alerting.Enabled {
		return nil, nil
	}
	external, err := url.Parse(a.url())
	if err != nil {
		return nil, err
	}
	a.made.oncall = a.makeOnCall()
	n, err := notify.New(notify.Options{ExternalURL: external, People: a.made.oncall.Engine, Documents: a.made.medium.documents, Changed: a.alertsChanged}, a.log.With("part", "notify"), a.registry)
	if err != nil {
		return nil, err
	}
	m, err := manager.New(manager.Options{
		ExternalURL: external, Documents: a.made.medium.documents, Retention: c.Alerting.Retention, Build: n.Build, Wrap: n.Wrap, Node: a.made.nodeID,
		Position: a.position, Inhibit: alertchecks.Inhibitions(), Unheard: []string{watchdogAlert}, Changed: a.alertsChanged,
	}, logging.Quiet(a.log.With("part", "alert")), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.alerts, a.made.notifier = m, n
	if err := m.Load(ctx); err != nil {
		if model.KindOf(err) != model.Unavailable {
			return nil, err
		}
		a.log.Warn("silences and what was told are not known before the medium is there: something may be told twice", "part", "alert", "err", err)
	}
	if err := a.applyAlerting(c); err != nil {
		return nil, err
	}
	stop := a.stack.run("alert", m.Run)
	stopLog := a.stack.run("delivery log", n.Run)
	return func(ctx context.Context) error { return errors.Join(stop(ctx), stopLog(ctx)) }, nil
}

func (a *App) reloadAlerting(_, new *config.Config) error {
	if a.made.alerts == nil {
		return nil
	}
	return a.applyAlerting(new)
}

func (a *App) applyAlerting(c *config.Config) error {
	if err := a.made.alerts.Apply(c.Alerting.Config); err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	a.made.notifier.InForce(a.made.alerts.Receivers())
	return nil
}

func (a *App) alertsChanged() { a.made.live.Publish(liveAlerts, time.Now()) }

// position is this node's place among those that live: each gives the ones before it time to tell.
func (a *App) position() int {
	var alive []string
	self := ""
	for _, n := range a.made.member.Nodes() {
		if n.Self {
			self = n.ID
		}
		if n.Self || n.State == cluster.Alive {
			alive = append(alive, n.ID)
		}
	}
	slices.Sort(alive)
	return max(0, slices.Index(alive, self))
}

// raise takes the alerts of a rule: to our own manager, and to the Alertmanagers outside.
func (a *App) raise(ctx context.Context, expr string, alerts []rule.Alert) {
	sent := make([]*forward.Alert, 0, len(alerts))
	for _, ra := range alerts {
		out := &forward.Alert{
			Labels: ra.Labels, Annotations: ra.Annotations, StartsAt: ra.FiredAt, EndsAt: ra.ResolvedAt,
			GeneratorURL: a.url() + strings.TrimPrefix(strutil.TableLinkForExpression(expr), "/"),
		}
		if out.EndsAt.IsZero() {
			out.EndsAt = ra.ValidUntil
		}
		sent = append(sent, out)
	}
	a.made.forward.Send(sent...)
	if a.made.alerts == nil {
		return
	}
	if err := a.made.alerts.Put(ctx, alert.FromRule, a.relabelled(sent)...); err != nil {
		a.log.Warn("alerts of a rule could not be raised", "part", "alert", "expr", expr, "err", err)
	}
}

// relabelled are alerts with the external labels and through the alert_relabel_configs of a prometheus.yml, as any Alertmanager gets them.
func (a *App) relabelled(alerts []*forward.Alert) []alert.Alert {
	c := a.prometheus()
	lb := labels.NewBuilder(labels.EmptyLabels())
	out := make([]alert.Alert, 0, len(alerts))
	for _, in := range alerts {
		lb.Reset(in.Labels)
		c.GlobalConfig.ExternalLabels.Range(func(l labels.Label) {
			if in.Labels.Get(l.Name) == "" {
				lb.Set(l.Name, l.Value)
			}
		})
		if !relabel.ProcessBuilder(lb, c.AlertingConfig.AlertRelabelConfigs...) {
			continue
		}
		set, annotations := lb.Labels().Map(), in.Annotations.Map()
		a.addRunbook(set, annotations)
		out = append(out, alert.Alert{
			Labels: set, Annotations: annotations, StartsAt: in.StartsAt, EndsAt: in.EndsAt, GeneratorURL: in.GeneratorURL,
		})
	}
	return out
}

// startCheckAlerts raises the problems of checks as alerts.
func (a *App) startCheckAlerts(context.Context) (stopFunc, error) {
	if a.made.alerts == nil || a.made.checks == nil {
		return nil, nil
	}
	external, err := url.Parse(a.url())
	if err != nil {
		return nil, err
	}
	b := alertchecks.New(alertchecks.Options{Engine: a.made.checks, Alerts: a.made.alerts, ExternalURL: external, Runbook: a.addRunbook}, a.log.With("part", "alert"), a.registry)
	a.problems.Store(b)
	return a.stack.run("alerts of checks", b.Run), nil
}

// alertmanagerPaths are those of Alertmanager's API, version 2.
var alertmanagerPaths = []string{"/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences", "/api/v2/silence/", "/api/v2/receivers", "/api/v2/status"}

// alertmanagerEndpoints answer as Alertmanager does: at the same paths, and below /alertmanager, as some gateways have it.
func (a *App) alertmanagerEndpoints() []api.Endpoint {
	if a.made.alerts == nil {
		return nil
	}
	var out []api.Endpoint
	h := oneTenant(a.made.alerts.Handler())
	for _, path := range alertmanagerPaths {
		out = append(out, api.Endpoint{Path: path, Handler: h}, api.Endpoint{Path: "/alertmanager" + path, Handler: http.StripPrefix("/alertmanager", h)})
	}
	return out
}

// oneTenant refuses requests of other tenants: alerts are the default one's.
func oneTenant(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tenant := model.Tenant(r.Context()); tenant != model.DefaultTenant {
			http.Error(w, fmt.Sprintf("alerts are held for the default tenant only, and not for %q", tenant), http.StatusNotFound)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// heldAlerts are the alerts that are held and that keep keeps.
func (a *App) heldAlerts(keep func(*alert.Alert) bool) []alert.Alert {
	if a.made.alerts == nil {
		return nil
	}
	return a.made.alerts.Alerts(keep)
}
