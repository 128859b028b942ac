package probe

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// report is filled while a probe runs. One goroutine writes it.
type report struct {
	status   model.Status
	problems []string // the worst first
	facts    []string
	greeting string // what the other side said, without the time that it took
	long     []string
	perf     []model.Perf
	metrics  []model.CheckMetric
	log      *slog.Logger // what the debug output of /probe shows
}

func newReport() *report {
	return &report{log: slog.New(slog.DiscardHandler)}
}

// fact adds to what is said when all is well.
func (r *report) fact(format string, args ...any) {
	r.facts = append(r.facts, sentence(format, args...))
}

// hello is what is said first when all is well; the time that it took is added.
func (r *report) hello(format string, args ...any) { r.greeting = sentence(format, args...) }

// problem makes the status at least as bad, and is said first.
func (r *report) problem(status model.Status, format string, args ...any) {
	text := sentence(format, args...)
	r.log.Error(text)
	if status.Severity() > r.status.Severity() {
		r.status = status
		r.problems = slices.Insert(r.problems, 0, text)
		return
	}
	r.problems = append(r.problems, text)
}

// failed tells an error, CRITICAL or UNKNOWN by what it is.
func (r *report) failed(err error) { r.problem(statusOf(err), "%s", explain(err)) }

// detail adds a line to the long output.
func (r *report) detail(format string, args ...any) {
	r.long = append(r.long, sentence(format, args...))
}

// maxSentence bounds what peers can put into the output.
const maxSentence = 512

// sentence formats, in one line of printable text.
func sentence(format string, args ...any) string {
	return printable(fmt.Sprintf(format, args...), maxSentence)
}

// printable is text without line breaks, control characters and invalid UTF-8, cut after limit bytes.
func printable(text string, limit int) string {
	cut := len(text) > limit
	if cut {
		text = text[:limit]
	}
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x2028 || c == 0x2029 {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	text = strings.TrimSpace(text)
	if cut {
		text += "..."
	}
	return text
}

// metric adds one sample; labels are pairs of name and value, sorted by name.
func (r *report) metric(name, help string, v float64, labels ...string) {
	m := model.CheckMetric{Name: name, Help: help, Value: v}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Labels = append(m.Labels, model.Field{Name: labels[i], Value: labels[i+1]})
	}
	r.metrics = append(r.metrics, m)
}

// value adds performance data and rates it; what names the value in a problem, with %s in place of the value as people read it.
func (r *report) value(label string, v float64, unit string, warn, crit check.Range, what string) {
	r.perf = append(r.perf, model.Perf{Label: label, Value: v, Unit: unit, Warn: warn.String(), Crit: crit.String()})
	status := check.Rate(v, warn, crit)
	if status == model.OK {
		return
	}
	threshold, word := crit, "critical"
	if status == model.Warning {
		threshold, word = warn, "warning"
	}
	r.problem(status, what+" (%s %s)", readable(v, unit), word, threshold)
}

// duration is value for seconds.
func (r *report) duration(label string, d time.Duration, warn, crit check.Range, what string) {
	r.value(label, round(d.Seconds()), "s", warn, crit, what)
	zero := 0.0
	r.perf[len(r.perf)-1].Min = &zero
}

// round keeps microseconds: what is below is noise.
func round(seconds float64) float64 { return float64(int64(seconds*1e6+0.5)) / 1e6 }

func readable(v float64, unit string) string {
	switch unit {
	case "s":
		return duration(time.Duration(v * float64(time.Second)))
	case "B":
		return size(int64(v))
	}
	return fmt.Sprintf("%.4g%s", v, unit)
}

// duration is "34 ms" or "1.2 s".
func duration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%s%.2g ms", sign, float64(d)/1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%s%.3g ms", sign, float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%s%d ms", sign, d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%s%.3g s", sign, d.Seconds())
	}
	return sign + d.Round(time.Second).String()
}

// size is "1.2 kB".
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.3g kB", float64(n)/1e3)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%.3g MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.3g GB", float64(n)/1e9)
}

// result is what the engine gets.
func (r *report) result(start time.Time, took time.Duration) model.CheckResult {
	success := 0.0
	if r.status == model.OK || r.status == model.Warning {
		success = 1
	}
	r.metric("probe_success", helpSuccess, success)
	r.metric("probe_duration_seconds", helpDuration, took.Seconds())
	slices.SortStableFunc(r.metrics, func(a, b model.CheckMetric) int { return cmp.Compare(a.Name, b.Name) })
	return model.CheckResult{
		Status: r.status, Output: strings.Join(append(r.problems, r.facts...), "; "), Long: strings.Join(r.long, "\n"),
		Perf: r.perf, Metrics: r.metrics, Start: start, Duration: took,
	}
}

const (
	helpSuccess  = "Displays whether or not the probe was a success"
	helpDuration = "Returns how long the probe took to complete in seconds"
)
