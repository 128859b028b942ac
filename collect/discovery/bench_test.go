package discovery

import (
	"context"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// BenchmarkScan is a scan of the real machine with 500 processes more, 100 of which have a name that the catalogue knows
// and 100 sockets that listen, when nothing has changed since the last one. The number that counts is cpu-ms/op: at a scan
// every 10 s, 100 of them are 1 % of a core.
func BenchmarkScan(b *testing.B) {
	benchmarkScan(b, func() {})
}

// BenchmarkScanWithNewSocket is the same when there is a new socket each time, so that all open files are looked at.
func BenchmarkScanWithNewSocket(b *testing.B) {
	var l net.Listener
	defer func() {
		if l != nil {
			l.Close()
		}
	}()
	benchmarkScan(b, func() {
		if l != nil {
			l.Close()
		}
		l = listenLocally(b)
	})
}

func benchmarkScan(b *testing.B, change func()) {
	var started []*exec.Cmd
	defer func() {
		for _, cmd := range started {
			_ = cmd.Process.Kill() // they sleep
			_ = cmd.Wait()
		}
	}()
	for n := range 500 {
		cmd := exec.Command("/bin/sleep", "3600")
		if n%5 == 0 {
			cmd.Args[0] = "redis-server"
		}
		if err := cmd.Start(); err != nil {
			b.Skip(err)
		}
		started = append(started, cmd)
	}
	for range 100 {
		l := listenLocally(b)
		defer l.Close()
	}
	d := newForTest(b, Options{})
	scan := func() {
		if err := d.Scan(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	for range 3 {
		scan()
	}
	before := cpuTime(b)
	b.ResetTimer()
	for b.Loop() {
		change()
		scan()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(len(d.processes.all)), "processes")
}

func listenLocally(b *testing.B) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
