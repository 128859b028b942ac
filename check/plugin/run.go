package plugin

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hulotte-dev/hulotte/model"
)

const (
	// marker is the environment variable by which every process that a plugin started is found again, however it left the
	// plugin's group, session and parent.
	marker = "HULOTTE_PLUGIN_RUN"
	// drainTime is how long output is awaited from children that a plugin which has ended left behind with its output open.
	drainTime = 200 * time.Millisecond
	// flood is how much output a plugin may write before it is stopped. A million lines pass, of which the first are kept.
	flood = 64 << 20
	// maxStderr is what is kept of the complaints, which are shown only when nothing else was written.
	maxStderr = 4 << 10
)

// Limits bound what a plugin and its children may use; each process has them for itself (setrlimit(2)).
type Limits struct {
	Memory  uint64        // bytes of data (RLIMIT_DATA); 1 GiB when 0, none when the highest number
	CPU     time.Duration // whole seconds, rounded up; twice the time that the context leaves, plus 1 s, when 0
	Files   uint64        // open files; 1024 when 0
	Output  int           // bytes of standard output that are kept; 64 KiB when 0
	NoLimit bool          // Memory, CPU and Files are those of this process
}

// Command is what to run. No shell is involved.
type Command struct {
	Argv []string // the first is a whole path
	// Env is added to the variables of this process that plugins may see: PATH, HOME, USER, LOGNAME, LANG, LC_*, TZ, TMPDIR.
	Env map[string]string
	Dir string // "/" when empty
	// Credential is the user to run as; nil for that of this process.
	Credential *syscall.Credential
	Limits     Limits
	// LeaveChildren leaves alone what the plugin started and did not wait for. Else it is killed.
	LeaveChildren bool
}

// Ran is how a command ended.
type Ran struct {
	Exit     int            // -1 when a signal ended it
	Signal   syscall.Signal // that ended it; 0 for none
	Stdout   []byte         // at most Limits.Output
	Stderr   []byte
	Cut      bool // Stdout was longer
	Flood    bool // it was stopped because it wrote without end
	TimedOut bool // it was stopped because the context ended
	Duration time.Duration
}

// Runner runs commands and makes sure that nothing of them stays. Its methods may be called by many goroutines.
type Runner struct {
	reaper  reaper
	prlimit string // the path of prlimit(1); "" when there is none
}

// NewRunner makes a runner; a process needs one.
func NewRunner() *Runner {
	r := &Runner{reaper: newReaper()}
	for _, path := range []string{"/usr/bin/prlimit", "/bin/prlimit"} {
		if executable(path) == nil {
			r.prlimit = path
			break
		}
	}
	return r
}

// Run runs a command until it ends or the context does, when the command is killed with everything that it started. The error
// is that of a command that could not be started.
func (r *Runner) Run(ctx context.Context, c Command) (Ran, error) {
	if len(c.Argv) == 0 {
		return Ran{}, errors.New("cannot run an empty command")
	}
	run, done := r.reaper.begin(c.LeaveChildren)
	defer done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	stdout := &bounded{limit: c.Limits.output(), flood: flood, stop: cancel}
	stderr := &bounded{limit: maxStderr, flood: flood, stop: cancel}
	limits := c.Limits.list(ctx)
	argv := c.Argv
	if r.prlimit != "" {
		if err := executable(argv[0]); err != nil { // prlimit would say it less clearly
			return Ran{}, err
		}
		argv = limited(r.prlimit, limits, argv)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = append(environment(c.Env), marker+"="+run)
	// A group of its own, so that one signal reaches its children. Not Pdeathsig: it follows the thread that started the
	// process, and threads end when code that locked them (to enter a namespace) does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.Credential}
	cmd.Cancel = func() error {
		r.reaper.kill(cmd.Process.Pid, run)
		return nil
	}
	cmd.WaitDelay = drainTime

	start := time.Now()
	if err := cmd.Start(); err != nil {
		return Ran{}, fmt.Errorf("cannot run %s: %w", c.Argv[0], startError(err))
	}
	if r.prlimit == "" {
		limitProcess(cmd.Process.Pid, limits)
	}
	_ = cmd.Wait() // what it says is in the process' state
	ran := Ran{Duration: time.Since(start), Stdout: stdout.bytes(), Stderr: stderr.bytes(), Cut: stdout.cut, Exit: cmd.ProcessState.ExitCode()}
	ran.Flood = stdout.flooded || stderr.flooded
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		ran.Signal = ws.Signal()
	}
	// A plugin that ended by itself just before its time was up has answered.
	ran.TimedOut = ctx.Err() != nil && !ran.Flood && ran.Exit < 0
	if !c.LeaveChildren {
		r.reaper.after(cmd.Process.Pid, run, !stdout.ended || !stderr.ended || ctx.Err() != nil)
	}
	return ran, nil
}

