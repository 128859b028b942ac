package spanmetrics

import (
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// opKey is what the series of a service's spans are told apart by.
type opKey struct {
	name   string
	kind   model.SpanKind
	status model.SpanStatus
}

// seriesOfOperation is how many series an operation has: calls and durations.
const seriesOfOperation = 2

// operation is the spans of a service with one name, kind and status.
type operation struct {
	key     opKey
	spans   durations
	born    int64 // from when on it counts, milliseconds since the epoch
	touched int64 // when there was a span, milliseconds since the epoch
	out     [seriesOfOperation]series
}

// apdex counts how the answers of a service were, by the time that they took and whether they failed.
type apdex struct {
	counts  [3]uint64 // satisfied, tolerated, frustrated
	born    int64
	touched int64
	out     [3]series
}

// maxHeld is how many spans are counted under one hold of a lock.
const maxHeld = 128

// observeOperations counts the spans of one service.
func (t *tenant) observeOperations(n *node, spans []model.Span, now int64) {
	for part := range slices.Chunk(spans, maxHeld) {
		n.mu.Lock()
		for i := range part {
			t.observeOperation(n, &part[i], now)
		}
		n.mu.Unlock()
	}
}

// observeOperation is called with the node's mu held.
func (t *tenant) observeOperation(n *node, s *model.Span, now int64) {
	k := opKey{s.Name, s.Kind, s.Status}
	o := n.operations[k]
	if o == nil {
		o = t.addOperation(n, k)
	}
	o.touched = now
	o.spans.observe(s.Duration, s.Start, s.TraceID, s.ID)
	if k.kind == model.SpanServer || k.kind == model.SpanConsumer {
		t.observeAnswer(n, s, now)
	}
}

// addOperation returns the operation of a key that is not there as it is. It is called with the node's mu held.
func (t *tenant) addOperation(n *node, k opKey) *operation {
	k = opKey{clean(k.name), knownKind(k.kind), knownStatus(k.status)}
	if o := n.operations[k]; o != nil {
		return o
	}
	room := n.name != Overflow && (n.names[k.name] > 0 || len(n.names) < t.metrics.opts.MaxOperations)
	if !room || !t.reserve(seriesOfOperation) {
		t.metrics.own.overflowed.Inc()
		k.name = Overflow
		if o := n.operations[k]; o != nil {
			return o
		}
		t.series.Add(seriesOfOperation) // there are few: a service has at most one a kind and status
	}
	k.name = strings.Clone(k.name)
	o := &operation{key: k, born: t.born.Load()}
	n.operations[k] = o
	n.names[k.name]++
	return o
}

// dropOperation is called with the node's mu held.
func (t *tenant) dropOperation(n *node, o *operation) {
	delete(n.operations, o.key)
	if n.names[o.key.name]--; n.names[o.key.name] == 0 {
		delete(n.names, o.key.name)
	}
	t.series.Add(-seriesOfOperation)
}

// observeAnswer counts how an answer was (apdex.org: satisfied up to a time T, tolerated up to 4 T, else frustrated). It is called with the
// node's mu held.
func (t *tenant) observeAnswer(n *node, s *model.Span, now int64) {
	if n.apdex == nil {
		n.apdex = &apdex{born: t.born.Load()}
		t.series.Add(int64(len(n.apdex.counts)))
	}
	level, target := 0, t.metrics.opts.Apdex.Nanoseconds()
	switch {
	case s.Status == model.StatusError || s.Duration > 4*target:
		level = 2
	case s.Duration > target:
		level = 1
	}
	n.apdex.counts[level]++
	n.apdex.touched = now
}

// knownKind is a kind that OpenTelemetry knows.
func knownKind(k model.SpanKind) model.SpanKind {
	if k < model.SpanUnspecified || k > model.SpanConsumer {
		return model.SpanUnspecified
	}
	return k
}

func knownStatus(s model.SpanStatus) model.SpanStatus {
	if s < model.StatusUnset || s > model.StatusError {
		return model.StatusUnset
	}
	return s
}

var kindNames = [...]string{"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"}

var statusNames = [...]string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"}

var apdexLevels = [...]string{"satisfied", "tolerated", "frustrated"}
