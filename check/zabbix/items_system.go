package zabbix

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func systemItems() map[string]item {
	return map[string]item{
		"system.cpu.load":      limited(2, cpuLoad),
		"system.cpu.num":       limited(1, cpuNum),
		"system.cpu.util":      limited(4, cpuUtil),
		"system.cpu.switches":  statCounter("ctxt"),
		"system.cpu.intr":      statCounter("intr"),
		"system.cpu.discovery": fixed(cpuDiscovery),
		"system.uptime":        fixed(uptime),
		"system.boottime":      statCounter("btime"),
		"system.uname":         fixed(func(*Agent) (string, error) { return uname("%s %s %s %s %s") }),
		"system.sw.arch":       fixed(func(*Agent) (string, error) { return uname("%[5]s") }),
		"system.sw.os":         limited(1, softwareOS),
		"system.hostname":      limited(2, hostname),
		"system.localtime":     limited(1, localtime),
		"system.users.num":     fixed(usersNum),
		"system.swap.size":     limited(2, swapSize),
		"system.swap.in":       limited(2, swapRate("pswpin")),
		"system.swap.out":      limited(2, swapRate("pswpout")),
		"kernel.maxfiles":      fileNumber("/proc/sys/fs/file-max"),
		"kernel.maxproc":       fileNumber("/proc/sys/kernel/pid_max"),
		"kernel.openfiles":     fileNumber("/proc/sys/fs/file-nr"),
	}
}

func cpuLoad(_ context.Context, _ *Agent, k Key) (string, error) {
	mode, ok := average(k.Param(1))
	if !ok {
		return "", invalid(1)
	}
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(b))
	if len(f) < 3 {
		return "", errors.New("/proc/loadavg is malformed")
	}
	load, err := strconv.ParseFloat(f[mode], 64)
	if err != nil {
		return "", err
	}
	switch k.Param(0) {
	case "", "all":
	case "percpu":
		n, err := cpus()
		if err != nil {
			return "", err
		}
		load /= float64(n)
	default:
		return "", invalid(0)
	}
	return formatFloat(load), nil
}

// average is which of avg1, avg5 and avg15 is meant.
func average(mode string) (int, bool) {
	switch mode {
	case "", "avg1":
		return 0, true
	case "avg5":
		return 1, true
	case "avg15":
		return 2, true
	}
	return 0, false
}

func cpuNum(_ context.Context, _ *Agent, k Key) (string, error) {
	switch k.Param(0) {
	case "", "online":
		n, err := cpus()
		return strconv.Itoa(n), err
	case "max":
		b, err := os.ReadFile("/sys/devices/system/cpu/present")
		if err != nil {
			n, err := cpus()
			return strconv.Itoa(n), err
		}
		return strconv.Itoa(countList(strings.TrimSpace(string(b)))), nil
	}
	return "", invalid(0)
}

// countList counts the numbers of a list such as 0-3,5.
func countList(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(high); err != nil {
				continue
			}
		}
		n += max(0, b-a+1)
	}
	return n
}

func cpus() (int, error) {
	times, err := readCPU()
	return len(times) - 1, err
}

// cpuModes are the columns of /proc/stat, by their names in Zabbix.
var cpuModes = [...]string{"user", "nice", "system", "idle", "iowait", "interrupt", "softirq", "steal", "guest", "guest_nice"}

// cpuTimes are ticks by mode. The first of a list is that of all processors together.
type cpuTimes [len(cpuModes)]uint64

func readCPU() ([]cpuTimes, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, err
	}
	var out []cpuTimes
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasPrefix(f[0], "cpu") {
			break
		}
		var t cpuTimes
		for i := range min(len(t), len(f)-1) {
			t[i], _ = strconv.ParseUint(f[i+1], 10, 64) // what does not fit is 0
		}
		// The kernel counts guests as users too; Zabbix does not.
		t[0] -= min(t[0], t[8])
		t[1] -= min(t[1], t[9])
		out = append(out, t)
	}
	if len(out) < 2 {
		return nil, errors.New("/proc/stat has no processors")
	}
	return out, nil
}

// The history of processor times reaches back 15 minutes, for avg15.
const (
	sampleEvery = 5 * time.Second
	keepSamples = int(15*time.Minute/sampleEvery) + 1
)

// cpuHistory is a ring of samples.
type cpuHistory struct {
	mu   sync.Mutex // guards the following
	at   []time.Time
	cpus [][]cpuTimes
}

func (h *cpuHistory) sample(now time.Time) {
	times, err := readCPU()
	if err != nil {
		return // the item says so
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.at) == keepSamples {
		h.at, h.cpus = append(h.at[:0], h.at[1:]...), append(h.cpus[:0], h.cpus[1:]...)
	}
	h.at, h.cpus = append(h.at, now), append(h.cpus, times)
}

// since is the times of a processor now and at the sample that is about as old as asked, or the oldest one.
func (h *cpuHistory) since(cpu int, ago time.Duration) (then, now cpuTimes, err error) {
	times, err := readCPU()
	if err != nil {
		return then, now, err
	}
	if cpu >= len(times) {
		return then, now, invalid(0)
	}
	now = times[cpu]
	h.mu.Lock()
	defer h.mu.Unlock()
	at := time.Now().Add(-ago)
	for i := len(h.at) - 1; i >= 0; i-- {
		if cpu >= len(h.cpus[i]) {
			break
		}
		then = h.cpus[i][cpu]
		if h.at[i].Before(at) && then != now {
			break
		}
	}
	return then, now, nil // without samples: since the boot
}

