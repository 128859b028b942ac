// Package app is the only place where the parts of Hulotte meet. Run starts them in the order of parts.go, which
// is the way of the data, and stops them in reverse.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/alert/checks"
	"github.com/hulotte-dev/hulotte/collect/tail"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a process is started with.
type Options struct {
	Sources config.Sources
	Build   Build
	// Log is where the log goes.
	Log *os.File
}

// Build says what this binary is.
type Build struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	Date      string `json:"date"` // of the revision, RFC 3339
	Modified  bool   `json:"modified"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"`
}

// App is one running Hulotte.
type App struct {
	options  Options
	role     config.Role
	started  time.Time
	log      *slog.Logger
	own      *tail.OwnLog // what is logged, to be followed; nil when it is not
	logLevel *slog.LevelVar
	registry *prometheus.Registry
	stack    stack
	gate     *gate
	reloads  *reloads

	config   snapshot                      // the configuration in force
	problems atomic.Pointer[checks.Bridge] // from checks to alerts; nil without either

	made made // what the parts have made, for the parts behind them
}

// Run starts Hulotte, keeps it going until ctx ends, SIGTERM or SIGINT comes, or a part fails, and stops it.
// SIGHUP reloads the configuration. A second SIGTERM or SIGINT ends the process at once.
func Run(ctx context.Context, o Options) error {
	c, err := config.Load(o.Sources)
	if err != nil {
		return err
	}
	a := newApp(c, o)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := a.stack.start(ctx, a.parts()); err != nil {
		return err
	}
	a.warn(c)
	a.announce()
	err = a.wait(ctx)
	stop() // the next signal has its usual effect
	a.log.Info("stopping", "why", context.Cause(ctx))
	return errors.Join(err, a.stack.stop())
}

func newApp(c *config.Config, o Options) *App {
	a := &App{options: o, role: o.Sources.Role, started: time.Now(), logLevel: new(slog.LevelVar), registry: newRegistry(o.Build), gate: newGate()}
	if a.role == "" {
		a.role = config.Both
	}
	a.setLogLevel(c)
	a.log = logging.New(o.Log, logging.Options{Format: c.Log.Format, Level: a.logLevel})
	if c.Logs.Enabled && c.Logs.Own && onlyForPeople(o.Log) {
		a.own = tail.NewOwnLog()
		a.log = slog.New(slog.NewMultiHandler(a.log.Handler(), logging.New(a.own, logging.Options{Format: logging.JSON, Level: a.logLevel}).Handler()))
	}
	a.stack.log = a.log
	a.stack.failed = make(chan error, 1)
	a.stack.starting = func(part string) { a.gate.close("starting: " + part) }
	a.reloads = newReloads(a.registry, a.started)
	a.config.set(c)
	return a
}

// onlyForPeople says whether nobody but a person reads what is written to f: it is a terminal or a file. What goes through a pipe or a socket is
// collected at its other end.
func onlyForPeople(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && (info.Mode().IsRegular() || info.Mode()&os.ModeCharDevice != 0)
}

func (a *App) setLogLevel(c *config.Config) {
	if level, err := logging.ParseLevel(c.Log.Level); err == nil { // config has checked it
		a.logLevel.Set(level)
	}
}

// announce opens the gate and tells a person where to look.
func (a *App) announce() {
	a.gate.open()
	text := "Hulotte is ready: open " + a.url() + " in a browser"
	if a.role == config.AgentRole {
		text = "Hulotte agent is ready: it sends to " + a.config.get().Agent.Server
	}
	a.log.Info(text,
		"role", string(a.role), "data", a.config.get().DataDir, "config", orNone(a.config.get().File), "took", time.Since(a.started).Round(time.Millisecond))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// wait returns nil when ctx ends and the part's error when one fails.
func (a *App) wait(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-a.stack.failed:
			return err
		case <-hup:
			_ = a.Reload() // it has logged what went wrong
		}
	}
}

// prepareDataDir makes the data folder and makes sure that it can be written.
func prepareDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("cannot make the data folder: %w: choose another with --data-dir", err)
	}
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return fmt.Errorf("cannot write to the data folder: %w: choose another with --data-dir", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
