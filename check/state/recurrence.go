package state

import (
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/period"
)

// maxEvery bounds one time of a downtime that repeats; more is always on.
const maxEvery = 31 * 24 * time.Hour

// horizon is how many days ahead the next time is looked for: the 29th of February on a given weekday comes again after
// 40 years at most, around 2100.
const horizon = 41 * 366

func validateEvery(d check.Downtime) error {
	e := d.Every
	if _, err := time.LoadLocation(e.Zone); err != nil {
		return invalid("every.zone: %q is no time zone: write it like Europe/Paris", e.Zone)
	}
	for _, w := range e.Weekdays {
		if w < time.Sunday || w > time.Saturday {
			return invalid("every.weekdays: %d is no weekday: 0 is Sunday, 6 Saturday", w)
		}
	}
	for _, n := range e.Days {
		if n == 0 || n < -31 || n > 31 {
			return invalid("every.days: %d is no day of a month: 1 to 31, or -1 (the last) to -31", n)
		}
	}
	for _, m := range e.Months {
		if m < time.January || m > time.December {
			return invalid("every.months: %d is no month: 1 to 12", m)
		}
	}
	if d.End.Sub(d.Start) > maxEvery {
		return invalid("end: one time of a downtime that repeats lasts 31 days at most")
	}
	if !e.Until.IsZero() && e.Until.Before(d.Start) {
		return invalid("every.until: it is before start")
	}
	if _, _, ok := Next(d, d.Start); !ok {
		return invalid("every: no day is all of weekdays, days and months before until, so it would never begin")
	}
	return nil
}

// Next returns the time of a downtime that is on at that moment or, when none is, the next one; ok is false when there is none.
// A flexible one may begin between the two. One with a trigger has its own bounds only.
func Next(d check.Downtime, at time.Time) (start, end time.Time, ok bool) {
	if d.Every == nil {
		return d.Start, d.End, at.Before(d.End)
	}
	r := newRepeat(d)
	for day, n := r.from(at), 0; n < horizon; day, n = day.Add(1), n+1 {
		if r.over(day) {
			return start, end, false
		}
		if !r.takes(day) {
			continue
		}
		if start, end = r.times(day); at.Before(end) {
			return start, end, true
		}
	}
	return start, end, false
}

// window returns the time of d that is on at that moment. Of a downtime that never repeats it is the only one.
func window(d check.Downtime, at time.Time) (start, end time.Time, ok bool) {
	if start, end, ok = lastWindow(d, at); !ok || !at.Before(end) {
		return start, end, false
	}
	return start, end, true
}

// lastWindow returns the newest time of d that began at that moment or before, looking back as far as one lasts and a month.
func lastWindow(d check.Downtime, at time.Time) (start, end time.Time, ok bool) {
	if at.Before(d.Start) {
		return start, end, false
	}
	if d.Every == nil {
		return d.Start, d.End, true
	}
	r := newRepeat(d)
	last := period.DayOf(at.In(r.loc))
	for n := 0; n <= r.days+1; n++ {
		day := last.Add(-n)
		if day.Sub(r.first) < 0 {
			break
		}
		if r.over(day) || !r.takes(day) {
			continue
		}
		if start, end = r.times(day); !start.After(at) {
			return start, end, true
		}
	}
	return start, end, false
}

// repeat is a recurrence prepared for one downtime. A time of it begins on a day at the clock time of Start, and ends at the
// clock time of End, so that it keeps both over changes of the clock.
type repeat struct {
	check.Recurrence
	loc        *time.Location
	first      period.Day
	days       int // from the day of Start to that of End
	start, end time.Duration
}

func newRepeat(d check.Downtime) repeat {
	r := repeat{Recurrence: *d.Every, loc: time.UTC}
	if loc, err := time.LoadLocation(r.Zone); err == nil {
		r.loc = loc
	}
	start, end := d.Start.In(r.loc), d.End.In(r.loc)
	r.first = period.DayOf(start)
	r.days = period.DayOf(end).Sub(r.first)
	r.start, r.end = sinceMidnight(start), sinceMidnight(end)
	return r
}

func sinceMidnight(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}

// from is the first day whose time may end after at.
func (r repeat) from(at time.Time) period.Day {
	day := period.DayOf(at.In(r.loc)).Add(-r.days - 1)
	if day.Sub(r.first) < 0 {
		return r.first
	}
	return day
}

func (r repeat) over(day period.Day) bool {
	return !r.Until.IsZero() && day.Sub(period.DayOf(r.Until.In(r.loc))) > 0
}

func (r repeat) takes(day period.Day) bool {
	return (len(r.Weekdays) == 0 || slices.Contains(r.Weekdays, day.Weekday())) &&
		(len(r.Months) == 0 || slices.Contains(r.Months, day.Month)) &&
		(len(r.Days) == 0 || slices.Contains(r.Days, day.Day) || slices.Contains(r.Days, day.Day-day.InMonth()-1))
}

// times returns when the time of a day begins and ends. Where the clock shows a time twice it covers both.
func (r repeat) times(day period.Day) (start, end time.Time) {
	return day.Clock(r.start, r.loc, false), day.Add(r.days).Clock(r.end, r.loc, true)
}
