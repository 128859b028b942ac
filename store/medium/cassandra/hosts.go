package cassandra

import (
	"context"
	"errors"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// hostPolicy puts the nodes that have just failed to answer at the end of the queue. A node that hangs, rather
// than being gone, keeps its connections, so that without this every request that prefers it would wait for its timeout first.
type hostPolicy struct {
	gocql.HostSelectionPolicy // token-aware and bound to the datacentre

	now func() time.Time
	// slowAfter is when an attempt that was given up counts as not answered: from then on another node was asked.
	slowAfter time.Duration

	mu   sync.Mutex
	slow map[string]time.Time // host id -> until when it comes last
}

// avoidFor is how long a node comes last after it failed to answer. Afterwards one request tries it again.
const avoidFor = 10 * time.Second

// newHostPolicy prefers the replicas of the partition that is asked for, always in the same order: so the lightweight transactions
// of one partition meet at one coordinator instead of outbidding each other.
func newHostPolicy(datacenter string, slowAfter time.Duration) *hostPolicy {
	inner := gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(datacenter), gocql.DoNotShuffleReplicas())
	return &hostPolicy{HostSelectionPolicy: inner, now: time.Now, slowAfter: slowAfter, slow: map[string]time.Time{}}
}

// AddHosts keeps what the driver would otherwise lose behind the wrapper: one update for all hosts.
func (p *hostPolicy) AddHosts(hosts []*gocql.HostInfo) {
	if all, ok := p.HostSelectionPolicy.(interface{ AddHosts([]*gocql.HostInfo) }); ok {
		all.AddHosts(hosts)
		return
	}
	for _, h := range hosts {
		p.AddHost(h)
	}
}

func (p *hostPolicy) Pick(statement gocql.ExecutableStatement) gocql.NextHost {
	next := p.HostSelectionPolicy.Pick(statement)
	var last []gocql.SelectedHost
	exhausted := false
	return func() gocql.SelectedHost {
		for !exhausted {
			h := next()
			switch {
			case h == nil:
				exhausted = true
			case p.avoided(h.Info().HostID(), statement == nil || statement.IsIdempotent()):
				last = append(last, h)
			default:
				return h
			}
		}
		if len(last) == 0 {
			return nil
		}
		h := last[0]
		last = last[1:]
		return h
	}
}

// avoided says whether a node comes last. When its time is over it says no once, and the rest waits for the outcome of
// that one. That is a repeatable request, which is sent to another node as well when this one takes long; the others are not
// risked before.
func (p *hostPolicy) avoided(id string, repeatable bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.slow[id]
	if !ok {
		return false
	}
	now := p.now()
	if now.Before(until) || !repeatable && now.Before(until.Add(avoidFor)) {
		return true
	}
	p.slow[id] = now.Add(avoidFor)
	return false
}

// ObserveQuery and ObserveBatch are told by the driver how every attempt went. (Mark of the driver's SelectedHost is not
// enough: it takes an attempt that was given up for a success.)
func (p *hostPolicy) ObserveQuery(_ context.Context, q gocql.ObservedQuery) {
	p.observe(q.Host, q.Err, q.End.Sub(q.Start))
}

func (p *hostPolicy) ObserveBatch(_ context.Context, b gocql.ObservedBatch) {
	p.observe(b.Host, b.Err, b.End.Sub(b.Start))
}

func (p *hostPolicy) observe(host *gocql.HostInfo, err error, took time.Duration) {
	var answer gocql.RequestError
	answered := err == nil || errors.As(err, &answer) // an error of the cluster comes from a node that works
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case answered:
		delete(p.slow, host.HostID())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if took >= p.slowAfter {
			p.slow[host.HostID()] = p.now().Add(avoidFor)
		}
	default:
		p.slow[host.HostID()] = p.now().Add(avoidFor)
	}
}
