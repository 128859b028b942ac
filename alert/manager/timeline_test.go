package manager

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/notify"
)

var update = flag.Bool("update", false, "write the golden timelines anew")

// TestTimelines plays the files of testdata/timelines: what happens, and when who is told of it. Each begins with what it shows. Then come
//
//	-- config --        an alertmanager.yml; without it the one of the tests here. More of them are named: -- config night --
//	-- rules --         a group of rules that are really evaluated every minute, over temp{host}; times are rounded to minutes then
//	-- events --        a time since the beginning (which is 2000-01-01, a Saturday, 00:00 UTC) and what happens:
//	    fire LABELS             a rule raises an alert, and again every minute (at its 7th second), good for 4 minutes
//	    resolve LABELS          it resolves it, and says so again for 15 minutes, as Prometheus does
//	    lose LABELS             it is not heard of any more
//	    set HOST VALUE          the temperature of a host from now on; none ends the series
//	    raise LABELS            somebody raises an alert once, without an end
//	    silence ID LENGTH [in=WHEN] MATCHERS, expire ID
//	    ack LABELS [for=LENGTH], unack LABELS
//	    down RECEIVER/KIND [hard], up RECEIVER/KIND    it cannot be reached (hard: it refuses)
//	    restart [LENGTH [gone LABELS]], crash          the process, and its rules, which begin anew; gone resolves meanwhile
//	    outside                 from now on rules run elsewhere, and are not restarted
//	    config NAME, badconfig
//	    medium away, medium back
//	    clock OFFSET            of who raises alerts, to ours
//	    end                     the end of the play
//	-- told --          when, who, by what, of what; with "times TO" before it, rounded down
//
// With -update the last part is written; it is to be checked with Alertmanager's documentation, line by line.
func TestTimelines(t *testing.T) {
	files, err := filepath.Glob("testdata/timelines/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no timelines: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			before, want, ok := strings.Cut(string(text), "-- told --\n")
			if !ok && !*update {
				t.Fatal("it has no part told")
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = readPlay(t, before).run(t) })
			if *update {
				if err := os.WriteFile(file, []byte(before+"-- told --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("told\n%swant\n%s", got, want)
			}
		})
	}
}

// play is a timeline as it is played.
type play struct {
	configs map[string]string
	events  []event
	round   time.Duration
	eval    *evaluated // nil without rules

	start   time.Time
	m       *Manager
	end     func()
	docs    *shelf
	rules   map[string]*raisedRule // by labels as text
	outside bool
	skew    time.Duration
	ids     map[string]string
	turns   int

	mu   sync.Mutex
	down map[string]error // by receiver/kind
	hard map[string]bool
	told []toldLine
}

type event struct {
	at    time.Duration
	words []string
	line  string
}

// raisedRule is an alert as its rule has it.
type raisedRule struct {
	labels      map[string]string
	starts      time.Time // zero until it is first raised behind a restart
	resolved    time.Time // zero while it fires
	saidUntil   time.Time // of one that has resolved
	sendsNoMore bool
}

type toldLine struct {
	at   time.Duration
	text string
}

func readPlay(t *testing.T, text string) *play {
	t.Helper()
	p := &play{configs: map[string]string{"": usual}, docs: newShelf(), rules: map[string]*raisedRule{}, ids: map[string]string{}, down: map[string]error{}, hard: map[string]bool{}}
	part := "about"
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			part = strings.TrimSuffix(name, " --")
			if name, is := strings.CutPrefix(part, "config"); is {
				p.configs[strings.TrimSpace(name)] = ""
			}
			continue
		}
		if name, is := strings.CutPrefix(part, "config"); is {
			p.configs[strings.TrimSpace(name)] += line
			continue
		}
		if part == "rules" {
			if p.eval == nil {
				p.eval, p.round = &evaluated{temp: map[string]float64{}}, time.Minute
			}
			p.eval.yaml += line
			continue
		}
		words := strings.Fields(line)
		switch {
		case part == "about", len(words) == 0:
		case words[0] == "times":
			p.round = length(t, words[1])
		default:
			p.events = append(p.events, event{length(t, words[0]), words[1:], strings.TrimSpace(line)})
		}
	}
	if len(p.events) == 0 || p.events[len(p.events)-1].words[0] != "end" {
		t.Fatal("its events do not close with the end")
	}
	return p
}