// startError leaves out the path that os.PathError repeats.
func startError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		if pe.Op == "chdir" {
			return fmt.Errorf("its working folder %s: %w", pe.Path, pe.Err)
		}
		return pe.Err
	}
	var ee *exec.Error
	if errors.As(err, &ee) {
		return ee.Err
	}
	return err
}

// Result makes the result of a check of how a command ended.
func (ran Ran) Result() model.CheckResult {
	stdout := ran.Stdout
	if ran.Cut { // the last line is not whole, and half a number is a wrong one
		if i := bytes.LastIndexByte(stdout, '\n'); i >= 0 {
			stdout = stdout[:i]
		}
	}
	r := Parse(ran.Exit, stdout)
	said := len(bytes.TrimSpace(stdout)) > 0
	if !said && len(bytes.TrimSpace(ran.Stderr)) > 0 {
		said = true
		line, rest, _ := strings.Cut(strings.TrimSpace(string(ran.Stderr)), "\n")
		r.Output = "(no output, but an error) " + clean(line)
		r.Long = cleanLines(rest)
		if r.Status == model.Unknown && ran.Exit > 3 {
			r.Output = fmt.Sprintf("exit code %d is none of a plugin: %s", ran.Exit, r.Output)
		}
	}
	if ran.Cut {
		r.Long += fmt.Sprintf("\n(cut: only the first %d KiB of the output are kept)", len(ran.Stdout)>>10)
	}
	why := ""
	switch {
	case ran.TimedOut:
		r.Status, why = model.Critical, fmt.Sprintf("stopped after %s: the plugin did not end in time", ran.Duration.Round(10*time.Millisecond))
	case ran.Flood:
		r.Status, why = model.Unknown, fmt.Sprintf("stopped: the plugin wrote more than %d MiB", flood>>20)
	case ran.Signal != 0:
		r.Status, why = model.Unknown, fmt.Sprintf("the plugin was killed by signal %d (%s)", int(ran.Signal), unix.SignalName(ran.Signal))
	}
	if why != "" {
		text := Parse(0, stdout).Output
		if said && text != "(no output)" {
			why += ": " + text
		}
		r.Output = why
	}
	r.Duration = ran.Duration
	return r
}

// passed are the variables of this process that plugins see. Credentials that Hulotte was given are not among them.
var passed = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"}

// defaultPath is what plugins get when this process has none, as under some init systems.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func environment(add map[string]string) []string {
	env := map[string]string{"PATH": defaultPath}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if slices.Contains(passed, name) || strings.HasPrefix(name, "LC_") {
			env[name] = value
		}
	}
	for name, value := range add {
		env[name] = value
	}
	list := make([]string, 0, len(env)+1)
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

func (l Limits) output() int {
	if l.Output <= 0 {
		return maxLong
	}
	return l.Output
}

// limit is one resource limit, and what prlimit(1) calls it.
type limit struct {
	resource int
	name     string
	value    uint64
}

