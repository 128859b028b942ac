package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

const (
	handlersAtOnce  = 4
	handlersWaiting = 1000
	handlerTimeout  = 30 * time.Second
	handlerOutput   = 4 << 10 // bytes of its output that go to the history
)

// handlers run the commands that checks name, when something happens to them. They are off unless Options.EventHandlers says so. A
// command is an argument vector, run without a shell; it learns what happened from its environment, under the names that Nagios uses.
type handlers struct {
	on      bool
	log     *slog.Logger
	metrics *metrics
	done    func(id string, ch check.Change)
	queue   chan handlerRun // never closed
}

// handlerRun is one command to be run.
type handlerRun struct {
	id   string
	argv []string
	env  []string
	from check.Change
}

func newHandlers(on bool, log *slog.Logger, m *metrics, done func(string, check.Change)) *handlers {
	return &handlers{on: on, log: log, metrics: m, done: done, queue: make(chan handlerRun, handlersWaiting)}
}

// add has a check's command run for a change of its state. It never waits: what does not fit is counted and left out.
func (h *handlers) add(c *entry, v *check.View, ch *check.Change) {
	if !h.on || ch.Type != check.StateChange || len(c.declared.EventHandler) == 0 {
		return
	}
	select {
	case h.queue <- handlerRun{id: c.id, argv: c.declared.EventHandler, env: handlerEnv(addressOf(c.host), v, ch), from: *ch}:
	default:
		h.metrics.handlerDrops.Inc()
		h.log.Warn("an event handler is not run: too many are waiting", "check", c.id)
	}
}

// run runs commands until ctx ends.
func (h *handlers) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range handlersAtOnce {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case r := <-h.queue:
					h.one(ctx, r)
				}
			}
		})
	}
	wg.Wait()
}

func (h *handlers) one(ctx context.Context, r handlerRun) {
	out, err := runHandler(ctx, r.argv, r.env)
	result := "ok"
	if err != nil {
		result = "failed"
		h.log.Warn("an event handler failed", "check", r.id, "command", r.argv[0], "err", err)
		out = strings.TrimSpace(fmt.Sprintf("%s\n%s", err, out))
	}
	h.metrics.handlerRuns.WithLabelValues(result).Inc()
	ch := check.Change{
		At: time.Now(), Type: check.EventHandlerRun, From: r.from.From, To: r.from.To, Hard: r.from.Hard, Attempt: r.from.Attempt,
		Comment: strings.Join(r.argv, " ") + ": " + result,
	}
	ch.Output, ch.Long, _ = strings.Cut(strings.TrimSpace(out), "\n")
	h.done(r.id, ch)
}

// runHandler runs a command with nothing but env in its environment, and ends it with all its children after handlerTimeout.
func runHandler(ctx context.Context, argv, env []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	out := &capped{max: handlerOutput}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("it did not end within %s and was killed", handlerTimeout)
	}
	return strings.ToValidUTF8(string(out.kept), "\uFFFD"), err
}

// capped keeps the beginning of what is written to it. It has no other methods of a buffer, so that nobody goes past Write.
type capped struct {
	kept []byte
	max  int
}

func (c *capped) Write(p []byte) (int, error) {
	c.kept = append(c.kept, p[:min(len(p), c.max-len(c.kept))]...)
	return len(p), nil
}

// handlerEnv are the macros of Nagios that tell what happened, as environment variables, and a PATH.
func handlerEnv(address string, v *check.View, ch *check.Change) []string {
	state, kind := ch.To.String(), "SOFT"
	if ch.Hard {
		kind = "HARD"
	}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	set := func(name, value string) {
		env = append(env, "NAGIOS_"+name+"="+strings.ReplaceAll(value, "\x00", ""))
	}
	set("HOSTNAME", ch.Host)
	set("HOSTADDRESS", address)
	subject := "SERVICE"
	if ch.Name == check.HostCheck {
		subject = "HOST"
		state = hostState(v)
	} else {
		set("SERVICEDESC", ch.Name)
	}
	set(subject+"STATE", state)
	set(subject+"STATEID", strconv.Itoa(int(ch.To)))
	set("LAST"+subject+"STATE", ch.From.String())
	set(subject+"STATETYPE", kind)
	set(subject+"ATTEMPT", strconv.Itoa(ch.Attempt))
	set("MAX"+subject+"ATTEMPTS", strconv.Itoa(v.MaxAttempts))
	set(subject+"OUTPUT", ch.Output)
	set("LONG"+subject+"OUTPUT", ch.Long)
	set(subject+"PERFDATA", formatPerf(v.Perf))
	set(subject+"CHECKCOMMAND", v.Spec.Kind)
	set(subject+"DURATIONSEC", strconv.Itoa(int(ch.At.Sub(v.Since).Seconds())))
	set(subject+"DOWNTIME", strconv.Itoa(len(v.Downtimes)))
	set("TIMET", strconv.FormatInt(ch.At.Unix(), 10))
	set("LONGDATETIME", ch.At.Format(time.UnixDate))
	return env
}

// hostState is the word that Nagios has for a host's state.
func hostState(v *check.View) string {
	switch {
	case !v.Problem():
		return "UP"
	case v.Unreachable:
		return "UNREACHABLE"
	}
	return "DOWN"
}

// formatPerf writes performance data as plugins do.
func formatPerf(perf []model.Perf) string {
	var b strings.Builder
	for i, p := range perf {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "'%s'=%s%s;%s;%s;%s;%s", strings.ReplaceAll(p.Label, "'", "''"), number(p.Value), p.Unit, p.Warn, p.Crit, optional(p.Min), optional(p.Max))
	}
	return b.String()
}

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}

func number(v float64) string {
	if v != v {
		return "U"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
