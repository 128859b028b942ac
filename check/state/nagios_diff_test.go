package state

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
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

// twin is one host or service that both have: Nagios and a Machine.
type twin struct {
	host, service string // service is "" for the host itself
	id            string // ours
	m             *Machine
	set           Settings
	behind        bool       // a host with parents
	serves        bool       // a host with services
	steady        bool       // a host that stays up, and its services
	apart         bool       // what it is from now on is explained by a difference that lasts
	next          [4]float64 // how often each status comes after an equal one and else: its character
	calm          float64    // how often the status stays
	last          int
	knew          string   // what people knew before this step, as Nagios writes it
	told          []string // what Machine told in this step, as Nagios writes it
}

func (w *twin) nagios() string {
	if w.service == "" {
		return w.host
	}
	return w.host + "/" + w.service
}

// fleet is all of them, hosts before what stands behind them.
type fleet struct {
	all   []*twin
	by    map[string]*twin
	graph *Graph
	quiet map[string]bool // in downtime, by ID
}

const (
	diffHosts    = 40 // with services
	diffBare     = 60 // without
	diffServices = 8
)

func newFleet(t *testing.T, rnd *rand.Rand) (*fleet, string) {
	f := &fleet{by: map[string]*twin{}, quiet: map[string]bool{}}
	var objects strings.Builder
	var hosts []check.Host
	var specs []check.Spec
	for i := range diffBare + diffHosts {
		h := check.Host{Name: fmt.Sprintf("h%d", i)}
		if i > 10 && i < diffBare && rnd.IntN(2) == 0 {
			for _, p := range rnd.Perm(i)[:1+rnd.IntN(2)] {
				h.Parents = append(h.Parents, fmt.Sprintf("h%d", p))
			}
		}
		hosts = append(hosts, h)
		w := f.add(rnd, h.Name, "")
		if i >= diffBare && i%2 == 0 {
			w.next, w.steady = [4]float64{1, 0, 0, 0}, true
		}
		w.serves, w.behind = i >= diffBare, len(h.Parents) > 0
		specs = append(specs, check.Spec{Host: h.Name, Name: check.HostCheck})
		objects.WriteString(w.object("host", h.Parents))
	}
	for i := range diffHosts {
		for j := range diffServices {
			w := f.add(rnd, fmt.Sprintf("h%d", diffBare+i), fmt.Sprintf("s%d", j))
			w.steady = i%2 == 0
			specs = append(specs, check.Spec{Host: w.host, Name: w.service})
			objects.WriteString(w.object("service", nil))
		}
	}
	var err error
	if f.graph, err = NewGraph(hosts, specs); err != nil {
		t.Fatal(err)
	}
	return f, objects.String()
}

func (f *fleet) add(rnd *rand.Rand, host, service string) *twin {
	w := &twin{host: host, service: service, id: host + "/" + service, calm: []float64{0, 0.3, 0.6, 0.8}[rnd.IntN(4)]}
	w.set = Settings{Host: service == "", MaxAttempts: 1 + rnd.IntN(5), Flap: rnd.IntN(4) > 0, Volatile: service != "" && rnd.IntN(6) == 0}
	if rnd.IntN(3) == 0 {
		w.set.FlapLow, w.set.FlapHigh = 5, 12.375
	}
	for i := range w.next {
		w.next[i] = rnd.Float64()
	}
	w.next[0] += 0.5
	if service == "" {
		w.id = hostID(host)
		w.next[1], w.next[3] = 0, 0
	}
	w.m = New(w.set)
	w.set = w.m.Settings()
	f.all = append(f.all, w)
	f.by[w.id] = w
	return w
}

func (w *twin) object(kind string, parents []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "define %s{\n use all-%ss\n host_name %s\n max_check_attempts %d\n", kind, kind, w.host, w.set.MaxAttempts)
	flag := map[bool]int{true: 1}
	fmt.Fprintf(&b, " flap_detection_enabled %d\n low_flap_threshold %g\n high_flap_threshold %g\n", flag[w.set.Flap], w.set.FlapLow, w.set.FlapHigh)
	if kind == "service" {
		fmt.Fprintf(&b, " service_description %s\n is_volatile %d\n", w.service, flag[w.set.Volatile])
	} else {
		b.WriteString(" address 127.0.0.1\n")
	}
	if len(parents) > 0 {
		fmt.Fprintf(&b, " parents %s\n", strings.Join(parents, ","))
	}
	b.WriteString("}\n")
	return b.String()
}

