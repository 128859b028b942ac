package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/app"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/lockfile"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/store/medium"
)

func storageCommand(f *settings) *command {
	return &command{
		name:     "hulotte storage",
		summary:  "Look after what is kept: verify it, copy it to another medium.",
		about:    "docs/storage.md says what is kept where.",
		examples: []string{"hulotte storage verify", "hulotte storage copy --to cassandra://db-1,db-2/hulotte"},
		subs:     []*command{storageVerify(f), storageCopy(f), storageInfo(f)},
	}
}

// interrupted returns a context that ends with Ctrl-C or SIGTERM.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// commandLog is the log of what the media have to say while a command uses them.
func commandLog(c *config.Config, s streams) *slog.Logger {
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	if c != nil && c.Log.Level == "debug" {
		level.Set(slog.LevelDebug)
	}
	return logging.New(s.err, logging.Options{Format: logging.Text, Level: level})
}

// load reads the configuration as the process would.
func (f *settings) load() (*config.Config, error) { return config.Load(f.sources(config.Both)) }

const placeHelp = `A PLACE is one of
  DIR               a data folder: the medium is the folder "medium" in it
  FILE.yml          a configuration: the medium that its section storage.medium describes
  cassandra://[USER@]HOST[:PORT][,HOST...]/[KEYSPACE][?KEY=VALUE&...]
                    a cluster; each KEY is one below storage.medium.cassandra, such as
                    datacenter, replication_factor, password_file or tls.ca_file`

// parsePlace reads a PLACE. Nothing is opened.
func parsePlace(text string) (app.MediumPlace, error) {
	switch {
	case text == "":
		return app.MediumPlace{}, errors.New("the place is empty")
	case strings.HasPrefix(text, "cassandra://"):
		m, err := config.CassandraURL(text)
		return app.MediumPlace{Medium: m}, err
	case strings.Contains(text, "://"):
		return app.MediumPlace{}, fmt.Errorf("%q is no place: known are folders, configuration files and cassandra:// URLs", text)
	case strings.HasSuffix(text, ".yml"), strings.HasSuffix(text, ".yaml"):
		c, err := config.Load(config.Sources{File: text})
		if err != nil {
			return app.MediumPlace{}, err
		}
		return placeOf(c), nil
	}
	if _, err := os.Stat(filepath.Join(text, "medium.json")); err == nil {
		return app.MediumPlace{}, fmt.Errorf("%s is the folder of a medium: name the data folder that it is in, %s", text, filepath.Dir(filepath.Clean(text)))
	}
	c, err := config.Load(config.Sources{Flags: []config.Flag{{Name: "PLACE", Key: "data_dir", Value: text}}})
	if err != nil {
		return app.MediumPlace{}, err
	}
	return placeOf(c), nil
}

func placeOf(c *config.Config) app.MediumPlace {
	return app.MediumPlace{Medium: c.Storage.Medium, DataDir: c.DataDir}
}

// opened is a medium that a command has opened, with the lock of its data folder.
type opened struct {
	medium.Medium
	lock *lockfile.Lock
}

// open opens the medium at a place. A local one is locked, so that no server begins to use it meanwhile.
func open(ctx context.Context, p app.MediumPlace, readOnly bool, log *slog.Logger) (*opened, error) {
	var o opened
	if p.Medium.Type == config.MediumLocal {
		if err := makeUnless(readOnly, p.DataDir); err != nil {
			return nil, err
		}
		lock, err := lockfile.Acquire(p.DataDir)
		if err != nil {
			return nil, err
		}
		o.lock = lock
	}
	m, err := app.OpenMedium(ctx, p, readOnly, "command", log, prometheus.NewRegistry())
	if err != nil {
		return nil, errors.Join(err, o.unlock())
	}
	o.Medium = m
	return &o, nil
}

func makeUnless(readOnly bool, dir string) error {
	if readOnly {
		return nil
	}
	return os.MkdirAll(dir, 0o750)
}

func (o *opened) unlock() error {
	if o.lock == nil {
		return nil
	}
	return o.lock.Release()
}

// Close closes the medium and gives the data folder back.
func (o *opened) Close() error { return errors.Join(o.Medium.Close(), o.unlock()) }

// isHeld says whether a process uses the data folder.
func isHeld(dir string) (bool, error) {
	lock, err := lockfile.Acquire(dir)
	var held *lockfile.HeldError
	switch {
	case errors.As(err, &held):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("cannot use the data folder: %w", err)
	}
	return false, lock.Release()
}

// failed prints an error and returns the exit code.
func failed(w io.Writer, name string, err error) int {
	fmt.Fprintf(w, "%s: %s\n", name, printable(err.Error()))
	return exitFailed
}

func jsonFlag(fs *flag.FlagSet, v *bool) { fs.BoolVar(v, "json", false, "print JSON") }
func quietFlag(fs *flag.FlagSet, v *bool) {
	fs.BoolVar(v, "quiet", false, "show no progress and no summary")
}
