// Package plugin runs Nagios plugins unmodified and reads what they write: exit code, output, long output and performance data
// (Parse, ParsePerf, FormatPerf), and commands with time, size and resource limits (Runner).
// Nothing of a command outlives its run.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Options are those of the package.
type Options struct {
	// Dirs are where plugins are looked for that are named without a path; Dirs() when empty.
	Dirs []string
	// Runner is shared with others that run commands; a new one when nil.
	Runner *Runner
}

// CheckOptions are those of a check of the kind plugin.
type CheckOptions struct {
	Command       Argv              `json:"command" doc:"The plugin and its arguments, as a list or one text. A plugin without a path is looked for in the usual folders. $HOSTNAME$, $HOSTADDRESS$ and $SERVICEDESC$ are replaced. No shell runs."`
	Env           map[string]string `json:"env" doc:"Environment variables for the plugin, besides PATH, HOME, USER, LOGNAME, LANG, LC_*, TZ and TMPDIR."`
	Dir           string            `json:"dir" doc:"Working folder; / by default."`
	User          string            `json:"user" doc:"User to run as, by name or number; needs root."`
	Memory        int64             `json:"memory" doc:"Bytes of memory that each process may use; 1 GiB by default, -1 for no limit."`
	CPUTime       check.Duration    `json:"cpu_time" doc:"Processor time that each process may use; twice the timeout by default."`
	OpenFiles     int               `json:"open_files" doc:"Files that each process may have open; 1024 by default."`
	MaxOutput     int               `json:"max_output" doc:"Bytes of output that are kept; 64 KiB by default, at most 1 MiB."`
	TimeoutStatus string            `json:"timeout_status" doc:"Status when the plugin does not end in time: OK, WARNING, CRITICAL (default) or UNKNOWN."`
	LeaveChildren bool              `json:"leave_children" doc:"Leave processes alone that the plugin started and that are still there when it has ended, such as a shared ssh connection."`
	Negate        map[string]string `json:"negate" doc:"Statuses to replace, such as {OK: CRITICAL, CRITICAL: OK}."`
}

// maxKept is the most that max_output may be: it is kept in memory for each check that runs.
const maxKept = 1 << 20

// atOnce bounds the plugins that run at one time: each is a process or several, of some 10 MiB. When all of a network's hosts are
// down, hundreds wait for their time limits.
const atOnce = 100

// Kinds are the kinds of this package.
func Kinds(o Options) []check.Kind {
	if len(o.Dirs) == 0 {
		o.Dirs = Dirs()
	}
	if o.Runner == nil {
		o.Runner = NewRunner()
	}
	return []check.Kind{{
		Name:    "plugin",
		Doc:     "Runs a Nagios plugin: its exit code is the status, its first line the output, what follows a | the performance data.",
		Options: &CheckOptions{},
		AtOnce:  atOnce,
		New:     func(p check.Params) (check.Prober, error) { return newProber(o, p) },
	}}
}

type prober struct {
	runner  *Runner
	argv    []string
	dirs    []string
	command Command
	late    model.Status
	negate  map[model.Status]model.Status
}

func newProber(o Options, p check.Params) (check.Prober, error) {
	var c CheckOptions
	if err := check.Decode(p.Options, &c); err != nil {
		return nil, err
	}
	if len(c.Command) == 0 || c.Command[0] == "" {
		return nil, errors.New(`command: missing; name the plugin and its arguments, ["check_http", "-H", "$HOSTADDRESS$"]`)
	}
	pr := &prober{runner: o.Runner, dirs: o.Dirs, late: model.Critical}
	pr.argv = Expand(c.Command, p)
	if strings.Contains(pr.argv[0], "/") && !filepath.IsAbs(pr.argv[0]) {
		return nil, fmt.Errorf("command: %s is a relative path; write the whole path, or the plugin's name", pr.argv[0])
	}
	if c.TimeoutStatus != "" {
		if err := pr.late.UnmarshalText([]byte(c.TimeoutStatus)); err != nil || pr.late == model.Pending {
			return nil, fmt.Errorf("timeout_status: %q is none; use OK, WARNING, CRITICAL or UNKNOWN", c.TimeoutStatus)
		}
	}
	var err error
	if pr.negate, err = parseNegate(c.Negate); err != nil {
		return nil, err
	}
	pr.command, err = c.command(p)
	return pr, err
}

