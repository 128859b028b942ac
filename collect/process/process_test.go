package process

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

func want(t *testing.T, got map[string]float64, what string, values map[string]float64) {
	t.Helper()
	for key, v := range values {
		if g, ok := got[key]; !ok || g != v {
			t.Errorf("%s: %s = %v (there: %v), want %v", what, key, g, ok, v)
		}
	}
}

func lacks(t *testing.T, got map[string]float64, what string, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if v, ok := got[key]; ok {
			t.Errorf("%s: %s = %v, want none", what, key, v)
		}
	}
}

func TestGroups(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{})
	master := fixture{pid: 10, comm: "nginx", args: []string{"nginx: master process"}, cgroup: "/system.slice/nginx.service", start: time.Minute,
		utime: 500, stime: 100, majflt: 7, read: 1000, written: 10, voluntary: 3, rss: 10, threads: 2, fds: 5, limit: 10}
	worker := fixture{pid: 11, comm: "nginx", cgroup: "/system.slice/nginx.service", start: 2 * time.Minute, rss: 5, fds: 9, limit: 10, state: "R", utime: 50}
	tr.put(master)
	tr.put(worker)
	tr.put(fixture{pid: 2, comm: "kthreadd", kernel: true, state: "I", stime: 9})
	page := float64(os.Getpagesize())
	got := tr.scan(c, now)
	want(t, got, "first scan", map[string]float64{
		"num_procs{nginx}": 2, "num_threads{nginx}": 3, "cpu_seconds_total{nginx,user}": 0, "cpu_seconds_total{nginx,system}": 0,
		"read_bytes_total{nginx}": 0, "memory_bytes{nginx,resident}": 15 * page, "memory_bytes{nginx,virtual}": 2 << 20, "memory_bytes{nginx,swapped}": 8192,
		"open_filedesc{nginx}": 14, "worst_fd_ratio{nginx}": 0.9, "states{nginx,Running}": 1, "states{nginx,Sleeping}": 1, "states{nginx,Zombie}": 0,
		"oldest_start_time_seconds{nginx}": float64(now.Add(-59 * time.Minute).Unix()),
		"num_procs{[kernel]}":              1, "states{[kernel],Other}": 1, "num_procs{other}": 0,
		"namedprocess_scrape_partial_errors": 0, "namedprocess_scrape_procread_errors": 0,
	})
	lacks(t, got, "kernel threads have no such thing", "open_filedesc{[kernel]}", "read_bytes_total{[kernel]}", "memory_bytes{[kernel],swapped}")

	master.utime, master.stime, master.majflt, master.read, master.written, master.voluntary = 700, 150, 9, 1500, 30, 8
	tr.put(master)
	tr.kill(11)
	got = tr.scan(c, now.Add(10*time.Second))
	want(t, got, "work is counted", map[string]float64{
		"num_procs{nginx}": 1, "cpu_seconds_total{nginx,user}": 2, "cpu_seconds_total{nginx,system}": 0.5, "major_page_faults_total{nginx}": 2,
		"read_bytes_total{nginx}": 500, "write_bytes_total{nginx}": 20, "context_switches_total{nginx,voluntary}": 5,
	})

	tr.kill(10)
	got = tr.scan(c, now.Add(20*time.Second))
	want(t, got, "without members", map[string]float64{"num_procs{nginx}": 0, "cpu_seconds_total{nginx,user}": 2, "states{nginx,Running}": 0})

	worker = fixture{pid: 10, comm: "nginx", cgroup: "/system.slice/nginx.service", start: time.Hour + 25*time.Second, utime: 40}
	tr.put(worker) // the number of the one that died, and born since the last scan
	got = tr.scan(c, now.Add(30*time.Second))
	want(t, got, "a new one", map[string]float64{"num_procs{nginx}": 1, "cpu_seconds_total{nginx,user}": 2.4})
}

func TestOldProcessFoundLateIsNotABurst(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{})
	tr.scan(c, now)
	tr.put(fixture{pid: 10, comm: "db", cgroup: "/system.slice/db.service", start: time.Minute, utime: 9_000_000})
	want(t, tr.scan(c, now.Add(10*time.Second)), "old", map[string]float64{"cpu_seconds_total{db,user}": 0})
}

func TestShortCommandsShareOther(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{})
	tr.scan(c, now)
	cc := fixture{pid: 50, comm: "cc1", args: []string{"/usr/lib/gcc/cc1"}, cgroup: "/user.slice/user-0.slice/session-1.scope", start: time.Hour + 5*time.Second, utime: 100}
	tr.put(cc)
	got := tr.scan(c, now.Add(10*time.Second))
	want(t, got, "young", map[string]float64{"num_procs{other}": 1, "cpu_seconds_total{other,user}": 1})
	lacks(t, got, "young", "num_procs{cc1}")
	cc.utime = 200
	tr.put(cc)
	got = tr.scan(c, now.Add(40*time.Second))
	want(t, got, "grown up", map[string]float64{"num_procs{other}": 0, "cpu_seconds_total{other,user}": 1, "num_procs{cc1}": 1, "cpu_seconds_total{cc1,user}": 1})
}

func TestNumberOfGroupsIsBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{MaxGroups: 3})
	for i := range 10 {
		tr.put(fixture{pid: 100 + i, comm: fmt.Sprint("p", i), args: []string{fmt.Sprint("p", i)}})
	}
	got := tr.scan(c, now)
	want(t, got, "full", map[string]float64{"num_procs{p0}": 1, "num_procs{p2}": 1, "num_procs{other}": 7, "hulotte_process_unnamed_groups": 7})
	lacks(t, got, "full", "num_procs{p3}")
	for i := range 3 {
		tr.kill(100 + i)
	}
	got = tr.scan(c, now.Add(10*time.Second))
	want(t, got, "empty groups keep their place for a while", map[string]float64{"num_procs{p0}": 0, "num_procs{other}": 7})
	got = tr.scan(c, now.Add(11*time.Minute))
	want(t, got, "then make room", map[string]float64{"num_procs{other}": 4, "num_procs{p3}": 1})
	lacks(t, got, "then make room", "num_procs{p0}")
}

func TestEmptyGroupsAreForgotten(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{})
	tr.put(fixture{pid: 10, comm: "db", cgroup: "/system.slice/db.service"})
	tr.scan(c, now)
	tr.scan(c, now.Add(3*time.Hour))
	tr.kill(10)
	want(t, tr.scan(c, now.Add(5*time.Hour)), "died", map[string]float64{"num_procs{db}": 0})
	lacks(t, tr.scan(c, now.Add(6*time.Hour+time.Minute)), "as long as it lived", "num_procs{db}")
}

func TestProcessMovesToAnotherGroup(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{})
	p := fixture{pid: 10, comm: "sh", args: []string{"sh"}, utime: 100}
	tr.put(p)
	tr.scan(c, now)
	p.utime = 200
	tr.put(p)
	tr.scan(c, now.Add(10*time.Second))
	p.comm, p.args, p.utime = "postgres", []string{"/usr/lib/postgresql/bin/postgres"}, 300
	tr.put(p)
	want(t, tr.scan(c, now.Add(20*time.Second)), "after exec", map[string]float64{
		"cpu_seconds_total{sh,user}": 1, "num_procs{sh}": 0, "cpu_seconds_total{postgres,user}": 1, "num_procs{postgres}": 1})
}

func TestUnreadableIsCountedAndLeftOut(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTree(t, now.Add(-time.Hour))
	c := tr.collector(Options{})
	p := fixture{pid: 10, comm: "db", args: []string{"db"}, read: 5000}
	tr.put(p)
	tr.write("10/io", "garbage: x\n")
	tr.write("11/stat", "11 (broken")
	got := tr.scan(c, now)
	want(t, got, "broken", map[string]float64{"num_procs{db}": 1, "namedprocess_scrape_partial_errors": 1, "namedprocess_scrape_procread_errors": 1})
	lacks(t, got, "broken", "read_bytes_total{db}")
	tr.put(p)
	got = tr.scan(c, now.Add(10*time.Second))
	want(t, got, "readable at last, no burst", map[string]float64{"read_bytes_total{db}": 0})
}

