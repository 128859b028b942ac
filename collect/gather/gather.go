// Package gather reads what Hulotte collects by itself (its host, processes, containers, its own metrics) on a
// clock, and appends it as Prometheus would after a scrape: job and instance labels, up and the scrape_*
// series, staleness markers, metadata, exemplars and aligned timestamps.
//
// A Loop has a fixed list of sources, and groups of sources that come and go (SetSources). Each runs on its own, so a source that hangs (a stat on a dead NFS server)
// costs one waiting goroutine and its own up=0, and nothing to the others. The steady state appends by cached
// series references and allocates nothing per sample.
package gather

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/storage"
)

// Appendable is where samples go.
type Appendable = storage.AppendableV2

// Source is one thing that is gathered: the counterpart of a scrape target.
type Source struct {
	Job      string // label job: required; Job and Instance together are unique in a Loop
	Instance string // label instance: required

	// Labels are added to every series; job, instance and names that begin with __ are refused.
	Labels map[string]string

	// Gatherer is called from one goroutine at a time. It may return families together with an error: those are
	// kept and the error is shown as a warning. An error without families fails the gather (up is 0).
	Gatherer prometheus.Gatherer

	Interval time.Duration // between two gathers; 0 is 10 s
	Timeout  time.Duration // after which a gather has failed; 0, or more than the interval, is the interval

	// ClassicHistograms keeps the classic buckets of a histogram that also has native ones.
	ClassicHistograms bool

	// Remote says that a gather mostly waits for another machine: it takes no turn of those that work here.
	Remote bool
}

// Options of a Loop. The zero value works.
type Options struct {
	MaxConcurrent  int // gathers that run at once; 0 is 4. One that timed out no longer counts.
	MaxRemote      int // the same for sources that are Remote; 0 is 64
	MaxSamples     int // samples of one gather of one source, above which it fails; 0 is 100,000
	MaxSeriesBytes int // bytes of one series' label names and values, above which it is dropped; 0 is 16 KiB

	// OnGathered is called after what a source gave was committed, from that source's goroutine: it must return
	// quickly and must not call the Loop. source is the job, t the samples' timestamp.
	OnGathered func(source string, t time.Time)
}

const (
	defaultInterval = 10 * time.Second
	minInterval     = 100 * time.Millisecond // below it the machine would watch itself watching

	defaultMaxConcurrent  = 4
	defaultMaxRemote      = 64
	defaultMaxSamples     = 100_000
	defaultMaxSeriesBytes = 16 << 10
)

// Loop gathers its sources until its Run ends. Status and Metadata may be called at any time.
type Loop struct {
	opts    Options
	to      Appendable
	slots   chan struct{} // one token a running gather; never closed
	remote  chan struct{} // the same for sources that are Remote
	log     *slog.Logger
	metrics *metrics
	fixed   []*worker
	changed chan struct{} // holds one token when groups may have changed; never closed

	mu      sync.Mutex // never held during I/O
	groups  map[string][]*worker
	running map[sourceID]*worker // the last one that was started for each
}

// New returns a Loop over the sources, or an error that names the wrong field. It starts nothing.
func New(opts Options, sources []Source, to Appendable, log *slog.Logger, reg prometheus.Registerer) (*Loop, error) {
	opts = opts.withDefaults()
	m := newMetrics()
	l := &Loop{
		opts: opts, to: to, slots: make(chan struct{}, opts.MaxConcurrent), remote: make(chan struct{}, opts.MaxRemote), log: log, metrics: m,
		changed: make(chan struct{}, 1), groups: map[string][]*worker{}, running: map[sourceID]*worker{},
	}
	seen := map[sourceID]bool{}
	for i, s := range sources {
		s, err := s.withDefaults()
		if err != nil {
			return nil, fmt.Errorf("source %d (job %q): %w", i, s.Job, err)
		}
		if seen[idOf(s)] {
			return nil, fmt.Errorf("source %d: job %q and instance %q are taken by another source: their up series would clash", i, s.Job, s.Instance)
		}
		seen[idOf(s)] = true
		l.fixed = append(l.fixed, newWorker(s, opts, to, l.slotsOf(s), log, m))
	}
	if reg != nil {
		if err := reg.Register(m); err != nil {
			return nil, fmt.Errorf("cannot register the metrics of gather: %w", err)
		}
	}
	return l, nil
}

func (l *Loop) slotsOf(s Source) chan struct{} {
	if s.Remote {
		return l.remote
	}
	return l.slots
}

// Run gathers every source at once, then each at its interval, until ctx ends, and returns nil. It writes no
// staleness markers then (see worker.end). A gather that hangs at that moment is left behind, and said so in the log.
func (l *Loop) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		l.startNew(ctx, time.Now(), &wg)
		select {
		case <-ctx.Done():
			return nil
		case <-l.changed:
		}
	}
}

func (o Options) withDefaults() Options {
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = defaultMaxConcurrent
	}
	if o.MaxRemote <= 0 {
		o.MaxRemote = defaultMaxRemote
	}
	if o.MaxSamples <= 0 {
		o.MaxSamples = defaultMaxSamples
	}
	if o.MaxSeriesBytes <= 0 {
		o.MaxSeriesBytes = defaultMaxSeriesBytes
	}
	return o
}

func (s Source) withDefaults() (Source, error) {
	if s.Job == "" {
		return s, errors.New("field Job is empty: name what is gathered, as in \"node\"")
	}
	if s.Instance == "" {
		return s, errors.New("field Instance is empty: give the host's name")
	}
	if s.Gatherer == nil {
		return s, errors.New("field Gatherer is nil")
	}
	if s.Interval == 0 {
		s.Interval = defaultInterval
	}
	if s.Interval < minInterval {
		return s, fmt.Errorf("field Interval is %s: it must be at least %s", s.Interval, minInterval)
	}
	if s.Timeout < 0 {
		return s, fmt.Errorf("field Timeout is %s: it cannot be negative", s.Timeout)
	}
	if s.Timeout == 0 || s.Timeout > s.Interval {
		s.Timeout = s.Interval
	}
	return s, s.checkLabels()
}

func (s Source) checkLabels() error {
	for name, value := range s.Labels {
		switch n := model.LabelName(name); {
		case !model.UTF8Validation.IsValidLabelName(name), len(name) >= 2 && name[:2] == model.ReservedLabelPrefix:
			return fmt.Errorf("field Labels: %q is not a label name that can be added", name)
		case n == model.JobLabel, n == model.InstanceLabel:
			return fmt.Errorf("field Labels: %q is set through the field of that name", name)
		case !model.LabelValue(value).IsValid():
			return fmt.Errorf("field Labels: the value of %q is not valid UTF-8", name)
		}
	}
	return nil
}
