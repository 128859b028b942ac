package notify

import (
	"slices"
	"strings"
	"sync"
	"time"

	amnotify "github.com/prometheus/alertmanager/notify"

	"github.com/hulotte-dev/hulotte/alert"
)

// The log's bounds in memory. A delivery takes some 500 bytes, so that the number is reached first, unless groups are large.
const (
	maxLogEntries = 20_000
	maxLogBytes   = 16 << 20
	maxLogAge     = 7 * 24 * time.Hour
	maxPending    = 5_000       // entries that wait for the medium
	clockSkew     = time.Minute // between nodes
)

// Filter says which deliveries are asked for; its zero value is the last 100.
type Filter struct {
	Receiver, Fingerprint string
	Failed                bool // only what failed
	Since                 time.Time
	Limit                 int // 0 is 100
}

const defaultLimit = 100

func (f *Filter) keeps(d *alert.Delivery) bool {
	return (f.Receiver == "" || d.Receiver == f.Receiver) && (!f.Failed || !d.OK) &&
		(f.Fingerprint == "" || slices.ContainsFunc(d.Alerts, func(t alert.Told) bool { return t.Fingerprint == f.Fingerprint }))
}

// Failing is an integration whose last try failed, while none succeeded since.
type Failing struct {
	Receiver    string    `json:"receiver"`
	Integration string    `json:"integration"`
	Index       int       `json:"index"`
	Since       time.Time `json:"since"` // the first failure after the last success
	Error       string    `json:"error"` // the last one's
}

// deliveryLog remembers tries.
type deliveryLog struct {
	dropped func()

	mu      sync.Mutex // no I/O under it: senders wait for it
	all     []*alert.Delivery
	ids     map[string]bool
	bytes   int
	pending []*alert.Delivery // what the medium does not have
	states  map[target]*state
}

// state is how an integration does.
type state struct {
	last  time.Time
	since time.Time // of failing; zero when it works
	err   string
}

func newDeliveryLog() *deliveryLog {
	return &deliveryLog{ids: map[string]bool{}, states: map[target]*state{}, dropped: func() {}}
}

// add takes a try. Those to be kept wait for the medium.
func (l *deliveryLog) add(d *alert.Delivery, keep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids[d.ID] || time.Since(d.At) > maxLogAge {
		return
	}
	l.ids[d.ID] = true
	at, _ := slices.BinarySearchFunc(l.all, d, byTime)
	l.all = slices.Insert(l.all, at, d)
	l.bytes += sizeOf(d)
	if !strings.HasPrefix(d.Error, interruption) {
		l.judge(d, keep)
	}
	if keep {
		if len(l.pending) >= maxPending {
			l.pending = slices.Delete(l.pending, 0, 1)
			l.dropped()
		}
		l.pending = append(l.pending, d)
	}
	n := 0
	for n < len(l.all) && (len(l.all)-n > maxLogEntries || l.bytes > maxLogBytes || time.Since(l.all[n].At) > maxLogAge) {
		l.bytes -= sizeOf(l.all[n])
		delete(l.ids, l.all[n].ID)
		n++
	}
	l.all = slices.Delete(l.all, 0, n)
}

func byTime(a, b *alert.Delivery) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// judge notes whether the integration works. What this node tried just now counts, whatever the clock says.
func (l *deliveryLog) judge(d *alert.Delivery, now bool) {
	t := target{d.Receiver, d.Integration, d.Index}
	s := l.states[t]
	switch {
	case s == nil:
		s = &state{}
		l.states[t] = s
	case !now && d.At.Before(s.last):
		return // another node's, or one from before a restart
	}
	s.last = d.At
	switch {
	case d.OK:
		s.since, s.err = time.Time{}, ""
	case s.since.IsZero():
		s.since, s.err = d.At, d.Error
	default:
		s.err = d.Error
	}
}

// sizeOf is roughly what a delivery takes.
func sizeOf(d *alert.Delivery) int {
	const fixed, perAlert = 300, 64
	n := fixed + len(d.GroupKey) + len(d.Error) + len(d.Answer) + len(d.Alerts)*perAlert
	for i := range d.Alerts {
		n += len(d.Alerts[i].Name)
	}
	for k, v := range d.GroupLabels {
		n += len(k) + len(v)
	}
	return n
}

func (l *deliveryLog) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func (l *deliveryLog) find(f Filter) []alert.Delivery {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []alert.Delivery{}
	for _, d := range slices.Backward(l.all) {
		if len(out) >= f.Limit || d.At.Before(f.Since) {
			break
		}
		if f.keeps(d) {
			out = append(out, *d)
		}
	}
	return out
}

func (l *deliveryLog) failing() []Failing {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Failing{}
	for t, s := range l.states {
		if !s.since.IsZero() && time.Since(s.last) <= maxLogAge {
			out = append(out, Failing{Receiver: t.receiver, Integration: t.integration, Index: t.index, Since: s.since, Error: s.err})
		}
	}
	slices.SortFunc(out, func(a, b Failing) int { return a.Since.Compare(b.Since) })
	return out
}

// sent is how often something was told within the last hour, and when that began to be so.
func (l *deliveryLog) sent(t target, now time.Time) (n int, first time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range slices.Backward(l.all) {
		if now.Sub(d.At) >= time.Hour {
			break
		}
		if d.At.Sub(now) > clockSkew {
			continue // the clock was put back
		}
		if d.OK && !d.Test && t == (target{d.Receiver, d.Integration, d.Index}) {
			n, first = n+1, d.At
		}
	}
	return n, first
}

// take takes what waits for the medium, up to a size; at least one when there is one.
func (l *deliveryLog) take(size int) (out []*alert.Delivery, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.pending) && (n == 0 || size >= sizeOf(l.pending[n])) {
		size -= sizeOf(l.pending[n])
		n++
	}
	out = slices.Clone(l.pending[:n])
	l.pending = slices.Delete(l.pending, 0, n)
	return out, len(l.pending)
}

// Deliveries are the tries to tell somebody that f keeps, the newest first: of this node, and soon after also of the others.
func (n *Notifier) Deliveries(f Filter) []alert.Delivery { return n.told.find(f) }

// Failing are the integrations that do not reach anybody, the longest failing first.
func (n *Notifier) Failing() []Failing { return n.told.failing() }

// InForce forgets that integrations fail which the configuration has no longer, and begins the counters of those that it has. It is called after a configuration was put in force.
func (n *Notifier) InForce(receivers map[string][]amnotify.Integration) {
	have := map[target]bool{}
	for name, all := range receivers {
		for i := range all {
			have[target{name, all[i].Name(), all[i].Index()}] = true
		}
	}
	for t := range have { // there before the first failure, so that its increase is seen
		n.metrics.deliveries.WithLabelValues(t.receiver, t.integration, "ok")
		n.metrics.deliveries.WithLabelValues(t.receiver, t.integration, "failed")
	}
	n.told.mu.Lock()
	defer n.told.mu.Unlock()
	for t := range n.told.states {
		if !have[t] {
			delete(n.told.states, t)
		}
	}
}
