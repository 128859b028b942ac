package cassandra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// inOrder picks all hosts, always in the same order.
type inOrder struct {
	gocql.HostSelectionPolicy
	hosts []*gocql.HostInfo
}

func (p inOrder) Pick(gocql.ExecutableStatement) gocql.NextHost {
	i := -1
	return func() gocql.SelectedHost {
		if i++; i < len(p.hosts) {
			return picked{p.hosts[i]}
		}
		return nil
	}
}

type picked struct{ host *gocql.HostInfo }

func (p picked) Info() *gocql.HostInfo { return p.host }
func (p picked) Mark(error)            {}

// transactionStatement may not be sent twice.
type transactionStatement struct{ gocql.ExecutableStatement }

func (transactionStatement) IsIdempotent() bool { return false }

func TestHostOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	var hosts []*gocql.HostInfo
	for _, id := range []string{"a", "b", "c"} {
		h, err := gocql.NewTestHostInfoFromRow(map[string]any{"host_id": gocql.UUID(fmt.Appendf(nil, "%-16s", id)), "rpc_address": net.IPv4(127, 0, 0, id[0])})
		check(t, err)
		hosts = append(hosts, h)
	}
	p := &hostPolicy{HostSelectionPolicy: inOrder{hosts: hosts}, now: func() time.Time { return now }, slowAfter: time.Second, slow: map[string]time.Time{}}
	f := func(want ...int) {
		t.Helper()
		var got []int
		next := p.Pick(nil)
		for h := next(); h != nil; h = next() {
			got = append(got, slices.Index(hosts, h.Info()))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the order is %v, want %v", got, want)
		}
	}
	ended := func(host int, err error, took time.Duration) {
		p.ObserveQuery(t.Context(), gocql.ObservedQuery{Host: hosts[host], Err: err, Start: now, End: now.Add(took)})
	}
	f(0, 1, 2)
	ended(0, gocql.ErrTimeoutNoResponse, time.Second)
	f(1, 2, 0)
	ended(1, errors.New("connection refused"), 0)
	f(2, 0, 1)
	ended(2, gocql.ErrTimeoutNoResponse, time.Second)
	f(0, 1, 2) // all are: the order is as ever
	ended(2, nil, time.Millisecond)
	ended(1, &gocql.RequestErrUnavailable{}, time.Millisecond) // a node that answers works
	f(1, 2, 0)
	now = now.Add(avoidFor)
	if h := p.Pick(transactionStatement{})(); h.Info() != hosts[1] {
		t.Error("a transaction is the first to try a node again that did not answer")
	}
	f(0, 1, 2) // one request tries it again
	f(1, 2, 0) // and the others wait for its outcome
	ended(0, nil, time.Millisecond)
	f(0, 1, 2)
	ended(0, context.Canceled, time.Millisecond) // the caller left
	f(0, 1, 2)
	ended(0, context.Canceled, time.Second) // another node answered while this one did not
	f(1, 2, 0)
}
