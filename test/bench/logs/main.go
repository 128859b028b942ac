// Command logs measures Hulotte's logs beside VictoriaLogs and Loki: the same lines into each of them over Loki's push
// protocol, journals on, then the same questions; CPU seconds, memory, bytes on disk and latencies in one table, with
// ratios. It checks that all of them answer the same.
//
//	go run ./test/bench/logs -lines 5000000 -hulotte bin/hulotte -victorialogs /path/victoria-logs -loki /path/loki
//
// A peer whose program is not given is left out. Loki builds with
// `go install github.com/grafana/loki/v3/cmd/loki@v3.7.8`; VictoriaLogs from its repository with `make victoria-logs-pure`.
// Systems run one at a time while they take lines in, and all together, asked in turns, for the questions.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

type options struct {
	lines, streams, perPush, connections, rounds int

	hulotte, victoriaLogs, loki string
	dir                         string
	keep                        bool
	late, asking                bool
}

func main() {
	var o options
	flag.IntVar(&o.lines, "lines", 5_000_000, "lines to push")
	flag.IntVar(&o.streams, "streams", 200, "streams that share them")
	flag.IntVar(&o.perPush, "per-push", 5_000, "lines in one push")
	flag.IntVar(&o.connections, "connections", 2, "pushes at once")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each question is asked; the median counts")
	flag.StringVar(&o.hulotte, "hulotte", "bin/hulotte", "program")
	flag.StringVar(&o.victoriaLogs, "victorialogs", "", "program of VictoriaLogs")
	flag.StringVar(&o.loki, "loki", "", "program of Loki")
	flag.StringVar(&o.dir, "dir", "", "folder for data and pushes; default: a temporary one")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder")
	flag.BoolVar(&o.late, "late", false, "push in an order in which a tenth of the pushes comes an hour late")
	flag.BoolVar(&o.asking, "asking", false, "ask the questions in turns while the lines come in, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "logs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "hulotte-bench-logs")
		if err != nil {
			return err
		}
		o.dir = dir
	}
	if !o.keep {
		defer func() { _ = os.RemoveAll(o.dir) }()
	}
	fmt.Printf("%s, %d processors, %s\n", time.Now().UTC().Format(time.RFC3339), runtime.NumCPU(), runtime.Version())
	pushes, err := writePushes(ctx, o, filepath.Join(o.dir, "pushes"))
	if err != nil {
		return fmt.Errorf("cannot write the pushes: %w", err)
	}
	fmt.Printf("%d lines, %.0f MB, %d streams, from %s to %s\n\n", pushes.lines, float64(pushes.bytes)/1e6, o.streams,
		pushes.start.UTC().Format(time.RFC3339), pushes.end.UTC().Format(time.RFC3339))
	systems := o.systems()
	defer stopAll(systems)
	if err := ingestAll(ctx, o, systems, pushes); err != nil {
		return err
	}
	return askAll(ctx, o, systems, pushes)
}

// ingestAll lets one system after the other take all lines.
func ingestAll(ctx context.Context, o options, systems []*system, p *pushSet) error {
	var rows []ingestRow
	for _, s := range systems {
		if err := s.Start(ctx); err != nil {
			return fmt.Errorf("cannot start %s: %w", s.Name, err)
		}
		row, err := ingest(ctx, o, s, p)
		if err != nil {
			return fmt.Errorf("cannot push to %s: %w", s.Name, err)
		}
		rows = append(rows, row)
		s.Pause()
	}
	printIngest(rows, p)
	for _, s := range systems {
		s.Resume()
	}
	return nil
}
