package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/check"
)

// serviceOptions are those of every kind that is a dialogue over one connection.
type serviceOptions struct {
	targetOptions
	TLS bool `json:"tls,omitempty" doc:"speak TLS: from the start, or where the protocol begins it"`
	tlsOptions
}

// speaker is a protocol: options that know how to talk.
type speaker interface {
	service() *serviceOptions
	// prepare checks the options of the protocol.
	prepare() error
	// talk says hello, and tells what it heard. The session ends with the context.
	talk(ctx context.Context, s *session, rep *report) error
}

// keeper is a speaker whose connection can be held: keep says what makes the other side let it stay.
type keeper interface {
	speaker
	keep(ctx context.Context, s *session) error
}

// upgrader is a speaker that begins TLS itself, after some words in plain.
type upgrader interface{ upgrades() }

func (o *serviceOptions) service() *serviceOptions { return o }
func (o *serviceOptions) prepare() error           { return nil }

// newService is the kind of a protocol, with its usual ports in plain and in TLS.
func newService[O any, P interface {
	*O
	speaker
}](name, doc string, port, tlsPort int) check.Kind {
	return newKind(name, doc, func(p check.Params, o *O) (check.Prober, error) {
		k := &serviceProbe{speaker: P(o)}
		common := k.service()
		usual := port
		if common.TLS && tlsPort != 0 {
			usual = tlsPort
		}
		var err error
		if k.at, err = common.target(p, usual); err != nil {
			return nil, err
		}
		if err := common.validate(); err != nil {
			return nil, err
		}
		if err := k.prepare(); err != nil {
			return nil, err
		}
		base := prober{timeout: p.Timeout, ask: k.ask}
		if keeper, ok := k.speaker.(keeper); ok {
			return &holding{base, func(ctx context.Context) error { return k.hold(ctx, keeper) }}, nil
		}
		return &base, nil
	})
}

type serviceProbe struct {
	speaker
	at target
}

func (k *serviceProbe) open(ctx context.Context, rep *report) (*session, error) {
	var secure *tlsOptions
	if _, later := k.speaker.(upgrader); k.service().TLS && !later {
		secure = &k.service().tlsOptions
	}
	return open(ctx, &k.at, secure, rep)
}

func (k *serviceProbe) ask(ctx context.Context, rep *report) {
	start := time.Now()
	s, err := k.open(ctx, rep)
	if err == nil {
		err = k.talk(ctx, s, rep)
		s.end()
	}
	took := time.Since(start)
	if err != nil {
		rep.failed(err)
		return
	}
	if rep.greeting != "" {
		rep.facts = append([]string{fmt.Sprintf("%s in %s", rep.greeting, duration(took))}, rep.facts...)
	}
	o := k.service()
	rep.duration("time", took, o.WarnTime, o.CritTime, "answer took %s")
}

func (k *serviceProbe) hold(ctx context.Context, keeper keeper) error {
	return holdConnection(ctx, func(ctx context.Context) (*session, error) {
		s, err := k.open(ctx, newReport())
		if err != nil {
			return nil, err
		}
		if err := keeper.keep(ctx, s); err != nil {
			s.end()
			return nil, err
		}
		return s, nil
	})
}
