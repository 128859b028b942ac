package discovery

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/process"
	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// proc is a process that is known from scan to scan. pid and start together tell it from another that got its number.
type proc struct {
	pid, parent int
	start       uint64 // ticks since the machine started
	comm        string
	seen        uint64 // the last scan that saw it
	looked      uint64 // the scan in which what follows was found
	looks       int    // how often that was
	changed     bool   // the last time, it was new or had another name

	namespace uint64 // of its network; 0 when it cannot be seen
	uid       uint32
	container string // identifier
	runtime   string
	unit      string // without ".service"
	// Of a process that the catalogue knows, the rest of them are nobody's business.
	entry *Entry
	why   string
	prog  program
	// proxies is where a docker-proxy forwards to.
	proxies *proxied

	blind bool // its open files cannot be seen
}

// proxied is what a process of Docker's forwards: a port of the host to one of a container.
type proxied struct {
	network  string
	hostPort int
}

// A process is looked at again after this many scans, because it may be moved to another namespace or change what it is;
// and at the second scan, because the first may have met it between fork and exec.
const lookAgain = 30

// maxArguments bounds what is read of a command line, in bytes: Java's class paths have some ten thousand.
const maxArguments = 64 << 10

// processes are all processes of the machine.
type processes struct {
	files    *process.Reader
	self     int  // our own
	include  bool // our own too
	all      map[int]*proc
	skipped  int // above the limit, in the last scan
	hidden   int // whose executable and open files cannot be seen, in the last scan
	own      uint64
	boot     float64
	failures uint64
}

func newProcesses(root string, limit int) *processes {
	return &processes{files: process.NewReader(root, limit), self: os.Getpid(), all: map[int]*proc{}}
}

// scan reads what is new since the last scan.
func (ps *processes) scan(n uint64, c *Catalogue) error {
	pids, skipped, err := ps.files.PIDs()
	if err != nil {
		return err
	}
	if ps.boot == 0 || n%360 == 0 { // it moves when the clock is set
		ps.boot = ps.files.BootTime()
	}
	ps.skipped = skipped
	ps.own = inodeOf(ps.files.Path(ps.self, "ns/net"))
	for _, pid := range pids {
		ps.one(pid, n, c)
	}
	ps.hidden = 0
	for pid, p := range ps.all {
		if p.seen != n {
			delete(ps.all, pid)
		} else if p.namespace == 0 {
			ps.hidden++
		}
	}
	return nil
}

func (ps *processes) one(pid int, n uint64, c *Catalogue) {
	st, err := ps.files.Stat(pid)
	if err != nil {
		if !kernelfile.Gone(err) {
			ps.failures++
		}
		return
	}
	if st.Kernel || st.State == 'Z' || st.State == 'X' || pid == ps.self && !ps.include {
		return
	}
	p := ps.all[pid]
	if p == nil || p.start != st.Start {
		p = &proc{pid: pid, start: st.Start}
		ps.all[pid] = p
	}
	p.parent, p.seen = st.Parent, n
	p.changed = p.looks < 2 || p.comm != st.Comm
	if p.changed || n-p.looked >= lookAgain+uint64(pid%8) {
		p.comm = st.Comm
		ps.look(p, n, c)
	}
}

// young says whether a process may have become another program in this scan, which closed what the one before had open.
func (p *proc) young(n uint64) bool { return p.looked == n && p.changed }

// look finds out what a process is.
func (ps *processes) look(p *proc, n uint64, c *Catalogue) {
	p.looked = n
	p.looks++
	if text, err := ps.files.File(p.pid, "cgroup"); err == nil {
		p.unit = process.Unit(text)
		p.container, p.runtime = container.Of(text)
	}
	p.namespace = inodeOf(ps.files.Path(p.pid, "ns/net"))
	var st syscall.Stat_t
	if syscall.Stat(ps.files.Path(p.pid, ""), &st) == nil {
		p.uid = st.Uid
	}
	prog := program{comm: p.comm}
	prog.exe, _ = os.Readlink(ps.files.Path(p.pid, "exe")) // "" of one that is somebody else's
	prog.exe = clean(prog.exe)
	prog.args, _ = ps.files.Arguments(p.pid, maxArguments) // the command's name will do
	p.proxies = proxyOf(&prog)
	p.entry, p.why = nil, ""
	if p.proxies == nil {
		p.entry, p.why = c.match(&prog)
	}
	p.prog = program{}
	if p.entry != nil {
		p.prog = prog
	}
}

// inodeOf returns the number in a link like "net:[4026531840]"; 0 when it cannot be read.
func inodeOf(path string) uint64 {
	var buf [64]byte
	n, err := syscall.Readlink(path, buf[:])
	if err != nil || n <= 0 {
		return 0
	}
	return numberIn(string(buf[:n]))
}

func numberIn(link string) uint64 {
	_, rest, ok := strings.Cut(link, ":[")
	if !ok {
		return 0
	}
	v, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// proxyOf recognises Docker's proxy, which holds the host's side of a published port.
func proxyOf(p *program) *proxied {
	if p.comm != "docker-proxy" && p.comm != "rootlessport" {
		return nil
	}
	out := &proxied{network: networkTCP}
	for i := 0; i+1 < len(p.args); i++ {
		switch strings.TrimLeft(p.args[i], "-") {
		case "proto":
			out.network = p.args[i+1]
		case "host-port":
			out.hostPort, _ = strconv.Atoi(p.args[i+1]) // 0 is none
		}
	}
	return out
}

// started is when a process began; the zero time when unknown.
func (ps *processes) started(p *proc) time.Time {
	if ps.boot == 0 {
		return time.Time{}
	}
	const ticks = 100
	return time.UnixMilli(int64(ps.boot*1000) + int64(p.start)*1000/ticks).UTC()
}

// Limits of looking at open files.
const (
	maxFDs       = 65_536  // of one process
	maxFDsInScan = 400_000 // of all processes in one scan
)

// eachSocket calls f for the inodes of a process's sockets and returns how many open files were looked at.
func (ps *processes) eachSocket(p *proc, f func(inode uint64)) (looked int, err error) {
	dir, err := os.Open(ps.files.Path(p.pid, "fd"))
	if err != nil {
		p.blind = errors.Is(err, fs.ErrPermission)
		return 0, err
	}
	defer dir.Close()
	p.blind = false
	for looked < maxFDs {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			looked++
			if inode := socketAt(int(dir.Fd()), name); inode != 0 {
				f(inode)
			}
		}
		if err != nil { // the end, or the process has ended
			return looked, nil
		}
	}
	return looked, nil
}
