package app

import (
	"context"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/internal/broadcast"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/hosts"
)

// liveData is the topic that tells open pages of new samples of this process.
const liveData = "data"

// startLive makes the hub through which open pages hear of what is collected.
func (a *App) startLive(context.Context) (stopFunc, error) {
	a.made.live = broadcast.New(strconv.FormatInt(a.started.UnixMilli(), 36))
	return func(context.Context) error { a.made.live.Close(); return nil }, nil
}

// gathered is called after each collection.
func (a *App) gathered(_ string, at time.Time) {
	if a.made.live != nil { // an agent has no pages
		a.made.live.Publish(liveData, at)
	}
}

// hosts answers the pages about machines.
func (a *App) hosts() api.Hosts {
	h := hosts.New(hosts.FromEngine(a.made.engine, a.made.store), hosts.Options{})
	return api.Hosts{
		Overview: func(ctx context.Context) (any, error) { return h.Overview(ctx) },
		Host:     func(ctx context.Context, instance string) (any, error) { return h.Host(ctx, instance) },
		Charts: func(ctx context.Context, instance string, from, to time.Time, points int) (any, error) {
			return h.Charts(ctx, instance, from, to, points)
		},
		Processes: a.liveProcesses,
	}
}

// processesShown is how many processes the live table lists: those that use most, more than fit on a screen.
const processesShown = 200

// liveProcesses lists the processes of this host as they are now; of another host nothing is known but what it sent.
func (a *App) liveProcesses(ctx context.Context, instance string) (any, error) {
	if a.made.processes == nil || instance != a.config.get().Host.Instance || model.Tenant(ctx) != model.DefaultTenant {
		return nil, nil
	}
	return a.made.processes.Top(ctx, processesShown)
}
