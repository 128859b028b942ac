package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// errUnavailable gives its kind to whatever the cluster could not do.
var errUnavailable = model.NewError(model.Unavailable, "the Cassandra cluster cannot do it now")

// errFinal is in the chain of errors that trying again does not help, such as a missing permission.
var errFinal = errors.New("trying again does not help")

// verdict is what an attempt's error means.
type verdict struct {
	// again says that another attempt may go better.
	again bool
	// maybe says that the write may have taken place, or may still take place.
	maybe bool
	// text says what happened, without the server's own wording where ours says more.
	text string
}

// judge says what the error of one attempt means. For a lightweight transaction (lwt) an error that comes before its first round changed nothing.
func judge(err error, lwt bool) verdict {
	if v, ok := judgeReplicas(err, lwt); ok {
		return v
	}
	var network net.Error
	switch {
	case errors.Is(err, gocql.ErrNoConnections):
		return verdict{true, false, "no node is connected"}
	case errors.Is(err, gocql.ErrTimeoutNoResponse):
		return verdict{true, true, "no answer within the timeout"}
	case errors.Is(err, gocql.ErrConnectionClosed), errors.Is(err, io.EOF):
		return verdict{true, true, "the connection broke"}
	case errors.Is(err, gocql.ErrNoStreams):
		return verdict{true, false, "all connections are busy"}
	case errors.As(err, &network):
		return verdict{true, true, err.Error()}
	}
	return judgeAnswer(err)
}

// judgeReplicas knows the errors that tell of replicas.
func judgeReplicas(err error, lwt bool) (verdict, bool) {
	var unavailable *gocql.RequestErrUnavailable
	var writeTimeout *gocql.RequestErrWriteTimeout
	var readTimeout *gocql.RequestErrReadTimeout
	var writeFailure *gocql.RequestErrWriteFailure
	var readFailure *gocql.RequestErrReadFailure
	var unknown *gocql.RequestErrCASWriteUnknown
	needed := func(c gocql.Consistency, n, got int, what string) string {
		return fmt.Sprintf("%d %s needed, %d %s (%s)", n, plural(n, "replica is", "replicas are"), got, what, strings.ToLower(c.String()))
	}
	switch {
	case errors.As(err, &unavailable):
		// A transaction asks for its serial consistency before it begins, and for the other one when it has been decided.
		begun := lwt && unavailable.Consistency != gocql.Serial && unavailable.Consistency != gocql.LocalSerial
		return verdict{true, begun, needed(unavailable.Consistency, unavailable.Required, unavailable.Alive, "alive")}, true
	case errors.As(err, &writeTimeout):
		return verdict{true, true, needed(writeTimeout.Consistency, writeTimeout.BlockFor, writeTimeout.Received, "answered in time")}, true
	case errors.As(err, &readTimeout):
		return verdict{true, true, needed(readTimeout.Consistency, readTimeout.BlockFor, readTimeout.Received, "answered in time")}, true
	case errors.As(err, &unknown):
		return verdict{true, true, needed(unknown.Consistency, unknown.BlockFor, unknown.Received, "accepted in time")}, true
	case errors.As(err, &writeFailure):
		return verdict{true, true, needed(writeFailure.Consistency, writeFailure.BlockFor, writeFailure.Received, "answered") + reasons(writeFailure.ErrorMap)}, true
	case errors.As(err, &readFailure):
		return verdict{!hasReason(readFailure.ErrorMap, tooManyTombstones), true,
			needed(readFailure.Consistency, readFailure.BlockFor, readFailure.Received, "answered") + reasons(readFailure.ErrorMap)}, true
	}
	return verdict{}, false
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// tooManyTombstones is the reason of a replica that gave up reading (native protocol v5, section 9, Read_failure).
const tooManyTombstones = 0x0001

var failureReasons = map[uint16]string{tooManyTombstones: "too many tombstones", 0x0002: "an index is not ready", 0x0003: "its keyspace or table is unknown there", 0x0004: "a table is unknown there"}

func hasReason(m gocql.ErrorMap, reason uint16) bool {
	for _, r := range m {
		if r == reason {
			return true
		}
	}
	return false
}

func reasons(m gocql.ErrorMap) string {
	var all []string
	for host, code := range m {
		reason, ok := failureReasons[code]
		if !ok {
			reason = "failed, its log says why"
		}
		all = append(all, host+": "+reason)
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all)
	return "; " + strings.Join(all, ", ")
}

// judgeAnswer knows the server's other errors.
func judgeAnswer(err error) verdict {
	var answer gocql.RequestError
	if !errors.As(err, &answer) {
		return verdict{false, true, err.Error()}
	}
	switch answer.Code() {
	case gocql.ErrCodeBootstrapping:
		return verdict{true, false, "the node is still joining the cluster"}
	case gocql.ErrCodeOverloaded:
		return verdict{true, true, "the node is overloaded"}
	case gocql.ErrCodeServer, gocql.ErrCodeTruncate:
		return verdict{true, true, "server error: " + answer.Message()}
	case gocql.ErrCodeUnauthorized, gocql.ErrCodeCredentials:
		return verdict{false, false, "no permission: " + answer.Message()}
	case gocql.ErrCodeSyntax, gocql.ErrCodeInvalid, gocql.ErrCodeConfig, gocql.ErrCodeAlreadyExists:
		return verdict{false, false, answer.Message()}
	}
	return verdict{false, true, answer.Message()}
}

// tries is what the error of a call says of its attempts.
type tries struct {
	n     int
	since time.Time
	hosts []string // those that were asked, without repetition
	maybe bool     // one of the attempts may have written
	last  string   // what was wrong with the last attempt that ended by itself
}

func (t *tries) asked(host *gocql.HostInfo) {
	if host == nil {
		return
	}
	if name := host.ConnectAddress().String(); !slices.Contains(t.hosts, name) {
		t.hosts = append(t.hosts, name)
	}
}

// fail is the error of a call that gives up, with its kind.
func (t *tries) fail(r request, v verdict) error {
	text := fmt.Sprintf("table %s: %s", r.table, v.text)
	if t.last != "" && t.last != v.text {
		text += "; before: " + t.last
	}
	if t.n > 1 {
		text += fmt.Sprintf("; tried %d times in %s", t.n, time.Since(t.since).Round(10*time.Millisecond))
	}
	if len(t.hosts) > 0 {
		text += " through " + strings.Join(t.hosts, ", ")
	}
	err := fmt.Errorf("%w: %s", errUnavailable, text)
	if !v.again && !t.maybe {
		err = fmt.Errorf("%w (%w)", err, errFinal)
	}
	if t.maybe {
		return errors.Join(err, medium.ErrUncertain)
	}
	return err
}

// gone is the error of a call whose context has ended: it wraps the cause.
func (t *tries) gone(ctx context.Context, r request) error {
	err := fmt.Errorf("table %s: %w", r.table, context.Cause(ctx))
	if t.maybe {
		return errors.Join(err, medium.ErrUncertain)
	}
	return err
}
