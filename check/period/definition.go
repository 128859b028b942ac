package period

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Definition is a time period as it is written. In JSON and YAML it is
//
//	{"zone": "Europe/Paris", "times": {"monday - friday": "09:00-12:00,13:00-18:00", "2026-12-25": "never"}, "exclude": ["holidays"]}
//
// where times may also be a list of lines as in Nagios ("monday 09:00-18:00"), and the times of a day a list of ranges. A list
// instead of the whole is its times.
type Definition struct {
	Alias string `json:"alias,omitempty" doc:"What people call it."`
	// Times are lines, each days and the ranges of time on them, as parseLine reads them.
	Times   []string `json:"times,omitempty" doc:"Days, and the ranges of time on them."`
	Exclude []string `json:"exclude,omitempty" doc:"Periods whose times are taken out."`
	Zone    string   `json:"zone,omitempty" doc:"The time zone; that of the machine when empty."`
}

// UnmarshalJSON reads any of the forms.
func (d *Definition) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && (text[0] == '[' || text[0] == '"') {
		lines, err := readTimes(text)
		d.Times = lines
		return err
	}
	type plain Definition
	var raw struct {
		plain
		Times json.RawMessage `json:"times"`
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	*d = Definition(raw.plain)
	if raw.Times == nil {
		return nil
	}
	lines, err := readTimes(raw.Times)
	d.Times = lines
	return err
}

func readTimes(text []byte) ([]string, error) {
	if lines, err := words(text); err == nil {
		return lines, nil
	}
	var days map[string]json.RawMessage
	if err := json.Unmarshal(text, &days); err != nil {
		return nil, errors.New(`times: write {"monday": "09:00-18:00"} or ["monday 09:00-18:00"]`)
	}
	var lines []string
	for _, day := range slices.Sorted(maps.Keys(days)) {
		ranges, err := words(days[day])
		if err != nil {
			return nil, fmt.Errorf(`times: the times of %q: write "09:00-18:00" or ["09:00-12:00", "13:00-18:00"]`, day)
		}
		lines = append(lines, day+" "+strings.Join(ranges, ","))
	}
	return lines, nil
}

// words reads one string or a list of them.
func words(text []byte) ([]string, error) {
	var one string
	if err := json.Unmarshal(text, &one); err == nil {
		return []string{one}, nil
	}
	var list []string
	err := json.Unmarshal(text, &list)
	return list, err
}

// Period is a set of times. It never changes and is safe for use by several goroutines at once.
type Period struct {
	loc     *time.Location
	lines   []line
	exclude []*Period
	// last is the last day that is written with a year.
	last Day
}

// New makes periods of definitions by name. Errors name the period and the line; the others are returned. A period
// that excludes one that does not exist or, through others, itself, is an error.
func New(defs map[string]Definition) (map[string]*Period, error) {
	var errs []error
	all := map[string]*Period{}
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		p, err := parse(defs[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("period %q: %w", name, err))
			continue
		}
		all[name] = p
	}
	c := connector{defs: defs, all: all, state: map[string]int{}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := c.connect(name, nil); err != nil {
			errs = append(errs, err)
		}
	}
	for name, state := range c.state {
		if state == broken {
			delete(all, name)
		}
	}
	return all, errors.Join(errs...)
}

// connector sets exclude, innermost periods first.
type connector struct {
	defs  map[string]Definition
	all   map[string]*Period
	state map[string]int
}

const (
	visiting = 1 + iota
	done
	broken
)

func (c *connector) connect(name string, path []string) error {
	path = append(path, name)
	switch c.state[name] {
	case visiting:
		return fmt.Errorf("period %q excludes itself: %s", name, strings.Join(path, " -> "))
	case done, broken:
		return nil
	}
	c.state[name] = visiting
	p := c.all[name]
	for _, other := range c.defs[name].Exclude {
		q := c.all[other]
		if q == nil {
			c.state[name] = broken
			return fmt.Errorf("period %q: exclude: there is no period %q", name, other)
		}
		if err := c.connect(other, path); err != nil {
			c.state[name] = broken
			return err
		}
		if c.state[other] == broken {
			c.state[name] = broken
			return fmt.Errorf("period %q: exclude: %q is in error", name, other)
		}
		p.exclude = append(p.exclude, q)
	}
	c.state[name] = done
	return nil
}

func parse(d Definition) (*Period, error) {
	p := &Period{loc: time.Local}
	if d.Zone != "" {
		loc, err := time.LoadLocation(d.Zone)
		if err != nil {
			return nil, fmt.Errorf("zone: %q is no time zone: write it like Europe/Paris", d.Zone)
		}
		p.loc = loc
	}
	for _, text := range d.Times {
		l, err := parseLine(text)
		if err != nil {
			return nil, err
		}
		p.lines = append(p.lines, l)
		for _, day := range []Day{l.from.date(), l.to.date()} {
			if day.Sub(p.last) > 0 {
				p.last = day
			}
		}
	}
	return p, nil
}