// roll draws the next status.
func (w *twin) roll(rnd *rand.Rand) model.Status {
	if rnd.Float64() >= w.calm {
		x := rnd.Float64() * (w.next[0] + w.next[1] + w.next[2] + w.next[3])
		for w.last = 0; w.last < 3 && x >= w.next[w.last]; w.last++ {
			x -= w.next[w.last]
		}
	}
	return model.Status(w.last)
}

func (f *fleet) status(id string) (check.State, bool) {
	w, ok := f.by[id]
	if !ok {
		return check.State{}, false
	}
	return w.m.State(), true
}

func (f *fleet) around(w *twin) Around {
	a := f.graph.Around(w.id, f.status)
	a.NotifyPeriod, a.Downtime = true, f.quiet[w.id] || f.quiet[hostID(w.host)]
	return a
}

// step gives everything its next result, on both sides.
func (f *fleet) step(c *core, rnd *rand.Rand, n int, at time.Time) {
	var commands []string
	for _, w := range f.all {
		st := w.m.State()
		w.told = nil
		if bad(st.Status) && st.Ack == nil && rnd.IntN(12) == 0 {
			sticky := rnd.IntN(2)
			if _, err := w.m.Acknowledge(at, check.Ack{By: "ann", Sticky: sticky == 1}); err != nil {
				c.t.Fatal(err)
			}
			commands = append(commands, w.command("ACKNOWLEDGE_%s_PROBLEM", fmt.Sprintf("%d;0;0;ann;known", sticky+1)))
		}
		if st.Ack != nil && rnd.IntN(10) == 0 {
			if _, err := w.m.Unacknowledge(at, "ann", ""); err != nil {
				c.t.Fatal(err)
			}
			commands = append(commands, w.command("REMOVE_%s_ACKNOWLEDGEMENT", ""))
		}
	}
	for _, w := range f.all {
		status := w.roll(rnd)
		code := int(status)
		if w.service == "" {
			code = min(code, 1)
		}
		kind := map[bool]string{true: "PROCESS_HOST_CHECK_RESULT", false: "PROCESS_SERVICE_CHECK_RESULT"}[w.service == ""]
		commands = append(commands, w.command(kind, fmt.Sprintf("%d;step %d", code, n)))
		before := w.m.State()
		w.knew = w.notification(check.Change{To: before.Told})
		w.apart = w.apart || softProblem(before) && status == before.HardStatus && bad(status)
		for _, ch := range w.m.Result(at, model.CheckResult{Status: status, Output: fmt.Sprint("step ", n)}, f.around(w)) {
			if ch.Tell {
				w.told = append(w.told, w.notification(ch))
			}
		}
	}
	c.send(commands...)
}

func (w *twin) command(name, args string) string {
	on := w.host
	kind := "HOST"
	if w.service != "" {
		on, kind = on+";"+w.service, "SVC"
	}
	if strings.Contains(name, "%s") {
		name = fmt.Sprintf(name, kind)
	}
	return strings.TrimSuffix(name+";"+on+";"+args, ";")
}

// notification is the word that Nagios logs for a change that people hear of.
func (w *twin) notification(ch check.Change) string {
	switch ch.Type {
	case check.FlapStart:
		return "FLAPPINGSTART"
	case check.FlapStop:
		return "FLAPPINGSTOP"
	}
	if w.service == "" {
		return map[bool]string{true: "DOWN", false: "UP"}[bad(ch.To)]
	}
	return ch.To.String()
}

