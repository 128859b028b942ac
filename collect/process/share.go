package process

// Reader reads processes for packages that look for something else than their numbers. Its methods are for one
// goroutine.
type Reader struct{ files *reader }

// NewReader returns a Reader of a /proc; limit bounds the processes that PIDs lists.
func NewReader(procfs string, limit int) *Reader { return &Reader{files: newReader(procfs, limit)} }

// PIDs lists the processes, lowest first; skipped says how many there are above the limit.
func (r *Reader) PIDs() (pids []int, skipped int, err error) { return r.files.pids() }

// Path names a file of a process.
func (r *Reader) Path(pid int, name string) string { return r.files.path(pid, name) }

// File reads a file of a process, at most 16 KiB of it, into a buffer that the next call overwrites.
func (r *Reader) File(pid int, name string) ([]byte, error) { return r.files.file(pid, name) }

// Arguments reads the arguments of a process, at most limit bytes of them. It gives up when the kernel does not answer.
func (r *Reader) Arguments(pid, limit int) ([]string, error) { return r.files.arguments(pid, limit) }

// BootTime returns when the machine started, seconds since the epoch; 0 when unknown.
func (r *Reader) BootTime() float64 { return r.files.bootTime() }

// Stat is what tells one process from another.
type Stat struct {
	Comm   string // the command's name, at most 15 bytes of anything
	State  byte   // R, S, D, Z, ...
	Parent int
	Kernel bool   // a kernel thread
	Start  uint64 // ticks of a hundredth of a second since the machine started
}

// Stat reads /proc/PID/stat.
func (r *Reader) Stat(pid int) (Stat, error) {
	text, err := r.files.file(pid, "stat")
	if err != nil {
		return Stat{}, err
	}
	s, err := parseStat(text)
	if err != nil {
		return Stat{}, err
	}
	return Stat{Comm: s.comm, State: s.state, Parent: s.ppid, Kernel: s.kernel, Start: s.start}, nil
}

// Unit returns the systemd service that the text of /proc/PID/cgroup tells, without ".service"; "" when there is none,
// and for what runs in a container.
func Unit(cgroup []byte) string { return serviceOf(cgroup) }

// Interpreter returns the language that a program of that name runs, "" for any other program: python3.11 is python.
func Interpreter(program string) string { return interpreter(program) }

// ProgramName names what a process runs, such as "nginx", "java:kafka" or "python:api/server".
func ProgramName(comm string, args []string) string { return programName(comm, args) }

// Mask joins a command line for people, at most 512 bytes of it, with what looks like a secret replaced by ***.
func Mask(args []string) string { return maskCommand(args) }
