// Package oncall knows who is told of what when: people and their ways to be reached, teams, schedules with rotations and overrides, and
// escalations that tell more people until somebody acknowledges. All of it is kept as documents.
package oncall

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	promodel "github.com/prometheus/common/model"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/notify"
)

// Sort is what a document is about.
type Sort string

// The sorts.
const (
	Contacts    Sort = "contact"
	Teams       Sort = "team"
	Schedules   Sort = "schedule"
	Escalations Sort = "escalation"
	Overrides   Sort = "override"
)

// Contact is a person, or something else that is told.
type Contact struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Zone  string `json:"zone,omitempty"` // the time zone that their pages show; the schedule's when empty
	// Methods are the ways to reach them; all are tried at once.
	Methods []Method `json:"methods"`
}

// Method is one way to reach a person: see notify.Method.
type Method struct {
	Kind string `json:"kind"`
	To   string `json:"to"`
}

// Team is people who look after something together.
type Team struct {
	Name    string   `json:"name"`
	Title   string   `json:"title,omitempty"`
	Members []string `json:"members"` // contacts
	// Escalation is who is told of the team's alerts, step by step. Without it whoever is on call by Schedule is told, without both all members.
	Escalation string `json:"escalation,omitempty"`
	Schedule   string `json:"schedule,omitempty"`
}

// Schedule says who is on call at any time. A later layer lies on those before it.
type Schedule struct {
	Name   string  `json:"name"`
	Title  string  `json:"title,omitempty"`
	Zone   string  `json:"zone"` // IANA's name
	Layers []Layer `json:"layers"`
}

// Layer is a rotation.
type Layer struct {
	Name         string   `json:"name,omitempty"`
	Participants []string `json:"participants"` // contacts, in turn
	Start        string   `json:"start"`        // the day of the first hand-over: 2026-01-05
	Handover     string   `json:"handover"`     // the time of day of every hand-over: 09:00
	// Days and Hours are the length of a turn: one of them.
	Days  int `json:"days,omitempty"`
	Hours int `json:"hours,omitempty"`
	// Only are the times of the week in which the layer counts; always when empty.
	Only []Window `json:"only,omitempty"`
}

// Window is a time of the week.
type Window struct {
	Weekdays []string `json:"weekdays,omitempty"` // mon, tue, …; every day when empty
	From     string   `json:"from"`               // 18:00
	To       string   `json:"to"`                 // 08:00, of the next day when it is not behind From
}

// Override puts somebody else on call for a while.
type Override struct {
	ID       string    `json:"id"`
	Schedule string    `json:"schedule"`
	Contact  string    `json:"contact"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	By       string    `json:"by,omitempty"`
	Comment  string    `json:"comment,omitempty"`
	At       time.Time `json:"at"`
}

// Escalation tells one step after the other until somebody acknowledges.
type Escalation struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Steps []Step `json:"steps"`
	// Repeat is how often all steps are done again.
	Repeat int `json:"repeat,omitempty"`
}

// Step is whom one step tells.
type Step struct {
	// After is the time since the step before; of the first one, which is at once, that before a repeat.
	After Duration `json:"after"`
	Tell  []Target `json:"tell"`
}

// Target is whom to tell: one of these.
type Target struct {
	Contact  string `json:"contact,omitempty"`
	Schedule string `json:"schedule,omitempty"` // whoever is on call then
	Team     string `json:"team,omitempty"`     // all members
}

// Duration is written as "5m".
type Duration time.Duration

// MarshalText writes "5m".
func (d Duration) MarshalText() ([]byte, error) { return []byte(promodel.Duration(d).String()), nil }

// UnmarshalText reads what Prometheus does: "1h30m", "1d".
func (d *Duration) UnmarshalText(text []byte) error {
	x, err := promodel.ParseDuration(string(text))
	*d = Duration(x)
	return err
}

// Limits of what is kept.
const (
	MaxDocuments   = 2000
	maxMembers     = 200
	maxLayers      = 20
	maxSteps       = 20
	maxRepeat      = 10
	maxText        = 500
	maxOverride    = 366 * 24 * time.Hour
	maxEscalation  = 7 * 24 * time.Hour
	maxHourlyTurns = 24 * 366
)

var (
	validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$`)
	weekdays  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