// differences compares one twin; each is "what: theirs, ours".
func (w *twin) differences(theirs map[string]string) []string {
	var out []string
	st := w.m.State()
	f := func(what, key string, ours any) {
		if got := theirs[key]; got != fmt.Sprint(ours) {
			out = append(out, fmt.Sprintf("%s: %s, ours %v", what, got, ours))
		}
	}
	flag := map[bool]int{true: 1}
	state := func(s model.Status) int {
		if s == model.OK || s == model.Pending {
			return 0
		}
		if w.service != "" {
			return int(s)
		}
		if st.Unreachable {
			return 2
		}
		return 1
	}
	f("state", "current_state", state(st.Status))
	if w.service != "" || bad(st.Status) {
		f("state type", "state_type", flag[st.Hard])
	}
	f("attempt", "current_attempt", st.Attempt)
	if w.behind {
		return out
	}
	f("acknowledged", "problem_has_been_acknowledged", flag[st.Ack != nil])
	if w.serves {
		return out
	}
	f("flapping", "is_flapping", flag[st.Flapping])
	if w.service != "" {
		f("last hard state", "last_hard_state", state(st.HardStatus))
	}
	pct, _ := strconv.ParseFloat(theirs["percent_state_change"], 64)
	if math.Abs(pct-st.FlapPercent) > 0.0051 {
		out = append(out, fmt.Sprintf("percent: %.2f, ours %.2f", pct, st.FlapPercent))
	}
	return out
}

// The differences that are meant, by their headings in docs/checks-states.md.
const (
	diffUnreachable = "UNREACHABLE is no status"
	diffHostFlaps   = "A host flaps by its own results"
	diffVolatile    = "Nobody hears of services whose host is down"
	diffRecovery    = "A problem that was told is told to have ended"
	diffKnown       = "What people know is not told again"
	diffAckFlaps    = "Nobody hears that an acknowledged problem flaps"
	diffBack        = "A status that comes back while the host is down"
)

// TestDifferencesAreExplained: each has its heading.
func TestDifferencesAreExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/checks-states.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{diffUnreachable, diffHostFlaps, diffVolatile, diffRecovery, diffKnown, diffAckFlaps, diffBack} {
		if !strings.Contains(string(page), "\n### "+d+"\n") {
			t.Errorf("no heading %q", d)
		}
	}
}

// explain returns the differences that explain why Nagios told theirs and the machine ours, a word each; ok is whether they do.
func (w *twin) explain(theirs, ours []string) (why []string, ok bool) {
	for _, word := range theirs {
		if !slices.Contains(ours, word) {
			why = append(why, w.explainTheirs(word))
		}
	}
	for _, word := range ours {
		if !slices.Contains(theirs, word) {
			why = append(why, w.explainOurs(word))
		}
	}
	return why, !slices.Contains(why, "")
}

func (w *twin) explainTheirs(word string) string {
	flapping := strings.HasPrefix(word, "FLAPPING")
	switch {
	case w.behind:
		return diffUnreachable
	case w.serves:
		return diffHostFlaps
	case word == w.knew:
		return diffKnown
	case flapping && w.m.State().Ack != nil:
		return diffAckFlaps
	case (flapping || w.set.Volatile) && w.m.State().Unreachable:
		return diffVolatile
	}
	return ""
}

func (w *twin) explainOurs(word string) string {
	switch {
	case w.behind:
		return diffUnreachable
	case w.serves:
		return diffHostFlaps
	case word == "OK" || word == "UP":
		return diffRecovery
	}
	return ""
}

