package app

import (
	"context"
	"fmt"
	"net/url"

	"github.com/hulotte-dev/hulotte/alert/forward"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/prometheus/prometheus/discovery"
)

// startForwarding sends the alerts of rules to the Alertmanagers that a prometheus.yml names.
func (a *App) startForwarding(context.Context) (stopFunc, error) {
	metrics, err := discovery.CreateAndRegisterSDMetrics(a.registry)
	if err != nil {
		return nil, fmt.Errorf("cannot register the metrics of service discovery: %w", err)
	}
	a.made.discovered = metrics
	f, err := forward.New(forward.Options{UserAgent: "Hulotte/" + a.options.Build.Version, Discovery: metrics}, logging.Quiet(a.log.With("part", "forward alerts")), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.forward = f
	stop := a.stack.run("forwarding of alerts", f.Run)
	if err := f.Apply(a.prometheus()); err != nil {
		_ = stop(context.Background())
		return nil, err
	}
	return stop, nil
}

func (a *App) reloadForwarding(_, new *config.Config) error {
	return a.made.forward.Apply(new.Scrape.Prometheus())
}

// alertmanagers are those outside that alerts go to, and those that relabelling dropped.
func (a *App) alertmanagers() (active, dropped []*url.URL) {
	return a.made.forward.Alertmanagers()
}
