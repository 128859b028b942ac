package app

import (
	"context"

	"github.com/hulotte-dev/hulotte/collect/forward"
	"github.com/hulotte-dev/hulotte/collect/tail"
	"github.com/hulotte-dev/hulotte/config"
)

// startTail follows the logs of this host. In an agent they go to the server: there is no queue between, as the files and
// journals that they are read from are one.
func (a *App) startTail(context.Context) (stopFunc, error) {
	c := a.config.get()
	if !c.Logs.Enabled {
		return nil, nil
	}
	o := c.TailOptions()
	o.Own = a.own
	if there, err := tail.HasJournal(o.RootFS); o.Journal != nil && (!there || err != nil) {
		o.Journal = nil
		if err != nil {
			a.log.Warn("the systemd journal is not followed", "err", err, "fix", "install systemd's journalctl where Hulotte runs, or set logs.journal: false")
		}
	}
	sink, err := a.tailSink(c, &o)
	if err != nil {
		return nil, err
	}
	t, err := tail.New(o, sink, a.log.With("part", "tail"), a.registry)
	if err != nil {
		return nil, err
	}
	return a.stack.run("tail", t.Run), nil
}

// tailSink is where what is followed goes: to the server, masked before it leaves the machine, or into our own way in.
func (a *App) tailSink(c *config.Config, o *tail.Options) (tail.Sink, error) {
	if a.role != config.AgentRole {
		return a.made.logs.From("tail"), nil
	}
	mask, err := c.LogMasker()
	if err != nil {
		return nil, err
	}
	o.Mask = mask
	fo, err := c.LogForwardOptions()
	if err != nil {
		return nil, err
	}
	return forward.New(fo, a.log.With("part", "forward logs"), a.registry)
}
