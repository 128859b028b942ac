package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

type emptyMedium struct{ medium.Medium }

func (emptyMedium) Close() error { return nil }

// A medium that is away at the start is tried again, ever less often, and is there once it can be opened.
func TestMediumThatIsAwayAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("no host answers")
		var tries []time.Duration
		begin := time.Now()
		var log strings.Builder
		l := newMediumLink(func(context.Context) (medium.Medium, error) {
			tries = append(tries, time.Since(begin))
			if len(tries) < 8 {
				return nil, away
			}
			return emptyMedium{}, nil
		}, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
		go l.connect(t.Context())
		synctest.Wait()
		if _, err := l.get(); !errors.Is(err, away) || model.KindOf(err) != model.Unavailable {
			t.Errorf("while it is away: %v, of kind %s", err, model.KindOf(err))
		}
		if h := l.health(); h.Open || h.Healthy || h.Problem != away.Error() {
			t.Errorf("health %+v", h)
		}
		if l.wait(t.Context()) == nil {
			t.Fatal("it never came")
		}
		if got, want := tries[len(tries)-1], (1+2+4+8+16+30+30)*time.Second; got != want {
			t.Errorf("opened after %s, want %s", got, want)
		}
		if h := l.health(); !h.Open || !h.Healthy || h.Problem != "" {
			t.Errorf("health %+v", h)
		}
		if got := testutil.ToFloat64(l.failures); got != 7 {
			t.Errorf("%v failures were counted, want 7", got)
		}
		if n := strings.Count(log.String(), "trying again"); n != 7 || !strings.Contains(log.String(), "the medium works") {
			t.Errorf("the log tells of %d failures:\n%s", n, log.String())
		}
	})
}

func TestHealthFollowsWhatIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMediumLink(func(context.Context) (medium.Medium, error) { return emptyMedium{}, nil }, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
		l.connect(t.Context())
		f := func(err error, healthy bool, since time.Duration) {
			t.Helper()
			l.report(err)
			h := l.health()
			if h.Healthy != healthy || time.Since(h.Since) != since {
				t.Errorf("after %v: %+v, since %s", err, h, time.Since(h.Since))
			}
		}
		time.Sleep(time.Hour)
		f(nil, true, time.Hour)
		f(medium.ErrNoSpace, false, 0)
		time.Sleep(time.Minute)
		f(errors.New("other"), false, time.Minute)
		f(nil, true, 0)
	})
}

// One that was opened at the start is not opened again.
func TestConnectOpensOnce(t *testing.T) {
	opened := 0
	l := newMediumLink(func(context.Context) (medium.Medium, error) { opened++; return emptyMedium{}, nil },
		slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	if err := l.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.connect(t.Context())
	if opened != 1 || !l.health().Healthy {
		t.Errorf("opened %d times, health %+v", opened, l.health())
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newMediumLink(func(ctx context.Context) (medium.Medium, error) { cancel(); <-ctx.Done(); return nil, ctx.Err() },
		slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	l.connect(ctx)
	if l.wait(ctx) != nil {
		t.Error("a medium came out of nowhere")
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
}
