package app

import (
	"context"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/heartbeat"
)

// startWatchdog calls a URL for as long as alerting works.
func (a *App) startWatchdog(context.Context) (stopFunc, error) {
	w := a.config.get().Alerting.Watchdog
	if w.URL == "" || a.made.alerts == nil {
		return nil, nil
	}
	h, err := heartbeat.New(heartbeat.Options{URL: w.URL, Every: w.Interval, UserAgent: "Hulotte/" + a.options.Build.Version, Works: a.alertingWorks},
		a.log.With("part", "watchdog"), a.registry)
	if err != nil {
		return nil, err
	}
	return a.stack.run("watchdog", h.Run), nil
}

// watchdogAlert is the default rule that always fires.
const watchdogAlert = "Watchdog"

// alertingWorks follows an alert's way: rules are evaluated, and what they raise arrives.
func (a *App) alertingWorks() error {
	always := false
	for _, g := range a.made.rules.Groups() {
		if late := time.Since(g.LastEvaluation) - 3*g.Interval; late > time.Minute && time.Since(a.started) > 3*g.Interval+time.Minute {
			return fmt.Errorf("the rule group %s was not evaluated since %s", g.Name, g.LastEvaluation.Format(time.RFC3339))
		}
		for _, r := range g.Rules {
			always = always || r.Alerting && r.Name == watchdogAlert
		}
	}
	if !always || time.Since(a.started) < 2*time.Minute {
		return nil
	}
	for _, x := range a.made.alerts.Alerts(func(x *alert.Alert) bool { return x.Name() == watchdogAlert && x.Source == alert.FromRule }) {
		if time.Since(x.UpdatedAt) < 5*time.Minute {
			return nil
		}
	}
	return fmt.Errorf("the alert %s, which always fires, does not arrive", watchdogAlert)
}
