package oncall

import (
	"slices"
	"time"
)

// Shift is a time in which one person is on call.
type Shift struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Contact  string    `json:"contact"`
	Layer    string    `json:"layer,omitempty"`
	Override bool      `json:"override,omitempty"`
	ID       string    `json:"id,omitempty"` // of the override
	Comment  string    `json:"comment,omitempty"`
}

// On is who is on call by a schedule at one moment; false when nobody is. Of overrides the one that was made last counts, of layers the
// last one in the list that has somebody.
func (s *Schedule) On(overrides []Override, at time.Time) (Shift, bool) {
	best := -1
	for i, o := range overrides {
		if o.Schedule == s.Name && !at.Before(o.From) && at.Before(o.To) && (best < 0 || o.At.After(overrides[best].At) || o.At.Equal(overrides[best].At) && o.ID > overrides[best].ID) {
			best = i
		}
	}
	if best >= 0 {
		o := overrides[best]
		return Shift{Contact: o.Contact, Override: true, ID: o.ID, Comment: o.Comment}, true
	}
	zone := s.zone()
	for _, l := range slices.Backward(s.Layers) {
		if who, ok := l.on(at, zone); ok {
			return Shift{Contact: who, Layer: l.Name}, true
		}
	}
	return Shift{}, false
}

func (s *Schedule) zone() *time.Location {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.UTC // it was checked when it was kept; the machine has lost its zones since
	}
	return zone
}

// on is whose turn it is in a layer.
func (l *Layer) on(at time.Time, zone *time.Location) (string, bool) {
	turn, ok := l.turn(at, zone)
	if !ok || len(l.Participants) == 0 || !l.counts(at, zone) {
		return "", false
	}
	return l.Participants[turn%len(l.Participants)], true
}

// turn numbers the turns from 0; false before the first one.
func (l *Layer) turn(at time.Time, zone *time.Location) (int, bool) {
	first := l.first(zone)
	if at.Before(first) {
		return 0, false
	}
	if l.Hours > 0 {
		return int(at.Sub(first) / (time.Duration(l.Hours) * time.Hour)), true
	}
	day := dayOf(at, zone)
	n := daysBetween(dayOf(first, zone), day)
	if at.Before(moment(day, l.handover(), zone)) {
		n--
	}
	return n / l.Days, true
}

func (l *Layer) handover() clock {
	c, _ := parseClock(l.Handover) // checked when it was kept
	return c
}

func (l *Layer) first(zone *time.Location) time.Time {
	start, _ := time.Parse(time.DateOnly, l.Start) // checked when it was kept
	return moment(start, l.handover(), zone)
}

// counts says whether a layer is one for this time of the week.
func (l *Layer) counts(at time.Time, zone *time.Location) bool {
	if len(l.Only) == 0 {
		return true
	}
	today := dayOf(at, zone)
	return slices.ContainsFunc(l.Only, func(w Window) bool {
		return w.holds(today, at, zone) || w.holds(today.AddDate(0, 0, -1), at, zone)
	})
}

// holds says whether the window that begins on a day has a moment in it.
func (w *Window) holds(day, at time.Time, zone *time.Location) bool {
	if len(w.Weekdays) > 0 && !slices.Contains(w.Weekdays, weekdays[day.Weekday()]) {
		return false
	}
	from, to := w.ends(day, zone)
	return !at.Before(from) && at.Before(to)
}

func (w *Window) ends(day time.Time, zone *time.Location) (from, to time.Time) {
	a, _ := parseClock(w.From) // checked when they were kept
	b, _ := parseClock(w.To)
	last := day
	if b <= a {
		last = day.AddDate(0, 0, 1)
	}
	return moment(day, a, zone), moment(last, b, zone)
}

// dayOf is the date of a moment in a zone, as midnight UTC, so that days can be counted.
func dayOf(at time.Time, zone *time.Location) time.Time {
	y, m, d := at.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func daysBetween(a, b time.Time) int { return int(b.Sub(a) / (24 * time.Hour)) }

// moment is when the clocks of a zone show a time on a day. In the hour that they skip it is as far behind the skip as it was into it.
func moment(day time.Time, c clock, zone *time.Location) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, int(c)/60, int(c)%60, 0, 0, zone)
}

// Shifts are those between two moments, cut at both ends, in order. Where nobody is on call there is none.
func (s *Schedule) Shifts(overrides []Override, from, to time.Time) []Shift {
	edges := s.edges(overrides, from, to)
	out := []Shift{}
	for i := range len(edges) - 1 {
		on, ok := s.On(overrides, edges[i])
		if !ok {
			continue
		}
		on.From, on.To = edges[i], edges[i+1]
		if last := len(out) - 1; last >= 0 && out[last].To.Equal(on.From) && out[last].Contact == on.Contact && out[last].Layer == on.Layer && out[last].ID == on.ID {
			out[last].To = on.To
			continue
		}
		out = append(out, on)
	}
	return out
}

// edges are all moments at which somebody else may come on call, in order, with both ends.
func (s *Schedule) edges(overrides []Override, from, to time.Time) []time.Time {
	edges := []time.Time{from, to}
	add := func(at time.Time) {
		if at.After(from) && at.Before(to) {
			edges = append(edges, at)
		}
	}
	for _, o := range overrides {
		if o.Schedule == s.Name {
			add(o.From)
			add(o.To)
		}
	}
	zone := s.zone()
	last := dayOf(to, zone).AddDate(0, 0, 1)
	for i := range s.Layers {
		l := &s.Layers[i]
		add(l.first(zone))
		if l.Hours > 0 {
			l.hourly(from, to, zone, add)
		}
		for day := dayOf(from, zone).AddDate(0, 0, -1); !day.After(last); day = day.AddDate(0, 0, 1) {
			if l.Days > 0 {
				add(moment(day, l.handover(), zone))
			}
			for _, w := range l.Only {
				a, b := w.ends(day, zone)
				add(a)
				add(b)
			}
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	return slices.CompactFunc(edges, time.Time.Equal)
}

func (l *Layer) hourly(from, to time.Time, zone *time.Location, add func(time.Time)) {
	length, first := time.Duration(l.Hours)*time.Hour, l.first(zone)
	at := first
	if from.After(first) {
		at = first.Add(from.Sub(first).Truncate(length))
	}
	for ; at.Before(to); at = at.Add(length) {
		add(at)
	}
}
