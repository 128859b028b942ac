package explain

import (
	"cmp"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/alert/manager"
)

// Noise is what a rule told in some days, and whether anybody did anything.
type Noise struct {
	Name     string  `json:"name"`
	Fired    int     `json:"fired"`
	Resolved int     `json:"resolved"`
	Flapping int     `json:"flapping"` // how often it fired again within flapsWithin of its end
	Minutes  float64 `json:"minutes"`  // in which it fired, of all its alerts together
	Acted    int     `json:"acted"`    // acknowledgements and silences of it
	Kind     string  `json:"kind"`     // flapping, always, ignored, never, or "" when there is nothing to say
}

// What makes noise.
const (
	flapsWithin = 30 * time.Minute
	manyFlaps   = 3
	alwaysShare = 0.95 // of the time
	manyIgnored = 5
)

// Alerting is a rule, for the report.
type Alerting struct {
	Name string
	// Meant says that it is meant to fire always, as a watchdog is.
	Meant bool
	// Standby says that it came with the program: that it never fires is as it should be.
	Standby bool
}

// Tally counts what rules told. It is fed with Add, one alert at a time.
type Tally struct {
	from, to time.Time
	rules    map[string]*tallied
	order    []string
}

type tallied struct {
	Noise
	meant   bool
	standby bool
	longest time.Duration // of one alert
}

// NewTally counts between two times for these rules, and whichever others fired.
func NewTally(from, to time.Time, rules []Alerting) *Tally {
	t := &Tally{from: from, to: to, rules: map[string]*tallied{}}
	for _, r := range rules {
		of := t.of(r.Name)
		of.meant, of.standby = of.meant || r.Meant, of.standby || r.Standby
	}
	return t
}

func (t *Tally) of(name string) *tallied {
	r := t.rules[name]
	if r == nil {
		r = &tallied{Noise: Noise{Name: name}}
		t.rules[name] = r
		t.order = append(t.order, name)
	}
	return r
}

// Add counts one alert: the spans in which it fired, in order of time.
func (t *Tally) Add(name string, spans []Span) {
	if len(spans) == 0 {
		return
	}
	r := t.of(name)
	var sum time.Duration
	for i, s := range spans {
		end := s.End
		if end.IsZero() {
			end = t.to
		} else {
			r.Resolved++
		}
		sum += end.Sub(s.Start)
		r.Fired++
		if i > 0 && s.Start.Sub(spans[i-1].End) <= flapsWithin {
			r.Flapping++
		}
	}
	r.Minutes += sum.Minutes()
	r.longest = max(r.longest, sum)
}

// Act counts what people did: silences that began in the time and name the alert, and acknowledgements. labels finds those of an
// acknowledged alert by its fingerprint; what it does not find is counted by the silence's own matchers, which are all of its labels.
func (t *Tally) Act(silences []manager.Silence) {
	for _, s := range silences {
		if s.Start.Before(t.from) || s.Start.After(t.to) {
			continue
		}
		for _, m := range s.Matchers {
			if m.Name != "alertname" || m.Not {
				continue
			}
			for name, r := range t.rules {
				matches, err := manager.Matches([]manager.Matcher{m})
				if err == nil && matches(map[string]string{"alertname": name}) {
					r.Acted++
				}
			}
		}
	}
}

// Report says what each rule did, the noisiest kinds first.
func (t *Tally) Report() []Noise {
	out := make([]Noise, 0, len(t.order))
	for _, name := range t.order {
		r := t.rules[name]
		r.Kind = t.kind(r)
		out = append(out, r.Noise)
	}
	rank := map[string]int{"flapping": 0, "always": 1, "ignored": 2, "": 3, "never": 4}
	slices.SortStableFunc(out, func(a, b Noise) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(b.Fired, a.Fired), cmp.Compare(b.Minutes, a.Minutes), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (t *Tally) kind(r *tallied) string {
	switch {
	case r.Fired == 0 && !r.standby:
		return "never"
	case r.meant:
		return ""
	case r.Flapping >= manyFlaps && r.Flapping*4 >= r.Fired:
		return "flapping"
	case r.longest >= time.Duration(alwaysShare*float64(t.to.Sub(t.from))):
		return "always"
	case r.Fired >= manyIgnored && r.Acted == 0:
		return "ignored"
	}
	return ""
}