// notifications are those that Nagios logged for a step, by host or host/service.
func (c *core) notifications(n int) map[string][]string {
	b, err := os.ReadFile(filepath.Join(c.dir, "nagios.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		_, text, ok := strings.Cut(line, " NOTIFICATION: ")
		if !ok || !strings.HasSuffix(line, fmt.Sprintf(";step %d", n)) {
			continue
		}
		p := strings.Split(text, ";")
		id, word := p[1], p[2]
		if strings.Contains(line, "SERVICE NOT") {
			id, word = p[1]+"/"+p[2], p[3]
		}
		word, _, _ = strings.Cut(word, " ")
		out[id] = append(out[id], word)
	}
	return out
}

// plan begins and ends downtimes on both sides, and waits until Nagios has them.
func (f *fleet) plan(c *core, rnd *rand.Rand) {
	var commands []string
	now := time.Now().Unix()
	theirs := c.status()
	for _, w := range f.all {
		switch {
		case !f.quiet[w.id] && rnd.IntN(8) == 0:
			f.quiet[w.id] = true
			commands = append(commands, w.command("SCHEDULE_%s_DOWNTIME", fmt.Sprintf("%d;%d;1;0;3600;ann;work", now-10, now+3600)))
		case f.quiet[w.id] && rnd.IntN(2) == 0:
			delete(f.quiet, w.id)
			kind := map[bool]string{true: "HOST", false: "SVC"}[w.service == ""]
			commands = append(commands, fmt.Sprintf("DEL_%s_DOWNTIME;%s", kind, theirs["downtime "+w.nagios()]["downtime_id"]))
		}
	}
	c.send(commands...)
	flag := map[bool]string{true: "1", false: "0"}
	c.wait("the downtimes in status.dat", func() bool {
		theirs := c.status()
		for _, w := range f.all {
			if theirs[w.nagios()]["scheduled_downtime_depth"] != flag[f.quiet[w.id]] {
				return false
			}
		}
		return true
	})
}

// restart makes a machine go on from its state as it is stored.
func (w *twin) restart(t *testing.T) {
	text, err := json.Marshal(w.m.State())
	if err != nil {
		t.Fatal(err)
	}
	var st check.State
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	w.m = Restore(w.set, st)
}

// TestLikeNagios gives the same random results, acknowledgements and downtimes to Nagios Core and to machines, and compares
// what both make of every result. TEST_NAGIOS_STEPS sets how many results everything gets (one second each), TEST_NAGIOS_SEED repeats a run.
func TestLikeNagios(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 25 s")
	}
	steps := int(number(t, "TEST_NAGIOS_STEPS", 16))
	seed := number(t, "TEST_NAGIOS_SEED", uint64(time.Now().UnixNano()))
	rnd := rand.New(rand.NewPCG(seed, 0))
	f, objects := newFleet(t, rnd)
	c := startCore(t, objects)
	log := diffLog{t: t, explained: map[string]int{}, history: map[string][]string{}}
	for n := 1; n <= steps; n++ {
		if n%6 == 3 {
			f.plan(c, rnd)
		}
		f.step(c, rnd, n, time.Now())
		var theirs map[string]map[string]string
		c.wait("the results in status.dat", func() bool {
			theirs = c.status()
			return theirs[f.all[len(f.all)-1].nagios()]["plugin_output"] == fmt.Sprintf("step %d", n)
		})
		notified := c.notifications(n)
		for _, w := range f.all {
			log.compare(w, n, theirs[w.nagios()], notified[w.nagios()])
			if rnd.IntN(6) == 0 {
				w.restart(t)
			}
		}
	}
	t.Logf("seed %d: %d results compared, explained: %v", seed, log.compared, log.explained)
	if log.compared < steps*len(f.all)*8/10 {
		t.Errorf("only %d of %d results were compared", log.compared, steps*len(f.all))
	}
}

func number(t *testing.T, name string, without uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return without
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// diffLog collects what is compared.
type diffLog struct {
	t         *testing.T
	compared  int
	failed    int
	explained map[string]int
	history   map[string][]string
}

func (l *diffLog) compare(w *twin, n int, theirs map[string]string, notified []string) {
	st := w.m.State()
	id := w.nagios()
	l.history[id] = append(l.history[id], fmt.Sprintf("%2d %-8s hard=%-5v %d/%d ack=%v flap=%v unreachable=%v downtime=%v told=%s theirs=%s",
		n, st.Status, st.Hard, st.Attempt, w.set.MaxAttempts, st.Ack != nil, st.Flapping, st.Unreachable, st.InDowntime, w.told, notified))
	if w.apart {
		l.explained[diffBack]++
		return
	}
	l.compared++
	diffs := w.differences(theirs)
	why, ok := w.explain(notified, w.told)
	for _, name := range why {
		l.explained[name]++
	}
	if !ok {
		diffs = append(diffs, fmt.Sprintf("told: %s, ours %s", notified, w.told))
	}
	if len(diffs) == 0 {
		return
	}
	if l.failed++; l.failed <= 10 {
		l.t.Errorf("step %d, %s %+v: %s\n%s", n, id, w.set, strings.Join(diffs, "; "), strings.Join(l.history[id], "\n"))
	}
}
