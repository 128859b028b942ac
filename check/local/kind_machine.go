package local

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// LoadOptions are those of a check of the kind load.
type LoadOptions struct {
	PerCPU     bool        `json:"per_cpu" doc:"The averages are divided by the number of processors."`
	Warning1   check.Range `json:"warning_1" doc:"Range of good averages over 1 minute."`
	Warning5   check.Range `json:"warning_5" doc:"Over 5 minutes."`
	Warning15  check.Range `json:"warning_15" doc:"Over 15 minutes."`
	Critical1  check.Range `json:"critical_1" doc:"As warning_1, for CRITICAL."`
	Critical5  check.Range `json:"critical_5" doc:"As warning_5, for CRITICAL."`
	Critical15 check.Range `json:"critical_15" doc:"As warning_15, for CRITICAL."`
}

func newLoad(p check.Params) (check.Prober, error) {
	var o LoadOptions
	if err := check.Decode(p.Options, &o); err != nil {
		return nil, err
	}
	return probe(func(context.Context) model.CheckResult {
		b, err := os.ReadFile("/proc/loadavg")
		if err != nil {
			return unknown("LOAD", err)
		}
		return o.judge(string(b), onlineCPUs())
	}), nil
}

// onlineCPUs counts the machine's processors; this process may have fewer.
func onlineCPUs() int {
	b, err := os.ReadFile("/proc/stat")
	n := strings.Count(string(b), "\ncpu")
	if err != nil || n == 0 {
		return runtime.NumCPU()
	}
	return n
}

func (o *LoadOptions) judge(text string, cpus int) model.CheckResult {
	f := strings.Fields(text)
	var v [3]float64
	for i := range v {
		err := errNoAnswer
		if i < len(f) {
			v[i], err = strconv.ParseFloat(f[i], 64)
		}
		if err != nil {
			return unknown("LOAD", errNoAnswer)
		}
		if o.PerCPU {
			v[i] /= float64(cpus)
		}
	}
	var r report
	for i, x := range []struct {
		label      string
		warn, crit check.Range
	}{{"load1", o.Warning1, o.Critical1}, {"load5", o.Warning5, o.Critical5}, {"load15", o.Warning15, o.Critical15}} {
		if s := r.rate(x.label, math.Round(v[i]*1000)/1000, "", x.warn, x.crit); s != model.OK {
			r.fail(s, "%s is %.2f", x.label, v[i])
		}
	}
	good := fmt.Sprintf("%.2f, %.2f, %.2f", v[0], v[1], v[2])
	if o.PerCPU {
		good += " per processor"
	}
	return r.result("LOAD", good)
}

// MemoryOptions are those of a check of the kind memory.
type MemoryOptions struct {
	UsedWarning       check.Range `json:"used_warning" doc:"Range of good percentages used, caches not counted; 90 by default."`
	UsedCritical      check.Range `json:"used_critical" doc:"As used_warning, for CRITICAL; 95 by default."`
	AvailableWarning  check.Range `json:"available_warning" doc:"Range of good bytes that programs can still have: 1e9:"`
	AvailableCritical check.Range `json:"available_critical" doc:"As available_warning, for CRITICAL."`
	SwapWarning       check.Range `json:"swap_warning" doc:"Range of good percentages of swap used."`
	SwapCritical      check.Range `json:"swap_critical" doc:"As swap_warning, for CRITICAL."`
}

func newMemory(p check.Params) (check.Prober, error) {
	var o MemoryOptions
	if err := check.Decode(p.Options, &o); err != nil {
		return nil, err
	}
	if !o.AvailableWarning.Set() && !o.AvailableCritical.Set() || o.UsedWarning.Set() || o.UsedCritical.Set() {
		o.UsedWarning, o.UsedCritical = orDefault(o.UsedWarning, "90"), orDefault(o.UsedCritical, "95")
	}
	return probe(func(context.Context) model.CheckResult {
		b, err := os.ReadFile("/proc/meminfo")
		if err != nil {
			return unknown("MEMORY", err)
		}
		return o.judge(string(b))
	}), nil
}

