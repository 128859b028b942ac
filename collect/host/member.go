package host

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/node_exporter/collector"
)

// maxHung is how many calls of one collector may hang before it is left alone until one of them returns. It is more
// than one for the sake of filesystem: that sets a mount aside once a call hangs on it, and the next call succeeds.
const maxHung = 4

// maxParallel collectors run at once. They mostly wait for nothing, so more would only take the caches of more CPUs.
const maxParallel = 2

// slow is when a collector no longer counts against maxParallel, so that the others are not kept by one that hangs.
const slow = 50 * time.Millisecond

// member is one collector of node_exporter with what bounds it.
type member struct {
	name string
	of   collector.Collector
	hung atomic.Int32

	mu     sync.Mutex
	logged string // the failure that was logged last
}

func newMember(name string, e entry, log *slog.Logger) (*member, error) {
	of, err := e.new(log.With("collector", name))
	if err != nil {
		return nil, fmt.Errorf("cannot start the collector %s (disable it if this machine lacks what it reads): %w", name, err)
	}
	return &member{name: name, of: of}, nil
}

// Describe implements prometheus.Collector. What the collectors give is known only once they ran.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.durationDesc
	ch <- c.successDesc
}

// Collect implements prometheus.Collector. It returns within about Timeout, whatever the collectors do.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	deadline := time.Now().Add(c.timeout)
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for _, m := range c.members {
		slots <- struct{}{}
		wg.Go(func() {
			release := sync.OnceFunc(func() { <-slots })
			defer release()
			defer time.AfterFunc(slow, release).Stop()
			c.collect(m, deadline, ch)
		})
	}
	wg.Wait()
}

// Gather implements prometheus.Gatherer.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) { return c.registry.Gather() }

func (c *Collector) collect(m *member, deadline time.Time, ch chan<- prometheus.Metric) {
	begin := time.Now()
	metrics, err := m.update(deadline)
	for _, metric := range metrics {
		ch <- metric
	}
	c.logChange(m, err)
	success := 1.0
	if err != nil {
		success = 0
	}
	ch <- prometheus.MustNewConstMetric(c.durationDesc, prometheus.GaugeValue, time.Since(begin).Seconds(), m.name)
	ch <- prometheus.MustNewConstMetric(c.successDesc, prometheus.GaugeValue, success, m.name)
}

// logChange logs a failure once until it changes. That there is no such hardware is no failure.
func (c *Collector) logChange(m *member, err error) {
	text := ""
	if err != nil && !collector.IsNoDataError(err) {
		text = err.Error()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if text == m.logged {
		return
	}
	m.logged = text
	if text == "" {
		c.log.Info("collector works again", "collector", m.name)
		return
	}
	c.log.Warn("collector failed", "collector", m.name, "err", text)
}

var errLeftAlone = errors.New("calls of it hang: it is left alone until one returns")

// update calls the collector and returns what it gave before the deadline. A call that hangs goes on by itself, and
// what it gives then is thrown away.
func (m *member) update(deadline time.Time) ([]prometheus.Metric, error) {
	if m.hung.Load() >= maxHung {
		return nil, errLeftAlone
	}
	ch := make(chan prometheus.Metric, 64)
	var err error // set before ch is closed
	go func() {
		defer close(ch)
		err = m.call(ch)
	}()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	var metrics []prometheus.Metric
	for {
		select {
		case metric, ok := <-ch:
			if !ok {
				return metrics, err
			}
			metrics = append(metrics, metric)
		case <-timer.C:
			m.hung.Add(1)
			go m.drain(ch)
			return nil, errors.New("no answer in time")
		}
	}
}

// drain lets a call that hung end.
func (m *member) drain(ch <-chan prometheus.Metric) {
	for range ch {
	}
	m.hung.Add(-1)
}

func (m *member) call(ch chan<- prometheus.Metric) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return m.of.Update(ch)
}
