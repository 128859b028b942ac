package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/hulotte-dev/hulotte/query/cli"
)

func queryCommand() *command {
	return &command{
		name:    "hulotte query",
		summary: "Ask a server for the value of a PromQL expression.",
		raw:     true,
		run: func(args []string, s streams) int {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			return cli.Run(ctx, args, os.Stdin, s.out, s.err)
		},
	}
}
