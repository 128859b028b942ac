package app

import (
	"context"

	"github.com/hulotte-dev/hulotte/internal/lockfile"
)

func (a *App) startDataDir(context.Context) (stopFunc, error) {
	dir := a.config.get().DataDir
	if err := prepareDataDir(dir); err != nil {
		return nil, err
	}
	lock, err := lockfile.Acquire(dir)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { return lock.Release() }, nil
}
