package app

import (
	"context"
	"time"

	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/store/series"
)

func (a *App) startStore(context.Context) (stopFunc, error) {
	db, err := series.Open(a.config.get().SeriesOptions(), logging.Quiet(a.log.With("part", "store")), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.store = db
	stop := func(context.Context) error { return db.Close() }
	if a.made.local, err = db.Writer(model.DefaultTenant); err != nil {
		_ = stop(nil) // the first error tells more
		return nil, err
	}
	a.made.sink = a.made.local
	return stop, nil
}

func (a *App) startQuery(context.Context) (stopFunc, error) {
	o := a.config.get().QueryOptions()
	o.SubqueryStep = func() time.Duration { return time.Duration(a.prometheus().GlobalConfig.EvaluationInterval) }
	engine, err := promql.New(o, logging.Quiet(a.log.With("part", "query")), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.engine = engine
	l := a.config.get().LogQLOptions()
	l.Tenants = a.made.events.EventReader
	a.made.logql = logql.New(l, a.log.With("part", "logs query"), a.registry)
	return func(context.Context) error { return engine.Close() }, nil
}
