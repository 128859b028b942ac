package zabbix

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/check/local"
)

func fsItems() map[string]item {
	return map[string]item{
		"vfs.fs.size":       limited(2, fsSize),
		"vfs.fs.inode":      limited(2, fsInode),
		"vfs.fs.discovery":  func(_ context.Context, _ *Agent, k Key) (string, error) { return fsDiscovery(k) },
		"vfs.fs.get":        func(ctx context.Context, a *Agent, k Key) (string, error) { return fsGet(ctx, a, k) },
		"vfs.dev.discovery": fixed(devDiscovery),
		"vfs.dev.read":      limited(3, devCounter(3)),
		"vfs.dev.write":     limited(3, devCounter(7)),
	}
}

// fsBytes is the use of a file system as Zabbix counts it: percentages are of what others than root can have.
type fsBytes struct {
	Total uint64  `json:"total"`
	Free  uint64  `json:"free"`
	Used  uint64  `json:"used"`
	PFree float64 `json:"pfree"`
	PUsed float64 `json:"pused"`
}

func bytesOf(u local.Usage) fsBytes {
	b := fsBytes{Total: u.Total, Free: u.Available, Used: u.Total - u.Free}
	if whole := b.Used + b.Free; whole > 0 {
		b.PFree = percent(b.Free, whole)
		b.PUsed = 100 - b.PFree
	}
	return b
}

func inodesOf(u local.Usage) fsBytes {
	b := fsBytes{Total: u.Inodes, Free: u.InodesFree, Used: u.Inodes - min(u.Inodes, u.InodesFree), PFree: 100}
	if u.Inodes > 0 {
		b.PFree = percent(b.Free, b.Total)
		b.PUsed = 100 - b.PFree
	}
	return b
}

func (b fsBytes) mode(mode string) (string, error) {
	switch mode {
	case "", "total":
		return formatUint(b.Total), nil
	case "free":
		return formatUint(b.Free), nil
	case "used":
		return formatUint(b.Used), nil
	case "pfree":
		return formatFloat(b.PFree), nil
	case "pused":
		return formatFloat(b.PUsed), nil
	}
	return "", invalid(1)
}

func fsUsage(ctx context.Context, a *Agent, k Key) (local.Usage, error) {
	path := k.Param(0)
	if path == "" {
		return local.Usage{}, invalid(0)
	}
	u, err := a.o.Waiter.Statfs(ctx, path)
	if err != nil {
		return u, fmt.Errorf("Cannot obtain filesystem information: %w", err) //nolint:staticcheck // the words of the protocol
	}
	return u, nil
}

func fsSize(ctx context.Context, a *Agent, k Key) (string, error) {
	u, err := fsUsage(ctx, a, k)
	if err != nil {
		return "", err
	}
	return bytesOf(u).mode(k.Param(1))
}

func fsInode(ctx context.Context, a *Agent, k Key) (string, error) {
	u, err := fsUsage(ctx, a, k)
	if err != nil {
		return "", err
	}
	return inodesOf(u).mode(k.Param(1))
}

func fsDiscovery(Key) (string, error) {
	type row struct {
		Name    string `json:"{#FSNAME}"`
		Type    string `json:"{#FSTYPE}"`
		Options string `json:"{#FSOPTIONS}"`
	}
	mounts, err := local.Mounts()
	if err != nil {
		return "", err
	}
	rows := []row{}
	for _, m := range mounts {
		rows = append(rows, row{m.Point, m.Type, strings.Join(m.Options, ",")})
	}
	return toJSON(rows)
}

func fsGet(ctx context.Context, a *Agent, _ Key) (string, error) {
	type row struct {
		Name    string  `json:"fsname"`
		Type    string  `json:"fstype"`
		Bytes   fsBytes `json:"bytes"`
		Inodes  fsBytes `json:"inodes"`
		Options string  `json:"options"`
	}
	mounts, err := local.Mounts()
	if err != nil {
		return "", err
	}
	rows := []row{}
	for _, m := range mounts {
		u, err := a.o.Waiter.Statfs(ctx, m.Point)
		if ctx.Err() != nil {
			return "", fmt.Errorf("Timeout while looking at %s.", m.Point) //nolint:staticcheck // the words of the protocol
		}
		if err == nil {
			rows = append(rows, row{m.Point, m.Type, bytesOf(u), inodesOf(u), strings.Join(m.Options, ",")})
		}
	}
	return toJSON(rows)
}

func devDiscovery(*Agent) (string, error) {
	type row struct {
		Name string `json:"{#DEVNAME}"`
		Type string `json:"{#DEVTYPE}"`
	}
	lines, err := diskstats()
	if err != nil {
		return "", err
	}
	rows := []row{}
	for _, f := range lines {
		kind := "disk"
		if _, err := os.Stat("/sys/class/block/" + f[2] + "/partition"); err == nil {
			kind = "partition"
		}
		rows = append(rows, row{f[2], kind})
	}
	return toJSON(rows)
}

// diskstats is /proc/diskstats by fields: major, minor, name, reads, merged, sectors, ms, writes, merged, sectors, ...
func diskstats() ([][]string, error) {
	b, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return nil, err
	}
	var out [][]string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 11 {
			out = append(out, f)
		}
	}
	return out, nil
}

// devCounter is operations (field) or sectors (field+2) of a device, or of all disks.
func devCounter(field int) item {
	return func(_ context.Context, _ *Agent, k Key) (string, error) {
		at := field
		switch k.Param(1) {
		case "operations", "":
		case "sectors":
			at += 2
		default: // ops and sps are rates, which Zabbix counts by itself from these
			return "", invalid(1)
		}
		if k.Param(2) != "" {
			return "", invalid(2)
		}
		lines, err := diskstats()
		if err != nil {
			return "", err
		}
		device := strings.TrimPrefix(k.Param(0), "/dev/")
		var sum uint64
		found := false
		for _, f := range lines {
			if device != "" && device != "all" && device != f[2] {
				continue
			}
			if _, err := os.Stat("/sys/class/block/" + f[2] + "/partition"); err == nil && device != f[2] {
				continue
			}
			n, err := strconv.ParseUint(f[at], 10, 64)
			if err != nil {
				return "", err
			}
			sum, found = sum+n, true
		}
		if !found {
			return "", fmt.Errorf("Cannot obtain disk information.") //nolint:staticcheck,revive // the words of the protocol
		}
		return formatUint(sum), nil
	}
}
