// Package probe holds the kinds of checks that cross the network: each speaks its protocol's real hello and says in one line what an
// operator wants to know. Options tells what exists; Kinds makes them.
//
// What always holds: a probe ends with its context, reads a bounded number of bytes, and leaves neither goroutine nor file descriptor
// behind, whatever the other side sends or does not send (hostile_test.go holds every kind to it). Series have blackbox_exporter's
// names; blackbox.go reads its configuration and answers like it.
package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Options is what all probes of a process share.
type Options struct {
	// UserAgent is what HTTP probes say they are; "Hulotte" when empty.
	UserAgent string
}

// defaultTimeout ends a probe whose context has no end.
const defaultTimeout = 10 * time.Second

// Kinds returns every kind of this package.
func Kinds(o Options) []check.Kind {
	return []check.Kind{
		httpKind(o), tcpKind(), tlsKind(), dnsKind(), icmpKind(),
		smtpKind(), imapKind(), pop3Kind(), ftpKind(), sshKind(), ntpKind(), ldapKind(),
		postgresqlKind(), mysqlKind(), redisKind(), memcachedKind(), mongodbKind(), cassandraKind(),
		mqttKind(), amqpKind(), natsKind(), kafkaKind(), zookeeperKind(),
		grpcKind(), websocketKind(), sipKind(), radiusKind(), snmpKind(),
	}
}

// newKind is a kind whose options are an O.
func newKind[O any](name, doc string, build func(p check.Params, o *O) (check.Prober, error)) check.Kind {
	return check.Kind{Name: name, Doc: doc, Options: new(O), New: func(p check.Params) (check.Prober, error) {
		o := new(O)
		if err := check.Decode(p.Options, o); err != nil {
			return nil, err
		}
		prober, err := build(p, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return prober, nil
	}}
}

// prober asks, and makes a result of what was reported.
type prober struct {
	timeout time.Duration
	ask     func(ctx context.Context, rep *report)
}

// Probe implements check.Prober.
func (p *prober) Probe(ctx context.Context) model.CheckResult {
	start := time.Now()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.limit())
		defer cancel()
	}
	rep := newReport()
	p.ask(ctx, rep)
	return rep.result(start, time.Since(start))
}

func (p *prober) limit() time.Duration {
	if p.timeout > 0 {
		return p.timeout
	}
	return defaultTimeout
}

// holding is a prober that can hold.
type holding struct {
	prober
	hold func(ctx context.Context) error
}

// Hold implements check.Holder.
func (h *holding) Hold(ctx context.Context) error { return h.hold(ctx) }
