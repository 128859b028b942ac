// Package forward sends alerts to Alertmanagers outside, as the block alerting of a prometheus.yml says, the way Prometheus does.
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/notifier"
)

// Alert is one as it is sent.
type Alert = notifier.Alert

// queueCapacity is Prometheus' default for alerts that wait for one Alertmanager; the oldest are dropped, and counted.
const queueCapacity = 10_000

// Options are what a Forwarder is made of.
type Options struct {
	UserAgent string
	// Discovery are the metrics of service discovery, which register once in a process.
	Discovery *discovery.SDMetrics
}

// Forwarder sends alerts to Alertmanagers.
type Forwarder struct {
	notifier    *notifier.Manager
	discoveries *discovery.Manager
	stop        context.CancelFunc

	mu sync.Mutex // serialises Apply
}

// New allocates a Forwarder. Apply says where alerts go, Run sends them.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Forwarder, error) {
	ctx, stop := context.WithCancel(context.Background())
	f := &Forwarder{stop: stop}
	f.notifier = notifier.NewManager(&notifier.Options{QueueCapacity: queueCapacity, Registerer: reg, DrainOnShutdown: true}, model.UTF8Validation, log)
	f.discoveries = discovery.NewManager(ctx, log, reg, o.Discovery, discovery.Name("notify"), discovery.HTTPClientOptions(commoncfg.WithUserAgent(o.UserAgent)))
	if f.discoveries == nil { // it has logged why
		stop()
		return nil, errors.New("cannot create the service discovery of Alertmanagers")
	}
	return f, nil
}

// Apply takes the Alertmanagers of a configuration, its external labels and alert_relabel_configs.
func (f *Forwarder) Apply(c *config.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.notifier.ApplyConfig(c); err != nil {
		return fmt.Errorf("cannot apply alerting.alertmanagers: %w", err)
	}
	sources := map[string]discovery.Configs{}
	for name, am := range c.AlertingConfig.AlertmanagerConfigs.ToMap() {
		sources[name] = am.ServiceDiscoveryConfigs
	}
	if err := f.discoveries.ApplyConfig(sources); err != nil {
		return fmt.Errorf("cannot apply the service discoveries of alerting.alertmanagers: %w", err)
	}
	return nil
}

// Run sends until ctx ends, and then what waits. It is called once.
func (f *Forwarder) Run(ctx context.Context) error {
	defer f.stop()
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.discoveries.Run() })
	wg.Go(func() { f.notifier.Run(f.discoveries.SyncCh()) })
	<-ctx.Done()
	f.notifier.Stop()
	f.stop()
	wg.Wait()
	return nil
}

// Send queues alerts; it does not wait for the other side.
func (f *Forwarder) Send(alerts ...*Alert) { f.notifier.Send(alerts...) }

// Alertmanagers are those alerts go to, and those that relabelling dropped.
func (f *Forwarder) Alertmanagers() (active, dropped []*url.URL) {
	return f.notifier.Alertmanagers(), f.notifier.DroppedAlertmanagers()
}
