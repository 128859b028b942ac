package discovery

import (
	"math"
	"slices"
)

// namespaces are the network namespaces of the processes that the catalogue knows.
type namespaces struct {
	all    map[uint64]*namespace
	table  tableReader
	diag   bool // the kernel can be asked for sockets over netlink
	fds    int  // open files that were looked at in the last scan
	failed uint64
}

func newNamespaces(procfs string) *namespaces {
	return &namespaces{all: map[uint64]*namespace{}, diag: canDiagnose(procfs)}
}

const (
	// unixEvery is after how many scans the unix sockets are read again: they come and go with their processes, and a
	// table of them is long on any machine. A process that is new makes it sooner.
	unixEvery  = 6
	localEvery = 30 // scans: the addresses of a container change when it gets another network
	joinAgain  = 60 // scans: a socket may be handed to another process
)

// scan reads the sockets of each namespace once, and finds out whose they are.
func (ns *namespaces) scan(n uint64, ps *processes) {
	members := map[uint64][]*proc{}
	known := map[uint64]*proc{} // one that the catalogue knows
	fresh := map[uint64]bool{}
	for _, p := range ps.all {
		id := p.net(ps.own)
		if id == 0 {
			continue
		}
		members[id] = append(members[id], p)
		if p.entry != nil {
			if k := known[id]; k == nil || p.pid < k.pid {
				known[id] = p
			}
			fresh[id] = fresh[id] || p.looked == n
		}
	}
	ns.fds = 0
	for id, p := range known {
		x := ns.all[id]
		if x == nil {
			x = &namespace{id: id, owners: map[uint64][]int{}, tried: map[uint64]int{}}
			ns.all[id] = x
		}
		x.host, x.seen = id == ps.own, n
		ns.read(x, p.pid, n, ps, fresh[id])
		ns.join(x, members[id], n, ps)
	}
	for id, x := range ns.all {
		if x.seen != n {
			delete(ns.all, id)
		}
	}
}

// net is the namespace that a process is in. One that cannot be seen is ours, unless the process is in a container.
func (p *proc) net(own uint64) uint64 {
	if p.namespace == 0 && p.container == "" {
		return own
	}
	return p.namespace
}

// read reads the tables of a namespace by way of a process that is in it.
func (ns *namespaces) read(x *namespace, pid int, n uint64, ps *processes, fresh bool) {
	x.sockets = make(map[uint64]socket, len(x.sockets))
	x.cut, x.guessed = false, map[uint64]bool{}
	unix := x.unix == nil || fresh || n-x.unixAt >= unixEvery
	if unix {
		x.unix, x.unixAt = map[uint64]socket{}, n
	}
	told := ns.ask(x, pid, ps)
	for _, t := range tables {
		if told && t.network == networkTCP {
			continue
		}
		into := x.sockets
		if t.network == networkUnix {
			if into = x.unix; !unix {
				continue
			}
		}
		cut, err := ns.table.read(ps.files.Path(pid, "net/"+t.file), t.network, func(s socket) { into[s.inode] = s })
		x.cut = x.cut || cut
		if err != nil && t.file == "tcp" { // IPv6 may be off
			ns.failed++
		}
	}
	if !x.host && (x.localAt == 0 || n-x.localAt >= localEvery) {
		x.local, x.localAt = localAddresses(ps.files.Path(pid, "net")), n
	}
}

// ask asks the kernel for the sockets of TCP; false when it does not tell, and the tables have to be read.
func (ns *namespaces) ask(x *namespace, pid int, ps *processes) bool {
	if !ns.diag {
		return false
	}
	cut, err := listeningTCP(ps.files.Path(pid, "ns/net"), x.id, func(s socket) { x.sockets[s.inode] = s })
	if err != nil {
		clear(x.sockets)
		return false
	}
	x.cut = x.cut || cut
	return true
}

// has says whether an inode is a socket of the namespace that listens.
func (x *namespace) has(inode uint64) bool {
	_, ok := x.sockets[inode]
	if !ok {
		_, ok = x.unix[inode]
	}
	return ok
}

// join finds out which processes have the sockets open. It looks at open files only when there is a socket that it has
// not seen before; and less and less often while nobody is found who has one, such as those of the kernel.
func (ns *namespaces) join(x *namespace, members []*proc, n uint64, ps *processes) {
	for inode, pids := range x.owners {
		pids = slices.DeleteFunc(pids, func(pid int) bool { p := ps.all[pid]; return p == nil || p.seen != n || p.young(n) })
		if x.owners[inode] = pids; len(pids) == 0 || !x.has(inode) {
			delete(x.owners, inode)
		}
	}
	if !x.wanting(n) && n-x.joined < joinAgain {
		return
	}
	x.joined = n
	clear(x.owners)
	for _, p := range slices.SortedFunc(slices.Values(members), byImportance) {
		if ns.fds > maxFDsInScan {
			break
		}
		looked, err := ps.eachSocket(p, func(inode uint64) {
			if x.has(inode) && !slices.Contains(x.owners[inode], p.pid) {
				x.owners[inode] = append(x.owners[inode], p.pid)
			}
		})
		if ns.fds += looked; err == nil && looked == 0 {
			ns.fds++
		}
	}
	x.rest(n)
}

// wanting says whether there is a socket whose owner is to be looked for now.
func (x *namespace) wanting(n uint64) bool {
	for _, table := range []map[uint64]socket{x.sockets, x.unix} {
		for inode := range table {
			if len(x.owners[inode]) == 0 && (x.tried[inode] == 0 || n >= x.next) {
				return true
			}
		}
	}
	return false
}

// rest notes the sockets that nobody was found for.
func (x *namespace) rest(n uint64) {
	tried, least := map[uint64]int{}, math.MaxInt
	for _, table := range []map[uint64]socket{x.sockets, x.unix} {
		for inode := range table {
			if len(x.owners[inode]) > 0 {
				continue
			}
			tried[inode] = min(x.tried[inode]+1, 6) // 64 scans
			least = min(least, tried[inode])
		}
	}
	x.tried = tried
	if least != math.MaxInt {
		x.next = n + 1<<least
	}
}

// missed says whether there is a socket whose owner was looked for the first time in this scan, and nobody has it.
func (ns *namespaces) missed(n uint64) bool {
	for _, x := range ns.all {
		if x.joined != n {
			continue
		}
		for inode, tries := range x.tried {
			if _, ok := x.sockets[inode]; ok && tries == 1 {
				return true
			}
		}
	}
	return false
}

// byImportance puts the processes first that the catalogue knows, and process 1 last, which holds the sockets that it
// hands to services.
func byImportance(a, b *proc) int {
	rank := func(p *proc) int {
		switch {
		case p.pid == 1:
			return 2
		case p.entry == nil:
			return 1
		}
		return 0
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return a.pid - b.pid
}
