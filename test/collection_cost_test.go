package test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/host"
	"github.com/hulotte-dev/hulotte/collect/process"
)

// counting is an Appendable that gives out references, counts, and keeps nothing.
type counting struct {
	next    storage.SeriesRef
	samples int
}

func (c *counting) AppenderV2(context.Context) storage.AppenderV2 { return c }

func (c *counting) Append(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	c.samples++
	if ref != 0 {
		return ref, nil
	}
	c.next++
	return c.next, nil
}

func (c *counting) Commit() error   { return nil }
func (c *counting) Rollback() error { return nil }

// BenchmarkCollection runs the real loop over this host, its processes and containers (30 control groups made for it,
// where that is permitted) every 10 s for 70 s and tells what share of a core that took, by getrusage. Run it with
// -benchtime 1x.
func BenchmarkCollection(b *testing.B) {
	const interval, span = 10 * time.Second, 70 * time.Second
	fakeContainers(b, 30)
	log := slog.New(slog.DiscardHandler)
	h, err := host.New(host.Options{}, log)
	if err != nil {
		b.Fatal(err)
	}
	p, err := process.New(process.Options{}, log)
	if err != nil {
		b.Fatal(err)
	}
	c, err := container.New(container.Options{}, log)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		to := &counting{}
		loop, err := gather.New(gather.Options{MaxConcurrent: 1}, []gather.Source{
			{Job: "node", Instance: "bench", Gatherer: h, Interval: interval},
			{Job: "process", Instance: "bench", Gatherer: p, Interval: interval},
			{Job: "container", Instance: "bench", Gatherer: c, Interval: interval},
		}, &locked{to: to, turn: make(chan struct{}, 1)}, log, prometheus.NewRegistry())
		if err != nil {
			b.Fatal(err)
		}
		before := cpuTime(b)
		ctx, cancel := context.WithTimeout(context.Background(), span)
		if err := loop.Run(ctx); err != nil {
			b.Fatal(err)
		}
		cancel()
		used := cpuTime(b) - before
		b.ReportMetric(100*used.Seconds()/span.Seconds(), "%core")
		b.ReportMetric(float64(to.next), "series")
		b.ReportMetric(float64(used.Microseconds())/float64(to.samples), "µs-CPU/sample")
	}
}

// locked lets one appender live at a time, for counting is not safe for more.
type locked struct {
	to   *counting
	turn chan struct{}
}

func (l *locked) AppenderV2(ctx context.Context) storage.AppenderV2 {
	l.turn <- struct{}{}
	return &turn{l.to.AppenderV2(ctx), l.turn}
}

type turn struct {
	storage.AppenderV2
	turn chan struct{}
}

func (t *turn) Commit() error   { defer func() { <-t.turn }(); return t.AppenderV2.Commit() }
func (t *turn) Rollback() error { defer func() { <-t.turn }(); return t.AppenderV2.Rollback() }

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fakeContainers makes control groups named like Docker's, with a process in each.
func fakeContainers(b *testing.B, n int) {
	b.Helper()
	var roots []string
	for _, controller := range []string{"", "memory", "cpu", "cpuacct", "blkio", "pids"} {
		root := filepath.Join("/sys/fs/cgroup", controller)
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots = append(roots, root)
		}
	}
	for i := range n {
		parent := fmt.Sprintf("hulotte-bench-%d", os.Getpid())
		path := filepath.Join(parent, fmt.Sprintf("docker-%064x.scope", i))
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for _, root := range roots {
			if err := os.MkdirAll(filepath.Join(root, path), 0o755); err != nil {
				b.Logf("no control groups: %v", err)
				roots = nil
				break
			}
			if err := os.WriteFile(filepath.Join(root, path, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
				b.Logf("%s: %v", root, err)
			}
		}
		made := roots
		b.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			for _, root := range made {
				_ = os.Remove(filepath.Join(root, path))
				_ = os.Remove(filepath.Join(root, parent))
			}
		})
	}
}
