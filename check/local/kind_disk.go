package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// DiskOptions are those of a check of the kind disk.
type DiskOptions struct {
	Paths          []string    `json:"paths" doc:"Mount points, or paths in file systems; by default every file system that keeps data, each once."`
	Exclude        []string    `json:"exclude" doc:"Patterns of mount points that are left out: /media/*."`
	ExcludeTypes   []string    `json:"exclude_types" doc:"Types of file systems that are left out, besides those without data (proc, tmpfs, squashfs, …)."`
	UsedWarning    check.Range `json:"used_warning" doc:"Range of good percentages used; 80 by default."`
	UsedCritical   check.Range `json:"used_critical" doc:"As used_warning, for CRITICAL; 90 by default."`
	FreeWarning    check.Range `json:"free_warning" doc:"Range of good free bytes: 5e9: is at least 5 GB."`
	FreeCritical   check.Range `json:"free_critical" doc:"As free_warning, for CRITICAL."`
	InodesWarning  check.Range `json:"inodes_warning" doc:"Range of good percentages of inodes used; 90 by default."`
	InodesCritical check.Range `json:"inodes_critical" doc:"As inodes_warning, for CRITICAL; 95 by default."`
}

// without are the types of file systems that keep nothing, or cannot fill up.
var without = []string{"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "erofs", "fuse.gvfsd-fuse", "fuse.lxcfs",
	"fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs", "sysfs", "tmpfs", "tracefs", "udf"}

func (o Options) newDisk(p check.Params) (check.Prober, error) {
	var d DiskOptions
	if err := check.Decode(p.Options, &d); err != nil {
		return nil, err
	}
	for _, path := range d.Paths {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("paths: %q is no whole path; write it from / on", path)
		}
	}
	for _, pattern := range d.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("exclude: %q is no pattern: %w", pattern, err)
		}
	}
	if !d.FreeWarning.Set() && !d.FreeCritical.Set() || d.UsedWarning.Set() || d.UsedCritical.Set() {
		d.UsedWarning, d.UsedCritical = orDefault(d.UsedWarning, "80"), orDefault(d.UsedCritical, "90")
	}
	d.InodesWarning, d.InodesCritical = orDefault(d.InodesWarning, "90"), orDefault(d.InodesCritical, "95")
	return probe(func(ctx context.Context) model.CheckResult {
		paths := d.Paths
		if len(paths) == 0 {
			mounts, err := Mounts()
			if err != nil {
				return unknown("DISK", err)
			}
			paths = d.points(mounts)
		}
		return d.judge(ctx, o.Waiter, paths)
	}), nil
}

// points are the mount points that count: each device once, where it is mounted nearest to the root.
func (d *DiskOptions) points(mounts []Mount) []string {
	best := map[string]string{}
	for _, m := range mounts {
		if slices.Contains(without, m.Type) || slices.Contains(d.ExcludeTypes, m.Type) || d.excluded(m.Point) {
			continue
		}
		device := m.Device
		if m.Type == "overlay" || !strings.HasPrefix(device, "/") && !strings.Contains(device, ":") {
			device = m.Type + " " + m.Point // names such as "overlay" and "none" are those of many
			if m.Type == "overlay" && m.Point != "/" {
				continue // containers' layers lie on a file system that counts already
			}
		}
		if old, ok := best[device]; !ok || len(m.Point) < len(old) {
			best[device] = m.Point
		}
	}
	points := make([]string, 0, len(best))
	for _, p := range best {
		points = append(points, p)
	}
	slices.Sort(points)
	return points
}

func (d *DiskOptions) excluded(point string) bool {
	for _, pattern := range d.Exclude {
		if ok, _ := path.Match(pattern, point); ok || pattern == point {
			return true
		}
	}
	return false
}

