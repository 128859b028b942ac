package engine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func TestEventHandlers(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("TEST_SECRET", "x") // what is in our environment is not in theirs
	s := spec("web", "http", "passive")
	s.EventHandler = []string{"/bin/sh", "-c", `env | sort > "$0.new"; mv "$0.new" "$0"; echo done`, out}
	s.MaxAttempts = 2
	f := func(on bool) *world {
		w := build(t, nil, Options{EventHandlers: on})
		if err := w.e.Set("config", []check.Host{{Name: "web", Address: "192.0.2.1"}}, []check.Spec{s}); err != nil {
			t.Fatal(err)
		}
		w.run()
		if err := w.e.Submit(t.Context(), "web", "http", result(model.Critical, "refused; $(id)")); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := f(true)
	waitFor(t, func() bool { return strings.Contains(w.events.lines("web/http"), "event_handler") })
	w.stop()
	env, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"NAGIOS_HOSTNAME=web", "NAGIOS_HOSTADDRESS=192.0.2.1", "NAGIOS_SERVICEDESC=http", "NAGIOS_SERVICESTATE=CRITICAL", "NAGIOS_SERVICESTATEID=2",
		"NAGIOS_LASTSERVICESTATE=PENDING", "NAGIOS_SERVICESTATETYPE=SOFT", "NAGIOS_SERVICEATTEMPT=1", "NAGIOS_MAXSERVICEATTEMPTS=2", "NAGIOS_SERVICEOUTPUT=refused; $(id)",
	} {
		if !strings.Contains(string(env), want+"\n") {
			t.Errorf("%s is missing in\n%s", want, env)
		}
	}
	if strings.Contains(string(env), "TEST_SECRET") {
		t.Errorf("our own environment leaks:\n%s", env)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	w = f(false)
	w.stop()
	if _, err := os.Stat(out); err == nil {
		t.Error("it was run although event handlers are off")
	}
}

// waitFor waits until f is true, for as long as the test may run.
func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it does not happen")
		}
	}
}

func TestHandlerIsBounded(t *testing.T) {
	out, err := runHandler(t.Context(), []string{"/bin/sh", "-c", "yes | head -c 1000000"}, []string{"PATH=/usr/bin:/bin"})
	if err != nil || len(out) != handlerOutput {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = runHandler(ctx, []string{"/bin/sh", "-c", "sleep 60 & sleep 60"}, []string{"PATH=/usr/bin:/bin"})
	if err == nil || time.Since(begin) > 20*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
	if _, err := runHandler(t.Context(), []string{"/nix/da"}, nil); err == nil {
		t.Error("no error of a command that does not exist")
	}
}
