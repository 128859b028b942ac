// Command checks measures what a node pays for many checks: it declares them, lets a process beside it answer, and prints
// CPU time, memory and how late checks were asked. Everything is on loopback; nothing is stored but in memory.
//
//	go run ./test/bench/checks -checks 50000 -interval 1m -minutes 2
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/engine"
	"github.com/hulotte-dev/hulotte/check/kinds"
	"github.com/hulotte-dev/hulotte/model"
)

type flags struct {
	checks   int
	interval time.Duration
	minutes  int
	kinds    string
	holds    int
	storm    bool
	profile  string
	listen   bool
}

func main() {
	var f flags
	flag.IntVar(&f.checks, "checks", 50_000, "how many checks are declared")
	flag.DurationVar(&f.interval, "interval", time.Minute, "their interval")
	flag.IntVar(&f.minutes, "minutes", 2, "how many minutes are measured, after one that is not")
	flag.StringVar(&f.kinds, "kinds", "tcp,http", "kinds of checks, in equal parts; null asks nothing")
	flag.IntVar(&f.holds, "holds", 1000, "connections that are held; -1 for none")
	flag.BoolVar(&f.storm, "storm", false, "everything dies before the last minute")
	flag.StringVar(&f.profile, "profile", "", "folder for a CPU profile of the last minute and a heap profile at its end")
	flag.BoolVar(&f.listen, "listen", false, "only answer (used by the benchmark itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := measure
	if f.listen {
		run = answer
	}
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "checks:", err)
		os.Exit(1)
	}
}

// measure declares the checks, runs them and prints a line for each minute.
func measure(ctx context.Context, f flags) error {
	ports, stop, err := startAnswering(ctx)
	if err != nil {
		return err
	}
	stop = sync.OnceFunc(stop)
	defer stop()
	sinks, reg := &sinks{}, prometheus.NewRegistry()
	e, err := engine.New(engine.Options{
		Kinds: append(kinds.All(kinds.Options{}), nullKind), Documents: newDocuments(sinks), Series: sinks, Events: sinks.events, Holds: f.holds,
	}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), reg)
	if err != nil {
		return err
	}
	hosts, specs := declare(f, ports)
	began := time.Now()
	if err := e.Set("config", hosts, specs); err != nil {
		return err
	}
	fmt.Printf("%d checks (%s) every %s, %d at once here; declared in %s\n", len(specs), f.kinds, f.interval, runtime.GOMAXPROCS(0), time.Since(began).Round(time.Millisecond))
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) }) // it returns nil
	defer running.Wait()
	defer cancel()
	for m := range f.minutes + 1 {
		if m == f.minutes && f.profile != "" {
			stop, err := profile(f.profile)
			if err != nil {
				return err
			}
			defer stop()
		}
		if m == f.minutes && f.storm {
			fmt.Println("everything dies")
			stop()
		}
		before := usage()
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(time.Minute):
		}
		report(e, reg, m, usage()-before, sinks)
	}
	views(e)
	return nil
}

// declare returns checks of the kinds in equal parts, ten to a host.
func declare(f flags, ports []int) ([]check.Host, []check.Spec) {
	names := strings.Split(f.kinds, ",")
	var hosts []check.Host
	var specs []check.Spec
	for i := range f.checks {
		if i%10 == 0 {
			hosts = append(hosts, check.Host{Name: fmt.Sprintf("host%05d", i/10), Address: "127.0.0.1", Labels: map[string]string{"site": fmt.Sprint("s", i/1000)}})
		}
		kind := names[i%len(names)]
		options := map[string]any{"port": ports[i%len(ports)]}
		if kind == "null" {
			options = nil
		}
		text, _ := json.Marshal(options) // a map of numbers
		specs = append(specs, check.Spec{
			Host: hosts[len(hosts)-1].Name, Name: fmt.Sprintf("%s%d", kind, i%10), Kind: kind, Options: text, Interval: check.Duration(f.interval),
		})
	}
	return hosts, specs
}

// nullKind answers at once: what is measured with it is the engine alone.
var nullKind = check.Kind{Name: "null", New: func(check.Params) (check.Prober, error) { return null{}, nil }}

type null struct{}

func (null) Probe(context.Context) model.CheckResult { return model.CheckResult{Output: "fine"} }

// report prints what the last minute was like.
func report(e *engine.Engine, reg prometheus.Gatherer, minute int, cpu time.Duration, s *sinks) {
	all := e.Views(nil)
	late := make([]time.Duration, 0, len(all))
	var held int
	for i := range all {
		late = append(late, time.Duration(all[i].Latency))
		if all[i].Held {
			held++
		}
	}
	slices.Sort(late)
	at := func(q float64) time.Duration { return late[int(q*float64(len(late)-1))].Round(100 * time.Microsecond) }
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	sum := e.Summary()
	title := fmt.Sprintf("minute %d", minute)
	if minute == 0 {
		title = "start   "
	}
	fmt.Printf("%s  CPU %.1f s/min  memory %d MiB resident, %d MiB heap  late p50 %s p99 %s max %s  held %d  OK %d not %d  samples %d  documents %d  changes %d  skipped %v\n",
		title, cpu.Seconds(), resident()>>20, mem.HeapAlloc>>20, at(.5), at(.99), at(1), held,
		sum.Checks[model.OK], len(all)-sum.Checks[model.OK], s.samples.Swap(0), s.puts.Swap(0), s.records.Swap(0), skipped(reg))
}

// skipped is how many turns were left out so far.
func skipped(reg prometheus.Gatherer) float64 {
	families, err := reg.Gather()
	if err != nil {
		return -1
	}
	for _, f := range families {
		if f.GetName() == "hulotte_check_skipped_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// views prints what a page that polls costs.
func views(e *engine.Engine) {
	cost := func(what string, n int, f func()) {
		before := usage()
		for range n {
			f()
		}
		fmt.Printf("%s: %s CPU each\n", what, ((usage() - before) / time.Duration(n)).Round(time.Microsecond))
	}
	cost("summary", 1000, func() { e.Summary() })
	cost("problems", 100, func() { e.Views(func(v *check.View) bool { return v.Problem() }) })
	cost("one host", 100, func() { e.Views(func(v *check.View) bool { return v.Spec.Host == "host00042" }) })
	cost("all checks", 10, func() { e.Views(nil) })
}

// profile begins a CPU profile; stop ends it and writes one of the heap.
func profile(dir string) (stop func(), err error) {
	cpu, err := os.Create(filepath.Join(dir, "cpu.pb.gz"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		err := cpu.Close()
		heap, e := os.Create(filepath.Join(dir, "heap.pb.gz"))
		if e == nil {
			runtime.GC()
			e = errors.Join(pprof.WriteHeapProfile(heap), heap.Close())
		}
		if err = errors.Join(err, e); err != nil {
			fmt.Fprintln(os.Stderr, "checks: cannot write the profiles:", err)
		}
	}, nil
}

// usage is the CPU time that this process has used, without its children.
func usage() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the memory that the process has, in bytes.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
