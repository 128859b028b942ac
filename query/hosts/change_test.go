package hosts

import (
	"strings"
	"testing"
	"time"
)

// TestChanges lets one thing happen at a time, 20 minutes before now.
func TestChanges(t *testing.T) {
	f := func(name string, happen func(w *world, at time.Time), want ...string) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			at := w.now.Add(-20 * time.Minute)
			happen(w, at)
			var got []string
			for _, c := range w.overview().Changes {
				got = append(got, c.Kind+": "+c.Text)
				if off := time.Unix(c.At, 0).Sub(at).Abs(); off > time.Minute {
					t.Errorf("%s is dated %s off", c.Text, off)
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("changes %q, want %q", got, want)
			}
		})
	}
	f("reboot", func(w *world, at time.Time) {
		w.machine("a", func(m *machine) { m.booted = at })
	}, "reboot: box-a booted")
	f("host appears", func(w *world, at time.Time) {
		w.machine("a", func(m *machine) { m.from = at })
	}, "host-new: box-a started reporting")
	f("host vanishes", func(w *world, at time.Time) {
		w.machine("a", func(m *machine) { m.to = at })
	}, "host-gone: box-a stopped reporting")
	f("disk fills", func(w *world, at time.Time) {
		w.machine("a").diskCourse("/var", "/dev/sdc", jump(at, 0.85, 0.92))
	}, "disk: /var went above 90 %")
	f("disk is freed", func(w *world, at time.Time) {
		w.machine("a").diskCourse("/var", "/dev/sdc", jump(at, 0.97, 0.84))
	}, "disk: /var went below 95 %")
	f("target goes down", func(w *world, at time.Time) {
		w.series(`up{job="web",instance="x:80"}`, w.now.Add(-80*time.Minute), w.now, 30*time.Second, jump(at, 1, 0))
	}, "target: target x:80 of job web is down")
	f("target comes back", func(w *world, at time.Time) {
		w.series(`up{job="web",instance="x:80"}`, w.now.Add(-80*time.Minute), w.now, 30*time.Second, jump(at, 0, 1))
	}, "target: target x:80 of job web is up again")
	f("unit fails", func(w *world, at time.Time) {
		m := w.machine("a")
		m.course("node_systemd_unit_state", `name="ssh.service",state="failed"`, jump(at, 0, 1))
		m.course("node_systemd_unit_state", `name="cron.service",state="failed"`, jump(at, 0, 0))
		m.course("node_systemd_units", `state="failed",x="y"`, jump(at, 0, 1))
	}, "unit: unit ssh.service failed")
	f("mount appears and another goes", func(w *world, at time.Time) {
		m := w.machine("a")
		m.to = at
		m.gauge("node_filesystem_size_bytes", `device="/dev/sdx",fstype="ext4",mountpoint="/old"`, 1)
		m.from, m.to = at, w.now
		m.gauge("node_filesystem_size_bytes", `device="/dev/sdy",fstype="ext4",mountpoint="/new"`, 1)
	}, "mounted: /new mounted", "unmounted: /old unmounted")
	f("kills", func(w *world, at time.Time) {
		w.machine("a").course("node_vmstat_oom_kill", "", jump(at, 3, 5))
	}, "oom: 2 processes killed for lack of memory")
}

// jump gives before until at, after from then on.
func jump(at time.Time, before, after float64) func(time.Time) float64 {
	return func(t time.Time) float64 {
		if t.Before(at) {
			return before
		}
		return after
	}
}

func TestKernelChange(t *testing.T) {
	w := newWorld(t)
	at := w.now.Add(-20 * time.Minute)
	m := w.machine("a", func(m *machine) { m.from, m.booted = at, at })
	m.from, m.to = w.now.Add(-90*time.Minute), at.Add(-time.Minute)
	m.gauge("node_uname_info", `nodename="box-a",release="6.11.0",sysname="Linux"`, 1)
	texts := ""
	for _, c := range w.overview().Changes {
		texts += c.Text + "\n"
	}
	if !strings.Contains(texts, "kernel 6.12.0, was 6.11.0") || !strings.Contains(texts, "box-a booted") {
		t.Errorf("changes:\n%s", texts)
	}
}
