package app

import (
	"context"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/query/servicemap"
)

// serviceMap answers who calls whom.
func (a *App) serviceMap() api.ServiceMap {
	query := servicemap.FromEngine(a.made.engine, a.made.store)
	return func(ctx context.Context, from, to time.Time) (any, error) { return servicemap.Of(ctx, query, from, to) }
}
