package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// ingestRow is what taking all lines in has cost a system.
type ingestRow struct {
	name            string
	wall            time.Duration
	cpuPush, cpuAll float64 // seconds: until the last answer; until it has settled
	peak            int64   // bytes
	data, journal   int64   // bytes
	median, p99     time.Duration
	again           int // pushes that were sent again since the system asked for that
	asked           asked
}

// ingest pushes everything over some connections, then lets the system settle.
func ingest(ctx context.Context, o options, s *system, p *pushSet) (ingestRow, error) {
	row := ingestRow{name: s.name}
	before := s.usage()
	begin := time.Now()
	asking := o.startAsking(ctx, s, p)
	took, retried, err := pushAll(ctx, o, s, p)
	row.asked = asking()
	if err != nil {
		return row, err
	}
	row.wall, row.again = time.Since(begin), retried
	row.cpuPush = s.usage().cpu - before.cpu
	slices.Sort(took)
	row.median, row.p99 = took[len(took)/2], took[len(took)*99/100]
	s.settle(ctx)
	after := s.usage()
	row.cpuAll, row.peak = after.cpu-before.cpu, after.peak
	row.data, row.journal = s.disk()
	return row, nil
}

func pushAll(ctx context.Context, o options, s *system, p *pushSet) (took []time.Duration, retried int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var group sync.WaitGroup
	files := make(chan string)
	for range o.connections {
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for file := range files {
				t, again, err := pushOne(ctx, client, s.base+s.push, file)
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				took, retried = append(took, t), retried+again
				mu.Unlock()
			}
		})
	}
	for _, f := range p.files {
		select {
		case files <- f:
		case <-ctx.Done():
		}
	}
	close(files)
	group.Wait()
	return took, retried, context.Cause(ctx)
}

// pushOne sends one push, again and again while the system asks for that.
func pushOne(ctx context.Context, client *http.Client, to, file string) (time.Duration, int, error) {
	body, err := os.ReadFile(file) //nolint:gosec // written by us
	if err != nil {
		return 0, 0, err
	}
	for again := 0; ; again++ {
		begin := time.Now()
		status, text, err := pushBody(ctx, client, to, body)
		switch {
		case err != nil:
			return 0, again, err
		case status/100 == 2:
			return time.Since(begin), again, nil
		case status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable || again > 600:
			return 0, again, fmt.Errorf("%s answers %d: %s", to, status, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func pushBody(ctx context.Context, client *http.Client, to string, body []byte) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	return answer.StatusCode, string(text), err
}

// settle has the system write out what it holds, and waits until it is idle: less than a tenth of a processor for twelve
// seconds, since VictoriaLogs writes what it has in memory every five.
func (s *system) settle(ctx context.Context) {
	if r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+s.flush, nil); err == nil {
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode/100 != 2 {
				fmt.Printf("%s: %s answers %s\n", s.name, s.flush, answer.Status)
			}
		}
	}
	const longest = 3 * time.Minute
	idle := 0
	for begin := time.Now(); idle < 4 && time.Since(begin) < longest && ctx.Err() == nil; idle++ {
		before := s.usage().cpu
		time.Sleep(3 * time.Second)
		if s.usage().cpu-before > 0.3 {
			idle = -1
		}
	}
}

func printIngest(rows []ingestRow, p *pushSet) {
	gb := float64(p.bytes) / 1e9
	fmt.Printf("| system | lines/s | MB/s | CPU s/GB push | CPU s/GB settled | peak MB | disk MB | bytes per byte | journal MB | push p50 | p99 | sent again |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Printf("| %s | %.0f | %.1f | %.1f | %.1f | %.0f | %.1f | %.4f | %.0f | %s | %s | %d |\n", r.name,
			float64(p.lines)/r.wall.Seconds(), float64(p.bytes)/1e6/r.wall.Seconds(), r.cpuPush/gb, r.cpuAll/gb, float64(r.peak)/1e6,
			float64(r.data)/1e6, float64(r.data)/float64(p.bytes), float64(r.journal)/1e6,
			r.median.Round(time.Millisecond), r.p99.Round(time.Millisecond), r.again)
	}
	for _, r := range rows[1:] {
		fmt.Printf("\n%s / %s: lines/s %.2f, CPU push %.2f, CPU settled %.2f, peak memory %.2f, disk %.3f", rows[0].name, r.name,
			r.wall.Seconds()/rows[0].wall.Seconds(), rows[0].cpuPush/r.cpuPush, rows[0].cpuAll/r.cpuAll,
			float64(rows[0].peak)/float64(r.peak), float64(rows[0].data)/float64(r.data))
	}
	fmt.Print("\n\n")
	printAsked(rows)
}
