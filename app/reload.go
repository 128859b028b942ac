package app

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// snapshot is the configuration in force: readers get an immutable one.
type snapshot struct{ p atomic.Pointer[config.Config] }

func (s *snapshot) get() *config.Config  { return s.p.Load() }
func (s *snapshot) set(c *config.Config) { s.p.Store(c) }

// reloads remembers how the last one went.
type reloads struct {
	one sync.Mutex // held during a reload: one at a time

	ok   prometheus.Gauge
	time prometheus.Gauge

	mu      sync.Mutex
	lastOK  bool      // guarded by mu
	when    time.Time // of the last success; guarded by mu
	failed  time.Time // the last failure; guarded by mu
	because error     // what went wrong then; guarded by mu
}

func newReloads(reg prometheus.Registerer, now time.Time) *reloads {
	f := promauto.With(reg)
	r := &reloads{
		ok: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_config_last_reload_successful", Help: "Whether the last reading of the configuration went well."}),
		time: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_config_last_reload_success_timestamp_seconds", Help: "When the configuration was last read well."}),
	}
	r.done(nil, now)
	return r
}

func (r *reloads) done(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastOK = err == nil
	if err != nil {
		r.failed, r.because = now, err
		r.ok.Set(0)
		return
	}
	r.when = now
	r.ok.Set(1)
	r.time.Set(float64(now.UnixNano()) / 1e9)
}

func (r *reloads) last() (ok bool, when time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastOK, r.when
}

// failure returns what went wrong and when, if the last reload did.
func (r *reloads) failure() (when time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastOK {
		return time.Time{}, nil
	}
	return r.failed, r.because
}

// Reload reads the configuration again and applies what can change while the process runs. After an error the
// old configuration is in force. It logs how it went.
func (a *App) Reload() error {
	a.reloads.one.Lock()
	defer a.reloads.one.Unlock()
	err := a.reload()
	a.reloads.done(err, time.Now())
	if err != nil {
		a.log.Error("cannot reload the configuration: the old one stays in force", "err", err)
	}
	return err
}

func (a *App) reload() error {
	old := a.config.get()
	c, err := config.Load(a.options.Sources)
	if err != nil {
		return err
	}
	a.config.set(c)
	if err := a.stack.reload(old, c); err != nil {
		a.config.set(old)
		return err
	}
	a.setLogLevel(c)
	a.warn(c)
	if keys := config.NeedRestart(old, c); len(keys) > 0 {
		a.log.Warn("some changes need a restart to take effect", "keys", strings.Join(keys, ", "))
	}
	a.log.Info("configuration reloaded", "config", orNone(c.File))
	return nil
}

// warn logs what the configuration asks for in vain.
func (a *App) warn(c *config.Config) {
	for _, w := range c.Warnings {
		a.log.Warn(w.Error())
	}
}

// reload applies a configuration to the parts, in order. When one refuses, it and those before it get the old
// configuration back.
func (s *stack) reload(old, new *config.Config) error {
	for i, r := range s.running {
		if r.reload == nil {
			continue
		}
		err := r.reload(old, new)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", r.name, err)
		for _, b := range s.running[:i+1] {
			if b.reload != nil {
				if back := b.reload(new, old); back != nil {
					err = errors.Join(err, fmt.Errorf("and cannot go back: %s: %w", b.name, back))
				}
			}
		}
		return err
	}
	return nil
}
