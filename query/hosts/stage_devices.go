package hosts

import (
	"context"
	"regexp"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
)

// layeredDevices stand on other devices: their bytes are counted there already.
var layeredDevices = regexp.MustCompile(`^(dm-\d+|md\d+|loop\d+|ram\d+|zram\d+|sr\d+|fd\d+|nbd\d+)$`)

// deviceFigures are one block device's figures that only serve to compute others.
type deviceFigures struct {
	Device
	readTime, writeTime Num
}

// readDevices fills in the block devices.
func readDevices(ctx context.Context, r *reading) error {
	found := map[netKey]*deviceFigures{}
	at := func(h *Host, l labels.Labels) *deviceFigures {
		key := netKey{h, l.Get("device")}
		if found[key] == nil {
			found[key] = &deviceFigures{
				Device:   Device{Device: key.device, Util: None, Read: None, Write: None, Reads: None, Writes: None, Await: None},
				readTime: None, writeTime: None,
			}
		}
		return found[key]
	}
	for _, s := range deviceStages(at) {
		if err := s(ctx, r); err != nil {
			return err
		}
	}
	for key, d := range found {
		if ops := plus(d.Reads, d.Writes); ops > 0 {
			d.Await = plus(d.readTime, d.writeTime) / ops
		}
		key.host.devs = append(key.host.devs, d.Device)
	}
	for _, h := range r.hosts {
		h.sumDevices()
	}
	return nil
}

func deviceStages(at func(h *Host, l labels.Labels) *deviceFigures) []stage {
	rate := func(counter string, set func(d *deviceFigures, v Num)) stage {
		return rateStage(counter, []string{"device"}, func(h *Host, l labels.Labels, v Num) { set(at(h, l), v) })
	}
	return []stage{
		rate("node_disk_io_time_seconds_total", func(d *deviceFigures, v Num) { d.Util = min(100, 100*v) }),
		rate("node_disk_read_bytes_total", func(d *deviceFigures, v Num) { d.Read = v }),
		rate("node_disk_written_bytes_total", func(d *deviceFigures, v Num) { d.Write = v }),
		rate("node_disk_reads_completed_total", func(d *deviceFigures, v Num) { d.Reads = v }),
		rate("node_disk_writes_completed_total", func(d *deviceFigures, v Num) { d.Writes = v }),
		rate("node_disk_read_time_seconds_total", func(d *deviceFigures, v Num) { d.readTime = v }),
		rate("node_disk_write_time_seconds_total", func(d *deviceFigures, v Num) { d.writeTime = v }),
		gaugeStage(func(s scope) string { return s.of("node_disk_info") }, func(h *Host, l labels.Labels, _ Num) {
			at(h, l).Model = l.Get("model")
		}),
	}
}

// sumDevices sorts the devices, busiest first, and takes the host's figures: the busiest device's utilisation,
// and the bytes of the devices that stand on no other.
func (h *Host) sumDevices() {
	for _, d := range h.devs {
		if d.Util.Known() && !(h.DiskUtil >= d.Util) {
			h.DiskUtil = d.Util
		}
		if !layeredDevices.MatchString(d.Device) {
			h.DiskRead, h.DiskWrit = plus(h.DiskRead, d.Read), plus(h.DiskWrit, d.Write)
		}
	}
	util := func(d Device) Num {
		if d.Util.Known() {
			return d.Util
		}
		return -1
	}
	sort.Slice(h.devs, func(i, j int) bool {
		if util(h.devs[i]) != util(h.devs[j]) {
			return util(h.devs[i]) > util(h.devs[j])
		}
		return h.devs[i].Device < h.devs[j].Device
	})
}
