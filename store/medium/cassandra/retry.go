package cassandra

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// mode says what may be done about an attempt that failed.
type mode struct {
	writes bool // an error says whether something may have been written
	lwt    bool // it is a lightweight transaction
	once   bool // it may not be repeated

	patience time.Duration // of all attempts together; 0 is Options.GiveUpAfter
	maybe    func() bool   // says whether something may have been written, for those who know it better than the attempts' errors; nil asks these
}

var (
	reading     = mode{}
	writing     = mode{writes: true}
	transaction = mode{writes: true, lwt: true, once: true}
)

// ownError is an error of our own making within an attempt: it is returned as it is, at once.
type ownError struct{ error }

// errRefused ends attempts at a transaction whose condition does not hold. It is an answer.
var errRefused = errors.New("refused")

// attempts calls once until it succeeds, until another attempt is useless, or until patience ends: the options'
// number and time, or ctx. Its error has a kind and says what was tried.
func (s *session) attempts(ctx context.Context, r request, m mode, once func(context.Context) (*gocql.HostInfo, error)) error {
	t := &tries{since: time.Now()}
	err := s.tryAgain(ctx, r, m, t, once)
	s.metrics.ended(r, outcome(ctx, err), t.since)
	return err
}

func outcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errRefused):
		return "refused"
	case errors.Is(err, medium.ErrUncertain):
		return "uncertain"
	case ctx.Err() != nil:
		return "cancelled"
	}
	return "failed"
}

func (s *session) tryAgain(ctx context.Context, r request, m mode, t *tries, once func(context.Context) (*gocql.HostInfo, error)) error {
	setDefault(&m.patience, s.opts.GiveUpAfter)
	patient, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	for {
		host, err := s.inTurn(patient, t, once)
		var own *ownError
		if err == nil || errors.Is(err, errRefused) {
			return err
		}
		if errors.As(err, &own) {
			return own.error
		}
		t.asked(host)
		v := s.verdict(patient, err, m)
		t.maybe = m.writes && (t.maybe || v.maybe)
		if m.maybe != nil {
			t.maybe = m.maybe()
		}
		if patient.Err() == nil {
			t.last = v.text
		}
		enough := m.once || !v.again || t.n > s.opts.Retries || !s.pause(patient, t.n)
		switch {
		case ctx.Err() != nil:
			return t.gone(ctx, r)
		case enough:
			return t.fail(r, v)
		}
		s.metrics.retries.WithLabelValues(r.table, r.op).Inc()
	}
}

// inTurn makes one attempt when its turn has come.
func (s *session) inTurn(ctx context.Context, t *tries, once func(context.Context) (*gocql.HostInfo, error)) (*gocql.HostInfo, error) {
	select {
	case s.turns <- struct{}{}:
	default:
		s.metrics.waiting.Inc()
		defer s.metrics.waiting.Dec()
		select {
		case s.turns <- struct{}{}:
		case <-ctx.Done():
			return nil, errNoTurn
		}
	}
	defer func() { <-s.turns }()
	if ctx.Err() != nil {
		return nil, errNoTurn
	}
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	t.n++
	return once(ctx)
}

var errNoTurn = errors.New("max_in_flight requests are in flight already, and none ended in time")

// verdict judges an attempt's error. patient is the context of all attempts.
func (s *session) verdict(patient context.Context, err error, m mode) verdict {
	switch {
	case errors.Is(err, errNoTurn):
		return verdict{again: true, text: err.Error()}
	case errors.Is(err, gocql.ErrSessionClosed):
		return verdict{text: "the session is closed"}
	case patient.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return verdict{again: true, maybe: true, text: "no answer before the patience ended"}
	}
	return judge(err, m.lwt)
}

// pause waits before the attempt that follows the n-th, longer each time and never the same for two callers. It says
// whether there is time for another one.
func (s *session) pause(patient context.Context, n int) bool {
	d := s.opts.BackoffMin << min(max(n-1, 0), 20)
	if d <= 0 || d > s.opts.BackoffMax {
		d = s.opts.BackoffMax
	}
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-patient.Done():
		return false
	}
}
