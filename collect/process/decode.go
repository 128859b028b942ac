package process

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// stat is what we take of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	comm    string
	state   byte
	ppid    int
	kernel  bool   // a kernel thread
	minflt  uint64 // page faults
	majflt  uint64
	utime   uint64 // clock ticks
	stime   uint64 // clock ticks
	threads uint64
	start   uint64 // clock ticks since the machine started
	vsize   uint64 // bytes
	rss     uint64 // pages
}

// ticksPerSecond is what the kernel tells user space (USER_HZ): 100 on every architecture that Go supports.
const ticksPerSecond = 100

// pfKthread marks kernel threads in the flags of a task (include/linux/sched.h).
const pfKthread = 0x00200000

// Fields of /proc/PID/stat, counted from the one after the command, which is number 3 in the manual.
const (
	fieldState   = 0
	fieldPPID    = 1
	fieldFlags   = 6
	fieldMinflt  = 7
	fieldMajflt  = 9
	fieldUtime   = 11
	fieldStime   = 12
	fieldThreads = 17
	fieldStart   = 19
	fieldVsize   = 20
	fieldRSS     = 21
	statFields   = 22
)

var errStat = errors.New("malformed stat")

// parseStat reads a line like "12 (a b) S 1 ...". The command may hold anything, parentheses too, so the last one ends it.
func parseStat(text []byte) (stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("%w: no command in %.80q", errStat, text)
	}
	var f [statFields][]byte
	rest := text[end+1:]
	for i := range f {
		if f[i], rest = nextField(rest); len(f[i]) == 0 {
			return stat{}, fmt.Errorf("%w: it ends after field %d", errStat, i+2)
		}
	}
	p := numbers{}
	s := stat{
		comm:    string(text[open+1 : end]),
		state:   f[fieldState][0],
		ppid:    int(p.uint(f[fieldPPID]) & math.MaxInt32),
		kernel:  p.uint(f[fieldFlags])&pfKthread != 0,
		minflt:  p.uint(f[fieldMinflt]),
		majflt:  p.uint(f[fieldMajflt]),
		utime:   p.uint(f[fieldUtime]),
		stime:   p.uint(f[fieldStime]),
		threads: p.uint(f[fieldThreads]),
		start:   p.uint(f[fieldStart]),
		vsize:   p.uint(f[fieldVsize]),
		rss:     p.uint(f[fieldRSS]),
	}
	if p.err != nil {
		return stat{}, fmt.Errorf("%w: %w", errStat, p.err)
	}
	return s, nil
}

func nextField(text []byte) (field, rest []byte) {
	text = bytes.TrimLeft(text, " \n")
	end := bytes.IndexAny(text, " \n")
	if end < 0 {
		return text, nil
	}
	return text[:end], text[end:]
}

// numbers parses unsigned numbers and keeps the first error.
type numbers struct{ err error }

func (n *numbers) uint(text []byte) uint64 {
	if len(text) > 0 && text[0] == '-' { // rss of a process that is just ending
		return 0
	}
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil && n.err == nil {
		n.err = err
	}
	return v
}

// status is what we take of /proc/PID/status (proc_pid_status(5)).
type status struct {
	uid          uint32
	swap         uint64 // bytes
	voluntary    uint64 // context switches
	nonvoluntary uint64
}

// parseStatus reads "Key:\tvalue" lines; those that are not there stay 0, as VmSwap does for kernel threads.
func parseStatus(text []byte) (status, error) {
	var s status
	p := numbers{}
	for line := range bytes.Lines(text) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		switch string(key) {
		case "Uid":
			s.uid = uint32(p.uint(firstWord(value)))
		case "VmSwap":
			s.swap = p.uint(firstWord(value)) * 1024
		case "voluntary_ctxt_switches":
			s.voluntary = p.uint(firstWord(value))
		case "nonvoluntary_ctxt_switches":
			s.nonvoluntary = p.uint(firstWord(value))
		}
	}
	if p.err != nil {
		return status{}, fmt.Errorf("malformed status: %w", p.err)
	}
	return s, nil
}

func firstWord(text []byte) []byte {
	text = bytes.TrimLeft(text, " \t")
	if end := bytes.IndexAny(text, " \t\n"); end >= 0 {
		return text[:end]
	}
	return text
}

// parseIO returns read_bytes and write_bytes of /proc/PID/io: what went through the block layer (proc_pid_io(5)).
func parseIO(text []byte) (read, written uint64, err error) {
	p := numbers{}
	found := 0
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "read_bytes":
			read = p.uint(firstWord(value))
			found++
		case "write_bytes":
			written = p.uint(firstWord(value))
			found++
		}
	}
	if p.err == nil && found < 2 {
		p.err = errors.New("no read_bytes or no write_bytes")
	}
	if p.err != nil {
		return 0, 0, fmt.Errorf("malformed io: %w", p.err)
	}
	return read, written, nil
}

// parseFDLimit returns the soft limit of open files out of /proc/PID/limits; 0 is unlimited or unknown.
func parseFDLimit(text []byte) uint64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Max open files")); ok {
			n, err := strconv.ParseUint(string(firstWord(rest)), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// parseBootTime returns btime of /proc/stat, seconds since the epoch; 0 when there is none.
func parseBootTime(text []byte) float64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			n, err := strconv.ParseUint(string(firstWord(rest)), 10, 63)
			if err != nil {
				return 0
			}
			return float64(n)
		}
	}
	return 0
}

// splitArgs splits /proc/PID/cmdline. Programs that set their title leave one argument, and many zero bytes.
func splitArgs(text []byte) []string {
	var args []string
	for _, a := range bytes.Split(bytes.TrimRight(text, "\x00"), []byte{0}) {
		args = append(args, string(bytes.ToValidUTF8(a, []byte("�"))))
	}
	if len(args) == 1 && args[0] == "" {
		return nil
	}
	return args
}
