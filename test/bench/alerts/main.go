// Command alerts measures what many active alerts cost: the real binary holds alerts that this process raises again every minute, as a
// Prometheus server does, and tells this process of them; a line for each minute says what that took, and then how long the API needs.
//
//	go run ./test/bench/alerts -hulotte bin/hulotte -alerts 10000 -groups 1000 -silences 100 -minutes 3
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

type flags struct {
	hulotte  string
	alerts   int
	groups   int
	silences int
	minutes  int
	listen   string
}

func main() {
	var f flags
	flag.StringVar(&f.hulotte, "hulotte", "bin/hulotte", "the binary")
	flag.IntVar(&f.alerts, "alerts", 10_000, "active alerts")
	flag.IntVar(&f.groups, "groups", 1000, "groups that they are in")
	flag.IntVar(&f.silences, "silences", 100, "silences, each with a regular expression, of alerts that are not there")
	flag.IntVar(&f.minutes, "minutes", 3, "how many minutes are measured, after one in which everything is told")
	flag.StringVar(&f.listen, "listen", "127.0.0.1:9072", "where it listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "alerts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	dir, err := os.MkdirTemp("", "hulotte-bench-alerts")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	told, url, err := receive(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "hulotte.yml")
	text := fmt.Sprintf(`
data_dir: %s
server: {listen: %q}
alerting:
  route: {receiver: all, group_by: [alertname], group_wait: 5s, group_interval: 1m, repeat_interval: 4h}
  receivers: [{name: all, webhook_configs: [{url: %q}]}]
  inhibit_rules: [{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [alertname, host]}]
`, filepath.Join(dir, "data"), f.listen, url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, f.hulotte, "server", "--config", file, "--log.level", "error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()
	b := &bench{f: f, base: "http://" + f.listen, pid: cmd.Process.Pid, told: told, from: time.Now()}
	return b.run(ctx)
}

type bench struct {
	f    flags
	base string
	pid  int
	from time.Time // when the alerts began
	told *counts
}

// counts are what the receiver got.
type counts struct{ messages, alerts atomic.Int64 }

// receive is where alerts are told.
func receive(ctx context.Context) (*counts, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	c := &counts{}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Alerts []json.RawMessage `json:"alerts"`
		}
		if json.NewDecoder(r.Body).Decode(&in) == nil {
			c.messages.Add(1)
			c.alerts.Add(int64(len(in.Alerts)))
		}
		w.WriteHeader(http.StatusOK)
	})}
	go func() { _ = s.Serve(l) }()
	return c, "http://" + l.Addr().String() + "/", nil
}

func (b *bench) run(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		return err
	}
	idle, err := b.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%d alerts in %d groups, %d silences; without them it has %d MiB\n", b.f.alerts, b.f.groups, b.f.silences, idle.memory>>20)
	if err := b.silence(ctx); err != nil {
		return err
	}
	for m := range b.f.minutes + 1 {
		before, err := b.usage()
		if err != nil {
			return err
		}
		began := time.Now()
		if err := b.raise(ctx); err != nil {
			return err
		}
		raised := time.Since(began)
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(time.Minute - raised):
		}
		after, err := b.usage()
		if err != nil {
			return err
		}
		fmt.Printf("minute %d: %.2f s CPU (%.1f%% of one), %d MiB; raised in %s; told %d messages with %d alerts\n", m, (after.cpu - before.cpu).Seconds(),
			100*(after.cpu-before.cpu).Seconds()/60, after.memory>>20, raised.Round(time.Millisecond), b.told.messages.Load(), b.told.alerts.Load())
	}
	return b.ask(ctx)
}

func (b *bench) ready(ctx context.Context) error {
	for range 240 {
		if _, _, err := b.call(ctx, http.MethodGet, "/-/ready", nil); err == nil {
			return nil
		}
		time.Sleep(250 * time.Millisecond)
	}
	return errors.New("it does not become ready")
}

// perPost is how many alerts a request holds; Prometheus sends 256 at most.
const perPost = 256

func (b *bench) raise(ctx context.Context) error {
	type one struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		EndsAt      time.Time         `json:"endsAt"`
	}
	now := time.Now()
	all := make([]one, b.f.alerts)
	severities := []string{"critical", "warning", "info"}
	for i := range all {
		all[i] = one{
			Labels: map[string]string{
				"alertname": fmt.Sprintf("Alert%04d", i%b.f.groups), "host": fmt.Sprintf("host%05d", i), "severity": severities[i%len(severities)], "team": fmt.Sprintf("team%d", i%20), "site": "here",
			},
			Annotations: map[string]string{"summary": fmt.Sprintf("Something is wrong with host%05d", i), "runbook_url": "https://runbooks.example.org/something"},
			StartsAt:    b.from, EndsAt: now.Add(4 * time.Minute),
		}
	}
	for part := range slices.Chunk(all, perPost) {
		if _, _, err := b.call(ctx, http.MethodPost, "/api/v2/alerts", part); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) silence(ctx context.Context) error {
	for i := range b.f.silences {
		_, _, err := b.call(ctx, http.MethodPost, "/api/v2/silences", map[string]any{
			"matchers": []map[string]any{{"name": "host", "value": fmt.Sprintf("gone%d.*", i), "isRegex": true, "isEqual": true}},
			"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour), "createdBy": "bench", "comment": "bench",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ask measures answers of the API.
func (b *bench) ask(ctx context.Context) error {
	for _, path := range []string{
		"/api/hulotte/v1/alerts?limit=100", "/api/hulotte/v1/alerts", "/api/hulotte/v1/alerts?limit=100&q=host00042", "/api/hulotte/v1/alerts?limit=100&matcher=severity%3Dcritical",
		"/api/hulotte/v1/alert/explain?label=alertname%3DAlert0001&label=host%3Dhost00001", "/api/hulotte/v1/routing", "/api/hulotte/v1/receivers", "/api/hulotte/v1/alerts/noise?days=7",
		"/api/v2/alerts", "/api/v2/alerts/groups",
	} {
		const times = 20
		var took []time.Duration
		size := 0
		for range times {
			d, n, err := b.call(ctx, http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			took, size = append(took, d), n
		}
		slices.Sort(took)
		fmt.Printf("GET %s: %s (median of %d), %s at most, %d KiB\n", path, took[times/2].Round(time.Millisecond), times, took[times-1].Round(time.Millisecond), size>>10)
	}
	return nil
}

func (b *bench) call(ctx context.Context, method, path string, body any) (time.Duration, int, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, 0, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.base+path, in)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("%s %s: %s: %.300s", method, path, res.Status, text)
	}
	return time.Since(began), len(text), nil
}

type used struct {
	cpu    time.Duration
	memory int64 // bytes that are resident
}

// usage is what the process has used, from /proc.
func (b *bench) usage() (used, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.pid))
	if err != nil {
		return used{}, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime, rss, hertz = 11, 12, 21, 100
	if len(fields) <= rss {
		return used{}, errors.New("/proc/PID/stat is too short")
	}
	var n [3]int64
	for i, at := range []int{utime, stime, rss} {
		if n[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return used{}, err
		}
	}
	return used{time.Duration(n[0]+n[1]) * time.Second / hertz, n[2] * int64(os.Getpagesize())}, nil
}