func TestNoProc(t *testing.T) {
	c, err := New(Options{ProcFS: t.TempDir() + "/nowhere"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Gather(); err == nil || !strings.Contains(err.Error(), "cannot list the processes") {
		t.Errorf("Gather = %v, want an error", err)
	}
	if _, err := c.Top(context.Background(), 0); err == nil {
		t.Error("Top without /proc gave no error")
	}
	if _, err := New(Options{MaxGroups: -1}, nil); err == nil {
		t.Error("New with MaxGroups -1 gave no error")
	}
}

// TestCountersNeverGoBackwards lets random processes live, work, change names and die, and checks every counter of
// every group after each scan against the last, and the sums of all groups against the work that was there to see.
func TestCountersNeverGoBackwards(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1_700_000_000, 0)
	boot := now.Add(-time.Hour)
	tr := newTree(t, boot)
	c := tr.collector(Options{MaxGroups: 4})
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	alive := map[int]*fixture{}
	counted := uint64(0) // ticks of CPU that were seen to be used
	last := map[string]float64{}
	elapsed := 10 * time.Second // since the last scan
	for step := range 50 {
		for pid := range 12 {
			p, ok := alive[pid+1]
			switch {
			case !ok && rnd.IntN(3) == 0:
				p = &fixture{pid: pid + 1, comm: names[rnd.IntN(len(names))], start: now.Sub(boot) - time.Duration(rnd.Int64N(int64(elapsed)))}
				if rnd.IntN(2) == 0 {
					p.cgroup = "/system.slice/" + p.comm + ".service"
				}
				p.args = []string{p.comm}
				alive[pid+1] = p
				p.utime = uint64(rnd.IntN(100))
				if step > 0 {
					counted += p.utime
				}
				tr.put(*p)
			case ok && rnd.IntN(6) == 0:
				delete(alive, pid+1)
				tr.kill(pid + 1)
			case ok:
				work := uint64(rnd.IntN(200))
				p.utime += work
				counted += work
				p.stime, p.minflt, p.majflt = p.stime+work/2, p.minflt+work*3, p.majflt+work/9
				p.read, p.written, p.voluntary, p.nonvoluntary = p.read+work*512, p.written+work, p.voluntary+work, p.nonvoluntary+work/3
				if rnd.IntN(8) == 0 {
					p.comm = names[rnd.IntN(len(names))]
				}
				p.noIO = rnd.IntN(10) == 0
				tr.put(*p)
				if p.noIO {
					os.Remove(fmt.Sprintf("%s/%d/io", tr.root, p.pid))
				}
			}
		}
		got := tr.scan(c, now)
		total := 0.0
		for key, v := range got {
			if !strings.Contains(key, "_total{") {
				continue
			}
			if before, ok := last[key]; ok && v < before {
				t.Fatalf("step %d: %s went from %v back to %v", step, key, before, v)
			}
			if strings.HasPrefix(key, "cpu_seconds_total{") && strings.HasSuffix(key, ",user}") {
				total += v
			}
		}
		if diff := total - float64(counted)/ticksPerSecond; diff > 1e-6 || diff < -1e-6 {
			t.Fatalf("step %d: all groups have %v s of CPU, %v s were used", step, total, float64(counted)/ticksPerSecond)
		}
		last = got
		elapsed = time.Duration(1+rnd.IntN(20)) * time.Second
		now = now.Add(elapsed)
	}
}

func TestLive(t *testing.T) {
	c, err := New(Options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	families, err := c.Gather()
	if err != nil {
		t.Fatal(err)
	}
	procs := 0.0
	for key, v := range flatten(families) {
		if strings.HasPrefix(key, "num_procs{") {
			procs += v
		}
	}
	if procs < 2 {
		t.Errorf("%v processes on this machine, want at least this test and its parent", procs)
	}
	rows, err := c.Top(context.Background(), 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.PID == os.Getpid() {
			if r.RSS == 0 || r.Threads == 0 || r.Started == 0 || r.User == "" || r.Parent != os.Getppid() || !strings.Contains(r.Command, "process.test") || r.FDs < 3 {
				t.Errorf("the row of this test: %+v", r)
			}
			return
		}
	}
	t.Errorf("this test is not among %d processes", len(rows))
}

func TestTop(t *testing.T) {
	now := time.Now()
	tr := newTree(t, now.Add(-time.Hour))
	tr.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nbroken\nalice:x:1000:1000::/:/bin/sh\n")
	c := tr.collector(Options{})
	busy := fixture{pid: 10, comm: "mysqldump", args: []string{"mysqldump", "-u", "root", "-phunter2", "shop"}, uid: 1000, rss: 3, written: 1}
	tr.put(busy)
	tr.put(fixture{pid: 11, comm: "idle", args: []string{"idle"}, uid: 77, rss: 9})
	tr.put(fixture{pid: 2, comm: "kworker/0:1", kernel: true})
	tr.scan(c, now.Add(-10*time.Second))
	busy.utime, busy.written = 500, 1001
	tr.put(busy)
	tr.scan(c, now)
	rows, err := c.Top(context.Background(), 2)
	if err != nil || len(rows) != 2 {
		t.Fatalf("Top = %v, %v; want two rows", rows, err)
	}
	r := rows[0]
	if r.PID != 10 || r.Group != "mysqldump" || r.User != "alice" || r.CPU != 50 || r.Write != 100 || r.Command != "mysqldump -u root -p*** shop" || r.Parent != 1 || r.FDs != 0 {
		t.Errorf("first row %+v", r)
	}
	if r := rows[1]; r.PID != 11 || r.User != "77" || r.RSS != 9*uint64(os.Getpagesize()) {
		t.Errorf("second row %+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Top(ctx, 2); err == nil {
		t.Error("Top with a context that has ended gave no error")
	}
}

func BenchmarkGather(b *testing.B) {
	c, err := New(Options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := c.Gather(); err != nil {
			b.Fatal(err)
		}
		n += len(c.procs)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/process")
}
