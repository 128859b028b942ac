// Package period holds times as people plan them: time periods as Nagios writes them, and days and clock times in a time
// zone, with the days on which the clock changes.
package period

import "time"

// Day is a day of the calendar, in no particular zone.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

// DayOf returns the day on which t falls in its location.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day{y, m, d}
}

func (d Day) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// Add returns the day n days later.
func (d Day) Add(n int) Day { return DayOf(d.utc().AddDate(0, 0, n)) }

// Sub returns how many days d is after other.
func (d Day) Sub(other Day) int { return int(d.utc().Sub(other.utc()) / (24 * time.Hour)) }

// Weekday returns the day of the week.
func (d Day) Weekday() time.Weekday { return d.utc().Weekday() }

// InMonth is the number of days of the day's month.
func (d Day) InMonth() int { return time.Date(d.Year, d.Month+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// Clock returns when clocks in loc show this time of day (since midnight; 24h is the next midnight). A time that the clock skips is
// the moment at which it skips. One that it shows twice is the first, or the second when late.
func (d Day) Clock(of time.Duration, loc *time.Location, late bool) time.Time {
	naive := d.utc().Add(of)
	// The offsets a day before and after are those before and after a change of the clock.
	before, after := offset(naive.Add(-24*time.Hour), loc), offset(naive.Add(24*time.Hour), loc)
	a, b := naive.Add(-before), naive.Add(-after)
	okA, okB := offset(a, loc) == before, offset(b, loc) == after
	switch {
	case okA && okB && late == b.After(a), !okA && okB:
		return b.In(loc)
	case okA:
		return a.In(loc)
	}
	start, _ := a.In(loc).ZoneBounds()
	return start
}

func offset(t time.Time, loc *time.Location) time.Duration {
	_, seconds := t.In(loc).Zone()
	return time.Duration(seconds) * time.Second
}
