package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/hulotte-dev/hulotte/query/cli"
)

func logsCommand() *command {
	return &command{
		name:    "hulotte logs",
		summary: "Search the logs of a server with LogQL, or follow them.",
		raw:     true,
		run: func(args []string, s streams) int {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			return cli.RunLogs(ctx, args, os.Stdin, s.out, s.err)
		},
	}
}
