// Package cli is `hulotte query`: it asks a server for the value of a PromQL expression, at one moment or over
// time, and prints the answer as a table, a plot, CSV or JSON.
//
// It speaks Prometheus' HTTP API and nothing else, so it asks any Prometheus as well.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the server could not be reached or refused the query
	exitUsage  = 2
)

// DefaultServer is where a Hulotte on this machine listens.
const DefaultServer = "http://127.0.0.1:9070"

// maxExpression bounds an expression that is read from standard input.
const maxExpression = 1 << 20

const usage = `Ask a server for the value of a PromQL expression.

Usage:
  hulotte query [flags] EXPRESSION

EXPRESSION is PromQL; - reads it from standard input. One that starts with a minus goes behind --.
Without --range or --start it is evaluated at one moment, else at every step of a range.

Flags:
  --time TIME         moment of evaluation (default now)
  --range DURATION    evaluate over this long, up to --end: 30m, 6h, 1d
  --start, --end TIME range of evaluation; --end is now unless given
  --step DURATION     time between two points (default: about 250 points)
  -o, --output FORM   table, plot, csv or json (default: table; for a range on a terminal, plot)
  --limit N           at most N series
  --timeout DURATION  longest time that the server may take (default 2m)
  --server URL        server to ask (default $HULOTTE_URL, else ` + DefaultServer + `)
  --tenant NAME       whose data (default $HULOTTE_TENANT, else the server's default)
  --user NAME[:PASS]  HTTP basic authentication; the password may be in $HULOTTE_PASSWORD
  --ca-file FILE      certificate authorities to trust, in PEM
  --insecure          do not check the server's certificate
  --no-color          no colours (also $NO_COLOR)

A TIME is now, now-1h, a date (2026-01-31), RFC 3339 (2026-01-31T12:00:00Z) or seconds since 1970.

Examples:
  hulotte query up
  hulotte query 'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))' --range 1h
  hulotte query node_load1 --range 1d --step 5m -o csv > load.csv
`

// options are the command line.
type options struct {
	expr               string
	at                 time.Time // of an instant query
	start, end         time.Time // of a range query
	step               time.Duration
	isRange            bool
	output             string
	limit              int
	timeout            time.Duration
	server             string
	tenant, user, pass string
	caFile             string
	insecure           bool
	noColor            bool
	zone               *time.Location // in which times are shown
}

// environment is what a run takes from outside, so that tests can say what it is.
type environment struct {
	now    func() time.Time
	getenv func(string) string
	screen screen
}

// Run does what the arguments (without the program's and the command's names) say and returns the exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := environment{now: time.Now, getenv: os.Getenv, screen: screenOf(stdout, os.Getenv)}
	return run(ctx, args, stdin, stdout, stderr, env)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env environment) int {
	o, err := parse(args, stdin, env)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "hulotte query: %v\nSee `hulotte query --help`.\n", err)
		return exitUsage
	}
	answer, err := ask(ctx, o)
	if err != nil {
		printError(stderr, o.expr, err)
		return exitFailed
	}
	printNotes(stderr, answer)
	if err := print(stdout, o, answer, env.screen); err != nil {
		fmt.Fprintf(stderr, "hulotte query: %v\n", err)
		return exitFailed
	}
	return exitOK
}

func parse(args []string, stdin io.Reader, env environment) (options, error) {
	var (
		o                         options
		at, start, end            string
		rangeText, step, deadline string
	)
	fs := flag.NewFlagSet("hulotte query", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&at, "time", "", "")
	fs.StringVar(&start, "start", "", "")
	fs.StringVar(&end, "end", "", "")
	fs.StringVar(&rangeText, "range", "", "")
	fs.StringVar(&step, "step", "", "")
	fs.StringVar(&o.output, "output", "", "")
	fs.StringVar(&o.output, "o", "", "")
	fs.IntVar(&o.limit, "limit", 0, "")
	fs.StringVar(&deadline, "timeout", "2m", "")
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
	if o.expr, err = expression(rest, stdin); err != nil {
		return o, err
	}
	if o.timeout, err = positiveDuration("--timeout", deadline); err != nil {
		return o, err
	}
	if o.limit < 0 {
		return o, fmt.Errorf("--limit %d is negative", o.limit)
	}
	o.user, o.pass = credentials(o.user, env.getenv("HULOTTE_PASSWORD"))
	if err := o.setTimes(env.now(), at, start, end, rangeText, step); err != nil {
		return o, err
	}
	return o, o.setOutput(env.screen)
}

// parseAnywhere reads flags before and behind the expression.
func parseAnywhere(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		left := fs.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

func wordFlagError(err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return fmt.Errorf("there is no flag --%s (an expression that starts with a minus goes behind --)", strings.TrimPrefix(name, "-"))
	}
	return err
}

func expression(rest []string, stdin io.Reader) (string, error) {
	switch len(rest) {
	case 0:
		return "", errors.New("the expression is missing")
	case 1:
	default:
		return "", fmt.Errorf("%d expressions: put quotes around the expression", len(rest))
	}
	expr := rest[0]
	if expr == "-" {
		text, err := io.ReadAll(io.LimitReader(stdin, maxExpression+1))
		if err != nil {
			return "", fmt.Errorf("cannot read the expression from standard input: %w", err)
		}
		if len(text) > maxExpression {
			return "", fmt.Errorf("the expression on standard input is larger than %d bytes", maxExpression)
		}
		expr = string(text)
	}
	if strings.TrimSpace(expr) == "" {
		return "", errors.New("the expression is empty")
	}
	return expr, nil
}

func (o *options) setOutput(s screen) error {
	switch o.output {
	case "":
		o.output = "table"
		if o.isRange && s.terminal {
			o.output = "plot"
		}
	case "table", "csv", "json":
	case "plot":
		if !o.isRange {
			return errors.New("a plot needs --range or --start")
		}
	default:
		return fmt.Errorf("--output %q: use table, plot, csv or json", o.output)
	}
	return nil
}

// credentials splits name:password; the password may come from elsewhere, where other users cannot see it.
func credentials(user, elsewhere string) (name, password string) {
	name, password, found := strings.Cut(user, ":")
	if !found {
		password = elsewhere
	}
	return name, password
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
