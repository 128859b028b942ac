package host

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/alecthomas/kingpin/v2"
)

// settled is what node_exporter's flags were set to in this process. They are package variables of its collector
// package, which running collectors read without a lock, so they are written once. This lock and this copy are the
// only package variables of ours, because they guard what is one a process.
var settled struct {
	mu   sync.Mutex
	args []string
}

// settle sets node_exporter's flags from opts, or checks that they are so already.
func settle(opts Options) error {
	args := opts.flags()
	settled.mu.Lock()
	defer settled.mu.Unlock()
	if settled.args != nil {
		return sameFlags(settled.args, args)
	}
	app := kingpin.CommandLine
	app.Terminate(nil) // never end the process
	app.UsageWriter(io.Discard)
	app.ErrorWriter(io.Discard)
	if _, err := app.Parse(args); err != nil {
		return fmt.Errorf("cannot set node_exporter's flags %q: %w", args, err)
	}
	settled.args = args
	return nil
}

func sameFlags(was, now []string) error {
	for i := range now {
		if i >= len(was) || was[i] != now[i] {
			return fmt.Errorf("the host's paths and filters cannot change while the process runs (%s): restart it", now[i])
		}
	}
	if len(was) != len(now) {
		return fmt.Errorf("the host's text file directories cannot change while the process runs: restart it")
	}
	return nil
}

// flags translates to node_exporter's command line. The order is fixed, and directories come last, for sameFlags.
func (o Options) flags() []string {
	args := []string{
		"--path.procfs=" + o.ProcFS,
		"--path.sysfs=" + o.SysFS,
		"--path.rootfs=" + o.RootFS,
		"--path.udev.data=" + o.UdevData,
		"--collector.filesystem.mount-points-exclude=" + o.MountPointsExclude,
		"--collector.filesystem.fs-types-exclude=" + o.FSTypesExclude,
		// Half of what a collector has: a mount that does not answer is set aside before its collector is.
		"--collector.filesystem.mount-timeout=2s",
		"--collector.netdev.device-exclude=" + o.NetDevExclude,
		"--collector.netclass.ignored-devices=" + o.NetDevExclude,
		"--collector.arp.device-exclude=" + o.NetDevExclude,
		"--collector.diskstats.device-exclude=" + o.DisksExclude,
		"--collector.cpu.info",
	}
	for _, dir := range slices.Compact(slices.Sorted(slices.Values(o.TextfileDirectories))) {
		args = append(args, "--collector.textfile.directory="+dir)
	}
	return args
}