func length(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// turn is when rules raise their alerts the next time: every minute, and a little more so that it is never at the moment of something else.
func (p *play) turn() time.Duration {
	return 7*time.Second + time.Duration(p.turns)*(time.Minute+time.Millisecond)
}

func (p *play) run(t *testing.T) string {
	p.start = time.Now()
	p.begin(t)
	for _, e := range p.events {
		for ; p.turn() < e.at; p.turns++ {
			if wait := p.turn() - time.Since(p.start); wait >= 0 { // not away
				time.Sleep(wait)
				p.send(t)
			}
		}
		if wait := e.at - time.Since(p.start); wait > 0 {
			time.Sleep(wait)
		} else if wait < 0 {
			t.Errorf("%s: this is over", e.line)
		}
		p.do(t, e)
		synctest.Wait()
	}
	p.end()
	slices.SortStableFunc(p.told, func(a, b toldLine) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.text, b.text)) })
	var b strings.Builder
	for _, line := range p.told {
		fmt.Fprintf(&b, "%s %s\n", line.at, line.text)
	}
	return b.String()
}

// begin starts a manager with the configuration and the documents that are there.
func (p *play) begin(t *testing.T) {
	t.Helper()
	m, err := New(Options{
		Documents: p.docs.get,
		Wrap: func(receiver string, i amnotify.Integration) amnotify.Integration {
			return amnotify.NewIntegration(&listener{p, receiver, i.Name()}, &i, i.Name(), i.Index(), receiver)
		},
		Build: func(receiver string, extras []notify.Extra, _ *template.Template) (out []amnotify.Integration, _ error) {
			for n, e := range extras {
				out = append(out, amnotify.NewIntegration(&listener{p, receiver, e.Kind}, sends(true), e.Kind, n, receiver))
			}
			return out, nil
		},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil {
		err = errors.Join(m.Load(t.Context()), p.apply(m, ""))
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	p.m, p.end = m, func() { cancel(); <-done }
	if p.eval != nil {
		p.eval.begin(t, m)
		p.end = func() { p.eval.stop(); cancel(); <-done }
	}
}

type sends bool

func (s sends) SendResolved() bool { return bool(s) }

func (p *play) apply(m *Manager, name string) error {
	text, ok := p.configs[name]
	if !ok {
		return fmt.Errorf("there is no part config %s", name)
	}
	p.configs[""] = text // of a restart
	c, err := ReadConfig([]byte(text), "/x")
	if err != nil {
		return err
	}
	return m.Apply(c)
}

func (p *play) do(t *testing.T, e event) {
	t.Helper()
	var err error
	args := e.words[1:]
	switch e.words[0] {
	case "end":
	case "fire":
		key := strings.Join(args, " ")
		if r := p.rules[key]; r == nil || !r.resolved.IsZero() || r.sendsNoMore {
			p.rules[key] = &raisedRule{labels: labelsOf(args), starts: p.clock()}
		}
		p.sendOne(t, p.rules[key])
	case "resolve":
		r := p.rules[strings.Join(args, " ")]
		if r == nil {
			t.Fatalf("%s: it did not fire", e.line)
		}
		r.resolved, r.saidUntil = p.clock(), time.Now().Add(15*time.Minute)
		p.sendOne(t, r)
	case "lose":
		p.rules[strings.Join(args, " ")].sendsNoMore = true
	case "set":
		p.eval.set(t, args[0], args[1])
	case "raise":
		err = p.m.Put(t.Context(), alert.FromAPI, alert.Alert{Labels: labelsOf(args)})
	case "silence":
		s := Silence{Start: time.Now(), CreatedBy: "ann", Comment: "work"}
		rest := args[2:]
		if when, ok := strings.CutPrefix(rest[0], "in="); ok {
			s.Start, rest = s.Start.Add(length(t, when)), rest[1:]
		}
		s.End = s.Start.Add(length(t, args[1]))
		for _, text := range rest {
			s.Matchers = append(s.Matchers, matcherOf(text))
		}
		p.ids[args[0]], err = p.m.SetSilence(t.Context(), s)
	case "expire":
		err = p.m.ExpireSilence(t.Context(), p.ids[args[0]])
	case "ack":
		ack := alert.Ack{By: "bob", Comment: "I look"}
		if lasts, ok := strings.CutPrefix(args[len(args)-1], "for="); ok {
			ack.Until, args = time.Now().Add(length(t, lasts)), args[:len(args)-1]
		}
		err = p.m.Acknowledge(t.Context(), []string{Fingerprint(labelsOf(args))}, ack)
	case "unack":
		err = p.m.Unacknowledge(t.Context(), []string{Fingerprint(labelsOf(args))})
	case "down", "up":
		p.mu.Lock()
		delete(p.down, args[0])
		if e.words[0] == "down" {
			p.down[args[0]], p.hard[args[0]] = errors.New("nobody answers"), len(args) > 1
		}
		p.mu.Unlock()
	case "restart", "crash":
		p.restart(t, e.words[0] == "crash", args)
	case "outside":
		p.outside = true
	case "config":
		err = p.apply(p.m, args[0])
	case "badconfig":
		if _, bad := ReadConfig([]byte("route: {receiver: nobody}"), ""); bad == nil {
			t.Error("a bad configuration is taken")
		}
	case "medium":
		p.docs.mu.Lock()
		p.docs.away = args[0] == "away"
		p.docs.mu.Unlock()
	case "clock":
		p.skew = length(t, args[0])
	default:
		t.Fatalf("%s: what is %s?", e.line, e.words[0])
	}
	if err != nil {
		t.Errorf("%s: %v", e.line, err)
	}
}

// restart ends the process and begins it anew. After a crash the medium has what it had when it happened.
func (p *play) restart(t *testing.T, crash bool, args []string) {
	t.Helper()
	if crash {
		p.docs.mu.Lock()
		kept := newShelf()
		kept.docs, kept.next, kept.away = maps.Clone(p.docs.docs), p.docs.next, p.docs.away
		p.docs.mu.Unlock()
		p.mu.Lock()
		n := len(p.told)
		p.mu.Unlock()
		p.end()
		p.mu.Lock()
		p.told, p.docs = p.told[:n], kept
		p.mu.Unlock()
	} else {
		p.end()
	}
	if len(args) > 0 {
		time.Sleep(length(t, args[0]))
	}
	if len(args) > 1 {
		r := p.rules[strings.Join(args[2:], " ")]
		r.resolved, r.saidUntil = p.clock(), time.Now().Add(15*time.Minute)
	}
	for key, r := range p.rules {
		switch {
		case p.outside:
		case !r.resolved.IsZero():
			delete(p.rules, key)
		default:
			r.starts = time.Time{}
		}
	}
	p.begin(t)
}

// clock is the time of who raises alerts.
func (p *play) clock() time.Time { return time.Now().Add(p.skew) }

func (p *play) send(t *testing.T) {
	t.Helper()
	if p.eval != nil {
		p.eval.sample(t)
	}
	for _, key := range slices.Sorted(maps.Keys(p.rules)) {
		p.sendOne(t, p.rules[key])
		synctest.Wait()
	}
}

func (p *play) sendOne(t *testing.T, r *raisedRule) {
	t.Helper()
	if r.starts.IsZero() {
		r.starts = p.clock()
	}
	a := alert.Alert{Labels: r.labels, StartsAt: r.starts, EndsAt: p.clock().Add(4 * time.Minute)}
	if !r.resolved.IsZero() {
		if time.Now().After(r.saidUntil) {
			return
		}
		a.EndsAt = r.resolved
	}
	if r.sendsNoMore {
		return
	}
	if err := p.m.Put(t.Context(), alert.FromRule, a); err != nil {
		t.Error(err)
	}
}

// labelsOf reads words name=value; alertname is Down unless it is said.
func labelsOf(words []string) map[string]string {
	out := map[string]string{"alertname": "Down"}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		out[name] = value
	}
	return out
}

func matcherOf(text string) Matcher {
	for _, op := range []string{"!=", "!~", "=~", "="} {
		if name, value, ok := strings.Cut(text, op); ok {
			return Matcher{Name: name, Value: value, Not: op[0] == '!', Regexp: strings.HasSuffix(op, "~")}
		}
	}
	return Matcher{Name: text}
}

// listener is an integration that writes down what it is told.
type listener struct {
	p              *play
	receiver, kind string
}

func (l *listener) Notify(_ context.Context, alerts ...*amalert.Alert) (bool, error) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	name := l.receiver + "/" + l.kind
	if err := p.down[name]; err != nil {
		return !p.hard[name], err
	}
	var words []string
	for _, a := range alerts {
		text := string(a.Labels["alertname"])
		for _, label := range slices.Sorted(maps.Keys(a.Labels)) {
			if label != "alertname" {
				text += fmt.Sprintf(" %s=%s", label, a.Labels[label])
			}
		}
		words = append(words, text+" "+string(a.Status()))
	}
	slices.Sort(words)
	at := time.Since(p.start).Round(time.Second)
	if p.round > 0 {
		at = at.Truncate(p.round)
	}
	p.told = append(p.told, toldLine{at, name + ": " + strings.Join(words, ", ")})
	return false, nil
}