func (o *MemoryOptions) judge(text string) model.CheckResult {
	m := map[string]float64{}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 {
			v, err := strconv.ParseFloat(f[1], 64)
			if err == nil {
				m[strings.TrimSuffix(f[0], ":")] = v * 1024
			}
		}
	}
	total := m["MemTotal"]
	if total == 0 {
		return unknown("MEMORY", errNoAnswer)
	}
	available, ok := m["MemAvailable"]
	if !ok { // before Linux 3.14
		available = m["MemFree"] + m["Buffers"] + m["Cached"]
	}
	var r report
	percent := func(v, of float64) float64 { return hundredths(100 * v / of) }
	used := percent(total-available, total)
	if s := r.rate("used", used, "%", o.UsedWarning, o.UsedCritical); s != model.OK {
		r.fail(s, "%.1f%% are used", used)
	}
	if s := r.rate("available", available, "B", o.AvailableWarning, o.AvailableCritical); s != model.OK {
		r.fail(s, "%s are left", humanSize(available))
	}
	good := fmt.Sprintf("%.1f%% of %s used, %s left", used, humanSize(total), humanSize(available))
	if swap := m["SwapTotal"]; swap > 0 {
		usedSwap := percent(swap-m["SwapFree"], swap)
		if s := r.rate("swap", usedSwap, "%", o.SwapWarning, o.SwapCritical); s != model.OK {
			r.fail(s, "%.1f%% of swap are used", usedSwap)
		}
		good += fmt.Sprintf(", %.1f%% of swap used", usedSwap)
	}
	return r.result("MEMORY", good)
}

// ClockOptions are those of a check of the kind clock.
type ClockOptions struct {
	OffsetWarning  check.Range `json:"offset_warning" doc:"Range of good offsets, as seconds without a sign, that the kernel still corrects; 100ms by default."`
	OffsetCritical check.Range `json:"offset_critical" doc:"As offset_warning, for CRITICAL; 1s by default."`
	Unsynchronized string      `json:"unsynchronized" doc:"Status when nothing synchronizes the clock; WARNING by default."`
}

func newClock(p check.Params) (check.Prober, error) {
	var o ClockOptions
	if err := check.Decode(p.Options, &o); err != nil {
		return nil, err
	}
	status := model.Warning
	if o.Unsynchronized != "" {
		if err := status.UnmarshalText([]byte(o.Unsynchronized)); err != nil {
			return nil, fmt.Errorf("unsynchronized: %w", err)
		}
	}
	o.OffsetWarning, o.OffsetCritical = orDefault(o.OffsetWarning, "100ms"), orDefault(o.OffsetCritical, "1s")
	return probe(func(context.Context) model.CheckResult {
		var t unix.Timex // modes 0: read only, which every user may
		state, err := unix.Adjtimex(&t)
		if err != nil {
			return unknown("CLOCK", fmt.Errorf("the kernel does not say: %w", err))
		}
		return o.judge(state, &t, status)
	}), nil
}

// judge reads what adjtimex(2) answers.
func (o *ClockOptions) judge(state int, t *unix.Timex, unsynchronized model.Status) model.CheckResult {
	units := 1e6 // in a second
	if t.Status&unix.STA_NANO != 0 {
		units = 1e9
	}
	offset := float64(t.Offset) / units
	var r report
	if s := r.rate("offset", math.Abs(offset), "s", o.OffsetWarning, o.OffsetCritical); s != model.OK {
		r.fail(s, "the clock is %gs off", offset)
	}
	r.perf = append(r.perf, model.Perf{Label: "max_error", Value: float64(t.Maxerror) / 1e6, Unit: "s"}, model.Perf{Label: "estimated_error", Value: float64(t.Esterror) / 1e6, Unit: "s"},
		model.Perf{Label: "frequency", Value: float64(t.Freq) / 65536, Unit: "ppm"})
	synchronized := state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
	if !synchronized {
		r.fail(unsynchronized, "nothing synchronizes the clock (chrony, ntpd or systemd-timesyncd)")
	}
	switch state {
	case unix.TIME_INS:
		r.lines = append(r.lines, "a leap second is inserted at the end of this day")
	case unix.TIME_DEL:
		r.lines = append(r.lines, "a leap second is left out at the end of this day")
	}
	return r.result("CLOCK", fmt.Sprintf("synchronized, %gs off, error at most %gs", offset, float64(t.Maxerror)/1e6))
}
