package gather

import (
	"maps"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// Health of a source, in the words of Prometheus' targets API.
type Health string

// The values of Health.
const (
	HealthUnknown Health = "unknown" // not gathered yet
	HealthUp      Health = "up"
	HealthDown    Health = "down"
)

// SourceStatus tells how a source does; it is what the Targets page shows of it.
type SourceStatus struct {
	Job         string
	Instance    string
	Labels      map[string]string // all labels that its series get, job and instance among them
	Interval    time.Duration
	Timeout     time.Duration
	Health      Health
	LastGather  time.Time     // when the last one began; zero before the first
	LastTook    time.Duration // how long the last finished one took
	LastError   string        // why the source is down
	LastWarning string        // what is missing though it is up
	Samples     int           // that the last one appended
	Series      int           // that it has now
	Running     bool
}

// Status returns one entry a source: first those that New got, then the groups by name, each in the order given.
func (l *Loop) Status() []SourceStatus {
	workers := l.workers()
	out := make([]SourceStatus, len(workers))
	for i, w := range workers {
		out[i] = w.state.get()
	}
	return out
}

// Metadata describes a metric family of a source.
type Metadata struct {
	Job      string
	Instance string
	Family   string
	Type     model.MetricType
	Help     string
	Unit     string
}

// Metadata returns the families that the last gather of each source had, sorted by name within a source. It is the
// counterpart of the metadata that Prometheus keeps for each target. The slice belongs to the caller.
func (l *Loop) Metadata() []Metadata {
	var out []Metadata
	for _, w := range l.workers() {
		w.state.mu.Lock()
		out = append(out, w.state.metadata...)
		w.state.mu.Unlock()
	}
	return out
}

func newState(s Source) state {
	return state{status: SourceStatus{
		Job: s.Job, Instance: s.Instance, Labels: targetLabels(s),
		Interval: s.Interval, Timeout: s.Timeout, Health: HealthUnknown,
	}}
}

func (s *state) get() SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.status
	out.Labels = maps.Clone(out.Labels)
	return out
}

func (s *state) begin(at time.Time, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.LastGather, s.status.Running, s.status.Timeout = at, true, timeout
}

func (s *state) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Running = false
}

func (s *state) finish(r round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	st.Running, st.LastTook, st.Samples, st.Series = false, r.took, r.added, r.series
	st.Health, st.LastError, st.LastWarning = HealthUp, "", ""
	if r.err != nil {
		st.Health, st.LastError = HealthDown, r.err.Error()
		return
	}
	if r.warning != nil {
		st.LastWarning = r.warning.Error()
	}
	s.describe(r.families)
}

// describe rebuilds the metadata only when it changed, which it seldom does. Families come sorted by name.
func (s *state) describe(families []*dto.MetricFamily) {
	if slices.EqualFunc(s.metadata, families, sameFamily) {
		return
	}
	s.metadata = make([]Metadata, 0, len(families)) // a new one: Metadata gave out copies, but only of elements
	for _, f := range families {
		md := familyMetadata(f)
		s.metadata = append(s.metadata, Metadata{
			Job: s.status.Job, Instance: s.status.Instance,
			Family: f.GetName(), Type: md.Type, Help: md.Help, Unit: md.Unit,
		})
	}
	slices.SortFunc(s.metadata, func(a, b Metadata) int { return strings.Compare(a.Family, b.Family) })
}

func sameFamily(m Metadata, f *dto.MetricFamily) bool {
	return m.Family == f.GetName() && m.Type == metricType(f.GetType()) && m.Help == f.GetHelp() && m.Unit == f.GetUnit()
}

func (s *state) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Running, s.status.Health = false, HealthUnknown
	s.metadata = nil
}
