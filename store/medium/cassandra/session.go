package cassandra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// session is the one way to the cluster: what all requests share is done here, once.
type session struct {
	opts    Options
	log     *slog.Logger
	reg     prometheus.Registerer
	db      *gocql.Session
	metrics *metrics

	plain, serial gocql.Consistency // serial is for the first round of lightweight transactions, and for serial reads

	// turns bounds the requests in flight.
	turns chan struct{}

	// closing ends when Close begins, with the cause ErrClosed: it ends what would last for ever. background ends when the
	// last call has returned.
	closing, background       context.Context
	beginClosing, endOfCalls  context.CancelCauseFunc
	callsRunning, workRunning sync.WaitGroup

	mu     sync.RWMutex // guards closed against enter
	closed bool
}

// request is one statement, and what to say of it in metrics and errors.
type request struct {
	table string // of the metrics and the errors: "documents"
	op    string // of the metrics: "select"
	cql   string // a constant text, with ? for args: it is prepared once on each node
	args  []any
	// consistency of a read or write other than the options', such as session.serial for a serial read; the zero value is theirs. (It
	// is also the value of gocql.Any, which no read may have, and no write of ours wants: it acknowledges what no replica has.)
	consistency gocql.Consistency
	pageSize    int // rows of a page of read; 0 is 500
}

const defaultPageSize = 500

func newSession(db *gocql.Session, o Options, log *slog.Logger, reg prometheus.Registerer) (*session, error) {
	s := &session{
		opts: o, log: log, reg: reg, db: db,
		plain: consistencies[o.Consistency].plain, serial: consistencies[o.Consistency].serial,
		turns: make(chan struct{}, o.MaxInFlight),
	}
	s.closing, s.beginClosing = context.WithCancelCause(context.Background())
	s.background, s.endOfCalls = context.WithCancelCause(context.Background())
	var err error
	s.metrics, err = newMetrics(reg, s.hosts)
	return s, err
}

func (s *session) hosts() (connected, known int) {
	for _, h := range s.db.GetHosts() {
		if s.opts.Datacenter != "" && h.DataCenter() != s.opts.Datacenter {
			continue
		}
		known++
		if h.IsUp() {
			connected++
		}
	}
	return connected, known
}

// enter begins a call of the medium's user, which leave ends; the error is ErrClosed.
func (s *session) enter() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fmt.Errorf("the Cassandra medium is %w", medium.ErrClosed)
	}
	s.callsRunning.Add(1)
	return nil
}

func (s *session) leave() { s.callsRunning.Done() }

// start runs f until it returns. Its context ends when Close has waited for all calls; Close waits for f too.
func (s *session) start(f func(ctx context.Context)) {
	s.workRunning.Go(func() { f(s.background) })
}

// shut refuses new calls and waits for those under way.
func (s *session) shut() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.beginClosing(medium.ErrClosed)
	s.callsRunning.Wait()
}

// close waits for the work behind the calls and gives the connections back.
func (s *session) close() {
	s.endOfCalls(medium.ErrClosed)
	s.workRunning.Wait()
	s.db.Close()
	s.metrics.unregister()
}

// write does a statement that may be repeated without harm: it is tried until it succeeds or the patience ends.
func (s *session) write(ctx context.Context, r request) error {
	return s.attempts(ctx, r, writing, func(ctx context.Context) (*gocql.HostInfo, error) {
		iter := s.query(r, s.opts.Timeout/4).IterContext(ctx)
		return iter.Host(), iter.Close()
	})
}

// one reads the first row into dest, and says whether there is one.
func (s *session) one(ctx context.Context, r request, dest ...any) (found bool, err error) {
	err = s.attempts(ctx, r, reading, func(ctx context.Context) (*gocql.HostInfo, error) {
		iter := s.query(r, s.opts.Timeout/10).IterContext(ctx)
		scanner := iter.Scanner()
		if found = scanner.Next(); found {
			if err := scanner.Scan(dest...); err != nil {
				return iter.Host(), &ownError{err}
			}
		}
		return iter.Host(), scanner.Err()
	})
	return found, err
}

