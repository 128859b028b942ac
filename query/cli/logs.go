package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

const logsUsage = `Search the logs of a server, or follow them.

Usage:
  hulotte logs [flags] QUERY

QUERY is LogQL, such as {app="shop"} |= "error"; - reads it from standard input. A metric query is answered as a table.

Flags:
  --since DURATION    search this long, up to --to: 30m, 6h, 1d (default 1h)
  --from, --to TIME   range of the search; --to is now unless given
  --limit N           at most N lines; 0 is all of them (default 100; with --tail that many older lines come first, default 10)
  --forward           the oldest lines of the range, the oldest first
  --backward          the newest lines of the range, the newest first (default: the newest lines, the oldest first)
  -f, --tail          show the latest lines and then what comes, until it is interrupted
  -o, --output FORM   default (time, labels, line), raw (the line alone) or jsonl (one JSON object a line)
  --no-labels         leave the labels out of the default output
  --step DURATION     of a metric query over a range (default: about 250 points)
  --timeout DURATION  longest time that the server may take for a request (default 2m)
  --addr URL          server to ask (default $HULOTTE_URL, else ` + DefaultServer + `)
  --tenant NAME       whose data (default $HULOTTE_TENANT, else the server's default)
  --user NAME[:PASS]  HTTP basic authentication; the password may be in $HULOTTE_PASSWORD
  --ca-file FILE      certificate authorities to trust, in PEM
  --insecure          do not check the server's certificate
  --no-color          no colours (also $NO_COLOR)

A TIME is now, now-1h, a date (2026-01-31), RFC 3339 (2026-01-31T12:00:00Z) or seconds since 1970.

Examples:
  hulotte logs '{service_name="nginx"} |= "timeout"'
  hulotte logs '{} | level="error"' --since 1d --limit 0 -o jsonl > errors.jsonl
  hulotte logs '{container="shop"} | json | status >= 500' --tail
`

// logsOptions are the command line of `hulotte logs`. start, end, step, server and what is about it are in options.
type logsOptions struct {
	options
	forward, backward bool
	tail              bool
	noLabels          bool
	limitGiven        bool
}

// RunLogs is `hulotte logs`: it does what the arguments (without the program's and the command's names) say and returns the exit
// code. It speaks Loki's HTTP API, so it asks any Loki as well.
func RunLogs(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := environment{now: time.Now, getenv: os.Getenv, screen: screenOf(stdout, os.Getenv)}
	return runLogs(ctx, args, stdin, stdout, stderr, env)
}

func runLogs(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env environment) int {
	o, err := parseLogs(args, stdin, env)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, logsUsage)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "hulotte logs: %v\nSee `hulotte logs --help`.\n", err)
		return exitUsage
	}
	client, err := newClient(o.options)
	if err != nil {
		fmt.Fprintf(stderr, "hulotte logs: %v\n", err)
		return exitUsage
	}
	defer client.CloseIdleConnections()
	l := &logsRun{o: o, client: client, out: newLogPrinter(stdout, o, env.screen), err: stderr, screen: env.screen}
	if o.tail {
		err = l.follow(ctx)
	} else {
		err = l.search(ctx)
	}
	if err == nil || ctx.Err() != nil {
		err = errors.Join(err, l.out.flush())
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(stderr, "hulotte logs: %s\n", clean(err.Error()))
		return exitFailed
	}
	return exitOK
}

func parseLogs(args []string, stdin io.Reader, env environment) (logsOptions, error) {
	var o logsOptions
	var since, from, to, step, deadline string
	fs := flag.NewFlagSet("hulotte logs", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&since, "since", "", "")
	fs.StringVar(&from, "from", "", "")
	fs.StringVar(&to, "to", "", "")
	fs.StringVar(&step, "step", "", "")
	fs.IntVar(&o.limit, "limit", 100, "")
	fs.BoolVar(&o.forward, "forward", false, "")
	fs.BoolVar(&o.backward, "backward", false, "")
	fs.BoolVar(&o.tail, "tail", false, "")
	fs.BoolVar(&o.tail, "f", false, "")
	fs.StringVar(&o.output, "output", "default", "")
	fs.StringVar(&o.output, "o", "default", "")
	fs.BoolVar(&o.noLabels, "no-labels", false, "")
	fs.StringVar(&deadline, "timeout", "2m", "")
	fs.StringVar(&o.server, "addr", firstOf(env.getenv("HULOTTE_URL"), DefaultServer), "")
	fs.StringVar(&o.server, "server", firstOf(env.getenv("HULOTTE_URL"), DefaultServer), "")
	fs.StringVar(&o.tenant, "tenant", env.getenv("HULOTTE_TENANT"), "")
	fs.StringVar(&o.user, "user", "", "")
	fs.StringVar(&o.caFile, "ca-file", "", "")
	fs.BoolVar(&o.insecure, "insecure", false, "")
	fs.BoolVar(&o.noColor, "no-color", env.getenv("NO_COLOR") != "", "")
	o.zone = env.now().Location()
	rest, err := parseAnywhere(fs, args)
	if err != nil {
		return o, wordFlagError(err)
	}
	fs.Visit(func(f *flag.Flag) { o.limitGiven = o.limitGiven || f.Name == "limit" })
	if o.expr, err = expression(rest, stdin); err != nil {
		return o, err
	}
	if o.timeout, err = positiveDuration("--timeout", deadline); err != nil {
		return o, err
	}
	o.user, o.pass = credentials(o.user, env.getenv("HULOTTE_PASSWORD"))
	if err := o.check(); err != nil {
		return o, err
	}
	return o, o.setRange(env.now(), since, from, to, step)
}

func (o *logsOptions) check() error {
	switch o.output {
	case "default", "raw", "jsonl":
	default:
		return fmt.Errorf("--output %q: use default, raw or jsonl", o.output)
	}
	switch {
	case o.limit < 0:
		return fmt.Errorf("--limit %d is negative", o.limit)
	case o.forward && o.backward:
		return errors.New("--forward and --backward are two orders: give one of them")
	case o.tail && (o.forward || o.backward):
		return errors.New("--tail shows lines as they come: leave --forward and --backward out")
	case o.limit == 0 && !o.backward:
		o.forward = true // all lines are the same either way, and need not be kept
	}
	return nil
}

func (o *logsOptions) setRange(now time.Time, since, from, to, step string) error {
	switch {
	case since != "" && from != "":
		return errors.New("--since and --from say the same: give one of them, and --to")
	case o.tail && to != "":
		return errors.New("--tail does not end: leave --to out")
	}
	if since == "" && from == "" {
		since = "1h"
	}
	return o.setTimes(now, "", from, firstOf(to, "now"), since, step)
}
