package app

import (
	"context"

	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// startEvents opens the store of log records. For now it keeps them in memory.
func (a *App) startEvents(context.Context) (stopFunc, error) {
	a.made.events = &eventstest.Tenants{}
	return nil, nil
}
