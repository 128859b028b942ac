package zabbix

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
)

func memoryItems() map[string]item {
	return map[string]item{"vm.memory.size": limited(1, memorySize)}
}

// meminfo is /proc/meminfo in bytes.
func meminfo() (map[string]uint64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	m := map[string]uint64{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		v, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			continue
		}
		if len(f) == 3 {
			v <<= 10 // kB
		}
		m[strings.TrimSuffix(f[0], ":")] = v
	}
	if m["MemTotal"] == 0 {
		return nil, errors.New("/proc/meminfo has no MemTotal")
	}
	return m, nil
}

func memorySize(_ context.Context, _ *Agent, k Key) (string, error) {
	m, err := meminfo()
	if err != nil {
		return "", err
	}
	total := m["MemTotal"]
	available, ok := m["MemAvailable"]
	if !ok { // before Linux 3.14
		available = m["MemFree"] + m["Buffers"] + m["Cached"]
	}
	fields := map[string]string{
		"free": "MemFree", "buffers": "Buffers", "cached": "Cached", "active": "Active", "inactive": "Inactive",
		"anon": "AnonPages", "file": "Mapped", "shared": "Shmem", "slab": "Slab",
	}
	switch mode := k.Param(0); mode {
	case "", "total":
		return formatUint(total), nil
	case "used":
		return formatUint(total - min(total, m["MemFree"])), nil
	case "pused":
		return formatFloat(percent(total-min(total, m["MemFree"]), total)), nil
	case "available":
		return formatUint(available), nil
	case "pavailable":
		return formatFloat(percent(available, total)), nil
	default:
		field, ok := fields[mode]
		if !ok {
			return "", invalid(0)
		}
		return formatUint(m[field]), nil
	}
}
