package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"
)

// running is what a configuration makes: it is replaced as a whole.
type running struct {
	config     *Config
	route      *dispatch.Route
	receivers  map[string][]amnotify.Integration
	intervals  map[string][]timeinterval.TimeInterval
	template   *template.Template
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher
}

func (r *running) stop() {
	r.inhibitor.Stop()
	r.dispatcher.Stop()
}

// Apply puts a configuration in force. When anything in it is wrong nothing changes. Alerts, silences and what was told stay.
func (m *Manager) Apply(c *Config) error {
	m.apply.Lock()
	defer m.apply.Unlock()
	next, err := m.prepare(c)
	if err != nil {
		m.metrics.applyFailed.Inc()
		return err
	}
	if old := m.running.Load(); old != nil {
		old.stop()
	}
	m.start(next)
	m.opts.Changed()
	return nil
}

// Check says what is wrong with a configuration that can be read, such as a template that cannot.
func (m *Manager) Check(c *Config) error {
	_, err := m.prepare(c)
	return err
}

// prepare makes everything that can fail.
func (m *Manager) prepare(c *Config) (*running, error) {
	t, err := template.FromGlobs(c.Alertmanager.Templates)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	t.ExternalURL = m.opts.ExternalURL
	r := &running{
		config: c, template: t, route: dispatch.NewRoute(m.heard(c.Alertmanager.Route), nil),
		receivers: map[string][]amnotify.Integration{}, intervals: map[string][]timeinterval.TimeInterval{},
	}
	for _, ti := range c.Alertmanager.MuteTimeIntervals {
		r.intervals[ti.Name] = ti.TimeIntervals
	}
	for _, ti := range c.Alertmanager.TimeIntervals {
		r.intervals[ti.Name] = ti.TimeIntervals
	}
	var errs []error
	for _, rc := range c.Alertmanager.Receivers {
		all, err := receiver.BuildReceiverIntegrations(rc, t, m.log)
		if err == nil && len(c.Extras[rc.Name]) > 0 {
			var more []amnotify.Integration
			if m.opts.Build == nil {
				err = fmt.Errorf("%s_configs is not known", c.Extras[rc.Name][0].Kind)
			} else {
				more, err = m.opts.Build(rc.Name, c.Extras[rc.Name], t)
			}
			all = append(all, more...)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("receiver %q: %w", rc.Name, err))
		}
		for i := range all {
			if m.opts.Wrap != nil {
				all[i] = m.opts.Wrap(rc.Name, all[i])
			}
		}
		r.receivers[rc.Name] = all
	}
	if _, ok := r.receivers[UnheardReceiver]; !ok {
		r.receivers[UnheardReceiver] = nil
	}
	return r, errors.Join(errs...)
}

// start puts what was prepared in force: inhibition first, so that nothing is told that it would have kept back.
func (m *Manager) start(r *running) {
	c := r.config.Alertmanager
	r.inhibitor = inhibit.NewInhibitor(m.alerts, slices.Concat(m.opts.Inhibit, c.InhibitRules), m.log, m.recorder)
	stages := m.pipeline.New(r.receivers, m.wait, r.inhibitor, m.silencer, timeinterval.NewIntervener(r.intervals), m.groups, m.told, nil)
	r.dispatcher = dispatch.NewDispatcher(m.alerts, r.route, stages, m.groups, m.timeout, dispatchSweep, nil, m.log, m.recorder, m.dispatched, r.template)
	m.count(r)
	m.api.Update(c, func(ctx context.Context, labels model.LabelSet) {
		m.running.Load().inhibitor.Mutes(ctx, labels)
		m.silencer.Mutes(ctx, labels)
	})
	go r.inhibitor.Run()
	r.inhibitor.WaitForLoading()
	first := m.running.Load() == nil
	if first {
		m.running.Store(r) // the API answers from now on
	}
	go r.dispatcher.Run(m.started)
	r.dispatcher.WaitForLoading()
	m.running.Store(r)
}

// wait is how long this node lets those before it go first.
func (m *Manager) wait() time.Duration {
	return time.Duration(m.opts.Position()) * m.opts.PeerTimeout
}

func (m *Manager) timeout(d time.Duration) time.Duration {
	return max(d, amnotify.MinTimeout) + m.wait()
}

func (m *Manager) count(r *running) {
	n := 0
	for _, all := range r.receivers {
		n += len(all)
	}
	m.metrics.receivers.Set(float64(len(r.receivers)))
	m.metrics.integrations.Set(float64(n))
	m.metrics.inhibitions.Set(float64(len(r.config.Alertmanager.InhibitRules)))
}

// groupsNow are the groups of the configuration in force.
func (m *Manager) groupsNow(ctx context.Context, routes func(*dispatch.Route) bool, alerts func(*amalert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	r := m.running.Load()
	if r == nil {
		return nil, nil, errNoConfig
	}
	return r.dispatcher.Groups(ctx, routes, alerts)
}

// Config is what is in force; nil before the first Apply.
func (m *Manager) Config() *Config {
	if r := m.running.Load(); r != nil {
		return r.config
	}
	return nil
}

// Route is the tree in force.
func (m *Manager) Route() *dispatch.Route {
	if r := m.running.Load(); r != nil {
		return r.route
	}
	return nil
}

// TimeIntervals are those in force, by name.
func (m *Manager) TimeIntervals() map[string][]timeinterval.TimeInterval {
	if r := m.running.Load(); r != nil {
		return r.intervals
	}
	return nil
}

// Receivers are the integrations in force, by receiver.
func (m *Manager) Receivers() map[string][]amnotify.Integration {
	if r := m.running.Load(); r != nil {
		return r.receivers
	}
	return nil
}