func (d *DiskOptions) judge(ctx context.Context, w *Waiter, paths []string) model.CheckResult {
	var r report
	fullest, most := "", -1.0
	for _, p := range paths {
		u, err := w.Statfs(ctx, p)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrHangs) {
			r.fail(model.Critical, "%s: %v", p, err)
			continue
		}
		if err != nil {
			r.fail(model.Unknown, "%s: %v", p, err)
			continue
		}
		if u.Total == 0 {
			continue
		}
		used, free, inodes := hundredths(u.UsedPercent()), float64(u.Available), hundredths(u.InodesUsedPercent())
		r.lines = append(r.lines, fmt.Sprintf("%s: %.1f%% used, %s of %s free, %.1f%% of inodes used", p, used, humanSize(free), humanSize(float64(u.Total)), inodes))
		if s := check.Rate(used, d.UsedWarning, d.UsedCritical); s != model.OK {
			r.fail(s, "%s is %.1f%% full (%s free)", p, used, humanSize(free))
		}
		if s := check.Rate(free, d.FreeWarning, d.FreeCritical); s != model.OK {
			r.fail(s, "%s has %s free", p, humanSize(free))
		}
		if u.Inodes > 0 {
			if s := check.Rate(inodes, d.InodesWarning, d.InodesCritical); s != model.OK {
				r.fail(s, "%s has used %.1f%% of its inodes", p, inodes)
			}
			r.perf = append(r.perf, model.Perf{Label: p + " inodes", Value: inodes, Unit: "%", Warn: d.InodesWarning.String(), Crit: d.InodesCritical.String()})
		}
		zero, total := 0.0, float64(u.Total)
		r.perf = append(r.perf, model.Perf{Label: p, Value: used, Unit: "%", Warn: d.UsedWarning.String(), Crit: d.UsedCritical.String()},
			model.Perf{Label: p + " free", Value: free, Unit: "B", Warn: d.FreeWarning.String(), Crit: d.FreeCritical.String(), Min: &zero, Max: &total})
		if used > most {
			fullest, most = p, used
		}
	}
	slices.SortFunc(r.perf, func(a, b model.Perf) int { return cmp.Compare(a.Label, b.Label) })
	if len(r.lines) == 0 && len(r.bad) == 0 {
		return unknown("DISK", errors.New("there is no file system to look at: set paths"))
	}
	return r.result("DISK", fmt.Sprintf("%d file systems, %s is the fullest with %.1f%%", len(r.lines), fullest, most))
}

// MountOptions are those of a check of the kind mount.
type MountOptions struct {
	Path     string   `json:"path" doc:"The mount point."`
	Type     string   `json:"type" doc:"Type that the file system must have: nfs4, ext4."`
	Device   string   `json:"device" doc:"Device or source that must be mounted: /dev/sdb1, server:/export."`
	Options  []string `json:"options" doc:"Options that it must have: noexec, nosuid."`
	Writable bool     `json:"writable" doc:"It must not be read-only (file systems become so after errors)."`
	Write    bool     `json:"write" doc:"A file is made there and removed at each check."`
}

func (o Options) newMount(p check.Params) (check.Prober, error) {
	var m MountOptions
	if err := check.Decode(p.Options, &m); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(m.Path) {
		return nil, fmt.Errorf("path: %q is no mount point; write it from / on", m.Path)
	}
	m.Path = filepath.Clean(m.Path)
	return probe(func(ctx context.Context) model.CheckResult {
		mounts, err := Mounts()
		if err != nil {
			return unknown("MOUNT", err)
		}
		return m.judge(ctx, o.Waiter, mounts)
	}), nil
}

func (m *MountOptions) judge(ctx context.Context, w *Waiter, mounts []Mount) model.CheckResult {
	var r report
	i := slices.IndexFunc(mounts, func(x Mount) bool { return x.Point == m.Path })
	if i < 0 {
		r.fail(model.Critical, "nothing is mounted at %s", m.Path)
		return r.result("MOUNT", "")
	}
	x := mounts[i]
	if m.Type != "" && m.Type != x.Type {
		r.fail(model.Critical, "%s is of the type %s, not %s", m.Path, x.Type, m.Type)
	}
	if m.Device != "" && m.Device != x.Device {
		r.fail(model.Critical, "at %s is %s, not %s", m.Path, x.Device, m.Device)
	}
	for _, want := range m.Options {
		if !slices.Contains(x.Options, want) {
			r.fail(model.Critical, "%s is mounted without %s", m.Path, want)
		}
	}
	if (m.Writable || m.Write) && x.ReadOnly {
		r.fail(model.Critical, "%s is read-only", m.Path)
	}
	u, err := w.Statfs(ctx, m.Path)
	if err != nil {
		r.fail(model.Critical, "%s: %v", m.Path, err)
	} else if m.Write && !x.ReadOnly {
		if _, err := w.Do(ctx, "write "+m.Path, func() (any, error) { return nil, tryWrite(m.Path) }); err != nil {
			r.fail(model.Critical, "%s cannot be written: %v", m.Path, err)
		}
	}
	if u.Total > 0 {
		r.perf = append(r.perf, model.Perf{Label: "used", Value: hundredths(u.UsedPercent()), Unit: "%"})
	}
	r.lines = append(r.lines, fmt.Sprintf("%s on %s type %s (%s)", x.Device, x.Point, x.Type, strings.Join(x.Options, ",")))
	return r.result("MOUNT", fmt.Sprintf("%s (%s, %s) is mounted and answers", m.Path, x.Device, x.Type))
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".hulotte-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	err = errors.Join(err, unix.Fsync(int(f.Fd())), f.Close(), os.Remove(f.Name())) //nolint:gosec // a descriptor
	return err
}
