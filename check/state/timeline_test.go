package state

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

var update = flag.Bool("update", false, "write what happens into testdata")

// TestTimelines runs the scripts of testdata; testdata/README.md says how they are written. Lines that begin with a space are
// what happened.
func TestTimelines(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d timelines, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := string(b)
			got := runTimeline(t, want)
			switch {
			case got == want:
			case *update:
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("it went otherwise (-update writes it):\n%s", got)
			}
		})
	}
}

// timeline is one run of a script. It does around the machines what the engine does.
type timeline struct {
	t         *testing.T
	line      int
	out       strings.Builder
	now       time.Time
	hosts     []check.Host
	specs     []check.Spec
	order     []string // IDs, hosts first
	machines  map[string]*Machine
	graph     *Graph
	downtimes []check.Downtime
	quiet     bool // outside the notification period
}

func runTimeline(t *testing.T, script string) string {
	l := &timeline{t: t, now: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), machines: map[string]*Machine{}}
	for line := range strings.Lines(script) {
		l.line++
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") {
			continue
		}
		l.out.WriteString(line + "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			l.input(strings.Fields(line))
		}
	}
	return l.out.String()
}

func (l *timeline) fatal(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("line %d: %s", l.line, fmt.Sprintf(format, args...))
}

func (l *timeline) input(words []string) {
	switch words[0] {
	case "host":
		l.declare(words[1]+"/"+check.HostCheck, words[2:])
	case "check":
		l.declare(words[1], words[2:])
	case "day":
		l.now = l.parse("2006-01-02", words[1])
	default:
		l.at(words[0])
		l.event(words[1:])
	}
}

func (l *timeline) parse(layout, text string) time.Time {
	t, err := time.Parse(layout, text)
	if err != nil {
		l.fatal("%v", err)
	}
	return t
}

// clock reads 12:30, 12:30:15 or 2026-03-02T12:30, of the day that it is now.
func (l *timeline) clock(text string) time.Time {
	if strings.Contains(text, "T") {
		return l.parse("2006-01-02T15:04", text)
	}
	if strings.Count(text, ":") == 1 {
		text += ":00"
	}
	c := l.parse("15:04:05", text)
	y, m, d := l.now.Date()
	return time.Date(y, m, d, c.Hour(), c.Minute(), c.Second(), 0, time.UTC)
}

func (l *timeline) at(text string) {
	next := l.clock(text)
	if next.Before(l.now) {
		l.fatal("the time runs back")
	}
	l.now = next
}

// declare reads host NAME or check HOST/NAME with options.
func (l *timeline) declare(id string, options []string) {
	spec := check.Spec{MaxAttempts: 3}
	spec.Host, spec.Name, _ = strings.Cut(id, "/")
	host := check.Host{Name: spec.Host}
	for _, o := range options {
		l.option(&host, &spec, o)
	}
	set := Settings{Host: spec.Name == check.HostCheck, MaxAttempts: spec.MaxAttempts, Volatile: spec.Volatile, Flap: !spec.NoFlapDetection,
		FlapLow: spec.FlapLow, FlapHigh: spec.FlapHigh, StaleStatus: spec.StaleStatus}
	if m := l.machines[id]; m != nil {
		m.SetSettings(set)
		i := slices.IndexFunc(l.specs, func(s check.Spec) bool { return s.ID() == id })
		l.specs[i] = spec
	} else {
		l.machines[id] = New(set)
		l.specs = append(l.specs, spec)
		l.order = append(l.order, id)
	}
	if set.Host {
		l.hosts = append(l.hosts, host)
	}
	var err error
	if l.graph, err = NewGraph(l.hosts, l.specs); err != nil {
		l.fatal("%v", err)
	}
}

func (l *timeline) option(host *check.Host, spec *check.Spec, o string) {
	key, value, _ := strings.Cut(o, "=")
	switch key {
	case "parents":
		host.Parents = strings.Split(value, ",")
	case "attempts":
		spec.MaxAttempts, _ = strconv.Atoi(value)
	case "volatile":
		spec.Volatile = true
	case "flap":
		spec.NoFlapDetection = value == "off"
		_, _ = fmt.Sscanf(value, "%f/%f", &spec.FlapLow, &spec.FlapHigh)
	case "freshness":
		spec.Freshness = check.Duration(l.length(value))
	case "stale":
		l.status(value, &spec.StaleStatus)
	case "needs":
		spec.DependsOn = append(spec.DependsOn, l.dependency(value))
	default:
		l.fatal("option %q", o)
	}
}

