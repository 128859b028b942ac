package tail

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// systemLogs are what is followed besides the places that the catalogue of formats knows.
var systemLogs = []string{
	"/var/log/*.log", "/var/log/syslog", "/var/log/messages", "/var/log/secure", "/var/log/maillog", "/var/log/cron", "/var/log/*/*.log", "/var/log/*/*_log",
}

// neverLogs are in those places and hold no text, or what is elsewhere already.
var neverLogs = []string{
	"wtmp*", "btmp*", "lastlog", "faillog", "*.journal", "tallylog", "*.gz", "*.xz", "/var/log/journal/**", "/var/log/pods/**", "/var/log/containers/**",
	"/var/log/installer/**", "/var/log/sysstat/**", "/var/log/atop/**",
}

// journalCopies are the files into which a syslog daemon writes what is in the journal too: with a journal they would bring everything
// twice.
var journalCopies = []string{
	"/var/log/syslog", "/var/log/messages", "/var/log/secure", "/var/log/maillog", "/var/log/mail.*", "/var/log/cron", "/var/log/cron.log",
	"/var/log/auth.log", "/var/log/kern.log", "/var/log/daemon.log", "/var/log/user.log", "/var/log/debug", "/var/log/boot.log",
}

// wellKnown are the logs of the system and of services in their usual places.
func wellKnown(o Options) []*input {
	paths := append([]string(nil), systemLogs...)
	for _, f := range logformat.All() {
		if f.Name == "docker_json" || f.Name == "cri" {
			continue
		}
		paths = append(paths, f.Files...)
	}
	return []*input{{FileInput: FileInput{Paths: below(o.RootFS, paths), Start: StartRecent, auto: true}, exclude: autoExclude(o)}}
}

// autoExclude are the files that nobody follows who was not told to.
func autoExclude(o Options) []string {
	globs := append(below(o.RootFS, neverLogs), o.Exclude...)
	if o.Journal != nil {
		globs = append(globs, below(o.RootFS, journalCopies)...)
	}
	return globs
}

// below puts a root before absolute paths.
func below(root string, paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		if strings.HasPrefix(p, "/") {
			p = filepath.Join(root, p)
		}
		out[i] = p
	}
	return out
}

// openedInput is for files that running processes write to.
func (t *Tailer) openedInput() *input {
	return &input{FileInput: FileInput{Start: StartRecent, auto: true}, exclude: autoExclude(t.opts)}
}

// of is the input for the files of one service.
func (in *input) of(service string) *input {
	c := *in
	if service != "" {
		c.labels = []model.Field{{Name: "service_name", Value: service}}
	}
	return &c
}

const (
	// The most that is looked at in /proc in one scan.
	maxScanned    = 5000 // processes
	maxDescriptor = 1024 // open files of each
	maxOpenLogs   = 500  // found
	// openLogsEvery is how often that is done: it is the only thing here whose cost grows with the number of processes.
	openLogsEvery = 30 * time.Second
)

// logPlaces are parts of a path that make a file, which a process writes to, a log.
var logPlaces = []string{"/var/log/", "/log/", "/logs/"}

// openLogs finds the logs that running processes have open for writing, with the name of the process: files named *.log or *.out, or below a
// folder of logs; not those that only a build or a shell in /tmp or /home writes.
func openLogs(procfs, root string) map[string]string {
	found := map[string]string{}
	pids, err := os.ReadDir(procfs)
	if err != nil {
		return found
	}
	self := strconv.Itoa(os.Getpid())
	scanned := 0
	for _, e := range pids {
		if _, err := strconv.Atoi(e.Name()); err != nil || e.Name() == self {
			continue
		}
		if scanned++; scanned > maxScanned || len(found) >= maxOpenLogs {
			break
		}
		openLogsOf(filepath.Join(procfs, e.Name()), root, found)
	}
	return found
}

func openLogsOf(proc, root string, found map[string]string) {
	dir, err := os.Open(filepath.Join(proc, "fd"))
	if err != nil {
		return // gone, or not ours to look at
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxDescriptor) // what was read so far is good
	for _, fd := range names {
		link := filepath.Join(proc, "fd", fd)
		path, err := os.Readlink(link)
		if err != nil || !isLogPlace(path) {
			continue
		}
		here := filepath.Join(root, path)
		if found[here] != "" || !writes(filepath.Join(proc, "fdinfo", fd)) || !sameFile(link, here) {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(proc, "comm"))
		if err != nil || len(found) >= maxOpenLogs {
			return
		}
		found[here] = strings.ToValidUTF8(strings.TrimSpace(string(comm)), "_")
	}
}

// sameFile says whether two paths lead to one file: in a container the same path is another one.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

func isLogPlace(path string) bool {
	if !filepath.IsAbs(path) || strings.HasSuffix(path, " (deleted)") || isPacked(path) {
		return false
	}
	for _, place := range []string{"/tmp/", "/var/tmp/", "/home/", "/root/", "/proc/", "/dev/", "/sys/", "/run/", "/var/lib/docker/", "/var/log/journal/", "/var/log/pods/"} {
		if strings.HasPrefix(path, place) {
			return false
		}
	}
	if ext := filepath.Ext(path); ext != ".log" && ext != ".out" && ext != ".err" && ext != "" {
		return false
	}
	for _, place := range logPlaces {
		if strings.Contains(path, place) {
			return true
		}
	}
	return strings.HasSuffix(path, ".log")
}

// writes says whether a descriptor is open for writing: the last digits of "flags:" are the access mode (proc_pid_fdinfo(5)).
func writes(fdinfo string) bool {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(text), "flags:")
	flags, err := strconv.ParseUint(strings.TrimSpace(firstLine(rest)), 8, 64)
	return ok && err == nil && flags&(uint64(os.O_WRONLY)|uint64(os.O_RDWR)) != 0
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
