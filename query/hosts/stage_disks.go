package hosts

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// diskTypes are the file systems that rest on a disk or the network: only for them a change to read-only or
// silence means that something broke. A squashfs is always read-only, a fuse mount of a desktop always silent.
var diskTypes = map[string]bool{
	"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "f2fs": true, "jfs": true, "reiserfs": true,
	"zfs": true, "bcachefs": true, "nfs": true, "nfs4": true, "cifs": true, "ceph": true, "glusterfs": true, "ocfs2": true, "gfs2": true,
	"vfat": true, "ufs": true, "apfs": true, "hfs": true,
}

// pseudoTypes never fill up in a way that concerns anybody: images that are full by nature, and views of the kernel.
var pseudoTypes = map[string]bool{
	"squashfs": true, "iso9660": true, "udf": true, "erofs": true, "ramfs": true, "devtmpfs": true, "efivarfs": true, "autofs": true,
	"cgroup": true, "cgroup2": true, "proc": true, "sysfs": true, "nsfs": true, "fuse.lxcfs": true, "fuse.portal": true,
}

var diskMetrics = []string{
	"node_filesystem_size_bytes", "node_filesystem_free_bytes", "node_filesystem_avail_bytes", "node_filesystem_files",
	"node_filesystem_files_free", "node_filesystem_readonly", "node_filesystem_device_error",
}

// mount is the figures of one mounted file system as they come in.
type mount struct {
	device, fsType, path                string
	size, free, avail, files, filesFree Num
	readOnly, err                       bool
}

type mountKey struct {
	host         *Host
	device, path string
}

// readDisks fills in the mounted file systems.
func readDisks(ctx context.Context, r *reading) error {
	v, err := r.gauges(ctx, r.scope.any(diskMetrics))
	if err != nil {
		return err
	}
	mounts := map[mountKey]*mount{}
	r.each(v, func(h *Host, l labels.Labels, value Num) {
		if pseudoTypes[l.Get("fstype")] {
			return
		}
		key := mountKey{h, l.Get("device"), l.Get("mountpoint")}
		m := mounts[key]
		if m == nil {
			m = &mount{device: key.device, fsType: l.Get("fstype"), path: key.path, size: None, free: None, avail: None, files: None, filesFree: None}
			mounts[key] = m
		}
		m.set(l.Get(nameLabel), value)
	})
	byHost := map[*Host][]*mount{}
	for key, m := range mounts {
		byHost[key.host] = append(byHost[key.host], m)
	}
	for h, list := range byHost {
		h.disks = foldMounts(list)
	}
	return nil
}

func (m *mount) set(metric string, v Num) {
	switch strings.TrimPrefix(metric, "node_filesystem_") {
	case "size_bytes":
		m.size = v
	case "free_bytes":
		m.free = v
	case "avail_bytes":
		m.avail = v
	case "files":
		m.files = v
	case "files_free":
		m.filesFree = v
	case "readonly":
		m.readOnly = v == 1
	case "device_error":
		m.err = v == 1
	}
}

// disk turns the figures into shares. Used space is counted as df does: what is used, of what is used plus what
// users may still fill; blocks kept for root are neither.
func (m *mount) disk() Disk {
	d := Disk{
		Mount: m.path, Device: m.device, Type: m.fsType, Size: m.size, Available: m.avail, Used: m.size - m.free,
		UsedPct: None, InodesPct: None, FullIn: None, ReadOnly: m.readOnly, Error: m.err, Severity: OK,
	}
	d.UsedPct = percent(d.Used, d.Used+m.avail)
	d.InodesPct = percent(m.files-m.filesFree, m.files)
	return d
}

// foldMounts turns mounts into disks, fullest first. A device that is mounted in several places (bind mounts,
// those of containers) is one disk, named by its shortest mount point.
func foldMounts(list []*mount) []Disk {
	sort.Slice(list, func(i, j int) bool {
		if len(list[i].path) != len(list[j].path) {
			return len(list[i].path) < len(list[j].path)
		}
		return list[i].path < list[j].path
	})
	var disks []Disk
	byDevice := map[string]int{}
	for _, m := range list {
		if !m.size.Known() && !m.err || m.size == 0 || m.readOnly && m.fsType == "tmpfs" {
			continue // nothing to fill up
		}
		key := fmt.Sprint(m.device, m.size, m.free)
		i, known := byDevice[key]
		if known && diskTypes[m.fsType] {
			disks[i].Also = append(disks[i].Also, m.path)
			continue
		}
		byDevice[key] = len(disks)
		disks = append(disks, m.disk())
	}
	sortDisks(disks)
	return disks
}

// sortDisks puts the worst first: by severity, then the fuller of space and inodes; what is not known last.
func sortDisks(disks []Disk) {
	fill := func(d Disk) float64 {
		worst := -1.0
		for _, n := range []Num{d.UsedPct, d.InodesPct} {
			if n.Known() && float64(n) > worst {
				worst = float64(n)
			}
		}
		return worst
	}
	sort.SliceStable(disks, func(i, j int) bool {
		if a, b := disks[i].Severity.rank(), disks[j].Severity.rank(); a != b {
			return a > b
		}
		if a, b := fill(disks[i]), fill(disks[j]); a != b {
			return a > b
		}
		return disks[i].Mount < disks[j].Mount
	})
}

// readTurnedReadOnly finds the file systems that are read-only now and were not within a week: mounted so on
// purpose is no trouble, turned so by the kernel after an I/O error is.
func readTurnedReadOnly(ctx context.Context, r *reading) error {
	if r.past {
		return nil
	}
	instances := map[string]bool{}
	for _, h := range r.hosts {
		for _, d := range h.disks {
			if d.ReadOnly && diskTypes[d.Type] {
				instances[h.Instance] = true
			}
		}
	}
	if len(instances) == 0 {
		return nil
	}
	selector := someHosts(keys(instances)).of("node_filesystem_readonly")
	v, err := r.src.vector(ctx, fmt.Sprintf("%s == 1 and min_over_time(%s[7d]) == 0", selector, selector), r.at)
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, l labels.Labels, _ Num) {
		for i := range h.disks {
			d := &h.disks[i]
			if d.Mount == l.Get("mountpoint") && d.Device == l.Get("device") {
				d.turnedReadOnly = true
			}
		}
	})
	return nil
}

// forecast fills in when each disk is full, out of the available bytes of the last hours.
func (r *reading) forecast(history promql.Matrix) {
	for _, s := range history {
		h := r.host(s.Metric)
		if h == nil {
			continue
		}
		for i := range h.disks {
			d := &h.disks[i]
			if d.Mount == s.Metric.Get("mountpoint") && d.Device == s.Metric.Get("device") && !d.ReadOnly {
				d.FullIn = fullIn(points(s))
			}
		}
	}
}

func points(s promql.Series) []point {
	list := make([]point, 0, len(s.Floats))
	for _, p := range s.Floats {
		list = append(list, point{t: float64(p.T) / 1000, v: p.F})
	}
	return list
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}