// list is the limits of a command that may run until the context ends. None is above what this process may set.
func (l Limits) list(ctx context.Context) []limit {
	list := []limit{{unix.RLIMIT_CORE, "core", 0}}
	if l.NoLimit {
		return list
	}
	memory, files, cpu := l.Memory, l.Files, l.CPU
	if memory == 0 {
		memory = 1 << 30
	}
	if files == 0 {
		files = 1024
	}
	if cpu == 0 {
		cpu = time.Minute
		if end, ok := ctx.Deadline(); ok {
			cpu = 2*time.Until(end) + time.Second
		}
	}
	list = append(list, limit{unix.RLIMIT_DATA, "data", memory}, limit{unix.RLIMIT_NOFILE, "nofile", files},
		limit{unix.RLIMIT_CPU, "cpu", uint64(max(1, (cpu+time.Second-1)/time.Second))})
	for i := range list {
		var have unix.Rlimit
		if unix.Getrlimit(list[i].resource, &have) == nil {
			list[i].value = min(list[i].value, have.Max)
		}
	}
	return list
}

// limited puts prlimit(1), which every Linux distribution has, in front of a command.
func limited(prlimit string, limits []limit, argv []string) []string {
	out := []string{prlimit}
	for _, l := range limits {
		value := "unlimited"
		if l.value != unix.RLIM_INFINITY {
			value = strconv.FormatUint(l.value, 10)
		}
		out = append(out, "--"+l.name+"="+value)
	}
	return append(append(out, "--"), argv...)
}

// limitProcess sets the limits of a process that has just started, for machines without prlimit(1). Its children inherit them, but
// for those that it started meanwhile. A plugin with the set-user-ID bit (check_icmp) can only be limited by root, and else is not.
func limitProcess(pid int, limits []limit) {
	for _, l := range limits {
		_ = unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}, nil)
	}
}

// bounded keeps the first bytes, lets a lot more pass, and then stops who writes.
type bounded struct {
	limit, flood int
	stop         func()
	kept         []byte
	seen         int
	cut, flooded bool
	ended        bool // every process closed its end
}

// ReadFrom reads until the end, which it remembers. os/exec calls it instead of Write.
func (b *bounded) ReadFrom(r io.Reader) (int64, error) {
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		_, _ = b.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			b.ended = true
			return int64(b.seen), nil
		}
		if err != nil {
			return int64(b.seen), err
		}
	}
}

// Write is called by one goroutine at a time; the fields are read after it has ended.
func (b *bounded) Write(p []byte) (int, error) {
	b.seen += len(p)
	room := b.limit - len(b.kept)
	if len(p) > room {
		b.cut = true
	}
	b.kept = append(b.kept, p[:min(len(p), room)]...)
	if b.seen > b.flood && !b.flooded {
		b.flooded = true
		b.stop()
	}
	return len(p), nil
}

func (b *bounded) bytes() []byte { return b.kept }

// newRun is a name for one run that nobody can guess, so that no process pretends to belong to one.
func newRun() string { return rand.Text() }

// Dirs are the folders in which distributions install plugins.
func Dirs() []string {
	return []string{"/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins", "/usr/lib/monitoring-plugins", "/usr/local/nagios/libexec",
		"/usr/local/lib/nagios/plugins", "/usr/local/libexec/nagios"}
}

// LookUp finds a command: an absolute path as it is, a name in dirs and then in PATH.
func LookUp(name string, dirs []string) (string, error) {
	if filepath.IsAbs(name) {
		return name, executable(name)
	}
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("%s is a relative path: write the whole path, or the plugin's name", name)
	}
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); executable(path) == nil {
			return path, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil && filepath.IsAbs(path) {
		return path, nil
	}
	return "", fmt.Errorf("%s is neither in %s nor in PATH: install it (Debian: monitoring-plugins) or write its whole path", name, strings.Join(dirs, ", "))
}

func executable(path string) error {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot run %s: %w", path, startError(err))
	case fi.IsDir() || fi.Mode()&0o111 == 0:
		return fmt.Errorf("cannot run %s: it is no executable file", path)
	}
	return nil
}