// dependency reads host/name[,fail=WARNING+CRITICAL][,group=x][,nocheck].
func (l *timeline) dependency(text string) check.Dependency {
	parts := strings.Split(text, ",")
	var d check.Dependency
	d.Host, d.Name, _ = strings.Cut(parts[0], "/")
	for _, p := range parts[1:] {
		key, value, _ := strings.Cut(p, "=")
		switch key {
		case "group":
			d.Group = value
		case "nocheck":
			d.NoCheck = true
		case "fail":
			for _, s := range strings.Split(value, "+") {
				var status model.Status
				l.status(s, &status)
				d.FailOn = append(d.FailOn, status)
			}
		default:
			l.fatal("dependency %q", text)
		}
	}
	return d
}

func (l *timeline) status(text string, into *model.Status) {
	if err := into.UnmarshalText([]byte(text)); err != nil {
		l.fatal("%v", err)
	}
}

func (l *timeline) length(text string) time.Duration {
	var d check.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		l.fatal("%v", err)
	}
	return time.Duration(d)
}

// event does one thing that happens now.
func (l *timeline) event(words []string) {
	switch words[0] {
	case "tick":
		l.settle("")
	case "restart":
		l.restart()
	case "notifications":
		l.quiet = words[1] == "off"
		l.settle("")
	case "downtime":
		l.plan(words[1:])
		l.settle("")
	case "end":
		i := slices.IndexFunc(l.downtimes, func(d check.Downtime) bool { return d.ID == words[1] })
		l.downtimes[i].End = l.now
		if l.downtimes[i].Every != nil {
			l.downtimes[i].Every.Until = l.now
		}
		l.settle("")
	case "every":
		l.repeat(words[1:])
	default:
		if l.machines[words[0]] == nil {
			l.fatal("no check %q", words[0])
		}
		l.told(words[0], words[1:])
	}
}

// repeat reads "every 1m x5 web1/http OK": the first now.
func (l *timeline) repeat(words []string) {
	n, err := strconv.Atoi(strings.TrimPrefix(words[1], "x"))
	if err != nil {
		l.fatal("%v", err)
	}
	step := l.length(words[0])
	for i := range n {
		if i > 0 {
			l.now = l.now.Add(step)
		}
		statuses := strings.Split(words[3], ",")
		l.told(words[2], append([]string{statuses[i%len(statuses)]}, words[4:]...))
	}
}

// told is something that is said about one check: a result, or a person's word.
func (l *timeline) told(id string, words []string) {
	m := l.machines[id]
	var changes []check.Change
	var err error
	text := strings.Join(words[1:], " ")
	switch words[0] {
	case "ack":
		changes, err = m.Acknowledge(l.now, l.ack(words[1:]))
	case "unack":
		changes, err = m.Unacknowledge(l.now, "ann", text)
	default:
		var status model.Status
		l.status(words[0], &status)
		// What time and the others brought comes first, as in the engine.
		l.settle(id)
		st := m.State()
		st.Status = status
		changes = m.Result(l.now, model.CheckResult{Status: status, Output: text}, l.around(id, st))
	}
	if err != nil {
		l.print("refused: %v", err)
	}
	l.show(id, changes)
	l.settle(id)
	l.summary(id)
}

func (l *timeline) ack(words []string) check.Ack {
	a := check.Ack{By: "ann"}
	var rest []string
	for _, w := range words {
		switch key, value, _ := strings.Cut(w, "="); key {
		case "sticky":
			a.Sticky = true
		case "until":
			a.Until = l.clock(value)
		default:
			rest = append(rest, w)
		}
	}
	a.Comment = strings.Join(rest, " ")
	return a
}

