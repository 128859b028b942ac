package app

import (
	"sync/atomic"

	"github.com/hulotte-dev/hulotte/config"
)

// snapshot is the configuration in force: readers get an immutable one.
type snapshot struct{ p atomic.Pointer[config.Config] }

func (s *snapshot) get() *config.Config  { return s.p.Load() }
func (s *snapshot) set(c *config.Config) { s.p.Store(c) }

// Reload reads the configuration again and applies what can change while the process runs.
func (a *App) Reload() error {
	c, err := config.Load(a.options.Sources)
	if err != nil {
		a.log.Error("cannot reload the configuration: the old one stays in force", "err", err)
		return err
	}
	a.setLogLevel(c)
	a.config.set(c)
	a.log.Info("configuration reloaded", "file", orNone(c.File))
	return nil
}
