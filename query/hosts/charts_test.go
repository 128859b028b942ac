package hosts

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

func TestCharts(t *testing.T) {
	w := newWorld(t)
	m := w.machine("a", func(m *machine) { m.to = w.now.Add(-10 * time.Minute) })
	for d := range 15 {
		m.counter("node_disk_io_time_seconds_total", `device="x`+string(rune('a'+d))+`"`, float64(d)/20)
	}
	c, err := w.hosts().Charts(context.Background(), "a", w.now.Add(-30*time.Minute), w.now, 61)
	if err != nil {
		t.Fatal(err)
	}
	if c.Step != 30 || c.Points != 61 || c.From != w.now.Add(-30*time.Minute).Unix() {
		t.Errorf("axis from %d, step %d, %d points", c.From, c.Step, c.Points)
	}
	panel := func(id string) Panel {
		for _, p := range c.Panels {
			if p.ID == id {
				return p
			}
		}
		t.Fatalf("no panel %s", id)
		return Panel{}
	}
	cpu := panel("cpu")
	if len(cpu.Lines) != 4 || cpu.Lines[0].Name != "user" || math.Abs(float64(cpu.Lines[0].Values[5])-25) > 0.1 {
		t.Errorf("CPU lines %+v", cpu.Lines)
	}
	if last := cpu.Lines[0].Values[60]; last.Known() {
		t.Errorf("ten minutes after the end the chart says %v, want nothing", last)
	}
	util := panel("disk-util")
	if len(util.Lines) != maxLines || util.More != 4 || util.Lines[0].Name != "xo" {
		t.Errorf("%d lines of disks, %d left out, the first is %s", len(util.Lines), util.More, util.Lines[0].Name)
	}
	for _, p := range c.Panels {
		if p.ID == "temperature" {
			t.Error("a panel without data is there")
		}
		for _, l := range p.Lines {
			if len(l.Values) != c.Points {
				t.Errorf("%s %s has %d values, want %d", p.ID, l.Name, len(l.Values), c.Points)
			}
		}
	}
}

func TestChartsRefuse(t *testing.T) {
	w := newWorld(t)
	f := func(from, to time.Time, points int) {
		t.Helper()
		if _, err := w.hosts().Charts(context.Background(), "a", from, to, points); !errors.Is(err, ErrInvalid) {
			t.Errorf("from %s to %s with %d points: %v, want ErrInvalid", from, to, points, err)
		}
	}
	f(w.now, w.now, 10)
	f(w.now, w.now.Add(-time.Hour), 10)
	f(w.now.Add(-time.Hour), w.now, 1)
	f(w.now.Add(-time.Hour), w.now, MaxPoints+1)
}

func TestNiceStep(t *testing.T) {
	f := func(step, interval, want time.Duration) {
		t.Helper()
		if got := niceStep(step, interval); got != want {
			t.Errorf("niceStep(%s, %s) = %s, want %s", step, interval, got, want)
		}
	}
	f(7*time.Second, time.Second, 10*time.Second)
	f(7*time.Second, 30*time.Second, 30*time.Second)
	f(time.Millisecond, 0, time.Second)
	f(61*time.Minute, time.Second, 2*time.Hour)
	f(100*time.Hour, time.Second, 120*time.Hour)
}