// command is what stays the same at every run.
func (c *CheckOptions) command(p check.Params) (Command, error) {
	limits := Limits{CPU: time.Duration(c.CPUTime), Files: uint64(max(0, c.OpenFiles)), Output: c.MaxOutput}
	switch {
	case c.Memory < -1:
		return Command{}, errors.New("memory: write bytes, or -1 for no limit")
	case c.Memory == -1:
		limits.Memory = ^uint64(0) // RLIM_INFINITY
	default:
		limits.Memory = uint64(c.Memory)
	}
	switch {
	case c.CPUTime < 0:
		return Command{}, errors.New("cpu_time: write a duration such as 20s")
	case c.OpenFiles < 0:
		return Command{}, errors.New("open_files: write a number such as 1024")
	case c.MaxOutput < 0 || c.MaxOutput > maxKept:
		return Command{}, fmt.Errorf("max_output: write bytes, at most %d", maxKept)
	case c.Dir != "" && !filepath.IsAbs(c.Dir):
		return Command{}, fmt.Errorf("dir: %s is a relative path; write the whole path", c.Dir)
	}
	env := map[string]string{"NAGIOS_HOSTNAME": p.Host, "NAGIOS_HOSTADDRESS": p.Address, "NAGIOS_SERVICEDESC": p.Name}
	for name := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || name == marker || strings.ContainsRune(c.Env[name], 0) {
			return Command{}, fmt.Errorf("env: %q is no name of a variable", name)
		}
	}
	maps.Copy(env, c.Env)
	cmd := Command{Env: env, Dir: c.Dir, Limits: limits, LeaveChildren: c.LeaveChildren}
	if c.User != "" {
		var err error
		if cmd.Credential, err = Credential(c.User); err != nil {
			return Command{}, fmt.Errorf("user: %w", err)
		}
	}
	return cmd, nil
}

// Probe runs the plugin once.
func (p *prober) Probe(ctx context.Context) model.CheckResult {
	start := time.Now()
	unknown := func(err error) model.CheckResult {
		return model.CheckResult{Status: model.Unknown, Output: err.Error(), Start: start, Duration: time.Since(start)}
	}
	path, err := LookUp(p.argv[0], p.dirs) // at every run: plugins are installed and removed
	if err != nil {
		return unknown(err)
	}
	c := p.command
	c.Argv = slices.Concat([]string{path}, p.argv[1:])
	// The plugin is stopped a moment before our own time is up, so that the answer is there in time.
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-min(drainTime, time.Until(end)/10)))
		defer cancel()
	}
	ran, err := p.runner.Run(ctx, c)
	if err != nil {
		return unknown(err)
	}
	r := ran.Result()
	r.Start = start
	if ran.TimedOut {
		r.Status = p.late
	} else if s, ok := p.negate[r.Status]; ok {
		r.Status = s
	}
	return r
}

// Expand replaces the macros of a command line. Those that are not known stay as they are, $$ is a dollar sign.
func Expand(argv []string, p check.Params) []string {
	r := strings.NewReplacer("$HOSTNAME$", p.Host, "$HOSTADDRESS$", p.Address, "$SERVICEDESC$", p.Name, "$$", "$")
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = r.Replace(a)
	}
	return out
}

func parseNegate(texts map[string]string) (map[model.Status]model.Status, error) {
	negate := map[model.Status]model.Status{}
	for from, to := range texts {
		var f, t model.Status
		if err := errors.Join(f.UnmarshalText([]byte(from)), t.UnmarshalText([]byte(to))); err != nil {
			return nil, fmt.Errorf("negate: %w", err)
		}
		negate[f] = t
	}
	return negate, nil
}

// Credential finds a user by name or number, with its groups.
func Credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("there is no user %q on this machine", name)
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	if os.Geteuid() != 0 && os.Geteuid() != int(uid) {
		return nil, fmt.Errorf("only root can run a plugin as %s: run Hulotte as root, or leave user out and use sudo", name)
	}
	c := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: os.Geteuid() != 0}
	ids, _ := u.GroupIds()
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(n))
		}
	}
	return c, nil
}
