package cassandra

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

func TestJudge(t *testing.T) {
	f := func(err error, lwt, again, maybe bool, text string) {
		t.Helper()
		v := judge(err, lwt)
		if v.again != again || v.maybe != maybe || !strings.Contains(v.text, text) {
			t.Errorf("judge(%T, %v) = %+v, want again %v, maybe %v, text %q", err, lwt, v, again, maybe, text)
		}
	}
	const plain, lwt, again, final, maybe, never = false, true, true, false, true, false
	unavailable := func(c gocql.Consistency) error {
		return &gocql.RequestErrUnavailable{Consistency: c, Required: 2, Alive: 1}
	}
	f(unavailable(gocql.LocalQuorum), plain, again, never, "2 replicas are needed, 1 alive (local_quorum)")
	f(unavailable(gocql.LocalSerial), lwt, again, never, "2 replicas are needed, 1 alive (local_serial)")
	f(unavailable(gocql.LocalQuorum), lwt, again, maybe, "1 alive") // decided already
	f(&gocql.RequestErrWriteTimeout{Consistency: gocql.LocalQuorum, BlockFor: 2, Received: 1}, plain, again, maybe, "2 replicas are needed, 1 answered in time")
	f(&gocql.RequestErrReadTimeout{Consistency: gocql.LocalQuorum, BlockFor: 1}, plain, again, maybe, "1 replica is needed, 0 answered in time")
	f(&gocql.RequestErrCASWriteUnknown{Consistency: gocql.LocalSerial, BlockFor: 2, Received: 1}, lwt, again, maybe, "1 accepted in time")
	f(&gocql.RequestErrReadFailure{BlockFor: 2, ErrorMap: gocql.ErrorMap{"10.0.0.1": 1}}, plain, final, maybe, "10.0.0.1: too many tombstones")
	f(&gocql.RequestErrReadFailure{BlockFor: 2, ErrorMap: gocql.ErrorMap{"10.0.0.1": 0}}, plain, again, maybe, "its log says why")
	f(&gocql.RequestErrWriteFailure{BlockFor: 2}, plain, again, maybe, "0 answered")
	f(gocql.ErrNoConnections, lwt, again, never, "no node is connected")
	f(gocql.ErrTimeoutNoResponse, lwt, again, maybe, "no answer")
	f(gocql.ErrConnectionClosed, lwt, again, maybe, "broke")
	f(io.EOF, lwt, again, maybe, "broke")
	f(gocql.ErrNoStreams, lwt, again, never, "busy")
	f(errors.New("something new"), lwt, final, maybe, "something new")
}

func TestErrorTexts(t *testing.T) {
	r := request{table: "things", op: "insert"}
	v := judge(&gocql.RequestErrUnavailable{Consistency: gocql.LocalQuorum, Required: 2, Alive: 1}, false)
	tries := &tries{n: 3, since: time.Now().Add(-2 * time.Second), hosts: []string{"10.0.0.1", "10.0.0.2"}, last: v.text}
	err := tries.fail(r, v)
	want := "the Cassandra cluster cannot do it now: table things: 2 replicas are needed, 1 alive (local_quorum); tried 3 times in 2s through 10.0.0.1, 10.0.0.2"
	if err.Error() != want || model.KindOf(err) != model.Unavailable || errors.Is(err, medium.ErrUncertain) || errors.Is(err, errFinal) {
		t.Errorf("error %q of kind %s, want %q", err, model.KindOf(err), want)
	}
	tries.maybe = true
	err = tries.fail(r, verdict{again: true, text: "no answer before the patience ended"})
	if !errors.Is(err, medium.ErrUncertain) || !strings.Contains(err.Error(), "before: 2 replicas are needed") {
		t.Errorf("error %q does not leave the outcome open, or hides what was wrong before", err)
	}
	err = tries.fail(r, verdict{text: "no permission"})
	if errors.Is(err, errFinal) {
		t.Errorf("error %q is final, though an attempt before it may have written", err)
	}
	cause := errors.New("the caller went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := tries.gone(ctx, r); !errors.Is(err, cause) || !errors.Is(err, medium.ErrUncertain) {
		t.Errorf("error %q hides the cause, or that the outcome is open", err)
	}
}

func TestDriverLog(t *testing.T) {
	var out bytes.Buffer
	l := newDriverLog(slog.New(slog.NewTextHandler(&out, nil)))
	for range 5 {
		l.Warning("Node is DOWN.", gocql.NewLogFieldString("host", "10.0.0.1"))
	}
	l.Debug("never")
	l.Info("not at this level")
	if n := strings.Count(out.String(), "Node is DOWN."); n != 1 || !strings.Contains(out.String(), "host=10.0.0.1") || strings.Contains(out.String(), "never") {
		t.Errorf("the log is %q", out.String())
	}
	skipped, ok := l.admit("Node is DOWN.", time.Now().Add(logInterval))
	if !ok || skipped != 4 {
		t.Errorf("after the interval %d are told as left out (%v), want 4", skipped, ok)
	}
	for i := range 2 * maxLogged {
		l.admit(strings.Repeat("x", i), time.Now())
	}
	if len(l.messages) > maxLogged {
		t.Errorf("%d messages are remembered", len(l.messages))
	}
}
