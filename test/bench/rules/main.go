// Command rules measures what many alerting rules cost: the real binary scrapes series from this process and evaluates rules over them; a line
// for each minute says what that took, and whether an evaluation was missed.
//
//	go run ./test/bench/rules -hulotte bin/hulotte -rules 2000 -series 100000 -interval 15s -minutes 3
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type flags struct {
	hulotte  string
	rules    int
	groups   int
	series   int
	firing   int
	interval time.Duration
	minutes  int
	listen   string
}

func main() {
	var f flags
	flag.StringVar(&f.hulotte, "hulotte", "bin/hulotte", "the binary")
	flag.IntVar(&f.rules, "rules", 2000, "alerting rules")
	flag.IntVar(&f.groups, "groups", 40, "groups that they are in")
	flag.IntVar(&f.series, "series", 100_000, "series that they are about; each is read by one rule")
	flag.IntVar(&f.firing, "firing", 1000, "alerts that fire")
	flag.DurationVar(&f.interval, "interval", 15*time.Second, "of scrapes and evaluations")
	flag.IntVar(&f.minutes, "minutes", 3, "how many minutes are measured, after one that is not")
	flag.StringVar(&f.listen, "listen", "127.0.0.1:9071", "where it listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	dir, err := os.MkdirTemp("", "hulotte-bench-rules")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target, err := expose(ctx, f)
	if err != nil {
		return err
	}
	if err := write(dir, target, f); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, f.hulotte, "--config", filepath.Join(dir, "hulotte.yml"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	return watch(ctx, f)
}

// expose serves the series, in as many steps as a scrape needs; every counter grows.
func expose(ctx context.Context, f flags) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	per := max(1, f.series/f.rules)
	scrapes := 0
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		scrapes++
		out := bufio.NewWriterSize(w, 1<<20)
		fmt.Fprintln(out, "# TYPE bench_requests_total counter")
		for i := range f.series {
			speed := 1 + i%7
			if i/per < f.firing { // the first of each of these rules' series is too fast
				speed += (1 - min(1, i%per)) * 1000
			}
			fmt.Fprintf(out, "bench_requests_total{rule=\"r%d\",route=\"/path/%d\",code=\"200\"} %d\n", i/per, i%per, scrapes*speed*int(f.interval.Seconds()))
		}
		_ = out.Flush()
	})}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), nil
}

func write(dir, target string, f flags) error {
	var rules bytes.Buffer
	fmt.Fprintln(&rules, "groups:")
	for g := range f.groups {
		fmt.Fprintf(&rules, "- name: g%d\n  interval: %s\n  rules:\n", g, f.interval)
		for r := g; r < f.rules; r += f.groups {
			fmt.Fprintf(&rules, "  - alert: TooFast\n    expr: rate(bench_requests_total{rule=\"r%d\"}[1m]) > 500\n    for: 30s\n    labels: {severity: page}\n    annotations: {summary: \"{{ $labels.route }} has {{ $value | humanize }} requests/s\"}\n", r)
		}
	}
	config := fmt.Sprintf(`data_dir: %s
server: {listen: %q}
host: {enabled: false}
monitoring: {enabled: false}
alerting: {default_rules: false}
rule_files: [rules.yml]
scrape_configs:
- job_name: bench
  scrape_interval: %s
  scrape_timeout: %s
  static_configs: [{targets: [%q]}]
`, filepath.Join(dir, "data"), f.listen, f.interval, min(f.interval, 10*time.Second), target)
	return errors.Join(os.WriteFile(filepath.Join(dir, "rules.yml"), rules.Bytes(), 0o600), os.WriteFile(filepath.Join(dir, "hulotte.yml"), []byte(config), 0o600))
}

// watch prints a line a minute.
func watch(ctx context.Context, f flags) error {
	last := map[string]float64{}
	for minute := range f.minutes + 1 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
		}
		now, err := metrics(ctx, "http://"+f.listen+"/metrics")
		if err != nil {
			return err
		}
		d := func(name string) float64 { return now[name] - last[name] }
		line := fmt.Sprintf("minute %d: %5.1f CPU s  %4.0f MiB  evaluations %6.0f  failed %.0f  groups %5.0f  missed %.0f  seconds a group %.3f  alerts raised %6.0f",
			minute, d("process_cpu_seconds_total"), now["process_resident_memory_bytes"]/(1<<20), d("prometheus_rule_evaluations_total"), d("prometheus_rule_evaluation_failures_total"),
			d("prometheus_rule_group_iterations_total"), d("prometheus_rule_group_iterations_missed_total"),
			d("prometheus_rule_group_duration_seconds_sum")/max(1, d("prometheus_rule_group_duration_seconds_count")), d("hulotte_alert_raised_total"))
		if minute == 0 {
			line += "  (warming up)"
		}
		fmt.Println(line)
		last = now
	}
	return nil
}

// metrics are the sums of all series of each name.
func metrics(ctx context.Context, url string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if space < 0 || line[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(line[:space], "{")
		if v, err := strconv.ParseFloat(line[space+1:], 64); err == nil {
			out[name] += v
		}
	}
	return out, lines.Err()
}
