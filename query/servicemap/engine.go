package servicemap

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// FromEngine returns a Query that runs engine over what tenants hold.
func FromEngine(engine promql.QueryEngine, tenants store.Tenants) Query {
	return func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
		series, err := tenants.Reader(model.Tenant(ctx))
		if err != nil {
			return nil, fmt.Errorf("cannot open the series of tenant %q: %w", model.Tenant(ctx), err)
		}
		q, err := engine.NewInstantQuery(ctx, series, nil, expr, at)
		if err != nil {
			return nil, fmt.Errorf("cannot prepare %s: %w", expr, err)
		}
		defer q.Close()
		v, err := q.Exec(ctx).Vector()
		if err != nil {
			return nil, fmt.Errorf("cannot evaluate %s: %w", expr, err)
		}
		return slices.Clone(v), nil // it belongs to the query until that is closed
	}
}
