package process

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"
)

// Row is one process, as a table shows it.
type Row struct {
	PID     int     `json:"pid"`
	Parent  int     `json:"parent"`
	Group   string  `json:"group"`
	Name    string  `json:"name"`    // the command's name, at most 15 characters
	Command string  `json:"command"` // with its arguments, secrets left out; "" when it could not be read
	User    string  `json:"user"`    // its name, else its number; "" when unknown
	State   string  `json:"state"`   // Running, Sleeping, Waiting, Zombie or Other
	Kernel  bool    `json:"kernel"`  // a kernel thread
	CPU     float64 `json:"cpu"`     // percent of one core, between the last two scans
	RSS     uint64  `json:"rss"`     // bytes
	Swap    uint64  `json:"swap"`    // bytes
	Read    float64 `json:"read"`    // bytes a second from storage
	Write   float64 `json:"write"`   // bytes a second to storage
	HasIO   bool    `json:"has_io"`  // whether Read and Write could be read
	Threads uint64  `json:"threads"`
	FDs     int     `json:"fds"`     // open file descriptors; -1 when they could not be read
	Started int64   `json:"started"` // milliseconds since the epoch; 0 when unknown
}

// maxRows is how many rows Top gives when it is not told.
const maxRows = 50

// freshFor is how old a scan may be for Top to do without one of its own.
const freshFor = 15 * time.Second

// Top returns up to limit processes (0 is 50): those that use most CPU, then most memory. It goes by the last scan,
// and scans only when that is older than 15 s. CPU and I/O are 0 until there were two scans.
func (c *Collector) Top(ctx context.Context, limit int) ([]Row, error) {
	if limit <= 0 {
		limit = maxRows
	}
	rows, err := c.rows(time.Now())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(b.RSS, a.RSS), cmp.Compare(a.PID, b.PID))
	})
	rows = rows[:min(limit, len(rows))]
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r := &rows[i]; !r.Kernel {
			if args, err := c.files.commandLine(r.PID); err == nil {
				r.Command = maskCommand(args)
			}
		}
	}
	return rows, nil
}

// rows returns all processes, without their command lines.
func (c *Collector) rows(now time.Time) ([]Row, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.last) > freshFor {
		if err := c.scanLocked(now); err != nil {
			return nil, err
		}
	}
	c.users.refresh(now)
	rows := make([]Row, 0, len(c.procs))
	for _, p := range c.procs {
		rows = append(rows, c.rowLocked(p))
	}
	return rows, nil
}

func (c *Collector) rowLocked(p *proc) Row {
	r := Row{
		PID: p.pid, Parent: p.stat.ppid, Group: p.name, Name: cleanName(p.stat.comm), Kernel: p.stat.kernel,
		State: stateNames[stateIndex(p.stat.state)], Threads: p.stat.threads,
		CPU: p.cpuPerSecond * 100, RSS: p.stat.rss * uint64(os.Getpagesize()), Swap: p.status.swap,
		Read: p.ioPerSecond[0], Write: p.ioPerSecond[1], HasIO: p.hasIO, FDs: -1,
	}
	if p.hasFDs {
		r.FDs = p.fds
	}
	if p.hasStatus {
		r.User = c.users.name(p.status.uid)
	} else if p.stat.kernel {
		r.User = c.users.name(0)
	}
	if c.boot > 0 {
		r.Started = int64((c.boot + float64(p.stat.start)/ticksPerSecond) * 1000)
	}
	return r
}