func invalid(format string, args ...any) error {
	return model.NewError(model.Invalid, fmt.Sprintf(format, args...))
}

func checkName(field, name string) error {
	if !validName.MatchString(name) {
		return invalid("%s: %q is no name: use letters, digits, dot, dash, underscore and @, at most 100", field, name)
	}
	return nil
}

// names gives names of a sort that exist.
type names func(Sort, string) bool

func (exist names) need(field string, s Sort, name string) error {
	if !exist(s, name) {
		return invalid("%s: there is no %s %q", field, s, name)
	}
	return nil
}

// check says what is wrong with a document's value, and returns it as it is kept; was is the contact before.
func check(s Sort, name string, value json.RawMessage, was Contact, exist names) (any, error) {
	decode := func(into any) error {
		d := json.NewDecoder(strings.NewReader(string(value)))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return invalid("%s: %v", s, err)
		}
		return nil
	}
	var err error
	switch s {
	case Contacts:
		var c Contact
		if err = decode(&c); err == nil {
			c.Name = name
			c.keepHidden(was)
			err = c.check()
		}
		return c, err
	case Teams:
		var t Team
		if err = decode(&t); err == nil {
			t.Name, err = name, t.check(exist)
		}
		return t, err
	case Schedules:
		var x Schedule
		if err = decode(&x); err == nil {
			x.Name, err = name, x.check(exist)
		}
		return x, err
	case Escalations:
		var e Escalation
		if err = decode(&e); err == nil {
			e.Name, err = name, e.check(exist)
		}
		return e, err
	}
	return nil, invalid("%q is nothing that is kept here", s)
}

// Hidden stands for an address that lets who knows it send. Put back, it leaves the address as it is.
const Hidden = "(secret)"

// Public is a contact as people may see it.
func (c Contact) Public() Contact {
	c.Methods = slices.Clone(c.Methods)
	for i, m := range c.Methods {
		if notify.SecretAddress(m.Kind) {
			c.Methods[i].To = Hidden
		}
	}
	return c
}

// keepHidden takes the addresses that were hidden from the contact as it was: the same kind in the same place among its kind.
func (c *Contact) keepHidden(was Contact) {
	of := func(kind string, n int) string {
		for _, m := range was.Methods {
			if m.Kind == kind {
				if n == 0 {
					return m.To
				}
				n--
			}
		}
		return ""
	}
	seen := map[string]int{}
	for i, m := range c.Methods {
		if m.To == Hidden {
			c.Methods[i].To = of(m.Kind, seen[m.Kind])
		}
		seen[m.Kind]++
	}
}

func (c *Contact) check() error {
	if c.Zone != "" {
		if _, err := time.LoadLocation(c.Zone); err != nil {
			return invalid("zone: %v: write one such as Europe/Paris", err)
		}
	}
	if len(c.Methods) > 20 {
		return invalid("methods: %d of them: at most 20", len(c.Methods))
	}
	for i, m := range c.Methods {
		if err := notify.CheckMethod(notify.Method(m)); err != nil {
			return invalid("methods: the one at place %d: %v", i+1, err)
		}
	}
	return checkText("title", c.Title)
}

func checkText(field, text string) error {
	if len(text) > maxText {
		return invalid("%s: it has %d bytes, at most %d are allowed", field, len(text), maxText)
	}
	return nil
}

func (t *Team) check(exist names) error {
	if len(t.Members) > maxMembers {
		return invalid("members: %d of them: at most %d", len(t.Members), maxMembers)
	}
	for _, m := range t.Members {
		if err := exist.need("members", Contacts, m); err != nil {
			return err
		}
	}
	if t.Escalation != "" {
		if err := exist.need("escalation", Escalations, t.Escalation); err != nil {
			return err
		}
	}
	if t.Schedule != "" {
		if err := exist.need("schedule", Schedules, t.Schedule); err != nil {
			return err
		}
	}
	return checkText("title", t.Title)
}

