package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hulotte-dev/hulotte/config"
)

func newStack() *stack {
	return &stack{log: slog.New(slog.DiscardHandler), starting: func(string) {}, failed: make(chan error, 1)}
}

// recorder makes parts that write down what happens to them.
type recorder struct{ did []string }

func (r *recorder) part(name string, startErr, stopErr error) part {
	return part{
		name: name,
		start: func(context.Context) (stopFunc, error) {
			r.did = append(r.did, "start "+name)
			return func(context.Context) error {
				r.did = append(r.did, "stop "+name)
				return stopErr
			}, startErr
		},
		stopTimeout: time.Second,
	}
}

func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.did, want) {
		t.Errorf("did %q, want %q", r.did, want)
	}
}

func TestStopsInReverse(t *testing.T) {
	var r recorder
	s := newStack()
	if err := s.start(t.Context(), []part{r.part("a", nil, nil), r.part("b", nil, errors.New("b is stuck")), r.part("c", nil, nil)}); err != nil {
		t.Fatal(err)
	}
	err := s.stop()
	if err == nil || err.Error() != "cannot stop b cleanly: b is stuck" {
		t.Errorf("stop = %v", err)
	}
	r.want(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
}

func TestFailedStartStopsWhatRuns(t *testing.T) {
	var r recorder
	err := newStack().start(t.Context(), []part{r.part("a", nil, nil), r.part("b", errors.New("no disk"), nil), r.part("c", nil, nil)})
	if err == nil || !strings.Contains(err.Error(), "cannot start b: no disk") {
		t.Errorf("start = %v", err)
	}
	r.want(t, "start a", "start b", "stop a")
}

func TestStartGivesUpWhenAsked(t *testing.T) {
	var r recorder
	ctx, cancel := context.WithCancel(t.Context())
	stopper := part{name: "x", start: func(context.Context) (stopFunc, error) { cancel(); return nil, nil }}
	err := newStack().start(ctx, []part{r.part("a", nil, nil), stopper, r.part("b", nil, nil)})
	if err == nil || !strings.Contains(err.Error(), "stopped before b had started") {
		t.Errorf("start = %v", err)
	}
	r.want(t, "start a", "stop a")
}

func TestHangingStopIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		s := newStack()
		hang := make(chan struct{})
		hanging := part{name: "h", stopTimeout: 5 * time.Second, start: func(context.Context) (stopFunc, error) {
			return func(context.Context) error { <-hang; return nil }, nil
		}}
		if err := s.start(t.Context(), []part{r.part("a", nil, nil), hanging}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		err := s.stop()
		if err == nil || !strings.Contains(err.Error(), "cannot stop h cleanly: still busy after 5s") {
			t.Errorf("stop = %v", err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		r.want(t, "start a", "stop a")
		close(hang)
	})
}

func TestPartThatEndsByItselfIsAFailure(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		s := newStack()
		stop := s.run("p", func(context.Context) error { return err })
		if got := <-s.failed; got.Error() != want {
			t.Errorf("failed with %q, want %q", got, want)
		}
		if err := stop(t.Context()); err != nil {
			t.Errorf("stop = %v", err)
		}
	}
	f(errors.New("disk gone"), "p failed: disk gone")
	f(nil, "p failed: ended for no reason given")
}

func TestPartThatIsStoppedIsNoFailure(t *testing.T) {
	s := newStack()
	stop := s.run("p", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if err := stop(t.Context()); err != nil {
		t.Errorf("stop = %v", err)
	}
	select {
	case err := <-s.failed:
		t.Errorf("failed with %v", err)
	default:
	}
}

// When a part refuses a configuration, those before it get the old one back.
func TestReloadGoesBack(t *testing.T) {
	old, next := &config.Config{File: "old"}, &config.Config{File: "new"}
	var did []string
	reloading := func(name string, err error) part {
		return part{name: name, start: func(context.Context) (stopFunc, error) { return nil, nil }, reload: func(_, c *config.Config) error {
			did = append(did, name+" "+c.File)
			if c == next {
				return err
			}
			return nil
		}}
	}
	s := newStack()
	if err := s.start(t.Context(), []part{reloading("a", nil), reloading("b", errors.New("no")), reloading("c", nil)}); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(old, next); err == nil || err.Error() != "b: no" {
		t.Errorf("reload = %v", err)
	}
	if want := []string{"a new", "b new", "a old", "b old"}; !slices.Equal(did, want) {
		t.Errorf("did %q, want %q", did, want)
	}
}
