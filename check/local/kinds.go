// Package local checks the machine on which Hulotte runs: processes, systemd's units, files, disks, mounts, certificates, updates,
// load, memory and the clock. File systems that hang are waited for no longer than the check may take (Waiter).
package local

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/model"
)

// Options are those of the package.
type Options struct {
	Waiter *Waiter        // a new one when nil
	Runner *plugin.Runner // a new one when nil
}

// Kinds are the kinds of this package.
func Kinds(o Options) []check.Kind {
	if o.Waiter == nil {
		o.Waiter = NewWaiter()
	}
	if o.Runner == nil {
		o.Runner = plugin.NewRunner()
	}
	kinds := []check.Kind{
		{Name: "process", Doc: "Whether processes run, how many, and what they use.", Options: &ProcessOptions{}, New: newProcess},
		{Name: "unit", Doc: "A unit of systemd (or all of them): active, failed, restarts.", Options: &UnitOptions{}, New: newUnit},
		{Name: "file", Doc: "Files and folders: whether they are there, how many, how old and how big.", Options: &FileOptions{}, New: o.newFile},
		{Name: "disk", Doc: "How full file systems are, in bytes and inodes.", Options: &DiskOptions{}, New: o.newDisk},
		{Name: "mount", Doc: "Whether something is mounted as it should be, can be written, and answers.", Options: &MountOptions{}, New: o.newMount},
		{Name: "certificate", Doc: "When certificates in files (PEM, DER, PKCS #12) expire.", Options: &CertificateOptions{}, New: o.newCertificate},
		{Name: "updates", Doc: "Updates of packages that wait, and which of them are for security (apt, dnf, yum).", Options: &UpdatesOptions{}, AtOnce: 1, New: o.newUpdates},
		{Name: "load", Doc: "The load averages.", Options: &LoadOptions{}, New: newLoad},
		{Name: "memory", Doc: "Memory and swap.", Options: &MemoryOptions{}, New: newMemory},
		{Name: "clock", Doc: "Whether the kernel's clock is synchronized, and how far it is off.", Options: &ClockOptions{}, New: newClock},
	}
	for i := range kinds {
		kinds[i].Local = true
	}
	return kinds
}

// prober is a check as a function. It is a pointer wherever it is a check.Prober: those are compared, which functions cannot be.
type prober struct {
	ask func(ctx context.Context) model.CheckResult
}

func probe(ask func(ctx context.Context) model.CheckResult) check.Prober { return &prober{ask} }

// Probe asks, and says when and for how long.
func (p *prober) Probe(ctx context.Context) model.CheckResult {
	start := time.Now()
	r := p.ask(ctx)
	r.Start, r.Duration = start, time.Since(start)
	return r
}

// report puts a result together: the worst status counts, and what is bad stands first.
type report struct {
	status model.Status
	bad    []string // in words, for the output
	lines  []string // of the long output
	perf   []model.Perf
}

// rate compares a value with ranges, and notes it as performance data.
func (r *report) rate(label string, v float64, unit string, warn, crit check.Range) model.Status {
	s := check.Rate(v, warn, crit)
	r.worst(s)
	r.perf = append(r.perf, model.Perf{Label: label, Value: v, Unit: unit, Warn: warn.String(), Crit: crit.String()})
	return s
}

func (r *report) worst(s model.Status) {
	if s.Severity() > r.status.Severity() {
		r.status = s
	}
}

// fail notes something that is bad.
func (r *report) fail(s model.Status, format string, args ...any) {
	r.worst(s)
	r.bad = append(r.bad, fmt.Sprintf(format, args...))
}

// maxBad is how many bad things are named in the output. All stand in the long output.
const maxBad = 5

// result names what is bad, or says what is good.
func (r *report) result(what, good string) model.CheckResult {
	text := good
	if len(r.bad) > 0 {
		text = strings.Join(r.bad[:min(len(r.bad), maxBad)], ", ")
		if n := len(r.bad) - maxBad; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
	}
	return model.CheckResult{Status: r.status, Output: what + " " + r.status.String() + " - " + text, Long: strings.Join(r.lines, "\n"), Perf: r.perf}
}

func unknown(what string, err error) model.CheckResult {
	return model.CheckResult{Status: model.Unknown, Output: what + " UNKNOWN - " + err.Error()}
}

// hundredths leaves two digits behind the point, as a percentage has no more to say.
func hundredths(v float64) float64 { return math.Round(100*v) / 100 }

// humanSize writes a size as people do.
func humanSize(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// age writes a duration as people do: 3d 4h, 5m 6s.
func age(d time.Duration) string {
	sign := ""
	if d < 0 {
		d, sign = -d, "-"
	}
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%s%dd %dh", sign, d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%s%dh %dm", sign, d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%s%dm %ds", sign, d/time.Minute, d%time.Minute/time.Second)
	}
	return sign + d.Round(time.Millisecond).String()
}

// mustRange is a range that is written in the code.
func mustRange(text string) check.Range {
	r, err := check.ParseRange(text)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return r
}

// orDefault is a range, or the one that holds when none is given.
func orDefault(r check.Range, text string) check.Range {
	if r.Set() {
		return r
	}
	return mustRange(text)
}
