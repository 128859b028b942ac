package spanmetrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// UnknownService is the name of a service that does not tell its name, as OpenTelemetry's SDKs have it.
const UnknownService = "unknown_service"

// maxName is the longest service or span name in bytes; what is longer is cut. Names are labels of many series.
const maxName = 200

// tenant is what is counted for one tenant.
type tenant struct {
	name    string
	metrics *Metrics
	series  atomic.Int64 // that are kept
	born    atomic.Int64 // from when on series that begin now count, milliseconds since the epoch

	mu       sync.RWMutex     // may be taken while a node's mu is held, never the other way round
	nodes    map[string]*node // by name; guarded by mu
	services int              // among the nodes; guarded by mu
	virtual  int              // nodes that are no services; guarded by mu
}

func newTenant(m *Metrics, name string, born int64) *tenant {
	t := &tenant{name: strings.Clone(name), metrics: m, nodes: map[string]*node{}}
	t.born.Store(born)
	return t
}

// node is a service, or something that services call or are called by.
type node struct {
	name    string
	virtual bool         // it is no service: it has been named by those who call it
	touched atomic.Int64 // when there was a span of it, milliseconds since the epoch

	mu         sync.Mutex // guards everything below
	operations map[opKey]*operation
	names      map[string]int // of the operations, with the number of those that have it
	calls      map[callKey]*call
	apdex      *apdex // nil: it has answered nobody yet
}

func (n *node) touch(now int64) {
	if n.touched.Load() < now { // mostly another has written it in the same millisecond
		n.touched.Store(now)
	}
}

// service returns the node of a service. It is touched while mu is held, so that forget leaves it.
func (t *tenant) service(name string, now int64) *node {
	if name == "" {
		name = UnknownService
	}
	t.mu.RLock()
	n := t.nodes[name]
	known := n != nil && !n.virtual
	if known {
		n.touch(now)
	}
	t.mu.RUnlock()
	if known {
		return n
	}
	return t.addService(clean(name), now)
}

func (t *tenant) addService(name string, now int64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[name]
	switch {
	case name == Overflow:
		return t.overflowLocked(now)
	case n != nil && !n.virtual:
		n.touch(now)
		return n
	case t.services >= t.metrics.opts.MaxServices:
		t.metrics.own.overflowed.Inc()
		return t.overflowLocked(now)
	case n != nil: // others called it before it sent spans itself
		n.virtual = false
		n.touch(now)
		t.virtual--
	default:
		n = t.addLocked(name, false, now)
	}
	t.services++
	return n
}

// peer returns the node of something that a service calls or is called by.
func (t *tenant) peer(name string, now int64) *node {
	t.mu.RLock()
	n := t.nodes[name]
	if n != nil {
		n.touch(now)
	}
	t.mu.RUnlock()
	if n != nil {
		return n
	}
	name = clean(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[name]; n != nil {
		n.touch(now)
		return n
	}
	if t.virtual >= t.metrics.opts.MaxServices {
		t.metrics.own.overflowed.Inc()
		return t.overflowLocked(now)
	}
	t.virtual++
	return t.addLocked(name, true, now)
}

// overflow returns the node of everything beyond the bounds, which counts neither as a service nor as virtual.
func (t *tenant) overflow(now int64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.overflowLocked(now)
}

func (t *tenant) overflowLocked(now int64) *node {
	if n := t.nodes[Overflow]; n != nil {
		n.touch(now)
		return n
	}
	return t.addLocked(Overflow, false, now)
}

func (t *tenant) addLocked(name string, virtual bool, now int64) *node {
	n := &node{name: strings.Clone(name), virtual: virtual, operations: map[opKey]*operation{}, names: map[string]int{}, calls: map[callKey]*call{}}
	n.touch(now)
	t.nodes[n.name] = n
	return n
}

// reserve makes room for n series, or says that there is none.
func (t *tenant) reserve(n int) bool {
	if t.series.Add(int64(n)) <= int64(t.metrics.opts.MaxSeries) {
		return true
	}
	t.series.Add(int64(-n))
	return false
}

// list returns the nodes of now.
func (t *tenant) list() []*node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]*node, 0, len(t.nodes))
	for _, n := range t.nodes {
		out = append(out, n)
	}
	return out
}

// forget removes the nodes of which nothing has been heard since a time and of which nothing is kept.
func (t *tenant) forget(since int64) {
	var empty []*node
	for _, n := range t.list() {
		n.mu.Lock()
		if len(n.operations) == 0 && len(n.calls) == 0 && n.apdex == nil && n.touched.Load() < since {
			empty = append(empty, n)
		}
		n.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range empty {
		if n.touched.Load() >= since {
			continue
		}
		delete(t.nodes, n.name)
		switch {
		case n.virtual:
			t.virtual--
		case n.name != Overflow:
			t.services--
		}
	}
}

// clean makes a label's value of a name from outside: valid UTF-8 of about maxName bytes at most. It copies nothing of a name that is fine.
func clean(name string) string {
	if len(name) > maxName {
		end := maxName
		for end > maxName-utf8.UTFMax && !utf8.RuneStart(name[end]) {
			end--
		}
		name = name[:end]
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
