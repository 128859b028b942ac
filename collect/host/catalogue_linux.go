package host

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/node_exporter/collector"
)

// entry is one collector that there is, and whether it runs by default.
type entry struct {
	on  bool
	new func(*slog.Logger) (collector.Collector, error)
}

// catalogue lists node_exporter's collectors for Linux by the names of its flags. Its drbd is missing: its
// constructor is not exported, and it is off by default there.
//
// meminfo, processes and systemd are our own. Off by default are, as there, those that cost much or give thousands of series; processes is on, because the
// number of processes by state belongs to the first look at a machine.
func catalogue(opts Options) map[string]entry {
	const on, off = true, false
	return map[string]entry{
		"arp":                 {on, collector.NewARPCollector},
		"bcache":              {on, collector.NewBcacheCollector},
		"bcachefs":            {on, collector.NewBcachefsCollector},
		"bonding":             {on, collector.NewBondingCollector},
		"btrfs":               {on, collector.NewBtrfsCollector},
		"buddyinfo":           {off, collector.NewBuddyinfoCollector},
		"cgroups":             {off, collector.NewCgroupSummaryCollector},
		"conntrack":           {on, collector.NewConntrackCollector},
		"cpu":                 {on, collector.NewCPUCollector},
		"cpu_vulnerabilities": {off, collector.NewVulnerabilitySysfsCollector},
		"cpufreq":             {on, collector.NewCPUFreqCollector},
		"diskstats":           {on, collector.NewDiskstatsCollector},
		"dmi":                 {on, collector.NewDMICollector},
		"dmmultipath":         {on, collector.NewDMMultipathCollector},
		"drm":                 {off, collector.NewDrmCollector},
		"edac":                {on, collector.NewEdacCollector},
		"entropy":             {on, collector.NewEntropyCollector},
		"ethtool":             {off, collector.NewEthtoolCollector},
		"fibrechannel":        {on, collector.NewFibreChannelCollector},
		"filefd":              {on, collector.NewFileFDStatCollector},
		"filesystem":          {on, collector.NewFilesystemCollector},
		"hwmon":               {on, collector.NewHwMonCollector},
		"infiniband":          {on, collector.NewInfiniBandCollector},
		"interrupts":          {off, collector.NewInterruptsCollector},
		"ipvs":                {on, collector.NewIPVSCollector},
		"kernel_hung":         {on, collector.NewKernelHungCollector},
		"ksmd":                {off, collector.NewKsmdCollector},
		"lnstat":              {off, collector.NewLnstatCollector},
		"loadavg":             {on, collector.NewLoadavgCollector},
		"logind":              {off, collector.NewLogindCollector},
		"mdadm":               {on, collector.NewMdadmCollector},
		"meminfo":             {on, newMeminfo(opts.ProcFS)},
		"meminfo_numa":        {off, collector.NewMeminfoNumaCollector},
		"mountstats":          {off, collector.NewMountStatsCollector},
		"netclass":            {on, collector.NewNetClassCollector},
		"netdev":              {on, collector.NewNetDevCollector},
		"netstat":             {on, collector.NewNetStatCollector},
		"network_route":       {off, collector.NewNetworkRouteCollector},
		"nfs":                 {on, collector.NewNfsCollector},
		"nfsd":                {on, collector.NewNFSdCollector},
		"ntp":                 {off, collector.NewNtpCollector},
		"nvme":                {on, collector.NewNVMeCollector},
		"nvmesubsystem":       {off, collector.NewNVMeSubsystemCollector},
		"os":                  {on, collector.NewOSCollector},
		"pcidevice":           {off, collector.NewPcideviceCollector},
		"perf":                {off, collector.NewPerfCollector},
		"powersupplyclass":    {on, collector.NewPowerSupplyClassCollector},
		"pressure":            {on, collector.NewPressureStatsCollector},
		"processes":           {on, newProcesses(opts.ProcFS)},
		"qdisc":               {off, collector.NewQdiscStatCollector},
		"rapl":                {on, collector.NewRaplCollector},
		"runit":               {off, collector.NewRunitCollector},
		"schedstat":           {on, collector.NewSchedstatCollector},
		"selinux":             {on, collector.NewSelinuxCollector},
		"slabinfo":            {off, collector.NewSlabinfoCollector},
		"sockstat":            {on, collector.NewSockStatCollector},
		"softirqs":            {off, collector.NewSoftirqsCollector},
		"softnet":             {on, collector.NewSoftnetCollector},
		"stat":                {on, collector.NewStatCollector},
		"supervisord":         {off, collector.NewSupervisordCollector},
		"swap":                {off, collector.NewSwapCollector},
		"sysctl":              {off, collector.NewSysctlCollector},
		"systemd":             {off, newSystemd(opts)}, // on where systemdRuns
		"tapestats":           {on, collector.NewTapestatsCollector},
		"tcpstat":             {off, collector.NewTCPStatCollector},
		"textfile":            {on, collector.NewTextFileCollector},
		"thermal_zone":        {on, collector.NewThermalZoneCollector},
		"time":                {on, collector.NewTimeCollector},
		"timex":               {on, collector.NewTimexCollector},
		"udp_queues":          {on, collector.NewUDPqueuesCollector},
		"uname":               {on, collector.NewUnameCollector},
		"vmstat":              {on, collector.NewvmStatCollector},
		"watchdog":            {on, collector.NewWatchdogCollector},
		"wifi":                {off, collector.NewWifiCollector},
		"xfrm":                {off, collector.NewXfrmCollector},
		"xfs":                 {on, collector.NewXFSCollector},
		"zfs":                 {on, collector.NewZFSCollector},
		"zoneinfo":            {off, collector.NewZoneinfoCollector},
	}
}

// systemdRuns says whether systemd is this machine's init and its bus can be reached: the first as sd_booted(3)
// finds it, the second where D-Bus clients look (D-Bus specification, "Well-known Message Bus Instances").
func systemdRuns(rootfs string) bool {
	if _, err := os.Stat(filepath.Join(rootfs, "run/systemd/system")); err != nil {
		return false
	}
	if os.Getenv("DBUS_SYSTEM_BUS_ADDRESS") != "" {
		return true
	}
	_, err := os.Stat("/run/dbus/system_bus_socket")
	return err == nil
}
