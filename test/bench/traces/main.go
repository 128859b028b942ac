// Command traces measures Hulotte's traces beside Jaeger (badger) and VictoriaTraces: the same spans into each of them over OTLP/HTTP,
// journals on, then the same questions; CPU seconds, memory, bytes on disk and latencies in one table, with ratios. It prints what each
// found, so that one sees whether they agree.
//
//	go run ./test/bench/traces -traces 100000 -hulotte bin/hulotte -victoriatraces /path/victoria-traces -jaeger /path/all-in-one
//
// A peer whose program is not given is left out. Jaeger builds from its module: `go build ./cmd/all-in-one` in a copy of
// github.com/jaegertracing/jaeger v1.76.0; VictoriaTraces from its repository: `go build ./app/victoria-traces`.
// Systems run one at a time while they take spans in, and all together, asked in turns, for the questions.
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

	"github.com/hulotte-dev/hulotte/test/bench/peer"
)

type options struct {
	traces, perPush, connections, rounds int

	hulotte, victoriaTraces, jaeger string
	dir                             string
	keep                            bool
}

func main() {
	var o options
	flag.IntVar(&o.traces, "traces", 100_000, "traces to push, of ten spans each on average")
	flag.IntVar(&o.perPush, "per-push", 50, "traces in one push")
	flag.IntVar(&o.connections, "connections", 2, "pushes at once")
	flag.IntVar(&o.rounds, "rounds", 9, "how often each question is asked; the median counts")
	flag.StringVar(&o.hulotte, "hulotte", "bin/hulotte", "program")
	flag.StringVar(&o.victoriaTraces, "victoriatraces", "", "program of VictoriaTraces")
	flag.StringVar(&o.jaeger, "jaeger", "", "program of Jaeger (all-in-one, version 1)")
	flag.StringVar(&o.dir, "dir", "", "folder for data and pushes; default: a temporary one")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "traces:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "hulotte-bench-traces")
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
	fmt.Printf("%d traces, %d spans, %.0f MB (%.0f bytes a span), from %s to %s\n\n", o.traces, pushes.spans, float64(pushes.bytes)/1e6,
		float64(pushes.bytes)/float64(pushes.spans), pushes.start.UTC().Format(time.RFC3339), pushes.end.UTC().Format(time.RFC3339))
	systems := o.systems()
	defer func() {
		for _, s := range systems {
			peer.StopAll([]*peer.System{&s.System})
		}
	}()
	if err := ingestAll(ctx, o, systems, pushes); err != nil {
		return err
	}
	return askAll(ctx, o, systems, pushes)
}

// row is what taking all spans in has cost a system.
type row struct {
	name            string
	wall            time.Duration
	cpuPush, cpuAll float64 // seconds: until the last answer; until it has settled
	peak            int64   // bytes
	data, journal   int64   // bytes
	pushed          peer.Pushed
}

func ingestAll(ctx context.Context, o options, systems []*system, p *pushSet) error {
	var rows []row
	for _, s := range systems {
		if err := s.Start(ctx); err != nil {
			return fmt.Errorf("cannot start %s: %w", s.Name, err)
		}
		r, err := ingest(ctx, o, s, p)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		rows = append(rows, r)
		s.Pause()
	}
	for _, s := range systems {
		s.Resume()
	}
	printIngest(rows, p)
	return nil
}

// ingest pushes everything over some connections, then lets the system settle.
func ingest(ctx context.Context, o options, s *system, p *pushSet) (row, error) {
	r := row{name: s.Name}
	before := s.Usage()
	begin := time.Now()
	var err error
	if r.pushed, err = s.PushAll(ctx, o.connections, p.files); err != nil {
		return r, err
	}
	r.wall = time.Since(begin)
	r.cpuPush = s.Usage().CPU - before.CPU
	s.Settle(ctx)
	after := s.Usage()
	r.cpuAll, r.peak = after.CPU-before.CPU, after.Peak
	r.data, r.journal = s.Disk()
	return r, nil
}

func printIngest(rows []row, p *pushSet) {
	n := float64(p.spans)
	fmt.Print("| system | spans/s | CPU s/M push | CPU s/M settled | peak MB | bytes a span | journal MB | push p50 | p99 | sent again |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		took := r.pushed.Took
		fmt.Printf("| %s | %.0f | %.1f | %.1f | %.0f | %.1f | %.0f | %s | %s | %d |\n", r.name, n/r.wall.Seconds(), r.cpuPush/n*1e6, r.cpuAll/n*1e6,
			float64(r.peak)/1e6, float64(r.data)/n, float64(r.journal)/1e6,
			took[len(took)/2].Round(time.Millisecond), took[len(took)*99/100].Round(time.Millisecond), r.pushed.Again)
	}
	for _, r := range rows[1:] {
		fmt.Printf("\n%s / %s: spans/s %.2f, CPU push %.2f, CPU settled %.2f, peak memory %.2f, disk %.3f", rows[0].name, r.name,
			r.wall.Seconds()/rows[0].wall.Seconds(), rows[0].cpuPush/r.cpuPush, rows[0].cpuAll/r.cpuAll,
			float64(rows[0].peak)/float64(r.peak), float64(rows[0].data)/float64(r.data))
	}
	fmt.Print("\n\n")
}
