package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/model"
)

// UpdatesOptions are those of a check of the kind updates.
type UpdatesOptions struct {
	Manager          string         `json:"manager" doc:"apt, dnf or yum; what is there by default."`
	Warning          check.Range    `json:"warning" doc:"Range of good numbers of updates that wait."`
	Critical         check.Range    `json:"critical" doc:"As warning, for CRITICAL."`
	SecurityWarning  check.Range    `json:"security_warning" doc:"Range of good numbers of security updates that wait."`
	SecurityCritical check.Range    `json:"security_critical" doc:"As security_warning, for CRITICAL; 0 by default: none may wait."`
	NoReboot         bool           `json:"no_reboot" doc:"A machine that wants to be started anew is no WARNING."`
	MaxAge           check.Duration `json:"max_age" doc:"How old the lists of packages may be before the check is WARNING; 7d by default, as old lists know no updates."`
}

func (o Options) newUpdates(p check.Params) (check.Prober, error) {
	u := UpdatesOptions{MaxAge: check.Duration(7 * 24 * time.Hour)}
	if err := check.Decode(p.Options, &u); err != nil {
		return nil, err
	}
	switch u.Manager {
	case "", "apt", "dnf", "yum":
	default:
		return nil, fmt.Errorf("manager: %q is not known; use apt, dnf or yum", u.Manager)
	}
	if !u.SecurityWarning.Set() && !u.SecurityCritical.Set() {
		u.SecurityCritical = mustRange("0")
	}
	return probe(func(ctx context.Context) model.CheckResult {
		w, err := u.ask(ctx, o.Runner)
		if err != nil {
			return unknown("UPDATES", err)
		}
		return u.judge(w, time.Now())
	}), nil
}

// waiting is what a package manager says.
type waiting struct {
	packages, security []string
	lists              time.Time // when the lists were fetched; zero when that is not known
	reboot             bool
}

func (u *UpdatesOptions) ask(ctx context.Context, r *plugin.Runner) (waiting, error) {
	managers := []string{u.Manager}
	if u.Manager == "" {
		managers = []string{"apt", "dnf", "yum"}
	}
	for _, m := range managers {
		name := map[string]string{"apt": "apt-get"}[m]
		if name == "" {
			name = m
		}
		path, err := plugin.LookUp(name, nil)
		if err != nil {
			continue
		}
		if m == "apt" {
			return askAPT(ctx, r, path)
		}
		return askDNF(ctx, r, path)
	}
	return waiting{}, fmt.Errorf("none of %s is on this machine", strings.Join(managers, ", "))
}

// run runs a package manager; ok are the exit codes that are answers.
func run(ctx context.Context, r *plugin.Runner, ok func(exit int) bool, argv ...string) (string, error) {
	ran, err := r.Run(ctx, plugin.Command{Argv: argv, Env: map[string]string{"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}, Limits: plugin.Limits{Output: 4 << 20}})
	if err != nil {
		return "", err
	}
	if ran.TimedOut {
		return "", fmt.Errorf("%s does not answer in time", argv[0])
	}
	if !ok(ran.Exit) {
		return "", fmt.Errorf("%s ends with exit code %d: %s", argv[0], ran.Exit, cutText(strings.TrimSpace(string(ran.Stderr)), 200))
	}
	return string(ran.Stdout), nil
}

func askAPT(ctx context.Context, r *plugin.Runner, path string) (waiting, error) {
	// Simulated, and without the lock, so that it works for every user and disturbs nobody.
	out, err := run(ctx, r, func(exit int) bool { return exit == 0 }, path, "-s", "-o", "Debug::NoLocking=true", "dist-upgrade")
	if err != nil {
		return waiting{}, err
	}
	w := parseAPT(out)
	for _, p := range []string{"/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"} {
		if fi, err := os.Stat(p); err == nil && fi.ModTime().After(w.lists) {
			w.lists = fi.ModTime()
		}
	}
	_, err = os.Stat("/run/reboot-required")
	w.reboot = err == nil
	return w, nil
}

// instLine is a line such as: Inst curl [7.88.1-10] (7.88.1-11 Debian-Security:12/stable-security [amd64]) []
var instLine = regexp.MustCompile(`^Inst (\S+) (?:\[\S+\] )?\((\S+) (.*?)\)`)

func parseAPT(out string) (w waiting) {
	for line := range strings.Lines(out) {
		m := instLine.FindStringSubmatch(line)
		if m == nil || !strings.Contains(line, " [") || len(w.packages) >= maxCerts {
			continue
		}
		w.packages = append(w.packages, m[1]+" "+m[2])
		if strings.Contains(strings.ToLower(m[3]), "security") {
			w.security = append(w.security, m[1]+" "+m[2])
		}
	}
	return w
}

func askDNF(ctx context.Context, r *plugin.Runner, path string) (waiting, error) {
	updates := func(exit int) bool { return exit == 0 || exit == 100 } // 100: there are updates
	out, err := run(ctx, r, updates, path, "-q", "-C", "check-update")
	if err != nil {
		return waiting{}, err
	}
	w := waiting{packages: parseDNF(out)}
	if out, err = run(ctx, r, updates, path, "-q", "-C", "--security", "check-update"); err != nil {
		return w, err
	}
	w.security = parseDNF(out)
	for _, p := range []string{"/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum"} {
		if fi, err := os.Stat(p); err == nil && fi.ModTime().After(w.lists) {
			w.lists = fi.ModTime()
		}
	}
	return w, nil
}

// parseDNF reads lines such as: bash.x86_64  5.1.8-9.el9  baseos. What is obsolete is listed behind them.
func parseDNF(out string) (packages []string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Obsoleting") {
			break
		}
		f := strings.Fields(line)
		if len(f) == 3 && strings.Contains(f[0], ".") && line[0] != ' ' && len(packages) < maxCerts {
			packages = append(packages, f[0]+" "+f[1])
		}
	}
	return packages
}

func (u *UpdatesOptions) judge(w waiting, now time.Time) model.CheckResult {
	var r report
	n, s := float64(len(w.packages)), float64(len(w.security))
	if st := r.rate("security", s, "", u.SecurityWarning, u.SecurityCritical); st != model.OK {
		r.fail(st, "%d security updates wait", len(w.security))
	}
	if st := r.rate("updates", n, "", u.Warning, u.Critical); st != model.OK {
		r.fail(st, "%d updates wait", len(w.packages))
	}
	if w.reboot && !u.NoReboot {
		r.fail(model.Warning, "the machine wants to be started anew")
	}
	if !w.lists.IsZero() && u.MaxAge > 0 && now.Sub(w.lists) > time.Duration(u.MaxAge) {
		r.fail(model.Warning, "the lists of packages are %s old", age(now.Sub(w.lists)))
	}
	for _, p := range w.security {
		r.lines = append(r.lines, "security: "+p)
	}
	r.lines = append(r.lines, w.packages...)
	r.lines = r.lines[:min(len(r.lines), 200)]
	return r.result("UPDATES", fmt.Sprintf("%d updates, %d for security", len(w.packages), len(w.security)))
}

var errNoAnswer = errors.New("the kernel does not say")
