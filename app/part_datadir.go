package app

import (
	"context"
	"errors"

	"github.com/hulotte-dev/hulotte/internal/lockfile"
	"github.com/hulotte-dev/hulotte/store/upkeep"
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
	if err := upkeep.CheckDataDir(dir); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return func(context.Context) error { return lock.Release() }, nil
}