func cpuUtil(_ context.Context, a *Agent, k Key) (string, error) {
	cpu := 0
	if p := k.Param(0); p != "" && p != "all" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || n > 1<<16 {
			return "", invalid(0)
		}
		cpu = n + 1
	}
	mode := k.Param(1)
	if mode == "" {
		mode = "user"
	}
	column := -1
	for i, name := range cpuModes {
		if name == mode {
			column = i
		}
	}
	if column < 0 {
		return "", invalid(1)
	}
	avg, ok := average(k.Param(2))
	if !ok {
		return "", invalid(2)
	}
	then, now, err := a.cpu.since(cpu, []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}[avg])
	if err != nil {
		return "", err
	}
	var total, part uint64
	for i := range now {
		d := now[i] - min(now[i], then[i])
		total += d
		if i == column {
			part = d
		}
	}
	return formatFloat(percent(part, total)), nil
}

func cpuDiscovery(*Agent) (string, error) {
	type row struct {
		Number int    `json:"{#CPU.NUMBER}"`
		Status string `json:"{#CPU.STATUS}"`
	}
	n, err := cpus()
	if err != nil {
		return "", err
	}
	rows := []row{}
	for i := range n {
		rows = append(rows, row{i, "online"})
	}
	return toJSON(rows)
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}

// statCounter is a line of /proc/stat.
func statCounter(name string) item {
	return fixed(func(*Agent) (string, error) {
		b, err := os.ReadFile("/proc/stat")
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == name {
				return f[1], nil
			}
		}
		return "", fmt.Errorf("/proc/stat has no %s", name)
	})
}

func uptime(*Agent) (string, error) {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", err
	}
	seconds, _, _ := strings.Cut(string(b), ".")
	return seconds, nil
}

func uname(format string) (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	text := fmt.Sprintf(format, unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Release[:]),
		unix.ByteSliceToString(u.Version[:]), unix.ByteSliceToString(u.Machine[:]))
	return text, nil
}

func softwareOS(_ context.Context, _ *Agent, k Key) (string, error) {
	switch k.Param(0) {
	case "", "full":
		b, err := os.ReadFile("/proc/version")
		return strings.TrimSpace(string(b)), err
	case "short":
		b, err := os.ReadFile("/proc/version_signature")
		if err != nil {
			return uname("%[3]s")
		}
		return strings.TrimSpace(string(b)), nil
	case "name":
		b, err := os.ReadFile("/etc/os-release")
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Trim(name, `"'`), nil
			}
		}
		return "", errors.New("/etc/os-release has no PRETTY_NAME")
	}
	return "", invalid(0)
}

func hostname(_ context.Context, _ *Agent, k Key) (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	switch k.Param(0) {
	case "", "host", "fqdn", "netbios":
	case "shorthost":
		name, _, _ = strings.Cut(name, ".")
	default:
		return "", invalid(0)
	}
	switch k.Param(1) {
	case "", "none":
	case "lower":
		name = strings.ToLower(name)
	default:
		return "", invalid(1)
	}
	return name, nil
}

func localtime(_ context.Context, _ *Agent, k Key) (string, error) {
	switch k.Param(0) {
	case "", "utc":
		return strconv.FormatInt(time.Now().Unix(), 10), nil
	case "local":
		return time.Now().Format("2006-01-02,15:04:05.000,-07:00"), nil
	}
	return "", invalid(0)
}

// usersNum counts the sessions in utmp(5), whose records have 384 bytes on Linux; the first two are the type.
func usersNum(*Agent) (string, error) {
	b, err := os.ReadFile("/run/utmp")
	if errors.Is(err, os.ErrNotExist) {
		return "0", nil
	}
	if err != nil {
		return "", err
	}
	n := 0
	for ; len(b) >= 384; b = b[384:] {
		if binary.NativeEndian.Uint16(b) == 7 { // USER_PROCESS
			n++
		}
	}
	return strconv.Itoa(n), nil
}

func swapSize(_ context.Context, _ *Agent, k Key) (string, error) {
	total, free, err := swap(k.Param(0))
	if err != nil {
		return "", err
	}
	switch k.Param(1) {
	case "", "free":
		return formatUint(free), nil
	case "total":
		return formatUint(total), nil
	case "used":
		return formatUint(total - free), nil
	case "pfree":
		if total == 0 {
			return formatFloat(100), nil
		}
		return formatFloat(percent(free, total)), nil
	case "pused":
		return formatFloat(percent(total-free, total)), nil
	}
	return "", invalid(1)
}

// swap adds up the devices, or one of them.
func swap(device string) (total, free uint64, err error) {
	b, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return 0, 0, err
	}
	all := device == "" || device == "all"
	found := all
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] == "Filename" || !all && device != f[0] && "/dev/"+device != f[0] {
			continue
		}
		found = true
		size, err1 := strconv.ParseUint(f[2], 10, 64)
		used, err2 := strconv.ParseUint(f[3], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, 0, err
		}
		total += size << 10
		free += (size - min(size, used)) << 10
	}
	if !found {
		return 0, 0, invalid(0)
	}
	return total, free, nil
}

// swapRate is pages in or out since the boot.
func swapRate(name string) item {
	return func(_ context.Context, _ *Agent, k Key) (string, error) {
		if p := k.Param(0); p != "" && p != "all" {
			return "", invalid(0)
		}
		if p := k.Param(1); p != "" && p != "pages" {
			return "", invalid(1)
		}
		b, err := os.ReadFile("/proc/vmstat")
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == name {
				return f[1], nil
			}
		}
		return "", errors.New("Cannot obtain swap information.") //nolint:staticcheck // the words of the protocol
	}
}