// read calls row for every row, in order, page by page: one page is in memory at a time. row may take its time and make
// requests of its own. scan fills the destinations from the row, and its bytes are the caller's. An error of row ends the reading and is returned.
func (s *session) read(ctx context.Context, r request, row func(scan func(dest ...any) error) error) error {
	for state, first := []byte(nil), true; first || len(state) > 0; first = false {
		next, err := s.page(ctx, r, state, row)
		if err != nil {
			return err
		}
		state = next
	}
	return nil
}

func (s *session) page(ctx context.Context, r request, state []byte, row func(scan func(dest ...any) error) error) (next []byte, err error) {
	var rows gocql.Scanner
	err = s.attempts(ctx, r, reading, func(ctx context.Context) (*gocql.HostInfo, error) {
		iter := s.query(r, s.opts.Timeout/10).PageState(state).IterContext(ctx)
		next, rows = iter.PageState(), iter.Scanner()
		if rows.Next() { // then the whole page is here: nothing of what follows waits for the cluster
			return iter.Host(), nil
		}
		err := rows.Err()
		rows = nil
		return iter.Host(), err
	})
	if err != nil || rows == nil {
		return next, err
	}
	for more := true; more; more = rows.Next() {
		if err := row(rows.Scan); err != nil {
			return nil, errors.Join(err, rows.Err())
		}
	}
	return next, rows.Err()
}

// query is a statement that may be sent to a second node when the first one takes longer than patience.
func (s *session) query(r request, patience time.Duration) *gocql.Query {
	setDefault(&r.consistency, s.plain)
	setDefault(&r.pageSize, defaultPageSize)
	return s.db.Query(r.cql, r.args...).Consistency(r.consistency).SerialConsistency(s.serial).PageSize(r.pageSize).Idempotent(true).
		SetSpeculativeExecutionPolicy(&gocql.SimpleSpeculativeExecution{NumAttempts: 1, TimeoutDelay: patience})
}

// cas does one lightweight transaction, once: an error that wraps ErrUncertain leaves open whether it took place. When its
// condition does not hold it fills dest from the row that is there, as far as there is one.
func (s *session) cas(ctx context.Context, r request, dest ...any) (applied bool, err error) {
	err = s.attempts(ctx, r, transaction, func(ctx context.Context) (*gocql.HostInfo, error) {
		iter := s.db.Query(r.cql, r.args...).Consistency(s.plain).SerialConsistency(s.serial).NoSkipMetadata().IterContext(ctx)
		scanner := iter.Scanner()
		if scanner.Next() {
			into := []any{&applied}
			if len(iter.Columns()) > 1 {
				into = append(into, dest...)
				into = append(into, make([]any, max(0, len(iter.Columns())-len(into)))...) // nil leaves a column out
			}
			if err := scanner.Scan(into...); err != nil {
				return iter.Host(), &ownError{err}
			}
		}
		return iter.Host(), scanner.Err()
	})
	return applied, err
}

// casBatch does several conditional statements on one partition of one table as one lightweight transaction, once; see cas.
// r[0] stands for all of them in metrics and errors.
func (s *session) casBatch(ctx context.Context, r []request) (applied bool, err error) {
	err = s.attempts(ctx, r[0], transaction, func(ctx context.Context) (*gocql.HostInfo, error) {
		b := s.db.Batch(gocql.UnloggedBatch).Consistency(s.plain).SerialConsistency(s.serial)
		for _, statement := range r {
			b.Query(statement.cql, statement.args...)
		}
		iter := b.IterContext(ctx)
		row := map[string]any{}
		if iter.MapScan(row) {
			applied, _ = row["[applied]"].(bool)
		}
		return iter.Host(), iter.Close()
	})
	return applied, err
}