// plan reads "ID CHECK[,CHECK] FROM TO [flexible=30m] [length=1h] [trigger=ID] [weekdays=1,2] [days=-1] [months=2] [zone=Z] [until=T]".
func (l *timeline) plan(words []string) {
	d := check.Downtime{ID: words[0], Checks: strings.Split(words[1], ","), Start: l.clock(words[2]), End: l.clock(words[3]), Began: map[string]time.Time{}}
	every := check.Recurrence{}
	for _, w := range words[4:] {
		key, value, _ := strings.Cut(w, "=")
		var numbers []int
		if key == "weekdays" || key == "days" || key == "months" {
			for _, n := range strings.Split(value, ",") {
				i, _ := strconv.Atoi(n)
				numbers = append(numbers, i)
			}
			d.Every = &every
		}
		switch key {
		case "flexible":
			d.Flexible, d.Length = true, check.Duration(l.length(value))
		case "length":
			d.Length = check.Duration(l.length(value))
		case "trigger":
			d.Trigger = value
		case "daily":
			d.Every = &every
		case "weekdays":
			for _, n := range numbers {
				every.Weekdays = append(every.Weekdays, time.Weekday(n))
			}
		case "days":
			every.Days = numbers
		case "months":
			for _, n := range numbers {
				every.Months = append(every.Months, time.Month(n))
			}
		case "zone":
			every.Zone = value
		case "until":
			every.Until = l.clock(value)
		default:
			l.fatal("downtime %q", w)
		}
	}
	if err := Validate(d); err != nil {
		l.fatal("%v", err)
	}
	l.downtimes = append(l.downtimes, d)
	at := l.now
	for range 3 {
		start, end, ok := Next(d, at)
		if d.Every == nil || !ok {
			break
		}
		l.print("next: %s - %s", start.Format("Mon 2006-01-02 15:04 MST"), end.Format("Mon 2006-01-02 15:04 MST"))
		at = end
	}
}

func (l *timeline) state(id string) (check.State, bool) {
	m := l.machines[id]
	if m == nil {
		return check.State{}, false
	}
	return m.State(), true
}

func (l *timeline) around(id string, st check.State) Around {
	a := l.graph.Around(id, l.state)
	a.NotifyPeriod = !l.quiet
	for _, d := range l.downtimes {
		if is, err := Select(d); err == nil && is(id, nil) && Begins(d, id, st, l.now) {
			d.Began[id] = l.now
		}
	}
	a.Downtime = len(Active(l.downtimes, id, nil, st, l.now)) > 0
	return a
}

// settle tells all but one what became of the others, until nothing changes any more.
func (l *timeline) settle(but string) {
	for changed := true; changed; {
		changed = false
		for _, id := range l.order {
			var freshness time.Duration
			for _, s := range l.specs {
				if s.ID() == id {
					freshness = time.Duration(s.Freshness)
				}
			}
			changes := l.machines[id].Tick(l.now, l.around(id, l.machines[id].State()), freshness)
			l.show(id, changes)
			changed = changed || len(changes) > 0
			if len(changes) > 0 && id != but {
				l.summary(id)
			}
		}
	}
}

// restart makes everything go on from what is stored.
func (l *timeline) restart() {
	for id, m := range l.machines {
		b, err := json.Marshal(m.State())
		if err != nil {
			l.fatal("%v", err)
		}
		var st check.State
		if err := json.Unmarshal(b, &st); err != nil {
			l.fatal("%v", err)
		}
		l.machines[id] = Restore(m.Settings(), st)
	}
	l.settle("")
}

func (l *timeline) print(format string, args ...any) {
	fmt.Fprintf(&l.out, "    "+format+"\n", args...)
}

func hardness(hard bool) string {
	if hard {
		return "hard"
	}
	return "soft"
}

func (l *timeline) show(id string, changes []check.Change) {
	for _, c := range changes {
		line := fmt.Sprintf("%s %s", l.now.Format("15:04"), id)
		if c.Type == check.StateChange {
			line += fmt.Sprintf(": %s -> %s %s, attempt %d", c.From, c.To, hardness(c.Hard), c.Attempt)
		} else {
			line += fmt.Sprintf(": %s", c.Type)
			if c.Comment != "" {
				line += " (" + c.Comment + ")"
			}
		}
		if c.Tell {
			line += "  ** people hear: " + c.To.String()
		}
		l.print("%s", line)
	}
}

func (l *timeline) summary(id string) {
	m := l.machines[id]
	st := m.State()
	line := fmt.Sprintf("%s is %s %s %d/%d", id, st.Status, hardness(st.Hard), st.Attempt, m.Settings().MaxAttempts)
	if st.HardStatus != st.Status {
		line += ", last hard " + st.HardStatus.String()
	}
	if m.Retry() {
		line += ", retried soon"
	}
	if st.FlapPercent > 0 {
		line += fmt.Sprintf(", changes %.1f %%", st.FlapPercent)
	}
	for _, f := range []struct {
		on   bool
		word string
	}{{st.Flapping, "flapping"}, {st.Stale, "stale"}, {st.Unreachable, "unreachable"}, {st.InDowntime, "in downtime"}} {
		if f.on {
			line += ", " + f.word
		}
	}
	if st.Stale {
		line += fmt.Sprintf(" (%s)", st.Output)
	}
	a := l.around(id, st)
	if a.NoCheck {
		line += ", not asked"
	}
	if why := Handled(st, a); why != "" {
		line += ", handled: " + why
	}
	l.print("%s", line)
}
