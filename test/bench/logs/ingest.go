package main

import (
	"context"
	"fmt"
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
	row := ingestRow{name: s.Name}
	before := s.Usage()
	begin := time.Now()
	asking := o.startAsking(ctx, s, p)
	pushed, err := s.PushAll(ctx, o.connections, p.files)
	row.asked = asking()
	if err != nil {
		return row, err
	}
	row.wall, row.again = time.Since(begin), pushed.Again
	row.cpuPush = s.Usage().CPU - before.CPU
	took := pushed.Took
	row.median, row.p99 = took[len(took)/2], took[len(took)*99/100]
	s.Settle(ctx)
	after := s.Usage()
	row.cpuAll, row.peak = after.CPU-before.CPU, after.Peak
	row.data, row.journal = s.Disk()
	return row, nil
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