func (s *Schedule) check(exist names) error {
	if s.Zone == "" {
		return invalid("zone: it is missing: write one such as Europe/Paris")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return invalid("zone: %v: write one such as Europe/Paris", err)
	}
	if n := len(s.Layers); n == 0 || n > maxLayers {
		return invalid("layers: there are %d: 1 to %d are needed", n, maxLayers)
	}
	for i, l := range s.Layers {
		if err := l.check(exist); err != nil {
			return invalid("layers: the one at place %d: %v", i+1, err)
		}
	}
	return checkText("title", s.Title)
}

func (l *Layer) check(exist names) error {
	if n := len(l.Participants); n == 0 || n > maxMembers {
		return invalid("participants: there are %d: 1 to %d are needed", n, maxMembers)
	}
	for _, p := range l.Participants {
		if err := exist.need("participants", Contacts, p); err != nil {
			return err
		}
	}
	if _, err := time.Parse(time.DateOnly, l.Start); err != nil {
		return invalid("start: %q is no day: write one such as 2026-01-05", l.Start)
	}
	if _, err := parseClock(l.Handover); err != nil {
		return invalid("handover: %v", err)
	}
	switch {
	case l.Days > 0 && l.Hours > 0 || l.Days <= 0 && l.Hours <= 0:
		return invalid("days: a turn has a length in days or in hours: set one of them")
	case l.Days > 366 || l.Hours > maxHourlyTurns:
		return invalid("days: a turn lasts at most a year")
	}
	for i, w := range l.Only {
		if err := w.check(); err != nil {
			return invalid("only: the time at place %d: %v", i+1, err)
		}
	}
	return nil
}

func (w *Window) check() error {
	for _, d := range w.Weekdays {
		if !slices.Contains(weekdays, d) {
			return invalid("weekdays: %q is none: they are mon, tue, wed, thu, fri, sat, sun", d)
		}
	}
	from, err := parseClock(w.From)
	if err != nil {
		return invalid("from: %v", err)
	}
	to, err := parseClock(w.To)
	if err != nil {
		return invalid("to: %v", err)
	}
	if from == to && w.From != "00:00" {
		return invalid("to: it is the same as from: for a whole day write 00:00 twice")
	}
	return nil
}

// clock is a time of day in minutes.
type clock int

func parseClock(text string) (clock, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, invalid("%q is no time of day: write one such as 09:00", text)
	}
	return clock(t.Hour()*60 + t.Minute()), nil
}

func (e *Escalation) check(exist names) error {
	if n := len(e.Steps); n == 0 || n > maxSteps {
		return invalid("steps: there are %d: 1 to %d are needed", n, maxSteps)
	}
	if e.Repeat < 0 || e.Repeat > maxRepeat {
		return invalid("repeat: %d: 0 to %d", e.Repeat, maxRepeat)
	}
	for i, s := range e.Steps {
		if d := time.Duration(s.After); d < 0 || d > maxEscalation {
			return invalid("steps: the one at place %d: after: %s: at most %s", i+1, d, maxEscalation)
		}
		if n := len(s.Tell); n == 0 || n > maxMembers {
			return invalid("steps: the one at place %d tells %d: 1 to %d are needed", i+1, n, maxMembers)
		}
		for _, t := range s.Tell {
			if err := t.check(exist); err != nil {
				return invalid("steps: the one at place %d: %v", i+1, err)
			}
		}
	}
	return checkText("title", e.Title)
}

func (t *Target) check(exist names) error {
	set := 0
	for _, x := range []struct {
		sort Sort
		name string
	}{{Contacts, t.Contact}, {Schedules, t.Schedule}, {Teams, t.Team}} {
		if x.name == "" {
			continue
		}
		set++
		if err := exist.need("tell", x.sort, x.name); err != nil {
			return err
		}
	}
	if set != 1 {
		return invalid("tell: name one of contact, schedule and team")
	}
	return nil
}

// checkOverride says what is wrong with one.
func checkOverride(o *Override, exist names) error {
	if err := exist.need("schedule", Schedules, o.Schedule); err != nil {
		return err
	}
	if err := exist.need("contact", Contacts, o.Contact); err != nil {
		return err
	}
	if d := o.To.Sub(o.From); d <= 0 || d > maxOverride {
		return invalid("to: it must be behind from, and at most a year")
	}
	return checkText("comment", o.Comment)
}
