package hosts

import "time"

// Host is one machine that reports: an instance that has node_* series. Percentages are 0 to 100, bytes and
// seconds are those units, rates are per second over the last two samples, PSI and steal over five minutes.
type Host struct {
	Instance string            `json:"instance"`
	Name     string            `json:"name"` // the node name it gives itself, else the instance
	Job      string            `json:"job"`
	Labels   map[string]string `json:"labels,omitempty"` // what the operator added: labels beyond those of node_uname_info

	OS      string `json:"os"`
	Kernel  string `json:"kernel"`
	Arch    string `json:"arch"`
	Machine string `json:"hardware"` // vendor and product, where the machine tells

	CPUs   Num  `json:"cpus"`
	Booted Num  `json:"booted"` // seconds since the epoch
	Age    Num  `json:"age"`    // of the newest sample
	Stale  bool `json:"stale"`  // no longer reports; gauges are the last known ones, rates are gone

	Status  Severity `json:"status"`
	Reasons []Reason `json:"reasons"` // worst first

	CPUUsed   Num `json:"cpu"` // user, nice, system, interrupts and steal; waiting for I/O is idle time
	CPUUser   Num `json:"cpu_user"`
	CPUSystem Num `json:"cpu_system"`
	CPUIOWait Num `json:"cpu_iowait"`
	CPUSteal  Num `json:"cpu_steal"`
	Load1     Num `json:"load1"`
	Load5     Num `json:"load5"`
	Load15    Num `json:"load15"`

	MemTotal     Num `json:"mem_total"`
	MemAvailable Num `json:"mem_available"`
	MemUsedPct   Num `json:"mem"` // of MemTotal, not available
	MemCached    Num `json:"mem_cached"`
	MemFree      Num `json:"mem_free"`
	SwapTotal    Num `json:"swap_total"`
	SwapUsed     Num `json:"swap_used"`
	SwapPages    Num `json:"swap_pages"` // in or out, the smaller of the two, over five minutes

	PSICPU Num `json:"psi_cpu"` // share of time in which something waited for a CPU
	PSIMem Num `json:"psi_mem"` // share of time in which everything waited for memory
	PSIIO  Num `json:"psi_io"`  // share of time in which everything waited for I/O

	NetRx    Num `json:"net_rx"` // bytes of all interfaces but the loopback and those of containers
	NetTx    Num `json:"net_tx"`
	DiskUtil Num `json:"io"` // of the busiest device, never an average
	DiskRead Num `json:"io_read"`
	DiskWrit Num `json:"io_write"`

	Temperature Num    `json:"temp"` // the hottest sensor, Celsius
	Containers  Num    `json:"containers"`
	FailedUnits Num    `json:"failed_units"`
	Running     Num    `json:"procs_running"`
	Blocked     Num    `json:"procs_blocked"`
	Zombies     Num    `json:"procs_zombie"`
	ClockOffset Num    `json:"clock_offset"`
	ClockSync   string `json:"clock"` // "synchronised", "unsynchronised" or "" when not known

	disks []Disk
	nets  []Interface
	devs  []Device

	lastSeen time.Time
	boot     time.Time
	limits   limits
	facts    facts
}

// Disk is one mounted file system.
type Disk struct {
	Host      int      `json:"host"`
	Mount     string   `json:"mount"`
	Also      []string `json:"also,omitempty"` // other mount points of the same file system
	Device    string   `json:"device"`
	Type      string   `json:"type"`
	Size      Num      `json:"size"`
	Used      Num      `json:"used"`
	Available Num      `json:"avail"`
	UsedPct   Num      `json:"used_pct"` // as df counts: of what users may fill, reserved blocks left out
	InodesPct Num      `json:"inodes_pct"`
	FullIn    Num      `json:"full_in"` // seconds, when a straight line is an honest forecast
	ReadOnly  bool     `json:"read_only"`
	Error     bool     `json:"error"` // the file system did not answer
	Severity  Severity `json:"status"`

	turnedReadOnly bool
}

// Interface is one network interface.
type Interface struct {
	Host   int    `json:"host"`
	Device string `json:"device"`
	Link   string `json:"link"` // "up", "down" or "" when not known
	Rx     Num    `json:"rx"`
	Tx     Num    `json:"tx"`
	Errors Num    `json:"errors"`
	Drops  Num    `json:"drops"`
	Speed  Num    `json:"speed"` // bytes per second
	MAC    string `json:"mac"`
	Inner  bool   `json:"inner"` // loopback, or one end of a container's or bridge's wire: not in the host's sums

	errorShare Num // errors to packets over five minutes
}

// Device is one block device.
type Device struct {
	Host   int    `json:"host"`
	Device string `json:"device"`
	Model  string `json:"model"`
	Util   Num    `json:"util"` // share of time with I/O in flight
	Read   Num    `json:"read"`
	Write  Num    `json:"write"`
	Reads  Num    `json:"reads"`
	Writes Num    `json:"writes"`
	Await  Num    `json:"await"` // seconds an operation took, queue included
}

// limits are figures that only the rules look at.
type limits struct {
	conntrackPct Num
	filesPct     Num
	load15PerCPU Num
	clockError   Num
	oomKills     Num // in the last 15 minutes
	raidFailed   Num
	raidMissing  Num
	bondMissing  Num
	tempCrit     Num // degrees to the sensor's critical mark
	failedNames  []string
}

// facts are figures that others are computed from.
type facts struct {
	distribution                                 string
	conntrack, conntrackLimit, files, filesLimit Num
	swapIn, swapOut                              Num
	slowSteal                                    Num
	steadyBlocked, steadyZombies                 Num
}
