package app

import (
	"context"
	"slices"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/ingest/logs"
	"github.com/hulotte-dev/hulotte/model"
)

// startLogs makes the way in that all log records take.
func (a *App) startLogs(context.Context) (stopFunc, error) {
	c := a.config.get()
	o := c.LogOptions()
	mask, err := c.LogMasker()
	if err != nil {
		return nil, err
	}
	if mask != nil {
		o.Mask = mask.Mask
	}
	a.made.logs = logs.New(o, a.appendRecords, a.log.With("part", "logs"), a.registry)
	a.made.intake = intake.New(c.LogIntakeLimits(), a.registry)
	a.made.sockets = intake.NewSockets(a.log.With("part", "logs"), a.registry)
	return nil, nil
}

// logEndpoints are the ways in for logs on our own port.
func (a *App) logEndpoints() []api.Endpoint {
	return slices.Concat(a.lokiEndpoints(), a.otlpEndpoints(), a.gelfEndpoints(), a.elasticEndpoints(), a.eventEndpoints())
}

// appendRecords keeps records for the tenant of the context.
func (a *App) appendRecords(ctx context.Context, streams []model.Stream) (model.Refusals, error) {
	to, err := a.made.events.EventWriter(model.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	return to.AppendRecords(ctx, streams)
}
